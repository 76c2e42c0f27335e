//! What lets one into an account, and asking Azure beside the SDK of Cosmos DB.

pub mod credentials;
pub mod entra;
pub mod http;
pub mod rest;
mod way;
