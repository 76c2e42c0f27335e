//! Azure Cosmos DB: containers of an account that takes writes in several regions.

pub mod account;
pub mod connect;
pub mod regions;
