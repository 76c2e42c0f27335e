//! The daemon and Azure Cosmos DB: the truth lies in every sample, whoever writes and reads; trouble shows where it is,
//! and nowhere another region answers in its place.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fleet::gauge;
use crate::lab::{CosmosLab, DaemonSettings, Lag};
use crate::support::{Collected, Daemon, STORE, acceptance, pairs_of, seat, until};

mod azure;
mod both;
mod trouble;

const REGIONS: [&str; 3] = ["eastus", "westeurope", "japaneast"];

/// What every link takes, in milliseconds: by source, then by target.
const LAGS: [[u64; 3]; 3] = [[0, 50, 300], [1_200, 0, 50], [300, 1_200, 0]];

/// Debug builds of the daemon and of the lab share the host's cores with each other and with other tests.
const SCHEDULING: f64 = 0.15;

/// A lab of three regions, 50, 300 and 1,200 ms from one another, each in its direction.
async fn lab() -> CosmosLab {
    let lab = CosmosLab::builder().regions(["East US", "West Europe", "Japan East"]).start().await;
    for (source, lags) in REGIONS.iter().zip(LAGS) {
        for (target, lag) in REGIONS.iter().zip(lags).filter(|(target, _)| *target != source) {
            lab.set_pair_lag(source, target, Lag::Fixed(Duration::from_millis(lag)));
        }
    }
    lab
}

fn settings(lab: &CosmosLab) -> DaemonSettings {
    lab.settings().store(STORE)
}

async fn healthy(daemon: &Daemon) {
    until("every pair is ok", Duration::from_secs(20), async || daemon.all_ok().await).await;
}

/// The heartbeats committed in between that have no sample.
fn unsampled(lab: &CosmosLab, collected: &Collected, from: Instant, upto: Instant) -> Vec<String> {
    let pairs = pairs_of(lab).into_iter();
    pairs.flat_map(|(source, target)| collected.unsampled(lab, (&source, &target), from, upto)).collect()
}

/// Collects what some daemons measure, each its own pairs, for so long and until all of it has come.
async fn collect(lab: &CosmosLab, daemons: &[(Daemon, Vec<(String, String)>)]) -> (Collected, Vec<String>) {
    let (mut collected, begin) = (Collected::default(), Instant::now());
    let length = Duration::from_secs(if acceptance() { 300 } else { 25 });
    while begin.elapsed() < length {
        sleep(Duration::from_secs(3)).await;
        for (daemon, pairs) in daemons {
            collected.collect_some(daemon, pairs.clone()).await;
        }
    }
    let (end, patience) = (lab.now().instant, Instant::now() + Duration::from_secs(8));
    while !unsampled(lab, &collected, begin, end).is_empty() && Instant::now() < patience {
        sleep(Duration::from_millis(300)).await;
        for (daemon, pairs) in daemons {
            collected.collect_some(daemon, pairs.clone()).await;
        }
    }
    let missing = unsampled(lab, &collected, begin, end);
    (collected, missing)
}

/// Every heartbeat is sampled, every sample holds the truth, and but for one in fifty none is wider than `bound`, which
/// knows a pair's clocks.
fn check(
    what: &str,
    lab: &CosmosLab,
    (collected, unsampled): &(Collected, Vec<String>),
    bound: impl Fn(&(String, String)) -> f64,
) {
    let lies = collected.lies(lab);
    let mut all = Vec::new();
    let mut wider = Vec::new();
    for (pair, samples) in &collected.0 {
        let bound = bound(pair);
        for sample in samples.values() {
            all.push(sample.width());
            if sample.width() > bound {
                wider.push(format!("{pair:?}: {:.3} s, over {bound:.3} s", sample.width()));
            }
        }
    }
    all.sort_by(f64::total_cmp);
    println!(
        "{what}: {} heartbeats, {} samples, {} unsampled, {} wrong; width: median {:.3} s, widest {:.3} s, {} wider than \
         the bound",
        lab.truth().count(),
        all.len(),
        unsampled.len(),
        lies.len(),
        all[all.len() / 2],
        all[all.len() - 1],
        wider.len()
    );
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
    assert!(unsampled.is_empty(), "heartbeats without a sample:\n{}", unsampled.join("\n"));
    assert!(all.len() > 100, "{} samples prove little", all.len());
    assert!(wider.len() * 50 <= all.len(), "of {}:\n{}", all.len(), wider.join("\n"));
}

/// The gap between reads is at most twice that of five even ones while anything is unseen.
fn gap(interval: f64) -> f64 {
    2.0 * interval / 5.0 + SCHEDULING
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_central_prober_samples_every_heartbeat_and_the_truth_lies_in_every_sample() {
    let _seat = seat().await;
    let lab = lab().await;
    let daemon = Daemon::start(settings(&lab).interval("500ms").slots(2)).await;
    healthy(&daemon).await;
    let found = collect(&lab, &[(daemon, pairs_of(&lab))]).await;
    check("central, 50, 300 and 1200 ms, two slots", &lab, &found, |_| gap(0.5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gauge_in_each_region_samples_every_heartbeat_and_the_truth_lies_in_every_sample() {
    let _seat = seat().await;
    let lab = lab().await;
    let mut gauges = Vec::new();
    for target in REGIONS {
        let gauge = gauge::start(settings(&lab).interval("500ms").local_region(target), target).await;
        let sources = REGIONS.iter().filter(|source| **source != target);
        gauges.push((gauge, sources.map(|source| (source.to_string(), target.to_owned())).collect()));
    }
    // Until the clocks are bounded by echoes, which are as wide as a lag there and one back.
    for (gauge, _) in &gauges {
        healthy(gauge).await;
    }
    sleep(Duration::from_secs(4)).await;
    let found = collect(&lab, &gauges).await;
    let lag = |source: usize, target: usize| LAGS[source][target] as f64 / 1e3;
    let place = |name: &str| REGIONS.iter().position(|region| *region == name).unwrap();
    check("gauges, 50, 300 and 1200 ms", &lab, &found, |(source, target)| {
        let (source, target) = (place(source), place(target));
        // An apparent lag is as much over the true one as its read was late, there and back.
        gap(0.5) + lag(source, target) + lag(target, source) + 2.0 * gap(0.5)
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_follows_a_writer_that_was_killed_and_nothing_is_lost() {
    let _seat = seat().await;
    let lab = lab().await;
    let start = async |host: &str| gauge::start(settings(&lab).interval("500ms").local_region("eastus"), host).await;
    let is_active = async |daemon: &Daemon| daemon.metrics().await.sum("tidegauge_writer_active", &[]) == 1.0;
    let mut first = start("host-1").await;
    until("the first one writes", Duration::from_secs(5), async || {
        if is_active(&first).await { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let second = start("host-2").await;
    sleep(Duration::from_secs(3)).await;
    assert!(!is_active(&second).await, "two write at once");
    first.kill().await;
    let killed = Instant::now();
    until("the second one writes", Duration::from_secs(10), async || {
        if is_active(&second).await { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    println!("killed, followed after {:?}", killed.elapsed());
    let commits = lab.truth().commits("eastus");
    let runs: std::collections::BTreeSet<u64> = commits.iter().map(|commit| commit.heartbeat.run).collect();
    assert_eq!(runs.len(), 2, "a reign each: {runs:?}");
    assert_eq!(second.metrics().await.sum("tidegauge_heartbeats_total", &[("result", "refused")]), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_reads_its_own_region_once_an_interval_and_writes_nothing() {
    let _seat = seat().await;
    let lab = lab().await;
    let mut gauges = Vec::new();
    for region in REGIONS {
        gauges.push(gauge::start(settings(&lab).interval("500ms").local_region(region), region).await);
    }
    let of_observer = settings(&lab).interval("500ms").local_region("japaneast").observer();
    let observer = gauge::start(of_observer, "pod").await;
    until("both ways in are measured", Duration::from_secs(20), async || {
        let pairs = observer.pairs().await;
        let fits =
            |pair: &&crate::support::Pair| pair.current_lag_seconds.is_some() && pair.target_region == "japaneast";
        if pairs.iter().filter(fits).count() == 2 {
            return Ok(());
        }
        Err(pairs.iter().map(crate::support::Pair::describe).collect::<Vec<_>>().join("; "))
    })
    .await;
    let reads = async || observer.metrics().await.sum("tidegauge_reads_total", &[]);
    let (before, since) = (reads().await, Instant::now());
    sleep(Duration::from_secs(5)).await;
    let polls = (reads().await - before) / (since.elapsed().as_secs_f64() / 0.5);
    println!("an observer: {polls:.3} reads an interval");
    assert!((0.7..=1.05).contains(&polls), "{polls} reads an interval");
    // All that was written is the gauges', one reign in each region.
    for region in REGIONS {
        let runs: std::collections::BTreeSet<u64> =
            lab.truth().commits(region).iter().map(|commit| commit.heartbeat.run).collect();
        assert_eq!(runs.len(), 1, "{region}: {runs:?}");
    }
    assert_eq!(observer.metrics().await.sum("tidegauge_heartbeats_total", &[]), 0.0);
}
