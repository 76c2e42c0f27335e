//! Three gauges as processes, each in its own region and each with a wall clock that is wrong in its own way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::lab::{Lab, Lag, Network};
use crate::support::{Collected, Daemon, acceptance, command, free_address, seat, until};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
/// How far each clock is off at its start, in seconds…
const OFF: [f64; 3] = [2.0, 0.0, -3.0];
/// …and how fast it runs away.
const DRIFT: [f64; 3] = [200e-6, 0.0, -200e-6];
/// What the start of a process adds to the error of its clock, and what reading two clocks one after the other takes.
const TOLERANCE: f64 = 0.005;

/// Where Debian keeps the library that gives a process a clock of its own.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// A gauge and its clock.
struct Gauge {
    daemon: Daemon,
    region: usize,
    clock: PathBuf,
    off: f64,
    drift: f64,
    since: Instant,
    _home: tempfile::TempDir,
}

fn set_clock(file: &Path, off: f64, drift: f64) {
    std::fs::write(file, format!("{off:+} x{:.6}\n", 1.0 + drift)).unwrap();
}

impl Gauge {
    async fn start(lab: &Lab, region: usize, host: &str, (off, drift): (f64, f64), more: &str) -> Gauge {
        let (home, clocks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let clock = clocks.path().join("clock");
        set_clock(&clock, off, drift);
        let address = free_address();
        let settings = lab.settings().local_region(REGIONS[region]).listen(address.clone());
        let file = home.path().join("tidegauge.toml");
        std::fs::write(&file, format!("{}\n{more}", settings.to_toml())).unwrap();
        let mut command = command(home.path());
        command
            .env("LD_PRELOAD", LIBRARY)
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("TIDEGAUGE_TEST_HOST", host)
            .arg("--config")
            .arg(file);
        let since = Instant::now();
        let daemon = Daemon::spawn(command, home, address).await;
        Gauge { daemon, region, clock, off, drift, since, _home: clocks }
    }

    fn error(&self) -> f64 {
        self.off + self.drift * self.since.elapsed().as_secs_f64()
    }

    fn inbound(&self) -> Vec<(String, String)> {
        let target = REGIONS[self.region];
        REGIONS
            .iter()
            .filter(|source| **source != target)
            .map(|source| (source.to_string(), target.to_owned()))
            .collect()
    }
}

async fn lab(seed: u64) -> Lab {
    let lag = Lag::log_normal(Duration::from_millis(800), 0.25);
    Lab::builder().regions(REGIONS).network(Network::hostile()).lag(lag).seed(seed).start().await
}

async fn fleet(lab: &Lab, more: &str) -> Vec<Gauge> {
    let mut gauges = Vec::new();
    for region in 0..3 {
        gauges.push(Gauge::start(lab, region, &format!("host-{region}"), (OFF[region], DRIFT[region]), more).await);
    }
    gauges
}

/// Whether the library is there; `make test` installs it where it can.
fn clocks_can_be_wrong() -> bool {
    let there = Path::new(LIBRARY).exists();
    if !there {
        println!("skipped: {LIBRARY} is not there; apt-get install faketime");
    }
    there
}

/// The true offset is inside the published bounds. Returns the width, where both ends are bounded.
fn offset_holds(pair: &crate::support::Pair, truth: f64) -> Option<f64> {
    let offset = pair.offset.as_ref().expect("it is measured on two clocks");
    if let Some(min) = offset.min_seconds {
        assert!(min <= truth + TOLERANCE, "{}: offset over {min} s, in truth {truth} s", pair.describe());
    }
    if let Some(max) = offset.max_seconds {
        assert!(max >= truth - TOLERANCE, "{}: offset under {max} s, in truth {truth} s", pair.describe());
    }
    Some(offset.max_seconds? - offset.min_seconds?)
}

async fn unsampled(lab: &Lab, collected: &Collected, from: Instant, upto: Instant) -> Vec<String> {
    let mut unsampled = Vec::new();
    for (source, target) in crate::support::pairs_of(lab) {
        for (commit, lag) in lab.truth().lags(&source, &target) {
            let beat = &commit.heartbeat;
            let at = commit.at.after.instant;
            if at >= from && at <= upto && collected.get(&source, &target, beat.run, beat.seq).is_none() {
                unsampled.push(format!("{source} to {target}: {beat:?}, true lag {lag:?}"));
            }
        }
    }
    unsampled
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
            gauges[0].off = gauges[0].error() - 3.0;
            gauges[0].since = Instant::now();
            set_clock(&gauges[0].clock, gauges[0].off, gauges[0].drift);
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
    while !unsampled(lab, &collected, begin, end).await.is_empty() && Instant::now() < patience {
        sleep(Duration::from_millis(500)).await;
        for gauge in &gauges {
            collected.collect_some(&gauge.daemon, gauge.inbound()).await;
        }
    }
    widths.sort_by(f64::total_cmp);
    Found { unsampled: unsampled(lab, &collected, begin, end).await, collected, widths, bounded_after, too_wide }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_silence_is_told_from_a_stall() {
    if !clocks_can_be_wrong() {
        return;
    }
    let _seat = seat().await;
    let lab = lab(72).await;
    let mut gauges = fleet(&lab, "").await;
    sleep(Duration::from_secs(2)).await;
    let mut standby = Gauge::start(&lab, 0, "host-standby", (0.7, -50e-6), "").await;
    let active =
        async |gauge: &Gauge| gauge.daemon.metrics().await.sum("tidegauge_writer_active", &[("region", REGIONS[0])]);
    let well = async |gauge: &Gauge| gauge.daemon.all_ok().await;
    for gauge in gauges.iter().chain([&standby]) {
        until("it measures", Duration::from_secs(20), async || well(gauge).await).await;
    }
    assert_eq!((active(&gauges[0]).await, active(&standby).await), (1.0, 0.0));

    // A stall is no silence.
    let (source, target) = (REGIONS[1], REGIONS[2]);
    lab.pause(source, target).await;
    until("it is stalled", Duration::from_secs(15), async || {
        let pair = gauges[2].daemon.pair(source, target).await;
        assert_ne!(pair.state, "writer_silent", "{}", pair.describe());
        if pair.state == "stalled" { Ok(()) } else { Err(pair.describe()) }
    })
    .await;
    lab.resume(source, target).await;
    until("it is well again", Duration::from_secs(15), async || well(&gauges[2]).await).await;

    // Stepped down in order, the writer is followed at once.
    let (_, took) = gauges[0].daemon.stop().await;
    let resigned = Instant::now();
    until("the standby writes", Duration::from_secs(2), async || {
        if active(&standby).await == 1.0 { Ok(()) } else { Err("it stands by".to_owned()) }
    })
    .await;
    println!("SIGTERM took {took:?}; the standby wrote {:?} after it", resigned.elapsed());

    // Killed, it is not followed by anybody: its silence is no stall.
    standby.daemon.kill().await;
    until("its writer is silent", Duration::from_secs(15), async || {
        let pair = gauges[1].daemon.pair(REGIONS[0], REGIONS[1]).await;
        assert_ne!(pair.state, "stalled", "{}", pair.describe());
        let lag = pair.current_lag_seconds.unwrap_or(0.0);
        assert!(lag < 5.0, "a lag that never was: {}", pair.describe());
        if pair.state == "writer_silent" { Ok(()) } else { Err(pair.describe()) }
    })
    .await;
    let pair = gauges[1].daemon.pair(REGIONS[0], REGIONS[1]).await;
    assert_eq!(pair.current_lag_seconds, None, "{}", pair.describe());
    assert!(pair.overdue_seconds.is_some_and(|overdue| overdue > 2.0), "{pair:?}");
}
