//! All of one pair: how it stands and what to do, and everything that is known of it.

use maud::{Markup, html};

use super::shown::{Shown, ShownPair, ShownStore};
use super::store::link;
use super::{alerts, chart, words};
use crate::core::alert::Subject;
use crate::core::sample::{Origin, Sample};

mod figures;
mod provider;
mod times;

/// The pair that was asked for, before the store that it is one of.
pub(super) fn section(shown: &Shown<'_>, store: &ShownStore<'_>, one: &ShownPair<'_>) -> Markup {
    let now = shown.view.now;
    let plan = &store.store.plan;
    let samples = chart::Samples::of(one.pair, plan.interval, now);
    html! {
        section.pair aria-labelledby="pair" {
            h2 #pair { (store.name()) ": " (one.source) " to " (one.target) }
            (headline(shown, one))
            div.side {
                div {
                    (figures::section(store, one, now))
                    (times::quantiles(one))
                    (provider::section(store, one, now))
                    h3 { "The same as JSON" }
                    (elsewhere(store, one))
                }
                div {
                    h3 { "Last samples" }
                    @if samples.is_empty() {
                        p { (no_samples(plan.observer)) }
                    } @else {
                        (chart::samples(&samples, plan.warn_lag))
                        (table(&samples, plan.slots > 1))
                    }
                    h3 { "Last hour" }
                    @match chart::hour(one.trace, plan.warn_lag, now.wall) {
                        Some(hour) => (hour),
                        None => p { "Nobody has looked yet." },
                    }
                    (times::visibility(store, one))
                }
            }
            h3 { "Alerts of this pair and of its regions" }
            (alerts::table(shown, |key| key.store == store.place && is_about(&key.subject, one)))
        }
    }
}

/// Whether an alert is about the pair, or about all pairs of one of its ends.
fn is_about(subject: &Subject, one: &ShownPair<'_>) -> bool {
    match subject {
        Subject::Pair(source, target) => (*source, *target) == (one.pair.source, one.pair.target),
        Subject::Source(region) => *region == one.pair.source,
        Subject::Target(region) => *region == one.pair.target,
        Subject::Finding(region, _) => **region == *one.source || **region == *one.target,
    }
}

/// How it stands, since when and why, and what to do.
fn headline(shown: &Shown<'_>, one: &ShownPair<'_>) -> Markup {
    let state = one.now.state;
    let now = shown.view.now.wall;
    html! {
        p.headline.(state.label()) {
            span.sign aria-hidden="true" { (words::sign(state)) } " "
            b { (words::state(state)) }
            @if let Some(since) = one.since.filter(|since| *since <= now) {
                " for " (words::ago(since, now)) ", since " (words::instant(since))
            }
            @if !one.now.reason.is_empty() { ": " (one.now.reason) }
        }
        @if !one.now.remedy().is_empty() {
            p.remedy {
                b { "What to do: " } (one.now.remedy())
                @if let Some(rule) = words::runbook(state) {
                    " " (alerts::what_to_do(shown.view, rule))
                }
            }
        }
    }
}

fn no_samples(is_observer: bool) -> &'static str {
    match is_observer {
        true => "An observer keeps none: ask the cell's gauge.",
        false => "No heartbeat has become visible since this process has been watching.",
    }
}

/// The samples for who cannot see the bars.
fn table(samples: &chart::Samples<'_>, has_slots: bool) -> Markup {
    let kind = |sample: &Sample| match (sample.origin == Origin::Presumed, samples.is_wide(sample)) {
        (true, true) => "presumed, wide",
        (true, false) => "presumed",
        (false, true) => "wide",
        (false, false) => "",
    };
    html! {
        details {
            summary { "The same as a table" }
            table.figures {
                caption { "The last samples, the newest first" }
                thead { tr {
                    th scope="col" { "Seen at (UTC)" } th scope="col" { "Lag at least" } th scope="col" { "Lag at most" }
                    @if has_slots { th scope="col" { "Slot" } }
                    th scope="col" { "Kind" }
                } }
                tbody {
                    @for sample in samples.newest_first() {
                        tr {
                            th scope="row" { (words::moment(sample.seen_at)) }
                            td.number { (words::seconds(Some(sample.bracket.lower.as_secs_f64()))) }
                            td.number { (words::seconds(Some(sample.bracket.upper.as_secs_f64()))) }
                            @if has_slots { td.number { (sample.slot) } }
                            td { (kind(sample)) }
                        }
                    }
                }
            }
        }
    }
}

fn elsewhere(store: &ShownStore<'_>, one: &ShownPair<'_>) -> Markup {
    let query = link(store, Some(one));
    html! {
        ul {
            @for (resource, more, what) in [
                ("pairs", "", "all that is known of it"),
                ("samples", "", "its last samples"),
                ("visibility", "&confidence=0.99", "within what time a write is visible"),
            ] {
                li { a href={ "api/v1/" (resource) (query) (more) } { code { "/api/v1/" (resource) } } " " (what) }
            }
        }
    }
}
