//! The lab of Cosmos DB, as the SDK's own client sees it over the ports.

#[path = "cosmos/links.rs"]
mod links;
#[path = "cosmos/regions.rs"]
mod regions;
#[path = "cosmos/wire.rs"]
mod wire;

use azure_core::credentials::Secret;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{
    AvailabilityStrategy, BinaryEncodingOptions, OperationOptions, ReadConsistencyStrategy, Region,
    ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, ContainerClient, CosmosClientBuilder, CosmosError, CosmosRuntimeBuilder,
    FeedScope, RoutingStrategy,
};
use tokio_stream::StreamExt;

use super::*;
use crate::lab::CosmosMode;
use crate::lab::cosmos::{CONTAINER, CosmosLab, DATABASE, KEY, Operation, Part, Refusal};

const EAST: &str = "East US";
const WEST: &str = "West Europe";
const SOUTH: &str = "Australia East";

async fn cosmos() -> CosmosLab {
    CosmosLab::builder().regions([EAST, WEST, SOUTH]).lag(Lag::Fixed(LAG)).start().await
}

/// A client that asks one region and no other, once.
struct Pinned {
    container: ContainerClient,
    region: Region,
}

impl Pinned {
    async fn of(lab: &CosmosLab, region: &str) -> Pinned {
        Pinned::with(lab, region, true).await
    }

    async fn with(lab: &CosmosLab, region: &str, is_binary: bool) -> Pinned {
        let region = Region::from(region.to_owned());
        let others = lab.regions().into_iter().map(|name| Region::from(name.to_owned()));
        let mut options = OperationOptions::default();
        options.excluded_regions = Some(others.filter(|other| *other != region).collect());
        options.hedging_enabled = Some(false);
        options.availability_strategy = Some(AvailabilityStrategy::Disabled);
        options.session_capturing_disabled = Some(true);
        options.read_consistency_strategy = Some(ReadConsistencyStrategy::LatestCommitted);
        options.max_failover_retry_count = Some(0);
        options.max_session_retry_count = Some(0);
        options.throttling_retry_options = Some(ThrottlingRetryOptionsBuilder::new().with_max_retry_count(0).build());
        options.end_to_end_latency_policy = Some(Duration::from_secs(2).into());
        // Its own, as the one that all share would end with the first test's runtime.
        let runtime = CosmosRuntimeBuilder::new().build().await.unwrap();
        let endpoint: AccountEndpoint = lab.endpoint().parse().unwrap();
        let account = AccountReference::with_authentication_key(endpoint, Secret::new(KEY));
        let client = CosmosClientBuilder::new()
            .with_runtime(runtime)
            .with_default_operation_options(options)
            .with_binary_encoding_options(BinaryEncodingOptions::new().with_enabled(is_binary))
            .build(account, RoutingStrategy::PreferredRegions(vec![region.clone()]))
            .await
            .unwrap();
        let container = client.database_client(DATABASE).container_client(CONTAINER, None).await.unwrap();
        Pinned { container, region }
    }

    async fn create(&self, slot: u32, source: &str, seq: u64) -> Result<ItemResponse, CosmosError> {
        let document = heartbeat(slot, source, seq);
        let created = self.container.create_item(partition_of(slot), &id_of(source), &document, None).await?;
        self.answered(&created.diagnostics().responded_regions());
        Ok(created)
    }

    async fn replace(&self, slot: u32, source: &str, seq: u64) -> Result<ItemResponse, CosmosError> {
        let document = heartbeat(slot, source, seq);
        let replaced = self.container.replace_item(partition_of(slot), &id_of(source), &document, None).await?;
        self.answered(&replaced.diagnostics().responded_regions());
        Ok(replaced)
    }

    /// A heartbeat, whether it is the first or not.
    async fn beat(&self, slot: u32, source: &str, seq: u64) -> Result<ItemResponse, CosmosError> {
        if seq == 1 { self.create(slot, source, seq).await } else { self.replace(slot, source, seq).await }
    }

    /// The seq that a point read sees. `None` where there is no document.
    async fn read(&self, slot: u32, source: &str) -> Result<Option<u64>, CosmosError> {
        match self.container.read_item(partition_of(slot), &id_of(source), None).await {
            Ok(read) => {
                self.answered(&read.diagnostics().responded_regions());
                Ok(Some(seq_of(&read.into_model::<Value>().unwrap())))
            }
            Err(error) if u16::from(error.status().status_code()) == 404 && sub_status(&error) == 0 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The sources and seqs that a query of one slot sees.
    async fn query(&self, slot: u32) -> Result<Vec<(String, u64)>, CosmosError> {
        let scope = FeedScope::partition(partition_of(slot));
        let mut pages = self.container.query_items::<Value>("SELECT * FROM c", scope, None).await?.into_pages();
        let mut seen = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page?;
            self.answered(&page.diagnostics().responded_regions());
            seen.extend(
                page.into_items().iter().map(|item| (item["tg_source"].as_str().unwrap().to_owned(), seq_of(item))),
            );
        }
        seen.sort();
        Ok(seen)
    }

    /// Every answer came from here: there are several where the client had to find out that something moved.
    fn answered(&self, regions: &[&Region]) {
        let is_here = !regions.is_empty() && regions.iter().all(|region| **region == self.region);
        assert!(is_here, "not answered from {}: {regions:?}", self.region);
    }
}

fn partition_of(slot: u32) -> String {
    format!("tidegauge-{slot}")
}

fn id_of(source: &str) -> String {
    format!("tidegauge-{}", source.to_ascii_lowercase().replace(' ', ""))
}

fn heartbeat(slot: u32, source: &str, seq: u64) -> Value {
    json!({
        "id": id_of(source),
        "pk": partition_of(slot),
        "tg_source": source,
        "tg_slot": slot,
        "tg_run": 1,
        "tg_seq": seq,
        "tg_written_at": 1_700_000_000_000_000_i64,
    })
}

/// The status and the sub-status of a refusal.
fn status_of(error: &CosmosError) -> (u16, u16) {
    (error.status().status_code().into(), sub_status(error))
}

/// The seq of a document.
fn seq_of(document: &Value) -> u64 {
    document["tg_seq"].as_u64().unwrap_or_else(|| panic!("no heartbeat: {document}"))
}

fn sub_status(error: &CosmosError) -> u16 {
    error.status().sub_status().map_or(0, |code| code.value())
}

fn shows(lab: &CosmosLab, target: &str, seq: u64) -> bool {
    lab.truth().visible(EAST, target, 0, 1, seq).is_some()
}
