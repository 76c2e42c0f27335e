//! One store: its matrix, its pairs in words, what is advised, what the provider says, and how the clocks stand.

use maud::{Markup, html};

use super::shown::{Choice, Shown, ShownPair, ShownStore};
use super::{chart, heartbeats, words};
use crate::core::advice::{Decision, Query, standing, words as advice_words};
use crate::core::assess::State;
use crate::core::merge::Verdict;
use crate::core::model::RegionId;
use crate::core::provider::failing_words;
use crate::core::snapshot::Measured;
use crate::core::time::{Mono, Span};

/// A store of more pairs is listed by what is wrong with it, unless it was asked for.
const LISTED_MAX: usize = 20;
/// A matrix of more columns has narrow ones.
const WIDE_MAX: usize = 10;

pub(super) fn section(shown: &Shown<'_>, store: &ShownStore<'_>) -> Markup {
    let heading = format!("store-{}", store.place);
    html! {
        section.store aria-labelledby=(heading) {
            h2 id=(heading) { a href=(link(store, None)) { (store.name()) } }
            (facts(store))
            (heartbeats::section(shown, store))
            (matrix(shown, store))
            @if !matches!(shown.choice, Choice::Pair(..)) { (list(shown, store)) }
            div.side {
                (advice(shown, store))
                (provider(store))
                (clocks(shown, store))
            }
        }
    }
}

/// Where a store, or one of its pairs, is shown.
pub(super) fn link(store: &ShownStore<'_>, pair: Option<&ShownPair<'_>>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("?"));
    query.append_pair("store", store.name());
    if let Some(one) = pair {
        query.append_pair("source_region", one.source).append_pair("target_region", one.target);
    }
    query.finish().replace("?&", "?")
}

/// What is measured, and how.
fn facts(store: &ShownStore<'_>) -> Markup {
    let plan = &store.store.plan;
    let regions = plan.region_ids().count();
    html! {
        p.facts {
            (plan.kind) " · " (regions) " regions · a heartbeat every " (words::setting(plan.interval))
            @if plan.slots > 1 { " in each of " (plan.slots) " slots" }
            " · " (plan.placement.label()) " · " (plan.consistency.label()) " reads · lagging above "
            (words::setting(plan.warn_lag))
            @if let Some(local) = plan.local { " · local to " (store.store.region(local)) }
        }
    }
}

/// Source by target.
fn matrix(shown: &Shown<'_>, store: &ShownStore<'_>) -> Markup {
    let is =
        |wanted: fn(&ShownPair<'_>) -> RegionId, region: RegionId| store.pairs.iter().any(|one| wanted(one) == region);
    let regions = || store.store.plan.region_ids();
    let sources: Vec<RegionId> = regions().filter(|region| is(|one| one.pair.source, *region)).collect();
    let targets: Vec<RegionId> = regions().filter(|region| is(|one| one.pair.target, *region)).collect();
    let chosen = match shown.choice {
        Choice::Pair(_, pair) => Some(pair),
        _ => None,
    };
    let is_dense = targets.len() > WIDE_MAX;
    html! {
        div.scroll {
            table.matrix.dense[is_dense] {
                caption { (store.name()) ": current lag by source and target region" }
                thead { tr {
                    th scope="col" { "from \\ to" }
                    @for target in &targets { th scope="col" { span { (store.store.region(*target)) } } }
                } }
                tbody {
                    @for source in &sources {
                        tr {
                            th scope="row" { (store.store.region(*source)) }
                            @for target in &targets {
                                @match store.pair(*source, *target) {
                                    Some(one) => (cell(store, one, is_dense, chosen == Some((*source, *target)))),
                                    None => td.none {},
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// There may be thousands of these, so each has no more than it needs.
fn cell(store: &ShownStore<'_>, one: &ShownPair<'_>, is_dense: bool, is_chosen: bool) -> Markup {
    let state = one.now.state;
    let lag = one.now.current_lag.map(|lag| words::span(lag.as_secs_f64()));
    let lag = lag.as_deref();
    // What is to be read in the cell is in its name as it stands there, so that who speaks to the browser can say it.
    let name = format_args!(
        "{} to {}: {}, {}{}",
        one.source,
        one.target,
        words::state(state),
        lag.unwrap_or_default(),
        if lag.is_some() { " late" } else { "lag not known" }
    );
    let is_ok = state == State::Ok;
    html! {
        td.(state.label()) {
            a href=(link(store, Some(one))) aria-label=(name) aria-current=[is_chosen.then_some("true")] {
                @if !is_ok || !is_dense { b { (words::sign(state)) } }
                @if !is_ok && !is_dense { b { (words::state(state)) } " " }
                span { (lag.unwrap_or(words::UNKNOWN)) }
            }
        }
    }
}

/// The pairs in words: what is wrong first.
fn list(shown: &Shown<'_>, store: &ShownStore<'_>) -> Markup {
    let is_all = store.pairs.len() <= LISTED_MAX || shown.choice != Choice::All;
    let bad = store.pairs.iter().filter(|one| !one.is_ok());
    let good = store.pairs.iter().filter(|one| one.is_ok());
    let mut rows: Vec<&ShownPair<'_>> = bad.collect();
    let mut left_out = 0;
    match is_all {
        true => rows.extend(good),
        false => {
            rows.truncate(LISTED_MAX);
            left_out = store.pairs.len() - rows.len();
        }
    }
    html! {
        @if !rows.is_empty() {
            div.scroll {
                table.list {
                    thead { tr {
                        th scope="col" { "Pair" } th scope="col" { "State" } th scope="col" { "For" }
                        th scope="col" { "Lag now" } th scope="col" { abbr title="median of the last ten minutes" { "p50" } }
                        th scope="col" { abbr title="99th percentile of the last ten minutes" { "p99" } }
                        th scope="col" { "Last hour" }
                        @if store.store.plan.polling.is_some() { th scope="col" { "Provider" } }
                        th scope="col" { "Why" }
                    } }
                    tbody { @for one in rows { (row(shown, store, one)) } }
                }
            }
        }
        @if left_out > 0 {
            p { a href=(link(store, None)) { "All " (store.pairs.len()) " pairs of " (store.name()) } ": "
                (left_out) " are not listed here." }
        }
    }
}

fn row(shown: &Shown<'_>, store: &ShownStore<'_>, one: &ShownPair<'_>) -> Markup {
    let now = shown.view.now;
    let quantile = |known: Option<f64>| known.map_or(words::UNKNOWN.into(), words::span);
    html! {
        tr.(one.now.state.label()) id={ "pair-" (store.place) "-" (one.pair.source.0) "-" (one.pair.target.0) } {
            th scope="row" { a href=(link(store, Some(one))) { (one.source) " → " (one.target) } }
            td { span.sign aria-hidden="true" { (words::sign(one.now.state)) } " " (words::state(one.now.state)) }
            td.number { (one.since.map_or(words::UNKNOWN.into(), |since| words::ago(since, now.wall))) }
            td.number { (words::span_or(one.now.current_lag)) }
            td.number { (quantile(one.pair.summary[1].p50)) }
            td.number { (quantile(one.pair.summary[1].p99)) }
            td { (chart::spark(one.trace, now.wall)) }
            @if store.store.plan.polling.is_some() { td { (said(one)) } }
            td.why { (one.now.reason) }
        }
    }
}

/// What the provider says of a pair.
fn said(one: &ShownPair<'_>) -> Markup {
    let standing = one.now.provider;
    let value = standing.and_then(|standing| standing.said?.value().zip(standing.age));
    html! {
        @match value {
            Some(((statistic, seconds), age)) => {
                (words::span(seconds)) " " (statistic.label()) ", " (words::span(age.as_secs_f64())) " ago"
            }
            None => (words::UNKNOWN),
        }
        @match standing.map(|standing| standing.verdict) {
            Some(Verdict::DisagreesProviderHigher) => { br; b { "says more than the heartbeats" } }
            Some(Verdict::DisagreesProviderLower) => { br; b { "says less than the heartbeats" } }
            _ => {}
        }
    }
}

/// What the store's policy advises now, by target.
fn advice(shown: &Shown<'_>, store: &ShownStore<'_>) -> Markup {
    let (view, snapshot, plan) = (shown.view, store.store, &store.store.plan);
    let policy = &view.policies[store.place];
    let answered = |target: RegionId| {
        let query = Query::of_policy(policy, None, target)?;
        let standing = view.verdicts.standings.get(store.place).and_then(|all| all.get(&(target, None)));
        let (advice, query) = standing::answer(standing, snapshot, policy, &query, view.now);
        let reason = advice_words::reason(snapshot, policy, &query, &advice, view.now);
        Some((target, advice.decision, reason))
    };
    let targets = plan.region_ids().filter(|target| plan.local.is_none_or(|local| local == *target));
    let all: Vec<(RegionId, Decision, String)> = targets.filter_map(answered).collect();
    let is_local = |decision: &Decision| *decision == Decision::ReadLocal;
    let local: Vec<&str> = all
        .iter()
        .filter(|(_, decision, _)| is_local(decision))
        .map(|(target, ..)| &**snapshot.region(*target))
        .collect();
    let told = |regions: &str, decision: Decision| {
        html! { "Who reads in " (regions) ": " b { (advice_words::told(snapshot, decision)) } " " code { (decision.label()) } }
    };
    html! {
        div {
            h3 { "Advice now" }
            @if policy.max_staleness.is_none() {
                p { "No policy: applications ask with a bound of their own." }
            } @else {
                dl.advice {
                    @for (target, decision, reason) in all.iter().filter(|(_, decision, _)| !is_local(decision)) {
                        dt { (told(snapshot.region(*target), *decision)) }
                        dd { (reason) }
                    }
                    @if !local.is_empty() {
                        dt { (told(&local.join(", "), Decision::ReadLocal)) }
                        @if let [one] = all.iter().filter(|(_, decision, _)| is_local(decision)).collect::<Vec<_>>()[..] {
                            dd { (one.2) }
                        } @else {
                            dd { "what is there is fresh enough" }
                        }
                    }
                }
            }
        }
    }
}

/// Whether the provider is asked, and whether it agrees.
fn provider(store: &ShownStore<'_>) -> Markup {
    let count = |wanted: &[Verdict]| {
        let standings = store.pairs.iter().filter_map(|one| one.now.provider);
        standings.filter(|standing| wanted.contains(&standing.verdict)).count()
    };
    let off = count(&[Verdict::DisagreesProviderHigher, Verdict::DisagreesProviderLower]);
    let pairs = |count: usize| if count == 1 { "1 pair".to_owned() } else { format!("{count} pairs") };
    let failing: Vec<_> =
        store.pairs.iter().filter_map(|one| one.pair.provider.as_ref()?.failing).map(failing_words).collect();
    html! {
        div {
            h3 { "Provider" }
            @match store.store.plan.polling {
                None => p { "It is not asked for its own figures here." },
                Some(polling) => {
                    p {
                        "Asked every " (words::setting(polling.every)) ". It agrees with the heartbeats on "
                        (pairs(count(&[Verdict::Agrees]))) ", disagrees on " (off) ", and on " (count(&[Verdict::Unknown]))
                        " it is not known."
                    }
                    @if let Some(failing) = failing.first() {
                        p { (pairs(failing.len())) ": the last question failed: " (failing) }
                    }
                }
            }
        }
    }
}

/// When something new of a source last became visible, wherever it is read.
fn heard(store: &ShownStore<'_>, source: RegionId) -> Option<Mono> {
    let from = store.pairs.iter().filter(|one| one.pair.source == source);
    let slots = from.flat_map(|one| one.pair.slots.iter()).filter(|slot| slot.watermark.is_some());
    slots.filter_map(|slot| slot.still_since).max()
}

/// How far apart the clocks can be.
fn clocks(shown: &Shown<'_>, store: &ShownStore<'_>) -> Markup {
    let mut writers: Vec<&ShownPair<'_>> =
        store.pairs.iter().filter(|one| one.pair.clock == Measured::TwoClocks).collect();
    // A writer has one clock, wherever its heartbeats are read.
    writers.dedup_by_key(|one| one.pair.source);
    let bound = |end: Option<Span>| end.map_or("not bounded".to_owned(), |end| words::span(end.as_secs_f64()));
    let servers: Vec<(RegionId, (Span, Span))> = (store.store.plan.region_ids())
        .filter_map(|region| Some((region, store.store.looks.get(region.index())?.clock?)))
        .collect();
    html! {
        div {
            h3 { "Clocks" }
            @if writers.is_empty() {
                p { "One clock times every pair: there is nothing to compare." }
            } @else {
                table.list {
                    caption { "this host's clock minus the writer's" }
                    thead { tr {
                        th scope="col" { "Writer in" } th scope="col" { "At least" } th scope="col" { "At most" }
                        th scope="col" { "Known" } th scope="col" { "Last heard of" }
                    } }
                    tbody {
                        @for one in &writers {
                            tr {
                                th scope="row" { (one.source) }
                                td.number data-head="at least" { (bound(one.pair.offset.min.map(|(min, _)| min))) }
                                td.number data-head="at most" { (bound(one.pair.offset.max.map(|(max, _)| max))) }
                                td { (words::bases(one.pair.offset)) }
                                td.number data-head="last heard of" {
                                    @match heard(store, one.pair.source) {
                                        Some(at) => { (words::span((shown.view.now.mono - at).as_secs_f64())) " ago" },
                                        None => (words::UNKNOWN),
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if !servers.is_empty() {
                p {
                    "By the dates in the provider's answers this host's clock is ahead of its servers by: "
                    @for (place, (region, (min, max))) in servers.iter().enumerate() {
                        @if place > 0 { "; " }
                        (store.store.region(*region)) " " (words::span(min.as_secs_f64())) " to "
                        (words::span(max.as_secs_f64()))
                    }
                    "."
                }
            }
        }
    }
}
