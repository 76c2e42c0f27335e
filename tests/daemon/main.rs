//! The daemon as a process, held against the lab's truth: what it promises an operator, one module per group.
//!
//! `TIDEGAUGE_ACCEPTANCE=1` makes the long run long (five minutes instead of one) and holds the schedule to its
//! budget, which a debug build that shares two cores with the lab itself cannot promise.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails there, and the daemon's clocks are held against the host's"
)]

#[cfg(feature = "cosmos")]
#[path = "../support/azure.rs"]
#[allow(dead_code, reason = "what is asked of it in detail is asked elsewhere")]
mod azure;
#[path = "../support/lab/mod.rs"]
mod lab;

mod advice;
mod budget;
mod calm;
#[cfg(feature = "cosmos")]
mod cosmos;
mod discovery;
mod fleet;
mod forget;
mod health;
mod hostile;
mod lifecycle;
mod paging;
mod push;
mod reload;
mod stall;
mod support;
mod tables;
mod trouble;
