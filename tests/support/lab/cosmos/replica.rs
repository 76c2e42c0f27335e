//! One region's data: an emulator of its own, the order of its commits, and who wins when a replicated write arrives.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Request, Url};
use azure_data_cosmos_driver::binary_json;
use azure_data_cosmos_driver::in_memory_emulator::{
    ContainerConfig, EmulatorStore, InMemoryEmulatorHttpClient, VirtualAccountConfig,
};
use azure_data_cosmos_driver::models::PartitionKeyDefinition;
use serde_json::Value;

use super::operation::Operation;
use crate::lab::replicate::{Outgoing, Target, Version};
use crate::lab::time::{Bracket, LabClock};
use crate::lab::truth::{HeartbeatId, Truth};

const PARTITION_KEY: &str = "x-ms-documentdb-partitionkey";
/// The documents that are looked at as heartbeats.
const HEARTBEAT_PREFIX: &str = "tidegauge-";

/// What a committed write changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// The path of the container's documents.
    documents: String,
    /// As the client sent it: a JSON array, in the header.
    partition_key: String,
    id: String,
    /// `None` if the document was deleted.
    document: Option<Arc<Value>>,
}

/// What goes back to the client.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What all regions of a lab share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) clock: LabClock,
    pub(super) truth: Arc<Truth>,
    /// Any two commits are ordered.
    pub(super) order: Arc<AtomicU64>,
}

pub struct Replica {
    region: String,
    /// The region's own address, by which the emulator knows it.
    address: String,
    emulator: InMemoryEmulatorHttpClient,
    shared: Shared,
    /// The order of each document's version, by identity. Held over every write, so that the order given is the order in
    /// which the emulator took them.
    newest: tokio::sync::Mutex<HashMap<String, u64>>,
}

impl Replica {
    pub(super) fn new(region: &str, address: String, account: VirtualAccountConfig, shared: Shared) -> Replica {
        let emulator = InMemoryEmulatorHttpClient::new(account);
        Replica { region: region.to_owned(), address, emulator, shared, newest: tokio::sync::Mutex::default() }
    }

    /// The emulator's own handle, for what concerns the account as a whole: to be used alike in every region.
    pub(super) fn store(&self) -> Arc<EmulatorStore> {
        self.emulator.store()
    }

    /// Executes one request; a committed write sets out for the other regions. `None` if the region is out of the account.
    pub(super) async fn execute(
        &self,
        operation: Operation,
        parts: &Parts,
        body: &Bytes,
        outgoing: &Outgoing<Replica>,
    ) -> Option<Answer> {
        let request = self.request_of(parts, body)?;
        if !operation.is_write() {
            let answer = self.emulate(&request).await?;
            // A writer holds the lock until its write is in the log: what this read saw is there before it is answered.
            drop(self.newest.lock().await);
            return Some(answer);
        }
        let mut newest = self.newest.lock().await;
        let before = self.shared.clock.now();
        let answer = self.emulate(&request).await?;
        let at = Bracket { before, after: self.shared.clock.now() };
        let is_done = (200..300).contains(&answer.status);
        if let Some(change) = is_done.then(|| change_of(operation, parts, body)).flatten() {
            outgoing.send(&self.commit(&mut newest, change, at));
        }
        Some(answer)
    }

    /// Orders a write that the emulator has taken, and notes it if it is a heartbeat.
    fn commit(&self, newest: &mut HashMap<String, u64>, change: Change, committed: Bracket) -> Version<Change> {
        let partition = plain(&change.partition_key);
        let identity = [change.documents.as_str(), &partition, &change.id].join("\n");
        let order = self.shared.order.fetch_add(1, Ordering::SeqCst) + 1;
        newest.insert(identity.clone(), order);
        let heartbeat = change.document.as_deref().and_then(heartbeat_in);
        if let (Some(heartbeat), Some(document)) = (&heartbeat, &change.document) {
            let written_at = document["tg_written_at"].as_i64();
            self.shared.truth.committed(heartbeat.clone(), &self.region, written_at, committed);
        }
        Version { order, identity, partition, change, heartbeat, committed }
    }

    /// A document as it is in this region now, and in the log.
    pub(super) async fn peek(&self, documents: &str, partition_key: &str, id: &str) -> Option<Value> {
        let mut request = self.request(Method::Get, &format!("{documents}/{id}"));
        request.insert_header(PARTITION_KEY, partition_key.to_owned());
        let answer = self.emulate(&request).await?;
        drop(self.newest.lock().await);
        (answer.status == 200).then(|| serde_json::from_slice(&answer.body).expect("the emulator answers in JSON"))
    }

    pub(super) fn create_container(&self, database: &str, container: &str, paths: &[String], partitions: u32) {
        let paths = paths.iter().cloned().map(Into::into).collect();
        let config = ContainerConfig::new().with_partition_count(partitions).build();
        let config = config.unwrap_or_else(|error| panic!("{partitions} partitions: {error}"));
        self.store().create_container_with_config(database, container, PartitionKeyDefinition::new(paths), config);
    }

    pub(super) async fn drop_container(&self, database: &str, container: &str) {
        let mut newest = self.newest.lock().await;
        let path = format!("/dbs/{database}/colls/{container}");
        let dropped = self.emulate(&self.request(Method::Delete, &path)).await;
        assert!(dropped.is_some_and(|answer| answer.status == 204), "cannot drop {container} in {}", self.region);
        newest.retain(|identity, _| !identity.starts_with(&format!("{path}/")));
    }

    /// Splits a physical partition in the middle, while nobody writes.
    pub(super) async fn split(&self, database: &str, container: &str, partition: u32) {
        let _nobody_writes = self.newest.lock().await;
        let store = self.store();
        let middle = store.midpoint_split_epk(database, container, partition);
        let middle = middle.unwrap_or_else(|error| panic!("no partition {partition} to split: {error}"));
        let split = store.split_partition_and_wait(database, container, partition, middle, Duration::ZERO);
        split.await.unwrap_or_else(|error| panic!("cannot split partition {partition} of {}: {error}", self.region));
    }

    async fn emulate(&self, request: &Request) -> Option<Answer> {
        let answer = self.emulator.execute_request(request).await.ok()?;
        let answer = answer.try_into_raw_response().await.expect("the emulator's answers are whole");
        let headers = answer.headers().iter();
        Some(Answer {
            status: answer.status().into(),
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned())).collect(),
            body: answer.body().as_ref().to_vec(),
        })
    }

    fn request(&self, method: Method, path: &str) -> Request {
        let url = format!("{}{path}", self.address);
        Request::new(Url::parse(&url).unwrap_or_else(|error| panic!("{url} is no address: {error}")), method)
    }

    /// What arrived on the port, as the emulator takes it. `None` for what no client of Cosmos DB sends.
    fn request_of(&self, parts: &Parts, body: &Bytes) -> Option<Request> {
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let url = path_of(parts).to_owned() + &query;
        let mut request = self.request(parts.method.as_str().parse().ok()?, &url);
        for (name, value) in &parts.headers {
            // Header names are in lower case here, as the emulator has them.
            let value = HeaderValue::from(value.to_str().ok()?.to_owned());
            request.insert_header(HeaderName::from(name.as_str().to_owned()), value);
        }
        request.set_body(body.clone());
        Some(request)
    }
}

impl Target for Replica {
    type Change = Change;

    /// Applies a replicated write unless a newer version is here already. A container that is not here loses it.
    async fn apply(self: Arc<Self>, version: Version<Change>) {
        let change = &version.change;
        let mut request = match &change.document {
            Some(document) => {
                let mut request = self.request(Method::Post, &change.documents);
                request.insert_header("x-ms-documentdb-is-upsert", "True");
                request.set_body(document.to_string());
                request
            }
            None => self.request(Method::Delete, &format!("{}/{}", change.documents, change.id)),
        };
        request.insert_header("prefer", "return=minimal");
        request.insert_header(PARTITION_KEY, change.partition_key.clone());

        let mut newest = self.newest.lock().await;
        if newest.get(&version.identity).is_some_and(|newest| *newest >= version.order) {
            return;
        }
        let before = self.shared.clock.now();
        let answer = self.emulate(&request).await;
        let at = Bracket { before, after: self.shared.clock.now() };
        if answer.is_some_and(|answer| (200..300).contains(&answer.status)) {
            newest.insert(version.identity.clone(), version.order);
            if let Some(heartbeat) = &version.heartbeat {
                self.shared.truth.arrived(heartbeat, &self.region, at);
            }
        }
    }
}

/// Some SDKs end a path with a slash, which the service takes and the emulator refuses.
fn path_of(parts: &Parts) -> &str {
    parts.uri.path().trim_end_matches('/')
}

/// What a write that was taken has changed. `None` for those that the lab does not offer.
fn change_of(operation: Operation, parts: &Parts, body: &Bytes) -> Option<Change> {
    let partition_key = parts.headers.get(PARTITION_KEY)?.to_str().ok()?.to_owned();
    let path = path_of(parts);
    let (documents, document) = match operation {
        Operation::Create | Operation::Upsert => (path, Some(document_in(body)?)),
        Operation::Replace => (path.rsplit_once('/')?.0, Some(document_in(body)?)),
        Operation::Delete => (path.rsplit_once('/')?.0, None),
        _ => return None,
    };
    let id = match &document {
        Some(document) => document["id"].as_str()?.to_owned(),
        None => path.rsplit_once('/')?.1.to_owned(),
    };
    Some(Change { documents: documents.to_owned(), partition_key, id, document: document.map(Arc::new) })
}

/// A document as the SDK sends it: in Cosmos DB's binary encoding unless that is off.
fn document_in(body: &Bytes) -> Option<Value> {
    if binary_json::is_binary(body) { binary_json::decode(body).ok() } else { serde_json::from_slice(body).ok() }
}

/// The heartbeat in a document, if it is one.
fn heartbeat_in(document: &Value) -> Option<HeartbeatId> {
    document["id"].as_str()?.strip_prefix(HEARTBEAT_PREFIX)?;
    Some(HeartbeatId {
        source: document["tg_source"].as_str()?.to_owned(),
        slot: document["tg_slot"].as_u64()?.try_into().ok()?,
        run: document["tg_run"].as_u64()?,
        seq: document["tg_seq"].as_u64()?,
    })
}

/// A partition key in one text: `tidegauge-3`, or `tidegauge-3/eastus` where it has two levels.
fn plain(partition_key: &str) -> String {
    let levels: Vec<Value> = serde_json::from_str(partition_key).unwrap_or_default();
    let levels = levels.iter().map(|level| level.as_str().map_or_else(|| level.to_string(), str::to_owned));
    levels.collect::<Vec<_>>().join("/")
}
