//! Reads are placed where arrivals are expected, within their budget.

use tidegauge::core::model::{Plan, ReadSchedule, RegionId};
use tidegauge::core::time::Span;

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
