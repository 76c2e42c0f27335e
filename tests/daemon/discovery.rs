//! Regions that the table itself names, and `tidegauge check`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::lab::{DaemonSettings, Down, Lab, Lag, Mode};
use crate::support::{Collected, Daemon, command, free_address, seat, until};

const LATER: &str = "ap-southeast-2";
const TABLE: &str = "GlobalCellState";

async fn lab() -> Lab {
    Lab::builder().lag(Lag::log_normal(Duration::from_millis(200), 0.2)).seed(61).start().await
}

async fn pairs_are_ok(daemon: &Daemon, regions: &[&str]) {
    let wanted = regions.len() * (regions.len() - 1);
    until("the pairs are those of the replicas, and ok", Duration::from_secs(20), async || {
        let pairs = daemon.pairs().await;
        let ok = pairs.iter().filter(|pair| pair.state == "ok").count();
        let there: BTreeSet<&str> = pairs.iter().map(|pair| pair.source_region.as_str()).collect();
        if (pairs.len(), ok) == (wanted, wanted) && there == regions.iter().copied().collect() {
            return Ok(());
        }
        Err(pairs.iter().map(crate::support::Pair::describe).collect::<Vec<_>>().join("; "))
    })
    .await;
}

async fn started(settings: DaemonSettings) -> Daemon {
    let (home, address) = (tempfile::tempdir().unwrap(), free_address());
    let file = home.path().join("tidegauge.toml");
    std::fs::write(&file, settings.listen(address.clone()).to_toml()).unwrap();
    let mut command = command(home.path());
    command.env("AWS_REGION", "us-east-1").arg("--config").arg(file);
    Daemon::spawn(command, home, address).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_added_appears_and_one_that_is_removed_is_retired_without_a_restart() {
    let _seat = seat().await;
    let lab = lab().await;
    lab.set_members(&["us-east-1", "eu-west-1"]);
    let settings = lab.settings().auto().interval("300ms").store_line("inspect_every = \"10s\"");
    let daemon = started(settings).await;
    pairs_are_ok(&daemon, &["us-east-1", "eu-west-1"]).await;

    lab.set_members(&["us-east-1", "eu-west-1", LATER]);
    let added = Instant::now();
    pairs_are_ok(&daemon, &["us-east-1", "eu-west-1", LATER]).await;
    let appeared = added.elapsed();
    let mut collected = Collected::default();
    collected.collect(&daemon, &lab).await;
    assert_eq!(collected.lies(&lab), Vec::<String>::new());

    lab.set_members(&["us-east-1", "eu-west-1"]);
    let removed = Instant::now();
    pairs_are_ok(&daemon, &["us-east-1", "eu-west-1"]).await;
    println!("a replica appeared after {appeared:?} and was retired after {:?}", removed.elapsed());
    // Another region may have said that it is there a moment before, and is asked again within `inspect_every`.
    until("nothing of it is left in the metrics", Duration::from_secs(12), async || {
        let series = daemon.metrics().await.0.into_iter();
        let frozen: Vec<_> = series.filter(|series| series.labels.values().any(|value| value == LATER)).collect();
        if frozen.is_empty() { Ok(()) } else { Err(format!("{frozen:?}")) }
    })
    .await;
    assert!(daemon.log().contains("no replica here any more"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gauge_of_one_region_finds_the_others_and_starts_before_it_may_ask() {
    let _seat = seat().await;
    let lab = lab().await;
    lab.set_denied("eu-west-1", "DescribeTable", true);
    let mut fleet = Vec::new();
    for region in ["us-east-1", LATER] {
        fleet.push(Daemon::start(lab.settings().auto().interval("300ms").local_region(region)).await);
    }
    let daemon = Daemon::start(lab.settings().auto().interval("300ms").local_region("eu-west-1")).await;
    until("the refusal is counted", Duration::from_secs(5), async || {
        let labels = [("operation", "inspect"), ("reason", "denied"), ("region", "eu-west-1")];
        if daemon.metrics().await.sum("tidegauge_errors_total", &labels) > 0.0 { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    assert!(daemon.pairs().await.is_empty());
    lab.set_denied("eu-west-1", "DescribeTable", false);
    until("both inbound pairs are ok", Duration::from_secs(20), async || {
        let pairs = daemon.pairs().await;
        if pairs.len() == 2 { daemon.all_ok().await } else { Err(format!("{} pairs", pairs.len())) }
    })
    .await;
}

/// How `check` ended, and its rows.
async fn check(settings: &DaemonSettings) -> (i32, Vec<Json>) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tidegauge.toml");
    std::fs::write(&file, settings.to_toml()).unwrap();
    let ended = command(home.path()).arg("--config").arg(&file).args(["check", "--json"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let answer: Json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    (ended.status.code().unwrap(), answer["data"]["rows"].as_array().unwrap().clone())
}

/// What is wrong, as "region finding".
fn wrong(rows: &[Json]) -> Vec<String> {
    let bad = rows.iter().filter(|row| row["verdict"] == "warning" || row["verdict"] == "error");
    bad.map(|row| {
        assert!(row["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{row}");
        format!("{} {}", row["region"].as_str().unwrap(), row["about"].as_str().unwrap())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_finds_nothing_in_a_healthy_set_up_and_deposes_no_writer() {
    let _seat = seat().await;
    let lab = lab().await;
    let daemon = Daemon::start(lab.settings().interval("300ms")).await;
    pairs_are_ok(&daemon, &lab.regions()).await;
    let run = |lab: &Lab| lab.truth().commits("us-east-1").last().unwrap().heartbeat.run;
    let before = run(&lab);
    let local = lab.settings().local_region(LATER);
    for (settings, written) in [(lab.settings(), 3), (lab.settings().auto().local_region("eu-west-1"), 1), (local, 1)] {
        let (code, rows) = check(&settings).await;
        assert_eq!((code, wrong(&rows)), (0, vec![]), "{rows:?}");
        let ok = rows.iter().filter(|row| row["verdict"] == "ok").count();
        assert_eq!(ok, 9 + written, "table, read and clock of three regions, and writes: {rows:?}");
        assert!(rows.iter().any(|row| row["says"].as_str().unwrap().contains("Heartbeats never conflict")), "{rows:?}");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(run(&lab), before, "the same reign");
    let refused = daemon.metrics().await.sum("tidegauge_heartbeats_total", &[("result", "refused")]);
    assert_eq!(refused, 0.0);
    assert_eq!(daemon.all_ok().await, Ok(()));
    let metrics = daemon.metrics().await;
    let findings: Vec<_> = metrics.0.iter().filter(|series| series.name == "tidegauge_audit_finding").collect();
    assert!(findings.len() >= 24 && findings.iter().all(|series| series.value == 0.0), "nothing found: {findings:?}");
    assert_eq!(metrics.sum("tidegauge_replica_status", &[("status", "active")]), 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_what_is_wrong_and_where() {
    let _seat = seat().await;
    let lab = lab().await;
    let settings = lab.settings();
    let expect = async |what: &str, code: i32, findings: &[&str]| {
        let (ended, rows) = check(&settings).await;
        assert_eq!(
            (ended, wrong(&rows)),
            (code, findings.iter().map(|text| text.to_string()).collect()),
            "{what}: {rows:?}"
        );
    };
    lab.set_denied("eu-west-1", "PutItem", true);
    expect("a denied write", 2, &["eu-west-1 write_failing"]).await;
    lab.set_denied("eu-west-1", "PutItem", false);

    lab.set_denied("eu-west-1", "DescribeTable", true);
    expect("a table that may not be described", 1, &["eu-west-1 inspect_failing"]).await;
    lab.set_denied("eu-west-1", "DescribeTable", false);

    let provisioned = |read: u64, write: u64| {
        json!({
            "BillingModeSummary": { "BillingMode": "PROVISIONED" },
            "ProvisionedThroughput": { "ReadCapacityUnits": read, "WriteCapacityUnits": write },
        })
    };
    for region in lab.regions() {
        lab.set_description(region, provisioned(100, 100));
    }
    expect("equal capacity", 0, &[]).await;
    lab.set_description(LATER, provisioned(100, 40));
    expect("unequal capacity", 1, &["ap-southeast-2 capacity_unequal"]).await;
    for region in lab.regions() {
        lab.set_description(region, Json::Null);
    }

    lab.set_members(&["us-east-1", "eu-west-1"]);
    expect("a region that is no replica", 2, &["ap-southeast-2 not_replicated", "ap-southeast-2 replica_missing"])
        .await;
    lab.set_members(&["us-east-1", "eu-west-1", LATER, "sa-east-1"]);
    expect("a replica that is not listed", 1, &["sa-east-1 replica_unlisted"]).await;
    lab.set_members(&["us-east-1", "eu-west-1", LATER]);

    lab.set_description("us-east-1", json!({ "TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS" }));
    expect("a replica without its key", 2, &["us-east-1 replica_not_active"]).await;
    lab.set_description("us-east-1", Json::Null);

    lab.drop_table_in(LATER, TABLE);
    let gone = ["ap-southeast-2 table_missing", "ap-southeast-2 read_failing", "ap-southeast-2 write_failing"];
    expect("one region without the table", 2, &gone).await;
    for region in ["us-east-1", "eu-west-1"] {
        lab.drop_table_in(region, TABLE);
    }
    let (code, rows) = check(&settings).await;
    assert_eq!((code, wrong(&rows).len()), (2, 9), "{rows:?}");
    lab.set_mode("eu-west-1", Mode::Down(Down::Refuse)).await;
    let (code, rows) = check(&settings).await;
    assert!(code == 2 && wrong(&rows).contains(&"eu-west-1 inspect_failing".to_owned()), "{rows:?}");
}

/// Where Debian keeps the library that gives a process a clock of its own.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_a_clock_that_is_off_by_ten_seconds() {
    if !std::path::Path::new(LIBRARY).exists() {
        println!("skipped: {LIBRARY} is not there; apt-get install faketime");
        return;
    }
    let lab = lab().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tidegauge.toml");
    std::fs::write(&file, lab.settings().to_toml()).unwrap();
    let mut command = command(home.path());
    command.env("LD_PRELOAD", LIBRARY).env("FAKETIME", "+10s").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let ended = command.arg("--config").arg(&file).arg("check").output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("clock_off") && said.contains("NTP"), "{said}");
    println!("{said}");
}
