//! `GET /metrics`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::{Shared, internal};
use crate::metrics;

/// The exposition. It is encoded on a thread of its own: a scrape of thousands of pairs takes tens of milliseconds,
/// during which no probe could be timed on that thread.
pub async fn get(State(shared): State<Shared>) -> Response {
    let Ok(_turn) = shared.scrapes.acquire().await else { return internal() };
    let (view, loaded_at) = (shared.sources.view(), shared.settings.as_ref().ok().copied());
    match tokio::task::spawn_blocking(move || metrics::render(&view, loaded_at)).await {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            internal()
        }
    }
}
