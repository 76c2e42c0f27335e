//! 1,500 simulated pairs at 1 Hz in a process of their own, scraped every second.

use std::fmt::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{cpu_seconds, mebibytes};

const STORES: usize = 50;
const SECONDS: u32 = 120;

/// Prints CPU, memory and jitter.
pub fn fifteen_hundred_pairs() {
    println!("# 1,500 simulated pairs (50 stores of 6 regions) at 1 Hz, scraped every second for {SECONDS} s");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let toml = settings(port);
    let file = std::env::temp_dir().join(format!("tidegauge-fleet-{}.toml", std::process::id()));
    std::fs::write(&file, toml).unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .arg("--config")
        .arg(&file)
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let pid = daemon.id().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = format!("http://127.0.0.1:{port}/metrics");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (before, first) = (cpu_seconds(&pid), scrape(&address).await);
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        let mut last = first.clone();
        for _ in 0..SECONDS {
            ticks.tick().await;
            last = scrape(&address).await;
        }
        let cpu = (cpu_seconds(&pid) - before) / f64::from(SECONDS);
        println!("CPU: {:.1} % of one core (budget ≤ 25 %)", cpu * 100.0);
        println!(
            "RSS: {:.1} MiB, peak {:.1} MiB (budget ≤ 64 MiB)",
            mebibytes(&pid, "VmRSS"),
            mebibytes(&pid, "VmHWM")
        );
        println!("scrape: {} lines, {:.1} MiB", last.lines().count(), last.len() as f64 / 1_048_576.0);
        jitter(&first, &last);
        println!();
    });
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    std::fs::remove_file(file).unwrap();
}

/// Fifty stores of six regions, and one process for all.
pub fn settings(port: u16) -> String {
    let mut toml =
        format!("[cell]\ncentral = true\n[server]\nlisten = \"127.0.0.1:{port}\"\n[log]\nfilter = \"error\"\n");
    for store in 0..STORES {
        write!(
            toml,
            "[[stores]]\nname = \"store-{store}\"\nregions = [{}]\n[stores.simulated]\nseed = {store}\n\
             lag = {{ median = \"800ms\", sigma = 0.25 }}\n\
             spikes = {{ probability = 0.02, factor_min = 3.0, factor_max = 10.0 }}\n",
            (0..6).map(|region| format!("{{ name = \"region-{region}\" }}")).collect::<Vec<_>>().join(", ")
        )
        .unwrap();
    }
    toml
}

async fn scrape(address: &str) -> String {
    reqwest::get(address).await.unwrap().text().await.unwrap()
}

/// Buckets of the schedule's jitter over all stores, between two scrapes.
fn jitter(first: &str, last: &str) {
    let sum = |text: &str, needle: &str| -> f64 {
        text.lines()
            .filter(|line| line.starts_with("tidegauge_schedule_jitter_seconds") && line.contains(needle))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    let count = sum(last, "_count") - sum(first, "_count");
    let shares: Vec<String> = ["0.001", "0.002", "0.005", "0.01", "0.02"]
        .iter()
        .map(|end| {
            let needle = format!("le=\"{end}\"");
            format!("≤ {end} s: {:.2} %", (sum(last, &needle) - sum(first, &needle)) / count * 100.0)
        })
        .collect();
    println!("jitter of {count} ticks and polls: {} (budget: p99 ≤ 5 ms)", shares.join(", "));
}
