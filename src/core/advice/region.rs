//! How a source region is: whether it can take the reads that would be sent there, and whether it is lost.

use super::policy::{LostSource, Policy};
use crate::core::assess::{is_silent, is_write_silent, latest_arrival, oldest_answer};
use crate::core::model::{Plan, Reason, RegionId};
use crate::core::snapshot::{Health, PairSnapshot, Seat, StoreSnapshot};
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
        if let Some(reason) = pair.writes.failing
            && pair.seat == Seat::Ours
            && is_write_silent(pair, plan, now)
        {
            return Some(Trouble::Failing(reason));
        }
        // One that is read only when it is silent was not read in vain as long as it is heard of.
        let is_read = plan.polls(region) || is_silent(latest_arrival(pair), plan, now);
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
    reads.failing.filter(|_| is_silent(reads.answered_at, plan, now))
}

/// For how long nothing has been heard of a source, if that is for so long that it counts as lost.
///
/// A source that is known to live is never lost: one whose own replica answers, or whose newest writes are known not to
/// have arrived, is only late. Nor is one that refuses us alone.
pub fn lost(store: &StoreSnapshot, pair: &PairSnapshot, policy: &Policy, now: Mono) -> Option<Span> {
    let plan = &store.plan;
    // Whoever does not see the target sees nobody.
    if is_silent(oldest_answer(pair), plan, now) {
        return None;
    }
    let looked_at = pair.slots.iter().filter_map(|slot| slot.source_looked_at).max();
    let written = pair.slots.iter().filter_map(|slot| slot.written).max();
    // Since the first look, where it is not known how old that was which was found there.
    let arrived = written.or(latest_arrival(pair));
    let acknowledged = pair.writes.answered_at.filter(|_| pair.seat == Seat::Ours);
    let heard = [looked_at, arrived, pair.source_reads.answered_at, acknowledged].into_iter().flatten().max();
    let silent = now - heard.unwrap_or(pair.watching_since);
    if silent <= policy.exclude_after {
        return None;
    }
    let is_gone = if plan.observer {
        // It cannot ask the source. That others arrive, and that none of them tells of newer heartbeats, is what it has.
        let others_arrive = store.pairs.iter().any(|other| {
            other.target == pair.target && other.source != pair.source && !is_silent(latest_arrival(other), plan, now)
        });
        others_arrive && pair.slots.iter().all(|slot| slot.oldest_unseen.is_none())
    } else {
        let failing = pair.source_reads.failing.or(pair.writes.failing);
        failing.is_some_and(Reason::is_out_of_reach)
    };
    is_gone.then_some(silent)
}

/// Which sources are left out of account at a target, and for how long each has been silent.
///
/// Where all others seem lost, and there are two or more, it is this region that is cut off: then none is.
pub fn excluded(
    store: &StoreSnapshot,
    target: RegionId,
    policy: &Policy,
    now: Mono,
) -> impl Iterator<Item = (RegionId, Span)> {
    let lost_of = move |source| store.pair(source, target).and_then(|pair| lost(store, pair, policy, now));
    let others = move || store.plan.region_ids().filter(move |source| *source != target);
    let applies = policy.lost_source == LostSource::Exclude
        && (others().count() == 1 || others().any(|source| lost_of(source).is_none()));
    others().filter_map(move |source| Some((source, lost_of(source)?))).filter(move |_| applies)
}
