//! One request's way through a region: counted, delayed, refused or executed, replicated, delayed again, answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Response, header};
use rand::rngs::StdRng;

use super::mode::{CosmosMode, Refusal};
use super::operation::Operation;
use super::replica::{Answer, Replica};
use crate::lab::endpoint::Exchange;
use crate::lab::inject::Network;
use crate::lab::replicate::Outgoing;
use crate::lab::serve::wait;

/// One region of the account.
pub(super) struct Region {
    pub(super) name: String,
    pub(super) replica: Arc<Replica>,
    pub(super) mode: Mutex<CosmosMode>,
    pub(super) network: Mutex<(Network, StdRng)>,
    pub(super) requests: Mutex<BTreeMap<Operation, u64>>,
    pub(super) outgoing: Outgoing<Replica>,
}

impl Exchange for Region {
    async fn exchange(self: Arc<Self>, parts: Parts, body: Bytes) -> Response<Body> {
        let (region, cancel) = (Arc::clone(&self), self.outgoing.cancel.clone());
        // A task of its own: a client that gives up does not take its write back.
        let handled = self.outgoing.tasks.spawn(async move {
            let handled = cancel.run_until_cancelled(region.handle(&parts, &body)).await;
            handled.flatten()
        });
        match handled.await.ok().flatten() {
            Some(answer) => respond(answer),
            // The region went down under it: the connection is being closed, and nobody answers.
            None => std::future::pending().await,
        }
    }
}

impl Region {
    pub(super) fn mode(&self) -> CosmosMode {
        *self.mode.lock().expect("no thread died while it read the mode")
    }

    async fn handle(&self, parts: &Parts, body: &Bytes) -> Option<Answer> {
        let operation = Operation::of(parts);
        self.count(operation);
        let (there, back) = self.delays(operation);
        wait(there).await;
        if let CosmosMode::Slow(extra) = self.mode() {
            wait(extra).await;
        }
        let mode = self.mode();
        if mode.down().is_some() {
            return None;
        }
        let answer = match mode.refusal(operation) {
            Some(refusal) => refuse(refusal, "the lab was told to refuse this"),
            None => self.execute(operation, parts, body).await?,
        };
        wait(back).await;
        Some(answer)
    }

    async fn execute(&self, operation: Operation, parts: &Parts, body: &Bytes) -> Option<Answer> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Some(refuse(Refusal::unauthorized(), "the header 'authorization' is missing"));
        }
        match operation {
            // They would have to be replicated document by document: the gauge makes none.
            Operation::Patch | Operation::Batch => {
                return Some(refuse(Refusal::new(501, 0), "the lab offers neither patches nor batches"));
            }
            Operation::ControlPlane => {
                return Some(refuse(Refusal::denied(), "containers of the lab are made by its handle"));
            }
            _ => {}
        }
        self.replica.execute(operation, parts, body, &self.outgoing).await
    }

    fn count(&self, operation: Operation) {
        let mut requests = self.requests.lock().expect("no thread died while it counted");
        *requests.entry(operation).or_default() += 1;
    }

    fn delays(&self, operation: Operation) -> (Duration, Duration) {
        let mut state = self.network.lock().expect("no thread died while it sampled");
        let (network, rng) = &mut *state;
        network.sample(operation.is_write(), rng)
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).expect("the emulator's status and headers are HTTP's")
}

fn refuse(refusal: Refusal, message: &str) -> Answer {
    let code = axum::http::StatusCode::from_u16(refusal.status).ok();
    let code = code.and_then(|code| code.canonical_reason()).unwrap_or("Error").replace(' ', "");
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-ms-request-charge".to_owned(), "0".to_owned()),
        ("x-ms-activity-id".to_owned(), "00000000-0000-4000-8000-000000000000".to_owned()),
    ];
    if refusal.sub_status != 0 {
        headers.push(("x-ms-substatus".to_owned(), refusal.sub_status.to_string()));
    }
    if let Some(wait) = refusal.retry_after {
        headers.push(("x-ms-retry-after-ms".to_owned(), wait.as_millis().to_string()));
    }
    let body = serde_json::json!({ "code": code, "message": message }).to_string().into_bytes();
    Answer { status: refusal.status, headers, body }
}
