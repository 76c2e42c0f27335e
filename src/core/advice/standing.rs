//! What a store's policy comes to from one moment to the next: decisions that do not flutter.
//!
//! A decision becomes more cautious at once, as soon as the bound asks for it: nobody reads what is too old because it is
//! early to change one's mind. It becomes less cautious only when it could have been so for `min_dwell` without a break,
//! with the bound at `return_below`. So a signal that crosses the bound at every look changes the decision once, and then
//! holds it where it is safe.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Advice, Decision, Policy, Query, Why, advise, words};
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
    /// Since when it could have been less cautious, without a break.
    calm_since: Option<Mono>,
    /// Whether anything was known since the start: what was decided for want of that need not be held.
    is_settled: bool,
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

/// To wait for a moment is to read here all the same.
fn is_local(decision: Decision) -> bool {
    matches!(decision, Decision::ReadLocal | Decision::Wait(_))
}

/// The question as a policy asks it: a little stricter than what it promises, and while local reads are left alone stricter
/// still.
fn as_asked(policy: &Policy, query: &Query, is_away: bool) -> Query {
    match is_away {
        false => Query { max_staleness: policy.leaves_above(query.max_staleness), ..*query },
        true => Query { max_staleness: policy.returns_below(query.max_staleness), max_wait: Span::ZERO, ..*query },
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
    let stands = standing.map(|standing| standing.advice.decision);
    let held = stands.filter(|decision| !is_local(*decision));
    let mut asked = as_asked(policy, query, false);
    if held.is_some() {
        asked.max_wait = Span::ZERO;
    }
    let advice = advise(store, policy, &asked, now);
    let advice = match held {
        // The operator is not held to what the policy came to.
        Some(decision) if decision.caution() > advice.decision.caution() && !is_forced(&advice) => {
            Advice { decision, why: Why::Dwells, ..advice }
        }
        _ => advice,
    };
    (advice, asked)
}

fn is_forced(advice: &Advice) -> bool {
    matches!(advice.why, Why::Overridden(_))
}

/// Brings what a store's policy has come to up to date. Returns what changed.
pub fn step(standings: &mut Standings, store: &StoreSnapshot, policy: &Policy, now: Now) -> Vec<AdviceTransition> {
    let before = std::mem::take(standings);
    if policy.max_staleness.is_none() {
        return Vec::new();
    }
    let mut transitions = Vec::new();
    let plan = &store.plan;
    for target in plan.region_ids().filter(|target| plan.local.is_none_or(|local| local == *target)) {
        let sources = plan.region_ids().filter(|source| *source != target).map(Some);
        for source in std::iter::once(None).chain(sources) {
            let Some(query) = Query::of_policy(policy, source, target) else { continue };
            let before = before.get(&(target, source)).copied();
            let standing = follow(before, store, policy, &query, now);
            standings.insert((target, source), standing);
            let (from, to) = (before.map(|before| before.advice.decision), standing.advice.decision);
            if from.map(Decision::label) != Some(to.label()) {
                let asked = as_asked(policy, &query, from.is_some_and(|from| !is_local(from)));
                transitions.push(AdviceTransition {
                    store: plan.store.clone(),
                    target_region: store.region(target).clone(),
                    source_region: source.map(|source| store.region(source).clone()),
                    from,
                    to,
                    reason: words::reason(store, policy, &asked, &standing.advice),
                });
            }
        }
    }
    transitions
}

fn follow(before: Option<Standing>, store: &StoreSnapshot, policy: &Policy, query: &Query, now: Now) -> Standing {
    let is_away = before.is_some_and(|before| !is_local(before.advice.decision));
    let advice = advise(store, policy, &as_asked(policy, query, is_away), now);
    let is_known = !matches!(advice.why, Why::NotKnown(_) | Why::NoSources);
    let changed = |is_settled| Standing { advice, since: now.wall, calm_since: None, is_settled };
    let Some(before) = before else { return changed(is_known) };
    let is_settled = before.is_settled || is_known;
    // Waits come and go with every heartbeat.
    let decided = |advice: Advice| if is_local(advice.decision) { 0 } else { advice.decision.caution() };
    match decided(advice).cmp(&decided(before.advice)) {
        std::cmp::Ordering::Equal => Standing { calm_since: None, is_settled, ..before },
        std::cmp::Ordering::Greater => changed(is_settled),
        std::cmp::Ordering::Less if is_forced(&advice) || !before.is_settled => changed(is_settled),
        std::cmp::Ordering::Less => {
            let calm_since = before.calm_since.unwrap_or(now.mono);
            match now.mono - calm_since >= policy.dwells() {
                true => changed(is_settled),
                false => Standing { calm_since: Some(calm_since), is_settled, ..before },
            }
        }
    }
}
