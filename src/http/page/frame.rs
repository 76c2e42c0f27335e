//! The page as a whole: who speaks, how it stands, what fires, and then the stores.

use maud::{DOCTYPE, Markup, html};

use super::shown::{Choice, Shown, ShownPair, ShownStore};
use super::{PATH, SCRIPT, STYLE, alerts, heartbeats, pair, store, words};
use crate::core::assess::State;
use crate::http::answer::Problem;
use crate::http::resource::Verb;
use crate::http::resources;
use crate::reload::Loaded;
use crate::rules::SETTINGS_REFUSED;
use crate::view::View;

/// Without the script the page is asked for anew so often, in seconds.
const AGAIN: u8 = 5;
/// A mark for the browser's tab. In here, so that nothing is asked for.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                    %3Cpath d='M1 10q3.5-5 7 0t7 0' fill='none' stroke='%230b7285' stroke-width='2.5'/%3E%3C/svg%3E";

/// All of it.
pub(super) fn page(shown: &Shown<'_>, loaded: &Loaded) -> Markup {
    let main = html! {
        (settings(shown.view, loaded))
        (contents(shown))
        @match pair_of(shown) {
            Some(pair) => (pair),
            None => (alerts::section(shown)),
        }
        @for store in shown.wanted() { (store::section(shown, store)) }
        @if shown.choice != Choice::All { p { a href="." { "All stores" } } }
    };
    let (summary, is_bad) = summary(shown);
    around(shown.view, &summary, is_bad, &main)
}

/// Of what cannot be shown, and why not.
pub(super) fn problem(view: &View, problem: &Problem, loaded: &Loaded) -> Markup {
    match loaded.unknown() {
        Some(_) => around(view, "Everything is unknown: the settings were refused", true, &settings(view, loaded)),
        None => around(view, problem.message(), true, &html! { p { a href="." { "All stores" } } }),
    }
}

/// What every page has, around what this one is about.
fn around(view: &View, summary: &str, is_bad: bool, main: &Markup) -> Markup {
    let identity = &view.identity;
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
                        " · up " (words::span(view.now.mono.as_nanos() as f64 / 1e9))
                    }
                    p #live { "as of " time { (words::instant(view.now.wall)) } }
                }
                main {
                    p #summary role="status" .bad[is_bad] { (summary) }
                    (main)
                }
                footer { (legend()) (elsewhere()) }
            }
        }
    }
}

/// What is wrong with the settings that were read last, where they are not in use: what is below is then not what somebody
/// believes to have set.
fn settings(view: &View, loaded: &Loaded) -> Markup {
    let Some(problems) = &loaded.refused else { return html! {} };
    html! {
        section #settings aria-labelledby="refused" {
            h2 #refused { "Settings refused" }
            p {
                @match loaded.at {
                    Some(at) => { "Those in use are of " time { (words::instant(at)) } ". Of those that were read last:" },
                    None => { "None are in use, and nothing is measured. Of those that were read last:" },
                }
            }
            ul { @for problem in problems.lines() { li { (problem) } } }
            p { "Mend them, and have them read anew. " (alerts::what_to_do(view, SETTINGS_REFUSED)) }
        }
    }
}

/// How it stands, in a line, and whether something is wrong.
fn summary(shown: &Shown<'_>) -> (String, bool) {
    let all = shown.pairs().count();
    let bad = shown.pairs().filter(|one| !one.is_ok()).count();
    let pairs = match (all, bad) {
        (0, _) => "No region pair is measured here".into(),
        (1, 0) => "The region pair is ok".into(),
        (_, 0) => format!("All {all} region pairs are ok"),
        (_, 1) => format!("1 of {all} region pairs is not ok: {}", states(shown.pairs())),
        (_, bad) => format!("{bad} of {all} region pairs are not ok: {}", states(shown.pairs())),
    };
    match heartbeats::trouble(shown) {
        Some(trouble) => (format!("{pairs}; {trouble}"), true),
        None => (pairs, bad > 0),
    }
}

/// How many pairs are in each state but `ok`.
fn states<'a>(pairs: impl Iterator<Item = &'a ShownPair<'a>> + Clone) -> String {
    let states = State::ALL.into_iter().filter(|state| *state != State::Ok);
    let counts = states.map(|state| (state, pairs.clone().filter(|one| one.now.state == state).count()));
    let told = counts.filter(|(_, count)| *count > 0).map(|(state, count)| format!("{count} {}", words::state(state)));
    told.collect::<Vec<String>>().join(", ")
}

/// Where the stores are, where there are several, and which of them to look at first.
fn contents(shown: &Shown<'_>) -> Markup {
    let now = shown.view.now.mono;
    let told = |store: &ShownStore<'_>| match states(store.pairs.iter()) {
        bad if bad.is_empty() => heartbeats::briefly(store, now).unwrap_or_default().to_owned(),
        bad => bad,
    };
    let mut stores: Vec<_> = shown.wanted().map(|store| (store, told(store))).collect();
    if stores.len() < 2 {
        return html! {};
    }
    stores.sort_by_key(|(_, bad)| bad.is_empty());
    html! {
        nav aria-label="Stores" {
            ul {
                @for (store, bad) in stores {
                    li id={ "to-store-" (store.place) } {
                        a href={ "#store-" (store.place) } { (store.name()) } " "
                        @if bad.is_empty() { (store.pairs.len()) " ok" } @else { b { (bad) } }
                    }
                }
            }
        }
    }
}

/// All of the pair that was asked for, its alerts among that.
fn pair_of(shown: &Shown<'_>) -> Option<Markup> {
    let Choice::Pair(place, (source, target)) = shown.choice else { return None };
    let store = shown.stores.get(place)?;
    Some(pair::section(shown, store, store.pair(source, target)?))
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
                        @if resource.verb != Verb::Get || resource.parameters.iter().any(|parameter| parameter.required) {
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
