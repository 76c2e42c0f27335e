//! `GET /api/v1/events?store=`: what changes from now on, as server-sent events: states of pairs, alerts,
//! and what is advised.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use serde::Serialize;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};

use super::Shared;
use super::alerts::Told;
use super::answer::{Parameters, Problem, rfc3339};
use crate::core::advice::AdviceTransition;
use crate::core::alert::{AlertTransition, Phase};
use crate::core::judge::{StateTransition, Transition};
use crate::judging::Event;
use crate::view::Identity;

/// Whoever listens hears so often that somebody is there, and whoever has gone away is found out.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Streams that are open at once. Each takes up one of the listener's connections for as long as it likes.
pub(super) const LISTENERS_MAX: usize = 32;

#[derive(Debug, Serialize)]
struct StateBody<'a> {
    at: String,
    store: &'a str,
    source_region: &'a str,
    target_region: &'a str,
    from: &'static str,
    to: &'static str,
    reason: &'a str,
}

/// `source_region` is `null` where it is about items of any region.
#[derive(Debug, Serialize)]
struct AdviceBody<'a> {
    at: String,
    store: &'a str,
    target_region: &'a str,
    source_region: Option<&'a str>,
    from: &'static str,
    to: &'static str,
    reason: &'a str,
}

/// `null` is inactive.
#[derive(Debug, Serialize)]
struct AlertBody {
    at: String,
    from: Option<&'static str>,
    to: Option<&'static str>,
    #[serde(flatten)]
    told: Told,
}

#[derive(Debug, Serialize)]
struct MissedBody {
    missed: u64,
}

/// Answers for as long as somebody listens and the judge judges: that it ends its stream is what lets a process that was told
/// to stop do so.
pub async fn get(
    State(shared): State<Shared>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Sent, axum::Error>>>, Problem> {
    let wanted = Parameters::of(query, &["store"])?;
    let view = shared.sources.view();
    let store = wanted.store(&view)?.map(|place| view.stores[place].plan.store.clone());
    let place = shared.listeners.clone().try_acquire_owned().map_err(|_| {
        let message = format!("{LISTENERS_MAX} listen already, which is as many as may; end one of these");
        Problem::unavailable(format!("{message}, or ask /api/v1/alerts again and again"))
    })?;
    let identity = shared.sources.identity.clone();
    let events = BroadcastStream::new(shared.sources.judged.events.resubscribe()).filter_map(move |event| {
        // Given back when the stream is dropped.
        let _place = &place;
        match event {
            Ok(event) => told(&event, store.as_ref(), &identity),
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
            let from = from.filter(|_| is_wanted(store))?.label();
            let body = StateBody { at, store, source_region, target_region, from, to: to.label(), reason };
            Some(sent().event("state").json_data(body))
        }
        Transition::Alert(AlertTransition { from, to, alert }) => {
            let is_wanted = alert.labels.iter().any(|(name, value)| *name == "store" && is_wanted(value));
            let body = AlertBody {
                at,
                from: from.map(Phase::label),
                to: to.map(Phase::label),
                told: Told::of(alert, identity),
            };
            is_wanted.then(|| sent().event("alert").json_data(body))
        }
        Transition::Advice(AdviceTransition { store, target_region, source_region, from, to, reason }) => {
            let from = from.filter(|_| is_wanted(store))?.label();
            let source_region = source_region.as_deref();
            let body = AdviceBody { at, store, target_region, source_region, from, to: to.label(), reason };
            Some(sent().event("advice").json_data(body))
        }
    }
}
