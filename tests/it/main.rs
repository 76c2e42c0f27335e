//! What the parts promise to each other: the DynamoDB adapter against the lab, what CloudWatch is asked and what is made
//! of its answers, the heartbeat's stored format, the HTTP answers, the rules of the house, and the lab itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, and says where")]

#[path = "../support/lab/mod.rs"]
mod lab;
#[path = "../support/lab/tests.rs"]
mod lab_tests;

#[cfg(feature = "dynamodb")]
mod cloudwatch;
#[cfg(feature = "cosmos")]
mod cosmos;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod golden;
mod house;
mod http;
