//! What lets one into an account, its clients, and asking Azure beside the SDK of Cosmos DB.

pub mod clients;
pub mod credentials;
pub mod entra;
pub mod http;
pub mod rest;
mod way;
