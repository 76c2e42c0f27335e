//! Takes answers in: what a write came to, what a read found, and which samples that makes.

use std::cmp::Ordering;

use rand::RngExt;

use super::*;
use crate::core::assess::writers_interval;
use crate::core::count::{HeartbeatResult, Ignored, Operation};
use crate::core::heartbeat::Found;
use crate::core::model::{Consistency, Event, EventKind, Failure, RegionId, Slot, SlotRead, WriteOutcome};
use crate::core::outstanding::{Advance, Resolved};
use crate::core::reign;
use crate::core::sample::{Origin, Sample};

/// The store is told of a new region a moment after the ledger learned of it; reads that leave in between do not look for
/// it yet.
const JOINING: Span = Span::from_millis(100);

impl Ledger {
    /// Takes an answer in. `now` is when that happens; the answer's own readings are what it is measured by.
    pub fn handle(&mut self, event: Event, now: Now) {
        self.clocks.look(now);
        let at = now.after(event.received - now.mono);
        if let (Some(date), Some(_)) = (event.server_date, self.plan.provider_clock_error) {
            let region = event.kind.region();
            self.clocks.server(region.index(), at.after(event.sent - event.received).wall, date, at);
        }
        if self.plan.retired.contains(event.kind.region()) {
            // It left before the region did.
            match event.kind {
                EventKind::Read { target, .. } => self.targets[target.index()].in_flight -= 1,
                EventKind::Inspected { region, .. } => self.looks[region.index()].answered(),
                EventKind::Answered { region, .. } => self.targets[region.index()].asking.ended(),
                EventKind::Wrote { source, slot, .. } => {
                    self.sources[source.index()].keys[usize::from(slot)].in_flight = None;
                }
            }
            return;
        }
        match event.kind {
            EventKind::Wrote { source, slot, beat, outcome } => {
                self.count_call(source, Operation::Write, event.received - event.sent, event.capacity_units);
                self.wrote(source, slot, beat, outcome, at);
            }
            EventKind::Read { target, slot, consistency, outcome } => {
                self.count_call(target, Operation::Read, event.received - event.sent, event.capacity_units);
                self.targets[target.index()].in_flight -= 1;
                match outcome {
                    Ok(read) => self.read(target, slot, consistency, &read, event.sent, at),
                    Err(failure) => self.read_failed(target, &failure, at.mono),
                }
                self.plan_poll(target.index(), now.mono);
            }
            EventKind::Inspected { region, outcome } => {
                self.count_call(region, Operation::Inspect, event.received - event.sent, event.capacity_units);
                self.inspected(region, outcome, at);
            }
            EventKind::Answered { region, outcome } => {
                self.count_call(region, Operation::Ask, event.received - event.sent, event.capacity_units);
                self.answered(region, outcome, event.sent, at);
            }
        }
    }

    fn count_call(&mut self, region: RegionId, operation: Operation, took: Span, capacity_units: f64) {
        let counters = &mut self.regions[region.index()];
        counters.requests[operation as usize].add(took);
        counters.capacity_units[operation as usize] += capacity_units;
    }

    fn wrote(&mut self, region: RegionId, slot: Slot, beat: Beat, outcome: WriteOutcome, at: Now) {
        let counters = &mut self.regions[region.index()];
        let source = &mut self.sources[region.index()];
        let key = &mut source.keys[usize::from(slot)];
        if key.in_flight == Some(beat) {
            key.in_flight = None;
        }
        let result = match outcome {
            WriteOutcome::Acknowledged { replaced } => {
                source.calls.succeeded();
                self.acknowledged(region, slot, beat, replaced, at);
                HeartbeatResult::Acknowledged
            }
            WriteOutcome::Refused { stored } => {
                source.calls.succeeded();
                if let Some(Found::Heartbeat(stored)) = &stored
                    && stored.writer != self.plan.writer
                {
                    key.found = Some(stored.clone());
                }
                if slot == 0 {
                    let next = source.reign.refused(self.plan.writer, beat, stored.as_ref(), at);
                    let answer_lost = next.is_ours();
                    source.reigns(next, at.mono);
                    if answer_lost {
                        // The refusal is an answer after all: what is stored is ours, and committed by now.
                        let stored = stored_beat(&stored);
                        self.acknowledged(region, slot, stored.unwrap_or(beat), stored, at);
                    }
                } else {
                    key.rubbish = stored.as_ref().is_some_and(|found| match found {
                        Found::Heartbeat(heartbeat) => !reign::is_plausible(heartbeat, at),
                        Found::Invalid(_) => true,
                        Found::NewerFormat { .. } => false,
                    });
                }
                let key = &mut self.sources[region.index()].keys[usize::from(slot)];
                key.outstanding.not_committed(beat);
                key.diary.not_committed(beat);
                key.failing = None;
                HeartbeatResult::Refused
            }
            WriteOutcome::Failed { failure, maybe_committed } => {
                counters.errors[Operation::Write as usize][failure.reason.index()] += 1;
                source.calls.failed(failure.reason, at.mono, self.plan.interval, self.random.random());
                let since = key.failing.map_or(at.mono, |failing| failing.since);
                key.failing = Some(Failing { reason: failure.reason, since });
                if maybe_committed {
                    key.outstanding.unanswered(beat);
                    HeartbeatResult::Unanswered
                } else {
                    key.outstanding.not_committed(beat);
                    key.diary.not_committed(beat);
                    HeartbeatResult::Failed
                }
            }
        };
        self.regions[region.index()].heartbeats[result as usize] += 1;
    }

    fn acknowledged(&mut self, region: RegionId, slot: Slot, beat: Beat, replaced: Option<Beat>, at: Now) {
        let count = self.targets.len();
        let due = self.first_tick(region, at.mono);
        let source = &mut self.sources[region.index()];
        let key = &mut source.keys[usize::from(slot)];
        key.acked_at = key.acked_at.max(Some(at.mono));
        key.failing = None;
        key.stored = Some(beat);
        key.diary.acknowledged(beat, at.mono, replaced);
        let resolved = key.outstanding.acknowledged(beat, at.mono, replaced);
        if slot == 0 && source.reign != (Reign::Ours { run: beat.run }) {
            source.reigns(Reign::Ours { run: beat.run }, at.mono);
            source.run = beat.run;
            source.due = due;
            for key in &mut source.keys {
                key.abroad.void_from(beat.run);
            }
            for target in 0..count {
                for track in &mut self.pairs[region.index() * count + target].tracks {
                    if track.void_from(beat.run) {
                        self.regions[target].ignored[Ignored::Foreign as usize] += 1;
                    }
                }
            }
        }
        self.sample(region, slot, resolved);
        let key = &self.sources[region.index()].keys[usize::from(slot)];
        for target in self.plan.region_ids().filter(|target| self.plan.covers(region, *target)) {
            self.pairs[region.index() * count + target.index()].tracks[usize::from(slot)].owe(&key.outstanding);
        }
    }

    /// The first tick after `at` on the source's own grid: sources and stores are spread over the interval.
    fn first_tick(&self, region: RegionId, at: Mono) -> Mono {
        let interval = self.plan.interval;
        let phase = (self.plan.phase + f64::from(region.0) / self.plan.regions.len() as f64).fract();
        let origin = self.started + interval.mul_f64(phase);
        let past = (at - origin).as_nanos().div_euclid(interval.as_nanos());
        origin + interval.times(past + 1)
    }

    fn read_failed(&mut self, region: RegionId, failure: &Failure, at: Mono) {
        let counters = &mut self.regions[region.index()];
        counters.reads_failed += 1;
        counters.errors[Operation::Read as usize][failure.reason.index()] += 1;
        let target = &mut self.targets[region.index()];
        let gap = target.schedule.fixed_gap();
        target.calls.failed(failure.reason, at, gap, self.random.random());
    }

    fn read(&mut self, region: RegionId, slot: Slot, consistency: Consistency, read: &SlotRead, sent: Mono, at: Now) {
        let counters = &mut self.regions[region.index()];
        counters.reads_answered += 1;
        counters.ignored[Ignored::UnknownSource as usize] += u64::from(read.unknown_sources);
        let target = &mut self.targets[region.index()];
        target.calls.succeeded();
        target.answered_at = target.answered_at.max(Some(at.mono));
        let plan = self.plan.clone();
        let sent = at.after(sent - at.mono);
        for source in plan.region_ids() {
            let found = read.found.iter().find(|(of, _)| *of == source).map(|(_, found)| found);
            // A read that left before a region was known did not look for it: what it does not show is no miss.
            let joined = self.sources[source.index()].joined;
            if source != region && joined.is_some_and(|joined| sent.mono < joined + JOINING) {
                continue;
            }
            if source == region {
                self.read_own_key(region, slot, consistency, found, sent, at);
            } else if plan.covers(source, region) {
                self.read_pair(source, region, slot, found, sent, at);
            }
        }
    }

    /// A look at the key where it is written: evidence of commits, of who reigns, and of the writer's clock.
    fn read_own_key(
        &mut self,
        region: RegionId,
        slot: Slot,
        consistency: Consistency,
        found: Option<&Found>,
        sent: Now,
        at: Now,
    ) {
        let due = self.first_tick(region, at.mono);
        let (heartbeat, ignored) = match found {
            Some(Found::Heartbeat(heartbeat)) if reign::is_plausible(heartbeat, at) => (Some(heartbeat), None),
            Some(Found::Heartbeat(_)) => (None, Some(Ignored::Future)),
            Some(Found::Invalid(_)) => (None, Some(Ignored::Malformed)),
            Some(Found::NewerFormat { .. }) => (None, Some(Ignored::NewerFormat)),
            None => (None, None),
        };
        if let Some(ignored) = ignored {
            self.regions[region.index()].ignored[ignored as usize] += 1;
        }
        let is_strong = consistency == Consistency::Strong;
        let source = &mut self.sources[region.index()];
        let key = &mut source.keys[usize::from(slot)];
        key.looked_at = key.looked_at.max(Some(at.mono));
        let mut resolved = Vec::new();
        if let Some(heartbeat) = heartbeat {
            resolved = key.outstanding.seen(heartbeat.beat);
            key.diary.seen(heartbeat.beat, at.mono);
        }
        let decides = slot == 0 && self.plan.writes(region) && is_strong;
        if decides && !source.reign.is_ours() && key.in_flight.is_none() {
            let theirs = heartbeat.map_or(self.plan.interval, |heartbeat| heartbeat.interval);
            let patience = writers_interval(&self.plan, theirs).mul_f64(3.0 + 2.0 * self.plan.patience);
            source.reigns(source.reign.observed(self.plan.writer, source.run, found, at, patience), at.mono);
            if source.reign.is_ours() {
                source.due = due;
            }
        }
        self.sample(region, slot, resolved);
        self.hear_at_source(region, slot, heartbeat, is_strong, sent, at);
    }

    fn read_pair(&mut self, source: RegionId, target: RegionId, slot: Slot, found: Option<&Found>, sent: Now, at: Now) {
        let count = self.targets.len();
        let ignored = found.and_then(|found| self.ignored(source, slot, found, at));
        let track = &mut self.pairs[source.index() * count + target.index()].tracks[usize::from(slot)];
        if let Some(ignored) = ignored {
            track.looked(at.mono, ignored == Ignored::NewerFormat);
            self.regions[target.index()].ignored[ignored as usize] += 1;
            return;
        }
        let heartbeat = match found {
            Some(Found::Heartbeat(heartbeat)) => Some(heartbeat),
            _ => None,
        };
        let ours = heartbeat.is_some_and(|heartbeat| heartbeat.writer == self.plan.writer);
        let moved = track.found(heartbeat, ours, sent, at, self.clocks.epoch());
        let key = &mut self.sources[source.index()].keys[usize::from(slot)];
        let mut resolved = heartbeat.map_or(Vec::new(), |heartbeat| key.outstanding.seen(heartbeat.beat));
        if let Some(moved) = moved {
            resolved.extend(key.outstanding.advance(Advance {
                target,
                after: moved.after,
                upto: moved.upto,
                miss_sent: moved.miss_sent.map(|(sent, _)| sent),
                hit_received: at.mono,
                seen_at: at.wall,
            }));
        }
        track.owe(&key.outstanding);
        self.sample(source, slot, resolved);
        self.hear_at_target(source, target, slot, heartbeat.filter(|_| !ours), moved, at);
    }

    /// Whether what was found under a source's key must be left out of account, and why.
    fn ignored(&self, source: RegionId, slot: Slot, found: &Found, at: Now) -> Option<Ignored> {
        let heartbeat = match found {
            Found::NewerFormat { .. } => return Some(Ignored::NewerFormat),
            Found::Invalid(_) => return Some(Ignored::Malformed),
            Found::Heartbeat(heartbeat) => heartbeat,
        };
        if !reign::is_plausible(heartbeat, at) {
            return Some(Ignored::Future);
        }
        // While this process reigns nobody else's heartbeat can be newer than its own: the seat is decided at the
        // source, where the next write will be refused if it was lost.
        let source = &self.sources[source.index()];
        let Reign::Ours { run } = source.reign else { return None };
        let newest = source.keys[usize::from(slot)].outstanding.newest();
        let forged = match heartbeat.beat.run.cmp(&run) {
            Ordering::Less => false,
            Ordering::Equal => {
                heartbeat.writer != self.plan.writer || newest.is_some_and(|newest| heartbeat.beat > newest)
            }
            Ordering::Greater => true,
        };
        forged.then_some(Ignored::Foreign)
    }

    /// Turns sightings into samples, and forgets what every target has seen.
    fn sample(&mut self, source: RegionId, slot: Slot, resolved: Vec<Resolved>) {
        if resolved.is_empty() {
            return;
        }
        let count = self.targets.len();
        for one in resolved {
            let bracket = one.sighting.bracket();
            let sample = Sample {
                slot,
                beat: one.beat,
                written_at: one.written_at,
                seen_at: one.seen_at,
                bracket,
                origin: Origin::Measured,
            };
            self.weigh(source, one.target, &sample);
            let pair = &mut self.pairs[source.index() * count + one.target.index()];
            pair.tracks[usize::from(slot)].sampled(one.beat, bracket.upper);
            pair.stats.add(sample, one.sighting.hit_received, self.plan.interval);
        }
        let measured = self.plan.region_ids().filter(|target| self.plan.covers(source, *target));
        let oldest = measured
            .map(|target| self.pairs[source.index() * count + target.index()].tracks[usize::from(slot)].watermark())
            .map(|watermark| watermark.map(|watermark| watermark.beat))
            .min()
            .flatten();
        if let Some(oldest) = oldest {
            self.sources[source.index()].keys[usize::from(slot)].outstanding.forget_upto(oldest);
        }
    }
}

fn stored_beat(stored: &Option<Found>) -> Option<Beat> {
    match stored {
        Some(Found::Heartbeat(heartbeat)) => Some(heartbeat.beat),
        _ => None,
    }
}
