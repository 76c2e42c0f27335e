//! A region that is slow, out of reach, out of the account or throttled, and replication that stops.

use super::*;
use crate::lab::Down;
use crate::lab::cosmos::{CosmosMode, Part, Refusal};
use crate::support::{Bystanders, Pair, command, free_address};

/// The largest lag there is between bystanders, with room.
const LAG_MAX: f64 = 2.2;

const HERE: &str = "westeurope";

/// Waits until every pair is in the state that it is to be in, then sees for so long that it stays there and that the
/// others are left alone.
async fn becomes(daemon: &Daemon, what: &str, wanted: impl Fn(&Pair) -> Option<&'static str>) -> Vec<Pair> {
    let limit = Duration::from_secs(15);
    let pairs = until(what, limit, async || {
        let pairs = daemon.pairs().await;
        let unfit = pairs.iter().filter(|pair| wanted(pair).is_some_and(|wanted| pair.state != wanted));
        let unfit: Vec<String> = unfit.map(Pair::describe).collect();
        if unfit.is_empty() { Ok(pairs) } else { Err(unfit.join("; ")) }
    })
    .await;
    let (mut bystanders, since) = (Bystanders::default(), Instant::now());
    while since.elapsed() < Duration::from_secs(4) {
        let pairs = daemon.pairs().await;
        bystanders.note(&pairs, LAG_MAX, |pair| wanted(pair).is_none());
        sleep(Duration::from_millis(100)).await;
    }
    bystanders.were_left_alone();
    println!(
        "{what}: {}",
        pairs.iter().filter(|pair| wanted(pair).is_some()).map(Pair::describe).collect::<Vec<_>>().join("; ")
    );
    pairs
}

/// No sample that was ever taken is untrue: no answer was another region's.
async fn nothing_was_untrue(lab: &CosmosLab, daemon: &Daemon) {
    let mut collected = Collected::default();
    collected.collect(daemon, lab).await;
    let lies = collected.lies(lab);
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
}

fn ends_here(pair: &Pair) -> bool {
    pair.target_region == HERE
}

fn begins_here(pair: &Pair) -> bool {
    pair.source_region == HERE
}

/// What becomes of the pairs of a region that answers nobody.
fn out_of_reach(pair: &Pair) -> Option<&'static str> {
    match pair {
        pair if ends_here(pair) => Some("read_failing"),
        pair if begins_here(pair) => Some("write_failing"),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_takes_three_seconds_is_failing_and_no_other_one_answers_for_it() {
    let _seat = seat().await;
    let lab = lab().await;
    let (home, address) = (tempfile::tempdir().unwrap(), free_address());
    let file = home.path().join("tidegauge.toml");
    // Longer than the SDK waits before it asks somebody else.
    std::fs::write(&file, settings(&lab).interval("2s").listen(address.clone()).to_toml()).unwrap();
    let mut command = command(home.path());
    // Even where the environment wants it.
    command.env("AZURE_COSMOS_HEDGING_ENABLED_OVERRIDE", "true").arg("--config").arg(file).arg("run");
    let daemon = Daemon::spawn(command, home, address).await;
    assert!(daemon.log().contains("AZURE_COSMOS_HEDGING_ENABLED_OVERRIDE is set"), "{}", daemon.log());
    healthy(&daemon).await;
    lab.set_mode(HERE, CosmosMode::Slow(Duration::from_secs(3))).await;
    becomes(&daemon, "slow by 3 s", out_of_reach).await;
    nothing_was_untrue(&lab, &daemon).await;
    lab.set_mode(HERE, CosmosMode::Up).await;
    healthy(&daemon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_hangs_refuses_or_is_taken_out_of_the_account_is_failing_and_heals() {
    let _seat = seat().await;
    let lab = lab().await;
    let daemon = Daemon::start(settings(&lab).interval("500ms")).await;
    healthy(&daemon).await;
    for mode in [CosmosMode::Down(Down::Hang), CosmosMode::Down(Down::Refuse), CosmosMode::Offline] {
        lab.set_mode(HERE, mode).await;
        becomes(&daemon, &format!("{mode:?}"), out_of_reach).await;
        nothing_was_untrue(&lab, &daemon).await;
        lab.set_mode(HERE, CosmosMode::Up).await;
        let since = Instant::now();
        healthy(&daemon).await;
        println!("healed after {:?}", since.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_that_stops_is_a_stall_of_its_pair_alone_and_every_heartbeat_in_it_is_sampled() {
    let _seat = seat().await;
    let lab = lab().await;
    let daemon = Daemon::start(settings(&lab).interval("500ms")).await;
    healthy(&daemon).await;
    let begin = lab.now().instant;
    lab.pause("eastus", HERE).await;
    becomes(&daemon, "paused", |pair| pair.is("eastus", HERE).then_some("stalled")).await;
    lab.resume("eastus", HERE).await;
    healthy(&daemon).await;
    let end = lab.now().instant;
    let mut collected = Collected::default();
    until("every heartbeat has a sample", Duration::from_secs(6), async || {
        collected.collect(&daemon, &lab).await;
        let missing = unsampled(&lab, &collected, begin, end);
        if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) }
    })
    .await;
    assert!(collected.lies(&lab).is_empty(), "{:#?}", collected.lies(&lab));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_shows_as_such_on_its_pairs_alone_and_a_full_queue_is_told_apart() {
    let _seat = seat().await;
    let lab = lab().await;
    let daemon = Daemon::start(settings(&lab).interval("250ms")).await;
    healthy(&daemon).await;
    // Some get through, as with a budget that is used up for a part of the time. Not in step with the ticks.
    for (part, refusal, reason) in [
        (Part::Writes, Refusal::throttled(), "throttled"),
        (Part::Writes, Refusal::replication_queue_full(), "replication_queue_full"),
        (Part::Reads, Refusal::throttled(), "throttled"),
    ] {
        let is_hit = |pair: &Pair| if part == Part::Writes { begins_here(pair) } else { ends_here(pair) };
        let what = format!("{part:?} {refusal:?}");
        let labels = [("region", HERE), ("reason", reason)];
        let before = daemon.metrics().await.sum("tidegauge_errors_total", &labels);
        let since = Instant::now();
        let mut found = Vec::new();
        while since.elapsed() < Duration::from_secs(8) {
            for (mode, looks) in [(CosmosMode::Refusing(part, refusal), 3), (CosmosMode::Up, 4)] {
                lab.set_mode(HERE, mode).await;
                for _ in 0..looks {
                    sleep(Duration::from_millis(83)).await;
                    found.extend(daemon.pairs().await);
                }
            }
        }
        let hit: Vec<&Pair> = found.iter().filter(|pair| is_hit(pair) && pair.state == "throttled").collect();
        assert!(
            hit.len() >= 20,
            "{what}: {:#?}",
            found.iter().filter(|pair| is_hit(pair)).map(Pair::describe).collect::<Vec<_>>()
        );
        println!(
            "{what}: {} looks of {}: {}",
            hit.len(),
            found.iter().filter(|pair| is_hit(pair)).count(),
            hit[hit.len() - 1].reason
        );
        let others: Vec<String> =
            found.iter().filter(|pair| !is_hit(pair) && pair.state == "throttled").map(Pair::describe).collect();
        assert!(others.is_empty(), "{what}: {others:?}");
        let after = daemon.metrics().await.sum("tidegauge_errors_total", &labels);
        assert!(after > before, "{what}: {before}, {after}");
        healthy(&daemon).await;
    }
    nothing_was_untrue(&lab, &daemon).await;
}
