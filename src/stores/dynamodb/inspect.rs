//! What DynamoDB says of a table: its replicas, its version, its capacity.

use std::sync::Arc;

use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::types::{
    BillingMode, KeyType, MultiRegionConsistency, ReplicaDescription, ReplicaStatus as Status, TableDescription,
    TableStatus,
};

use super::{DynamoDbStore, connect, errors};
use crate::core::inspection::{Capacity, Inspection, Mode, Replica, ReplicaStatus};
use crate::core::model::{Failure, Reason, RegionId};
use crate::stores::PATIENT_DEADLINE;

/// The first version of global tables, which had an API of its own.
const LEGACY: &str = "2017.11.29";

/// Describes the heartbeats' table, as `region` sees it.
pub(super) async fn inspect(store: &DynamoDbStore, region: RegionId) -> Result<Inspection, Failure> {
    let client = store.client(region).await;
    // Nothing is measured by it, so it may take its time where heartbeats may not.
    let patient = || Config::builder().timeout_config(connect::timeouts(PATIENT_DEADLINE));
    let describe = client.describe_table().table_name(&store.table);
    let described = describe.customize().config_override(patient()).send().await;
    let described = described.map_err(|error| errors::failure(&error))?;
    let Some(table) = described.table() else {
        let message = "the answer describes no table".to_owned();
        return Err(Failure { reason: Reason::Other, message });
    };
    let mut inspection = of(table, &store.name(region));
    let (said, is) = (store.keys.describe(), keys_of(table));
    if said != is {
        inspection.differs = Some(format!("the table's keys are {is}, and the settings say {said}"));
    }
    if inspection.mode == Mode::Legacy {
        let describe = client.describe_global_table().global_table_name(&store.table);
        let described = describe.customize().config_override(patient()).send().await;
        // Where that is not permitted, what else is known of it holds.
        let described = described.ok().and_then(|described| described.global_table_description);
        let group = described.map(|table| table.replication_group.unwrap_or_default()).unwrap_or_default();
        let members = group.iter().filter_map(|replica| replica_of(replica, ReplicaStatus::Active));
        add(&mut inspection.replicas, members);
    }
    Ok(inspection)
}

/// What a table's description says, asked for in `here`.
fn of(table: &TableDescription, here: &Arc<str>) -> Inspection {
    let own = Replica {
        name: here.clone(),
        status: table.table_status().map_or(ReplicaStatus::Unknown, of_table),
        description: String::new(),
    };
    let mut replicas = vec![own];
    add(&mut replicas, table.replicas().iter().filter_map(|replica| replica_of(replica, ReplicaStatus::Unknown)));
    let witnesses = table.global_table_witnesses().iter().filter_map(|witness| witness.region_name());
    Inspection {
        mode: match (table.global_table_version(), table.multi_region_consistency()) {
            (Some(LEGACY), _) => Mode::Legacy,
            _ if replicas.len() == 1 && table.global_table_witnesses().is_empty() => Mode::Single,
            (_, Some(MultiRegionConsistency::Strong)) => Mode::Strong,
            _ => Mode::Asynchronous,
        },
        witnesses: witnesses.map(Arc::from).collect(),
        capacity: capacity(table),
        differs: None,
        setup: None,
        replicas,
    }
}

/// A table's keys, in the words of [`super::keys::Keys::describe`].
fn keys_of(table: &TableDescription) -> String {
    let name_of = |kind: &KeyType| table.key_schema().iter().find(|key| key.key_type() == kind);
    let with_type = |name: &str| {
        let definition = table.attribute_definitions().iter().find(|definition| definition.attribute_name() == name);
        let kind = definition.map_or("?", |definition| definition.attribute_type().as_str());
        format!("{name} ({kind})")
    };
    let keys = [KeyType::Hash, KeyType::Range].into_iter().filter_map(|kind| name_of(&kind));
    let keys: Vec<String> = keys.map(|key| with_type(key.attribute_name())).collect();
    keys.join(" and ")
}

/// Adds those that are not there yet. The region asked knows its own table best.
fn add(replicas: &mut Vec<Replica>, more: impl Iterator<Item = Replica>) {
    for replica in more {
        match replicas.iter_mut().find(|known| known.name == replica.name) {
            Some(known) if known.description.is_empty() => known.description = replica.description,
            Some(_) => {}
            None => replicas.push(replica),
        }
    }
}

fn replica_of(replica: &ReplicaDescription, unsaid: ReplicaStatus) -> Option<Replica> {
    Some(Replica {
        name: replica.region_name()?.into(),
        status: replica.replica_status().map_or(unsaid, of_replica),
        description: replica.replica_status_description().unwrap_or_default().chars().take(200).collect(),
    })
}

fn capacity(table: &TableDescription) -> Option<Capacity> {
    let provisioned = || {
        let throughput = table.provisioned_throughput()?;
        let units = |units: Option<i64>| u64::try_from(units.unwrap_or_default()).unwrap_or_default();
        let (read_units, write_units) =
            (units(throughput.read_capacity_units()), units(throughput.write_capacity_units()));
        Some(Capacity::Provisioned { read_units, write_units })
    };
    match table.billing_mode_summary().and_then(|summary| summary.billing_mode()) {
        Some(BillingMode::PayPerRequest) => Some(Capacity::OnDemand),
        Some(BillingMode::Provisioned) => provisioned(),
        // A table that never was anything else says nothing of its mode. One on demand has no units.
        _ => provisioned().filter(|capacity| *capacity != Capacity::Provisioned { read_units: 0, write_units: 0 }),
    }
}

fn of_replica(status: &Status) -> ReplicaStatus {
    match status {
        Status::Active => ReplicaStatus::Active,
        Status::Creating => ReplicaStatus::Creating,
        Status::Updating => ReplicaStatus::Updating,
        Status::Deleting => ReplicaStatus::Deleting,
        Status::Archived | Status::Archiving => ReplicaStatus::Archived,
        Status::InaccessibleEncryptionCredentials | Status::RegionDisabled => ReplicaStatus::Inaccessible,
        Status::ReplicationNotAuthorized => ReplicaStatus::NotAuthorized,
        Status::CreationFailed => ReplicaStatus::Failed,
        _ => ReplicaStatus::Unknown,
    }
}

fn of_table(status: &TableStatus) -> ReplicaStatus {
    match status {
        TableStatus::Active => ReplicaStatus::Active,
        TableStatus::Creating => ReplicaStatus::Creating,
        TableStatus::Updating => ReplicaStatus::Updating,
        TableStatus::Deleting => ReplicaStatus::Deleting,
        TableStatus::Archived | TableStatus::Archiving => ReplicaStatus::Archived,
        TableStatus::InaccessibleEncryptionCredentials => ReplicaStatus::Inaccessible,
        TableStatus::ReplicationNotAuthorized => ReplicaStatus::NotAuthorized,
        _ => ReplicaStatus::Unknown,
    }
}
