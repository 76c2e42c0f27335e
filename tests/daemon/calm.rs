//! A calm run: the windows' quantiles are those of the very heartbeats that were sampled.

use std::time::Duration;

use crate::lab::{Lab, Lag};
use crate::support::{Collected, Daemon, pairs_of, seat, until};

const HEARTBEATS: u64 = 300;

/// The value at the rank that a window takes, of ascending values.
fn quantile(ascending: &[f64], percent: usize) -> f64 {
    ascending[(ascending.len() * percent).div_ceil(100).max(1) - 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quantiles_of_the_ten_minute_window_are_those_of_the_true_lags() {
    let _seat = seat().await;
    let lab = Lab::builder().lag(Lag::log_normal(Duration::from_millis(800), 0.25)).seed(21).start().await;
    let daemon = Daemon::start(lab.settings().interval("200ms")).await;
    let mut collected = Collected::default();
    let pairs = until("every pair has its heartbeats", Duration::from_secs(120), async || {
        tokio::time::sleep(Duration::from_secs(3)).await;
        collected.collect(&daemon, &lab).await;
        let pairs = daemon.pairs().await;
        let counts: Vec<u64> = pairs.iter().map(|pair| pair.windows["10m"].count).collect();
        if counts.iter().all(|count| *count >= HEARTBEATS) { Ok(pairs) } else { Err(format!("{counts:?}")) }
    })
    .await;
    collected.collect(&daemon, &lab).await;
    let metrics = daemon.metrics().await;

    let mut off = Vec::new();
    for (source, target) in pairs_of(&lab) {
        let sampled = &collected.0[&(source.clone(), target.clone())];
        let mut truth: Vec<f64> = sampled
            .values()
            .filter_map(|sample| lab.truth().lag(&source, &target, sample.slot, sample.run, sample.seq))
            .map(|lag| (lag.min + lag.max).as_secs_f64() / 2.0)
            .collect();
        truth.sort_by(f64::total_cmp);
        let window = &pairs.iter().find(|pair| pair.is(&source, &target)).unwrap().windows["10m"];
        let said = [(50, window.p50_seconds, 0.05), (90, window.p90_seconds, 0.05), (99, window.p99_seconds, 0.15)];
        let mut words = format!("{source} to {target} ({} in the window, {} true):", window.count, truth.len());
        for (percent, said, tolerance) in said {
            let (said, so) = (said.expect("there are enough samples"), quantile(&truth, percent));
            let error = said / so - 1.0;
            words.push_str(&format!(" p{percent} {said:.3} s against {so:.3} s ({:+.1} %)", error * 100.0));
            if error.abs() > tolerance {
                off.push(format!("{source} to {target}: p{percent} {said:.3} s against {so:.3} s"));
            }
        }
        println!("{words}");
    }
    println!("too wide to be points: {}", metrics.sum("tidegauge_samples_wide_total", &[]));
    assert!(off.is_empty(), "quantiles that are off: {off:#?}");
    let lies = collected.lies(&lab);
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
}
