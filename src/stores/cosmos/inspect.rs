//! What an account and a container say of themselves, as one region shows them.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::{ConflictResolutionMode, ContainerProperties, TimeToLive};
use azure_data_cosmos::options::ReadFeedRangesOptions;

use super::keys::Keys;
use super::{Container, CosmosStore};
use crate::core::inspection::{Conflicts, Expiry, Inspection, Setup, Spread};
use crate::core::model::{Failure, Reason, Slot};
use crate::core::time::Wall;

/// What a look came to.
pub(super) struct Looked {
    pub(super) inspection: Inspection,
    /// What the account's clock showed.
    pub(super) server_date: Option<Wall>,
    /// Whether the account's regions, or what the container is partitioned by, are not those that the client was made for.
    pub(super) is_another: bool,
}

/// Describes the account, the container, and the heartbeats' container where that is another one, as one region sees them.
pub(super) async fn inspect(store: &CosmosStore, container: &Container) -> Result<Looked, Failure> {
    let application = async {
        match store.connector.application() {
            Some((database, name)) => Some(container.properties_of(database, name).await),
            None => None,
        }
    };
    let looks = (store.connector.account().look(None), container.properties(), application);
    let (account, own, application) = tokio::join!(looks.0, looks.1, looks.2);
    let (account, own) = (account?, own?);
    store.unmanaged.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&account.refused);
    // What the application has set up counts; a companion's conflicts are nobody's. It may be out of our reach.
    let application = match application {
        None => Some(own.clone()),
        Some(Ok(application)) => Some(application),
        Some(Err(failure)) if failure.reason == Reason::NotFound => return Err(failure),
        Some(Err(_)) => None,
    };
    let is_another = Keys::of(&own.partition_key).describe() != container.keys.describe()
        || account.roster.as_ref().is_some_and(|roster| *roster != container.ground.roster);
    let spread = spread(container, store.slots).await.ok();
    let mode = account.mode();
    let setup = Setup {
        multi_region_writes: account.multi_region_writes,
        consistency: account.consistency,
        spread,
        ..application.as_ref().map(setup).unwrap_or_default()
    };
    let inspection = Inspection {
        replicas: account.replicas,
        witnesses: Vec::new(),
        mode,
        capacity: account.capacity,
        differs: differs(container, &own),
        setup: Some(setup),
    };
    Ok(Looked { inspection, server_date: account.server_date, is_another })
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

fn setup(properties: &ContainerProperties) -> Setup {
    let conflicts = properties.conflict_resolution_policy.as_ref().map(|policy| match policy.mode {
        ConflictResolutionMode::LastWriterWins => Conflicts::HighestWins { path: policy.resolution_path.clone() },
        _ => Conflicts::Custom,
    });
    let expiry = match properties.default_ttl {
        TimeToLive::NoDefault => Expiry::OfItems,
        TimeToLive::Seconds(seconds) => Expiry::After(seconds.into()),
        _ => Expiry::Off,
    };
    Setup { conflicts, expiry: Some(expiry), ..Setup::default() }
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
