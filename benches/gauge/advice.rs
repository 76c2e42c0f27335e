//! How many questions which read to make a gauge answers a second, beside a handler that does nothing on the same runtime,
//! while it measures 1,500 simulated pairs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tidegauge::app::Gauge;
use tidegauge::settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::fleet;

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
const QUESTION: &str = "/api/v1/advice?store=store-7&target_region=region-1&max_staleness=10s";

/// Prints requests a second of both, their ratio, and how long answers take at half the rate.
pub fn against_an_empty_handler() {
    println!("# HEAD {QUESTION}\n# beside an empty axum handler on the same runtime, 1,500 simulated pairs measured");
    let [port, floor_port] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["serve-advice", &port.to_string(), &floor_port.to_string()])
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        // Until everything is measured, and the start is forgotten.
        sleep(Duration::from_secs(15)).await;
        let (mut ratios, mut best) = (Vec::new(), 0.0_f64);
        for _ in 0..ROUNDS {
            let floor = throughput(floor_port, "/").await;
            let advice = throughput(port, QUESTION).await;
            println!("empty handler {floor:.0}/s, advice {advice:.0}/s: {:.3}", advice / floor);
            ratios.push(advice / floor);
            best = best.max(advice);
        }
        ratios.sort_by(f64::total_cmp);
        println!("median ratio: {:.3} (budget ≥ 0.8)", ratios[ROUNDS / 2]);
        let rate = best / 2.0;
        for (what, port, path) in [("an empty handler", floor_port, "/"), ("advice (budget p99 ≤ 2 ms)", port, QUESTION)] {
            let mut took = at_rate(port, path, rate).await;
            took.sort();
            let of = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
            let answered = took.len() as f64 / (2.0 * ROUND.as_secs_f64());
            println!(
                "at half that rate, {rate:.0}/s, {answered:.0}/s answered by {what}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
                of(0.5),
                of(0.99),
                of(0.999)
            );
        }
        println!();
    });
    server.kill().unwrap();
    server.wait().unwrap();
}

/// The gauge, and beside it the handler that does nothing: a process of their own.
pub fn serve(port: &str, floor_port: &str) {
    let settings = Settings::from_toml(&fleet::settings(port.parse().unwrap())).unwrap();
    let floor = SocketAddr::from((Ipv4Addr::LOCALHOST, floor_port.parse().unwrap()));
    Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let _gauge = Gauge::start(settings, None).await.unwrap();
        let listener = tokio::net::TcpListener::bind(floor).await.unwrap();
        axum::serve(listener, Router::new().route("/", get(async || {}))).await.unwrap();
    });
}

/// One connection that is kept.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    async fn to(port: u16, path: &str) -> Client {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").into_bytes();
        Client { stream, request, buffer: vec![0; 4_096] }
    }

    /// Answers to HEAD have no body: they end with their headers.
    async fn ask(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        let mut filled = 0;
        while !self.buffer[..filled].ends_with(b"\r\n\r\n") {
            let read = self.stream.read(&mut self.buffer[filled..]).await.unwrap();
            assert!(read > 0, "the server hung up");
            filled += read;
        }
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.buffer[..filled]));
    }
}

/// Requests a second over all connections, as fast as it goes.
#[allow(clippy::disallowed_methods, reason = "who asks has a clock of their own")]
async fn throughput(port: u16, path: &str) -> f64 {
    let until = Instant::now() + ROUND;
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::to(port, path).await;
        tasks.spawn(async move {
            let mut answered = 0_u64;
            while Instant::now() < until {
                client.ask().await;
                answered += 1;
            }
            answered
        });
    }
    let answered: u64 = tasks.join_all().await.into_iter().sum();
    answered as f64 / ROUND.as_secs_f64()
}

/// How long each answer took since its question could leave: what waits for the answer before it counts, what the timer of
/// who asks is late does not.
#[allow(clippy::disallowed_methods, reason = "who asks has a clock of their own")]
async fn at_rate(port: u16, path: &str, rate: f64) -> Vec<Duration> {
    let start = tokio::time::Instant::now() + Duration::from_millis(100);
    let each = (rate * 2.0 * ROUND.as_secs_f64()) as usize / CONNECTIONS;
    let mut tasks = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let mut client = Client::to(port, path).await;
        tasks.spawn(async move {
            let mut took = Vec::with_capacity(each);
            for number in 0..each {
                let due = start + Duration::from_secs_f64((number * CONNECTIONS + connection) as f64 / rate);
                let leaves = if due.elapsed().is_zero() {
                    sleep_until(due).await;
                    tokio::time::Instant::now()
                } else {
                    due
                };
                client.ask().await;
                took.push(leaves.elapsed());
            }
            took
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}
