//! `GET /api/v1/samples?store=&source_region=&target_region=&limit=`: a pair's newest lag samples, newest first.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::routing;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::Shared;
use super::answer::{Kind, Parameters, Problem, Success, rfc3339};
use super::resource::{Answer, Described, Resource, Verb};
use crate::core::recent::RECENT_MAX;
use crate::core::sample::{Origin, Sample};
use crate::settings::Act;

const PARAMETERS: [Described; 4] = [
    Described::required("store", "the pair's store"),
    Described::required("source_region", "where its heartbeats are written"),
    Described::required("target_region", "where they arrive"),
    Described::optional("limit", "at most so many").that_looks(limits),
];

pub(super) const RESOURCE: Resource = Resource {
    path: "/api/v1/samples",
    verb: Verb::Get,
    summary: "a pair's newest lag samples",
    act: Some(Act::Read),
    parameters: &PARAMETERS,
    answer: Answer::of::<Samples>(),
    headers: &[],
    also: &[],
    problems: &[Kind::BadData, Kind::NotFound, Kind::Unavailable],
    route: || routing::get(get),
};

fn limits(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1, "maximum": RECENT_MAX, "default": RECENT_MAX })
}

/// The answer's data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Samples {
    /// Newest first.
    samples: Vec<SampleBody>,
}

/// One lag sample: the truth lies in `[lower_seconds, upper_seconds]`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Sample")]
pub struct SampleBody {
    slot: u16,
    /// The heartbeat's: heartbeats are ordered by `run`, then by `seq`.
    run: u64,
    seq: u64,
    #[schemars(extend("format" = "date-time"))]
    written_at: String,
    lower_seconds: f64,
    upper_seconds: f64,
    #[schemars(extend("format" = "date-time"))]
    seen_at: String,
    /// Written by an earlier process: its tick is known, the write only to within one interval.
    presumed: bool,
}

impl From<Sample> for SampleBody {
    fn from(sample: Sample) -> Self {
        SampleBody {
            slot: sample.slot,
            run: sample.beat.run,
            seq: sample.beat.seq,
            written_at: rfc3339(sample.written_at),
            lower_seconds: sample.bracket.lower.as_secs_f64(),
            upper_seconds: sample.bracket.upper.as_secs_f64(),
            seen_at: rfc3339(sample.seen_at),
            presumed: sample.origin == Origin::Presumed,
        }
    }
}

/// Answers.
pub async fn get(State(shared): State<Shared>, uri: Uri) -> Result<Json<Success<Samples>>, Problem> {
    shared.known()?;
    let wanted = Parameters::of(&uri, &PARAMETERS)?;
    let (name, source, target) =
        (wanted.required("store")?, wanted.required("source_region")?, wanted.required("target_region")?);
    let limit = match wanted.get("limit") {
        None => RECENT_MAX,
        Some(limit) => match limit.parse() {
            Ok(limit @ 1..=RECENT_MAX) => limit,
            _ => return Err(Problem::bad_data(format!("limit {limit:?} is not a number from 1 to {RECENT_MAX}"))),
        },
    };
    let view = shared.sources.view();
    let store = view
        .stores
        .iter()
        .find(|store| &*store.plan.store == name)
        .ok_or_else(|| Problem::not_found(format!("no store {name:?}; /api/v1/pairs lists what there is")))?;
    let pair = store
        .pairs
        .iter()
        .find(|pair| &**store.region(pair.source) == source && &**store.region(pair.target) == target)
        .ok_or_else(|| {
            let message = format!("store {name:?} has no region pair from {source:?} to {target:?}");
            Problem::not_found(format!("{message}; /api/v1/pairs lists what there is"))
        })?;
    let samples = pair.recent.iter().rev().take(limit).copied().map(SampleBody::from).collect();
    Ok(Success::of(Samples { samples }))
}
