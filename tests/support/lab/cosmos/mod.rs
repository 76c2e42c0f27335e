//! The lab for Azure Cosmos DB: one account of several regions on loopback ports, with known, injected replication lag.
//!
//! Each region is an in-memory emulator of its own, the SDK's, behind a small HTTP server of ours, which speaks HTTP/1.1
//! and HTTP/2 by prior knowledge. Every emulator knows the whole account, so that each names all regions; documents
//! travel from one to the other over the lab's own links. The emulator could replicate by itself, but it keeps no more
//! than 64 writes under way at once and delays the others without a word, it can stop a target alone and not a single
//! link, and it does not say when a write became visible: these links can do all that, as they do for DynamoDB.
//!
//! What differs from the service: a replicated document has a `_ts`, an `_etag` and an LSN of the target's own instead of
//! its source's, so that a session token says little in another region; conflicts go by the order of the commits, to the
//! microsecond, and not by `_ts`; keys are not verified, though a request without a signature is refused; batches,
//! patches, and the making of databases and containers over the wire are refused.
//!
//! In reading order: [`operation`] (what a request asks for), [`mode`] (ways of being out of order), [`replica`] (one
//! region's data), [`serve`] (one request's way through a region), [`setup`] and [`handle`] (what a test holds).

mod by_hand;
mod handle;
mod mode;
mod operation;
mod replica;
mod serve;
mod setup;

pub use handle::CosmosLab;
pub use mode::{CosmosMode, Part, Refusal};
pub use operation::Operation;
pub use setup::{CONTAINER, CosmosLabBuilder, DATABASE, KEY};
