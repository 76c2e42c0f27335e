//! How it starts, how it ends, how it refuses, and what a scrape of it costs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use crate::lab::{Down, Lab, Lag, Mode};
use crate::support::{Daemon, command, free_address, seat, until};

async fn lab() -> Lab {
    Lab::builder().lag(Lag::log_normal(Duration::from_millis(300), 0.2)).seed(41).start().await
}

async fn healthy(daemon: &Daemon) {
    until("every pair is ok", Duration::from_secs(20), async || daemon.all_ok().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_within_two_seconds_while_a_region_hangs() {
    let _seat = seat().await;
    let lab = lab().await;
    let mut daemon = Daemon::start(lab.settings().interval("500ms")).await;
    healthy(&daemon).await;
    lab.set_mode("eu-west-1", Mode::Down(Down::Hang)).await;
    sleep(Duration::from_millis(1_200)).await;
    let (status, one) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{}", daemon.log());

    // And where everything hangs from the start.
    for region in lab.regions() {
        lab.set_mode(region, Mode::Down(Down::Hang)).await;
    }
    let mut daemon = Daemon::start(lab.settings()).await;
    sleep(Duration::from_millis(300)).await;
    let (status, all) = daemon.stop().await;
    println!("ended in {one:?} with a region hanging, in {all:?} with all of them");
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(one.max(all) <= Duration::from_secs(2), "it took {one:?} and {all:?} to end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_resigns_every_seat_and_the_next_start_takes_over_at_once() {
    let _seat = seat().await;
    let lab = lab().await;
    let mut daemon = Daemon::start(lab.settings()).await;
    let first = first_heartbeats(&lab, &daemon, &BTreeMap::new()).await;
    healthy(&daemon).await;
    let (status, took) = daemon.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(took <= Duration::from_secs(2), "it took {took:?} to end");
    let mut runs = BTreeMap::new();
    for region in lab.regions() {
        let item = lab.peek(region, "tidegauge-0", region).expect("its heartbeat is stored");
        assert_eq!(item["tg_resigned"]["BOOL"], true, "{region} is not resigned: {item}");
        runs.insert(region.to_owned(), lab.truth().commits(region).last().unwrap().heartbeat.run);
    }
    let daemon = Daemon::start(lab.settings()).await;
    let next = first_heartbeats(&lab, &daemon, &runs).await;
    println!("ended in {took:?}; from spawn to first heartbeat: {first:?} with no key, {next:?} after a resignation");
    for wait in first.values().chain(next.values()) {
        assert!(*wait <= Duration::from_secs(1), "from spawn to first heartbeat: {first:?}, then {next:?}");
    }
}

/// From spawn to each source's first commit of a run above the given.
async fn first_heartbeats(lab: &Lab, daemon: &Daemon, runs: &BTreeMap<String, u64>) -> BTreeMap<String, Duration> {
    until("every source has a new run", Duration::from_secs(10), async || {
        let mut waits = BTreeMap::new();
        for region in lab.regions() {
            let above = runs.get(region).copied().unwrap_or_default();
            let commits = lab.truth().commits(region);
            let first = commits.iter().find(|commit| commit.heartbeat.run > above);
            let first = first.ok_or_else(|| format!("{region} has none"))?;
            waits.insert(region.to_owned(), first.at.after.instant - daemon.spawned);
        }
        Ok(waits)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_settings_are_refused_with_all_of_their_problems_and_bad_usage_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("bad.toml");
    let bad = r#"
[cell]
name = "lab"
central = true
colour = "blue"
[server]
listen = "localhost"
[[stores]]
name = "orders"
heartbeat = { interval = "0s" }
regions = [ { name = "us-east-1", endpoint = "http://192.0.2.1:8000" }, { name = "us-east-1" } ]
[stores.dynamodb]
table = "GlobalCellState"
"#;
    std::fs::write(&file, bad).unwrap();
    let ways: [&[&str]; 3] = [&[], &["run"], &["check", "--offline"]];
    for way in ways {
        let refused = command(home.path()).arg("--config").arg(&file).args(way).output().await.unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(78), "{way:?}: {said}");
        for problem in ["colour", "listen", "interval", "endpoint", "\"us-east-1\"", "partition_key"] {
            assert!(said.contains(problem), "{way:?} does not name {problem}:\n{said}");
        }
        assert!(said.contains("bad.toml"), "the file is named:\n{said}");
    }
    let missing = command(home.path()).args(["--config", "/nowhere/at/all.toml"]).output().await.unwrap();
    assert_eq!(missing.status.code(), Some(78), "a file that is not there is a setting that is not right");
    let usages: [&[&str]; 3] = [&["--no-such-flag"], &["no-such-command"], &["run", "--config"]];
    for usage in usages {
        let refused = command(home.path()).args(usage).output().await.unwrap();
        assert_eq!(refused.status.code(), Some(64), "{usage:?}");
    }
    let version = command(home.path()).arg("--version").output().await.unwrap();
    assert_eq!(version.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_with_bad_settings_stays_up_and_says_that_it_knows_nothing() {
    let address = free_address();
    for file in [Some("role = \"observer\"\n[[stores]]\nname = 7\n"), Some("no TOML"), None] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tidegauge.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let mut command = command(home.path());
        command
            .env("TIDEGAUGE__ON_BAD_SETTINGS", "serve")
            .env("TIDEGAUGE__SERVER__LISTEN", &address)
            .arg("--config")
            .arg(path);
        let mut daemon = Daemon::spawn(command, home, address.clone()).await;
        for path in ["/api/v1/pairs", "/", "/-/ready"] {
            let (status, body) = daemon.answer(path).await;
            assert_eq!(status, 503, "{path}: {body}");
            assert!(body.contains("everything is unknown: the settings were refused"), "{path}: {body}");
        }
        let (status, page) = daemon.page().await;
        assert_eq!(status, 503, "{page}");
        assert!(page.contains("Everything is unknown: the settings were refused"), "{page}");
        assert!(page.contains("None are in use, and nothing is measured."), "{page}");
        assert_eq!(daemon.answer("/-/healthy").await.0, 200);
        let metrics = daemon.metrics().await;
        let successful = metrics.0.iter().find(|series| series.name == "tidegauge_config_last_reload_successful");
        assert_eq!(successful.map(|series| series.value), Some(0.0));
        let (status, took) = daemon.stop().await;
        assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = command(home.path()).arg("demo").env("TIDEGAUGE__SERVER__LISTEN", &address).output().await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_shows_numbers_within_two_seconds() {
    let _seat = seat().await;
    let (home, address) = (tempfile::tempdir().unwrap(), free_address());
    let mut command = command(home.path());
    command.arg("demo").env("TIDEGAUGE__SERVER__LISTEN", &address);
    let mut daemon = Daemon::spawn(command, home, address).await;
    let limit = Duration::from_secs(2).saturating_sub(daemon.spawned.elapsed());
    until("a first pair has a current lag", limit, async || {
        let pairs = daemon.pairs().await;
        if pairs.iter().any(|pair| pair.current_lag_seconds.is_some()) { Ok(()) } else { Err(format!("{pairs:?}")) }
    })
    .await;
    let first = daemon.spawned.elapsed();
    let count = until("every pair has a sample", Duration::from_secs(8), async || {
        let pairs = daemon.pairs().await;
        let without = pairs.iter().filter(|pair| pair.last_sample.is_none()).count();
        if without == 0 { Ok(pairs.len()) } else { Err(format!("{without} pairs have none")) }
    })
    .await;
    let all = daemon.spawned.elapsed();
    println!("demonstration: first current lag after {first:?}, all {count} pairs sampled after {all:?}");
    let (status, took) = daemon.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(took <= Duration::from_secs(2), "it took {took:?} to end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_while_others_listen_to_its_events_and_their_streams_end_in_good_order() {
    let _seat = seat().await;
    let (home, address) = (tempfile::tempdir().unwrap(), free_address());
    let mut command = command(home.path());
    command.arg("demo").env("TIDEGAUGE__SERVER__LISTEN", &address);
    let mut daemon = Daemon::spawn(command, home, address).await;
    let mut listener = daemon.begin("/api/v1/events").await;
    let _idle = daemon.begin("/api/v1/events").await;
    sleep(Duration::from_secs(2)).await;
    let (status, took) = daemon.stop().await;
    println!("ended in {took:?} with two listeners");
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took <= Duration::from_secs(2), "it took {took:?} to end");
    assert!(!daemon.log().contains("cut off"), "nothing had to be cut off:\n{}", daemon.log());
    let mut heard = String::new();
    listener.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("\r\n\r\n") && heard.contains("event: state\n"), "{heard}");
    assert!(heard.ends_with("0\r\n\r\n"), "the stream has an end of its own: {heard}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_has_at_most_45_series_a_pair_and_nothing_that_is_not_a_number() {
    let _seat = seat().await;
    let lab = lab().await;
    let daemon = Daemon::start(lab.settings().interval("500ms")).await;
    // From the first moment, when nothing is known, to the last, when a region is out of reach.
    let started = Instant::now();
    let mut most = 0;
    while started.elapsed() < Duration::from_secs(9) {
        if started.elapsed() > Duration::from_secs(5) {
            lab.set_mode("eu-west-1", Mode::Down(Down::Refuse)).await;
        }
        let mut counts = BTreeMap::new();
        for series in daemon.metrics().await.0 {
            assert!(!series.value.is_nan(), "{series:?}");
            if let (Some(source), Some(target)) =
                (series.labels.get("source_region"), series.labels.get("target_region"))
            {
                let pair = (series.labels["store"].clone(), source.clone(), target.clone());
                *counts.entry(pair).or_insert(0) += 1;
            }
        }
        assert_eq!(counts.len(), 6, "every pair is there: {counts:?}");
        most = most.max(counts.into_values().max().unwrap());
        sleep(Duration::from_millis(200)).await;
    }
    println!("series a pair: {most} at most");
    assert!(most <= 45, "{most} series a pair");
}
