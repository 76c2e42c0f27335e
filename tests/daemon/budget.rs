//! What a fleet asks of its regions: requests are counted where they arrive.
//!
//! These want the host for themselves. Tests start in the order of their names: the first ones wait for nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fleet::gauge::{self, REGIONS};
use crate::lab::{Lab, Lag};
use crate::support::{Daemon, all_seats, free_addresses, until};

/// The schedule of reads corrects itself every ten intervals; by then it has learned what it may spend.
const LEARNING: Duration = Duration::from_secs(22);
const COUNTING: Duration = Duration::from_secs(18);
/// A heartbeat and five polls an interval.
const BUDGET: f64 = 6.0;
const TOLERANCE: f64 = 0.15;

/// Regions of AWS, for the largest fleet: settings know what their names look like.
const NAMES: [&str; 12] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
];

/// Requests of a whole lab by operation.
fn requests(lab: &Lab) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for region in lab.regions() {
        for (operation, count) in lab.requests(region) {
            *all.entry(operation).or_default() += count;
        }
    }
    all
}

/// A lab of so many regions, with a gauge in each.
async fn cells(count: usize) -> (Lab, Vec<Daemon>) {
    let names = &NAMES[..count];
    let lab = Lab::builder()
        .regions(names.iter().copied())
        .lag(Lag::Fixed(Duration::from_millis(300)))
        .seed(78)
        .start()
        .await;
    let mut gauges = Vec::new();
    for name in names {
        gauges.push(gauge::start(lab.settings().local_region(name), name).await);
    }
    (lab, gauges)
}

/// Reads of other regions' replicas, over all gauges: heartbeats were so late that their source was asked.
async fn cross_checks(gauges: &[Daemon]) -> f64 {
    let mut all = 0.0;
    for (gauge, local) in gauges.iter().zip(NAMES) {
        let metrics = gauge.metrics().await;
        all += metrics.sum("tidegauge_reads_total", &[]) - metrics.sum("tidegauge_reads_total", &[("region", local)]);
    }
    all
}

/// Counts for a while. Returns requests per cell and second, one number for each fleet.
async fn rates(fleets: &[(Lab, Vec<Daemon>)]) -> Vec<f64> {
    let (mut before, mut rates) = (Vec::new(), Vec::new());
    for (lab, gauges) in fleets {
        before.push((Instant::now(), requests(lab), cross_checks(gauges).await));
    }
    sleep(COUNTING).await;
    for ((lab, gauges), (since, before, checks)) in fleets.iter().zip(before) {
        let (after, cells, seconds) = (requests(lab), gauges.len(), since.elapsed().as_secs_f64());
        let rate = |operation: &String| {
            let count = after[operation] - before.get(operation).copied().unwrap_or_default();
            count as f64 / seconds / cells as f64
        };
        let by_operation: Vec<String> =
            after.keys().map(|operation| format!("{operation} {:.2}", rate(operation))).collect();
        rates.push(after.keys().map(rate).sum());
        println!(
            "{cells} regions: {:.2} requests per cell and second ({}), {} cross-checks among them",
            rates[rates.len() - 1],
            by_operation.join(", "),
            cross_checks(gauges).await - checks
        );
    }
    rates
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_per_cell_do_not_grow_with_the_number_of_regions() {
    let _seats = all_seats().await;
    // Side by side, which is quicker; they share nothing but the host.
    let mut fleets = Vec::new();
    for size in [3, 6, 12] {
        fleets.push(cells(size).await);
    }
    for (_, gauges) in &fleets {
        for gauge in gauges {
            until("it measures", Duration::from_secs(60), async || gauge.all_ok().await).await;
        }
    }
    sleep(LEARNING).await;
    // A host that is too busy for 21 gauges makes heartbeats late, which costs reads, and the schedule learns from that,
    // too: it gets another chance to settle. Requests that grew with the number of regions would never be alike.
    let mut found = Vec::new();
    for _ in 0..5 {
        let rates = rates(&fleets).await;
        let alike = |rate: &f64| (rate / rates[0] - 1.0).abs() <= TOLERANCE && *rate <= BUDGET * (1.0 + TOLERANCE);
        if rates.iter().all(alike) {
            return;
        }
        found.push(rates);
    }
    panic!("requests per cell and second, by the number of regions: {found:?}");
}

const OBSERVERS: usize = 50;
const OBSERVED: &str = REGIONS[1];

/// The reads that a daemon says it made of the observed region.
async fn reads(daemon: &Daemon) -> f64 {
    daemon.metrics().await.sum("tidegauge_reads_total", &[("region", OBSERVED)])
}

async fn reads_of(daemons: &[Daemon]) -> Vec<f64> {
    let mut all = Vec::new();
    for daemon in daemons {
        all.push(reads(daemon).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_observers_of_a_region_look_once_an_interval_each_and_not_in_step() {
    let _seats = all_seats().await;
    let lab = Lab::builder().regions(REGIONS).lag(Lag::Fixed(Duration::from_millis(300))).seed(79).start().await;
    let mut gauges = Vec::new();
    for region in REGIONS {
        gauges.push(gauge::start(lab.settings().local_region(region), region).await);
    }
    let started = Instant::now();
    let starts = free_addresses(OBSERVERS).into_iter().enumerate().map(|(number, address)| {
        let settings = lab.settings().local_region(OBSERVED).observer();
        tokio::spawn(async move { gauge::start_at(address, settings, &format!("host-pod-{number}")).await })
    });
    let starts: Vec<_> = starts.collect();
    let mut observers = Vec::new();
    for start in starts {
        observers.push(start.await.unwrap());
    }
    let up = started.elapsed();
    for observer in &observers {
        until("it is well", Duration::from_secs(30), async || observer.all_ok().await).await;
    }
    println!("{OBSERVERS} observers: up after {up:?}, well after {:?}", started.elapsed());

    let gauge_before = reads(&gauges[1]).await;
    let before = reads_of(&observers).await;
    let queries = || lab.request_count(OBSERVED, "Query");
    let (counting, first) = (Instant::now(), queries());
    let mut known = first;
    // By tenths of an interval, one interval on top of the other: a host that stands still for a moment bunches what
    // comes in one of them, while observers in step would bunch in all.
    let mut tenths = [0_u64; 10];
    while counting.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(10)).await;
        let (tenth, now) = (counting.elapsed().as_millis() / 100 % 10, queries());
        tenths[tenth as usize] += now - known;
        known = now;
    }
    let seconds = counting.elapsed().as_secs_f64();
    let of_gauge = reads(&gauges[1]).await - gauge_before;
    let after = reads_of(&observers).await;
    let all: u64 = tenths.iter().sum();
    let each = (all as f64 - of_gauge) / seconds / OBSERVERS as f64;
    let most = before.iter().zip(&after).map(|(before, after)| after - before).fold(0.0, f64::max);
    println!(
        "in {seconds:.1} s {all} queries, {of_gauge} of them the gauge's: {each:.3} per observer and interval; by tenths \
         of it {tenths:?}; one observer made {most} at most"
    );
    assert!(each <= 1.02, "{each} queries per observer and interval");
    assert!(most <= seconds + 2.0, "one observer made {most} in {seconds} s");
    let busiest = tenths.iter().max().unwrap();
    assert!(busiest * 10 <= 3 * all, "they look in step: {tenths:?}");
    for observer in &observers {
        observer.all_ok().await.unwrap_or_else(|instead| panic!("it is well no more: {instead}"));
    }
}
