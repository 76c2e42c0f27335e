//! The core's promises, held against a simulated store that knows the truth. All of it runs in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/sim/mod.rs"]
mod sim;

mod properties;
mod restarts;
mod schedule;
mod states;
mod windows;
mod wrong_formulas;
