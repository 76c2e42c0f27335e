//! Reads are placed where arrivals are expected, within their budget.

use tidegauge::core::model::{Plan, ReadSchedule, RegionId};
use tidegauge::core::time::{Mono, Span};

use crate::sim::{Network, Sim, plan, typical_lag};

const WARM: u64 = 150;

/// Half-widths in seconds of one source's samples at one target, and that target's reads per interval.
fn half_widths(schedule: ReadSchedule, seed: u64) -> (Vec<f64>, f64) {
    let plan = Plan { read_schedule: schedule, ..plan(2) };
    let mut sim = Sim::new(plan, typical_lag(), Network::calm(), seed);
    sim.run_for(Span::from_millis(500_000));
    let samples = &sim.samples[&(RegionId(0), RegionId(1))];
    let mut widths: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.beat.seq >= WARM)
        .map(|sample| sample.bracket.half_width().as_secs_f64())
        .collect();
    widths.sort_by(f64::total_cmp);
    let reads = sim.reads.iter().filter(|read| read.target == RegionId(1)).count();
    (widths, reads as f64 / 500.0)
}

#[test]
fn learned_reads_are_narrower_than_evenly_spaced_ones_on_the_same_budget() {
    let (adaptive, adaptive_reads) = half_widths(ReadSchedule::Adaptive, 11);
    let (fixed, fixed_reads) = half_widths(ReadSchedule::Fixed, 11);
    assert!((adaptive_reads / 5.0 - 1.0).abs() < 0.05, "{adaptive_reads} reads per interval of a budget of 5");
    assert!((fixed_reads / 5.0 - 1.0).abs() < 0.05, "{fixed_reads} reads per interval of a budget of 5");
    let ratio = fixed[fixed.len() / 2] / adaptive[adaptive.len() / 2];
    assert!(ratio >= 1.5, "only {ratio:.2} times narrower");
}

#[test]
fn the_first_heartbeat_leaves_at_once_where_the_key_is_absent() {
    let mut sim = Sim::new(plan(3), typical_lag(), Network::calm(), 1);
    sim.run_for(Span::from_millis(50));
    for region in 0..3 {
        assert!(sim.world.stored(RegionId(region), 0).is_some(), "region {region} has no heartbeat after 50 ms");
    }
}

/// The most polls of a target in any ten intervals, as a multiple of what its budget allows in them, after `until`.
fn worst_tenfold(sim: &Sim, target: RegionId, until: Mono) -> f64 {
    let polls: Vec<Mono> = sim.reads.iter().filter(|read| read.target == target).map(|read| read.sent).collect();
    let polls: Vec<Mono> = polls.into_iter().filter(|sent| *sent >= until).collect();
    let within =
        |from: Mono| polls.iter().filter(|sent| **sent >= from && **sent < from + Span::from_millis(10_000)).count();
    polls.iter().map(|from| within(*from)).max().unwrap_or_default() as f64 / 50.0
}

#[test]
fn what_was_held_back_by_failures_or_a_stall_is_not_made_up_for() {
    let reading = RegionId(1);
    type Trouble = fn(&mut Sim, bool);
    let troubles: [(&str, Trouble); 3] = [
        ("reads that fail", |sim, is_on| sim.network.failed_reads = if is_on { 1.0 } else { 0.0 }),
        ("a stall", |sim, is_on| sim.world.set_paused(RegionId(0), RegionId(1), is_on, sim.now.mono)),
        ("a region that is down", |sim, is_on| sim.down = if is_on { vec![RegionId(0)] } else { Vec::new() }),
    ];
    for (what, trouble) in troubles {
        let mut sim = Sim::new(plan(2), typical_lag(), Network::calm(), 7);
        sim.run_for(Span::from_millis(120_000));
        let usual = worst_tenfold(&sim, reading, sim.now.mono - Span::from_millis(60_000));
        trouble(&mut sim, true);
        sim.run_for(Span::from_millis(120_000));
        trouble(&mut sim, false);
        let over = sim.now.mono;
        sim.run_for(Span::from_millis(60_000));
        let worst = worst_tenfold(&sim, reading, over);
        println!("after {what}: {worst:.2} of the budget in the worst ten intervals, {usual:.2} before");
        assert!(worst <= 1.5, "after {what} {worst:.2} of the budget were read in ten intervals");
    }
}
