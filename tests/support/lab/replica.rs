//! One region's data: an in-process database, the order of its commits, and who wins when a replicated write arrives.
//!
//! Everything here blocks for well below a millisecond; the callers keep it off the runtime's threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::delete_table::DeleteTableRequest;
use dynoxide::actions::get_item::GetItemRequest;
use dynoxide::actions::put_item::PutItemRequest;
use dynoxide::actions::update_item::UpdateItemRequest;
use dynoxide::types::KeyType;
use dynoxide::{AttributeValue, Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::replicate::{Outgoing, Target, Version};
use super::time::{Bracket, LabClock};
use super::truth::{HeartbeatId, Truth};

/// An item, or the key of one.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// What a committed write changed.
#[derive(Clone, Debug)]
pub struct Change {
    table: String,
    key: Attributes,
    /// `None` if the item was deleted.
    item: Option<Attributes>,
}

/// What goes back to the client.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

pub struct Replica {
    region: String,
    database: Database,
    clock: LabClock,
    truth: Arc<Truth>,
    /// Shared by all regions, so that any two commits are ordered.
    order: Arc<AtomicU64>,
    /// Held over every write, so that the order given is the order in which the database took them.
    writes: Mutex<Writes>,
}

#[derive(Default)]
struct Writes {
    /// Key attributes of each table: partition key, then sort key where there is one.
    tables: HashMap<String, Vec<String>>,
    /// The order of each item's version, by identity.
    newest: HashMap<String, u64>,
}

impl Replica {
    pub(super) fn new(region: &str, clock: LabClock, truth: Arc<Truth>, order: Arc<AtomicU64>) -> Replica {
        let database = Database::memory().expect("an in-memory database opens");
        Replica { region: region.to_owned(), database, clock, truth, order, writes: Mutex::default() }
    }

    /// Executes one request; a committed write sets out for the other regions.
    pub(super) fn execute(&self, operation: &str, body: &str, outgoing: &Outgoing<Replica>) -> Answer {
        let result = match operation {
            "PutItem" => self.put(body, outgoing),
            "UpdateItem" => self.update(body, outgoing),
            "DeleteItem" => self.delete(body, outgoing),
            "GetItem" => read(body, |request| self.database.get_item(request)),
            "BatchGetItem" => read(body, |request| self.database.batch_get_item(request)),
            "Query" => read(body, |request| self.database.query(request)),
            "Scan" => read(body, |request| self.database.scan(request)),
            "CreateTable" => decode(body).and_then(|request| text(&self.create(request)?)),
            "DeleteTable" => decode(body).and_then(|request| text(&self.drop_table(request)?)),
            "DescribeTable" => read(body, |request| self.database.describe_table(request)),
            "ListTables" => read(body, |request| self.database.list_tables(request)),
            "UpdateTimeToLive" => read(body, |request| self.database.update_time_to_live(request)),
            "DescribeTimeToLive" => read(body, |request| self.database.describe_time_to_live(request)),
            // Batches and transactions of writes would have to be replicated item by item: the gauge makes none.
            other => Err(DynoxideError::ValidationException(format!("the lab does not offer {other}"))),
        };
        // A writer holds the lock until its write is in the log: what this read saw is there before it is answered.
        drop(self.writes());
        match result {
            Ok(body) => Answer { status: 200, body },
            Err(error) => Answer { status: error.status_code(), body: error.to_json() },
        }
    }

    fn put(&self, body: &str, outgoing: &Outgoing<Replica>) -> Result<String, DynoxideError> {
        let request: PutItemRequest = decode(body)?;
        let (table, item) = (request.table_name.clone(), request.item.clone());
        let mut writes = self.writes();
        let before = self.clock.now();
        let response = self.database.put_item(request)?;
        let at = Bracket { before, after: self.clock.now() };
        self.commit(&mut writes, table, &item, Some(item.clone()), at, outgoing);
        text(&response)
    }

    fn update(&self, body: &str, outgoing: &Outgoing<Replica>) -> Result<String, DynoxideError> {
        let request: UpdateItemRequest = decode(body)?;
        let (table, key) = (request.table_name.clone(), request.key.clone());
        let mut writes = self.writes();
        let before = self.clock.now();
        let response = self.database.update_item(request)?;
        let at = Bracket { before, after: self.clock.now() };
        // Nobody else writes meanwhile: what is read is what the update left.
        let item = self.item(&table, &key);
        self.commit(&mut writes, table, &key, item, at, outgoing);
        text(&response)
    }

    fn delete(&self, body: &str, outgoing: &Outgoing<Replica>) -> Result<String, DynoxideError> {
        let request: DeleteItemRequest = decode(body)?;
        let (table, key) = (request.table_name.clone(), request.key.clone());
        let mut writes = self.writes();
        let before = self.clock.now();
        let response = self.database.delete_item(request)?;
        let at = Bracket { before, after: self.clock.now() };
        self.commit(&mut writes, table, &key, None, at, outgoing);
        text(&response)
    }

    /// Orders a write that the database has taken, notes it if it is a heartbeat, and sends it on its way.
    fn commit(
        &self,
        writes: &mut Writes,
        table: String,
        keyed: &Attributes,
        item: Option<Attributes>,
        committed: Bracket,
        outgoing: &Outgoing<Replica>,
    ) {
        let Some(names) = writes.tables.get(&table) else { return };
        let key: Attributes = names.iter().filter_map(|name| Some((name.clone(), keyed.get(name)?.clone()))).collect();
        let identity = identity(&table, names, &key);
        let partition = names.first().and_then(|name| key.get(name)).map(plain).unwrap_or_default();
        let order = self.order.fetch_add(1, Ordering::SeqCst) + 1;
        writes.newest.insert(identity.clone(), order);
        let heartbeat = item.as_ref().and_then(heartbeat_in);
        if let (Some(heartbeat), Some(item)) = (&heartbeat, &item) {
            self.truth.committed(heartbeat.clone(), &self.region, number(item, "tg_written_at"), committed);
        }
        let change = Change { table, key, item };
        outgoing.send(&Version { order, identity, partition, change, heartbeat, committed });
    }

    /// Applies a replicated write unless a newer version is here already. A table that is not here loses it.
    fn apply(&self, version: &Version<Change>) {
        let mut writes = self.writes();
        if writes.newest.get(&version.identity).is_some_and(|newest| *newest >= version.order) {
            return;
        }
        let before = self.clock.now();
        let change = &version.change;
        let applied = match &change.item {
            Some(item) => {
                let request = PutItemRequest {
                    table_name: change.table.clone(),
                    item: item.clone(),
                    ..PutItemRequest::default()
                };
                self.database.put_item(request).map(drop)
            }
            None => {
                let request = DeleteItemRequest {
                    table_name: change.table.clone(),
                    key: change.key.clone(),
                    ..DeleteItemRequest::default()
                };
                self.database.delete_item(request).map(drop)
            }
        };
        let at = Bracket { before, after: self.clock.now() };
        if applied.is_ok() {
            writes.newest.insert(version.identity.clone(), version.order);
            if let Some(heartbeat) = &version.heartbeat {
                self.truth.arrived(heartbeat, &self.region, at);
            }
        }
    }

    /// The item as it is in this region now, and in the log.
    pub(super) fn peek(&self, table: &str, key: &Attributes) -> Option<Attributes> {
        let item = self.item(table, key);
        drop(self.writes());
        item
    }

    fn item(&self, table: &str, key: &Attributes) -> Option<Attributes> {
        let request = GetItemRequest {
            table_name: table.to_owned(),
            key: key.clone(),
            consistent_read: Some(true),
            ..GetItemRequest::default()
        };
        self.database.get_item(request).ok()?.item
    }

    pub(super) fn create(&self, request: CreateTableRequest) -> Result<impl Serialize + use<>, DynoxideError> {
        let name = request.table_name.clone();
        let mut schema = request.key_schema.clone();
        schema.sort_by_key(|element| element.key_type == KeyType::RANGE);
        let mut writes = self.writes();
        let response = self.database.create_table(request)?;
        writes.tables.insert(name, schema.into_iter().map(|element| element.attribute_name).collect());
        Ok(response)
    }

    pub(super) fn drop_table(&self, request: DeleteTableRequest) -> Result<impl Serialize + use<>, DynoxideError> {
        let name = request.table_name.clone();
        let mut writes = self.writes();
        let response = self.database.delete_table(request)?;
        writes.tables.remove(&name);
        let prefix = identity_prefix(&name);
        writes.newest.retain(|identity, _| !identity.starts_with(&prefix));
        Ok(response)
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().expect("no thread died while it wrote")
    }
}

impl Target for Replica {
    type Change = Change;

    async fn apply(self: Arc<Self>, version: Version<Change>) {
        // Fails only when the runtime is going away.
        let _ = tokio::task::spawn_blocking(move || Replica::apply(&self, &version)).await;
    }
}

/// The heartbeat in an item, if it is one.
fn heartbeat_in(item: &Attributes) -> Option<HeartbeatId> {
    let AttributeValue::S(source) = item.get("tg_source")? else { return None };
    Some(HeartbeatId {
        source: source.clone(),
        slot: number(item, "tg_slot")?,
        run: number(item, "tg_run")?,
        seq: number(item, "tg_seq")?,
    })
}

fn number<T: std::str::FromStr>(item: &Attributes, name: &str) -> Option<T> {
    match item.get(name)? {
        AttributeValue::N(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn read<Request: DeserializeOwned, Response: Serialize>(
    body: &str,
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    text(&run(decode(body)?)?)
}

/// Reads a request. The database's decoders mark a refusal's kind with a prefix of their own (`VALIDATION:`), and the
/// JSON reader adds the position: neither belongs on the wire.
fn decode<Request: DeserializeOwned>(body: &str) -> Result<Request, DynoxideError> {
    serde_json::from_str(body).map_err(|error| {
        let message = error.to_string();
        let message = match message.split_once(':') {
            Some((kind, rest)) if kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => rest,
            _ => &message,
        };
        let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
        DynoxideError::ValidationException(message.to_owned())
    })
}

fn text<Response: Serialize>(response: &Response) -> Result<String, DynoxideError> {
    serde_json::to_string(response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// A separator that no table name may hold.
fn identity_prefix(table: &str) -> String {
    format!("{table}\n")
}

fn identity(table: &str, names: &[String], key: &Attributes) -> String {
    let values = names.iter().filter_map(|name| key.get(name));
    let values: Vec<String> = values.map(|value| serde_json::to_string(value).expect("a key is JSON")).collect();
    identity_prefix(table) + &values.join("\n")
}

fn plain(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        other => serde_json::to_string(other).expect("a key is JSON"),
    }
}
