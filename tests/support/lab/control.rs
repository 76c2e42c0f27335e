//! The lab by hand: a small control API over HTTP, and a page that says what can be done with it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::by_hand::ByHand;
use super::inject::{CatchUp, Lag, Network};
use super::names::short_name;
use super::time::Stamp;

/// Heartbeats that `GET /truth` shows per pair unless asked for more.
const TRUTH_LIMIT: usize = 100;

type Answer = Result<Json<Value>, (StatusCode, String)>;

/// The control API of a lab.
pub fn router<L: ByHand>(lab: Arc<L>) -> Router {
    Router::new()
        .route("/", get(page::<L>))
        .route("/state", get(state::<L>))
        .route("/truth", get(truth::<L>))
        .route("/pause", post(pause::<L>))
        .route("/resume", post(resume::<L>))
        .route("/hold", post(hold::<L>))
        .route("/release", post(release::<L>))
        .route("/region", post(region::<L>))
        .route("/network", post(network::<L>))
        .route("/lag", post(lag::<L>))
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

async fn pause<L: ByHand>(State(lab): State<Arc<L>>, Json(pair): Json<PairRequest>) -> Answer {
    known_pair(&*lab, &pair.source_region, &pair.target_region)?;
    lab.mesh().pause(&pair.source_region, &pair.target_region).await;
    done()
}

async fn resume<L: ByHand>(State(lab): State<Arc<L>>, Json(request): Json<ResumeRequest>) -> Answer {
    known_pair(&*lab, &request.source_region, &request.target_region)?;
    let catch_up = if request.newest_only { CatchUp::NewestPerItem } else { CatchUp::Everything };
    lab.mesh().resume(&request.source_region, &request.target_region, catch_up).await;
    done()
}

async fn hold<L: ByHand>(State(lab): State<Arc<L>>, Json(request): Json<HoldRequest>) -> Answer {
    known_pair(&*lab, &request.source_region, &request.target_region)?;
    lab.mesh().hold_partition(&request.source_region, &request.target_region, &request.partition_key).await;
    done()
}

async fn release<L: ByHand>(State(lab): State<Arc<L>>, Json(request): Json<HoldRequest>) -> Answer {
    known_pair(&*lab, &request.source_region, &request.target_region)?;
    lab.mesh().release_partition(&request.source_region, &request.target_region, &request.partition_key).await;
    done()
}

async fn region<L: ByHand>(State(lab): State<Arc<L>>, Json(request): Json<RegionRequest>) -> Answer {
    known(&*lab, &request.name)?;
    let delay = seconds(request.delay_seconds.unwrap_or(0.5))?;
    if lab.change_mode(&request.name, &request.mode, delay).await {
        done()
    } else {
        Err(bad(format!("unknown mode {:?}; there are {}", request.mode, L::MODES)))
    }
}

async fn network<L: ByHand>(State(lab): State<Arc<L>>, Json(request): Json<NetworkRequest>) -> Answer {
    if let Some(name) = &request.name {
        known(&*lab, name)?;
    }
    let network = match (request.hostile, request.each_way_seconds) {
        (true, None) => Network::hostile(),
        (false, Some(delay)) => Network::each_way(seconds(delay)?),
        (false, None) => Network::direct(),
        (true, Some(_)) => return Err(bad("either hostile or each_way_seconds".to_owned())),
    };
    for name in lab.mesh().regions().iter().filter(|name| is_asked(&request.name, name)) {
        lab.change_network(name, network.clone());
    }
    done()
}

async fn lag<L: ByHand>(State(lab): State<Arc<L>>, Json(request): Json<LagRequest>) -> Answer {
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
            known_pair(&*lab, source, target)?;
            lab.mesh().set_pair_lag(source, target, lag);
        }
        (None, None) => lab.mesh().set_lag(&lag),
        _ => return Err(bad("give both source_region and target_region, or neither".to_owned())),
    }
    done()
}

async fn state<L: ByHand>(State(lab): State<Arc<L>>) -> Answer {
    let mut pairs = Vec::new();
    for (source, target) in lab.mesh().pairs() {
        let waiting = lab.mesh().waiting(&source, &target).await;
        pairs.push(json!({ "source_region": source, "target_region": target, "waiting": waiting }));
    }
    let region = |name: &String| json!({ "name": name, "endpoint": lab.address(name), "mode": lab.mode(name), "requests": lab.counts(name) });
    let regions: Vec<Value> = lab.mesh().regions().iter().map(region).collect();
    Ok(Json(json!({ "regions": regions, "pairs": pairs })))
}

/// The newest heartbeats of each pair, oldest first, with their true lag: `null` while they are not visible.
async fn truth<L: ByHand>(State(lab): State<Arc<L>>, Query(query): Query<TruthQuery>) -> Answer {
    let limit = query.limit.unwrap_or(TRUTH_LIMIT);
    let mut pairs = Vec::new();
    for (source, target) in lab.mesh().pairs() {
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

async fn page<L: ByHand>(State(lab): State<Arc<L>>) -> String {
    let names = lab.mesh().regions();
    let regions: String = names.iter().map(|name| format!("  {name:<16} {}\n", lab.address(name))).collect();
    let name = |index: usize| names.get(index).unwrap_or(&names[0]);
    let words = [
        ("{what}", L::WHAT),
        ("{modes}", L::MODES),
        ("{regions}", &regions),
        ("{a}", name(0)),
        ("{b}", name(1)),
        ("{slot}", L::SLOT_0),
    ];
    words.iter().fold(PAGE.to_owned(), |page, (word, text)| page.replace(word, text))
}

const PAGE: &str = "\
The lab: {what} with known, injected replication lag.

Regions (any credentials will do):
{regions}
Put this address for $LAB, and J='Content-Type: application/json':

Stop and resume replication of one pair (newest_only folds what waited):
  curl -H \"$J\" $LAB/pause  -d '{\"source_region\":\"{a}\",\"target_region\":\"{b}\"}'
  curl -H \"$J\" $LAB/resume -d '{\"source_region\":\"{a}\",\"target_region\":\"{b}\",\"newest_only\":false}'

Hold back one heartbeat slot of a pair:
  curl -H \"$J\" $LAB/hold    -d '{\"source_region\":\"{a}\",\"target_region\":\"{b}\",\"partition_key\":\"{slot}\"}'
  curl -H \"$J\" $LAB/release -d '{\"source_region\":\"{a}\",\"target_region\":\"{b}\",\"partition_key\":\"{slot}\"}'

Put a region out of order: {modes}:
  curl -H \"$J\" $LAB/region -d '{\"name\":\"{b}\",\"mode\":\"hang\"}'
  curl -H \"$J\" $LAB/region -d '{\"name\":\"{b}\",\"mode\":\"up\"}'

Change the lag, of one pair or of all (log-normal; sigma 0 is a fixed lag):
  curl -H \"$J\" $LAB/lag -d '{\"median_seconds\":3,\"sigma\":0.25,\"spike_probability\":0.02}'

Change the network, to one region (name) or to all:
  curl -H \"$J\" $LAB/network -d '{\"hostile\":true}'
  curl -H \"$J\" $LAB/network -d '{\"name\":\"{b}\",\"each_way_seconds\":0.09}'
  curl -H \"$J\" $LAB/network -d '{}'

Look:
  curl $LAB/state
  curl -G $LAB/truth -d limit=5 --data-urlencode \"source_region={a}\" --data-urlencode \"target_region={b}\"
";

fn is_asked(asked: &Option<String>, name: &str) -> bool {
    asked.as_deref().is_none_or(|asked| short_name(asked) == short_name(name))
}

fn stamp(stamp: &Stamp) -> Value {
    json!({ "since_start_seconds": stamp.since_start.as_secs_f64(), "wall_micros": stamp.wall_micros })
}

fn seconds(seconds: f64) -> Result<Duration, (StatusCode, String)> {
    Duration::try_from_secs_f64(seconds).map_err(|error| bad(format!("{seconds} is no number of seconds: {error}")))
}

fn known(lab: &impl ByHand, region: &str) -> Result<(), (StatusCode, String)> {
    if lab.mesh().find(region).is_some() {
        return Ok(());
    }
    Err(bad(format!("no region {region:?}; there are {}", lab.mesh().regions().join(", "))))
}

fn known_pair(lab: &impl ByHand, source: &str, target: &str) -> Result<(), (StatusCode, String)> {
    known(lab, source)?;
    known(lab, target)?;
    if short_name(source) == short_name(target) { Err(bad("a pair has two regions".to_owned())) } else { Ok(()) }
}

fn bad(why: String) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, why + "\n")
}

fn done() -> Answer {
    Ok(Json(json!({ "status": "success" })))
}
