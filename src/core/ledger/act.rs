//! What is due: ticks of the sources whose seat is ours, takeovers, polls.

use super::*;
use crate::core::assess::PATIENCE_INTERVALS;
use crate::core::count::HeartbeatResult;
use crate::core::echo::{self, Echo};
use crate::core::model::{Action, Consistency, Expect, RegionId, Slot, Write};
use crate::core::schedule::{BIRTHS_MAX, Expected};

impl Ledger {
    /// When [`Ledger::actions`] should be asked next, if nothing happens before.
    pub fn wake_at(&self) -> Mono {
        let polled = self.plan.region_ids().filter(|target| self.plan.polls(*target));
        let polls = polled.map(|target| self.targets[target.index()].next_poll);
        let written = self.plan.region_ids().filter(|source| self.plan.writes(*source));
        let writes = written.filter_map(|region| {
            let source = &self.sources[region.index()];
            match source.reign {
                Reign::Ours { .. } => Some(source.due),
                // Its takeover is waiting for the end of a back-off; one in flight wakes us by its answer.
                _ if source.reign.expect().is_some() && source.keys[0].in_flight.is_none() => source.calls.not_before,
                _ => None,
            }
        });
        let others = self.inspect_at().into_iter().chain(self.questions_due());
        polls.chain(writes).chain(others).min().unwrap_or(self.started)
    }

    /// Everything that is due at `now`.
    pub fn actions(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        let plan = self.plan.clone();
        self.clocks.look(now);
        self.inspect(now.mono, &mut actions);
        for source in plan.region_ids().filter(|source| plan.writes(*source)) {
            self.tick(source, now, &mut actions);
            self.check_seat(source, now.mono, &mut actions);
        }
        for target in plan.region_ids().filter(|target| plan.polls(*target)) {
            self.poll(target, now.mono, &mut actions);
        }
        for source in plan.region_ids().filter(|source| !plan.observer && !plan.polls(*source)) {
            self.cross_check(source, now.mono, &mut actions);
        }
        self.ask(now, &mut actions);
        actions
    }

    /// Where polls are eventual, who reigns is learned by a strong read of its own, once per interval.
    fn check_seat(&mut self, region: RegionId, now: Mono, actions: &mut Vec<Action>) {
        let source = &mut self.sources[region.index()];
        if self.plan.consistency == Consistency::Strong || source.reign.is_ours() || now < source.seat_check_at {
            return;
        }
        source.seat_check_at = now + self.plan.interval;
        self.targets[region.index()].in_flight += 1;
        actions.push(Action::Read { target: region, slot: 0, consistency: Consistency::Strong });
    }

    /// Nothing new of a source has come for two intervals, or what comes is late: asks the source's own replica, at most once
    /// per interval, whether it went on. That tells a writer that is silent from replication that is stalled, and a source
    /// that could be read in its target's place from one that could not.
    fn cross_check(&mut self, source: RegionId, now: Mono, actions: &mut Vec<Action>) {
        let Some(local) = self.plan.local else { return };
        let pair = &self.pairs[source.index() * self.targets.len() + local.index()];
        let patience = self.plan.interval.times(PATIENCE_INTERVALS - 1);
        let is_late = |track: &Track| track.newest_upper().is_some_and(|upper| upper > self.plan.warn_lag);
        let still = |track: &Track| track.still_since().filter(|since| now - *since > patience || is_late(track));
        let stillest = (0..).zip(&pair.tracks).filter_map(|(slot, track)| Some((still(track)?, slot))).min();
        let Some((_, slot)) = stillest else { return };
        let key = &mut self.sources[source.index()].keys[usize::from(slot)];
        let target = &mut self.targets[source.index()];
        if key.check_at.is_none_or(|at| now >= at) && target.calls.may_call(now) {
            key.check_at = Some(now + self.plan.interval);
            target.in_flight += 1;
            actions.push(Action::Read { target: source, slot, consistency: Consistency::Strong });
        }
    }

    /// Whether a heartbeat's answer is still to come: better to have it before stepping down, as nobody else can tell
    /// then what became of it.
    pub fn is_writing(&self) -> bool {
        self.sources.iter().flat_map(|source| &source.keys).any(|key| key.in_flight.is_some())
    }

    /// The last heartbeats of a process that steps down: whoever stands by may then take over at once.
    pub fn resign(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        for region in self.plan.clone().region_ids() {
            let source = &mut self.sources[region.index()];
            if let Reign::Ours { run } = source.reign {
                let beat = Beat { run, seq: source.seq };
                source.seq += 1;
                // Even beside a write that is in flight: of the two only the later one can stay, whichever comes first.
                for slot in 0..self.plan.slots {
                    let expect = if slot == 0 { Expect::Steady } else { Expect::Follow };
                    actions.push(self.write(region, slot, beat, expect, true, now));
                }
            }
        }
        actions
    }

    fn tick(&mut self, region: RegionId, now: Now, actions: &mut Vec<Action>) {
        let source = &mut self.sources[region.index()];
        let Some(expect) = source.reign.expect() else { return };
        if expect != Expect::Steady {
            if source.keys[0].in_flight.is_none() && source.calls.may_call(now.mono) {
                let before = source.run;
                source.run = source.reign.next_run(now, before);
                source.seq = 1;
                let went_on = source.epoch == self.clocks.epoch();
                source.epoch = self.clocks.epoch();
                for key in &mut source.keys {
                    // A run of ours that never got an answer may have left heartbeats all the same: one clock for both.
                    if went_on {
                        key.diary.carry_on(before, source.run);
                    }
                    // What the one before knew of its last ticks is handed on.
                    if let Some(found) = key.found.take() {
                        let same = found.host == self.plan.host && found.written_at <= now.wall;
                        key.diary.inherit(&found, source.run, same, now.mono);
                    }
                }
                let beat = Beat { run: source.run, seq: 0 };
                actions.push(self.write(region, 0, beat, expect, false, now));
            }
            return;
        }
        if now.mono < source.due {
            return;
        }
        self.own.jitter.add(now.mono - source.due);
        // A tick that was slept through is missed, not replayed.
        let late = (now.mono - source.due).as_nanos() / self.plan.interval.as_nanos();
        source.due = source.due + self.plan.interval.times(late + 1);
        source.seq += late as u64;
        let beat = Beat { run: source.run, seq: source.seq };
        source.seq += 1;
        let mut missed = late as u64 * u64::from(self.plan.slots);
        if source.keys[0].in_flight.is_none() && source.epoch != self.clocks.epoch() {
            // What was timed before the clock was set and after it must not share a run.
            source.reigns(Reign::Vacant { seen: source.keys[0].stored }, now.mono);
            return self.tick(region, now, actions);
        }
        for slot in 0..self.plan.slots {
            let source = &mut self.sources[region.index()];
            let key = &mut source.keys[usize::from(slot)];
            if key.in_flight.is_some() || !source.calls.may_call(now.mono) {
                missed += 1;
                continue;
            }
            let expect = match slot {
                0 => Expect::Steady,
                _ if std::mem::take(&mut key.rubbish) => Expect::ReplaceInvalid,
                _ => Expect::Follow,
            };
            actions.push(self.write(region, slot, beat, expect, false, now));
        }
        self.own.missed_ticks += missed;
        self.regions[region.index()].heartbeats[HeartbeatResult::Missed as usize] += missed;
    }

    fn write(&mut self, region: RegionId, slot: Slot, beat: Beat, expect: Expect, resigned: bool, now: Now) -> Action {
        let echo = if slot == 0 { self.echo(region, now.mono) } else { Arc::default() };
        let clock = self.clocks.against_server(region.index(), now.mono);
        let plan = self.plan.clone();
        let key = &mut self.sources[region.index()].keys[usize::from(slot)];
        let want_replaced = key.outstanding.is_unsure() || key.diary.is_unsure();
        let recent = key.diary.pack(beat, now.wall, plan.interval);
        key.diary.sent(beat, now.wall, plan.interval, now.mono);
        if plan.measures(region) {
            key.outstanding.sent(beat, now.mono, now.wall);
        }
        key.in_flight = Some(beat);
        for target in plan.region_ids().filter(|target| plan.covers(region, *target)) {
            self.plan_poll(target.index(), now.mono);
        }
        Action::Write(Write {
            source: region,
            heartbeat: Heartbeat {
                source: self.plan.regions[region.index()].clone(),
                slot,
                writer: self.plan.writer,
                host: self.plan.host.clone(),
                beat,
                written_at: now.wall,
                interval: self.plan.interval,
                resigned,
                clock,
                recent: recent.into(),
                echo,
            },
            expect,
            want_replaced,
        })
    }

    /// What has been seen of the other sources in this region.
    fn echo(&self, region: RegionId, now: Mono) -> Arc<[u8]> {
        let count = self.targets.len();
        let seen = self.plan.region_ids().filter_map(|source| {
            let track = self.pairs[source.index() * count + region.index()].tracks.first()?;
            let seen = track.watermark()?.beat;
            let name = &self.plan.regions[source.index()];
            let apparent = self.clocks.apparent(source.index(), seen.run, now);
            Some(Echo { source: echo::name_hash(name), seen, apparent })
        });
        echo::pack(seen)
    }

    fn poll(&mut self, region: RegionId, now: Mono, actions: &mut Vec<Action>) {
        let slots = self.plan.slots;
        let target = &mut self.targets[region.index()];
        if now < target.next_poll {
            return;
        }
        self.own.jitter.add(now - target.next_poll);
        if target.in_flight + usize::from(slots) > POLLS_IN_FLIGHT * usize::from(slots) {
            self.own.dropped_polls += 1;
            target.next_poll = now + target.schedule.fixed_gap();
            return;
        }
        target.in_flight += usize::from(slots);
        target.schedule.polled(now, target.held_back);
        target.last_poll = now;
        let consistency = self.plan.consistency;
        actions.extend((0..slots).map(|slot| Action::Read { target: region, slot, consistency }));
        self.plan_poll(region.index(), now);
    }

    /// Works out when the target is to be polled next, from what is unseen there.
    pub(super) fn plan_poll(&mut self, index: usize, now: Mono) {
        let target = &self.targets[index];
        let mut next = if target.calls.failures > 0 {
            target.last_poll + target.schedule.fixed_gap()
        } else {
            match self.unseen(index) {
                Some(unseen) => target.schedule.next(target.last_poll, &unseen),
                None => target.last_poll + target.schedule.fixed_gap(),
            }
        };
        let mut held_back = Span::ZERO;
        if let Some(not_before) = target.calls.not_before.filter(|at| *at > next) {
            held_back = not_before - next;
            next = not_before;
        }
        let target = &mut self.targets[index];
        target.held_back = held_back;
        target.next_poll = next.max(now);
    }

    /// What a target has not seen yet, by source: when its heartbeats were written, or are due. `None` where there is
    /// a source of which that is not known.
    fn unseen(&self, index: usize) -> Option<Vec<Expected<'_>>> {
        let target = RegionId(index as u16);
        let mut unseen = Vec::new();
        for region in self.plan.region_ids().filter(|region| self.plan.covers(*region, target)) {
            let source = &self.sources[region.index()];
            let pair = &self.pairs[region.index() * self.targets.len() + index];
            for (track, key) in pair.tracks.iter().zip(&source.keys) {
                let mut births = [None; BIRTHS_MAX];
                if source.reign.is_ours() {
                    let after = track.watermark().map(|watermark| watermark.beat);
                    for (birth, sent) in births.iter_mut().zip(key.outstanding.births(after)) {
                        *birth = Some(sent);
                    }
                } else {
                    let watermark = track.watermark()?;
                    let lag = pair.stats.newest()?.midpoint();
                    // Another writer's ticks come an interval apart, each about as late as the one before.
                    for (birth, tick) in births.iter_mut().zip(1..) {
                        *birth = Some(watermark.hit.mono - lag + watermark.interval.times(tick));
                    }
                }
                if births[0].is_some() {
                    unseen.push((pair.stats.hazard(), births));
                }
            }
        }
        Some(unseen)
    }
}
