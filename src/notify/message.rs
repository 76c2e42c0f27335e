//! What an Alertmanager is to know, and what is made of what it remembers. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::Manner;
use crate::core::alert::{Alert, LABELS, Phase, Remembered, is_ours};
use crate::core::time::{Span, Wall};
use crate::view::View;

/// A firing alert that is not told again for so many times the interval is over, as far as the Alertmanager is concerned…
const EXPIRES_AFTER: i64 = 4;
/// … and for no less than this: one answer that is late must not end it.
const EXPIRES_MIN: Span = Span::from_millis(30_000);

/// An alert as an Alertmanager is told of it. No page of the gauge's goes along: what listens on loopback is of no use
/// elsewhere.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What tells it from all others.
    pub labels: BTreeMap<String, String>,
    /// What it says to people.
    pub annotations: BTreeMap<&'static str, String>,
    /// Since when it has been firing.
    #[serde(serialize_with = "instant")]
    pub starts_at: Wall,
    /// When it was resolved; of a firing one: until when that may be believed.
    #[serde(serialize_with = "instant")]
    pub ends_at: Wall,
}

/// Which firing of an alert, and whether it is over: what has to be told at once when it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Version {
    starts_at: Wall,
    resolved_at: Option<Wall>,
}

impl Version {
    /// Whether it still fires, and so has to be told again.
    pub(super) fn fires(&self) -> bool {
        self.resolved_at.is_none()
    }
}

/// An alert that an Alertmanager is to know.
pub(super) struct Wanted<'a> {
    /// It.
    pub(super) alert: &'a Alert,
    /// How far it has come.
    pub(super) version: Version,
    /// The name of the store that it is about, where that is measured.
    pub(super) store: Option<&'a str>,
}

/// What fires or was resolved a while ago, and is this process's to tell.
pub(super) fn all(view: &View) -> impl Iterator<Item = Wanted<'_>> {
    view.verdicts.alerts.iter().filter_map(|(key, alert)| {
        let store = view.stores.get(key.store).filter(|store| is_ours(store, &key.subject))?;
        Some(Wanted { alert, version: version(alert)?, store: Some(&store.plan.store) })
    })
}

/// What is resolved as settings have changed. Whose it was to tell is not known any more.
pub(super) fn gone(view: &View) -> impl Iterator<Item = Wanted<'_>> {
    view.verdicts.alerts.gone().filter_map(|alert| Some(Wanted { alert, version: version(alert)?, store: None }))
}

fn version(alert: &Alert) -> Option<Version> {
    // An Alertmanager says the time to the millisecond, and what is told again has to fit what it said.
    let starts_at = alert.fired_at?.floor(Span::from_millis(1));
    match alert.phase() {
        Phase::Pending => None,
        Phase::Firing => Some(Version { starts_at, resolved_at: None }),
        Phase::Resolved => Some(Version { starts_at, resolved_at: Some(alert.resolved_at?) }),
    }
}

/// What is sent of an alert at `now`.
pub(super) fn message(wanted: &Wanted<'_>, view: &View, now: Wall, manner: &Manner) -> Message {
    let Wanted { alert, version, .. } = wanted;
    let until = now + Span::from(manner.resend).times(EXPIRES_AFTER).max(EXPIRES_MIN);
    // What ends before it began is refused, and a clock that was set back would have it so.
    let (starts_at, ends_at) = match version.resolved_at {
        Some(resolved_at) => (version.starts_at.min(resolved_at), resolved_at),
        None => (version.starts_at, until.max(version.starts_at)),
    };
    let own =
        alert.labels_in(&view.identity.cell).into_iter().map(|(name, value)| (name.to_owned(), value.to_string()));
    let labels = manner.labels.clone().into_iter().chain(own);
    Message { labels: labels.collect(), annotations: alert.annotations(&view.identity.runbooks), starts_at, ends_at }
}

fn instant<S: Serializer>(at: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    // The year 9999 is as far as the format goes.
    let since = Duration::from_millis(at.unix_millis()).min(Duration::from_secs(253_402_300_799));
    serializer.collect_str(&humantime::format_rfc3339_millis(UNIX_EPOCH + since))
}

/// An alert that an Alertmanager remembers.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// Since when it has been firing.
    pub starts_at: Wall,
    /// Until when it may be believed to fire.
    pub ends_at: Wall,
}

/// Those of them that a gauge of this cell told in this manner, and that still fire. One with other labels is somebody else's: a
/// Prometheus's with the same rules, say.
pub(super) fn adoptable(known: Vec<Known>, cell: &str, manner: &Manner, now: Wall) -> Vec<Remembered> {
    let is_own = |labels: &BTreeMap<String, String>| {
        labels.get("cell").map_or("", String::as_str) == cell
            && manner.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
            && labels.keys().all(|name| LABELS.contains(&name.as_str()) || manner.labels.contains_key(name))
    };
    let own = known.into_iter().filter(|one| one.ends_at > now && is_own(&one.labels));
    own.map(|Known { labels, starts_at, .. }| Remembered { labels, fired_at: starts_at }).collect()
}
