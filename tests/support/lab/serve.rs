//! One request's way through a region: delayed, counted, refused or executed, replicated, delayed again, answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use dynoxide::auth_material::{self, AuthMaterial};
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::Exchange;
use super::inject::{Mode, Network};
use super::replica::{Answer, Replica};
use super::replicate::Outgoing;

const TARGET_PREFIX: &str = "DynamoDB_20120810.";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// One region of the lab.
pub(super) struct Region {
    pub(super) name: String,
    pub(super) replica: Arc<Replica>,
    pub(super) mode: Mutex<Mode>,
    pub(super) network: Mutex<(Network, StdRng)>,
    pub(super) requests: Mutex<BTreeMap<String, u64>>,
    pub(super) answered: AtomicU64,
    /// What the region says of the table beside what its database does: merged over that.
    pub(super) description: Mutex<serde_json::Value>,
    /// Requests of these operations are refused for want of permission.
    pub(super) denied: Mutex<BTreeSet<String>>,
    /// Shared by all regions: those that are replicas of one another.
    pub(super) members: Arc<Mutex<Vec<String>>>,
    pub(super) outgoing: Outgoing<Replica>,
    pub(super) tasks: TaskTracker,
    pub(super) cancel: CancellationToken,
}

impl Exchange for Region {
    async fn exchange(self: Arc<Self>, parts: Parts, body: Bytes) -> Response<Body> {
        let (region, cancel) = (Arc::clone(&self), self.cancel.clone());
        // A task of its own: a client that gives up does not take its write back.
        let handled = self.tasks.spawn(async move {
            let handled = cancel.run_until_cancelled(region.handle(&parts, &body)).await;
            handled.flatten()
        });
        match handled.await.ok().flatten() {
            Some(answer) => self.respond(answer),
            // The region went down under it: the connection is being closed, and nobody answers.
            None => std::future::pending().await,
        }
    }
}

impl Region {
    pub(super) fn mode(&self) -> Mode {
        *self.mode.lock().expect("no thread died while it read the mode")
    }

    async fn handle(self: &Arc<Self>, parts: &Parts, body: &Bytes) -> Option<Answer> {
        let operation = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let Some(operation) = operation.and_then(|target| target.strip_prefix(TARGET_PREFIX)).map(str::to_owned) else {
            return Some(refusal(400, "com.amazon.coral.service#UnknownOperationException", "no such operation"));
        };
        self.count(&operation);
        let (there, back) = self.delays(&operation);
        wait(there).await;

        let answer = match self.mode() {
            Mode::Down(_) => return None,
            Mode::Up if self.is_denied(&operation) => denied(),
            Mode::Up => self.execute(parts, &operation, body).await,
            Mode::Slow(extra) => {
                wait(extra).await;
                if self.mode().is_down() {
                    return None;
                }
                self.execute(parts, &operation, body).await
            }
            Mode::Throttled => refusal(
                400,
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded",
            ),
            Mode::Denied => denied(),
            Mode::ExpiredToken => refusal(
                400,
                "com.amazon.coral.service#ExpiredTokenException",
                "The security token included in the request is expired",
            ),
            Mode::UnrecognizedClient => refusal(
                400,
                "com.amazon.coral.service#UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            Mode::InternalError => {
                refusal(500, "com.amazonaws.dynamodb.v20120810#InternalServerError", "Internal server error")
            }
        };
        wait(back).await;
        Some(answer)
    }

    async fn execute(self: &Arc<Self>, parts: &Parts, operation: &str, body: &Bytes) -> Answer {
        if let Some(body) = unsigned(parts) {
            return Answer { status: 400, body };
        }
        let Ok(body) = String::from_utf8(body.to_vec()) else {
            return refusal(400, "com.amazon.coral.service#SerializationException", "the body is not UTF-8");
        };
        if operation == "DescribeGlobalTable" {
            return self.describe_global_table();
        }
        let describes = operation == "DescribeTable";
        let (region, operation) = (Arc::clone(self), operation.to_owned());
        let executed =
            tokio::task::spawn_blocking(move || region.replica.execute(&operation, &body, &region.outgoing)).await;
        let answer = executed.expect("the database call does not panic");
        if describes && answer.status == 200 { self.describe(&answer) } else { answer }
    }

    /// Adds to a table's description what the database cannot know: that there are replicas elsewhere.
    fn describe(&self, answer: &Answer) -> Answer {
        let mut body: serde_json::Value = serde_json::from_str(&answer.body).expect("the database answers in JSON");
        let members = self.members.lock().expect("no thread died with the members").clone();
        let is_member = members.contains(&self.name);
        let others = members.iter().filter(|name| **name != self.name);
        let others: Vec<_> =
            others.map(|name| serde_json::json!({ "RegionName": name, "ReplicaStatus": "ACTIVE" })).collect();
        let table = &mut body["Table"];
        if is_member && !others.is_empty() {
            table["Replicas"] = others.into();
            table["GlobalTableVersion"] = "2019.11.21".into();
        }
        if let Some(more) = self.description.lock().expect("no thread died with the description").as_object() {
            for (key, value) in more {
                table[key] = value.clone();
            }
        }
        Answer { status: answer.status, body: body.to_string() }
    }

    /// How global tables of the first version are described.
    fn describe_global_table(&self) -> Answer {
        let members = self.members.lock().expect("no thread died with the members").clone();
        let group: Vec<_> = members.iter().map(|name| serde_json::json!({ "RegionName": name })).collect();
        let body = serde_json::json!({ "GlobalTableDescription": { "ReplicationGroup": group } });
        Answer { status: 200, body: body.to_string() }
    }

    fn is_denied(&self, operation: &str) -> bool {
        self.denied.lock().expect("no thread died with the list").contains(operation)
    }

    fn respond(&self, answer: Answer) -> Response<Body> {
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Body::from(answer.body));
        *response.status_mut() = StatusCode::from_u16(answer.status).expect("the lab answers with known statuses");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        // As long as the real service's, and telling in a log.
        let request_id = HeaderValue::try_from(format!("LAB{number:049}")).expect("digits are a header");
        headers.insert("x-amzn-requestid", request_id);
        response
    }

    fn count(&self, operation: &str) {
        let mut requests = self.requests.lock().expect("no thread died while it counted");
        *requests.entry(operation.to_owned()).or_default() += 1;
    }

    fn delays(&self, operation: &str) -> (Duration, Duration) {
        let is_write = matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem");
        let mut state = self.network.lock().expect("no thread died while it sampled");
        let (network, rng) = &mut *state;
        network.sample(is_write, rng)
    }
}

/// Nothing at all for no delay.
pub(super) async fn wait(delay: Duration) {
    // Even a sleep of nothing may cost a turn of the timer.
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Signatures are not verified, but a request without one is refused, as the real service does.
fn unsigned(parts: &Parts) -> Option<String> {
    auth_material::validate(AuthMaterial {
        authorization: parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()),
        query: parts.uri.query().unwrap_or_default(),
        has_date_header: parts.headers.contains_key("x-amz-date") || parts.headers.contains_key(header::DATE),
    })
}

fn denied() -> Answer {
    refusal(400, "com.amazon.coral.service#AccessDeniedException", "User is not authorized to perform this action")
}

fn refusal(status: u16, kind: &str, message: &str) -> Answer {
    Answer { status, body: serde_json::json!({ "__type": kind, "message": message }).to_string() }
}
