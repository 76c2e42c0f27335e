//! What an account and a container say of themselves, as one region shows them.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::{ConflictResolutionMode, ContainerProperties, TimeToLive};
use azure_data_cosmos::options::{ReadContainerOptions, ReadFeedRangesOptions};

use super::{Container, CosmosStore, errors};
use crate::core::inspection::{Conflicts, Expiry, Inspection, Setup, Spread};
use crate::core::model::{Failure, Slot};
use crate::core::time::Wall;

/// Describes the account and the heartbeats' container, as one region sees them, and says what the account's clock showed.
pub(super) async fn inspect(store: &CosmosStore, container: &Container) -> Result<(Inspection, Option<Wall>), Failure> {
    let of_sdk = |error: CosmosError| errors::failure(&error);
    let options = ReadContainerOptions::default().with_operation_options(container.patient());
    let (account, described) = tokio::join!(store.account.look(None), container.client.read(Some(options)));
    let account = account?;
    store.unmanaged.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&account.refused);
    let properties: ContainerProperties = described.map_err(of_sdk)?.into_model().map_err(of_sdk)?;
    let spread = spread(container, store.slots).await.ok();
    let mode = account.mode();
    let setup = Setup {
        multi_region_writes: account.multi_region_writes,
        consistency: account.consistency,
        ..setup(&properties, spread)
    };
    let inspection = Inspection {
        replicas: account.replicas,
        witnesses: Vec::new(),
        mode,
        capacity: account.capacity,
        differs: differs(container, &properties),
        setup: Some(setup),
    };
    Ok((inspection, account.server_date))
}

/// On how many partitions the slots lie, as they are now: partitions split.
async fn spread(container: &Container, slots: Slot) -> Result<Spread, CosmosError> {
    let options = ReadFeedRangesOptions::default().with_operation_options(container.patient());
    let all = container.client.read_feed_ranges(Some(options.with_force_refresh(true))).await?;
    let mut with_slots = BTreeSet::new();
    for slot in 0..slots {
        let key = container.keys.slot(slot);
        let ranges = container.client.feed_range_from_partition_key(key, None).await?;
        with_slots.extend(ranges.iter().map(ToString::to_string));
    }
    Ok(Spread { slots: slots.into(), with_slots: with_slots.len(), partitions: all.len() })
}

fn setup(properties: &ContainerProperties, spread: Option<Spread>) -> Setup {
    let conflicts = properties.conflict_resolution_policy.as_ref().map(|policy| match policy.mode {
        ConflictResolutionMode::LastWriterWins => Conflicts::HighestWins { path: policy.resolution_path.clone() },
        _ => Conflicts::Custom,
    });
    let expiry = match properties.default_ttl {
        TimeToLive::NoDefault => Expiry::OfItems,
        TimeToLive::Seconds(seconds) => Expiry::After(seconds.into()),
        _ => Expiry::Off,
    };
    Setup { conflicts, expiry: Some(expiry), spread, ..Setup::default() }
}

/// What of the container is not as heartbeats need it, in words.
fn differs(container: &Container, properties: &ContainerProperties) -> Option<String> {
    if let Some(taken) = container.keys.taken() {
        return Some(format!("the container is partitioned by {taken}, which has a meaning of its own in a heartbeat"));
    }
    let unique = properties.unique_key_policy.as_ref().is_some_and(|policy| !policy.unique_keys.is_empty());
    (unique && !container.keys.one_each()).then(|| {
        "the container wants unique keys, which heartbeats of several regions in one logical partition do not have"
            .to_owned()
    })
}
