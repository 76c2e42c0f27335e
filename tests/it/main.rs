//! What the parts promise to each other: the DynamoDB adapter against the lab, what CloudWatch and Azure are asked and
//! what is made of their answers, the heartbeat's stored format, the HTTP answers, the rules of the house, and the lab itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, and says where")]

#[path = "../support/lab/mod.rs"]
mod lab;
#[path = "../support/lab/tests.rs"]
mod lab_tests;

#[cfg(feature = "cosmos")]
#[path = "../support/azure.rs"]
mod azure;

mod advice_http;
mod alerts_http;
mod alone;
#[cfg(feature = "cosmos")]
mod azure_account;
#[cfg(feature = "cosmos")]
mod azure_credentials;
#[cfg(feature = "cosmos")]
mod azure_monitor;
#[cfg(feature = "cosmos")]
mod azure_rest;
#[cfg(feature = "dynamodb")]
mod cloudwatch;
#[cfg(feature = "cosmos")]
mod cosmos;
mod dashboards;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod events_http;
mod gauge;
mod golden;
mod house;
mod http;
mod listener;
mod notify;
mod openapi;
mod page;
mod page_pair;
mod page_writes;
mod reload;
mod rules;
mod visibility_http;
