//! The lab's own tests: real sockets, real time, raw requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, and their helpers")]

#[path = "tests/by_hand.rs"]
mod by_hand;
#[path = "tests/cosmos.rs"]
mod cosmos;
#[path = "tests/links.rs"]
mod links;
#[path = "tests/regions.rs"]
mod regions;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::lab::{CatchUp, Delay, Down, HeartbeatId, Lab, Lag, Mode, Network, Straggler, TableKeys, control};

const SOURCE: &str = "us-east-1";
const TARGET: &str = "eu-west-1";
const LAG: Duration = Duration::from_millis(100);
/// What a busy machine with two cores may add to a timer.
const SLACK: Duration = Duration::from_millis(400);

async fn lab() -> Lab {
    Lab::builder().regions([SOURCE, TARGET, "ap-southeast-2"]).lag(Lag::Fixed(LAG)).start().await
}

/// A DynamoDB client of the barest kind.
struct Client {
    http: reqwest::Client,
    endpoint: String,
}

impl Client {
    fn of(lab: &Lab, region: &str) -> Client {
        Client::with_deadline(lab, region, Duration::from_secs(10))
    }

    fn with_deadline(lab: &Lab, region: &str, deadline: Duration) -> Client {
        let http = reqwest::Client::builder().timeout(deadline).no_proxy().build().unwrap();
        Client { http, endpoint: lab.endpoint(region) }
    }

    async fn call(&self, operation: &str, body: Value) -> reqwest::Result<(u16, Value)> {
        let authorization = "AWS4-HMAC-SHA256 Credential=lab/20300101/us-east-1/dynamodb/aws4_request, \
                             SignedHeaders=host, Signature=00";
        let response = self
            .http
            .post(&self.endpoint)
            .header("X-Amz-Target", format!("DynamoDB_20120810.{operation}"))
            .header("X-Amz-Date", "20300101T000000Z")
            .header("Authorization", authorization)
            .header("Content-Type", "application/x-amz-json-1.0")
            .body(body.to_string())
            .send()
            .await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// A steady write: refused unless the stored heartbeat is older.
    async fn beat(&self, slot: u32, seq: u64) -> reqwest::Result<(u16, Value)> {
        let request = json!({
            "TableName": "GlobalCellState",
            "Item": {
                "PK": { "S": format!("tidegauge-{slot}") },
                "SK": { "S": SOURCE },
                "tg_source": { "S": SOURCE },
                "tg_slot": { "N": slot.to_string() },
                "tg_run": { "N": "1" },
                "tg_seq": { "N": seq.to_string() },
                "tg_written_at": { "N": "1700000000000000" },
            },
            "ConditionExpression": "attribute_not_exists(#pk) OR tg_seq < :new",
            "ExpressionAttributeNames": { "#pk": "PK" },
            "ExpressionAttributeValues": { ":new": { "N": seq.to_string() } },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        });
        self.call("PutItem", request).await
    }

    /// The newest heartbeat's seq, as a strong Query sees it.
    async fn seen(&self, slot: u32) -> Option<u64> {
        let request = json!({
            "TableName": "GlobalCellState",
            "ConsistentRead": true,
            "KeyConditionExpression": "PK = :pk",
            "ExpressionAttributeValues": { ":pk": { "S": format!("tidegauge-{slot}") } },
        });
        let (status, answer) = self.call("Query", request).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["Items"].as_array()?.first()?["tg_seq"]["N"].as_str()?.parse().ok()
    }
}

/// Waits for something that is bound to happen.
async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if happened().await {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

fn is_visible(lab: &Lab, seq: u64) -> bool {
    lab.truth().visible(SOURCE, TARGET, 0, 1, seq).is_some()
}
