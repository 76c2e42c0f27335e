//! What Azure itself says of an account, beside what the heartbeats say.

use std::process::Stdio;

use serde_json::Value as Json;

use super::*;
use crate::azure::{Azure, RESOURCE_ID, throughput};
use crate::support::{command, free_address};

/// Settings of a gauge that asks the server, and who lets it in.
fn toml(lab: &CosmosLab, azure: &Azure, address: &str) -> String {
    let asks = "provider = { every = \"1m\", delay = \"0s\" }";
    let resource = format!("resource_id = \"{RESOURCE_ID}\"\nresource_manager = \"{}\"", azure.url);
    let settings = settings(lab).listen(address.to_owned()).store_line(asks);
    resource.lines().fold(settings, DaemonSettings::kind_line).to_toml()
}

/// An Azure that knows the lab's account: 400 ms from everywhere to everywhere, says it, and 700 RU/s.
async fn azure() -> Azure {
    let names = ["East US", "West Europe", "Japan East"];
    let azure = Azure::start(&names).await;
    let mut world = azure.world();
    for source in names {
        for target in names.into_iter().filter(|target| *target != source) {
            world.lags.insert((source.to_owned(), target.to_owned()), Some(400.0));
        }
    }
    world.throttled.insert(("West Europe".to_owned(), "Create".to_owned()), 3.0);
    let path = "/sqlDatabases/cell-state/containers/orders/throughputSettings/default".to_owned();
    world.below.insert(path, throughput(serde_json::json!({ "throughput": 700 })));
    drop(world);
    azure
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_azure_monitor_says_stands_beside_the_heartbeats_and_check_says_what_it_may_ask() {
    let _seat = seat().await;
    let (lab, azure) = (lab().await, azure().await);
    let home = tempfile::tempdir().unwrap();
    let address = free_address();
    let file = home.path().join("tidegauge.toml");
    std::fs::write(&file, toml(&lab, &azure, &address)).unwrap();
    let with = |arguments: &[&str]| {
        let mut command = command(home.path());
        command.env("IDENTITY_ENDPOINT", format!("{}/token", azure.url)).env("IDENTITY_HEADER", "secret-of-the-host");
        command.arg("--config").arg(&file).args(arguments);
        command
    };
    let checked = with(&["check", "--json"]).stdout(Stdio::piped()).output().await.unwrap();
    let checked: Json = serde_json::from_slice(&checked.stdout).unwrap();
    let rows = checked["data"]["rows"].as_array().unwrap();
    let says = |about: &str| -> Vec<&str> {
        let of = rows.iter().filter(|row| row["about"] == about);
        of.map(|row| row["says"].as_str().unwrap()).collect()
    };
    assert_eq!(says("provider").len(), 3, "{rows:#?}");
    assert!(says("container").iter().all(|says| says.contains("700 RU/s")), "{rows:#?}");

    let other = tempfile::tempdir().unwrap();
    let daemon = Daemon::spawn(with(&["run"]), other, address).await;
    healthy(&daemon).await;
    let body = until("Azure was asked about every pair", Duration::from_secs(75), async || {
        let body: Json = serde_json::from_str(&daemon.text("/api/v1/pairs").await).unwrap();
        let pairs = body["data"]["pairs"].as_array().unwrap();
        let lacks = pairs.iter().filter(|pair| pair["provider"]["value_seconds"].is_null()).count();
        if lacks == 0 { Ok(body) } else { Err(format!("{lacks} pairs have nothing: {}", pairs[0])) }
    })
    .await;
    for pair in body["data"]["pairs"].as_array().unwrap() {
        let provider = &pair["provider"];
        assert_eq!((&provider["value_seconds"], &provider["statistic"]), (&0.4.into(), &"p99".into()), "{pair}");
        assert_eq!(pair["state"], "ok", "{pair}");
    }
    let metrics = daemon.metrics().await;
    let sum = metrics.sum("tidegauge_provider_lag_seconds", &[("statistic", "p99")]);
    assert!((sum - 6.0 * 0.4).abs() < 1e-9, "{sum}");
    let log = daemon.log();
    assert!(!log.contains("secret-of-the-host"), "{log}");
}
