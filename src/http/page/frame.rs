//! The page as a whole: who speaks, how it stands, what fires, and then the stores.

use std::fmt::Write;

use maud::{DOCTYPE, Markup, html};

use super::shown::{Choice, Shown};
use super::{PATH, SCRIPT, STYLE, pair, store, words};
use crate::core::alert::{Alert, Key, Phase, Severity};
use crate::core::assess::State;
use crate::http::resources;

/// Without the script the page is asked for anew so often, in seconds.
const AGAIN: u8 = 5;
/// A mark for the browser's tab. In here, so that nothing is asked for.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                    %3Cpath d='M1 10q3.5-5 7 0t7 0' fill='none' stroke='%230b7285' stroke-width='2.5'/%3E%3C/svg%3E";

/// All of it.
pub(super) fn page(shown: &Shown<'_>) -> Markup {
    let identity = &shown.view.identity;
    let summary = summary(shown);
    let cell = if identity.cell.is_empty() { "no name" } else { &identity.cell };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (summary) " · " (cell) " · Tidegauge" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="style.css";
                noscript { meta http-equiv="refresh" content=(AGAIN); }
                script src="script.js" defer {}
            }
            body {
                header {
                    h1 { a href="." { "Tidegauge" } }
                    p {
                        "cell " b { (cell) } " · " (identity.role) " · version " (env!("CARGO_PKG_VERSION"))
                        " · up " (words::span(shown.view.now.mono.as_nanos() as f64 / 1e9))
                    }
                    p #live { "as of " time { (words::instant(shown.view.now.wall)) } }
                }
                main {
                    p #summary role="status" .bad[shown.pairs().any(|one| !one.is_ok())] { (summary) }
                    (alerts(shown))
                    (pair_of(shown))
                    @for store in shown.wanted() { (store::section(shown, store)) }
                    @if shown.choice != Choice::All { p { a href="." { "All stores" } } }
                }
                footer { (legend()) (elsewhere()) }
            }
        }
    }
}

/// How it stands, in a line.
fn summary(shown: &Shown<'_>) -> String {
    let all = shown.pairs().count();
    let ok = shown.pairs().filter(|one| one.is_ok()).count();
    match (all, all - ok) {
        (0, _) => "No region pair is measured here".into(),
        (1, 0) => "The region pair is ok".into(),
        (_, 0) => format!("All {all} region pairs are ok"),
        (_, bad) => {
            let mut text = format!("{bad} of {all} region pairs {} not ok: ", if bad == 1 { "is" } else { "are" });
            let states = State::ALL.into_iter().filter(|state| *state != State::Ok);
            let counts = states.map(|state| (state, shown.pairs().filter(|one| one.now.state == state).count()));
            for (place, (state, count)) in counts.filter(|(_, count)| *count > 0).enumerate() {
                let comma = if place == 0 { "" } else { ", " };
                // Writing to a string cannot fail.
                let _ = write!(text, "{comma}{count} {}", words::state(state));
            }
            text
        }
    }
}

fn alerts(shown: &Shown<'_>) -> Markup {
    html! {
        section aria-labelledby="alerts" {
            h2 #alerts { "Alerts" }
            (alerts_of(shown, |_| true))
        }
    }
}

/// What fires and what is pending of those that fit, the worst first.
pub(super) fn alerts_of(shown: &Shown<'_>, fits: impl Fn(&Key) -> bool) -> Markup {
    let view = shown.view;
    let of = |phase: Phase, severity: Severity| {
        let alerts = view.verdicts.alerts.iter().filter(|(key, _)| fits(key));
        alerts.filter(move |(key, alert)| key.severity == severity && alert.phase() == phase).map(|(_, alert)| alert)
    };
    let phases = [Phase::Firing, Phase::Pending];
    let ranks = phases.into_iter().flat_map(|phase| Severity::ALL.map(|severity| (phase, severity)));
    let all: Vec<(Phase, Severity, &Alert)> =
        ranks.flat_map(|(phase, severity)| of(phase, severity).map(move |alert| (phase, severity, alert))).collect();
    html! {
        @if all.is_empty() {
            p { "Nothing fires, and nothing is pending." }
        } @else {
            table.list {
                thead { tr {
                    th scope="col" { "Alert" } th scope="col" { "Severity" } th scope="col" { "State" }
                    th scope="col" { "For" } th scope="col" { "What and why" }
                } }
                tbody {
                    @for (phase, severity, alert) in all {
                        @let told = alert.annotations(&view.identity.runbooks);
                        tr class=(phase.label()) {
                            th scope="row" { (runbook(&alert.labels[0].1, &told["runbook_url"])) }
                            td { (severity.label()) }
                            td { (phase.label()) }
                            td.number { (words::ago(alert.active_at, view.now.wall)) }
                            td { (alert.summary) @if !alert.cause.is_empty() { ": " (alert.cause) } }
                        }
                    }
                }
            }
        }
    }
}

/// An alert's name; what to do about it, where that is an address and not a place in some folder.
pub(super) fn runbook(name: &str, address: &str) -> Markup {
    html! {
        @if address.contains("://") { a href=(address) { (name) } } @else { (name) }
    }
}

/// The pair that was asked for.
fn pair_of(shown: &Shown<'_>) -> Markup {
    let Choice::Pair(place, (source, target)) = shown.choice else { return html! {} };
    let store = shown.stores.get(place);
    html! {
        @if let Some((store, one)) = store.and_then(|store| Some((store, store.pair(source, target)?))) {
            (pair::section(shown, store, one))
        }
    }
}

fn legend() -> Markup {
    html! {
        section aria-labelledby="legend" {
            h2 #legend { "Signs" }
            ul.legend {
                @for state in State::ALL.into_iter().rev() {
                    li { span.sign.(state.label()) aria-hidden="true" { (words::sign(state)) } " " (words::state(state)) }
                }
            }
            p { "A dash is what is not known. Numbers in the matrices are current lags: how late the pair is now." }
        }
    }
}

/// What else is served, but for the page's own parts. What must be asked for something cannot be followed from here.
fn elsewhere() -> Markup {
    let own = [PATH, STYLE.path, SCRIPT.path];
    html! {
        section aria-labelledby="elsewhere" {
            h2 #elsewhere { "Also here" }
            ul {
                @for resource in resources().filter(|resource| !own.contains(&resource.path)) {
                    li {
                        @if resource.parameters.iter().any(|parameter| parameter.required) {
                            code { (resource.path) }
                        } @else {
                            a href=(resource.path.trim_start_matches('/')) { code { (resource.path) } }
                        }
                        " " (resource.summary)
                    }
                }
            }
        }
    }
}
