//! What others get to see of the ledger.

use super::*;
use crate::core::model::{RegionId, Slot};
use crate::core::recent::Recent;
use crate::core::snapshot::{Health, PairSnapshot, Seat, SlotFacts, StoreSnapshot};

impl Ledger {
    /// What everybody else gets to see.
    pub fn snapshot(&mut self, now: Now) -> StoreSnapshot {
        let count = self.sources.len();
        let mut pairs = Vec::with_capacity(count * (count - 1));
        for source in self.plan.clone().region_ids() {
            for target in self.plan.clone().region_ids().filter(|target| *target != source) {
                pairs.push(self.pair_snapshot(source, target, now.mono));
            }
        }
        let dropped = self.sources.iter().flat_map(|source| &source.keys).map(|key| key.outstanding.dropped()).sum();
        self.own.dropped_heartbeats = dropped;
        StoreSnapshot { plan: self.plan.clone(), taken: now, pairs, regions: self.regions.clone(), own: self.own }
    }

    fn pair_snapshot(&mut self, source: RegionId, target: RegionId, now: Mono) -> PairSnapshot {
        let count = self.sources.len();
        let pair = &mut self.pairs[source.index() * count + target.index()];
        let from = &self.sources[source.index()];
        let unseen = pair.tracks.iter().zip(&from.keys).flat_map(|(track, key)| {
            key.outstanding.committed(track.watermark().map(|watermark| watermark.beat)).map(|sent| now - sent)
        });
        pair.stats.summarise(now, unseen);
        let at_source = &self.targets[source.index()];
        let at_target = &self.targets[target.index()];
        let reads = |target: &Target| Health {
            answered_at: target.answered_at,
            failing: target.calls.failing,
            throttled_twice_since: target.calls.throttled[0],
        };
        PairSnapshot {
            source,
            target,
            watching_since: self.started,
            seat: match from.reign {
                Reign::Unread => Seat::Unread,
                Reign::Vacant { .. } | Reign::Rubbish => Seat::Taking,
                Reign::Held { .. } => Seat::Held,
                Reign::Newer => Seat::Newer,
                Reign::Ours { .. } => Seat::Ours,
            },
            writes: Health {
                answered_at: from.keys.iter().map(|key| key.acked_at).min().flatten(),
                failing: from.calls.failing,
                throttled_twice_since: from.calls.throttled[0],
            },
            reads: reads(at_target),
            source_reads: reads(at_source),
            slots: pair.tracks.iter().enumerate().map(|(slot, track)| slot_facts(slot, track)).collect(),
            newest: pair.stats.newest(),
            histogram: *pair.stats.histogram(),
            wide: pair.stats.wide(),
            summary: pair.stats.summary().clone(),
            recent: pair.stats.recent().clone(),
        }
    }

    /// A pair's recent samples, oldest first; empty for a region and itself.
    pub fn recent(&self, source: RegionId, target: RegionId) -> &Recent {
        self.pairs[source.index() * self.targets.len() + target.index()].stats.recent()
    }
}

fn slot_facts(slot: usize, track: &Track) -> SlotFacts {
    SlotFacts {
        slot: slot as Slot,
        watermark: track.watermark(),
        answered_at: track.answered_at(),
        oldest_unseen: track.oldest_unseen(),
        age_unknown: track.age_unknown(),
        unmoved_since: track.unmoved_since(),
        newest_upper: track.newest_upper(),
        newer_format: track.newer_format(),
    }
}
