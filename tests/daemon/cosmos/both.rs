//! One daemon, two clouds.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::*;
use crate::lab::Lab;
use crate::support::free_address;

/// The names of all members, those of members' members with a path.
fn shape(value: &Json, path: &str, names: &mut BTreeSet<String>) {
    match value {
        Json::Object(members) => {
            members.iter().for_each(|(name, value)| shape(value, &format!("{path}.{name}"), names))
        }
        _ => drop(names.insert(path.to_owned())),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_daemon_measures_both_clouds_and_says_the_same_of_both() {
    let _seat = seat().await;
    let azure = CosmosLab::builder().regions(["East US", "West Europe"]).lag(Lag::Fixed(Duration::from_millis(300)));
    let azure = azure.start().await;
    let aws =
        Lab::builder().regions(["us-east-1", "eu-west-1"]).lag(Lag::Fixed(Duration::from_millis(300))).start().await;
    let address = free_address();
    let of_azure = azure.settings().store("carts").to_toml();
    let (_, store) = of_azure.split_once("[[stores]]").expect("there is a store");
    let toml = format!("{}\n[[stores]]{store}", aws.settings().listen(address.clone()).to_toml());
    let daemon = Daemon::start_on(address, &toml).await;
    healthy(&daemon).await;
    sleep(Duration::from_secs(3)).await;

    let body: Json = serde_json::from_str(&daemon.text("/api/v1/pairs").await).unwrap();
    let pairs = body["data"]["pairs"].as_array().unwrap();
    let of = |store: &str| {
        let (mut names, mut count) = (BTreeSet::new(), 0);
        for pair in pairs.iter().filter(|pair| pair["store"] == store) {
            shape(pair, "", &mut names);
            let lag = pair["current_lag_seconds"].as_f64().unwrap();
            assert!((0.2..2.0).contains(&lag), "{pair}");
            count += 1;
        }
        (names, count)
    };
    assert_eq!(of("orders"), of("carts"));
    assert_eq!(of("carts").1, 2);

    let metrics = daemon.metrics().await;
    let series_of = |store: &str| -> BTreeSet<(String, Vec<String>)> {
        let own = metrics.0.iter().filter(|series| series.labels.get("store").is_some_and(|name| name == store));
        own.map(|series| {
            let open = ["store", "source_region", "target_region", "region"];
            let labels = series.labels.iter().filter(|(name, _)| !open.contains(&name.as_str()));
            (series.name.clone(), labels.map(|(name, value)| format!("{name}={value}")).collect())
        })
        .collect()
    };
    let (orders, carts) = (series_of("orders"), series_of("carts"));
    // What only an account can get wrong is judged of an account alone.
    let of_one: Vec<_> = orders.symmetric_difference(&carts).collect();
    let is_known =
        |(name, _): &&(String, Vec<String>)| name == "tidegauge_audit_finding" || name == "tidegauge_store_info";
    let unknown: Vec<_> = of_one.into_iter().filter(|series| !is_known(series)).collect();
    assert!(unknown.is_empty(), "of one store alone: {unknown:#?}");
}
