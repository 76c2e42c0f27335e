//! The lab holds what it promises: what the gauge is measured against must itself be right.

#[path = "support/lab/mod.rs"]
mod lab;
#[path = "support/lab/tests.rs"]
mod tests;
