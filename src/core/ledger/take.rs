//! Takes answers in: what a write came to, what a read found, and which samples that makes.

use std::cmp::Ordering;

use rand::RngExt;

use super::*;
use crate::core::count::{HeartbeatResult, Ignored, Operation};
use crate::core::heartbeat::Found;
use crate::core::model::{Event, EventKind, Failure, RegionId, Slot, SlotRead, WriteOutcome};
use crate::core::outstanding::Resolved;
use crate::core::reign;
use crate::core::sample::Sample;

impl Ledger {
    /// Takes an answer in. `now` is when that happens; the answer's own readings are what it is measured by.
    pub fn handle(&mut self, event: Event, now: Now) {
        let at = now.after(event.received - now.mono);
        match event.kind {
            EventKind::Wrote { source, slot, beat, outcome } => {
                self.count_call(source, Operation::Write, event.received - event.sent, event.capacity_units);
                self.wrote(source, slot, beat, outcome, at);
            }
            EventKind::Read { target, slot, outcome } => {
                self.count_call(target, Operation::Read, event.received - event.sent, event.capacity_units);
                self.targets[target.index()].in_flight -= 1;
                match outcome {
                    Ok(read) => self.read(target, slot, &read, event.sent, at),
                    Err(failure) => self.read_failed(target, &failure, at.mono),
                }
                self.plan_poll(target.index(), now.mono);
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
                if slot == 0 {
                    let next = source.reign.refused(self.plan.writer, beat, stored.as_ref(), at);
                    let answer_lost = next.is_ours();
                    source.reign = next;
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
                self.sources[region.index()].keys[usize::from(slot)].outstanding.not_committed(beat);
                HeartbeatResult::Refused
            }
            WriteOutcome::Failed { failure, maybe_committed } => {
                counters.errors[Operation::Write as usize][failure.reason.index()] += 1;
                source.calls.failed(failure.reason, at.mono, self.plan.interval, self.random.random());
                if maybe_committed {
                    key.outstanding.unanswered(beat);
                    HeartbeatResult::Unanswered
                } else {
                    key.outstanding.not_committed(beat);
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
        key.stored = Some(beat);
        let resolved = key.outstanding.acknowledged(beat, at.mono, replaced);
        if slot == 0 && source.reign != (Reign::Ours { run: beat.run }) {
            source.reign = Reign::Ours { run: beat.run };
            source.run = beat.run;
            source.due = due;
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
        for target in 0..count {
            if target != region.index() {
                self.pairs[region.index() * count + target].tracks[usize::from(slot)].owe(&key.outstanding);
            }
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

    fn read(&mut self, region: RegionId, slot: Slot, read: &SlotRead, sent: Mono, at: Now) {
        let counters = &mut self.regions[region.index()];
        counters.reads_answered += 1;
        counters.ignored[Ignored::UnknownSource as usize] += u64::from(read.unknown_sources);
        let target = &mut self.targets[region.index()];
        target.calls.succeeded();
        target.answered_at = target.answered_at.max(Some(at.mono));
        for source in self.plan.clone().region_ids() {
            let found = read.found.iter().find(|(of, _)| *of == source).map(|(_, found)| found);
            if source == region {
                self.read_own_key(region, slot, found, at);
            } else {
                self.read_pair(source, region, slot, found, sent, at);
            }
        }
    }

    /// A look at the key where it is written: evidence of commits, and of who reigns.
    fn read_own_key(&mut self, region: RegionId, slot: Slot, found: Option<&Found>, at: Now) {
        let count = self.targets.len();
        let due = self.first_tick(region, at.mono);
        let source = &mut self.sources[region.index()];
        let key = &mut source.keys[usize::from(slot)];
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
        let resolved = heartbeat.map_or(Vec::new(), |heartbeat| key.outstanding.seen(heartbeat.beat));
        if let Some(heartbeat) = heartbeat.filter(|heartbeat| heartbeat.writer != self.plan.writer)
            && key.inherited.is_none()
            && key.outstanding.is_empty()
        {
            key.inherited = Some(heartbeat.clone());
            // One from the future says that the clock was set back since: then its ages are not known.
            if heartbeat.host == self.plan.host && heartbeat.written_at <= at.wall {
                let written = at.mono - (at.wall - heartbeat.written_at);
                let deadline = self.plan.deadline();
                key.outstanding.presume(heartbeat.beat, written, heartbeat.written_at, heartbeat.interval, deadline);
            }
        }
        if slot == 0 && !source.reign.is_ours() && key.in_flight.is_none() {
            let patience = self.plan.interval.mul_f64(3.0 + 2.0 * self.plan.patience);
            source.reign = source.reign.observed(self.plan.writer, source.run, found, at, patience);
            if source.reign.is_ours() {
                source.due = due;
            }
        }
        self.sample(region, slot, resolved);
        for target in (0..count).filter(|target| *target != region.index()) {
            self.settle_inheritance(region, target, slot, at);
        }
    }

    fn settle_inheritance(&mut self, source: RegionId, target: usize, slot: Slot, at: Now) {
        let key = &self.sources[source.index()].keys[usize::from(slot)];
        if let Some(inherited) = &key.inherited {
            let timed = inherited.host == self.plan.host;
            self.pairs[source.index() * self.targets.len() + target].tracks[usize::from(slot)].settle_inheritance(
                inherited,
                timed,
                at.mono,
                &key.outstanding,
            );
        }
    }

    fn read_pair(
        &mut self,
        source: RegionId,
        target: RegionId,
        slot: Slot,
        found: Option<&Found>,
        sent: Mono,
        at: Now,
    ) {
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
        let own_clock = heartbeat.is_some_and(|heartbeat| heartbeat.host == self.plan.host);
        let key = &mut self.sources[source.index()].keys[usize::from(slot)];
        let resolved = track.found(target, heartbeat, (own_clock, ours), sent, at, &mut key.outstanding);
        self.settle_inheritance(source, target.index(), slot, at);
        self.sample(source, slot, resolved);
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
            let pair = &mut self.pairs[source.index() * count + one.target.index()];
            let bracket = one.sighting.bracket();
            let sample = Sample {
                slot,
                beat: one.beat,
                written_at: one.written_at,
                seen_at: one.seen_at,
                bracket,
                origin: one.origin,
            };
            pair.tracks[usize::from(slot)].sampled(one.beat, bracket.upper);
            pair.stats.add(sample, one.sighting.hit_received, self.plan.interval);
        }
        let oldest = (0..count)
            .filter(|target| *target != source.index())
            .map(|target| self.pairs[source.index() * count + target].tracks[usize::from(slot)].watermark())
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
