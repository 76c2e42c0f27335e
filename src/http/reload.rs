//! `POST /-/reload`: the settings are read anew, all or nothing.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::routing;
use schemars::JsonSchema;
use serde::Serialize;

use super::Shared;
use super::answer::{Kind, Problem, Success};
use super::resource::{Answer, Resource, Verb};
use crate::measuring::Changes;
use crate::reload::NotReloaded;

pub(super) const RESOURCE: Resource = Resource {
    path: "/-/reload",
    verb: Verb::Post,
    summary: "read the settings anew, all or nothing",
    parameters: &[],
    answer: Answer::of::<Reloaded>(),
    headers: &[],
    also: &[],
    problems: &[Kind::BadData, Kind::UnsupportedMediaType, Kind::Unavailable],
    route: || routing::post(post),
};

/// What became of the stores, by their names.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Reload")]
pub struct Reloaded {
    /// Those that are measured without a break.
    kept: Vec<String>,
    /// Those that are measured anew, as their settings are others.
    restarted: Vec<String>,
    /// Those that are new.
    added: Vec<String>,
    /// Those that are no longer measured.
    removed: Vec<String>,
}

/// Answers once all that is to be decided is decided; a region that hangs is not waited for.
pub async fn post(State(shared): State<Shared>, headers: HeaderMap) -> Result<Json<Success<Reloaded>>, Problem> {
    // No page elsewhere can have a browser send this without having asked first.
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()?.split(';').next());
    if !kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Problem::unsupported_media_type());
    }
    match shared.reloads.ask().await {
        Ok(Changes { kept, restarted, added, removed }) => {
            Ok(Success::of(Reloaded { kept, restarted, added, removed }))
        }
        Err(NotReloaded::Refused(problems)) => {
            Err(Problem::bad_data(format!("the settings were refused, and all goes on as before: {problems}")))
        }
        Err(NotReloaded::Busy) => Err(Problem::unavailable("others have asked for a reload already; ask again")),
    }
}
