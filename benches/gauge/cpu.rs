//! CPU per interval of the driver with its calls, against a bare loop of as many of the same SDK calls.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use tidegauge::clock::Clock;
use tidegauge::core::model::Plan;
use tidegauge::core::time::Span;
use tidegauge::driver;
use tidegauge::providers::Nobody;
use tidegauge::settings::Settings;
use tidegauge::stores::Store;
use tokio_util::sync::CancellationToken;

use crate::process::cpu_seconds;
use crate::sim::plan;

mod cosmos;
mod dynamodb;

const INTERVAL: Duration = Duration::from_millis(100);
const INTERVALS: u32 = 300;
const DEADLINE: Duration = Duration::from_millis(500);

/// Each cloud, by the word for it.
pub const CLOUDS: [&str; 2] = ["dynamodb", "cosmos"];

/// The calls of one region, as anybody would make them.
trait Bare {
    async fn write(&mut self, seq: u32);
    async fn read(&self);
}

/// The other process: so that the servers' CPU is not counted.
pub fn serve_lab(cloud: &str) {
    runtime().block_on(async {
        // Until the parent closes our standard input.
        let until_told = || tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        if cloud == "cosmos" {
            let (_lab, endpoints) = cosmos::serve().await;
            println!("{}", endpoints.join(" "));
            until_told().await.unwrap().unwrap();
        } else {
            let (_lab, endpoints) = dynamodb::serve().await;
            println!("{}", endpoints.join(" "));
            until_told().await.unwrap().unwrap();
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Prints the ratios, each from a process of its own: the SDKs take credentials from the environment.
pub fn against_a_bare_loop() {
    for cloud in CLOUDS {
        let measured = Command::new(std::env::current_exe().unwrap())
            .args(["cpu-within", cloud])
            .env("AWS_ACCESS_KEY_ID", "lab")
            .env("AWS_SECRET_ACCESS_KEY", "lab")
            .env("COSMOS_KEY", crate::lab::cosmos::KEY)
            .status();
        assert!(measured.unwrap().success());
    }
}

/// What that process does.
pub fn within(cloud: &str) {
    println!(
        "# CPU per interval, {cloud}: 3 regions, 3 heartbeats and some 15 polls each, {INTERVALS} intervals of \
         {INTERVAL:?}"
    );
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["serve-lab", cloud])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let endpoints: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    runtime().block_on(async {
        let ((driver, writes, reads), bare) = if cloud == "cosmos" {
            let counted = driver_cpu(cosmos::store(&endpoints, DEADLINE).await).await;
            (counted, bare_cpu(cosmos::bare(&endpoints).await, counted.1, counted.2).await)
        } else {
            let counted = driver_cpu(dynamodb::store(&endpoints, DEADLINE).await).await;
            (counted, bare_cpu(dynamodb::bare(&endpoints).await, counted.1, counted.2).await)
        };
        let per = |seconds: f64| seconds * 1e3 / f64::from(INTERVALS);
        println!("driver: {:.3} ms an interval ({writes} writes, {reads} reads in all)", per(driver));
        println!("bare loop of as many calls: {:.3} ms an interval", per(bare));
        println!("ratio: {:.2} (budget ≤ 1.5)", driver / bare);
        println!();
    });
    drop(server.stdin.take());
    server.wait().unwrap();
}

/// Settings of one store.
fn settings(regions: impl Iterator<Item = String>, kind: &str) -> Settings {
    let regions = regions.collect::<Vec<_>>().join(", ");
    let toml = format!(
        "[cell]\ncentral = true\n[[stores]]\nname = \"bench\"\nheartbeat = {{ interval = \"100ms\" }}\n\
         regions = [{regions}]\n{kind}"
    );
    Settings::from_toml(&toml).unwrap()
}

async fn driver_cpu(store: impl Store) -> (f64, u64, u64) {
    let plan = Plan { regions: store.known_regions(), interval: Span::from(INTERVAL), ..plan(3) };
    let stop = CancellationToken::new();
    let running = driver::start(store, Nobody, plan, Clock::start(), stop.clone(), Duration::from_secs(1));
    // Connections and the learning of the lag are not the question here.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let counts = || {
        let snapshot = running.snapshots.borrow();
        let writes: u64 = snapshot.regions.iter().map(|region| region.heartbeats[0]).sum();
        let reads: u64 = snapshot.regions.iter().map(|region| region.reads_answered).sum();
        (writes, reads)
    };
    let (before, counted) = (cpu_seconds("self"), counts());
    tokio::time::sleep(INTERVAL * INTERVALS).await;
    let (cpu, after) = (cpu_seconds("self") - before, counts());
    stop.cancel();
    running.task.await.unwrap();
    (cpu, after.0 - counted.0, after.1 - counted.1)
}

async fn bare_cpu(mut regions: Vec<impl Bare>, writes: u64, reads: u64) -> f64 {
    let count = regions.len() as f64;
    let each = |total: u64| total as f64 / f64::from(INTERVALS) / count;
    let (writes, reads) = (each(writes), each(reads));
    let (mut written, mut read) = (0.0, 0.0);
    let mut ticks = tokio::time::interval(INTERVAL);
    for region in &mut regions {
        region.write(0).await;
        region.read().await;
    }
    let before = cpu_seconds("self");
    for interval in 1..=INTERVALS {
        ticks.tick().await;
        written += writes;
        read += reads;
        for region in &mut regions {
            for _ in 0..written as u32 {
                region.write(interval).await;
            }
            for _ in 0..read as u32 {
                region.read().await;
            }
        }
        written = written.fract();
        read = read.fract();
    }
    cpu_seconds("self") - before
}
