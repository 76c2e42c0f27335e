//! The Cosmos DB adapter, used as the driver uses it, against the SDK's own emulator in this process.

mod failures;
mod golden;
mod regions;
mod writes;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{ItemReadOptions, Region};
use azure_data_cosmos::{AccountReference, CosmosClientBuilder, CosmosRuntimeBuilder, RoutingStrategy};
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, ContainerConfig, InMemoryEmulatorHttpClient, ReplicationConfig, RequestObserver,
    VirtualAccountConfig, VirtualRegion, WriteMode,
};
use tidegauge::clock::Clock;
use tidegauge::core::heartbeat::{Found, Heartbeat};
use tidegauge::core::inspection::Spread;
use tidegauge::core::model::{Beat, Consistency, Expect, RegionId, Slot, Write, WriteOutcome, WriterId};
use tidegauge::core::time::{Span, Wall};
use tidegauge::settings::{CosmosAuth, CosmosSettings, Settings, StoreKind};
use tidegauge::stores::cosmos::connect::clients::{Connector, Container};
use tidegauge::stores::cosmos::connect::credentials::Credentials;
use tidegauge::stores::cosmos::connect::http::Http;
use tidegauge::stores::cosmos::connect::rest::Rest;
use tidegauge::stores::cosmos::{Access, CosmosStore};
use tidegauge::stores::{Check, Forget, Store};

const REGIONS: [&str; 3] = ["East US", "West Europe", "Japan East"];
const HOME: RegionId = RegionId(0);

const ME: WriterId = WriterId(0xA);
const RIVAL: WriterId = WriterId(0xB);
const RUN: u64 = 1_767_225_600_000;
const WRITTEN_AT: Wall = Wall::from_micros(1_767_225_642_000_123);

/// Longer than anything takes that is answered at all, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Any text is a key to the emulator.
const KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/cosmos/key");

/// The partition key of slot 0.
const SLOT_0: &str = "tidegauge-0-15";

const DATABASE: &str = "cell-state";
const CONTAINER: &str = "orders";

/// Requests that the emulator received: method, URL, and whether it is a query.
#[derive(Default, Debug)]
struct Requests(Mutex<Vec<String>>);

impl RequestObserver for Requests {
    fn on_request(&self, request: &Request) {
        self.0.lock().unwrap().push(format!("{} {}", request.method(), request.url()));
    }
}

/// What is asked beside the SDK goes to the emulator, too.
#[derive(Debug)]
struct Emulated(Arc<InMemoryEmulatorHttpClient>);

#[async_trait]
impl HttpClient for Emulated {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.0.execute_request(request).await.map_err(|error| azure_core::Error::new(ErrorKind::Io, error))
    }
}

/// An account of three regions, and a store that reaches it.
struct Bench {
    emulator: Arc<InMemoryEmulatorHttpClient>,
    requests: Arc<Requests>,
    store: CosmosStore,
}

impl Bench {
    async fn start() -> Bench {
        Bench::with(Duration::ZERO, &["/pk"]).await
    }

    /// With this lag everywhere, on a container that is partitioned by these.
    async fn with(lag: Duration, paths: &[&str]) -> Bench {
        Bench::with_partitions(lag, paths, 4).await
    }

    /// The same, in so many physical partitions at first.
    async fn with_partitions(lag: Duration, paths: &[&str], partitions: u32) -> Bench {
        Bench::of(WriteMode::Multi, lag, paths, partitions).await
    }

    async fn of(mode: WriteMode, lag: Duration, paths: &[&str], partitions: u32) -> Bench {
        let regions = REGIONS.iter().map(|name| VirtualRegion::new(name, url(name).parse().unwrap())).collect();
        let config = VirtualAccountConfig::new(regions)
            .unwrap()
            .with_write_mode(mode)
            .with_consistency(ConsistencyLevel::Session)
            .with_replication_config(ReplicationConfig::fixed(lag));
        let requests = Arc::new(Requests::default());
        let emulator = InMemoryEmulatorHttpClient::new(config).with_request_observer(requests.clone());
        let emulator = Arc::new(emulator);
        let kind = if paths.len() > 1 { "MultiHash" } else { "Hash" };
        let definition = serde_json::json!({ "paths": paths, "kind": kind, "version": 2 });
        emulator.store().create_database(DATABASE);
        emulator.store().create_container_with_config(
            DATABASE,
            CONTAINER,
            serde_json::from_value(definition).unwrap(),
            ContainerConfig::new().with_partition_count(partitions).build().unwrap(),
        );
        let store = store(&emulator, DEADLINE).await;
        Bench { emulator, requests, store }
    }

    async fn write(&self, expect: Expect, heartbeat: Heartbeat) -> WriteOutcome {
        self.store.write(write(expect, heartbeat)).await.outcome
    }

    /// What a region has under the first region's key of a slot.
    async fn stored(&self, region: RegionId, slot: Slot) -> Option<Found> {
        let read = self.store.read(region, slot, Consistency::Strong).await.outcome.unwrap();
        read.found.into_iter().find(|(source, _)| *source == HOME).map(|(_, found)| found)
    }

    /// A client of the test's own.
    async fn container(&self) -> ContainerClient {
        self.pinned(REGIONS[0]).await
    }

    /// An ordinary client that prefers a region.
    async fn pinned(&self, region: &'static str) -> ContainerClient {
        let runtime = CosmosRuntimeBuilder::from(self.emulator.runtime_builder()).build().await.unwrap();
        let account = AccountReference::with_authentication_key(url(REGIONS[0]).parse().unwrap(), "a2V5");
        let strategy = RoutingStrategy::PreferredRegions(vec![Region::new(region)]);
        let client = CosmosClientBuilder::new().with_runtime(runtime).build(account, strategy).await.unwrap();
        client.database_client(DATABASE).container_client(CONTAINER, None).await.unwrap()
    }

    /// A client as the store makes it for a region.
    async fn ours(&self, region: &'static str) -> Container {
        let runtime = CosmosRuntimeBuilder::from(self.emulator.runtime_builder()).build().await.unwrap();
        let settings = settings(&url(REGIONS[0]), &REGIONS);
        let StoreKind::Cosmos(cosmos) = &settings.stores[0].kind else { panic!("it is of Cosmos DB") };
        let access = access(&self.emulator, cosmos, DEADLINE);
        let connector = Connector::new(cosmos, &settings.stores[0].regions, access, DEADLINE, Some(runtime));
        let others: Vec<Region> = REGIONS.into_iter().filter(|other| *other != region).map(Region::new).collect();
        connector.container(Region::new(region), &others, None).await.unwrap()
    }

    /// Halves a physical partition; the halves.
    async fn split(&self, partition: u32) -> Vec<u32> {
        let store = self.emulator.store();
        let middle = store.midpoint_split_epk(DATABASE, CONTAINER, partition).unwrap();
        store.split_partition_and_wait(DATABASE, CONTAINER, partition, middle, Duration::ZERO).await.unwrap()
    }

    /// Removes a document of slot 0 in the first region, past the store.
    async fn delete(&self, id: &str) {
        self.container().await.delete_item(SLOT_0, id, None).await.unwrap();
    }

    /// Puts anything at all into slot 0 in the first region, past the store.
    async fn put(&self, id: &str, mut document: serde_json::Value) {
        document["id"] = id.into();
        document["pk"] = SLOT_0.into();
        self.container().await.upsert_item(SLOT_0, id, document, None).await.unwrap();
    }

    /// What the emulator received since the last time.
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.0.lock().unwrap())
    }
}

async fn store(emulator: &Arc<InMemoryEmulatorHttpClient>, deadline: Duration) -> CosmosStore {
    let runtime = CosmosRuntimeBuilder::from(emulator.runtime_builder()).build().await.unwrap();
    let settings = settings(&url(REGIONS[0]), &REGIONS);
    let store = &settings.stores[0];
    let StoreKind::Cosmos(cosmos) = &store.kind else { panic!("it is of Cosmos DB") };
    let access = access(emulator, cosmos, deadline);
    CosmosStore::with_runtime(store, cosmos, access, deadline, Some(runtime))
}

/// What is asked beside the SDK goes to the emulator, too.
fn access(emulator: &Arc<InMemoryEmulatorHttpClient>, cosmos: &CosmosSettings, deadline: Duration) -> Access {
    let (clock, http) = (Clock::start(), Http::with_client(Arc::new(Emulated(emulator.clone()))));
    let credentials = Credentials::from_settings(&cosmos.auth, &http, clock, deadline);
    Access::with(credentials.clone(), Rest::new(credentials, http, clock, deadline), clock)
}

fn url(region: &str) -> String {
    format!("https://cells-{}.documents.azure.com", region.to_lowercase().replace(' ', ""))
}

fn settings(endpoint: &str, names: &[&str]) -> Settings {
    let mut regions = String::new();
    for name in names {
        write!(regions, "{{ name = {name:?} }}, ").unwrap();
    }
    let toml = format!(
        "[cell]\ncentral = true\n[[stores]]\nname = \"carts\"\nheartbeat = {{ slots = 4 }}\nregions = [{regions}]\n[stores.cosmos]\nendpoint = {endpoint:?}\n\
         database = {DATABASE:?}\ncontainer = {CONTAINER:?}\nauth = \"key\"\nkey_file = {KEY_FILE:?}\n"
    );
    Settings::from_sources(Some(("carts.toml", &toml)), HashMap::new()).unwrap()
}

const fn beat(run: u64, seq: u64) -> Beat {
    Beat { run, seq }
}

fn heartbeat(writer: WriterId, run: u64, seq: u64) -> Heartbeat {
    Heartbeat {
        source: "eastus".into(),
        slot: 0,
        writer,
        host: "host".into(),
        beat: beat(run, seq),
        written_at: WRITTEN_AT,
        interval: Span::from_millis(1_000),
        resigned: false,
        clock: None,
        recent: [1, 2, 3].into(),
        echo: [].into(),
    }
}

fn write(expect: Expect, heartbeat: Heartbeat) -> Write {
    Write { source: HOME, heartbeat, expect, want_replaced: true }
}
