//! Azure beside an account's data, on a loopback port: the account's own word on itself, the resource manager, its metrics,
//! and a token service as hosts in Azure have one. It answers in recorded shapes, of a world that a test makes up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use azure_core::http::Url;
use azure_core::time::{OffsetDateTime, parse_rfc3339, to_rfc3339};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The account as a resource of Azure.
pub const RESOURCE_ID: &str =
    "/subscriptions/0f1e/resourceGroups/cells/providers/Microsoft.DocumentDB/databaseAccounts/cells";

/// What a server was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// By key, decoded.
    pub query: BTreeMap<String, String>,
    /// As it came.
    pub raw_query: String,
    pub headers: HeaderMap,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer in place of the usual one.
#[derive(Clone, Debug)]
pub enum Reply {
    Json(u16, Json),
    /// With these headers.
    With(u16, Vec<(&'static str, String)>, Json),
    Text(u16, String),
    /// So many bytes of JSON that never ends.
    Huge(usize),
    Hang,
}

/// What is true of the account. Regions have the names that people give them, as in Azure's answers.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// What the account says itself at `/`.
    pub account: Json,
    /// What the resource manager says of it.
    pub resource: Json,
    /// What the resource manager says at paths below it; of any other it knows nothing.
    pub below: BTreeMap<String, Json>,
    /// Milliseconds by source and target; `None`: nothing arrives.
    pub lags: BTreeMap<(String, String), Option<f64>>,
    /// Requests that a region throttled in each minute, by operation.
    pub throttled: BTreeMap<(String, String), f64>,
    /// Answers in place of the usual ones, for paths and queries that hold this.
    pub faults: Vec<(String, Reply)>,
    pub asked: Vec<Asked>,
}

/// The server.
pub struct Azure {
    pub url: String,
    world: Arc<Mutex<World>>,
    serving: JoinHandle<()>,
}

impl Drop for Azure {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Azure {
    /// An account that takes writes in these regions, with session consistency and 400 request units a second in the
    /// container `orders` of the database `shop`.
    pub async fn start(regions: &[&str]) -> Azure {
        Azure::at("127.0.0.1:0", regions).await
    }

    /// The same, at an address.
    pub async fn at(address: &str, regions: &[&str]) -> Azure {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World::of(regions)));
        let router = Router::new().fallback(answer).with_state(world.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Azure { url, world, serving }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers with something else from now on where path and query hold this.
    pub fn fail(&self, part: &str, reply: Reply) {
        self.world().faults.insert(0, (part.to_owned(), reply));
    }

    /// What was asked so far, and not yet told.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.world().asked)
    }
}

impl World {
    fn of(regions: &[&str]) -> World {
        let own = |name: &&str| json!({ "name": name, "databaseAccountEndpoint": "https://cells.example:443/" });
        let own: Vec<Json> = regions.iter().map(own).collect();
        let managed = regions.iter().enumerate().map(|(priority, name)| {
            json!({
                "id": format!("cells-{priority}"), "locationName": name, "provisioningState": "Succeeded",
                "failoverPriority": priority, "isZoneRedundant": false,
                "documentEndpoint": "https://cells.example:443/",
            })
        });
        let managed: Vec<Json> = managed.collect();
        World {
            account: json!({
                "_self": "", "id": "cells", "_rid": "cells.documents.azure.com", "media": "//media/",
                "writableLocations": own, "readableLocations": own, "enableMultipleWriteLocations": true,
                "userConsistencyPolicy": { "defaultConsistencyLevel": "Session" },
                "userReplicationPolicy": { "minReplicaSetSize": 3, "maxReplicasetSize": 4 },
            }),
            resource: json!({
                "id": RESOURCE_ID, "name": "cells", "type": "Microsoft.DocumentDB/databaseAccounts",
                "kind": "GlobalDocumentDB",
                "properties": {
                    "provisioningState": "Succeeded", "enableMultipleWriteLocations": true, "capabilities": [],
                    "consistencyPolicy": {
                        "defaultConsistencyLevel": "Session", "maxIntervalInSeconds": 5, "maxStalenessPrefix": 100,
                    },
                    "locations": managed, "readLocations": managed, "writeLocations": managed,
                },
            }),
            below: BTreeMap::from([(
                "/sqlDatabases/shop/containers/orders/throughputSettings/default".to_owned(),
                throughput(json!({ "throughput": 400, "minimumThroughput": "400" })),
            )]),
            ..World::default()
        }
    }

    /// What Azure Monitor says.
    fn metrics(&self, query: &BTreeMap<String, String>) -> Json {
        let metric = query["metricnames"].as_str();
        let wanted = conditions(&query["$filter"]);
        let is_wanted = |name: &str, value: &str| {
            wanted.iter().all(|(wanted, like)| wanted != name || like == "*" || like.eq_ignore_ascii_case(value))
        };
        let begins = begins(query);
        let (key, unit) = if metric == "ReplicationLatency" { ("average", "MilliSeconds") } else { ("count", "Count") };
        let series = |dimensions: [(&str, &str); 2], value: Option<f64>| {
            let dimensions = dimensions.map(|(name, value)| {
                json!({ "name": { "value": name.to_lowercase(), "localizedValue": name.to_lowercase() }, "value": value })
            });
            let points = begins.iter().map(|begin| {
                let mut point = json!({ "timeStamp": begin });
                if let Some(value) = value {
                    point[key] = json!(value);
                }
                point
            });
            json!({ "metadatavalues": dimensions, "data": points.collect::<Vec<_>>() })
        };
        let all: Vec<Json> = match metric {
            "ReplicationLatency" => self
                .lags
                .iter()
                .filter(|((source, target), _)| is_wanted("SourceRegion", source) && is_wanted("TargetRegion", target))
                .map(|((source, target), lag)| series([("SourceRegion", source), ("TargetRegion", target)], *lag))
                .collect(),
            "TotalRequests" => self
                .throttled
                .iter()
                .filter(|((region, _), _)| is_wanted("Region", region))
                .map(|((region, operation), count)| {
                    series([("Region", region), ("OperationType", operation)], Some(*count))
                })
                .collect(),
            _ => Vec::new(),
        };
        metrics(query, json!([metric_of(metric, unit, all)]))
    }
}

/// One metric in the shape of an answer.
pub fn metric_of(name: &str, unit: &str, timeseries: Vec<Json>) -> Json {
    json!({
        "id": format!("{RESOURCE_ID}/providers/Microsoft.Insights/metrics/{name}"),
        "type": "Microsoft.Insights/metrics", "name": { "value": name, "localizedValue": name },
        "displayDescription": "…", "unit": unit, "timeseries": timeseries, "errorCode": "Success",
    })
}

/// An answer with these metrics.
pub fn metrics(query: &BTreeMap<String, String>, value: Json) -> Json {
    json!({
        "cost": 59, "timespan": query["timespan"], "interval": query["interval"], "value": value,
        "namespace": "microsoft.documentdb/databaseaccounts", "resourceregion": "eastus",
    })
}

/// What a container or a database was given, in the shape of an answer.
pub fn throughput(resource: Json) -> Json {
    json!({ "name": "default", "location": "East US", "properties": { "resource": resource } })
}

/// The beginnings of the periods that a query asks for.
fn begins(query: &BTreeMap<String, String>) -> Vec<String> {
    let (begin, end) = query["timespan"].split_once('/').unwrap();
    let [begin, end] = [begin, end].map(|at| parse_rfc3339(at).unwrap().unix_timestamp());
    let minutes: i64 = query["interval"].trim_start_matches("PT").trim_end_matches('M').parse().unwrap();
    let at = |seconds: i64| to_rfc3339(&OffsetDateTime::from_unix_timestamp(seconds).unwrap());
    (begin..end).step_by(60 * minutes as usize).map(at).collect()
}

/// The conditions of a filter: names, and values without their quotes.
pub fn conditions(filter: &str) -> Vec<(String, String)> {
    let conditions = filter.split(" and ").map(|condition| {
        let (name, value) = condition.split_once(" eq ").unwrap();
        let value = value.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
        (name.to_owned(), value.replace("''", "'"))
    });
    conditions.collect()
}

async fn answer(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let url = Url::parse(&format!("http://here{}", request.uri())).unwrap();
    let asked = Asked {
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        raw_query: url.query().unwrap_or_default().to_owned(),
        headers: request.headers().clone(),
    };
    let reply = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.asked.push(asked.clone());
        let whole = format!("{}?{}", asked.path, asked.raw_query);
        let fault = world.faults.iter().find(|(part, _)| whole.contains(part));
        fault.map(|(_, reply)| reply.clone()).unwrap_or_else(|| usual(&world, &asked))
    };
    match reply {
        Reply::Json(status, body) => answered(status, &[], body.to_string()),
        Reply::With(status, headers, body) => answered(status, &headers, body.to_string()),
        Reply::Text(status, body) => answered(status, &[], body),
        Reply::Huge(bytes) => answered(200, &[], format!("[\"{}", "x".repeat(bytes))),
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
    }
}

fn answered(status: u16, headers: &[(&'static str, String)], body: String) -> Response {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(body)).unwrap()
}

fn usual(world: &World, asked: &Asked) -> Reply {
    let below = asked.path.strip_prefix(RESOURCE_ID);
    match (asked.path.as_str(), below) {
        ("/", _) => Reply::Json(200, world.account.clone()),
        ("/token", _) => Reply::Json(
            200,
            json!({
                "access_token": "token-of-the-host", "expires_on": "4102444800", "token_type": "Bearer",
                "resource": asked.query["resource"],
            }),
        ),
        (_, Some("/providers/Microsoft.Insights/metrics")) => Reply::Json(200, world.metrics(&asked.query)),
        (_, Some("")) => Reply::Json(200, world.resource.clone()),
        (_, below) => match below.and_then(|below| world.below.get(below)) {
            Some(found) => Reply::Json(200, found.clone()),
            None => Reply::Json(404, json!({ "code": "NotFound", "message": "Entity does not exist" })),
        },
    }
}
