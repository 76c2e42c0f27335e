//! What an application is advised that asks a gauge, or an observer, while things go wrong.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::time::sleep;

use crate::lab::{DaemonSettings, Down, Lab, Lag, Mode};
use crate::support::{Daemon, STORE, seat, until};

/// An application does not wait longer than this; no answer is one that says nothing.
const PATIENCE: Duration = Duration::from_millis(50);

async fn lab(seed: u64) -> Lab {
    Lab::builder().lag(Lag::log_normal(Duration::from_millis(200), 0.2)).seed(seed).start().await
}

fn with_policy(settings: DaemonSettings, policy: &str) -> DaemonSettings {
    settings.store_line(&format!("advice = {{ max_staleness = \"4s\", min_dwell = \"2s\", {policy} }}"))
}

/// What an application does: asks with HEAD, and takes whatever is no answer for unknown.
async fn ask(daemon: &Daemon, query: &str) -> Option<String> {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let url = daemon.url(&format!("/api/v1/advice?store={STORE}{query}"));
    let answer = http.head(url).send().await.ok()?;
    Some(answer.headers().get("tidegauge-decision")?.to_str().unwrap().to_owned())
}

async fn becomes(daemon: &Daemon, query: &str, decision: &str, limit: Duration) {
    until(&format!("{query} is {decision}"), limit, async || match ask(daemon, query).await {
        Some(answer) if answer == decision => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
}

async fn explained(daemon: &Daemon) -> Json {
    let body: Json = serde_json::from_str(&daemon.text(&format!("/api/v1/advice?store={STORE}")).await).unwrap();
    body["data"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gauge_that_is_frozen_thawed_or_killed_never_calls_old_data_young() {
    let _seat = seat().await;
    let lab = lab(71).await;
    let settings = lab.settings().local_region("eu-west-1");
    let mut others = Vec::new();
    for region in ["us-east-1", "ap-southeast-2"] {
        others.push(Daemon::start(lab.settings().local_region(region)).await);
    }
    let mut daemon = Daemon::start(with_policy(settings, "basis = \"bound\"")).await;
    assert_ne!(ask(&daemon, "").await.as_deref(), Some("read_local"), "it has just started");
    becomes(&daemon, "", "read_local", Duration::from_secs(20)).await;

    daemon.freeze().await;
    let asked = Instant::now();
    assert_eq!(ask(&daemon, "").await, None);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    sleep(Duration::from_secs(6)).await;
    daemon.thaw().await;
    // What was young when it froze is not any more, and it knows before it has read anything.
    let thawed = Instant::now();
    let first = until("it answers", Duration::from_secs(5), async || {
        ask(&daemon, "").await.ok_or_else(|| "nothing".to_owned())
    });
    let first = first.await;
    println!("{:?} after it was thawed: {first}", thawed.elapsed());
    assert_eq!(first, "read_home_region");
    becomes(&daemon, "", "read_local", Duration::from_secs(20)).await;

    daemon.kill().await;
    assert_eq!(ask(&daemon, "").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_region_stops_reads_or_is_left_out_by_gauges_and_observers_as_their_policies_say() {
    let _seat = seat().await;
    let lab = lab(72).await;
    let (refuse, exclude) = ("exclude_after = \"10s\"", "lost_source = \"exclude\", exclude_after = \"10s\"");
    let local = |region: &str, policy: &str| with_policy(lab.settings().local_region(region), policy);
    let _lost = Daemon::start(local("us-east-1", refuse)).await;
    let refusing = Daemon::start(local("eu-west-1", refuse)).await;
    let excluding = Daemon::start(local("ap-southeast-2", exclude)).await;
    let observer = Daemon::start(local("ap-southeast-2", exclude).observer()).await;
    let all = [&refusing, &excluding, &observer];
    for daemon in all {
        becomes(daemon, "", "read_local", Duration::from_secs(25)).await;
    }

    lab.set_mode("us-east-1", Mode::Down(Down::Hang)).await;
    let down = Instant::now();
    // Not lost yet: items that live elsewhere can be read there, those that live in the lost region nowhere.
    for daemon in all {
        becomes(daemon, "", "read_home_region", Duration::from_secs(8)).await;
    }
    println!("{:?} after the loss: all go home", down.elapsed());
    becomes(&refusing, "&source_region=us-east-1", "refuse", Duration::from_secs(8)).await;
    becomes(&refusing, "&source_region=ap-southeast-2", "read_local", Duration::from_secs(1)).await;
    let home = explained(&refusing).await;
    assert_eq!(home["avoid"][0]["region"], "us-east-1", "{home}");

    becomes(&refusing, "", "refuse", Duration::from_secs(25)).await;
    for daemon in [&excluding, &observer] {
        becomes(daemon, "", "read_local", Duration::from_secs(25)).await;
        let data = explained(daemon).await;
        assert_eq!(data["rests_on"], "policy", "{data}");
        let excluded = &data["excluded"][0];
        assert_eq!(excluded["source_region"], "us-east-1", "{data}");
        assert!(
            excluded["watermark"]["written_at"].is_string() && excluded["silent_seconds"].as_f64() > Some(10.0),
            "{data}"
        );
    }
    println!("{:?} after the loss: refused, or left out", down.elapsed());

    lab.set_mode("us-east-1", Mode::Up).await;
    for daemon in all {
        becomes(daemon, "", "read_local", Duration::from_secs(25)).await;
        until("nothing is left out", Duration::from_secs(10), async || {
            let data = explained(daemon).await;
            if data["rests_on"] == "measurement" && data["excluded"] == serde_json::json!([]) {
                Ok(())
            } else {
                Err(data.to_string())
            }
        })
        .await;
    }
}
