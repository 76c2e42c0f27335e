//! What the gauge serves, one file per resource. All of it is read-only and computed from the newest snapshots.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutLayer;

use crate::core::time::Wall;
use crate::view::Sources;

mod answer;
mod home;
pub mod listen;
mod metrics;
mod pairs;
mod samples;

use answer::Problem;

/// A request that takes longer is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Scrapes encoded at the same time; more of them wait. Each may take a core for tens of milliseconds.
const SCRAPES_AT_ONCE: usize = 1;

/// What every resource is handed.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where the newest of everything is to be had.
    pub sources: Sources,
    /// When the settings in use were read.
    pub loaded_at: Wall,
    scrapes: Arc<Semaphore>,
}

impl Shared {
    /// For these sources.
    pub fn new(sources: Sources, loaded_at: Wall) -> Shared {
        Shared { sources, loaded_at, scrapes: Arc::new(Semaphore::new(SCRAPES_AT_ONCE)) }
    }
}

/// Everything: for the application in the cell and the person on call, over loopback.
pub fn full(shared: Shared) -> Router {
    let api = Router::new()
        .route("/", get(home::get))
        .route("/api/v1/pairs", get(pairs::get))
        .route("/api/v1/samples", get(samples::get));
    finish(api.merge(observable()), shared)
}

/// What Prometheus and the kubelet may reach from outside: metrics and health.
pub fn metrics_only(shared: Shared) -> Router {
    finish(observable(), shared)
}

fn observable() -> Router<Shared> {
    Router::new()
        .route("/metrics", get(metrics::get))
        // Settings were right and the listener is up, or nobody would answer. Clouds do not count: an application
        // must not be restarted, or taken out of service, because a region far away is down.
        .route("/-/healthy", get(async || "Tidegauge is healthy.\n"))
        .route("/-/ready", get(async || "Tidegauge is ready.\n"))
}

fn finish(router: Router<Shared>, shared: Shared) -> Router {
    router
        .fallback(async || Problem::not_found("there is nothing here; GET / lists what there is"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(shared)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT))
}

/// An internal failure, without its details.
fn internal() -> Response {
    Problem::internal().into_response()
}
