//! The lab by hand: a small control API over HTTP, and a page that says what can be done with it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::handle::Lab;
use super::inject::{CatchUp, Down, Lag, Mode, Network};
use super::time::Stamp;

/// Heartbeats that `GET /truth` shows per pair unless asked for more.
const TRUTH_LIMIT: usize = 100;

type Answer = Result<Json<Value>, (StatusCode, String)>;

/// The control API of a lab.
pub fn router(lab: Arc<Lab>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/state", get(state))
        .route("/truth", get(truth))
        .route("/pause", post(pause))
        .route("/resume", post(resume))
        .route("/hold", post(hold))
        .route("/release", post(release))
        .route("/region", post(region))
        .route("/network", post(network))
        .route("/lag", post(lag))
        .with_state(lab)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairRequest {
    source_region: String,
    target_region: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResumeRequest {
    source_region: String,
    target_region: String,
    /// The newest version of each item alone.
    #[serde(default)]
    newest_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldRequest {
    source_region: String,
    target_region: String,
    partition_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionRequest {
    name: String,
    mode: String,
    /// For `slow`.
    delay_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkRequest {
    /// Absent: every region.
    name: Option<String>,
    #[serde(default)]
    hostile: bool,
    each_way_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LagRequest {
    /// Both absent: every link.
    source_region: Option<String>,
    target_region: Option<String>,
    median_seconds: f64,
    #[serde(default)]
    sigma: f64,
    #[serde(default)]
    spike_probability: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TruthQuery {
    source_region: Option<String>,
    target_region: Option<String>,
    limit: Option<usize>,
}

async fn pause(State(lab): State<Arc<Lab>>, Json(pair): Json<PairRequest>) -> Answer {
    known_pair(&lab, &pair.source_region, &pair.target_region)?;
    lab.pause(&pair.source_region, &pair.target_region).await;
    done()
}

async fn resume(State(lab): State<Arc<Lab>>, Json(request): Json<ResumeRequest>) -> Answer {
    known_pair(&lab, &request.source_region, &request.target_region)?;
    let catch_up = if request.newest_only { CatchUp::NewestPerItem } else { CatchUp::Everything };
    lab.resume_with(&request.source_region, &request.target_region, catch_up).await;
    done()
}

async fn hold(State(lab): State<Arc<Lab>>, Json(request): Json<HoldRequest>) -> Answer {
    known_pair(&lab, &request.source_region, &request.target_region)?;
    lab.hold_partition_key(&request.source_region, &request.target_region, &request.partition_key).await;
    done()
}

async fn release(State(lab): State<Arc<Lab>>, Json(request): Json<HoldRequest>) -> Answer {
    known_pair(&lab, &request.source_region, &request.target_region)?;
    lab.release_partition_key(&request.source_region, &request.target_region, &request.partition_key).await;
    done()
}

async fn region(State(lab): State<Arc<Lab>>, Json(request): Json<RegionRequest>) -> Answer {
    known(&lab, &request.name)?;
    let mode = match request.mode.as_str() {
        "up" => Mode::Up,
        "refuse" => Mode::Down(Down::Refuse),
        "hang" => Mode::Down(Down::Hang),
        "reset" => Mode::Down(Down::Reset),
        "slow" => Mode::Slow(seconds(request.delay_seconds.unwrap_or(0.5))?),
        "throttled" => Mode::Throttled,
        "denied" => Mode::Denied,
        "expired" => Mode::ExpiredToken,
        "unrecognized" => Mode::UnrecognizedClient,
        "error" => Mode::InternalError,
        other => return Err(bad(format!("unknown mode {other:?}; GET / lists them"))),
    };
    lab.set_mode(&request.name, mode).await;
    done()
}

async fn network(State(lab): State<Arc<Lab>>, Json(request): Json<NetworkRequest>) -> Answer {
    if let Some(name) = &request.name {
        known(&lab, name)?;
    }
    let network = match (request.hostile, request.each_way_seconds) {
        (true, None) => Network::hostile(),
        (false, Some(delay)) => Network::each_way(seconds(delay)?),
        (false, None) => Network::direct(),
        (true, Some(_)) => return Err(bad("either hostile or each_way_seconds".to_owned())),
    };
    for name in lab.regions().into_iter().filter(|name| request.name.as_deref().is_none_or(|asked| asked == *name)) {
        lab.set_network(name, network.clone());
    }
    done()
}

async fn lag(State(lab): State<Arc<Lab>>, Json(request): Json<LagRequest>) -> Answer {
    if !(0.0..=10.0).contains(&request.sigma) || !(0.0..=1.0).contains(&request.spike_probability) {
        return Err(bad("sigma must be 0 to 10, spike_probability 0 to 1".to_owned()));
    }
    let lag = Lag::LogNormal {
        median: seconds(request.median_seconds)?,
        sigma: request.sigma,
        spike_probability: request.spike_probability,
        spike_factor: 3.0..=10.0,
    };
    match (&request.source_region, &request.target_region) {
        (Some(source), Some(target)) => {
            known_pair(&lab, source, target)?;
            lab.set_pair_lag(source, target, lag);
        }
        (None, None) => lab.set_lag(lag),
        _ => return Err(bad("give both source_region and target_region, or neither".to_owned())),
    }
    done()
}

async fn state(State(lab): State<Arc<Lab>>) -> Answer {
    let mut pairs = Vec::new();
    for (source, target) in every_pair(&lab) {
        let waiting = lab.waiting(&source, &target).await;
        pairs.push(json!({ "source_region": source, "target_region": target, "waiting": waiting }));
    }
    let regions: Vec<Value> = lab
        .sites
        .iter()
        .map(|site| {
            let name = &site.region.name;
            json!({
                "name": name,
                "endpoint": lab.endpoint(name),
                "mode": format!("{:?}", site.region.mode()),
                "requests": lab.requests(name),
            })
        })
        .collect();
    Ok(Json(json!({ "regions": regions, "pairs": pairs })))
}

/// The newest heartbeats of each pair, oldest first, with their true lag: `null` while they are not visible.
async fn truth(State(lab): State<Arc<Lab>>, Query(query): Query<TruthQuery>) -> Answer {
    let is_asked = |asked: &Option<String>, name: &str| asked.as_deref().is_none_or(|asked| asked == name);
    let limit = query.limit.unwrap_or(TRUTH_LIMIT);
    let mut pairs = Vec::new();
    for (source, target) in every_pair(&lab) {
        if !is_asked(&query.source_region, &source) || !is_asked(&query.target_region, &target) {
            continue;
        }
        let mut lags = lab.truth().lags(&source, &target);
        lags.sort_by_key(|(commit, _)| commit.at.after);
        let newest = &lags[lags.len().saturating_sub(limit)..];
        let heartbeats: Vec<Value> = newest
            .iter()
            .map(|(commit, lag)| {
                let id = &commit.heartbeat;
                let visible = lab.truth().visible(&source, &target, id.slot, id.run, id.seq);
                json!({
                    "slot": id.slot,
                    "run": id.run,
                    "seq": id.seq,
                    "committed_after": stamp(&commit.at.before),
                    "committed_before": stamp(&commit.at.after),
                    "visible_after": visible.map(|at| stamp(&at.before)),
                    "visible_before": visible.map(|at| stamp(&at.after)),
                    "lag_min_seconds": lag.map(|lag| lag.min.as_secs_f64()),
                    "lag_max_seconds": lag.map(|lag| lag.max.as_secs_f64()),
                })
            })
            .collect();
        pairs.push(json!({ "source_region": source, "target_region": target, "heartbeats": heartbeats }));
    }
    Ok(Json(json!({ "heartbeats": lab.truth().count(), "pairs": pairs })))
}

async fn page(State(lab): State<Arc<Lab>>) -> String {
    let regions: String = lab.regions().iter().map(|name| format!("  {:<16} {}\n", name, lab.endpoint(name))).collect();
    PAGE.replace("{regions}", &regions)
}

const PAGE: &str = "\
The lab: regional DynamoDB endpoints with known, injected replication lag.

Regions (any credentials will do):
{regions}
Put this address for $LAB, and J='Content-Type: application/json':

Stop and resume replication of one pair (newest_only folds what waited):
  curl -H \"$J\" $LAB/pause  -d '{\"source_region\":\"us-east-1\",\"target_region\":\"eu-west-1\"}'
  curl -H \"$J\" $LAB/resume -d '{\"source_region\":\"us-east-1\",\"target_region\":\"eu-west-1\",\"newest_only\":false}'

Hold back one heartbeat slot of a pair:
  curl -H \"$J\" $LAB/hold    -d '{\"source_region\":\"us-east-1\",\"target_region\":\"eu-west-1\",\"partition_key\":\"tidegauge-0\"}'
  curl -H \"$J\" $LAB/release -d '{\"source_region\":\"us-east-1\",\"target_region\":\"eu-west-1\",\"partition_key\":\"tidegauge-0\"}'

Put a region out of order: up, refuse, hang, reset, slow (delay_seconds), throttled, denied, expired, unrecognized, error:
  curl -H \"$J\" $LAB/region -d '{\"name\":\"eu-west-1\",\"mode\":\"hang\"}'
  curl -H \"$J\" $LAB/region -d '{\"name\":\"eu-west-1\",\"mode\":\"up\"}'

Change the lag, of one pair or of all (log-normal; sigma 0 is a fixed lag):
  curl -H \"$J\" $LAB/lag -d '{\"median_seconds\":3,\"sigma\":0.25,\"spike_probability\":0.02}'

Change the network, to one region (name) or to all:
  curl -H \"$J\" $LAB/network -d '{\"hostile\":true}'
  curl -H \"$J\" $LAB/network -d '{\"name\":\"ap-southeast-2\",\"each_way_seconds\":0.09}'
  curl -H \"$J\" $LAB/network -d '{}'

Look:
  curl $LAB/state
  curl \"$LAB/truth?source_region=us-east-1&target_region=eu-west-1&limit=5\"
";

fn every_pair(lab: &Lab) -> Vec<(String, String)> {
    lab.mesh.pairs()
}

fn stamp(stamp: &Stamp) -> Value {
    json!({ "since_start_seconds": stamp.since_start.as_secs_f64(), "wall_micros": stamp.wall_micros })
}

fn seconds(seconds: f64) -> Result<Duration, (StatusCode, String)> {
    Duration::try_from_secs_f64(seconds).map_err(|error| bad(format!("{seconds} is no number of seconds: {error}")))
}

fn known(lab: &Lab, region: &str) -> Result<(), (StatusCode, String)> {
    if lab.regions().contains(&region) {
        return Ok(());
    }
    Err(bad(format!("no region {region:?}; there are {}", lab.regions().join(", "))))
}

fn known_pair(lab: &Lab, source: &str, target: &str) -> Result<(), (StatusCode, String)> {
    known(lab, source)?;
    known(lab, target)?;
    if source == target { Err(bad("a pair has two regions".to_owned())) } else { Ok(()) }
}

fn bad(why: String) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, why + "\n")
}

fn done() -> Answer {
    Ok(Json(json!({ "status": "success" })))
}
