//! What a pair's state says, and when: silence of the gauge, of the writer and of replication are told apart.

use std::sync::Arc;

use tidegauge::core::assess::{Assessment, State, assess};
use tidegauge::core::count::{HeartbeatResult, Ignored};
use tidegauge::core::heartbeat::{Found, Heartbeat, Invalid};
use tidegauge::core::model::{
    Action, Beat, Event, EventKind, Failure, Plan, Reason, RegionId, SlotRead, WriteOutcome, WriterId,
};
use tidegauge::core::reign::Reign;
use tidegauge::core::time::{Mono, Now, Span, Wall};
use tidegauge::stores::simulated::world::Lag;

use crate::sim::{Network, Sim, plan};

const SOURCE: RegionId = RegionId(0);
const TARGET: RegionId = RegionId(1);

fn second(second: f64) -> Mono {
    Mono::from_nanos((second * 1e9) as i64)
}

fn assessed(sim: &mut Sim, source: RegionId, target: RegionId) -> Assessment {
    let now = sim.now;
    let snapshot = sim.snapshot();
    let pair = snapshot.pairs.iter().find(|pair| pair.source == source && pair.target == target).unwrap();
    assess(&snapshot.plan, pair, now)
}

fn calm(regions: usize) -> Sim {
    Sim::new(plan(regions), Lag::fixed(Span::from_millis(400)), Network::calm(), 1)
}

#[test]
fn nothing_that_is_unknown_reads_as_a_number() {
    let mut sim = calm(2);
    let before = assessed(&mut sim, SOURCE, TARGET);
    assert_eq!((before.state, before.reason.as_str()), (State::Unknown, "not measured yet"));
    assert_eq!((before.current_lag, before.staleness, before.watermark), (None, None, None));
    let snapshot = sim.snapshot();
    assert!(snapshot.pairs[0].newest.is_none() && snapshot.pairs[0].summary[0].p50.is_none());
    sim.run_until(second(5.0), |_| {});
    let after = assessed(&mut sim, SOURCE, TARGET);
    assert_eq!(after.state, State::Ok);
    assert!(after.current_lag.is_some() && after.staleness.is_some() && after.watermark.is_some());
}

#[test]
fn a_paused_direction_grows_by_a_second_a_second_and_is_stalled_past_the_threshold_alone() {
    let mut sim = calm(3);
    sim.run_until(second(10.0), |_| {});
    sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
    sim.run_until(second(12.0), |_| {});
    let early = assessed(&mut sim, SOURCE, TARGET).current_lag.unwrap();
    assert!(early >= Span::from_millis(1_000), "within two intervals: {early:?}");
    sim.run_until(second(22.0), |_| {});
    let late = assessed(&mut sim, SOURCE, TARGET);
    assert_eq!((late.current_lag.unwrap() - early).as_nanos(), 10_000_000_000);
    assert_eq!(late.state, State::Stalled, "{}", late.reason);
    assert!(late.reason.contains("region-0 writes"), "{}", late.reason);
    for (source, target) in [(0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        let other = assessed(&mut sim, RegionId(source), RegionId(target));
        assert_eq!(other.state, State::Ok, "{source} → {target}: {}", other.reason);
        assert!(other.current_lag.unwrap() < Span::from_millis(1_500));
    }
}

#[test]
fn a_stall_is_called_after_three_intervals_and_not_before() {
    let mut sim = calm(2);
    sim.run_until(second(10.0), |_| {});
    sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
    let mut stalled_at = None;
    sim.run_until(second(20.0), |sim| {
        let now = assessed(sim, SOURCE, TARGET);
        if now.state == State::Stalled {
            stalled_at.get_or_insert(sim.now.mono);
        }
    });
    let since = stalled_at.unwrap() - second(10.0);
    assert!(since > Span::from_millis(2_000) && since < Span::from_millis(4_200), "{since:?}");
}

#[test]
fn a_region_that_is_down_fails_reads_and_writes_of_its_own_pairs_and_shows_no_fresh_number() {
    let mut sim = calm(3);
    sim.run_until(second(20.0), |_| {});
    sim.down.push(TARGET);
    sim.run_until(second(28.0), |_| {});
    for other in [RegionId(0), RegionId(2)] {
        let inbound = assessed(&mut sim, other, TARGET);
        assert_eq!((inbound.state, inbound.current_lag), (State::ReadFailing, None));
        assert!(inbound.reason.contains("no answer within the deadline"), "{}", inbound.reason);
        let outbound = assessed(&mut sim, TARGET, other);
        assert_eq!((outbound.state, outbound.current_lag), (State::WriteFailing, None));
    }
    assert_eq!(assessed(&mut sim, RegionId(0), RegionId(2)).state, State::Ok);
    sim.down.clear();
    sim.run_until(second(45.0), |_| {});
    for (source, target) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        assert_eq!(assessed(&mut sim, RegionId(source), RegionId(target)).state, State::Ok, "it heals");
    }
}

#[test]
fn a_table_made_anew_heals_within_a_minute() {
    let mut sim = calm(3);
    sim.run_until(second(20.0), |_| {});
    sim.world.recreate();
    let mut healed_at = None;
    sim.run_until(second(80.0), |sim| {
        let mut moved = true;
        for pair in &sim.snapshot().pairs {
            moved &= pair
                .recent
                .last()
                .is_some_and(|sample| sample.seen_at - Wall::from_micros(1_800_000_020_000_000) > Span::ZERO);
        }
        if moved {
            healed_at.get_or_insert(sim.now.mono);
        }
    });
    assert!(healed_at.unwrap() < second(30.0), "{healed_at:?}");
    for pair in &sim.snapshot().pairs {
        assert_eq!(assess(&sim.snapshot().plan, pair, sim.now).state, State::Ok);
    }
}

/// One ledger driven by hand: answers every read with what it is told to.
struct Hand {
    ledger: tidegauge::core::ledger::Ledger,
    now: Now,
}

impl Hand {
    fn new(plan: Plan) -> Hand {
        let now = Now { mono: Mono::from_nanos(0), wall: Wall::from_micros(1_800_000_000_000_000) };
        Hand { ledger: tidegauge::core::ledger::Ledger::new(Arc::new(plan), now), now }
    }

    /// One step of 100 ms in which every write is acknowledged and every read finds `found` at the target.
    fn step(&mut self, outcome: &dyn Fn(RegionId) -> Result<SlotRead, Failure>, write: &WriteOutcome) {
        for action in self.ledger.actions(self.now) {
            let kind = match action {
                Action::Write(write_action) => EventKind::Wrote {
                    source: write_action.source,
                    slot: write_action.heartbeat.slot,
                    beat: write_action.heartbeat.beat,
                    outcome: write.clone(),
                },
                Action::Read { target, slot, consistency } => {
                    EventKind::Read { target, slot, consistency, outcome: outcome(target) }
                }
                Action::Inspect { .. } | Action::Ask(_) => panic!("the plan asks for no such thing: {action:?}"),
            };
            let event =
                Event { sent: self.now.mono, received: self.now.mono, capacity_units: 0.0, server_date: None, kind };
            self.ledger.handle(event, self.now);
        }
        self.now = self.now.after(Span::from_millis(100));
    }

    fn assessed(&mut self) -> Assessment {
        let snapshot = self.ledger.snapshot(self.now);
        assess(&snapshot.plan, &snapshot.pairs[0], self.now)
    }

    fn counters(&mut self, region: RegionId) -> tidegauge::core::count::RegionCounters {
        self.ledger.snapshot(self.now).regions[region.index()]
    }
}

fn heartbeat(run: u64, seq: u64) -> Heartbeat {
    Heartbeat {
        source: "region-0".into(),
        slot: 0,
        writer: WriterId(0xE),
        host: "elsewhere".into(),
        beat: Beat { run, seq },
        written_at: Wall::from_micros(1_800_000_000_000_000),
        interval: Span::from_millis(1_000),
        resigned: false,
        clock: None,
        recent: Arc::default(),
        echo: Arc::default(),
    }
}

const ACKNOWLEDGED: WriteOutcome = WriteOutcome::Acknowledged { replaced: None };

#[test]
fn what_a_target_holds_that_the_source_never_wrote_is_counted_and_cannot_blind_the_gauge() {
    let ahead = 1_800_000_000_000 + 2 * 24 * 3_600 * 1_000;
    let future = Heartbeat { written_at: Wall::from_micros(1_900_000_000_000_000), ..heartbeat(1, 1) };
    for (found, reason) in [
        (Found::Heartbeat(heartbeat(ahead, 0)), Ignored::Future),
        (Found::Heartbeat(future), Ignored::Future),
        (Found::Heartbeat(heartbeat(1_800_000_003_600, u64::MAX)), Ignored::Foreign),
        (Found::Invalid(Invalid::Missing("tg_run")), Ignored::Malformed),
        (Found::NewerFormat { version: 7 }, Ignored::NewerFormat),
    ] {
        let mut hand = Hand::new(plan(2));
        let nothing = |_| Ok(SlotRead::default());
        hand.step(&nothing, &ACKNOWLEDGED);
        let hostile = |target: RegionId| {
            let found = if target == TARGET { vec![(SOURCE, found.clone())] } else { Vec::new() };
            Ok(SlotRead { found, unknown_sources: 0 })
        };
        for _ in 0..20 {
            hand.step(&hostile, &ACKNOWLEDGED);
        }
        assert!(hand.counters(TARGET).ignored[reason as usize] > 0, "{reason:?}");
        let now = hand.assessed();
        assert_eq!(now.watermark, None, "{reason:?}");
        if reason == Ignored::NewerFormat {
            assert_eq!(now.state, State::Unknown);
            assert!(now.reason.starts_with("newer format"), "{}", now.reason);
        }
    }
}

#[test]
fn two_throttled_answers_in_three_intervals_are_named_as_the_cause() {
    let mut hand = Hand::new(plan(2));
    let nothing = |_| Ok(SlotRead::default());
    let seen = |run| {
        move |target: RegionId| {
            let found = if target == TARGET { vec![(SOURCE, Found::Heartbeat(heartbeat(run, 0)))] } else { Vec::new() };
            Ok(SlotRead { found, unknown_sources: 0 })
        }
    };
    hand.step(&nothing, &ACKNOWLEDGED);
    for _ in 0..10 {
        hand.step(&seen(1), &ACKNOWLEDGED);
    }
    let throttled = |_| Err(Failure { reason: Reason::Throttled, message: String::new() });
    let mut throttled_seen = false;
    for turn in 0..20 {
        if turn % 4 == 0 {
            hand.step(&seen(1), &ACKNOWLEDGED);
        } else {
            hand.step(&throttled, &ACKNOWLEDGED);
        }
        throttled_seen |= hand.assessed().state == State::Throttled;
    }
    assert!(throttled_seen);
}

#[test]
fn a_writer_stands_down_for_another_but_not_for_a_lost_answer_of_its_own() {
    let me = WriterId(0xA);
    let ours = Reign::Ours { run: 9 };
    let at = Now { mono: Mono::from_nanos(0), wall: Wall::from_micros(1_800_000_000_000_000) };
    let attempted = Beat { run: 9, seq: 5 };
    let stored = |writer, run, seq| Some(Found::Heartbeat(Heartbeat { writer, ..heartbeat(run, seq) }));
    assert_eq!(ours.refused(me, attempted, stored(me, 9, 5).as_ref(), at), ours);
    let other = ours.refused(me, attempted, stored(WriterId(0xB), 10, 0).as_ref(), at);
    assert_eq!(other, Reign::Held { seen: Beat { run: 10, seq: 0 }, looked_at: at.mono, silent: Span::ZERO });
    assert_eq!(ours.refused(me, attempted, None, at), Reign::Vacant { seen: None }, "the key is gone");
    let forged = ours.refused(me, attempted, stored(me, 9, 6).as_ref(), at);
    assert!(matches!(forged, Reign::Held { .. }), "a heartbeat in our name that we never wrote");
    let rubbish = ours.refused(me, attempted, Some(&Found::Invalid(Invalid::Missing("tg_v"))), at);
    assert_eq!(rubbish, Reign::Rubbish);
}

#[test]
fn a_starter_waits_three_intervals_for_a_silent_writer_and_not_at_all_for_one_that_resigned() {
    let at = Now { mono: Mono::from_nanos(0), wall: Wall::from_micros(1_800_000_000_000_000) };
    let patience = Span::from_millis(3_000);
    let look = |reign: &Reign, found: Heartbeat, at| {
        reign.observed(WriterId(0xA), 0, Some(&Found::Heartbeat(found)), at, patience)
    };
    let held = look(&Reign::Unread, heartbeat(5, 1), at);
    assert_eq!(held, Reign::Held { seen: Beat { run: 5, seq: 1 }, looked_at: at.mono, silent: Span::ZERO });
    let second = |seconds: i64| at.after(Span::from_millis(seconds * 1_000));
    let soon = look(&look(&held, heartbeat(5, 1), second(1)), heartbeat(5, 1), second(2));
    assert!(matches!(soon, Reign::Held { .. }), "{soon:?}");
    let late = second(3);
    assert_eq!(look(&soon, heartbeat(5, 1), late), Reign::Vacant { seen: Some(Beat { run: 5, seq: 1 }) });
    let unlooked = look(&held, heartbeat(5, 1), second(60));
    assert!(matches!(unlooked, Reign::Held { .. }), "nobody looked for a minute, so nobody saw silence: {unlooked:?}");
    let moved = look(&held, heartbeat(5, 2), late);
    assert_eq!(moved, Reign::Held { seen: Beat { run: 5, seq: 2 }, looked_at: late.mono, silent: Span::ZERO });
    let resigned = Heartbeat { resigned: true, ..heartbeat(5, 3) };
    assert_eq!(look(&moved, resigned, late), Reign::Vacant { seen: Some(Beat { run: 5, seq: 3 }) });
}

#[test]
fn a_step_of_the_wall_clock_begins_a_new_run_and_a_late_tick_is_missed_and_not_replayed() {
    let mut sim = calm(2);
    sim.run_until(second(10.0), |_| {});
    let run = sim.world.stored(SOURCE, 0).unwrap().beat.run;
    sim.now.wall = sim.now.wall - Span::from_millis(3_000);
    sim.run_until(second(12.5), |_| {});
    let stepped = sim.world.stored(SOURCE, 0).unwrap().beat;
    assert!(stepped.run > run && stepped.seq <= 3, "{stepped:?} after run {run}");
    // The process sleeps for ten seconds.
    sim.now = sim.now.after(Span::from_millis(10_000));
    sim.run_for(Span::from_millis(2_000));
    let snapshot = sim.snapshot();
    let missed = snapshot.regions[0].heartbeats[HeartbeatResult::Missed as usize];
    assert!((9..=11).contains(&missed), "{missed} missed");
    assert!(sim.world.stored(SOURCE, 0).unwrap().beat.seq > stepped.seq + 9, "missed ticks keep their numbers");
}
