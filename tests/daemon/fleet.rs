//! A fleet of gauges as processes, each in its own region and each with a wall clock that is wrong in its own way.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::lab::Lab;
use crate::support::{Collected, Pair, acceptance, pairs_of, seat};
use gauge::{OFF, REGIONS, clocks_can_be_wrong, fleet, lab};

pub mod gauge;
mod observer;
mod slot;
mod takeover;
mod watch;

/// What the start of a process adds to the error of its clock, and what reading two clocks one after the other takes.
const TOLERANCE: f64 = 0.005;

/// The true offset is inside the published bounds. Returns the width, where both ends are bounded.
fn offset_holds(pair: &Pair, truth: f64) -> Option<f64> {
    let offset = pair.offset.as_ref().expect("it is measured on two clocks");
    if let Some(min) = offset.min_seconds {
        assert!(min <= truth + TOLERANCE, "{}: offset over {min} s, in truth {truth} s", pair.describe());
    }
    if let Some(max) = offset.max_seconds {
        assert!(max >= truth - TOLERANCE, "{}: offset under {max} s, in truth {truth} s", pair.describe());
    }
    Some(offset.max_seconds? - offset.min_seconds?)
}

/// Heartbeats without a sample, of all pairs.
fn unsampled(lab: &Lab, collected: &Collected, from: Instant, upto: Instant) -> Vec<String> {
    let pairs = pairs_of(lab).into_iter();
    pairs.flat_map(|(source, target)| collected.unsampled(lab, (&source, &target), from, upto)).collect()
}

/// The smallest true lag of a direction over the last minute, in seconds.
fn smallest_lag(lab: &Lab, source: &str, target: &str) -> Option<f64> {
    let begin = Instant::now().checked_sub(Duration::from_secs(60));
    let lags = lab.truth().lags(source, target).into_iter();
    let recent = lags.filter(|(commit, _)| begin.is_none_or(|begin| commit.at.after.instant >= begin));
    recent.filter_map(|(_, lag)| Some(lag?.max.as_secs_f64())).min_by(f64::total_cmp)
}

struct Found {
    collected: Collected,
    unsampled: Vec<String>,
    /// Widths of the bounds, ascending.
    widths: Vec<f64>,
    bounded_after: Duration,
    /// Bounds that are wider than echoes explain.
    too_wide: Vec<String>,
}

/// Runs three gauges, one of whose clocks is set back by three seconds half-way, and holds every bound to the truth.
async fn run(lab: &Lab, more: &str) -> Found {
    let mut gauges = fleet(lab, more).await;
    let started = Instant::now();
    let length = Duration::from_secs(if acceptance() { 300 } else { 60 });
    let mut collected = Collected::default();
    let (mut widths, mut too_wide) = (Vec::new(), Vec::new());
    let mut bounded_after = Duration::ZERO;
    let step_at = length / 2;
    while started.elapsed() < length {
        sleep(Duration::from_secs(1)).await;
        if gauges[0].off == OFF[0] && started.elapsed() > step_at {
            gauges[0].set_back(3.0);
        }
        let since_step = started.elapsed().as_secs_f64() - step_at.as_secs_f64();
        let settled = started.elapsed() > Duration::from_secs(15) && !(-2.0..15.0).contains(&since_step);
        for gauge in &gauges {
            collected.collect_some(&gauge.daemon, gauge.inbound()).await;
            for pair in gauge.daemon.pairs().await {
                let source = REGIONS.iter().position(|region| *region == pair.source_region).unwrap();
                let truth = gauge.error() - gauges[source].error();
                // When exactly a process takes note of its new clock is not known: the library looks once a second.
                if since_step.abs() < 4.0 && (gauge.region == 0 || source == 0) {
                    continue;
                }
                let Some(width) = offset_holds(&pair, truth) else {
                    if started.elapsed() < step_at {
                        bounded_after = started.elapsed();
                    }
                    continue;
                };
                widths.push(width);
                let (there, back) = (&pair.source_region, &pair.target_region);
                if let (true, Some(to), Some(fro)) =
                    (settled, smallest_lag(lab, there, back), smallest_lag(lab, back, there))
                {
                    // Gap between reads, round trip, and what a write takes.
                    let bound = to + fro + 2.0 * (0.4 + 0.3 + 0.3) + 0.1;
                    if width > bound {
                        too_wide.push(format!("{}: {width:.3} s, over {bound:.3} s", pair.describe()));
                    }
                }
            }
        }
    }
    let end = Instant::now();
    let begin = started + Duration::from_secs(5);
    let patience = end + Duration::from_secs(10);
    while !unsampled(lab, &collected, begin, end).is_empty() && Instant::now() < patience {
        sleep(Duration::from_millis(500)).await;
        for gauge in &gauges {
            collected.collect_some(&gauge.daemon, gauge.inbound()).await;
        }
    }
    widths.sort_by(f64::total_cmp);
    Found { unsampled: unsampled(lab, &collected, begin, end), collected, widths, bounded_after, too_wide }
}

async fn check(what: &str, seed: u64, more: &str) -> Vec<f64> {
    let lab = lab(seed).await;
    let found = run(&lab, more).await;
    let lies = found.collected.lies(&lab);
    let count = found.widths.len();
    println!(
        "three gauges, clocks off by +2, 0 and -3 s, drifting apart by 400 ppm, one set back; {what}: {} samples, {} \
         unsampled, {} wrong; bounded after {:?}; width of the bounds: median {:.3} s, widest {:.3} s, {} of {count} \
         wider than echoes explain",
        found.collected.0.values().map(std::collections::BTreeMap::len).sum::<usize>(),
        found.unsampled.len(),
        lies.len(),
        found.bounded_after,
        found.widths[count / 2],
        found.widths[count - 1],
        found.too_wide.len(),
    );
    assert!(lies.is_empty(), "{what}: samples that do not hold the truth:\n{}", lies.join("\n"));
    assert!(found.unsampled.is_empty(), "{what}: heartbeats without a sample:\n{}", found.unsampled.join("\n"));
    assert!(found.bounded_after < Duration::from_secs(30), "{what}: unbounded for {:?}", found.bounded_after);
    assert!(found.too_wide.is_empty(), "{what}: bounds that are too wide:\n{}", found.too_wide.join("\n"));
    found.widths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_wrong_clocks_every_heartbeat_is_sampled_and_every_sample_and_every_bound_holds_the_truth() {
    if clocks_can_be_wrong() {
        let _seat = seat().await;
        check("on echoes alone", 71, "[clock]\nprovider_dates = false\n").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_servers_say_of_the_time_narrows_the_bounds_and_falsifies_nothing() {
    if clocks_can_be_wrong() {
        let _seat = seat().await;
        let widths = check("with the dates in the servers' answers", 73, "").await;
        // Dates are whole seconds, and the hostile network blurs them by its round trips.
        assert!(widths[widths.len() / 2] < 1.0, "median {} s", widths[widths.len() / 2]);
    }
}
