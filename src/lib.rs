//! Tidegauge measures how stale the data is in each cell of a multi-region, multi-active store.
//!
//! ```text
//!  settings ──► topology: stores × regions ⇒ region pairs
//!                  │
//!                  ▼            Action{Write|Read|Inspect|Ask}
//!    ┌─ driver (one task per store) ─────────────────► store, provider (SDK calls, each with a deadline)
//!    │   owns the Ledger (pure)  ◄── Event{Wrote|Read|Inspected|Answered, sent, received} ──┘
//!    ▼ Snapshot (immutable, behind a watch channel, published at most every 50 ms)
//!    ├─► judge     how long each pair has been in its state
//!    ├─► metrics   render(snapshots, now)            GET /metrics
//!    └─► http      pairs, samples                    GET /api/v1/…
//! ```
//!
//! Data goes one way: down. Nothing below the snapshot can reach the ledger. What is computed from a snapshot (ages,
//! states) is computed by [`core::assess`] for the moment at which somebody asks.

pub mod clock;
pub mod core;
pub mod providers;
pub mod settings;
pub mod stores;

pub mod app;
#[cfg_attr(
    not(any(feature = "cosmos", feature = "dynamodb")),
    expect(unused, reason = "there is nothing to reach without a cloud")
)]
pub mod check;
pub mod cost;
pub mod driver;
#[cfg_attr(
    not(any(feature = "cosmos", feature = "dynamodb")),
    expect(unused, reason = "nothing outlives a process without a cloud")
)]
pub mod forget;
pub mod http;
pub mod metrics;
pub mod telemetry;
pub mod view;
