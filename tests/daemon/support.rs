//! A daemon as a process, what it says over HTTP, and how that compares with the truth.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::lab::{DaemonSettings, Lab};

/// The store's name in the lab's settings.
pub const STORE: &str = "orders";

/// Each test runs a lab and a daemon: more of them at once would measure the host's patience.
static SEATS: Semaphore = Semaphore::const_new(SEATS_COUNT as usize);
const SEATS_COUNT: u32 = 3;

/// Waits for a turn.
pub async fn seat() -> SemaphorePermit<'static> {
    SEATS.acquire().await.unwrap()
}

/// Waits until nobody else has one: for what a busy host would spoil.
pub async fn all_seats() -> SemaphorePermit<'static> {
    SEATS.acquire_many(SEATS_COUNT).await.unwrap()
}

/// Whether the long and strict form of the tests is asked for.
pub fn acceptance() -> bool {
    std::env::var("TIDEGAUGE_ACCEPTANCE").is_ok_and(|value| value == "1")
}

/// The daemon's binary, with credentials that the lab takes and nothing of ours that could lead it elsewhere.
pub fn command(home: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
    command
        .env_clear()
        .env("HOME", home)
        .env("AWS_ACCESS_KEY_ID", "lab")
        .env("AWS_SECRET_ACCESS_KEY", "lab")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// An address that was free a moment ago.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A running daemon. Dropped, it is killed; where a test fails, its log is printed.
pub struct Daemon {
    child: Child,
    address: String,
    log: PathBuf,
    http: reqwest::Client,
    /// When the process was spawned.
    pub spawned: Instant,
    _home: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the daemon's log, its last lines:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

impl Daemon {
    /// Starts one on these settings and waits until it answers.
    pub async fn start(settings: DaemonSettings) -> Daemon {
        let address = free_address();
        Daemon::start_on(address.clone(), &settings.listen(address).to_toml()).await
    }

    /// Starts one on settings that listen on `address`.
    pub async fn start_on(address: String, toml: &str) -> Daemon {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("tidegauge.toml");
        std::fs::write(&file, toml).unwrap();
        let mut command = command(home.path());
        command.arg("--config").arg(file).arg("run");
        Daemon::spawn(command, home, address).await
    }

    /// Spawns it and waits until it answers.
    pub async fn spawn(mut command: Command, home: tempfile::TempDir, address: String) -> Daemon {
        let log = home.path().join("log");
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        let spawned = Instant::now();
        let child = command.spawn().unwrap();
        let mut daemon = Daemon { child, address, log, http, spawned, _home: home };
        let deadline = spawned + Duration::from_secs(10);
        while daemon.http.get(daemon.url("/-/healthy")).send().await.is_err() {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended at its start ({status}):\n{}", daemon.log());
            }
            assert!(Instant::now() < deadline, "the daemon does not answer");
            sleep(Duration::from_millis(5)).await;
        }
        daemon
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The status and the body of an answer.
    pub async fn answer(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The body of an answer.
    pub async fn text(&self, path: &str) -> String {
        let answer = self.http.get(self.url(path)).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "GET {path}: {status}: {body}");
        body
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> T {
        let body: Envelope<T> = serde_json::from_str(&self.text(path).await).unwrap();
        assert_eq!(body.status, "success");
        body.data
    }

    /// All pairs, as they are now.
    pub async fn pairs(&self) -> Vec<Pair> {
        self.json::<Pairs>("/api/v1/pairs").await.pairs
    }

    /// One pair, as it is now.
    pub async fn pair(&self, source: &str, target: &str) -> Pair {
        let query = format!("store={STORE}&source_region={source}&target_region={target}");
        let mut pairs = self.json::<Pairs>(&format!("/api/v1/pairs?{query}")).await.pairs;
        assert_eq!(pairs.len(), 1, "one pair was asked for");
        pairs.remove(0)
    }

    /// A pair's newest samples.
    pub async fn samples(&self, source: &str, target: &str) -> Vec<Sample> {
        let query = format!("store={STORE}&source_region={source}&target_region={target}");
        self.json::<Samples>(&format!("/api/v1/samples?{query}")).await.samples
    }

    /// The exposition.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.text("/metrics").await)
    }

    /// Nothing if every pair is `ok`, else what is not.
    pub async fn all_ok(&self) -> Result<(), String> {
        let pairs = self.pairs().await;
        let not_ok: Vec<String> = pairs.iter().filter(|pair| pair.state != "ok").map(Pair::describe).collect();
        if not_ok.is_empty() { Ok(()) } else { Err(not_ok.join("; ")) }
    }

    /// Sends SIGTERM.
    pub async fn terminate(&mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(sent.success(), "SIGTERM could not be sent");
    }

    /// Sends SIGTERM and waits for the end. Returns how it ended, and how long that took.
    pub async fn stop(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.terminate().await;
        let status = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        (status.expect("it ends on SIGTERM").unwrap(), asked.elapsed())
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    status: String,
    data: T,
}

#[derive(Deserialize)]
struct Pairs {
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Samples {
    samples: Vec<Sample>,
}

/// A pair, as `/api/v1/pairs` has it.
#[derive(Debug, Deserialize)]
pub struct Pair {
    pub source_region: String,
    pub target_region: String,
    pub state: String,
    pub reason: String,
    pub current_lag_seconds: Option<f64>,
    pub overdue_seconds: Option<f64>,
    pub offset: Option<Offset>,
    pub last_sample: Option<Sample>,
    pub windows: BTreeMap<String, Window>,
}

impl Pair {
    /// Whether it begins and ends there.
    pub fn is(&self, source: &str, target: &str) -> bool {
        self.source_region == source && self.target_region == target
    }

    /// In a line.
    pub fn describe(&self) -> String {
        let (from, to) = (&self.source_region, &self.target_region);
        format!("{from} to {to}: {} ({}), current lag {:?}", self.state, self.reason, self.current_lag_seconds)
    }
}

/// Bounds of the reader's clock − the writer's.
#[derive(Debug, Deserialize)]
pub struct Offset {
    pub min_seconds: Option<f64>,
    pub max_seconds: Option<f64>,
}

/// Quantiles of a window.
#[derive(Debug, Deserialize)]
pub struct Window {
    pub count: u64,
    pub p50_seconds: Option<f64>,
    pub p90_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
}

/// A sample, as `/api/v1/samples` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    pub slot: u32,
    pub run: u64,
    pub seq: u64,
    pub lower_seconds: f64,
    pub upper_seconds: f64,
    pub presumed: bool,
}

impl Sample {
    /// `upper - lower`.
    pub fn width(&self) -> f64 {
        self.upper_seconds - self.lower_seconds
    }
}

/// Samples of all pairs, collected over time: a daemon keeps the newest of each pair alone.
#[derive(Default)]
pub struct Collected(pub BTreeMap<(String, String), BTreeMap<(u64, u64), Sample>>);

impl Collected {
    /// Adds what the daemon has now of all pairs.
    pub async fn collect(&mut self, daemon: &Daemon, lab: &Lab) {
        self.collect_some(daemon, pairs_of(lab)).await;
    }

    /// Adds what the daemon has now of some pairs.
    pub async fn collect_some(&mut self, daemon: &Daemon, pairs: Vec<(String, String)>) {
        for (source, target) in pairs {
            let samples = daemon.samples(&source, &target).await;
            let pair = self.0.entry((source, target)).or_default();
            pair.extend(samples.into_iter().map(|sample| ((sample.run, sample.seq), sample)));
        }
    }

    /// One heartbeat's sample.
    pub fn get(&self, source: &str, target: &str, run: u64, seq: u64) -> Option<&Sample> {
        self.0.get(&(source.to_owned(), target.to_owned()))?.get(&(run, seq))
    }

    /// Every sample that the truth contradicts, and every sample of a heartbeat that was never committed: in words.
    pub fn lies(&self, lab: &Lab) -> Vec<String> {
        let mut lies = Vec::new();
        for ((source, target), samples) in &self.0 {
            for sample in samples.values() {
                let (run, seq) = (sample.run, sample.seq);
                let what = format!("{source} to {target}, run {run}, seq {seq}: {sample:?}");
                match lab.truth().lag(source, target, sample.slot, run, seq) {
                    // The ticks of an earlier process are presumed, and it may have missed some.
                    None if sample.presumed && lab.truth().commit(source, sample.slot, run, seq).is_none() => {}
                    None => lies.push(format!("never committed or not visible yet: {what}")),
                    // The truth is a bracket itself, a millisecond wide: both must have an instant in common. The
                    // API's numbers are cut to nanoseconds.
                    Some(lag)
                        if sample.lower_seconds > lag.max.as_secs_f64() + 1e-6
                            || sample.upper_seconds < lag.min.as_secs_f64() - 1e-6 =>
                    {
                        lies.push(format!("the truth is {lag:?}: {what}"));
                    }
                    Some(_) => {}
                }
            }
        }
        lies
    }
}

/// All directed pairs of a lab's regions.
pub fn pairs_of(lab: &Lab) -> Vec<(String, String)> {
    let regions = lab.regions();
    let pairs = regions.iter().flat_map(|source| regions.iter().map(move |target| (source, target)));
    pairs
        .filter(|(source, target)| source != target)
        .map(|(source, target)| ((*source).to_owned(), (*target).to_owned()))
        .collect()
}

/// Looks until there is something to see; fails with what was there instead.
pub async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) => assert!(Instant::now() < deadline, "not within {limit:?}: {what}; instead: {instead}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Pairs that have no part in a trouble, and are to stay `ok` with a small lag.
#[derive(Default)]
pub struct Bystanders {
    looks: usize,
    off: Vec<String>,
}

impl Bystanders {
    /// Looks at them.
    pub fn note(&mut self, pairs: &[Pair], lag_max: f64, is_bystander: impl Fn(&Pair) -> bool) {
        self.looks += 1;
        let fine = |pair: &Pair| {
            pair.state == "ok" && pair.current_lag_seconds.is_some_and(|lag| (0.0..lag_max).contains(&lag))
        };
        let off = pairs.iter().filter(|pair| is_bystander(pair) && !fine(pair)).map(Pair::describe);
        let off: Vec<String> = off.collect();
        if !off.is_empty() {
            self.off.push(format!("look {}: {}", self.looks, off.join("; ")));
        }
    }

    /// They were left alone. A host that stands still for a moment makes the daemon's own calls late: one look in
    /// twenty is its, while a trouble that spread would last as long as the trouble.
    pub fn were_left_alone(&self) {
        assert!(self.looks > 10, "{} looks prove nothing", self.looks);
        assert!(self.off.len() * 20 <= self.looks, "drawn into it, of {} looks:\n{}", self.looks, self.off.join("\n"));
    }
}

/// One line of the exposition.
#[derive(Debug)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The exposition.
pub struct Metrics(pub Vec<Series>);

impl Metrics {
    fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Metrics(lines.map(series).collect())
    }

    /// The sum of the series of that name which have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |series: &&Series| {
            series.name == name
                && labels.iter().all(|(label, value)| series.labels.get(*label).is_some_and(|own| own == value))
        };
        self.0.iter().filter(fits).map(|series| series.value).fold(0.0, |sum, value| sum + value)
    }
}

fn series(line: &str) -> Series {
    let (left, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
    let (name, labels) = left.split_once('{').map_or((left, ""), |(name, labels)| (name, labels.trim_end_matches('}')));
    // No value in the lab has a comma in it.
    let labels = labels.split(',').filter_map(|label| label.split_once('=')).map(|(label, value)| {
        let value = value.trim_matches('"');
        (label.to_owned(), value.to_owned())
    });
    Series { name: name.to_owned(), labels: labels.collect(), value }
}

/// How late ticks and polls left, between two looks at the exposition.
#[derive(Debug)]
pub struct Jitter {
    pub count: f64,
    /// The share that left within 5 ms.
    pub within_5ms: f64,
    /// The least bucket that holds 99 %, in seconds.
    pub p99_at_most: f64,
}

impl Jitter {
    /// What came between two looks.
    pub fn between(before: &Metrics, after: &Metrics) -> Jitter {
        const NAME: &str = "tidegauge_schedule_jitter_seconds";
        let grown = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
        let count = grown(&format!("{NAME}_count"), &[]);
        let bucket = format!("{NAME}_bucket");
        let mut ends: Vec<&str> =
            after.0.iter().filter(|series| series.name == bucket).map(|series| &*series.labels["le"]).collect();
        ends.sort_by(|left, right| left.parse::<f64>().unwrap().total_cmp(&right.parse().unwrap()));
        let reached = |end: &&&str| grown(&bucket, &[("le", end)]) >= 0.99 * count;
        let p99_at_most = ends.iter().find(reached).map_or(f64::INFINITY, |end| end.parse().unwrap());
        Jitter { count, within_5ms: grown(&bucket, &[("le", "0.005")]) / count, p99_at_most }
    }
}
