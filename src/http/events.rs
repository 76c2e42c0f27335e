//! `GET /api/v1/events?store=`: what changes from now on, as server-sent events: states of pairs, alerts,
//! and what is advised.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::routing;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};

use super::Shared;
use super::alerts::Told;
use super::answer::{Kind, Parameters, Problem, rfc3339};
use super::resource::{Answer, Described, Resource, Verb};
use super::words::Word;
use crate::core::advice::{AdviceTransition, Decision};
use crate::core::alert::{AlertTransition, Phase};
use crate::core::assess;
use crate::core::judge::{StateTransition, Transition};
use crate::judging::Event;
use crate::settings::Act;
use crate::view::Identity;

/// Whoever listens hears so often that somebody is there, and whoever has gone away is found out.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Streams that are open at once. Each takes up one of the listener's connections for as long as it likes.
pub(super) const LISTENERS_MAX: usize = 32;

const PARAMETERS: [Described; 1] = [Described::optional("store", "of this store alone")];

pub(super) const RESOURCE: Resource = Resource {
    path: "/api/v1/events",
    verb: Verb::Get,
    summary: "what changes from now on, as server-sent events",
    act: Some(Act::Read),
    parameters: &PARAMETERS,
    answer: Answer::Events(&[
        ("state", SchemaGenerator::subschema_for::<StateBody>),
        ("alert", SchemaGenerator::subschema_for::<AlertBody>),
        ("advice", SchemaGenerator::subschema_for::<AdviceBody>),
        ("missed", SchemaGenerator::subschema_for::<MissedBody>),
    ]),
    headers: &[],
    also: &[],
    problems: &[Kind::BadData, Kind::NotFound, Kind::Unavailable],
    route: || routing::get(get),
};

/// A pair changed its state.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StateEvent")]
struct StateBody<'a> {
    #[schemars(extend("format" = "date-time"))]
    at: String,
    store: &'a str,
    source_region: &'a str,
    target_region: &'a str,
    from: Word<assess::State>,
    to: Word<assess::State>,
    /// Why, for a person; empty where the state says it all.
    reason: &'a str,
}

/// What the store's policy advises has changed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AdviceEvent")]
struct AdviceBody<'a> {
    #[schemars(extend("format" = "date-time"))]
    at: String,
    store: &'a str,
    target_region: &'a str,
    /// `null` where it is about items of any region.
    source_region: Option<&'a str>,
    from: Word<Decision>,
    to: Word<Decision>,
    reason: &'a str,
}

/// An alert took a step. `null` is inactive: what was only pending goes back to it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AlertEvent")]
struct AlertBody {
    #[schemars(extend("format" = "date-time"))]
    at: String,
    from: Option<Word<Phase>>,
    to: Option<Word<Phase>>,
    #[serde(flatten)]
    told: Told,
}

/// This listener was too slow.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MissedEvent")]
struct MissedBody {
    /// Events that are lost to it, whatever they were about.
    missed: u64,
}

/// Answers for as long as somebody listens and the judge judges: that it ends its stream is what lets a process that was told
/// to stop do so.
pub async fn get(
    State(shared): State<Shared>,
    uri: Uri,
) -> Result<Sse<impl Stream<Item = Result<Sent, axum::Error>>>, Problem> {
    shared.known()?;
    let wanted = Parameters::of(&uri, &PARAMETERS)?;
    let view = shared.sources.view();
    let store = wanted.store(&view)?.map(|place| view.stores[place].plan.store.clone());
    let place = shared.listeners.clone().try_acquire_owned().map_err(|_| {
        let message = format!("{LISTENERS_MAX} listen already, which is as many as may; end one of these");
        Problem::unavailable(format!("{message}, or ask /api/v1/alerts again and again"))
    })?;
    let sources = shared.sources.clone();
    let events = BroadcastStream::new(shared.sources.judged.events.resubscribe()).filter_map(move |event| {
        // Given back when the stream is dropped.
        let _place = &place;
        match event {
            Ok(event) => told(&event, store.as_ref(), &sources.seen().scene.identity),
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                Some(Sent::default().event("missed").json_data(MissedBody { missed }))
            }
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// `None` where it is about another store, or nothing changed: at the first look at a pair it is only found that nothing
/// is known yet.
fn told(event: &Event, store: Option<&Arc<str>>, identity: &Identity) -> Option<Result<Sent, axum::Error>> {
    let is_wanted = |of: &str| store.is_none_or(|store| **store == *of);
    let at = rfc3339(event.at);
    let sent = || Sent::default().id(event.number.to_string());
    match &event.transition {
        Transition::State(StateTransition { store, source_region, target_region, from, to, reason }) => {
            let from = Word(from.filter(|_| is_wanted(store))?);
            let body = StateBody { at, store, source_region, target_region, from, to: Word(*to), reason };
            Some(sent().event("state").json_data(body))
        }
        Transition::Alert(AlertTransition { from, to, alert }) => {
            let is_wanted = alert.labels.iter().any(|(name, value)| *name == "store" && is_wanted(value));
            let body = AlertBody { at, from: from.map(Word), to: to.map(Word), told: Told::of(alert, identity) };
            is_wanted.then(|| sent().event("alert").json_data(body))
        }
        Transition::Advice(AdviceTransition { store, target_region, source_region, from, to, reason }) => {
            let from = Word(from.filter(|_| is_wanted(store))?);
            let source_region = source_region.as_deref();
            let body = AdviceBody { at, store, target_region, source_region, from, to: Word(*to), reason };
            Some(sent().event("advice").json_data(body))
        }
    }
}
