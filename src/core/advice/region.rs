//! How a source region is: whether it can take the reads that would be sent there, and whether it is lost.

use super::policy::{LostSource, Policy};
use crate::core::assess::{is_silent, is_still, is_write_silent, latest_arrival, oldest_answer};
use crate::core::model::{Plan, Reason, RegionId};
use crate::core::snapshot::{Health, PairSnapshot, Seat, SlotFacts, StoreSnapshot};
use crate::core::time::{Mono, Span};

/// Why nobody should be sent to a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It does not take our heartbeats, or cannot be read.
    Failing(Reason),
    /// It throttles, says itself or its provider.
    Throttled,
}

impl Trouble {
    /// In words that follow the region's name.
    pub fn words(self) -> String {
        match self {
            Trouble::Failing(reason) => format!("is failing itself: {}", reason.words()),
            Trouble::Throttled => "is throttled itself".to_owned(),
        }
    }
}

/// What is wrong with a region, as far as this process's own calls and its provider's metrics tell; `None`: nothing that
/// is known. Sent to one that is in trouble, everybody's reads would finish it off.
pub fn trouble(store: &StoreSnapshot, region: RegionId, now: Mono) -> Option<Trouble> {
    let plan = &store.plan;
    let is_throttled = |health: &Health| {
        let since = health.throttled_twice_since;
        since.is_some() && !is_silent(since, plan, now)
    };
    // What is known of a region's calls is the same in all of its pairs.
    let from = store.pairs.get(store.pairs.partition_point(|pair| pair.source < region));
    let from = from.filter(|pair| pair.source == region);
    let to = store.pairs.iter().find(|pair| pair.target == region);
    if let Some(pair) = from {
        if is_throttled(&pair.writes) || is_throttled(&pair.source_reads) {
            return Some(Trouble::Throttled);
        }
        if let Some(reason) = pair.writes.failing.filter(|reason| is_its_own(*reason))
            && pair.seat == Seat::Ours
            && is_write_silent(pair, plan, now)
        {
            return Some(Trouble::Failing(reason));
        }
        // One that is read only when it is silent or late was not read in vain while it is neither.
        let is_late = pair.slots.iter().any(|slot| slot.newest_upper.is_some_and(|upper| upper > plan.warn_lag));
        let is_read = plan.polls(region) || is_late || is_still(pair, plan, now);
        if is_read && let Some(reason) = unread(&pair.source_reads, plan, now) {
            return Some(Trouble::Failing(reason));
        }
    }
    let pair = to?;
    if is_throttled(&pair.reads) {
        return Some(Trouble::Throttled);
    }
    if let Some(reason) = unread(&pair.reads, plan, now) {
        return Some(Trouble::Failing(reason));
    }
    let (companions, polling) = pair.companions.as_ref().zip(plan.polling)?;
    companions.throttles_reads(polling, now).then_some(Trouble::Throttled)
}

/// Why reads have failed for a while, if they have.
fn unread(reads: &Health, plan: &Plan, now: Mono) -> Option<Reason> {
    reads.failing.filter(|reason| is_its_own(*reason) && is_silent(reads.answered_at, plan, now))
}

/// Whether a region fails for everybody. One that refuses us may serve all others; one that takes no writes can be read.
fn is_its_own(reason: Reason) -> bool {
    reason.is_out_of_reach() || reason.is_throttling() || reason == Reason::Other
}

/// A source of which nothing has been heard for so long that it counts as lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// For how long.
    pub silent: Span,
    /// Whether its region was asked, and does not answer either. Else it is its silence alone that is known.
    pub is_asked: bool,
}

/// Whether a source counts as lost.
///
/// One that is known to live is never lost, and only late: its own replica answers, or some other region goes on telling of
/// newer heartbeats. Nor is one that refuses us alone.
pub fn lost(store: &StoreSnapshot, pair: &PairSnapshot, policy: &Policy, now: Mono) -> Option<Lost> {
    let plan = &store.plan;
    // Whoever does not see the target sees nobody.
    if is_silent(oldest_answer(pair), plan, now) {
        return None;
    }
    let latest = |of: fn(&SlotFacts) -> Option<Mono>| pair.slots.iter().filter_map(of).max();
    // Since the first look, where it is not known how old that was which was found there.
    let arrived = latest(|slot| slot.written).or(latest_arrival(pair));
    let told = latest(|slot| slot.source_looked_at).max(latest(|slot| slot.told_of_at));
    let acknowledged = pair.writes.answered_at.filter(|_| pair.seat == Seat::Ours);
    let heard = arrived.max(told).max(pair.source_reads.answered_at).max(acknowledged);
    let silent = now - heard.unwrap_or(pair.watching_since);
    if silent <= policy.exclude_after {
        return None;
    }
    if plan.observer {
        // It cannot ask the source. That others arrive, and tell of nothing newer, is what it has.
        let others_arrive = store
            .pairs
            .iter()
            .any(|other| other.target == pair.target && other.source != pair.source && !is_still(other, plan, now));
        return others_arrive.then_some(Lost { silent, is_asked: false });
    }
    let failing = pair.source_reads.failing.or(pair.writes.failing);
    failing.is_some_and(Reason::is_out_of_reach).then_some(Lost { silent, is_asked: true })
}

/// Which sources are left out of account at a target, and for how long each has been silent.
///
/// Where all others seem lost, and there are two or more, it is this region that is cut off: then none is.
pub fn excluded(
    store: &StoreSnapshot,
    target: RegionId,
    policy: &Policy,
    now: Mono,
) -> impl Iterator<Item = (RegionId, Lost)> {
    let lost_of = move |source| store.pair(source, target).and_then(|pair| lost(store, pair, policy, now));
    let others = move || store.plan.region_ids().filter(move |source| *source != target);
    let applies = policy.lost_source == LostSource::Exclude
        && (others().count() == 1 || others().any(|source| lost_of(source).is_none()));
    others().filter(move |_| applies).filter_map(move |source| Some((source, lost_of(source)?)))
}

/// A region that the store names and the settings do not: what is written there is not measured.
pub fn unlisted(store: &StoreSnapshot, target: RegionId) -> Option<&str> {
    let newest = store.looks.get(target.index())?.newest.as_ref()?;
    let setup = newest.inspection.setup.as_ref();
    // Then the others are read only.
    if store.plan.follows_replicas || setup.is_some_and(|setup| setup.multi_region_writes == Some(false)) {
        return None;
    }
    let is_listed = |name: &str| store.plan.regions.iter().any(|listed| **listed == *name);
    let mut replicas = newest.inspection.replicas.iter().filter(|replica| replica.status.is_measured());
    replicas.find(|replica| !is_listed(&replica.name)).map(|replica| &*replica.name)
}
