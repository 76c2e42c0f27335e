//! Tidegauge measures how stale the data is in each cell of a multi-region, multi-active store.
//!
//! ```text
//!  settings ──► measuring: a driver per store; read anew, what has not changed goes on
//!                  │
//!                  ▼            Action{Write|Read|Inspect|Ask}
//!    ┌─ driver (one task per store) ─────────────────► store, provider (SDK calls, each with a deadline)
//!    │   owns the Ledger (pure)  ◄── Event{Wrote|Read|Inspected|Answered, sent, received} ──┘
//!    ▼ Snapshot (immutable, behind a watch channel, published at most every 50 ms)
//!    ├─► judge     step(verdicts, rules, policies, snapshots, now): states with dwell, alerts with `for`, standing advice,
//!    │      │       the last hour
//!    │      ▼ Verdicts (a watch channel of their own), Events (a bounded broadcast)
//!    ├─► metrics   render(snapshots, verdicts, now)  GET /metrics
//!    ├─► http      pairs, samples, alerts, events    GET /api/v1/…
//!    ├─► page      the same for people               GET /
//!    ├─► advice    advise(snapshot, policy, query, now)   GET /api/v1/advice
//!    └─► notify    what fires, to Alertmanagers      where settings name some
//! ```
//!
//! What is measured is a scene ([`view::Scene`]). Another one goes to the judge, which takes what it knows along by the stores'
//! names, and lets everybody have scene and verdicts together: nobody sees verdicts of one held against stores of another.
//!
//! Data goes one way: down. Nothing below the snapshot can reach the ledger. What is computed from a snapshot (ages,
//! states) is computed by [`core::assess`] for the moment at which somebody asks.

pub mod clock;
pub mod core;
pub mod providers;
pub mod settings;
pub mod stores;

pub mod advised;
pub mod app;
#[cfg_attr(
    not(any(feature = "cosmos", feature = "dynamodb")),
    expect(unused, reason = "there is nothing to reach without a cloud")
)]
pub mod check;
pub mod cost;
pub mod dashboards;
pub mod driver;
#[cfg_attr(
    not(any(feature = "cosmos", feature = "dynamodb")),
    expect(unused, reason = "nothing outlives a process without a cloud")
)]
pub mod forget;
pub mod health;
pub mod http;
pub mod judging;
pub mod measuring;
pub mod metrics;
pub mod notify;
pub mod reload;
pub mod rules;
pub mod telemetry;
pub mod view;
