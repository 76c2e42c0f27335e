//! The core's promises, held against a simulated store that knows the truth. All of it runs in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/fleet/mod.rs"]
mod fleet;
#[path = "../support/sim/mod.rs"]
mod sim;

mod advice;
mod alert_course;
mod alerts;
mod ask;
mod assess;
mod audit;
mod brackets;
mod fleets;
mod follow;
mod merge;
mod outstanding;
mod percentiles;
mod properties;
mod restarts;
mod schedule;
mod states;
mod traces;
mod track;
mod visibility;
mod windows;
mod wrong_formulas;

/// So many cases, or as PROPTEST_CASES says: mutants are many, and most of them are found at once.
fn cases(usual: u32) -> proptest::test_runner::Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() }
}
