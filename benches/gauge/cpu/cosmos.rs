//! Azure Cosmos DB: the adapter, and the bare calls.

use std::time::Duration;

use azure_core::http::Etag;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{ContentResponseOnWrite, ItemWriteOptions, OperationOptions, Precondition, Region};
use azure_data_cosmos::{AccountReference, CosmosClientBuilder, CosmosRuntime, FeedScope, RoutingStrategy};
use serde_json::{Map, Value as Json, json};
use tidegauge::clock::Clock;
use tidegauge::settings::StoreKind;
use tidegauge::stores::cosmos::{Access, CosmosStore};
use tokio_stream::StreamExt;

use super::{Bare, settings};
use crate::lab::CosmosLab;
use crate::lab::cosmos::{CONTAINER, DATABASE, KEY};

const REGIONS: [&str; 3] = ["East US", "West Europe", "Japan East"];

/// As with heartbeats, all regions' documents are in one.
const PARTITION: &str = "bare";

/// Where the account is served, until the lab is dropped.
pub async fn serve() -> (CosmosLab, Vec<String>) {
    let lab = CosmosLab::builder().regions(REGIONS).start().await;
    let endpoint = lab.endpoint();
    (lab, vec![endpoint])
}

pub async fn store(endpoints: &[String], deadline: Duration) -> CosmosStore {
    let regions = REGIONS.iter().map(|region| format!("{{ name = \"{region}\" }}"));
    let endpoint = &endpoints[0];
    let kind = format!(
        "[stores.cosmos]\nendpoint = \"{endpoint}\"\ndatabase = \"{DATABASE}\"\ncontainer = \"{CONTAINER}\"\n\
         auth = \"key\"\nkey_env = \"COSMOS_KEY\"\n"
    );
    let settings = settings(regions, &kind);
    let store = &settings.stores[0];
    let StoreKind::Cosmos(cosmos) = &store.kind else { panic!("not Cosmos DB") };
    CosmosStore::from_settings(store, cosmos, Access::from_settings(cosmos, Clock::start(), deadline), deadline)
}

/// One region's client, and what it wrote last.
pub struct Calls {
    id: String,
    container: ContainerClient,
    etag: Option<Etag>,
}

pub async fn bare(endpoints: &[String]) -> Vec<Calls> {
    let mut calls = Vec::new();
    for region in REGIONS {
        let account = AccountReference::with_authentication_key(endpoints[0].parse().unwrap(), KEY);
        let client = CosmosClientBuilder::new()
            .with_runtime(CosmosRuntime::builder().build().await.unwrap())
            .build(account, RoutingStrategy::PreferredRegions(vec![Region::new(region)]))
            .await
            .unwrap();
        let container = client.database_client(DATABASE).container_client(CONTAINER, None).await.unwrap();
        calls.push(Calls { id: format!("bare-{region}"), container, etag: None });
    }
    calls
}

impl Bare for Calls {
    async fn write(&mut self, seq: u32) {
        let id = self.id.as_str();
        let document = json!({
            "id": id, "pk": PARTITION, "ttl": -1, "tg_v": 0, "tg_source": "eastus", "tg_slot": 0,
            "tg_writer": "0123456789abcdef0123456789abcdef", "tg_host": "01234567-89ab-cdef-0123-456789abcdef",
            "tg_run": 1, "tg_seq": seq, "tg_written_at": 1_800_000_000_000_000_u64, "tg_interval": 100_000,
        });
        let mut operation = OperationOptions::default();
        operation.content_response_on_write = Some(ContentResponseOnWrite::Enabled);
        let options = ItemWriteOptions::default().with_operation_options(operation);
        let written = match self.etag.take() {
            Some(etag) => {
                let options = options.with_precondition(Precondition::IfMatch(etag));
                self.container.replace_item(PARTITION, id, document, Some(options)).await
            }
            None => self.container.upsert_item(PARTITION, id, document, Some(options)).await,
        };
        let written = written.unwrap();
        self.etag = written.headers().etag().cloned();
        written.into_model::<Map<String, Json>>().unwrap();
    }

    async fn read(&self) {
        let scope = FeedScope::partition(PARTITION);
        let query = self.container.query_items::<Map<String, Json>>("SELECT * FROM c", scope, None);
        let mut pages = query.await.unwrap().into_pages();
        while let Some(page) = pages.next().await {
            page.unwrap();
        }
    }
}
