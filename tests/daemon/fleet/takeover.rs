//! Two gauges in one region: who writes, who stands by, and what the gauges elsewhere say while one follows the other.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::gauge::{Gauge, REGIONS, clocks_can_be_wrong, fleet, lab};
use super::watch::Watch;
use crate::lab::Lab;
use crate::support::{acceptance, seat, until};

const INTERVAL: Duration = Duration::from_secs(1);

/// A fleet with a standby in the first region, all well.
async fn fleet_with_standby(lab: &Lab) -> (Vec<Gauge>, Gauge) {
    let gauges = fleet(lab, "").await;
    until("the first gauge writes", Duration::from_secs(10), async || {
        if gauges[0].is_active().await { Ok(()) } else { Err("it does not".to_owned()) }
    })
    .await;
    let standby = Gauge::start(lab, 0, "host-standby", (0.7, -50e-6), "").await;
    for gauge in gauges.iter().chain([&standby]) {
        until("it measures", Duration::from_secs(20), async || gauge.daemon.all_ok().await).await;
    }
    assert_eq!((gauges[0].is_active().await, standby.is_active().await), (true, false));
    (gauges, standby)
}

/// The first region's newest run, by the lab's truth.
fn newest_run(lab: &Lab) -> u64 {
    lab.truth().commits(REGIONS[0]).last().map(|commit| commit.heartbeat.run).expect("it has a writer")
}

/// When the first heartbeat of a run above this one was committed.
fn followed_at(lab: &Lab, run: u64) -> Option<Instant> {
    let commits = lab.truth().commits(REGIONS[0]).into_iter();
    commits.filter(|commit| commit.heartbeat.run > run).map(|commit| commit.at.after.instant).min()
}

async fn refused(gauge: &Gauge) -> f64 {
    let labels = [("region", REGIONS[gauge.region]), ("result", "refused")];
    gauge.daemon.metrics().await.sum("tidegauge_heartbeats_total", &labels)
}

/// Watches until the first region's writer of this run is followed. Returns how long after `gone` that was.
async fn watch_until_followed(watch: &mut Watch, lab: &Lab, gauges: &[&Gauge], run: u64, gone: Instant) -> Duration {
    let followed = until("somebody follows", 20 * INTERVAL, async || {
        watch.look(lab, gauges).await;
        followed_at(lab, run).ok_or_else(|| "nobody does".to_owned())
    })
    .await;
    followed - gone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_writer_is_followed_within_seven_intervals_and_no_heartbeat_is_lost_and_no_lag_invented() {
    if !clocks_can_be_wrong() {
        return;
    }
    let _seat = seat().await;
    let lab = lab(74).await;
    let (mut gauges, mut standby) = fleet_with_standby(&lab).await;
    let (mut watch, begin) = (Watch::default(), Instant::now());
    watch.look_for(5 * INTERVAL, &lab, &[&gauges[0], &gauges[1], &gauges[2], &standby]).await;

    let (mut latest, mut refusals) = (Duration::ZERO, 0.0);
    let rounds = if acceptance() { 10 } else { 1 };
    for round in 1..=rounds {
        let run = newest_run(&lab);
        gauges[0].daemon.kill().await;
        let killed = Instant::now();
        let there = [&gauges[1], &gauges[2], &standby];
        let followed = watch_until_followed(&mut watch, &lab, &there, run, killed).await;
        watch.look_for(8 * INTERVAL, &lab, &there).await;
        latest = latest.max(followed);
        refusals = refused(&standby).await.max(refusals);
        assert!(standby.is_active().await, "it says that it writes");
        if round < rounds {
            let next =
                Gauge::start(&lab, 0, &format!("host-standby-{round}"), (-0.4 * f64::from(round), 50e-6), "").await;
            gauges[0] = std::mem::replace(&mut standby, next);
            until("it measures", Duration::from_secs(20), async || standby.daemon.all_ok().await).await;
        }
    }
    let end = Instant::now();
    let unsampled = watch.settle(&lab, &[&gauges[1], &gauges[2]], begin, end).await;
    let lies = watch.collected.lies(&lab);
    println!(
        "kill -9, {rounds} times: followed after {latest:?} at most, {refusals} refused writes at most; {}; {} \
         unsampled, {} wrong",
        watch.describe(),
        unsampled.len(),
        lies.len()
    );
    assert!(latest <= 7 * INTERVAL, "followed only after {latest:?}");
    assert!(refusals <= 3.0, "{refusals} refused writes");
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
    assert!(unsampled.is_empty(), "heartbeats without a sample:\n{}", unsampled.join("\n"));
    watch.no_lag_was_invented();
    watch.nobody_of(REGIONS[0], "stalled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_was_frozen_and_thaws_stands_down_at_its_first_refused_write() {
    if !clocks_can_be_wrong() {
        return;
    }
    let _seat = seat().await;
    let lab = lab(75).await;
    let (gauges, standby) = fleet_with_standby(&lab).await;
    let (mut watch, begin) = (Watch::default(), Instant::now());
    watch.look_for(3 * INTERVAL, &lab, &[&gauges[0], &gauges[1], &gauges[2], &standby]).await;

    let run = newest_run(&lab);
    gauges[0].daemon.freeze().await;
    let frozen = Instant::now();
    let awake = [&gauges[1], &gauges[2], &standby];
    let followed = watch_until_followed(&mut watch, &lab, &awake, run, frozen).await;
    watch.look_for(2 * INTERVAL, &lab, &awake).await;
    gauges[0].daemon.thaw().await;
    let thawed = Instant::now();
    until("it stands down", 5 * INTERVAL, async || {
        if gauges[0].is_active().await { Err("it says that it writes".to_owned()) } else { Ok(()) }
    })
    .await;
    let stood_down = thawed.elapsed();
    let all = [&gauges[0], &gauges[1], &gauges[2], &standby];
    watch.look_for(5 * INTERVAL, &lab, &all).await;
    let unsampled = watch.settle(&lab, &awake, begin, Instant::now()).await;
    let (of_thawed, of_standby) = (refused(&gauges[0]).await, refused(&standby).await);
    let lies = watch.collected.lies(&lab);
    println!(
        "SIGSTOP: followed after {followed:?}; thawed, it stood down after {stood_down:?} with {of_thawed} refused \
         writes, {of_standby} of the standby; {}; {} unsampled, {} wrong",
        watch.describe(),
        unsampled.len(),
        lies.len()
    );
    assert_eq!(of_thawed, 1.0, "it stands down at its first refused write");
    assert!(of_standby <= 3.0, "{of_standby} refused writes of the standby");
    assert_eq!((gauges[0].is_active().await, standby.is_active().await), (false, true));
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
    assert!(unsampled.is_empty(), "heartbeats without a sample:\n{}", unsampled.join("\n"));
    watch.no_lag_was_invented();
    watch.nobody_of(REGIONS[0], "stalled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_silence_is_told_from_a_stall() {
    if !clocks_can_be_wrong() {
        return;
    }
    let _seat = seat().await;
    let lab = lab(72).await;
    let mut gauges = fleet(&lab, "").await;
    sleep(Duration::from_secs(2)).await;
    let mut standby = Gauge::start(&lab, 0, "host-standby", (0.7, -50e-6), "").await;
    let well = async |gauge: &Gauge| gauge.daemon.all_ok().await;
    for gauge in gauges.iter().chain([&standby]) {
        until("it measures", Duration::from_secs(20), async || well(gauge).await).await;
    }
    assert_eq!((gauges[0].is_active().await, standby.is_active().await), (true, false));

    // A stall is no silence.
    let (source, target) = (REGIONS[2], REGIONS[1]);
    lab.pause(source, target).await;
    until("it is stalled", Duration::from_secs(15), async || {
        let pair = gauges[1].daemon.pair(source, target).await;
        assert_ne!(pair.state, "writer_silent", "{}", pair.describe());
        if pair.state == "stalled" { Ok(()) } else { Err(pair.describe()) }
    })
    .await;
    lab.resume(source, target).await;
    until("it is well again", Duration::from_secs(15), async || well(&gauges[1]).await).await;

    // Stepped down in order, the writer is followed at once.
    let (_, took) = gauges[0].daemon.stop().await;
    let resigned = Instant::now();
    until("the standby writes", Duration::from_secs(2), async || {
        if standby.is_active().await { Ok(()) } else { Err("it stands by".to_owned()) }
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
