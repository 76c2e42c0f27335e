//! What an account says of itself, and what the resource manager says of it, in the shapes in which they come.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tidegauge::core::inspection::{AccountConsistency, Capacity, Mode, ReplicaStatus};
use tidegauge::core::model::{Failure, Reason};
use tidegauge::settings::{CosmosAuth, CosmosSettings};
use tidegauge::stores::cosmos::account::{Account, AccountFacts};

use crate::azure::{Azure, RESOURCE_ID, Reply, throughput};
use crate::azure_rest::{DEADLINE, asking};

const REGIONS: [&str; 3] = ["East US", "West Europe", "Australia East"];
const CONTAINER: &str = "/sqlDatabases/shop/containers/orders/throughputSettings/default";
const DATABASE: &str = "/sqlDatabases/shop/throughputSettings/default";

/// The account at `azure`, with its heartbeats in the container `orders` of the database `shop`.
pub fn settings(azure: &Azure) -> CosmosSettings {
    CosmosSettings {
        endpoint: azure.url.clone(),
        database: "shop".into(),
        container: "orders".into(),
        heartbeats: ("shop".into(), "orders".into()),
        resource_id: Some(RESOURCE_ID.into()),
        resource_manager: azure.url.clone(),
        auth: CosmosAuth::Entra { client_id: None },
    }
}

async fn look(azure: &Azure) -> Result<AccountFacts, Failure> {
    Account::from_settings(&settings(azure), asking(None, DEADLINE)).look(None).await
}

/// The regions and how they are.
fn replicas(facts: &AccountFacts) -> Vec<(&str, ReplicaStatus)> {
    facts.replicas.iter().map(|replica| (&*replica.name, replica.status)).collect()
}

const ALL_ACTIVE: [(&str, ReplicaStatus); 3] = [
    ("australiaeast", ReplicaStatus::Active),
    ("eastus", ReplicaStatus::Active),
    ("westeurope", ReplicaStatus::Active),
];

#[tokio::test]
async fn an_account_tells_its_regions_its_writes_its_consistency_and_its_capacity() {
    let azure = Azure::start(&REGIONS).await;
    let facts = look(&azure).await.unwrap();
    assert_eq!(replicas(&facts), ALL_ACTIVE);
    let writable: Vec<&str> = facts.writable.iter().flatten().map(|name| &**name).collect();
    assert_eq!(writable, ["australiaeast", "eastus", "westeurope"]);
    assert_eq!(facts.multi_region_writes, Some(true));
    assert_eq!(facts.consistency, Some(AccountConsistency::Session));
    assert_eq!(facts.capacity, Some(Capacity::RequestUnits { per_second: 400, autoscale: false }));
    assert_eq!((facts.mode(), &facts.refused, &facts.silent), (Mode::Asynchronous, &None, &None));
    assert!(facts.server_date.is_some());
    let mut asked: Vec<(String, String)> =
        azure.asked().into_iter().map(|asked| (asked.path, asked.raw_query)).collect();
    asked.sort();
    let version = "api-version=2024-11-15".to_owned();
    let expected = [
        ("/".to_owned(), String::new()),
        (RESOURCE_ID.to_owned(), version.clone()),
        (format!("{RESOURCE_ID}{CONTAINER}"), version),
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn without_a_resource_id_the_account_speaks_for_itself_alone() {
    let azure = Azure::start(&REGIONS).await;
    let settings = CosmosSettings { resource_id: None, ..settings(&azure) };
    let facts = Account::from_settings(&settings, asking(None, DEADLINE)).look(None).await.unwrap();
    assert_eq!(replicas(&facts), ALL_ACTIVE);
    assert_eq!((facts.capacity, &facts.refused), (None, &None), "nobody told, and nobody refused");
    assert_eq!(azure.asked().len(), 1);
}

#[tokio::test]
async fn one_of_its_regions_can_be_asked_for_it() {
    let (azure, region) = (Azure::start(&REGIONS).await, Azure::start(&["East US"]).await);
    let settings = CosmosSettings { resource_id: None, ..settings(&azure) };
    let account = Account::from_settings(&settings, asking(None, DEADLINE));
    let facts = account.look(Some(&format!("{}/", region.url))).await.unwrap();
    assert_eq!((replicas(&facts).len(), facts.mode()), (1, Mode::Single));
    assert_eq!((azure.asked().len(), region.asked()[0].path.as_str()), (0, "/"));
}

#[tokio::test]
async fn a_refusal_of_the_resource_manager_leaves_the_rest_intact() {
    let reasons = [
        (Reply::Json(403, json!({ "error": { "code": "AuthorizationFailed", "message": "no" } })), Reason::Denied),
        (Reply::Json(401, json!({})), Reason::Credentials),
        (Reply::Json(404, json!({})), Reason::NotFound),
        (Reply::Json(429, json!({})), Reason::Throttled),
        (Reply::Json(529, json!({})), Reason::Throttled),
        (Reply::Json(500, json!({})), Reason::Other),
        (Reply::Text(200, "<html>".into()), Reason::Other),
        (Reply::Json(200, json!({ "value": [] })), Reason::Other),
        (Reply::Huge(8 << 20), Reason::Other),
    ];
    for (reply, reason) in reasons {
        let azure = Azure::start(&REGIONS).await;
        azure.fail(RESOURCE_ID, reply.clone());
        let facts = look(&azure).await.unwrap();
        assert_eq!(facts.refused.as_ref().map(|refused| refused.reason), Some(reason), "{reply:?}: {facts:?}");
        assert_eq!((replicas(&facts), facts.capacity), (ALL_ACTIVE.to_vec(), None));
        assert_eq!((facts.multi_region_writes, facts.consistency), (Some(true), Some(AccountConsistency::Session)));
    }
}

#[tokio::test]
async fn a_resource_manager_that_hangs_leaves_the_rest_intact() {
    let azure = Azure::start(&REGIONS).await;
    azure.fail(RESOURCE_ID, Reply::Hang);
    let account = Account::from_settings(&settings(&azure), asking(None, Duration::from_millis(500)));
    let facts = account.look(None).await.unwrap();
    assert_eq!(facts.refused.as_ref().map(|refused| refused.reason), Some(Reason::Timeout));
    assert_eq!(replicas(&facts), ALL_ACTIVE);
}

#[tokio::test]
async fn that_the_capacity_is_not_told_is_no_reason_to_doubt_what_is() {
    let azure = Azure::start(&REGIONS).await;
    azure.fail("throughputSettings", Reply::Json(403, json!({})));
    let facts = look(&azure).await.unwrap();
    assert_eq!((facts.refused.unwrap().reason, facts.capacity), (Reason::Denied, None));
    assert_eq!(facts.replicas.len(), 3);
}

#[tokio::test]
async fn an_account_that_does_not_answer_is_described_by_the_resource_manager() {
    let azure = Azure::start(&REGIONS).await;
    azure.world().faults.push(("/".to_owned(), Reply::Hang));
    // The resource manager is another server then.
    let manager = Azure::start(&REGIONS).await;
    let settings = CosmosSettings { resource_manager: manager.url.clone(), ..settings(&azure) };
    let account = Account::from_settings(&settings, asking(None, Duration::from_millis(500)));
    let facts = account.look(None).await.unwrap();
    assert_eq!(facts.silent.as_ref().map(|silent| silent.reason), Some(Reason::Timeout));
    assert_eq!(replicas(&facts), ALL_ACTIVE);
    assert_eq!((facts.multi_region_writes, facts.consistency), (Some(true), Some(AccountConsistency::Session)));
    assert_eq!((facts.writable.as_ref().map(Vec::len), facts.server_date), (Some(3), None));
}

#[tokio::test]
async fn where_neither_says_anything_it_is_a_failure_and_the_account_s_own() {
    let azure = Azure::start(&REGIONS).await;
    azure.fail(RESOURCE_ID, Reply::Json(403, json!({})));
    for (reply, reason) in [
        (Reply::Json(401, json!({ "code": "Unauthorized", "message": "no" })), Reason::Credentials),
        (Reply::Json(404, json!({})), Reason::NotFound),
        (Reply::Json(503, json!({})), Reason::Unavailable),
        (Reply::Json(200, json!({ "readableLocations": 7 })), Reason::Other),
        (Reply::Json(200, json!([])), Reason::Other),
        (Reply::Text(200, "<html>".into()), Reason::Other),
    ] {
        azure.world().account = json!(null);
        azure.world().faults.retain(|(path, _)| path == RESOURCE_ID);
        azure.world().faults.push(("/".to_owned(), reply));
        let failure = look(&azure).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{failure:?}");
    }
}

#[tokio::test]
async fn a_container_without_throughput_has_a_share_of_its_database_s() {
    let azure = Azure::start(&REGIONS).await;
    let autoscale = json!({ "throughput": 400, "autoscaleSettings": { "maxThroughput": 4_000 } });
    azure.world().below = [(DATABASE.to_owned(), throughput(autoscale))].into();
    let facts = look(&azure).await.unwrap();
    assert_eq!(facts.capacity, Some(Capacity::RequestUnits { per_second: 4_000, autoscale: true }));
    azure.world().below.clear();
    let facts = look(&azure).await.unwrap();
    assert_eq!((facts.capacity, facts.refused), (None, None), "nobody was given any, and nobody says why");
}

#[tokio::test]
async fn an_account_on_demand_is_not_asked_for_what_it_was_given() {
    for on_demand in
        [json!({ "capabilities": [{ "name": "EnableServerless" }] }), json!({ "capacityMode": "Serverless" })]
    {
        let azure = Azure::start(&["East US"]).await;
        azure.fail("throughputSettings", Reply::Json(400, json!({})));
        for (key, value) in on_demand.as_object().unwrap() {
            azure.world().resource["properties"][key] = value.clone();
        }
        let facts = look(&azure).await.unwrap();
        assert_eq!((facts.capacity, facts.refused, azure.asked().len()), (Some(Capacity::OnDemand), None, 2));
    }
}

#[tokio::test]
async fn what_cannot_be_a_capacity_is_none() {
    for resource in [json!({}), json!({ "throughput": 0 }), json!({ "throughput": -4 }), json!({ "throughput": "400" })]
    {
        let azure = Azure::start(&REGIONS).await;
        azure.world().below.insert(CONTAINER.to_owned(), throughput(resource));
        assert_eq!(look(&azure).await.unwrap().capacity, None);
    }
}

#[tokio::test]
async fn names_with_characters_of_urls_are_asked_for_as_they_are() {
    let azure = Azure::start(&REGIONS).await;
    let settings = CosmosSettings { heartbeats: ("a b&c".into(), "100%+é".into()), ..settings(&azure) };
    Account::from_settings(&settings, asking(None, DEADLINE)).look(None).await.unwrap();
    let paths: Vec<String> = azure.asked().into_iter().map(|asked| asked.path).collect();
    let container = "/sqlDatabases/a%20b%26c/containers/100%25%2B%C3%A9/throughputSettings/default";
    assert!(paths.contains(&format!("{RESOURCE_ID}{container}")), "{paths:?}");
}

#[tokio::test]
async fn how_a_region_is_comes_from_the_resource_manager() {
    let azure = Azure::start(&REGIONS).await;
    let states = [
        ("Succeeded", ReplicaStatus::Active, ""),
        ("Updating", ReplicaStatus::Updating, ""),
        ("Creating", ReplicaStatus::Creating, ""),
        ("Deleting", ReplicaStatus::Deleting, ""),
        ("Offline", ReplicaStatus::Inaccessible, ""),
        // It can be read, so it has not failed.
        ("Failed", ReplicaStatus::Unknown, "Failed"),
        ("Contemplating", ReplicaStatus::Unknown, "Contemplating"),
    ];
    for (state, status, description) in states {
        azure.world().resource["properties"]["locations"][1]["provisioningState"] = json!(state);
        let facts = look(&azure).await.unwrap();
        let replica = facts.replicas.iter().find(|replica| &*replica.name == "westeurope").unwrap();
        assert_eq!((replica.status, replica.description.as_str()), (status, description), "{state}");
    }
}

#[tokio::test]
async fn a_region_that_the_account_does_not_name_is_out_of_reach_and_not_gone() {
    let azure = Azure::start(&REGIONS).await;
    let two: Json = azure.world().account["readableLocations"].as_array().unwrap()[..2].to_vec().into();
    azure.world().account["readableLocations"] = two.clone();
    azure.world().account["writableLocations"] = two;
    for (state, status) in [
        ("Succeeded", ReplicaStatus::Inaccessible),
        ("Updating", ReplicaStatus::Inaccessible),
        ("Creating", ReplicaStatus::Creating),
        ("Failed", ReplicaStatus::Failed),
    ] {
        azure.world().resource["properties"]["locations"][2]["provisioningState"] = json!(state);
        let facts = look(&azure).await.unwrap();
        let replica = facts.replicas.iter().find(|replica| &*replica.name == "australiaeast").unwrap();
        assert_eq!(replica.status, status, "{state}");
    }
}

#[tokio::test]
async fn what_an_account_does_not_say_is_not_known() {
    let azure = Azure::start(&REGIONS).await;
    azure.world().account = json!({ "readableLocations": [{ "name": "East US" }, { "name": 7 }, {}] });
    azure.fail(RESOURCE_ID, Reply::Json(403, json!({})));
    let facts = look(&azure).await.unwrap();
    assert_eq!(replicas(&facts), [("eastus", ReplicaStatus::Active)]);
    assert_eq!((facts.writable, facts.multi_region_writes, facts.consistency), (None, None, None));
    azure.world().account = json!({
        "readableLocations": [], "enableMultipleWriteLocations": "yes",
        "userConsistencyPolicy": { "defaultConsistencyLevel": "Perfect" },
    });
    let facts = look(&azure).await.unwrap();
    assert_eq!((facts.replicas.len(), facts.multi_region_writes, facts.consistency), (0, None, None));
}

#[tokio::test]
async fn every_consistency_is_known_by_its_name() {
    let azure = Azure::start(&REGIONS).await;
    for consistency in AccountConsistency::ALL {
        azure.world().account["userConsistencyPolicy"]["defaultConsistencyLevel"] = json!(consistency.label());
        let facts = look(&azure).await.unwrap();
        let strong = consistency == AccountConsistency::Strong;
        let mode = if strong { Mode::Strong } else { Mode::Asynchronous };
        assert_eq!((facts.consistency, facts.mode()), (Some(consistency), mode));
    }
}
