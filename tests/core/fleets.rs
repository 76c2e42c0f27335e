//! A fleet of gauges, each on a host whose clock is wrong: what they say of each other's heartbeats holds all the same.

use std::collections::HashSet;
use std::sync::Arc;

use tidegauge::core::assess::{Assessment, State, assess};
use tidegauge::core::count::HeartbeatResult;
use tidegauge::core::ledger::Ledger;
use tidegauge::core::model::{Beat, Consistency, Plan, RegionId};
use tidegauge::core::snapshot::Seat;
use tidegauge::core::time::{Mono, Now, Span};
use tidegauge::stores::simulated::world::Lag;

use crate::fleet::{Fleet, WrongClock};
use crate::sim::{Network, plan, typical_lag};

const WEST: RegionId = RegionId(0);
const EAST: RegionId = RegionId(1);
const SOUTH: RegionId = RegionId(2);

fn second(second: i64) -> Mono {
    Mono::from_nanos(second * 1_000_000_000)
}

fn local(regions: usize, region: u16) -> Plan {
    Plan { local: Some(RegionId(region)), phase: f64::from(region) * 0.3, ..plan(regions) }
}

/// Three gauges, their clocks off by +2 s, nothing and −3 s, drifting apart.
fn three(lag: Lag, network: Network, seed: u64) -> Fleet {
    let mut fleet = Fleet::new(3, lag, network, seed);
    for (region, (off, drift)) in [(2_000, 200), (0, 0), (-3_000, -200)].into_iter().enumerate() {
        fleet.start(local(3, region as u16), WrongClock::off_by_millis(off, drift));
    }
    fleet
}

fn assessed(fleet: &mut Fleet, node: usize, source: RegionId, target: RegionId) -> Assessment {
    let now = fleet.now_at(node);
    let snapshot = fleet.snapshot(node);
    let pair = snapshot.pairs.iter().find(|pair| pair.source == source && pair.target == target).unwrap();
    assess(&snapshot.plan, pair, now)
}

/// Every sample holds the truth, and every heartbeat committed in the middle of the run has one.
fn hold_the_truth(fleet: &mut Fleet, node: usize, source: RegionId, target: RegionId, from: Mono, upto: Mono) -> usize {
    let now = fleet.now;
    let truth = fleet.world.truth(now).unwrap().clone();
    let samples = &fleet.nodes[node].samples[&(source, target)];
    for sample in samples {
        let lag = truth.lag(source, target, 0, sample.beat).unwrap_or_else(|| panic!("never was: {sample:?}"));
        let (lower, upper) = (sample.bracket.lower, sample.bracket.upper);
        assert!(lower <= lag && lag <= upper, "{source:?} → {target:?}: {lag:?} outside [{lower:?}, {upper:?}]");
    }
    let sampled: HashSet<Beat> = samples.iter().map(|sample| sample.beat).collect();
    assert_eq!(sampled.len(), samples.len(), "a heartbeat was sampled twice");
    for (beat, at) in truth.commits(source, 0).iter().filter(|(_, at)| *at >= from && *at <= upto) {
        assert!(sampled.contains(beat), "{source:?} → {target:?}: {beat:?}, committed at {at:?}, has no sample");
    }
    samples.len()
}

#[test]
fn with_wrong_clocks_and_a_hostile_network_every_heartbeat_is_sampled_and_every_sample_holds_the_truth() {
    for seed in 0..6 {
        let mut fleet = three(typical_lag(), Network::hostile(), seed);
        fleet.world.knobs.pair_lag.insert((WEST, SOUTH), Lag::fixed(Span::from_millis(2_500)));
        let mut bounded = HashSet::new();
        fleet.run_until(second(150), |fleet| {
            for (node, source) in (0..3).flat_map(|node| (0..3).map(move |source| (node, source))) {
                if node == source {
                    continue;
                }
                let truth = fleet.offset(node, source);
                let offset = fleet.pair(node, RegionId(source as u16), RegionId(node as u16)).offset;
                if let Some((min, _)) = offset.min {
                    assert!(min <= truth, "{node} against {source}: {min:?} is over {truth:?}");
                }
                if let Some((max, _)) = offset.max {
                    assert!(max >= truth, "{node} against {source}: {max:?} is under {truth:?}");
                }
                if offset.width().is_some() {
                    bounded.insert((node, source));
                }
                assert!(fleet.now < second(30) || bounded.contains(&(node, source)), "{node}, {source}: unbounded");
            }
        });
        let mut count = 0;
        for (node, source) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            let (source, target) = (RegionId(source), RegionId(node as u16));
            count += hold_the_truth(&mut fleet, node, source, target, second(10), second(130));
            let now = assessed(&mut fleet, node, source, target);
            assert_eq!(now.state, State::Ok, "{}", now.reason);
            assert!(now.current_lag.is_some() && now.staleness.is_some() && now.overdue.is_some());
        }
        assert!(count > 6 * 130, "{count}");
    }
}

#[test]
fn a_peer_s_clock_that_steps_back_by_three_seconds_falsifies_nothing() {
    for seed in 0..4 {
        let mut fleet = three(typical_lag(), Network::hostile(), seed);
        fleet.run_until(second(40), |_| {});
        fleet.nodes[0].clock.off = fleet.nodes[0].clock.off - Span::from_millis(3_000);
        fleet.run_until(second(100), |_| {});
        for (node, source) in [(1, 0), (2, 0), (0, 1), (0, 2), (1, 2)] {
            hold_the_truth(&mut fleet, node, RegionId(source), RegionId(node as u16), second(10), second(80));
        }
    }
}

/// Its writer does not learn that it was committed, and begins another run on the same clock: of the one heartbeat of the
/// first run others know by its successor alone how their clocks compare.
#[test]
fn a_run_whose_first_answer_is_lost_is_sampled_all_the_same() {
    for stepped in [false, true] {
        let mut fleet = three(typical_lag(), Network::calm(), 7);
        fleet.run_until(second(28), |_| {});
        // In one target everything is seen as it comes, in the other all at once, as the last run tells of it.
        fleet.world.set_paused(WEST, SOUTH, true, fleet.now);
        fleet.run_until(second(30), |_| {});
        if stepped {
            fleet.nodes[0].clock.off = fleet.nodes[0].clock.off - Span::from_millis(3_000);
        } else {
            fleet.nodes[0].is_down = true;
            fleet.start(local(3, 0), WrongClock::off_by_millis(700, -100));
        }
        let before = fleet.world.stored(WEST, 0).unwrap().beat;
        let calm = fleet.network.answer_ms.clone();
        fleet.run_until(second(50), |fleet| {
            // From before the takeover until a moment after it.
            let is_over = fleet.world.stored(WEST, 0).unwrap().beat.run > before.run;
            fleet.network.answer_ms = if is_over { calm.clone() } else { 1_200.0..1_300.0 };
        });
        fleet.world.set_paused(WEST, SOUTH, false, fleet.now);
        fleet.run_until(second(110), |_| {});
        let now = fleet.now;
        let commits = fleet.world.truth(now).unwrap().commits(WEST, 0).to_vec();
        let runs: HashSet<u64> = commits.iter().map(|(beat, _)| beat.run).collect();
        assert_eq!(runs.len(), 3, "a run began twice: {runs:?}");
        for (node, target) in [(1, EAST), (2, SOUTH)] {
            hold_the_truth(&mut fleet, node, WEST, target, second(5), second(100));
        }
    }
}

#[test]
fn a_paused_direction_is_stalled_and_a_dead_writer_is_silent() {
    let mut fleet = three(Lag::fixed(Span::from_millis(500)), Network::calm(), 1);
    fleet.run_until(second(20), |_| {});
    fleet.world.set_paused(WEST, EAST, true, fleet.now);
    fleet.run_until(second(32), |fleet| {
        assert_ne!(assessed(fleet, 1, WEST, EAST).state, State::WriterSilent);
    });
    let stalled = assessed(&mut fleet, 1, WEST, EAST);
    assert_eq!(stalled.state, State::Stalled, "{}", stalled.reason);
    let lag = stalled.current_lag.unwrap();
    assert!(lag > Span::from_millis(10_500) && lag < Span::from_millis(14_000), "{lag:?}");
    assert_eq!(assessed(&mut fleet, 2, WEST, SOUTH).state, State::Ok);
    fleet.world.set_paused(WEST, EAST, false, fleet.now);
    fleet.run_until(second(50), |_| {});
    assert_eq!(assessed(&mut fleet, 1, WEST, EAST).state, State::Ok);
    hold_the_truth(&mut fleet, 1, WEST, EAST, second(5), second(45));

    fleet.nodes[0].is_down = true;
    fleet.run_until(second(70), |fleet| {
        for (node, target) in [(1, EAST), (2, SOUTH)] {
            let now = assessed(fleet, node, WEST, target);
            assert_ne!(now.state, State::Stalled, "{}", now.reason);
            assert!(now.current_lag.is_none_or(|lag| lag < Span::from_millis(2_000)), "a lag that never was");
        }
    });
    let silent = assessed(&mut fleet, 1, WEST, EAST);
    assert_eq!((silent.state, silent.current_lag), (State::WriterSilent, None), "{}", silent.reason);
    assert!(silent.overdue.unwrap() > Span::from_millis(15_000));
}

#[test]
fn where_the_source_cannot_be_asked_nobody_says_whose_fault_it_is() {
    let mut fleet = three(Lag::fixed(Span::from_millis(500)), Network::calm(), 1);
    fleet.run_until(second(20), |_| {});
    fleet.unreachable.push(WEST);
    fleet.nodes[0].is_down = true;
    fleet.run_until(second(40), |_| {});
    let now = assessed(&mut fleet, 1, WEST, EAST);
    assert_eq!((now.state, now.current_lag), (State::Unknown, None));
    assert!(now.reason.contains("the source is unreachable"), "{}", now.reason);
}

#[test]
fn of_two_gauges_in_a_cell_exactly_one_writes_and_the_other_takes_over() {
    for seed in 0..5 {
        let mut fleet = three(typical_lag(), Network::hostile(), seed);
        fleet.run_until(second(2), |_| {});
        let standby = fleet.start(local(3, 0), WrongClock::off_by_millis(700, -100));
        let mut held = false;
        fleet.run_until(second(60), |fleet| {
            let seats = [0, standby].map(|node| fleet.snapshot(node).seats[0].unwrap());
            assert!(seats.iter().filter(|seat| **seat == Seat::Ours).count() <= 1, "{seats:?}");
            held |= seats == [Seat::Ours, Seat::Held];
        });
        assert!(held);
        let before = fleet.world.stored(WEST, 0).unwrap().beat;
        fleet.nodes[0].is_down = true;
        let killed = fleet.now;
        let mut taken = None;
        fleet.run_until(second(120), |fleet| {
            if fleet.world.stored(WEST, 0).unwrap().beat.run > before.run {
                taken.get_or_insert(fleet.now);
            }
        });
        let after = taken.unwrap() - killed;
        assert!(after < Span::from_millis(7_000), "taken over after {after:?}");
        let refused = fleet.snapshot(standby).regions[0].heartbeats[HeartbeatResult::Refused as usize];
        assert!(refused <= 3, "{refused} refused writes");
        for (node, target) in [(1, EAST), (2, SOUTH)] {
            hold_the_truth(&mut fleet, node, WEST, target, second(10), second(100));
        }
        // What the standby itself measures needs no seat.
        hold_the_truth(&mut fleet, standby, EAST, WEST, second(10), second(100));
    }
}

#[test]
fn a_writer_that_resigns_is_followed_within_two_intervals() {
    let mut fleet = three(typical_lag(), Network::calm(), 3);
    fleet.run_until(second(2), |_| {});
    let standby = fleet.start(local(3, 0), WrongClock::off_by_millis(700, -100));
    fleet.run_until(second(30), |_| {});
    assert_eq!(fleet.snapshot(standby).seats[0], Some(Seat::Held));
    fleet.resign(0);
    fleet.run_until(second(32), |_| {});
    assert_eq!(fleet.snapshot(standby).seats[0], Some(Seat::Ours));
    fleet.run_until(second(60), |_| {});
    hold_the_truth(&mut fleet, 1, WEST, EAST, second(5), second(50));
}

#[test]
fn a_writer_that_was_stopped_and_goes_on_stands_down_at_its_first_refused_write() {
    let mut fleet = three(typical_lag(), Network::calm(), 4);
    fleet.run_until(second(2), |_| {});
    let standby = fleet.start(local(3, 0), WrongClock::off_by_millis(700, -100));
    fleet.run_until(second(20), |_| {});
    fleet.nodes[0].is_stopped = true;
    fleet.run_until(second(40), |_| {});
    assert_eq!(fleet.snapshot(standby).seats[0], Some(Seat::Ours));
    fleet.nodes[0].is_stopped = false;
    fleet.run_until(second(60), |_| {});
    assert_eq!(fleet.snapshot(standby).seats[0], Some(Seat::Ours));
    assert_eq!(fleet.snapshot(0).seats[0], Some(Seat::Held));
    let refused = fleet.snapshot(0).regions[0].heartbeats[HeartbeatResult::Refused as usize];
    assert_eq!(refused, 1);
    hold_the_truth(&mut fleet, 1, WEST, EAST, second(5), second(50));
}

#[test]
fn fifty_observers_of_a_region_stay_within_their_budget_and_do_not_look_in_step() {
    let mut fleet = three(typical_lag(), Network::calm(), 6);
    for node in &mut fleet.nodes {
        let plan = Plan { provider_clock_error: Some(Span::from_millis(50)), ..(**node.ledger.plan()).clone() };
        node.ledger =
            Ledger::new(Arc::new(plan), Now { mono: Mono::from_nanos(0), wall: node.clock.at(Mono::from_nanos(0)) });
    }
    let plan = || Plan {
        observer: true,
        reads_per_interval: 1,
        consistency: Consistency::Eventual,
        provider_clock_error: Some(Span::from_millis(50)),
        ..local(3, 1)
    };
    let observers: Vec<usize> =
        (0..50).map(|pod| fleet.start(plan(), WrongClock::off_by_millis(pod * 20 - 500, pod))).collect();
    let mut busiest = 0;
    let mut before = 0;
    fleet.run_until(second(30), |fleet| {
        let requests: u64 = observers.iter().map(|observer| fleet.nodes[*observer].requests).sum();
        busiest = busiest.max(requests - before);
        before = requests;
    });
    assert!(before <= 50 * 31, "{before} requests of 50 observers in 30 s");
    assert!(busiest <= 20, "{busiest} of 50 in a tenth of a second");
    for observer in observers {
        assert_eq!(assessed(&mut fleet, observer, WEST, EAST).state, State::Ok);
    }
}

#[test]
fn an_observer_reads_once_an_interval_and_never_writes() {
    let mut fleet = three(typical_lag(), Network::calm(), 5);
    let plan = Plan { observer: true, reads_per_interval: 1, ..local(3, 1) };
    let observer = fleet.start(plan, WrongClock::off_by_millis(-400, 50));
    fleet.run_until(second(60), |_| {});
    let requests = fleet.nodes[observer].requests;
    assert!(requests <= 61, "{requests} requests in 60 s");
    let now = assessed(&mut fleet, observer, WEST, EAST);
    assert_eq!(now.state, State::Ok, "{}", now.reason);
    assert!(now.current_lag.is_some() && now.staleness.is_some(), "bounded through its region's writer");
    let truth = fleet.offset(observer, 0);
    let offset = fleet.pair(observer, WEST, EAST).offset;
    assert!(offset.min.unwrap().0 <= truth && truth <= offset.max.unwrap().0, "{offset:?} without {truth:?}");
    assert!(fleet.pair(observer, WEST, EAST).recent.last().is_none(), "it takes no samples");
    assert_eq!(fleet.snapshot(observer).seats, [None, None, None]);
}

#[test]
fn requests_of_a_gauge_do_not_grow_with_the_number_of_regions() {
    let requests = |regions: usize| {
        let mut fleet = Fleet::new(regions, Lag::fixed(Span::from_millis(300)), Network::calm(), 9);
        for region in 0..regions {
            fleet.start(local(regions, region as u16), WrongClock::off_by_millis(region as i64 * 500, 0));
        }
        // The schedule needs a while to learn what it may spend.
        fleet.run_until(second(60), |_| {});
        let learned = fleet.nodes[0].requests;
        fleet.run_until(second(180), |_| {});
        fleet.nodes[0].requests - learned
    };
    let [three, six, twelve] = [3, 6, 12].map(requests);
    assert!(three.abs_diff(twelve) * 10 <= three && six.abs_diff(three) * 10 <= three, "{three}, {six}, {twelve}");
}

#[test]
fn gauges_of_different_intervals_find_nothing_wrong_with_each_other() {
    let slow = |region| Plan { interval: Span::from_millis(5_000), ..local(2, region) };
    let mut fleet = Fleet::new(2, Lag::fixed(Span::from_millis(800)), Network::calm(), 3);
    fleet.start(local(2, WEST.0), WrongClock::off_by_millis(0, 0));
    fleet.start(slow(EAST.0), WrongClock::off_by_millis(0, 0));
    fleet.run_until(second(10), |_| {});
    // A standby of the slower one's that is quicker, as while a new interval is rolled out.
    fleet.start(local(2, EAST.0), WrongClock::off_by_millis(0, 0));
    fleet.run_until(second(40), |_| {});
    fleet.run_until(second(240), |fleet| {
        for (node, source, target) in [(0, EAST, WEST), (1, WEST, EAST), (2, WEST, EAST)] {
            let Assessment { state, reason, .. } = assessed(fleet, node, source, target);
            assert_eq!(state, State::Ok, "node {node} at {:?}: {reason}", fleet.now);
        }
        assert_eq!(fleet.snapshot(1).seats[EAST.index()], Some(Seat::Ours), "its seat was taken from it");
    });
}
