//! Learns from heartbeats that other processes wrote: their ticks, their clocks, and what they have seen themselves.

use super::*;
use crate::core::abroad::{Glimpse, Sighted};
use crate::core::count::Ignored;
use crate::core::echo;
use crate::core::model::{RegionId, Slot};
use crate::core::offset::{Basis, Offset};
use crate::core::sample::{Bracket, Sample};
use crate::core::track::Moved;

impl Ledger {
    /// A source's own replica showed `heartbeat`, or nothing under the key.
    pub(super) fn hear_at_source(
        &mut self,
        source: RegionId,
        slot: Slot,
        heartbeat: Option<&Heartbeat>,
        is_strong: bool,
        sent: Now,
        at: Now,
    ) {
        let epoch = self.clocks.epoch();
        let foreign = heartbeat.filter(|heartbeat| heartbeat.writer != self.plan.writer);
        let key = &mut self.sources[source.index()].keys[usize::from(slot)];
        let before = key.found.as_ref().map(|found| found.beat);
        let newer = foreign.filter(|heartbeat| before.is_none_or(|before| heartbeat.beat > before));
        let miss = key.found_miss.filter(|(_, then)| *then == epoch).map(|(wall, _)| wall - READING);
        if let Some(heartbeat) = newer {
            key.found = Some(heartbeat.clone());
        }
        // An eventual read that missed proves nothing.
        if is_strong {
            key.found_miss = Some((sent.wall, epoch));
        }
        let Some(heartbeat) = foreign else { return };
        self.hear(source, slot, heartbeat, at);
        if newer.is_some() {
            let glimpse = Glimpse { replica: source, miss_sent: miss, hit_received: at.wall, at: at.mono, epoch };
            let run = heartbeat.beat.run;
            let bound = at.wall - heartbeat.written_at;
            self.clocks.at_most(source.index(), run, at.mono, bound, Basis::CrossRead);
            if let Some(before) = before.filter(|_| miss.is_some()) {
                let key = &mut self.sources[source.index()].keys[usize::from(slot)];
                key.abroad.advance(before, heartbeat.beat, glimpse, |_| false);
            }
        }
        self.complete(source, slot, at);
    }

    /// A target showed `heartbeat` of another writer's; `moved` says how that moved its watermark.
    pub(super) fn hear_at_target(
        &mut self,
        source: RegionId,
        target: RegionId,
        slot: Slot,
        heartbeat: Option<&Heartbeat>,
        moved: Option<Moved>,
        at: Now,
    ) {
        if let Some(heartbeat) = heartbeat {
            self.hear(source, slot, heartbeat, at);
        }
        let key = &mut self.sources[source.index()].keys[usize::from(slot)];
        if let Some(moved) = moved
            && let Some(after) = moved.after
        {
            let glimpse = Glimpse {
                replica: target,
                miss_sent: moved.miss_sent.and_then(|(_, wall)| wall).map(|wall| wall - READING),
                hit_received: at.wall,
                at: at.mono,
                epoch: self.clocks.epoch(),
            };
            let outstanding = &key.outstanding;
            key.abroad.advance(after, moved.upto, glimpse, |beat| outstanding.holds(beat));
        }
        if let (Some(heartbeat), Some(Moved { after: Some(_), .. })) = (heartbeat, moved) {
            let upper = {
                let offset = self.clocks.offset(source.index(), at.mono);
                offset.min.map(|(min, _)| at.wall - heartbeat.written_at - min)
            };
            if let Some(upper) = upper {
                let count = self.targets.len();
                let pair = &mut self.pairs[source.index() * count + target.index()];
                // Provisional: how long its write took is not known yet, and only makes it shorter.
                pair.tracks[usize::from(slot)].sampled(heartbeat.beat, upper);
            }
        }
        self.complete(source, slot, at);
    }

    /// A heartbeat of another writer's was read, wherever.
    fn hear(&mut self, source: RegionId, slot: Slot, heartbeat: &Heartbeat, at: Now) {
        let run = heartbeat.beat.run;
        // A host has one clock, whoever reads it; one from the future says that it was set back since.
        let same = heartbeat.host == self.plan.host && heartbeat.written_at <= at.wall;
        self.clocks.run(source.index(), run, same, at.mono);
        let key = &mut self.sources[source.index()].keys[usize::from(slot)];
        // Seen again it only says less.
        let is_new = key.abroad.tick(heartbeat.beat).is_none();
        if !key.abroad.learn(heartbeat, at.mono) {
            self.regions[source.index()].ignored[Ignored::Malformed as usize] += 1;
        }
        if is_new {
            self.clocks.seen(source.index(), run, heartbeat.written_at, at);
        }
        let from = &mut self.sources[source.index()];
        if slot == 0 && from.heard.is_none_or(|heard| heartbeat.beat > heard) {
            from.heard = Some(heartbeat.beat);
            self.hear_claims(source, heartbeat, at);
            self.hear_echo(source, heartbeat, at);
        }
    }

    /// What operators and servers say of our clock and of the writer's.
    fn hear_claims(&mut self, source: RegionId, heartbeat: &Heartbeat, at: Now) {
        if self.clocks.current_run(source.index()) != Some(heartbeat.beat.run) {
            return;
        }
        let mut claim = Offset::default();
        if let Some(error) = self.plan.clock_max_error {
            claim = Offset::between(Span::ZERO - error.times(2), error.times(2), Basis::Claim);
        }
        // A prober asks the writer's own server; a gauge asks its own region's, whose clock is about the same.
        let server = self.plan.local.unwrap_or(source);
        let ours = self.clocks.against_server(server.index(), at.mono);
        if let (Some(error), Some((least, most)), Some((their_least, their_most))) =
            (self.plan.provider_clock_error, ours, heartbeat.clock)
        {
            let (min, max) = (least - their_most - error, most - their_least + error);
            // Their bounds are of the moment at which they wrote.
            let age = at.wall - heartbeat.written_at - min;
            claim = claim.and(Offset::between(min, max, Basis::Claim).aged(age));
        }
        if claim != Offset::default() {
            self.clocks.claim(source.index(), claim, at.mono);
        }
    }

    /// What a writer has seen of the others proves that it exists, and bounds clocks.
    fn hear_echo(&mut self, source: RegionId, heartbeat: &Heartbeat, at: Now) {
        let plan = self.plan.clone();
        let Some(echoes) = echo::unpack(&heartbeat.echo) else {
            self.regions[source.index()].ignored[Ignored::Malformed as usize] += 1;
            return;
        };
        for echo in echoes {
            let Some(about) =
                plan.region_ids().find(|region| echo::name_hash(&plan.regions[region.index()]) == echo.source)
            else {
                continue;
            };
            // Nobody has seen what was not written yet.
            let ahead = at.wall + Span::from_millis(24 * 3_600 * 1_000);
            if about == source || echo.seen.run > ahead.unix_millis() {
                continue;
            }
            if !self.sources[about.index()].reign.is_ours() {
                self.sources[about.index()].keys[0].abroad.exists(echo.seen, at.mono);
            }
            if let Some(apparent) = echo.apparent {
                self.hear_apparent(source, heartbeat.beat.run, about, echo.seen, apparent, at);
            }
        }
    }

    /// The writer of `source`, in its run, saw a heartbeat of `about` with no less than this apparent lag.
    fn hear_apparent(&mut self, source: RegionId, run: u64, about: RegionId, seen: Beat, apparent: Span, at: Now) {
        let Some(local) = self.plan.local else { return };
        if about == local {
            // They saw our region's writer: theirs − the writer's ≤ apparent, and we know ours − the writer's.
            let Some((ours, since)) = self.local_writer(local, seen, at) else { return };
            if let Some((min, basis)) = ours.min {
                let basis = if basis == Basis::SameClock { Basis::Echo } else { basis };
                self.clocks.at_least(source.index(), run, since, min - apparent, basis.min(Basis::Echo));
            }
        } else if source == local {
            // Our region's writer saw them: the writer's − theirs ≤ apparent.
            let ours = self.clocks.offset(local.index(), at.mono);
            if let Some((max, _)) = ours.max {
                self.clocks.at_most(about.index(), seen.run, at.mono, max + apparent, Basis::Echo);
            }
        }
    }

    /// Our clock − the clock of our region's writer in the run of `seen`, and when `seen` was written at the earliest.
    fn local_writer(&self, local: RegionId, seen: Beat, at: Now) -> Option<(Offset, Mono)> {
        let source = &self.sources[local.index()];
        if source.reign == (Reign::Ours { run: seen.run }) && source.epoch == self.clocks.epoch() {
            return Some((Offset::NONE, source.keys[0].diary.sent_at(seen)?));
        }
        if self.clocks.current_run(local.index()) != Some(seen.run) {
            return None;
        }
        let offset = self.clocks.offset(local.index(), at.mono);
        let written_at = source.keys[0].abroad.tick(seen)?.written_at;
        let age = at.wall - written_at - offset.min?.0;
        Some((offset, at.mono - age.max(Span::ZERO)))
    }

    /// Turns sightings that are complete into samples, and those at the source into proofs about its clock.
    fn complete(&mut self, source: RegionId, slot: Slot, at: Now) {
        let count = self.targets.len();
        let mut abroad = std::mem::take(&mut self.sources[source.index()].keys[usize::from(slot)].abroad);
        abroad.complete(at.mono, |sighted| {
            let Sighted { beat, clock, written_at, slack, took, glimpse, origin } = *sighted;
            if glimpse.replica == source {
                // No lag lies between: what the bracket shows is the difference of the clocks.
                if let (Some(missed), Some(took)) = (glimpse.miss_sent, took)
                    && glimpse.epoch == self.clocks.epoch()
                {
                    let bound = missed - written_at - slack - took;
                    self.clocks.at_least(source.index(), clock, glimpse.at, bound, Basis::CrossRead);
                }
                return true;
            }
            let offset = self.clocks.offset_at(source.index(), clock, glimpse.epoch, glimpse.at, at.mono);
            let Some((min, _)) = offset.min else { return false };
            let upper = glimpse.hit_received - written_at - min;
            let lower = match (glimpse.miss_sent, took.or((slack > Span::ZERO).then_some(Span::ZERO)), offset.max) {
                (Some(missed), Some(took), Some((max, _))) => missed - written_at - slack - took - max,
                _ => Span::ZERO,
            };
            let bracket = Bracket { lower: lower.max(Span::ZERO), upper };
            let sample = Sample { slot, beat, written_at, seen_at: glimpse.hit_received, bracket, origin };
            self.weigh(source, glimpse.replica, &sample);
            let pair = &mut self.pairs[source.index() * count + glimpse.replica.index()];
            pair.tracks[usize::from(slot)].sampled(beat, upper);
            if !self.plan.observer {
                pair.stats.add(sample, glimpse.at, self.plan.interval);
            }
            true
        });
        self.sources[source.index()].keys[usize::from(slot)].abroad = abroad;
    }
}
