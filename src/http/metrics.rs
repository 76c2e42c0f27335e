//! `GET /metrics`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing;

use super::answer::Kind;
use super::resource::{Answer, Resource, Verb};
use super::{Shared, internal, paced};
use crate::metrics;
use crate::settings::Act;

pub(super) const RESOURCE: Resource = Resource {
    path: "/metrics",
    verb: Verb::Get,
    summary: "for Prometheus",
    act: Some(Act::Scrape),
    parameters: &[],
    answer: Answer::Text(&[metrics::CONTENT_TYPE]),
    headers: &[],
    also: &[],
    problems: &[Kind::Internal, Kind::Unavailable],
    route: || routing::get(get),
};

/// The exposition. It is encoded on a thread of its own: a scrape of thousands of pairs takes tens of milliseconds,
/// during which no probe could be timed on that thread.
pub async fn get(State(shared): State<Shared>) -> Response {
    let Ok(turn) = shared.scrapes.clone().acquire_owned().await else { return internal() };
    let (view, loaded) = (shared.sources.view(), shared.loaded.borrow().clone());
    let body = paced::body(turn, "the metrics", move |out| metrics::render(&view, &loaded, out));
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], body).into_response()
}
