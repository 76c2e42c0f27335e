//! The hostile lab: whatever the network does, every committed heartbeat has a sample, and the truth lies in it.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::lab::{Lab, Lag, Network};
use crate::support::{Collected, Daemon, acceptance, pairs_of, seat};

/// A request and its answer, each delayed by 150 ms at most.
const ROUND_TRIP: f64 = 0.3;
/// Debug builds of the daemon and of the lab share the host's cores with each other and with other tests.
const SCHEDULING: f64 = 0.15;
/// What a late write takes on top.
const LATE_WRITE: f64 = 1.0;

struct Found {
    heartbeats: usize,
    unsampled: Vec<String>,
    lies: Vec<String>,
    /// Widths of all samples, ascending.
    widths: Vec<f64>,
    unanswered: f64,
    failed_reads: f64,
    dropped: f64,
    /// How often a pair was said to be failing at its source, which it never was.
    false_alarms: usize,
}

async fn run(interval: &str, seed: u64, length: Duration) -> Found {
    let lab = Lab::builder()
        .network(Network::hostile())
        .lag(Lag::log_normal(Duration::from_millis(800), 0.25))
        .seed(seed)
        .start()
        .await;
    let begin = Instant::now();
    let daemon = Daemon::start(lab.settings().interval(interval)).await;
    let mut collected = Collected::default();
    let end = Instant::now() + length;
    while Instant::now() < end {
        sleep(Duration::from_secs(4)).await;
        collected.collect(&daemon, &lab).await;
    }
    let end = lab.now().instant;
    // What was committed by then arrives within the largest lag; an unanswered write is settled by a later one.
    let unsampled = |collected: &Collected| -> Vec<String> {
        let pairs = pairs_of(&lab).into_iter();
        pairs.flat_map(|(source, target)| collected.unsampled(&lab, (&source, &target), begin, end)).collect()
    };
    let patience = Instant::now() + Duration::from_secs(8);
    while !unsampled(&collected).is_empty() && Instant::now() < patience {
        sleep(Duration::from_millis(500)).await;
        collected.collect(&daemon, &lab).await;
    }
    let metrics = daemon.metrics().await;
    let mut widths: Vec<f64> = collected.0.values().flat_map(|pair| pair.values().map(|one| one.width())).collect();
    widths.sort_by(f64::total_cmp);
    Found {
        heartbeats: lab.truth().count(),
        unsampled: unsampled(&collected),
        lies: collected.lies(&lab),
        widths,
        unanswered: metrics.sum("tidegauge_heartbeats_total", &[("result", "unanswered")]),
        failed_reads: metrics.sum("tidegauge_reads_total", &[("result", "failed")]),
        dropped: metrics.sum("tidegauge_dropped_total", &[("what", "heartbeat")]),
        false_alarms: daemon.log().matches("to=\"write_failing\"").count(),
    }
}

fn check(what: &str, interval: f64, found: &Found) {
    let Found { heartbeats, unsampled, lies, widths, .. } = found;
    let samples = widths.len();
    // Width = from the last miss to the first hit's answer, plus what the write took. While anything is unseen the
    // gap between reads is at most twice that of five even ones.
    let bound = 2.0 * interval / 5.0 + ROUND_TRIP + ROUND_TRIP + SCHEDULING;
    let wider = widths.iter().filter(|width| **width > bound).count();
    let much_wider = widths.iter().filter(|width| **width > bound + LATE_WRITE).count();
    println!(
        "{what}: {heartbeats} heartbeats, {samples} samples, {} unsampled, {} wrong; width: median {:.3} s, widest \
         {:.3} s, {wider} over {bound:.2} s, {much_wider} of them by more than a late write; {} writes unanswered, {} \
         reads failed, {} heartbeats dropped; {} false alarms",
        unsampled.len(),
        lies.len(),
        widths[samples / 2],
        widths[samples - 1],
        found.unanswered,
        found.failed_reads,
        found.dropped,
        found.false_alarms,
    );
    assert!(lies.is_empty(), "{what}: samples that do not hold the truth:\n{}", lies.join("\n"));
    assert!(unsampled.is_empty(), "{what}: heartbeats without a sample:\n{}", unsampled.join("\n"));
    // 2 % of the writes are late, and a read that failed makes a gap; twice as many is chance.
    assert!(wider * 20 <= samples, "{what}: {wider} of {samples} are wider than {bound:.2} s");
    assert!(much_wider * 100 <= samples, "{what}: {much_wider} of {samples} are wider than a late write explains");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_hostile_lab_every_committed_heartbeat_has_a_sample_and_the_truth_lies_in_it() {
    let _seat = seat().await;
    let length = Duration::from_secs(if acceptance() { 300 } else { 60 });
    // At half a second the deadline is half a second too, so that late writes time out and commit all the same.
    let (one, half) = tokio::join!(run("1s", 11, length), run("500ms", 12, length));
    check("interval 1 s", 1.0, &one);
    check("interval 0.5 s", 0.5, &half);
    let pairs_a_source = 2;
    let least = pairs_a_source * 3 * usize::try_from(length.as_secs() - 5).unwrap();
    assert!(one.widths.len() >= least, "fewer samples than heartbeats were due: {}", one.widths.len());
    assert!(half.unanswered > 0.0, "no write timed out: the lab was not hostile enough to prove anything");
}
