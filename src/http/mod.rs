//! What the gauge serves, one file per resource. All of it is read-only and computed from the newest snapshots.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutLayer;

use crate::core::time::Wall;
use crate::view::Sources;

mod advice;
mod alerts;
mod answer;
mod events;
mod home;
pub mod listen;
mod metrics;
mod pairs;
mod samples;

use answer::Problem;

/// A request whose answer takes longer to begin is given up. How long the answer itself takes is another matter: one is a
/// stream of events.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Scrapes encoded at the same time; more of them wait. Each may take a core for tens of milliseconds.
const SCRAPES_AT_ONCE: usize = 1;

/// What every resource is handed, with every request: cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where the newest of everything is to be had.
    pub sources: Arc<Sources>,
    /// When the settings in use were read, or what was wrong with them.
    pub settings: Result<Wall, Arc<str>>,
    scrapes: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
}

impl Shared {
    /// For these sources.
    pub fn new(sources: impl Into<Arc<Sources>>, loaded_at: Wall) -> Shared {
        let places = |count| Arc::new(Semaphore::new(count));
        let (scrapes, listeners) = (places(SCRAPES_AT_ONCE), places(events::LISTENERS_MAX));
        Shared { sources: sources.into(), settings: Ok(loaded_at), scrapes, listeners }
    }

    /// For settings that were refused: nothing is measured, and that is served.
    pub fn refused(sources: impl Into<Arc<Sources>>, problems: String) -> Shared {
        Shared { settings: Err(problems.into()), ..Shared::new(sources, Wall::from_micros(0)) }
    }
}

/// Everything: for the application in the cell and the person on call, over loopback.
pub fn full(shared: Shared) -> Router {
    let api = Router::new()
        .route("/", get(home::get))
        .route("/api/v1/pairs", get(pairs::get))
        .route("/api/v1/samples", get(samples::get))
        .route("/api/v1/alerts", get(alerts::get))
        .route("/api/v1/advice", get(advice::get))
        .route("/api/v1/events", get(events::get))
        .route_layer(from_fn_with_state(shared.clone(), know_something));
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
        .route("/-/ready", get(ready))
}

async fn ready(State(shared): State<Shared>) -> Response {
    match shared.settings {
        Ok(_) => "Tidegauge is ready.\n".into_response(),
        Err(problems) => Problem::refused(&problems).into_response(),
    }
}

/// An empty list of pairs would read as a store without any: where settings were refused, all that is known is why.
async fn know_something(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match shared.settings {
        Ok(_) => next.run(request).await,
        Err(problems) => Problem::refused(&problems).into_response(),
    }
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
