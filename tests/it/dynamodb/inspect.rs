//! What the adapter makes of a table's description.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tidegauge::core::inspection::{self, Capacity, Inspection, Replica, ReplicaStatus};
use tidegauge::core::model::{Consistency, Failure, Reason};
use tidegauge::stores::Store;

use super::{Bench, SOURCE, SOURCE_ID, TARGET, store, with_credentials};
use crate::lab::Mode;

async fn inspect(bench: &Bench, more: Json) -> Result<Inspection, Failure> {
    bench.lab.set_description(SOURCE, more);
    let answer = bench.store.inspect(SOURCE_ID).await;
    assert!(answer.server_date.is_some(), "the answer's date is noted");
    answer.outcome
}

fn replica(name: &str, status: ReplicaStatus) -> Replica {
    Replica { name: name.into(), status, description: String::new() }
}

#[test]
fn a_global_table_is_its_replicas_and_the_region_asked() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let inspection = inspect(&bench, Json::Null).await.unwrap();
        assert_eq!(
            inspection,
            Inspection {
                replicas: vec![replica(SOURCE, ReplicaStatus::Active), replica(TARGET, ReplicaStatus::Active)],
                witnesses: Vec::new(),
                mode: inspection::Mode::Asynchronous,
                capacity: Some(Capacity::OnDemand),
                differs: None,
                setup: None,
            }
        );
    });
}

#[test]
fn statuses_are_told_apart_and_one_that_is_not_known_is_unknown() {
    with_credentials(async || {
        let bench = Bench::start().await;
        for (said, status) in [
            ("ACTIVE", ReplicaStatus::Active),
            ("CREATING", ReplicaStatus::Creating),
            ("CREATION_FAILED", ReplicaStatus::Failed),
            ("UPDATING", ReplicaStatus::Updating),
            ("DELETING", ReplicaStatus::Deleting),
            ("ARCHIVING", ReplicaStatus::Archived),
            ("REGION_DISABLED", ReplicaStatus::Inaccessible),
            ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", ReplicaStatus::Inaccessible),
            ("REPLICATION_NOT_AUTHORIZED", ReplicaStatus::NotAuthorized),
            ("SOMETHING_OF_NEXT_YEAR", ReplicaStatus::Unknown),
        ] {
            let replicas = json!([
                // The region asked may be among them, too.
                { "RegionName": SOURCE, "ReplicaStatus": "ACTIVE" },
                { "RegionName": TARGET, "ReplicaStatus": said, "ReplicaStatusDescription": "why" },
            ]);
            let inspection = inspect(&bench, json!({ "Replicas": replicas })).await.unwrap();
            let target = Replica { description: "why".to_owned(), ..replica(TARGET, status) };
            assert_eq!(inspection.replicas, [replica(SOURCE, ReplicaStatus::Active), target], "{said}");
        }
    });
}

#[test]
fn a_table_whose_regions_agree_at_once_says_so_and_a_witness_is_no_replica() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let strong = json!({
            "MultiRegionConsistency": "STRONG",
            "GlobalTableWitnesses": [{ "RegionName": "us-west-2", "WitnessStatus": "ACTIVE" }],
        });
        let inspection = inspect(&bench, strong).await.unwrap();
        assert_eq!(inspection.mode, inspection::Mode::Strong);
        assert_eq!(inspection.witnesses, ["us-west-2".into()]);
        assert_eq!(inspection.replicas.len(), 2);
    });
}

#[test]
fn capacity_is_what_the_table_says_it_is() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let units = json!({ "ReadCapacityUnits": 7, "WriteCapacityUnits": 5 });
        let mode = |mode: &str| json!({ "BillingMode": mode });
        let provisioned = Some(Capacity::Provisioned { read_units: 7, write_units: 5 });
        for (summary, capacity) in [
            (mode("PROVISIONED"), provisioned),
            (mode("PAY_PER_REQUEST"), Some(Capacity::OnDemand)),
            // A table that never changed its mode says nothing of it.
            (Json::Null, provisioned),
        ] {
            let more = json!({ "BillingModeSummary": summary, "ProvisionedThroughput": units });
            assert_eq!(inspect(&bench, more).await.unwrap().capacity, capacity, "{summary}");
        }
    });
}

#[test]
fn a_table_of_the_first_version_says_so_and_its_replicas_are_asked_for_in_its_own_way() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let legacy = json!({ "GlobalTableVersion": "2017.11.29", "Replicas": null });
        let inspection = inspect(&bench, legacy).await.unwrap();
        assert_eq!(inspection.mode, inspection::Mode::Legacy);
        let replicas = [SOURCE, TARGET].map(|name| replica(name, ReplicaStatus::Active));
        assert_eq!(inspection.replicas, replicas);
    });
}

#[test]
fn a_table_s_description_may_take_longer_than_a_heartbeat() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.lab.set_mode(SOURCE, Mode::Slow(Duration::from_millis(700))).await;
        let hasty = store(&bench.lab, Duration::from_millis(500), |_| {}).await;
        assert_eq!(hasty.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap_err().reason, Reason::Timeout);
        assert!(hasty.inspect(SOURCE_ID).await.outcome.is_ok());
    });
}

#[test]
fn keys_that_are_not_as_the_settings_say_are_told_with_both() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let keys =
            json!([{ "AttributeName": "PK", "KeyType": "HASH" }, { "AttributeName": "order", "KeyType": "RANGE" }]);
        let types = json!([{ "AttributeName": "PK", "AttributeType": "S" }, { "AttributeName": "order", "AttributeType": "N" }]);
        let inspection = inspect(&bench, json!({ "KeySchema": keys, "AttributeDefinitions": types })).await.unwrap();
        let differs = "the table's keys are PK (S) and order (N), and the settings say PK (S) and SK (S)";
        assert_eq!(inspection.differs.as_deref(), Some(differs));
    });
}

#[test]
fn a_table_of_one_region_is_not_replicated_and_one_that_is_not_there_is_not_found() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.lab.set_members(&[SOURCE]);
        assert_eq!(inspect(&bench, Json::Null).await.unwrap().mode, inspection::Mode::Single);
        bench.lab.set_denied(SOURCE, "DescribeTable", true);
        assert_eq!(inspect(&bench, Json::Null).await.unwrap_err().reason, Reason::Denied);
        bench.lab.set_denied(SOURCE, "DescribeTable", false);
        bench.lab.drop_table_in(SOURCE, "GlobalCellState");
        assert_eq!(inspect(&bench, Json::Null).await.unwrap_err().reason, Reason::NotFound);
    });
}
