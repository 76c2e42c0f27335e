//! The DynamoDB adapter, used as the driver uses it, against the lab's endpoints.

mod credentials;
mod failures;
mod forget;
mod hostile;
mod inspect;
mod tables;
mod wire;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tidegauge::core::heartbeat::{Found, Heartbeat};
use tidegauge::core::model::{Beat, Consistency, Expect, RegionId, SlotRead, Write, WriteOutcome, WriterId};
use tidegauge::core::time::{Span, Wall};
use tidegauge::settings::{Settings, StoreKind, StoreSettings};
use tidegauge::stores::dynamodb::DynamoDbStore;
use tidegauge::stores::{Answer, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub use crate::alone::alone;
use crate::lab::{Lab, Lag, TableKeys};

const SOURCE: &str = "us-east-1";
const TARGET: &str = "eu-west-1";
/// In the order in which the lab has them.
const SOURCE_ID: RegionId = RegionId(0);

const ME: WriterId = WriterId(0xA);
const RIVAL: WriterId = WriterId(0xB);
const RUN: u64 = 1_767_225_600_000;
const WRITTEN_AT: Wall = Wall::from_micros(1_767_225_642_000_123);

/// Longer than anything takes that is answered at all, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

pub const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "lab"), ("AWS_SECRET_ACCESS_KEY", "lab")];

/// Runs a test that has credentials for the lab, and nothing else of this machine's.
pub fn with_credentials<Test: AsyncFnOnce()>(test: Test) {
    alone(&CREDENTIALS, test);
}

/// A lab of two regions without lag, and a store that reaches it.
struct Bench {
    lab: Lab,
    store: DynamoDbStore,
    http: reqwest::Client,
}

impl Bench {
    async fn start() -> Bench {
        Bench::with_keys(TableKeys::default()).await
    }

    /// The same, on a table with such keys.
    async fn with_keys(keys: TableKeys) -> Bench {
        let lab = Lab::builder().regions([SOURCE, TARGET]).lag(Lag::Fixed(Duration::ZERO)).keys(keys).start().await;
        let store = store(&lab, DEADLINE, |_| {}).await;
        Bench { lab, store, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn write(&self, expect: Expect, heartbeat: Heartbeat) -> WriteOutcome {
        self.store.write(write(expect, heartbeat)).await.outcome
    }

    /// What a strong read of slot 0 finds in the region where the tests write.
    async fn read(&self) -> SlotRead {
        self.store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap()
    }

    /// What it finds under the source's own key.
    async fn stored(&self) -> Option<Found> {
        let read = self.read().await;
        let found = read.found.into_iter().find(|(region, _)| *region == SOURCE_ID);
        found.map(|(_, found)| found)
    }

    /// Puts anything at all under any sort key of slot 0, past the store.
    async fn put(&self, sort: &str, mut item: Json) {
        item["PK"] = json!({ "S": "tidegauge-0" });
        item["SK"] = json!({ "S": sort });
        let (status, answer) = self.call("PutItem", json!({ "TableName": "GlobalCellState", "Item": item })).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn call(&self, operation: &str, request: Json) -> (u16, String) {
        let authorization = "AWS4-HMAC-SHA256 Credential=lab/20300101/us-east-1/dynamodb/aws4_request, \
                             SignedHeaders=host, Signature=00";
        let request = self
            .http
            .post(self.lab.endpoint(SOURCE))
            .header("X-Amz-Target", format!("DynamoDB_20120810.{operation}"))
            .header("X-Amz-Date", "20300101T000000Z")
            .header("Authorization", authorization)
            .header("Content-Type", "application/x-amz-json-1.0")
            .body(request.to_string());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Requests that the region where the tests write has received.
    fn requests(&self) -> u64 {
        self.lab.requests(SOURCE).values().sum()
    }
}

/// A store on the lab, once its settings have been edited.
async fn store(lab: &Lab, deadline: Duration, edit: impl FnOnce(&mut StoreSettings)) -> DynamoDbStore {
    let mut settings = Settings::from_toml(&lab.settings().to_toml()).unwrap();
    let mut settings = settings.stores.remove(0);
    edit(&mut settings);
    let StoreKind::Dynamodb(dynamodb) = settings.kind.clone() else { panic!("the lab is DynamoDB") };
    DynamoDbStore::from_settings(&settings, &dynamodb, deadline).await
}

fn write(expect: Expect, heartbeat: Heartbeat) -> Write {
    Write { source: SOURCE_ID, heartbeat, expect, want_replaced: false }
}

fn beat(run: u64, seq: u64) -> Beat {
    Beat { run, seq }
}

fn heartbeat(writer: WriterId, run: u64, seq: u64) -> Heartbeat {
    Heartbeat {
        source: Arc::from(SOURCE),
        slot: 0,
        writer,
        host: Arc::from("5f2c1e0a-9b7d-4c38-8a61-0d3e4f5a6b7c"),
        beat: beat(run, seq),
        written_at: WRITTEN_AT,
        interval: Span::from_millis(1_000),
        resigned: false,
        clock: None,
        recent: Arc::default(),
        echo: Arc::default(),
    }
}

/// A whole heartbeat of the rival's as it lies in the table, to be spoiled.
fn item() -> Json {
    json!({
        "tg_v": { "N": "1" },
        "tg_source": { "S": SOURCE },
        "tg_slot": { "N": "0" },
        "tg_writer": { "S": RIVAL.to_string() },
        "tg_host": { "S": "5f2c1e0a-9b7d-4c38-8a61-0d3e4f5a6b7c" },
        "tg_run": { "N": RUN.to_string() },
        "tg_seq": { "N": "7" },
        "tg_written_at": { "N": WRITTEN_AT.as_micros().to_string() },
        "tg_interval": { "N": "1000000" },
    })
}

/// The same, with one attribute of another value.
fn item_with(name: &str, value: Json) -> Json {
    let mut item = item();
    item[name] = value;
    item
}

const ACKNOWLEDGED: WriteOutcome = WriteOutcome::Acknowledged { replaced: None };

fn refused(stored: Heartbeat) -> WriteOutcome {
    WriteOutcome::Refused { stored: Some(Found::Heartbeat(stored)) }
}

/// A server that answers each request with these bytes and the end of the connection: its address, and what it was sent.
pub async fn answer_all_with(answer: &'static [u8]) -> (String, UnboundedReceiver<String>) {
    answer_in_turn(vec![answer.to_vec()]).await
}

/// The same with an answer for each request in turn, of which the last one stays.
async fn answer_in_turn(answers: Vec<Vec<u8>>) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (note, requests) = unbounded_channel();
    let (answers, turns) = (Arc::new(answers), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (note, answers, turns) = (note.clone(), answers.clone(), turns.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 16_384];
                let mut length = 0;
                while !is_whole(&request[..length]) {
                    match stream.read(&mut request[length..]).await {
                        Ok(0) | Err(_) => return,
                        Ok(more) => length += more,
                    }
                }
                // By requests and not by connections: a client may open one that it then has no use for.
                let answer = &answers[turns.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)];
                // A test that does not ask what was sent has dropped the other end.
                let _ = note.send(String::from_utf8_lossy(&request[..length]).into_owned());
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
            });
        }
    });
    (endpoint, requests)
}

/// Whether a request is there to the end of its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).map_or("0", str::trim);
    let body = request.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |end| end + 4);
    request.len() - body >= length.parse().unwrap()
}
