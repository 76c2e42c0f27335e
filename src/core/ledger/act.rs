//! What is due: ticks of the sources whose seat is ours, takeovers, polls.

use super::*;
use crate::core::count::HeartbeatResult;
use crate::core::model::{Action, Expect, RegionId, Slot, Write};
use crate::core::schedule::BIRTHS_MAX;

impl Ledger {
    /// When [`Ledger::actions`] should be asked next, if nothing happens before.
    pub fn wake_at(&self) -> Mono {
        let polls = self.targets.iter().map(|target| target.next_poll);
        let writes = self.sources.iter().filter_map(|source| match source.reign {
            Reign::Ours { .. } => Some(source.due),
            // Its takeover is waiting for the end of a back-off; one in flight wakes us by its answer.
            _ if source.reign.expect().is_some() && source.keys[0].in_flight.is_none() => source.calls.not_before,
            _ => None,
        });
        polls.chain(writes).min().unwrap_or(self.started)
    }

    /// Everything that is due at `now`.
    pub fn actions(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        for source in self.plan.clone().region_ids() {
            self.tick(source, now, &mut actions);
        }
        for target in self.plan.clone().region_ids() {
            self.poll(target, now.mono, &mut actions);
        }
        actions
    }

    /// The last heartbeats of a process that steps down: whoever stands by may then take over at once.
    pub fn resign(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        for region in self.plan.clone().region_ids() {
            let source = &mut self.sources[region.index()];
            if let Reign::Ours { run } = source.reign {
                let beat = Beat { run, seq: source.seq };
                source.seq += 1;
                for slot in 0..self.plan.slots {
                    if self.sources[region.index()].keys[usize::from(slot)].in_flight.is_none() {
                        let expect = if slot == 0 { Expect::Steady } else { Expect::Follow };
                        actions.push(self.write(region, slot, beat, expect, true, now));
                    }
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
                source.run = source.reign.next_run(now, source.run);
                source.seq = 1;
                source.clock_difference = clock_difference(now);
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
        if source.keys[0].in_flight.is_none() {
            let stepped = (clock_difference(now) - source.clock_difference).abs() > WALL_STEP;
            source.clock_difference = clock_difference(now);
            if stepped {
                // What was timed before the step and after it must not share a run.
                source.reign = Reign::Vacant { seen: source.keys[0].stored };
                return self.tick(region, now, actions);
            }
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
        let key = &mut self.sources[region.index()].keys[usize::from(slot)];
        let want_replaced = key.outstanding.is_unsure();
        key.outstanding.sent(beat, now.mono, now.wall);
        key.in_flight = Some(beat);
        for target in 0..self.targets.len() {
            self.plan_poll(target, now.mono);
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
            },
            expect,
            want_replaced,
        })
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
        target.schedule.polled(now);
        target.last_poll = now;
        actions.extend((0..slots).map(|slot| Action::Read { target: region, slot }));
        self.plan_poll(region.index(), now);
    }

    /// Works out when the target is to be polled next, from what is unseen there.
    pub(super) fn plan_poll(&mut self, index: usize, now: Mono) {
        let count = self.sources.len();
        let target = &self.targets[index];
        let mut next = if target.calls.failures > 0 {
            target.last_poll + target.schedule.fixed_gap()
        } else {
            let unseen: Vec<_> = (0..count)
                .filter(|source| *source != index)
                .flat_map(|source| {
                    let pair = &self.pairs[source * count + index];
                    pair.tracks.iter().zip(&self.sources[source].keys).filter_map(|(track, key)| {
                        let after = track.watermark().map(|watermark| watermark.beat);
                        let mut births = [None; BIRTHS_MAX];
                        for (birth, sent) in births.iter_mut().zip(key.outstanding.births(after)) {
                            *birth = Some(sent);
                        }
                        births[0].is_some().then_some((pair.stats.hazard(), births))
                    })
                })
                .collect();
            target.schedule.next(target.last_poll, &unseen)
        };
        if let Some(not_before) = target.calls.not_before {
            next = next.max(not_before);
        }
        self.targets[index].next_poll = next.max(now);
    }
}
