//! Coverage and widths, in virtual time.

use tidegauge::core::model::{Plan, ReadSchedule, RegionId};
use tidegauge::core::time::Span;

use crate::sim::{Network, Sim, plan, typical_lag};

/// Heartbeats left out at the beginning, while the schedule learns.
const WARM: u64 = 150;
const SECONDS: i64 = 1_500;

fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    sorted[((sorted.len() as f64 * quantile) as usize).min(sorted.len() - 1)]
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Truth inside every bracket, a sample for every heartbeat, in a hostile network.
pub fn hostile() {
    println!("# Hostile network: legs of 20–150 ms, 2 % of the writes 0.2–1 s late (virtual time, 3 regions, 1,500 s)");
    let mut sim = Sim::new(plan(3), typical_lag(), Network::hostile(), 5);
    sim.run_for(Span::from_millis(SECONDS * 1_000));
    let now = sim.now.mono;
    let truth = sim.world.truth(now).unwrap().clone();
    let (mut held, mut samples, mut committed, mut missing, mut wide) = (0, 0, 0, 0, 0);
    let mut widths = Vec::new();
    for (pair, of_pair) in &sim.samples {
        for sample in of_pair {
            samples += 1;
            let lag = truth.lag(pair.0, pair.1, 0, sample.beat).unwrap();
            held += u32::from(sample.bracket.lower <= lag && lag <= sample.bracket.upper);
            wide += u32::from(sample.bracket.is_wide(Span::from_millis(1_000)));
            widths.push(sample.bracket.width().as_secs_f64());
        }
        for (beat, _) in truth.commits(pair.0, 0) {
            let visible = truth.visible(pair.0, pair.1, 0, *beat);
            if visible.is_some_and(|at| now - at > Span::from_millis(10_000)) {
                committed += 1;
                missing += u32::from(!of_pair.iter().any(|sample| sample.beat == *beat));
            }
        }
    }
    let widths = sorted(widths);
    println!("truth inside: {held} of {samples} samples (budget: all)");
    println!(
        "sampled: {} of {committed} committed heartbeats (budget: all), {wide} too wide for the histogram",
        committed - missing
    );
    println!(
        "width: median {:.0} ms, p99 {:.0} ms, max {:.0} ms",
        quantile(&widths, 0.5) * 1e3,
        quantile(&widths, 0.99) * 1e3,
        quantile(&widths, 1.0) * 1e3
    );
    println!();
}

struct Figures {
    half_widths: Vec<f64>,
    median_lag: f64,
    reads: f64,
}

/// `sources` regions write, one more reads them all; its figures alone.
fn measure(sources: usize, schedule: ReadSchedule, seed: u64) -> Figures {
    let plan = Plan { read_schedule: schedule, ..plan(sources + 1) };
    let target = RegionId(sources as u16);
    let mut sim = Sim::new(plan, typical_lag(), Network::calm(), seed);
    sim.run_for(Span::from_millis(SECONDS * 1_000));
    let now = sim.now.mono;
    let truth = sim.world.truth(now).unwrap().clone();
    let mut half_widths = Vec::new();
    let mut lags = Vec::new();
    for (pair, samples) in sim.samples.iter().filter(|(pair, _)| pair.1 == target) {
        for sample in samples.iter().filter(|sample| sample.beat.seq >= WARM) {
            half_widths.push(sample.bracket.half_width().as_secs_f64());
            lags.push(truth.lag(pair.0, pair.1, 0, sample.beat).unwrap().as_secs_f64());
        }
    }
    let reads = sim.reads.iter().filter(|read| read.target == target).count() as f64 / SECONDS as f64;
    Figures { half_widths: sorted(half_widths), median_lag: quantile(&sorted(lags), 0.5), reads }
}

/// Learned online against evenly spaced reads, as many of them.
pub fn against_fixed() {
    println!("# Half-width of the brackets at 5 reads per interval, learned online (virtual time, median of 3 seeds)");
    println!("lognormal lag, median 0.8 s, sigma 0.25, 2 % spikes; round trips of 1–5 ms");
    for (sources, budget) in [(1, "≥ 2, half-width ≤ 7 %"), (2, "≥ 1.3"), (5, "≥ 0.95"), (10, "≥ 0.95")] {
        let mut rows: Vec<_> = (0..3)
            .map(|seed| {
                let adaptive = measure(sources, ReadSchedule::Adaptive, seed);
                let fixed = measure(sources, ReadSchedule::Fixed, seed);
                let half = |figures: &Figures| quantile(&figures.half_widths, 0.5);
                (half(&fixed) / half(&adaptive), half(&adaptive), half(&fixed), adaptive, fixed)
            })
            .collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, adaptive, fixed, figures, fixed_figures) = &rows[1];
        println!(
            "{sources:>2} sources: {:.1} ms ({:.1} % of the median lag, {:.2} reads) against {:.1} ms ({:.2} reads): \
             {ratio:.2} × narrower (budget {budget})",
            adaptive * 1e3,
            adaptive / figures.median_lag * 100.0,
            figures.reads,
            fixed * 1e3,
            fixed_figures.reads,
        );
    }
    println!();
}

/// How soon the schedule finds the arrivals again when the lag changes threefold.
pub fn after_a_change() {
    println!("# After a threefold change of the lag: median half-width per 30 heartbeats (virtual time, 20 seeds)");
    for factor in [1.0 / 3.0, 3.0] {
        let mut by_age: Vec<Vec<f64>> = vec![Vec::new(); 6];
        let mut before = Vec::new();
        for seed in 0..20 {
            let mut sim = Sim::new(plan(2), typical_lag(), Network::calm(), seed);
            sim.run_for(Span::from_millis(450_000));
            let lag = typical_lag();
            sim.world.knobs.lag.median = lag.median.mul_f64(factor);
            sim.run_for(Span::from_millis(200_000));
            for sample in &sim.samples[&(RegionId(0), RegionId(1))] {
                let half = sample.bracket.half_width().as_secs_f64();
                match sample.beat.seq {
                    WARM..450 => before.push(half),
                    450.. => by_age[((sample.beat.seq - 450) / 30).min(5) as usize].push(half),
                    _ => {}
                }
            }
        }
        let row: Vec<String> =
            by_age.into_iter().map(|of| format!("{:.1}", quantile(&sorted(of), 0.5) * 1e3)).collect();
        println!(
            "lag × {factor:.2}: before {:.1} ms; then {} ms (the last: from the 150th on); evenly spaced reads: ~100 ms \
             (budget: recovered within 30)",
            quantile(&sorted(before), 0.5) * 1e3,
            row.join(", ")
        );
    }
    println!();
}
