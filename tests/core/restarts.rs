//! A restart in the middle of a stall forgets nothing.

use tidegauge::core::assess::{State, assess};
use tidegauge::core::model::{Plan, RegionId, WriterId};
use tidegauge::core::sample::Sample;
use tidegauge::core::time::{Mono, Span, Wall};
use tidegauge::stores::simulated::world::Lag;

use crate::sim::{Network, Sim, plan};

const SOURCE: RegionId = RegionId(0);
const TARGET: RegionId = RegionId(1);

fn second(second: i64) -> Mono {
    Mono::from_nanos(second * 1_000_000_000)
}

fn next_process(host: &str) -> Plan {
    Plan { writer: WriterId(0xC), host: host.into(), ..plan(2) }
}

fn stalled_at_ten_and_restarted_at_thirty(host: &str) -> Sim {
    let mut sim = Sim::new(plan(2), Lag::fixed(Span::from_millis(400)), Network::hostile(), 3);
    sim.run_until(second(10), |_| {});
    sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
    sim.run_until(second(30), |_| {});
    sim.restart(next_process(host));
    sim
}

fn current_lag(sim: &mut Sim) -> (State, String, Option<Span>) {
    let snapshot = sim.snapshot();
    let pair = snapshot.pairs.iter().find(|pair| pair.source == SOURCE).unwrap();
    let now = assess(&snapshot.plan, pair, sim.now);
    (now.state, now.reason, now.current_lag)
}

#[test]
fn current_lag_continues_where_it_was_before_the_restart() {
    let mut sim = stalled_at_ten_and_restarted_at_thirty("this-host");
    sim.run_until(second(32), |_| {});
    let (_, _, lag) = current_lag(&mut sim);
    let lag = lag.unwrap();
    // The oldest unseen heartbeat was written between second 9 and 10, as the pause held what was under way.
    assert!(lag > Span::from_millis(21_000) && lag < Span::from_millis(23_500), "{lag:?}");
    sim.run_until(second(40), |_| {});
    let (state, reason, later) = current_lag(&mut sim);
    assert_eq!(state, State::Stalled, "{reason}");
    assert_eq!((later.unwrap() - lag).as_nanos(), 8_000_000_000);
}

#[test]
fn the_stall_s_heartbeats_of_the_process_before_are_sampled_once_it_ends_and_hold_the_truth() {
    let mut sim = stalled_at_ten_and_restarted_at_thirty("this-host");
    let before = sim.world.stored(SOURCE, 0).unwrap().beat.run;
    sim.run_until(second(40), |_| {});
    sim.world.set_paused(SOURCE, TARGET, false, sim.now.mono);
    sim.run_until(second(50), |_| {});
    let now = sim.now.mono;
    let truth = sim.world.truth(now).unwrap().clone();
    let restarted = Wall::from_micros(1_800_000_030_000_000);
    let of_before = |sample: &&Sample| sample.beat.run == before && sample.seen_at > restarted;
    let earlier: Vec<_> = sim.samples[&(SOURCE, TARGET)].iter().filter(of_before).copied().collect();
    assert!((19..=22).contains(&earlier.len()), "{} samples of a stall of 20 s before the restart", earlier.len());
    for sample in earlier {
        let lag = truth.lag(SOURCE, TARGET, 0, sample.beat).unwrap();
        assert!(sample.bracket.lower <= lag && lag <= sample.bracket.upper, "{lag:?} outside {:?}", sample.bracket);
    }
}

#[test]
fn on_another_host_the_age_counts_from_the_first_sight_and_says_so() {
    let mut sim = stalled_at_ten_and_restarted_at_thirty("another-host");
    sim.run_until(second(45), |_| {});
    let (state, reason, lag) = current_lag(&mut sim);
    assert_eq!(state, State::Stalled);
    assert!(reason.contains("age before start unknown"), "{reason}");
    assert!(lag.unwrap() < Span::from_millis(15_500), "no clock of ours timed what came before: {lag:?}");
}

#[test]
fn a_restart_of_a_healthy_pair_shows_no_lag_that_never_was() {
    let mut sim = Sim::new(plan(2), Lag::fixed(Span::from_millis(400)), Network::calm(), 3);
    sim.run_until(second(30), |_| {});
    sim.restart(next_process("this-host"));
    let mut worst = Span::ZERO;
    sim.run_until(second(60), |sim| {
        if let (_, _, Some(lag)) = current_lag(sim) {
            worst = worst.max(lag);
        }
    });
    assert!(worst < Span::from_millis(1_600), "{worst:?}");
    assert_eq!(current_lag(&mut sim).0, State::Ok);
}
