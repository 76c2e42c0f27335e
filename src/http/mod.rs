//! What the gauge serves, one file per resource. All of it but the reload is read-only and computed from the newest snapshots.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing;
use tokio::sync::{Semaphore, watch};
use tower_http::timeout::TimeoutLayer;

use crate::reload::{Loaded, Reloads};
use crate::settings::Act;
use crate::view::Sources;

mod advice;
mod alerts;
mod answer;
mod events;
pub mod guard;
pub mod keys;
pub mod listen;
mod metrics;
mod openapi;
mod paced;
mod page;
mod pairs;
mod reload;
mod resource;
mod samples;
mod visibility;
mod words;

use answer::{Kind, Problem};
use resource::{PLAIN_TEXT, Resource, Verb};

/// A request whose answer takes longer to begin is given up. How long the answer itself takes is another matter: one is a
/// stream of events.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Scrapes encoded at the same time; more of them wait. Each may take a core for tens of milliseconds.
const SCRAPES_AT_ONCE: usize = 1;
/// Pages made and sent at the same time, likewise. One reader that is slow holds up nobody.
const PAGES_AT_ONCE: usize = 2;

/// What is computed from measurements.
const KNOWING: [Resource; 9] = [
    page::RESOURCE,
    page::STYLE,
    page::SCRIPT,
    pairs::RESOURCE,
    samples::RESOURCE,
    alerts::RESOURCE,
    advice::RESOURCE,
    visibility::RESOURCE,
    events::RESOURCE,
];
/// What is there in any case.
const OBSERVABLE: [Resource; 3] = [metrics::RESOURCE, HEALTHY, READY];

/// Settings were right and the listener is up, or nobody would answer. Clouds do not count: an application must not be
/// restarted, or taken out of service, because a region far away is down.
const HEALTHY: Resource = Resource {
    path: "/-/healthy",
    verb: Verb::Get,
    summary: "whether the process serves",
    act: None,
    parameters: &[],
    answer: PLAIN_TEXT,
    headers: &[],
    also: &[],
    problems: &[],
    route: || routing::get(async || "Tidegauge is healthy.\n"),
};
const READY: Resource = Resource {
    path: "/-/ready",
    verb: Verb::Get,
    summary: "whether its settings were right",
    act: None,
    parameters: &[],
    answer: PLAIN_TEXT,
    headers: &[],
    also: &[],
    problems: &[Kind::Unavailable],
    route: || routing::get(ready),
};

/// All that there is, in the order in which it is listed.
fn resources() -> impl Iterator<Item = Resource> {
    KNOWING.into_iter().chain([openapi::RESOURCE, reload::RESOURCE]).chain(OBSERVABLE)
}

/// What whoever asks for this path has to be allowed. Where nothing is, that is to read: the answer does not say which paths
/// there are to somebody who may not know.
fn act_at(path: &str) -> Option<Act> {
    let found = resources().find(|resource| resource.path == path);
    found.map_or(Some(Act::Read), |resource| resource.act)
}

/// Every path, and what whoever asks for it has to be allowed; `None` is health, which is answered to anybody.
pub fn acts() -> impl Iterator<Item = (&'static str, Option<Act>)> {
    resources().map(|resource| (resource.path, resource.act))
}

/// What every resource is handed, with every request: cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where the newest of everything is to be had.
    pub sources: Arc<Sources>,
    /// What became of the settings.
    pub loaded: watch::Receiver<Loaded>,
    /// Where to ask for a reload.
    pub reloads: Reloads,
    scrapes: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
}

impl Shared {
    /// For these sources.
    pub fn new(sources: impl Into<Arc<Sources>>, loaded: watch::Receiver<Loaded>, reloads: Reloads) -> Shared {
        let places = |count| Arc::new(Semaphore::new(count));
        let (scrapes, pages) = (places(SCRAPES_AT_ONCE), places(PAGES_AT_ONCE));
        let listeners = places(events::LISTENERS_MAX);
        Shared { sources: sources.into(), loaded, reloads, scrapes, pages, listeners }
    }

    /// Whether anything is known: an empty list of pairs would read as a store without any. To be asked first.
    fn known(&self) -> Result<(), Problem> {
        self.loaded.borrow().unknown().map_or(Ok(()), |problems| Err(Problem::refused(problems)))
    }
}

/// Everything: for the application in the cell and the person on call, over loopback.
pub fn full(shared: Shared) -> Router {
    let router = serve(&KNOWING).merge(serve(&[openapi::RESOURCE, reload::RESOURCE]));
    finish(router.merge(serve(&OBSERVABLE)), shared)
}

/// What Prometheus and the kubelet may reach from outside: metrics and health.
pub fn metrics_only(shared: Shared) -> Router {
    finish(serve(&OBSERVABLE), shared)
}

fn serve(resources: &[Resource]) -> Router<Shared> {
    resources.iter().fold(Router::new(), |router, resource| router.route(resource.path, (resource.route)()))
}

async fn ready(State(shared): State<Shared>) -> Result<&'static str, Problem> {
    shared.known()?;
    Ok("Tidegauge is ready.\n")
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
