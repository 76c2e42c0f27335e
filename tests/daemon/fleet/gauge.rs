//! Gauges of one region each as processes, on hosts of their own: their clocks may be wrong, each in its own way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::lab::{DaemonSettings, Lab, Lag, Network};
use crate::support::{Daemon, command, free_address};

pub const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
/// How far each clock is off at its start, in seconds…
pub const OFF: [f64; 3] = [2.0, 0.0, -3.0];
/// …and how fast it runs away.
const DRIFT: [f64; 3] = [200e-6, 0.0, -200e-6];

/// Where Debian keeps the library that gives a process a clock of its own.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// Median lags in seconds, by source, then by target: no two ways of a pair of regions are alike.
const LAGS: [[f64; 3]; 3] = [[0.0, 0.4, 0.8], [0.8, 0.0, 2.0], [0.4, 0.8, 0.0]];

/// A hostile lab in which each direction has a lag of its own.
pub async fn lab(seed: u64) -> Lab {
    let lab = Lab::builder().regions(REGIONS).network(Network::hostile()).seed(seed).start().await;
    for (source, lags) in REGIONS.iter().zip(LAGS) {
        for (target, median) in REGIONS.iter().zip(lags).filter(|(target, _)| *target != source) {
            lab.set_pair_lag(source, target, Lag::log_normal(Duration::from_secs_f64(median), 0.25));
        }
    }
    lab
}

/// Whether the library is there; `make test` installs it where it can.
pub fn clocks_can_be_wrong() -> bool {
    let there = Path::new(LIBRARY).exists();
    if !there {
        println!("skipped: {LIBRARY} is not there; apt-get install faketime");
    }
    there
}

/// Starts a daemon on a host of its own, whose clock is right and which does not know that it has it in common with the
/// others.
pub async fn start(settings: DaemonSettings, host: &str) -> Daemon {
    start_at(free_address(), settings, host).await
}

/// The same, at an address that was chosen before.
pub async fn start_at(address: String, settings: DaemonSettings, host: &str) -> Daemon {
    spawn(address, settings, host, "", None).await
}

async fn spawn(address: String, settings: DaemonSettings, host: &str, more: &str, clock: Option<&Path>) -> Daemon {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tidegauge.toml");
    std::fs::write(&file, format!("{}\n{more}", settings.listen(address.clone()).to_toml())).unwrap();
    let mut command = command(home.path());
    command.env("TIDEGAUGE_TEST_HOST", host).arg("--config").arg(file);
    if let Some(clock) = clock {
        command
            .env("LD_PRELOAD", LIBRARY)
            .env("FAKETIME_TIMESTAMP_FILE", clock)
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    Daemon::spawn(command, home, address).await
}

/// A gauge and its wrong clock.
pub struct Gauge {
    pub daemon: Daemon,
    pub region: usize,
    pub off: f64,
    drift: f64,
    since: Instant,
    clock: PathBuf,
    _clocks: tempfile::TempDir,
}

impl Gauge {
    /// Starts one whose clock is off by so many seconds and drifts by so many a second; `more` is settings.
    pub async fn start(lab: &Lab, region: usize, host: &str, (off, drift): (f64, f64), more: &str) -> Gauge {
        let clocks = tempfile::tempdir().unwrap();
        let clock = clocks.path().join("clock");
        set_clock(&clock, off, drift);
        let since = Instant::now();
        let settings = lab.settings().local_region(REGIONS[region]);
        let daemon = spawn(free_address(), settings, host, more, Some(&clock)).await;
        Gauge { daemon, region, off, drift, since, clock, _clocks: clocks }
    }

    /// How far its clock is off by now.
    pub fn error(&self) -> f64 {
        self.off + self.drift * self.since.elapsed().as_secs_f64()
    }

    /// Sets its clock back by so many seconds.
    pub fn set_back(&mut self, seconds: f64) {
        self.off = self.error() - seconds;
        self.since = Instant::now();
        set_clock(&self.clock, self.off, self.drift);
    }

    /// The pairs that it measures.
    pub fn inbound(&self) -> Vec<(String, String)> {
        let target = REGIONS[self.region];
        let sources = REGIONS.iter().filter(|source| **source != target);
        sources.map(|source| (source.to_string(), target.to_owned())).collect()
    }

    /// Whether it says that it writes its region's heartbeat.
    pub async fn is_active(&self) -> bool {
        let region = [("region", REGIONS[self.region])];
        self.daemon.metrics().await.sum("tidegauge_writer_active", &region) == 1.0
    }
}

fn set_clock(file: &Path, off: f64, drift: f64) {
    std::fs::write(file, format!("{off:+} x{:.6}\n", 1.0 + drift)).unwrap();
}

/// A gauge in each region, each with its own wrong clock.
pub async fn fleet(lab: &Lab, more: &str) -> Vec<Gauge> {
    let mut gauges = Vec::new();
    for region in 0..3 {
        gauges.push(Gauge::start(lab, region, &format!("host-{region}"), (OFF[region], DRIFT[region]), more).await);
    }
    gauges
}
