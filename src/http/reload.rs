//! `POST /-/reload`: the settings are read anew, all or nothing.

use axum::Json;
use axum::extract::State;
use axum::routing;
use schemars::JsonSchema;
use serde::Serialize;

use super::Shared;
use super::answer::{Kind, Problem, Success};
use super::resource::{Answer, Resource, Verb};
use crate::measuring::Changes;
use crate::reload::NotReloaded;
use crate::settings::Act;

pub(super) const RESOURCE: Resource = Resource {
    path: "/-/reload",
    verb: Verb::Post,
    summary: "read the settings anew, all or nothing",
    act: Some(Act::Operate),
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
pub async fn post(State(shared): State<Shared>) -> Result<Json<Success<Reloaded>>, Problem> {
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
