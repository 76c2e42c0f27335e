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
    async fn start(lab: &Lab, region: usize, host: &str, off: f64, drift: f64) -> Gauge {
        let (home, clocks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let clock = clocks.path().join("clock");
        set_clock(&clock, off, drift);
        let address = free_address();
        let settings = lab.settings().local_region(REGIONS[region]).listen(address.clone());
        let file = home.path().join("tidegauge.toml");
        std::fs::write(&file, settings.to_toml()).unwrap();
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

async fn fleet(lab: &Lab) -> Vec<Gauge> {
    let mut gauges = Vec::new();
    for region in 0..3 {
        gauges.push(Gauge::start(lab, region, &format!("host-{region}"), OFF[region], DRIFT[region]).await);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_wrong_clocks_every_heartbeat_is_sampled_and_every_sample_and_every_bound_holds_the_truth() {
    if !clocks_can_be_wrong() {
        return;
    }
    let _seat = seat().await;
    let lab = lab(71).await;
    let mut gauges = fleet(&lab).await;
    let started = Instant::now();
    let length = Duration::from_secs(if acceptance() { 300 } else { 60 });
    let mut collected = Collected::default();
    let mut widths = Vec::new();
    let mut bounded_after = Duration::ZERO;
    let step_at = length / 2;
    while started.elapsed() < length {
        sleep(Duration::from_secs(1)).await;
        if gauges[0].off == OFF[0] && started.elapsed() > step_at {
            // One of the clocks is set back by three seconds. The library takes a second to notice.
            gauges[0].off = gauges[0].error() - 3.0;
            gauges[0].since = Instant::now();
            set_clock(&gauges[0].clock, gauges[0].off, gauges[0].drift);
        }
        let stepping = (started.elapsed().as_secs_f64() - step_at.as_secs_f64()).abs() < 4.0;
        for gauge in &gauges {
            collected.collect_some(&gauge.daemon, gauge.inbound()).await;
            for pair in gauge.daemon.pairs().await {
                let source = REGIONS.iter().position(|region| *region == pair.source_region).unwrap();
                let truth = gauge.error() - gauges[source].error();
                // When exactly a process takes note of its new clock is not known.
                if stepping && (gauge.region == 0 || source == 0) {
                    continue;
                }
                match offset_holds(&pair, truth) {
                    Some(width) => widths.push(width),
                    None if started.elapsed() < step_at => bounded_after = started.elapsed(),
                    None => {}
                }
            }
        }
    }
    let end = Instant::now();
    let begin = started + Duration::from_secs(5);
    let patience = end + Duration::from_secs(10);
    while !unsampled(&lab, &collected, begin, end).await.is_empty() && Instant::now() < patience {
        sleep(Duration::from_millis(500)).await;
        for gauge in &gauges {
            collected.collect_some(&gauge.daemon, gauge.inbound()).await;
        }
    }
    widths.sort_by(f64::total_cmp);
    let (unsampled, lies) = (unsampled(&lab, &collected, begin, end).await, collected.lies(&lab));
    println!(
        "three gauges, clocks off by +2, 0 and -3 s, drifting apart by 400 ppm, one set back: {} samples, {} unsampled, \
         {} wrong; bounded after {bounded_after:?}; width of the bounds: median {:.3} s, widest {:.3} s",
        collected.0.values().map(std::collections::BTreeMap::len).sum::<usize>(),
        unsampled.len(),
        lies.len(),
        widths[widths.len() / 2],
        widths[widths.len() - 1],
    );
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
    assert!(unsampled.is_empty(), "heartbeats without a sample:\n{}", unsampled.join("\n"));
    assert!(bounded_after < Duration::from_secs(30), "unbounded for {bounded_after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_silence_is_told_from_a_stall() {
    if !clocks_can_be_wrong() {
        return;
    }
    let _seat = seat().await;
    let lab = lab(72).await;
    let mut gauges = fleet(&lab).await;
    sleep(Duration::from_secs(2)).await;
    let mut standby = Gauge::start(&lab, 0, "host-standby", 0.7, -50e-6).await;
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
