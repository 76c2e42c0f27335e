//! Two gauges in one region: who writes, who stands by, and what the gauges elsewhere say while one follows the other.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::gauge::{Gauge, REGIONS, clocks_can_be_wrong, fleet, lab};
use crate::support::{seat, until};

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
