//! Replication that stops, one way, and a daemon that is restarted in the middle of it.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::lab::{Lab, Lag};
use crate::support::{Bystanders, Collected, Daemon, Metrics, Pair, STORE, seat, until};

const INTERVAL: Duration = Duration::from_millis(500);
const SOURCE: &str = "us-east-1";
const TARGET: &str = "eu-west-1";
/// `max(3 intervals, min(3 × p99, 10 s))`: three times a p99 of this lab's lag stays below 3 intervals.
const STALLED_AFTER: Duration = Duration::from_millis(1_500);
/// The largest lag there is in this lab, with room: what was under way at a pause is as old as that.
const LAG_MAX: f64 = 0.7;

async fn lab(seed: u64) -> Lab {
    Lab::builder().lag(Lag::log_normal(Duration::from_millis(250), 0.15)).seed(seed).start().await
}

async fn healthy(daemon: &Daemon) {
    until("every pair is ok", Duration::from_secs(20), async || daemon.all_ok().await).await;
}

/// The stalled pair now, and how long after `since` it was asked for.
async fn look(daemon: &Daemon, since: Instant) -> (Duration, Vec<Pair>, Pair) {
    let pairs = daemon.pairs().await;
    (since.elapsed(), pairs, daemon.pair(SOURCE, TARGET).await)
}

/// How long ago the oldest heartbeat was committed that is not visible at the target.
fn true_age(lab: &Lab) -> f64 {
    let lags = lab.truth().lags(SOURCE, TARGET);
    let unseen = lags.iter().find(|(_, lag)| lag.is_none()).expect("replication stands still");
    (lab.now().instant - unseen.0.at.before.instant).as_secs_f64()
}

/// The heartbeats committed between two instants that are not visible yet.
fn unseen(lab: &Lab) -> Vec<(u64, u64)> {
    let lags = lab.truth().lags(SOURCE, TARGET);
    let unseen = lags.iter().filter(|(_, lag)| lag.is_none());
    unseen.map(|(commit, _)| (commit.heartbeat.run, commit.heartbeat.seq)).collect()
}

/// Every one of these has a sample, and what is said is true.
async fn all_sampled(lab: &Lab, daemon: &Daemon, beats: &[(u64, u64)]) -> Collected {
    let collected = until("every heartbeat of the stall has a sample", Duration::from_secs(6), async || {
        let mut collected = Collected::default();
        collected.collect(daemon, lab).await;
        let missing: Vec<_> =
            beats.iter().filter(|(run, seq)| collected.get(SOURCE, TARGET, *run, *seq).is_none()).collect();
        if missing.is_empty() { Ok(collected) } else { Err(format!("{missing:?} of {beats:?} have none")) }
    })
    .await;
    let lies = collected.lies(lab);
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
    collected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_of_one_direction_grows_second_by_second_and_is_in_the_histogram_afterwards() {
    let _seat = seat().await;
    let lab = lab(51).await;
    let daemon = Daemon::start(lab.settings().interval("500ms")).await;
    healthy(&daemon).await;
    sleep(Duration::from_secs(3)).await;
    let labels = [("store", STORE), ("source_region", SOURCE), ("target_region", TARGET)];
    let late = |metrics: &Metrics| {
        let all = metrics.sum("tidegauge_replication_lag_seconds_count", &labels);
        let early: Vec<_> = labels.iter().copied().chain([("le", "1.5")]).collect();
        all - metrics.sum("tidegauge_replication_lag_seconds_bucket", &early)
    };
    let late_before = late(&daemon.metrics().await);
    let count_before = daemon.pair(SOURCE, TARGET).await.windows["10m"].count;

    lab.pause(SOURCE, TARGET).await;
    let paused = Instant::now();
    let (mut stalled, mut curve, mut bystanders) = (None, Vec::new(), Bystanders::default());
    while paused.elapsed() < Duration::from_secs(12) {
        let (elapsed, pairs, pair) = look(&daemon, paused).await;
        bystanders.note(&pairs, LAG_MAX + 1.0, |pair| !pair.is(SOURCE, TARGET));
        if elapsed > 2 * INTERVAL {
            let lag = pair.current_lag_seconds.expect("it is known to be late");
            let seconds = elapsed.as_secs_f64();
            curve.push((seconds, lag));
            // The oldest unseen one was written up to a lag before the pause, or up to an interval after it.
            let (least, most) = (seconds - 2.0 * INTERVAL.as_secs_f64(), seconds + LAG_MAX + 0.2);
            assert!((least..=most).contains(&lag), "{seconds:.2} s into the stall: {}", pair.describe());
        }
        if pair.state == "stalled" {
            stalled.get_or_insert(elapsed);
        } else {
            assert!(stalled.is_none(), "it recovered while replication stood still: {}", pair.describe());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bystanders.were_left_alone();
    let stalled = stalled.expect("it is stalled");
    let (first, last) = (curve[0], curve[curve.len() - 1]);
    let slope = (last.1 - first.1) / (last.0 - first.0);
    // Its watermark may have moved last a little before the pause.
    let earliest = STALLED_AFTER.saturating_sub(Duration::from_secs_f64(LAG_MAX));
    let beats = unseen(&lab);
    lab.resume(SOURCE, TARGET).await;
    all_sampled(&lab, &daemon, &beats).await;
    healthy(&daemon).await;
    sleep(Duration::from_millis(1_200)).await;
    let late_after = late(&daemon.metrics().await);
    let count = daemon.pair(SOURCE, TARGET).await.windows["10m"].count;
    let truly_late = beats
        .iter()
        .filter_map(|(run, seq)| lab.truth().lag(SOURCE, TARGET, 0, *run, *seq))
        .filter(|lag| lag.min > Duration::from_millis(1_800))
        .count();
    println!(
        "stalled after {stalled:?}; slope {slope:.4}; {} heartbeats in the stall, {truly_late} of them over 1.8 s late; \
         histogram above 1.5 s: {late_before} before, {late_after} after; window: {count_before}, then {count}",
        beats.len()
    );
    assert!((0.97..=1.03).contains(&slope), "current lag grows by {slope} s a second");
    assert!(stalled >= earliest, "called a stall after {stalled:?} already");
    assert!(stalled <= STALLED_AFTER + 2 * INTERVAL, "called a stall only after {stalled:?}");
    assert!(late_after - late_before >= truly_late as f64, "the histogram lacks some: {late_before}, {late_after}");
    assert!(count - count_before >= beats.len() as u64, "the window lacks some: {count_before}, {count}");
}

/// From a first look after a restart on, what is said of the stall is true, to within two intervals.
async fn goes_on_from_the_true_age(lab: &Lab, daemon: &Daemon) -> Duration {
    until("current lag is known again", Duration::from_secs(5), async || {
        let pair = daemon.pair(SOURCE, TARGET).await;
        if pair.current_lag_seconds.is_some() { Ok(()) } else { Err(pair.describe()) }
    })
    .await;
    let known = daemon.spawned.elapsed();
    let looking = Instant::now();
    while looking.elapsed() < Duration::from_secs(5) {
        let pair = daemon.pair(SOURCE, TARGET).await;
        let age = true_age(lab);
        let lag = pair.current_lag_seconds.expect("once known, it stays known");
        let off = lag - age;
        assert!(off.abs() <= 2.0 * INTERVAL.as_secs_f64(), "the true age is {age:.2} s: {}", pair.describe());
        sleep(Duration::from_millis(150)).await;
    }
    until("it is stalled, and nobody else is", Duration::from_secs(5), async || {
        let pairs = daemon.pairs().await;
        let fits = |pair: &&Pair| pair.state == if pair.is(SOURCE, TARGET) { "stalled" } else { "ok" };
        let unfit: Vec<String> = pairs.iter().filter(|pair| !fits(pair)).map(Pair::describe).collect();
        if unfit.is_empty() { Ok(()) } else { Err(unfit.join("; ")) }
    })
    .await;
    known
}

async fn restarted_in_a_stall(seed: u64, orderly: bool) {
    let _seat = seat().await;
    let lab = lab(seed).await;
    let settings = lab.settings().interval("500ms");
    let mut daemon = Daemon::start(settings.clone()).await;
    healthy(&daemon).await;
    sleep(Duration::from_secs(3)).await;
    lab.pause(SOURCE, TARGET).await;
    sleep(Duration::from_secs(6)).await;
    if orderly {
        let (status, _) = daemon.stop().await;
        assert_eq!(status.code(), Some(0));
    } else {
        daemon.kill().await;
    }
    let before = unseen(&lab);
    assert!(before.len() >= 10, "the stall has heartbeats of the first daemon: {before:?}");
    drop(daemon);
    let daemon = Daemon::start(settings.clone()).await;
    let known = goes_on_from_the_true_age(&lab, &daemon).await;
    let beats = unseen(&lab);
    lab.resume(SOURCE, TARGET).await;
    let collected = all_sampled(&lab, &daemon, &beats).await;
    for (run, seq) in &before {
        let sample = collected.get(SOURCE, TARGET, *run, *seq).unwrap();
        assert!(!sample.presumed, "the heartbeats of after tell when it was written: {sample:?}");
    }
    healthy(&daemon).await;
    println!(
        "orderly {orderly}: current lag known {known:?} after the start, {} heartbeats of before sampled, {} of after",
        before.len(),
        beats.len() - before.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_by_sigterm_in_a_stall_forgets_nothing() {
    restarted_in_a_stall(52, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_by_kill_in_a_stall_forgets_nothing() {
    restarted_in_a_stall(53, false).await;
}

/// The heartbeats tell of the daemon before the last one, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_restart_in_a_stall_forgets_nothing_either() {
    let _seat = seat().await;
    let lab = lab(54).await;
    let settings = lab.settings().interval("500ms");
    let mut daemon = Daemon::start(settings.clone()).await;
    healthy(&daemon).await;
    lab.pause(SOURCE, TARGET).await;
    sleep(Duration::from_secs(3)).await;
    daemon.stop().await;
    let second_start = Instant::now();
    let mut daemon = Daemon::start(settings.clone()).await;
    goes_on_from_the_true_age(&lab, &daemon).await;
    daemon.kill().await;
    let daemon = Daemon::start(settings).await;
    let pair = until("it is stalled", Duration::from_secs(10), async || {
        let pair = daemon.pair(SOURCE, TARGET).await;
        if pair.state == "stalled" { Ok(pair) } else { Err(pair.describe()) }
    })
    .await;
    let known = second_start.elapsed().as_secs_f64();
    let lag = pair.current_lag_seconds.expect("it is late");
    let age = true_age(&lab);
    println!("second restart: said {lag:.2} s, true {age:.2} s, known for {known:.2} s: {}", pair.describe());
    assert!((lag - age).abs() <= 2.0 * INTERVAL.as_secs_f64(), "{}; true {age:.2} s", pair.describe());
    lab.resume(SOURCE, TARGET).await;
    healthy(&daemon).await;
    let mut collected = Collected::default();
    collected.collect(&daemon, &lab).await;
    let lies = collected.lies(&lab);
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
}
