//! The lab: regional DynamoDB endpoints on loopback with known, injected replication lag.
//!
//! Each region is an in-process database behind a small HTTP server of our own. A replicator of our own carries every
//! committed write to every other region after a sampled lag, and a truth log notes when each heartbeat was committed
//! and when it became visible where. What the gauge says is then compared with what was so.
//!
//! In reading order: [`time`] (instants and brackets), [`inject`] (what may go wrong, and by how much), [`truth`] (what
//! was so), [`keys`] (what tables are like), [`replica`] (one region's data), [`replicate`] and [`mesh`] (the links between them), [`endpoint`] (sockets),
//! [`serve`] (one request's way through a region), [`setup`] and [`handle`] (what a test holds), [`settings`] (the
//! daemon's settings for this lab) and [`control`] and [`by_hand`] (a lab by hand, over HTTP). [`cosmos`] is its sibling for Azure Cosmos
//! DB, on the same links, with the same truth.
//!
//! Include it with `#[path = "support/lab/mod.rs"] mod lab;`. It asks the host's clocks: not for paused time.

#![allow(dead_code, unused_imports, reason = "each binary that includes the lab uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "the lab is the truth that the gauge's clocks are held against")]
#![allow(clippy::panic, reason = "a lab that cannot do what a test asks fails that test, and says why")]

mod by_hand;
pub mod control;
pub mod cosmos;
mod endpoint;
mod handle;
mod inject;
mod keys;
mod mesh;
mod names;
mod replica;
mod replicate;
mod serve;
mod settings;
mod setup;
mod time;
mod truth;

pub use cosmos::{CosmosLab, CosmosMode};
pub use handle::Lab;
pub use inject::{CatchUp, Delay, Down, Lag, Mode, Network, Straggler};
pub use keys::{KeyKind, TableKeys};
pub use names::short_name;
pub use settings::DaemonSettings;
pub use setup::LabBuilder;
pub use time::{Bracket, Stamp};
pub use truth::{Commit, HeartbeatId, TrueLag, Truth};

/// A lab that a daemon's samples can be held against.
pub trait Measured {
    /// The regions, by the names that the daemon gives them.
    fn region_names(&self) -> Vec<String>;

    /// What was so.
    fn truth(&self) -> &Truth;
}
