//! `GET /api/v1/pairs?store=&source_region=&target_region=`: every region pair, as it is now.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::routing;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::Shared;
use super::answer::{Kind, Parameters, Problem, Success, rfc3339};
use super::resource::{Answer, Described, Resource, Verb};
use super::words::Word;
use crate::core::assess::{self, assess, slot_lag};
use crate::core::merge::{ProviderFacts, Standing, Verdict};
use crate::core::model::{Placement, Reason, RegionId};
use crate::core::offset::{Basis, Offset};
use crate::core::provider::{Polling, Statistic, failing_words};
use crate::core::sample::Sample;
use crate::core::snapshot::{Measured, PairSnapshot, SlotFacts, StoreSnapshot};
use crate::core::time::{Mono, Now, Span};
use crate::core::track::Watermark;
use crate::core::window::WindowSummary;
use crate::core::writing::{self, Writing};
use crate::http::samples::SampleBody;
use crate::settings::Act;
use crate::view::View;

const PARAMETERS: [Described; 3] = [
    Described::optional("store", "of this store alone"),
    Described::optional("source_region", "from this region alone"),
    Described::optional("target_region", "to this region alone"),
];

pub(super) const RESOURCE: Resource = Resource {
    path: "/api/v1/pairs",
    verb: Verb::Get,
    summary: "all that is known of each region pair",
    act: Some(Act::Read),
    parameters: &PARAMETERS,
    answer: Answer::of::<Pairs>(),
    headers: &[],
    also: &[],
    problems: &[Kind::BadData, Kind::NotFound, Kind::Unavailable],
    route: || routing::get(get),
};

/// The answer's data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Pairs {
    pairs: Vec<Pair>,
    /// The heartbeats that this process writes, or stands by to write; none of an observer's.
    writes: Vec<Writes>,
}

/// What becomes of the heartbeats of one region of one store.
#[derive(Debug, Serialize, JsonSchema)]
struct Writes {
    store: String,
    source_region: String,
    /// How it stands with them.
    state: Word<writing::Standing>,
    /// When this process's last one was acknowledged, in the slot where that is longest ago.
    #[schemars(extend("format" = "date-time"))]
    acknowledged_at: Option<String>,
    /// Why the last write failed, if it did, or the read without which there is none.
    failing: Option<Word<Reason>>,
    /// Since when they fail.
    #[schemars(extend("format" = "date-time"))]
    failing_since: Option<String>,
}

/// One region pair. What is not known is `null`.
#[derive(Debug, Serialize, JsonSchema)]
struct Pair {
    store: String,
    source_region: String,
    target_region: String,
    /// Whether one process writes and reads, or two clocks are compared.
    clock: Word<Measured>,
    /// Whether the heartbeats lie in the application's own table or container, or in one beside it.
    placement: Word<Placement>,
    state: Word<assess::State>,
    /// Since when it is in that state.
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// Why, for a person; empty where the state says it all.
    reason: String,
    /// How late the pair is now.
    current_lag_seconds: Option<f64>,
    /// How long the next heartbeat has been due. Two-clock pairs alone.
    overdue_seconds: Option<f64>,
    /// The age of the newest heartbeat visible, at most.
    staleness_seconds: Option<f64>,
    /// That heartbeat.
    watermark: Option<WatermarkBody>,
    /// The sample made last.
    last_sample: Option<SampleBody>,
    windows: Windows,
    /// Two-clock pairs alone.
    offset: Option<OffsetBody>,
    /// Where this process asks it.
    provider: Option<ProviderBody>,
    /// Current lag while that is measured, else the provider's newest fresh value.
    merged_lag_seconds: Option<f64>,
    /// Where there is more than one.
    slots: Option<Vec<SlotBody>>,
}

/// What the provider says, and how that compares with the heartbeats.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Provider")]
struct ProviderBody {
    /// Of the newest period of which it says anything, within the hour.
    value_seconds: Option<f64>,
    /// What that value is.
    statistic: Option<Word<Statistic>>,
    /// The maximum of the same period, where there is one.
    maximum_seconds: Option<f64>,
    period_seconds: f64,
    /// The end of that period, by the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    as_of: Option<String>,
    /// How long ago that was.
    age_seconds: Option<f64>,
    /// Whether it agrees with the heartbeats.
    verdict: Word<Verdict>,
    /// What the verdict rests on, in words.
    reason: String,
    /// Why the last question failed, if it did.
    failing: Option<Word<Reason>>,
}

/// The clock here − the writer's. An end that is `null` is not bounded.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Offset")]
struct OffsetBody {
    min_seconds: Option<f64>,
    max_seconds: Option<f64>,
    /// What the bounds come from: `same_clock`, `echo`, `cross_read`, `claim`, or two of them; `null` without a bound.
    #[schemars(schema_with = "bases")]
    basis: Option<String>,
}

/// A heartbeat. Heartbeats are ordered by `run`, then by `seq`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Watermark")]
pub(super) struct WatermarkBody {
    run: u64,
    seq: u64,
    #[schemars(extend("format" = "date-time"))]
    written_at: String,
}

/// The lag samples of the last minutes.
#[derive(Debug, Serialize, JsonSchema)]
struct Windows {
    #[serde(rename = "1m")]
    one_minute: Window,
    #[serde(rename = "10m")]
    ten_minutes: Window,
    #[serde(rename = "60m")]
    sixty_minutes: Window,
}

/// The lag samples of so long.
#[derive(Debug, Serialize, JsonSchema)]
struct Window {
    /// How many there are.
    count: u64,
    p50_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    max_seconds: Option<f64>,
}

/// One of several keys of a source: a pair is as late as its latest slot.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Slot")]
struct SlotBody {
    slot: u16,
    current_lag_seconds: Option<f64>,
    watermark: Option<WatermarkBody>,
}

impl From<Watermark> for WatermarkBody {
    fn from(watermark: Watermark) -> Self {
        let (run, seq) = (watermark.beat.run, watermark.beat.seq);
        WatermarkBody { run, seq, written_at: rfc3339(watermark.written_at) }
    }
}

impl From<Offset> for OffsetBody {
    fn from(offset: Offset) -> Self {
        let mut bases: Vec<Basis> = [offset.min, offset.max].into_iter().flatten().map(|(_, basis)| basis).collect();
        bases.sort_unstable();
        bases.dedup();
        OffsetBody {
            min_seconds: offset.min.map(|(min, _)| min.as_secs_f64()),
            max_seconds: offset.max.map(|(max, _)| max.as_secs_f64()),
            basis: basis_words(&bases),
        }
    }
}

/// Of what one end comes from and what the other does, each once and in their order.
fn basis_words(bases: &[Basis]) -> Option<String> {
    let labels: Vec<&str> = bases.iter().copied().map(Basis::label).collect();
    (!labels.is_empty()).then(|| labels.join("+"))
}

/// All that can come of that.
fn bases(_: &mut SchemaGenerator) -> Schema {
    let mut words = vec![None];
    for (place, one) in Basis::ALL.iter().copied().enumerate() {
        words.push(basis_words(&[one]));
        words.extend(Basis::ALL[place + 1..].iter().map(|other| basis_words(&[one, *other])));
    }
    json_schema!({ "type": ["string", "null"], "enum": words })
}

impl From<WindowSummary> for Window {
    fn from(summary: WindowSummary) -> Self {
        Window {
            count: summary.count,
            p50_seconds: summary.p50,
            p90_seconds: summary.p90,
            p99_seconds: summary.p99,
            max_seconds: summary.max,
        }
    }
}

fn provider_body(polling: Polling, facts: &ProviderFacts, standing: Standing, now: Now) -> ProviderBody {
    let Standing { said, age, verdict, .. } = standing;
    let value = said.and_then(|said| said.value());
    let mut reason = facts.finding.words(now.mono);
    if let Some(failing) = facts.failing {
        reason = format!("{reason}; the last question failed: {}", failing_words(failing));
    }
    ProviderBody {
        value_seconds: value.map(|(_, seconds)| seconds),
        statistic: value.map(|(statistic, _)| Word(statistic)),
        maximum_seconds: said.and_then(|said| said.maximum),
        period_seconds: polling.period.as_secs_f64(),
        as_of: said.map(|said| rfc3339(said.end)),
        age_seconds: age.map(Span::as_secs_f64),
        verdict: Word(verdict),
        reason,
        failing: facts.failing.map(Word),
    }
}

/// Answers.
pub async fn get(State(shared): State<Shared>, uri: Uri) -> Result<Json<Success<Pairs>>, Problem> {
    shared.known()?;
    let wanted = Parameters::of(&uri, &PARAMETERS)?;
    let view = shared.sources.view();
    let fits = |name: &str, value: &str| wanted.get(name).is_none_or(|wanted| wanted == value);
    let (mut pairs, mut writes) = (Vec::new(), Vec::new());
    for (store_index, store) in view.stores.iter().enumerate().filter(|(_, store)| fits("store", &store.plan.store)) {
        for pair in &store.pairs {
            if fits("source_region", store.region(pair.source)) && fits("target_region", store.region(pair.target)) {
                pairs.push(body(&view, store_index, store, pair));
            }
        }
        for (region, writing, state) in writing::standings(store, view.now.mono) {
            if fits("source_region", store.region(region)) {
                writes.push(writes_body(&view, store, region, writing, state));
            }
        }
    }
    // An empty list for a mistyped name would look like a store without pairs.
    if pairs.is_empty() && wanted.any() {
        return Err(Problem::not_found("no region pair fits; without parameters this resource lists what there is"));
    }
    Ok(Success::of(Pairs { pairs, writes }))
}

fn writes_body(
    view: &View,
    store: &StoreSnapshot,
    region: RegionId,
    writing: &Writing,
    state: writing::Standing,
) -> Writes {
    let at = |at: Mono| rfc3339(view.now.after(at - view.now.mono).wall);
    Writes {
        store: store.plan.store.to_string(),
        source_region: store.region(region).to_string(),
        state: Word(state),
        acknowledged_at: writing.acknowledged_at.map(at),
        failing: writing.failing.map(|failing| Word(failing.reason)),
        failing_since: writing.failing.map(|failing| at(failing.since)),
    }
}

fn body(view: &View, place: usize, store: &StoreSnapshot, pair: &PairSnapshot) -> Pair {
    let now = assess(&store.plan, pair, view.now);
    let seconds = |span: Option<Span>| span.map(Span::as_secs_f64);
    let since = match view.verdict(place, pair) {
        Some(verdict) if verdict.state == now.state => Some(verdict.since),
        // It changed since the judge last looked, a moment ago.
        Some(_) => Some(view.now.wall),
        None => None,
    };
    let provider = store.plan.polling.zip(pair.provider.as_ref()).zip(now.provider);
    let [one_minute, ten_minutes, sixty_minutes] = pair.summary.map(Window::from);
    Pair {
        store: store.plan.store.to_string(),
        source_region: store.region(pair.source).to_string(),
        target_region: store.region(pair.target).to_string(),
        clock: Word(pair.clock),
        placement: Word(store.plan.placement),
        state: Word(now.state),
        since: since.map(rfc3339),
        reason: now.reason,
        current_lag_seconds: seconds(now.current_lag),
        overdue_seconds: seconds(now.overdue),
        staleness_seconds: seconds(now.staleness),
        watermark: now.watermark.map(WatermarkBody::from),
        last_sample: pair.recent.last().map(|sample: &Sample| SampleBody::from(*sample)),
        windows: Windows { one_minute, ten_minutes, sixty_minutes },
        offset: (pair.clock == Measured::TwoClocks).then(|| OffsetBody::from(pair.offset)),
        provider: provider.map(|((polling, facts), standing)| provider_body(polling, facts, standing, view.now)),
        merged_lag_seconds: seconds(now.merged.map(|merged| merged.lag)),
        slots: (pair.slots.len() > 1).then(|| pair.slots.iter().map(|slot| slot_body(slot, view.now)).collect()),
    }
}

fn slot_body(slot: &SlotFacts, now: Now) -> SlotBody {
    SlotBody {
        slot: slot.slot,
        current_lag_seconds: slot_lag(slot, now.mono).map(Span::as_secs_f64),
        watermark: slot.watermark.map(WatermarkBody::from),
    }
}
