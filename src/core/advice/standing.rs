//! What a store's policy comes to from one moment to the next: decisions that do not flutter.
//!
//! A decision becomes more cautious at once, as soon as the bound asks for it: nobody reads what is too old because it is
//! early to change one's mind. It becomes less cautious only when it could have been so for `min_dwell` without a break,
//! with the bound at `return_below`, and then no less than it could have been all the while. So a signal that crosses the
//! bound again and again changes the decision once, and then holds it where it is safe. What is held must be of use: nobody
//! is held to a region that has got into trouble meanwhile.
//!
//! The operator's overrides lie on top. What the facts come to goes on beneath, and counts as soon as they have expired.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::region::trouble;
use super::{Advice, Decision, Policy, Query, Why, forced, measured, words};
use crate::core::model::RegionId;
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Mono, Now, Span, Wall};

/// What a policy has come to for one question.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Standing {
    /// The decision, with what it rested on when it was made.
    pub advice: Advice,
    /// Since when, by this host's wall clock.
    pub since: Wall,
    course: Course,
}

/// What the facts alone have come to.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Course {
    advice: Advice,
    calm: Option<Calm>,
    /// Whether anything was known since the start: what was decided for want of that need not be held.
    is_settled: bool,
}

/// A time in which the decision could have been less cautious without a break.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Calm {
    since: Mono,
    /// The most cautious that it would have had to be meanwhile.
    most: Advice,
}

/// What a policy has come to at each target that it is asked for, and for each source that can be named.
pub type Standings = BTreeMap<(RegionId, Option<RegionId>), Standing>;

/// A policy that changed its decision.
#[derive(Clone, PartialEq, Debug)]
pub struct AdviceTransition {
    /// Which store.
    pub store: Arc<str>,
    /// Where the reader is.
    pub target_region: Arc<str>,
    /// For items of which region; `None`: of any.
    pub source_region: Option<Arc<str>>,
    /// The decision before; `None` at the first look.
    pub from: Option<Decision>,
    /// The decision now.
    pub to: Decision,
    /// Why.
    pub reason: String,
}

/// To wait for a moment is to read here all the same: waits come and go with every heartbeat.
fn caution(decision: Decision) -> usize {
    match decision {
        Decision::ReadLocal | Decision::Wait(_) => 0,
        other => other.caution(),
    }
}

/// The question as whoever asks has it answered: a little stricter than what the policy promises.
fn between_looks(policy: &Policy, query: &Query) -> Query {
    Query { max_staleness: policy.answers_within(query.max_staleness), ..*query }
}

/// The question as it is put at a look while local reads are advised.
fn while_local(policy: &Policy, query: &Query) -> Query {
    Query { max_staleness: policy.leaves_above(query.max_staleness), ..*query }
}

/// The question as it is put while they are not: stricter still, and no time to wait.
fn while_away(policy: &Policy, query: &Query) -> Query {
    Query { max_staleness: policy.returns_below(query.max_staleness), max_wait: Span::ZERO, ..*query }
}

/// Whether a decision is still of use to those who are held to it.
fn is_tenable(store: &StoreSnapshot, decision: Decision, query: &Query, now: Now) -> bool {
    match decision {
        Decision::ReadSourceRegion(source) => trouble(store, source, now.mono).is_none(),
        Decision::ReadHomeRegion => {
            let mut others = store.plan.region_ids().filter(|region| *region != query.target).peekable();
            others.peek().is_none() || others.any(|region| trouble(store, region, now.mono).is_none())
        }
        _ => true,
    }
}

/// What to answer at `now`, between two steps, and to which question exactly: never less cautious than what holds now, nor
/// than what stands.
pub fn answer(
    standing: Option<&Standing>,
    store: &StoreSnapshot,
    policy: &Policy,
    query: &Query,
    now: Now,
) -> (Advice, Query) {
    let mut asked = between_looks(policy, query);
    if let Some(forced) = forced(store, policy, &asked, now) {
        return (forced, asked);
    }
    let stands = standing.map(|standing| standing.course.advice.decision);
    let held = stands.filter(|decision| caution(*decision) > 0 && is_tenable(store, *decision, query, now));
    if held.is_some() {
        asked.max_wait = Span::ZERO;
    }
    let advice = measured(store, policy, &asked, now);
    let calm = standing.and_then(|standing| standing.course.calm).map(|calm| now.mono - calm.since);
    let advice = match held {
        Some(decision) if caution(decision) > caution(advice.decision) => {
            Advice { decision, why: Why::Dwells(calm), ..advice }
        }
        _ => advice,
    };
    (advice, asked)
}

/// Brings what a store's policy has come to up to date. Returns what changed.
pub fn step(standings: &mut Standings, store: &StoreSnapshot, policy: &Policy, now: Now) -> Vec<AdviceTransition> {
    let all_before = std::mem::take(standings);
    if policy.max_staleness.is_none() {
        return Vec::new();
    }
    let mut transitions = Vec::new();
    let plan = &store.plan;
    for target in plan.region_ids().filter(|target| plan.local.is_none_or(|local| local == *target)) {
        let sources = plan.region_ids().filter(|source| *source != target).map(Some);
        for source in std::iter::once(None).chain(sources) {
            let Some(query) = Query::of_policy(policy, source, target) else { continue };
            let before = all_before.get(&(target, source));
            let (course, asked) = follow(before.map(|before| before.course), store, policy, &query, now);
            let advice = forced(store, policy, &asked, now).unwrap_or(course.advice);
            let from = before.map(|before| before.advice.decision);
            let changes = from.map(Decision::label) != Some(advice.decision.label());
            let standing = match before {
                Some(before) if !changes => Standing { course, ..*before },
                _ => Standing { advice, since: now.wall, course },
            };
            standings.insert((target, source), standing);
            if changes {
                transitions.push(AdviceTransition {
                    store: plan.store.clone(),
                    target_region: store.region(target).clone(),
                    source_region: source.map(|source| store.region(source).clone()),
                    from,
                    to: advice.decision,
                    reason: words::reason(store, policy, &asked, &advice, now),
                });
            }
        }
    }
    transitions
}

/// The course after one more look, and the question that was put.
fn follow(before: Option<Course>, store: &StoreSnapshot, policy: &Policy, query: &Query, now: Now) -> (Course, Query) {
    let held = before.filter(|before| caution(before.advice.decision) > 0);
    let held = held.filter(|before| is_tenable(store, before.advice.decision, query, now));
    let asked = match held {
        Some(_) => while_away(policy, query),
        None => while_local(policy, query),
    };
    let advice = measured(store, policy, &asked, now);
    let is_known = !matches!(advice.why, Why::NotKnown(_) | Why::NoSources);
    let is_settled = is_known || before.is_some_and(|before| before.is_settled);
    let changed = |advice| Course { advice, calm: None, is_settled };
    let Some(before) =
        before.filter(|before| before.is_settled && (held.is_some() || caution(before.advice.decision) == 0))
    else {
        return (changed(advice), asked);
    };
    let course = match caution(advice.decision).cmp(&caution(before.advice.decision)) {
        Ordering::Equal => Course { calm: None, ..before },
        Ordering::Greater => changed(advice),
        Ordering::Less => {
            let calm = before.calm.unwrap_or(Calm { since: now.mono, most: advice });
            let is_more = caution(advice.decision) > caution(calm.most.decision);
            let calm = Calm { most: if is_more { advice } else { calm.most }, ..calm };
            match now.mono - calm.since >= policy.dwells() {
                true => changed(calm.most),
                false => Course { calm: Some(calm), ..before },
            }
        }
    };
    (course, asked)
}
