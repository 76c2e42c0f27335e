//! Removes the heartbeats of a source that nobody writes any more.

use std::sync::Arc;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};

use super::{Container, CosmosStore, errors, keys};
use crate::core::heartbeat::Found;
use crate::core::model::{Beat, Consistency, Failure, RegionId, Slot};
use crate::stores::Forget;

impl Forget for CosmosStore {
    async fn look(&self, replica: RegionId, source: &Arc<str>, slot: Slot) -> Result<Option<Found>, Failure> {
        let container = self.container(replica).await?;
        let (stored, _) = self.point(&container, source, slot, Consistency::Strong).await;
        Ok(stored?.map(|stored| stored.found))
    }

    async fn remove(&self, replica: RegionId, source: &Arc<str>, slot: Slot, seen: Beat) -> Result<bool, Failure> {
        let container = self.container(replica).await?;
        let (stored, _) = self.point(&container, source, slot, Consistency::Strong).await;
        let Some(stored) = stored? else { return Ok(true) };
        if !matches!(&stored.found, Found::Heartbeat(heartbeat) if heartbeat.beat == seen) {
            return Ok(false);
        }
        let options = options(&container).with_precondition(Precondition::IfMatch(stored.etag));
        let (key, id) = (container.keys.heartbeat(source, slot), keys::id(slot, source));
        match container.client.delete_item(key, &id, Some(options)).await {
            Ok(_) => Ok(true),
            Err(error) => gone(&container, &error),
        }
    }

    async fn sweep(&self, replica: RegionId, source: &Arc<str>) -> Result<(), Failure> {
        let container = self.container(replica).await?;
        let (key, id) = container.keys.probe(source);
        match container.client.delete_item(key, &id, Some(options(&container))).await {
            Ok(_) => Ok(()),
            Err(error) => gone(&container, &error).map(drop),
        }
    }
}

/// Whether nothing is left all the same, where a removal was refused.
fn gone(container: &Container, error: &CosmosError) -> Result<bool, Failure> {
    match errors::elsewhere_of(error, &container.region) {
        Some(failure) => Err(failure),
        None if errors::is_absent(error) => Ok(true),
        None if errors::is_overtaken(error) => Ok(false),
        None => Err(errors::failure(error)),
    }
}

fn options(container: &Container) -> ItemWriteOptions {
    ItemWriteOptions::default().with_operation_options(container.patient())
}
