//! Observers whose region cannot be read: up, ready, and without a number that could pass for knowledge.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::gauge::{self, REGIONS};
use crate::lab::{Down, Lab, Lag, Mode};
use crate::support::{Daemon, Pair, seat, until};

const INTERVAL: Duration = Duration::from_millis(500);
/// Where they are.
const REGION: &str = REGIONS[1];
/// For a look over HTTP on a busy host, and for a deadline of one interval.
const SLACK: Duration = Duration::from_millis(1_200);

async fn observer(lab: &Lab, host: &str) -> Daemon {
    gauge::start(lab.settings().interval("500ms").local_region(REGION).observer(), host).await
}

/// It is up, and ready to answer.
async fn answers(observer: &Daemon) {
    for path in ["/-/healthy", "/-/ready"] {
        let (status, body) = observer.answer(path).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
}

/// What of a pair could pass for knowledge, so long after the last look at it.
fn looks_known(pair: &Pair, since: Duration) -> bool {
    let least = since.saturating_sub(INTERVAL).as_secs_f64();
    !["unknown", "read_failing"].contains(&&*pair.state)
        || pair.current_lag_seconds.is_some()
        || pair.staleness_seconds.is_some_and(|staleness| staleness < least)
        || pair.last_sample.is_some()
}

/// Both say nothing but that they cannot look, and why, from a few intervals after `since` on.
async fn know_nothing(observers: [&Daemon; 2], since: Instant, cause: &str) -> Duration {
    let mut told = Duration::ZERO;
    while since.elapsed() < 6 * INTERVAL + SLACK + Duration::from_secs(1) {
        sleep(Duration::from_millis(150)).await;
        for observer in observers {
            answers(observer).await;
            let asked = since.elapsed();
            let pairs = observer.pairs().await;
            assert_eq!(pairs.len(), 2, "those that end in its region: {pairs:?}");
            for pair in pairs {
                let named = pair.state == "read_failing" && pair.reason.contains(cause);
                if looks_known(&pair, asked) || !named {
                    told = told.max(asked);
                    assert!(asked < 6 * INTERVAL + SLACK, "after {asked:?}: {pair:?}");
                }
            }
        }
    }
    for observer in observers {
        let metrics = observer.metrics().await;
        for name in ["tidegauge_current_lag_seconds", "tidegauge_replication_lag_seconds_count"] {
            assert!(metrics.0.iter().all(|series| series.name != name), "{name} is exposed");
        }
        let labels = [("target_region", REGION), ("state", "read_failing")];
        assert_eq!(metrics.sum("tidegauge_pair_state", &labels), 2.0);
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_that_cannot_read_stays_up_says_so_and_heals() {
    let _seat = seat().await;
    let lab = Lab::builder().regions(REGIONS).lag(Lag::log_normal(Duration::from_millis(300), 0.2)).seed(77);
    let lab = lab.start().await;
    let mut gauges = Vec::new();
    for region in REGIONS {
        gauges.push(gauge::start(lab.settings().interval("500ms").local_region(region), region).await);
    }
    let old = observer(&lab, "host-pod").await;
    until("it is well", Duration::from_secs(20), async || old.all_ok().await).await;

    let troubles = [
        (Mode::Denied, "access is denied"),
        (Mode::Down(Down::Refuse), "no connection"),
        (Mode::Down(Down::Hang), "no answer within the deadline"),
    ];
    for (mode, cause) in troubles {
        for region in REGIONS {
            lab.set_mode(region, mode).await;
        }
        let troubled = Instant::now();
        // One that was well, and one that has never known anything.
        let mut young = observer(&lab, "host-new-pod").await;
        let told = know_nothing([&old, &young], troubled, cause).await;
        for region in REGIONS {
            lab.set_mode(region, Mode::Up).await;
        }
        let up = Instant::now();
        for observer in [&old, &young] {
            until("it heals", Duration::from_secs(20), async || observer.all_ok().await).await;
        }
        println!("observers, {mode:?}: told within {told:?}, healed within {:?}", up.elapsed());
        let (status, took) = young.stop().await;
        assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");
    }
}
