//! A daemon as a process: how it is started, asked and ended, and how a test waits for what it is to say.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::lab::{DaemonSettings, Measured};

pub mod alerting;
mod answers;
mod collected;

use answers::{Envelope, Pairs, Samples};
pub use answers::{Jitter, Metrics, Pair, Sample};
pub use collected::Collected;

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
        .env("COSMOS_KEY", crate::lab::cosmos::KEY)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// An address that was free a moment ago.
pub fn free_address() -> String {
    free_addresses(1).remove(0)
}

/// Several of them: held together until all are chosen, so that no two are the same.
pub fn free_addresses(count: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect()
}

/// A running daemon. Dropped, it is killed; where a test fails, its log is printed.
pub struct Daemon {
    child: Child,
    address: String,
    log: PathBuf,
    http: reqwest::Client,
    /// When the process was spawned.
    pub spawned: Instant,
    home: tempfile::TempDir,
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
        let mut daemon = Daemon { child, address, log, http, spawned, home };
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

    /// Where it answers.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks, and hands out the connection once the answer has begun: for one that is not over soon.
    pub async fn begin(&self, path: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 15];
        connection.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        connection
    }

    /// The status and the body of an answer.
    pub async fn answer(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// What a browser is shown.
    pub async fn page(&self) -> (u16, String) {
        let answer = self.http.get(self.url("/")).header("accept", "text/html").send().await.unwrap();
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
        self.signal("TERM").await;
    }

    /// Sends SIGSTOP: until it is thawed it does nothing, and does not know that it does not.
    pub async fn freeze(&self) {
        self.signal("STOP").await;
    }

    /// Sends SIGCONT.
    pub async fn thaw(&self) {
        self.signal("CONT").await;
    }

    /// Has other settings where it reads them, as an editor or Kubernetes would: at once.
    pub fn rewrite(&self, toml: &str) {
        let file = self.home.path().join("tidegauge.toml");
        let beside = file.with_extension("new");
        std::fs::write(&beside, toml).unwrap();
        std::fs::rename(beside, file).unwrap();
    }

    /// `POST /-/reload`: the status and what it says.
    pub async fn reload(&self) -> (u16, serde_json::Value) {
        let request = self.http.post(self.url("/-/reload")).header("content-type", "application/json");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Sends SIGHUP.
    pub async fn hang_up(&self) {
        self.signal("HUP").await;
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap();
        assert!(sent.success(), "SIG{name} could not be sent");
    }

    /// Sends SIGTERM and waits for the end. Returns how it ended, and how long that took.
    pub async fn stop(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.terminate().await;
        (self.ended().await, asked.elapsed())
    }

    /// Waits for an end that was asked for.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        status.expect("it ends on SIGTERM").unwrap()
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// All directed pairs of a lab's regions.
pub fn pairs_of(lab: &impl Measured) -> Vec<(String, String)> {
    let regions = lab.region_names();
    let pairs = regions.iter().flat_map(|source| regions.iter().map(move |target| (source.clone(), target.clone())));
    pairs.filter(|(source, target)| source != target).collect()
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

    /// How often they were looked at.
    pub fn looks(&self) -> usize {
        self.looks
    }

    /// They were left alone. A host that stands still for a moment makes the daemon's own calls late: one look in
    /// twenty is its, while a trouble that spread would last as long as the trouble.
    pub fn were_left_alone(&self) {
        assert!(self.looks > 10, "{} looks prove nothing", self.looks);
        assert!(self.off.len() * 20 <= self.looks, "drawn into it, of {} looks:\n{}", self.looks, self.off.join("\n"));
    }
}
