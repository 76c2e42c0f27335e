//! What others get to see of the ledger.

use super::*;
use crate::core::history::{Fate, Tick};
use crate::core::model::RegionId;
use crate::core::offset::Offset;
use crate::core::recent::Recent;
use crate::core::sample::Bracket;
use crate::core::snapshot::{Health, Measured, PairSnapshot, Seat, SlotFacts, StoreSnapshot};
use crate::core::writing::Writing;

impl Ledger {
    /// What everybody else gets to see.
    pub fn snapshot(&mut self, now: Now) -> StoreSnapshot {
        let plan = self.plan.clone();
        let mut pairs = Vec::new();
        for source in plan.region_ids() {
            for target in plan.region_ids().filter(|target| plan.covers(source, *target)) {
                pairs.push(self.pair_snapshot(source, target, now));
            }
        }
        let keys = || self.sources.iter().flat_map(|source| &source.keys);
        self.own.dropped_heartbeats = keys().map(|key| key.outstanding.dropped() + key.abroad.dropped()).sum();
        self.own.clock_steps = self.clocks.epoch();
        self.own.void_proofs = self.clocks.voided();
        self.own.clock_conflicts = self.clocks.conflicts();
        // Those that were retired, too: what is told of a region stands at its place.
        let regions = || (0..plan.regions.len() as u16).map(RegionId);
        let seats = regions().map(|region| plan.writes(region).then(|| self.seat(region))).collect();
        let writings = regions().map(|region| plan.writes(region).then(|| self.writing(region))).collect();
        StoreSnapshot {
            plan: self.plan.clone(),
            taken: now,
            pairs,
            seats,
            writings,
            looks: regions().map(|region| self.look_of(region, now.mono)).collect(),
            regions: self.regions.clone(),
            own: self.own,
        }
    }

    fn pair_snapshot(&mut self, source: RegionId, target: RegionId, now: Now) -> PairSnapshot {
        let count = self.sources.len();
        let seat = self.seat(source);
        let facts: Arc<[SlotFacts]> = self.slot_facts(source, target, now).collect();
        let (provider, companions) = self.provider_facts(source, target);
        let clocks = &self.clocks;
        let pair = &mut self.pairs[source.index() * count + target.index()];
        let from = &self.sources[source.index()];
        let unseen = pair.tracks.iter().zip(&from.keys).flat_map(|(track, key)| {
            let after = track.watermark().map(|watermark| watermark.beat);
            track.missed().into_iter().flat_map(move |(missed, epoch)| {
                let ours = key.outstanding.unseen(after);
                let ours = ours.map(move |(sent, known)| (missed.mono - sent, missed.mono - known));
                let theirs = key.abroad.committed(after).filter(|tick| !key.outstanding.holds(tick.beat));
                let theirs = theirs.filter_map(move |tick| {
                    let offset = clocks.offset_at(source.index(), tick.clock, epoch, now.mono, now.mono);
                    age_at(missed, &tick, offset)
                });
                ours.chain(theirs)
            })
        });
        // Nobody looked for what was written after the last look.
        let unseen = unseen.filter(|(most, _)| !most.is_negative());
        let unseen = unseen.map(|(most, least)| Bracket { lower: least.max(Span::ZERO), upper: most });
        if !self.plan.observer {
            pair.stats.summarise(now.mono, unseen);
        }
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
            watching_since: from.watched_since.max(self.sources[target.index()].watched_since),
            seat,
            writes: Health {
                answered_at: from.keys.iter().map(|key| key.acked_at).min().flatten(),
                failing: from.calls.failing,
                throttled_twice_since: from.calls.throttled[0],
            },
            reads: reads(at_target),
            source_reads: reads(at_source),
            clock: match seat {
                Seat::Unread | Seat::Taking | Seat::Ours if self.plan.writes(source) => Measured::OneClock,
                _ => Measured::TwoClocks,
            },
            offset: if from.reign.is_ours() { Offset::NONE } else { clocks.offset(source.index(), now.mono) },
            slots: facts,
            newest: pair.stats.newest(),
            histogram: *pair.stats.histogram(),
            wide: pair.stats.wide(),
            summary: pair.stats.summary().clone(),
            visibility: pair.stats.visibility().clone(),
            recent: pair.stats.recent().clone(),
            provider,
            companions,
        }
    }

    fn seat(&self, source: RegionId) -> Seat {
        Seat::of(&self.sources[source.index()].reign)
    }

    /// What becomes of the heartbeats that are for this process to write.
    fn writing(&self, region: RegionId) -> Writing {
        let source = &self.sources[region.index()];
        let seat = self.seat(region);
        let reads = &self.targets[region.index()].calls;
        let failing = match seat {
            Seat::Unread => reads.failing.zip(reads.failing_since).map(|(reason, since)| Failing { reason, since }),
            _ => source.keys.iter().filter_map(|key| key.failing).min_by_key(|failing| failing.since),
        };
        Writing {
            seat,
            seat_since: source.seat_since,
            acknowledged_at: source.keys.iter().map(|key| key.acked_at).min().flatten(),
            failing,
            throttled_twice_since: source.calls.throttled[0],
        }
    }

    fn slot_facts(&self, source: RegionId, target: RegionId, now: Now) -> impl Iterator<Item = SlotFacts> {
        let from = &self.sources[source.index()];
        let pair = &self.pairs[source.index() * self.targets.len() + target.index()];
        let clocks = &self.clocks;
        (0..).zip(pair.tracks.iter().zip(&from.keys)).map(move |(slot, (track, key))| {
            let watermark = track.watermark();
            let ours = track.oldest_unseen();
            let (theirs, age_unknown) = match key.abroad.unseen(watermark.map(|watermark| watermark.beat)) {
                // A target is late with nothing before somebody has looked at it.
                Some(unseen) if track.answered_at().is_some() => {
                    let epoch = clocks.epoch();
                    let offset = clocks.offset_at(source.index(), unseen.clock, epoch, now.mono, now.mono);
                    let age = unseen.written_at.zip(offset.min).map(|(written, (min, _))| now.wall - written - min);
                    match age.filter(|age| !age.is_negative()) {
                        Some(age) => (Some(now.mono - age), unseen.maybe_older),
                        None => (Some(unseen.known_since), true),
                    }
                }
                _ => (None, false),
            };
            let oldest_unseen = [ours, theirs].into_iter().flatten().min();
            SlotFacts {
                slot,
                watermark,
                written: watermark.and_then(|watermark| {
                    let (run, epoch, hit) = (watermark.beat.run, watermark.epoch, watermark.hit);
                    let offset = if watermark.ours {
                        Offset::NONE
                    } else {
                        clocks.offset_at(source.index(), run, epoch, hit.mono, now.mono)
                    };
                    let lag = hit.wall - watermark.written_at - offset.min?.0;
                    let written = (!lag.is_negative()).then(|| hit.mono - lag)?;
                    // A clock that was set back while it was on its way makes it look younger than it is.
                    let sent = watermark.ours.then(|| key.diary.sent_at(watermark.beat)).flatten();
                    Some(sent.map_or(written, |sent| written.min(sent)))
                }),
                answered_at: track.answered_at(),
                oldest_unseen,
                age_unknown: age_unknown && theirs == oldest_unseen && theirs.is_some(),
                unmoved_since: oldest_unseen
                    .map(|unseen| track.advanced_at().map_or(unseen, |advanced| advanced.max(unseen))),
                still_since: track.still_since(),
                source_looked_at: key.looked_at,
                told_of_at: key
                    .abroad
                    .newest()
                    .filter(|(newest, _)| watermark.is_none_or(|watermark| *newest > watermark.beat))
                    .map(|(_, at)| at),
                newest_upper: track.newest_upper(),
                newer_format: track.newer_format(),
            }
        })
    }

    /// A pair's recent samples, oldest first; empty for a pair that is not measured.
    pub fn recent(&self, source: RegionId, target: RegionId) -> &Recent {
        self.pairs[source.index() * self.targets.len() + target.index()].stats.recent()
    }
}

/// How old a heartbeat of another writer's was at most, and at least, when a look missed it; `None` where the clocks'
/// difference is not bounded.
fn age_at(missed: Now, tick: &Tick, offset: Offset) -> Option<(Span, Span)> {
    let apparent = missed.wall - tick.written_at;
    let least = match (tick.fate, offset.max) {
        (Fate::Took(took), Some((max, _))) => apparent - took - max,
        _ => Span::ZERO,
    };
    Some((apparent - offset.min?.0, least))
}
