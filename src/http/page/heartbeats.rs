//! The heartbeats that this process writes. Where a gauge of one region cannot, all that it measures itself may be well.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::shown::{Shown, ShownStore};
use super::{alerts, words};
use crate::core::assess::State;
use crate::core::model::{Reason, RegionId};
use crate::core::snapshot::Seat;
use crate::core::time::{Mono, Now};
use crate::core::writing::{Standing, Writing, standings};

/// Names are listed so far.
const NAMED_MAX: usize = 3;

/// Regions of one store in which it is the same.
pub(super) struct Alike<'a> {
    pub is_trouble: bool,
    regions: Vec<&'a str>,
    of: usize,
    standing: Standing,
    /// The one of them that is worst off.
    worst: Writing,
}

/// What there is to say of one store, what is wrong first; nothing of an observer's.
pub(super) fn of<'a>(store: &'a ShownStore<'_>, now: Mono) -> Vec<Alike<'a>> {
    let of = store.store.plan.region_ids().count();
    let mut all: Vec<Alike<'a>> = Vec::new();
    for (region, writing, standing) in standings(store.store, now) {
        let name: &str = store.store.region(region);
        let reason = |writing: &Writing| writing.failing.map(|failing| failing.reason);
        let is_alike = |alike: &&mut Alike<'_>| {
            let is_same = (alike.standing, alike.worst.seat) == (standing, writing.seat);
            is_same && (standing != Standing::Fails || reason(&alike.worst) == reason(writing))
        };
        match all.iter_mut().find(is_alike) {
            Some(alike) => {
                alike.regions.push(name);
                // What was never acknowledged is worse off than what was long ago.
                if (writing.acknowledged_at, writing.seat_since) < (alike.worst.acknowledged_at, alike.worst.seat_since)
                {
                    alike.worst = *writing;
                }
            }
            None => {
                let is_trouble = standing.is_trouble();
                all.push(Alike { is_trouble, regions: vec![name], of, standing, worst: *writing });
            }
        }
    }
    all.sort_by_key(|alike| !alike.is_trouble);
    all
}

impl Alike<'_> {
    /// Where.
    pub(super) fn place(&self) -> String {
        match self.regions.len() {
            count if count > NAMED_MAX && count == self.of => format!("all {count} regions"),
            // Where there is trouble it is named, unless it is everywhere.
            count if count > NAMED_MAX && !self.is_trouble => format!("{count} of {} regions", self.of),
            _ => self.regions.join(", "),
        }
    }

    /// How it stands there.
    pub(super) fn words(&self, now: Now) -> String {
        standing(&self.worst, self.standing, now, if self.regions.len() > 1 { " at most" } else { "" })
    }
}

fn standing(writing: &Writing, standing: Standing, now: Now, at_most: &str) -> String {
    let acknowledged = match writing.acknowledged_at {
        Some(at) => format!("last acknowledged {} ago{at_most}", words::span((now.mono - at).as_secs_f64())),
        None => "nothing acknowledged yet".to_owned(),
    };
    match standing {
        Standing::StandsBy => "another process writes, this one stands by".to_owned(),
        Standing::Newer => "a process of a newer release writes, this one stands by".to_owned(),
        Standing::Begins if writing.seat == Seat::Unread => format!("who writes is not known yet; {acknowledged}"),
        Standing::Begins => format!("about to be written by this process; {acknowledged}"),
        Standing::Writes => {
            let failed = writing
                .failing
                .map_or(String::new(), |failing| format!("; the last write failed: {}", failing.reason.words()));
            format!("written by this process, {acknowledged}{failed}")
        }
        Standing::Throttled => format!("written by this process, and throttled; {acknowledged}"),
        Standing::Fails => {
            let what = if writing.seat == Seat::Unread { "the heartbeat's key cannot be read" } else { "writes fail" };
            let since = writing.failing_for(now.mono);
            format!(
                "{what} for {}, since {}: {}; {acknowledged}",
                words::span(since.as_secs_f64()),
                words::instant(now.wall - since),
                because(writing.failing.map(|failing| failing.reason))
            )
        }
    }
}

fn because(reason: Option<Reason>) -> &'static str {
    reason.map_or("nothing is acknowledged", Reason::words)
}

/// Who writes in one region, and how that stands, where this process writes or stands by.
pub(super) fn in_region(store: &ShownStore<'_>, region: RegionId, now: Now) -> Option<(&'static str, String)> {
    let (_, writing, stands) = standings(store.store, now.mono).find(|(one, ..)| *one == region)?;
    let who = match writing.seat {
        Seat::Held | Seat::Newer => "another process",
        Seat::Unread | Seat::Taking => words::UNKNOWN,
        Seat::Ours => "this process",
    };
    Some((who, standing(writing, stands, now, "")))
}

/// A store's, where there is something to say.
pub(super) fn section(shown: &Shown<'_>, store: &ShownStore<'_>) -> Markup {
    let now = shown.view.now;
    html! {
        @for alike in of(store, now.mono) {
            @if alike.is_trouble {
                @let state = if alike.standing == Standing::Fails { State::WriteFailing } else { State::Throttled };
                p.headline.(state.label()) {
                    span.sign aria-hidden="true" { (words::sign(state)) } " "
                    b { "Heartbeats from here: " (alike.place()) } ": " (alike.words(now))
                }
                p.remedy {
                    b { "What to do: " } (state.remedy())
                    @if let Some(rule) = words::runbook(state) {
                        " " (alerts::what_to_do(shown.view, rule))
                    }
                }
            } @else {
                p.facts { "Heartbeats from here: " (alike.place()) ": " (alike.words(now)) }
            }
        }
    }
}

/// What is wrong with a store's, in a few words.
pub(super) fn briefly(store: &ShownStore<'_>, now: Mono) -> Option<&'static str> {
    let is_any = |wanted| standings(store.store, now).any(|(.., standing)| standing == wanted);
    match is_any(Standing::Fails) {
        true => Some("writes fail"),
        false => is_any(Standing::Throttled).then_some("writes are throttled"),
    }
}

/// What is wrong with them, in all stores, whatever was asked for; `None`: nothing is.
pub(super) fn trouble(shown: &Shown<'_>) -> Option<String> {
    let mut troubles: BTreeMap<(bool, &str), Vec<String>> = BTreeMap::new();
    for store in &shown.stores {
        for (region, writing, standing) in standings(store.store, shown.view.now.mono) {
            let name = store.store.region(region);
            let place = if shown.stores.len() > 1 { format!("{name} of {}", store.name()) } else { name.to_string() };
            let what = match standing {
                Standing::Fails => (false, because(writing.failing.map(|failing| failing.reason))),
                Standing::Throttled => (true, ""),
                _ => continue,
            };
            troubles.entry(what).or_default().push(place);
        }
    }
    let told = troubles.into_iter().map(|((is_throttled, because), places)| {
        let more = places.len().saturating_sub(NAMED_MAX);
        let mut named = places[..places.len() - more].join(", ");
        if more > 0 {
            let places = if more == 1 { "place" } else { "places" };
            named = format!("{named} and {more} more {places}");
        }
        match is_throttled {
            true => format!("this gauge is throttled when it writes in {named}"),
            false => format!("this gauge cannot write in {named}: {because}"),
        }
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}
