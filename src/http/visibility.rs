//! `GET /api/v1/visibility?store=&source_region=&target_region=&(written_at=|age=|confidence=)&window=`: is a write visible
//! by now, or within what time?

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::routing;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::Shared;
use super::answer::{Kind, Parameters, Problem, Success, rfc3339};
use super::resource::{Answer, Described, Resource, Verb, durations, instants};
use super::words::Word;
use crate::core::advice::visibility::{self, Lookback, Shown, Visible, Within};
use crate::core::assess::{State as PairState, assess};
use crate::core::model::{Consistency, Placement, RegionId};
use crate::core::snapshot::{PairSnapshot, StoreSnapshot};
use crate::core::time::{Now, Span};
use crate::settings::Act;

const PARAMETERS: [Described; 7] = [
    Described::required("store", "where the write was made"),
    Described::required("source_region", "in which region"),
    Described::optional(
        "target_region",
        "where it is to be visible: this process's region, unless said otherwise; must be said where it has none",
    ),
    Described::optional("written_at", "when the write was acknowledged; this, `age` or `confidence` must be given")
        .that_looks(instants),
    Described::optional("age", "how long ago it was acknowledged").that_looks(durations),
    Described::optional("confidence", "the other way round: within what time it is visible with this probability")
        .that_looks(probabilities),
    Described::optional("window", "what the answer rests on; unless said otherwise the shortest that reaches")
        .that_looks(SchemaGenerator::subschema_for::<Word<Lookback>>),
];

pub(super) const RESOURCE: Resource = Resource {
    path: "/api/v1/visibility",
    verb: Verb::Get,
    summary: "whether a write is visible by now, or within what time",
    act: Some(Act::Read),
    parameters: &PARAMETERS,
    answer: Answer::of::<Visibility>(),
    headers: &[],
    also: &[],
    problems: &[Kind::BadData, Kind::NotFound, Kind::Unavailable],
    route: || routing::get(get),
};

fn probabilities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 })
}

/// The answer's data. What is not known is `null`, and so is what was not asked.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Visibility {
    store: String,
    source_region: String,
    target_region: String,
    age_seconds: Option<f64>,
    confidence: Option<f64>,
    probability: Option<ProbabilityBody>,
    within: Option<WithinBody>,
    /// What they show of the write.
    heartbeats: Option<Word<Shown>>,
    /// A heartbeat is another item.
    certain: bool,
    window: Word<Lookback>,
    samples: u64,
    state: Word<PairState>,
    placement: Word<Placement>,
    read: Word<Consistency>,
    basis: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Probability")]
struct ProbabilityBody {
    pessimistic: f64,
    optimistic: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Within")]
struct WithinBody {
    /// At least the one that was asked for.
    confidence: f64,
    pessimistic_seconds: Option<f64>,
    optimistic_seconds: Option<f64>,
}

/// What is asked.
enum Asked {
    Age(Span),
    Confidence(f64),
}

/// Answers.
pub async fn get(State(shared): State<Shared>, uri: Uri) -> Result<Json<Success<Visibility>>, Problem> {
    shared.known()?;
    let wanted = Parameters::of(&uri, &PARAMETERS)?;
    let view = shared.sources.view();
    let store = &view.stores[wanted.store(&view)?.ok_or_else(|| Problem::missing("store"))?];
    let asked = asked(&wanted, view.now)?;
    let lookback = wanted.choice("window", &Lookback::ALL, Lookback::label)?;
    let pair = pair(&wanted, store)?;
    let state = assess(&store.plan, pair, view.now).state;
    let body = Visibility {
        store: store.plan.store.to_string(),
        source_region: store.region(pair.source).to_string(),
        target_region: store.region(pair.target).to_string(),
        age_seconds: None,
        confidence: None,
        probability: None,
        within: None,
        heartbeats: None,
        certain: false,
        window: Word(lookback.unwrap_or(Lookback::ALL[0])),
        samples: 0,
        state: Word(state),
        placement: Word(store.plan.placement),
        read: Word(store.plan.consistency),
        basis: String::new(),
    };
    Ok(Success::of(match asked {
        Asked::Age(age) => {
            let visible = visibility::visibility(&store.plan, pair, view.now, age, lookback);
            let Visible { probability, heartbeats, lookback, samples, basis } = visible;
            Visibility {
                age_seconds: Some(age.as_secs_f64()),
                probability: probability.map(|probability| ProbabilityBody {
                    pessimistic: probability.pessimistic,
                    optimistic: probability.optimistic,
                }),
                heartbeats: Some(Word(heartbeats)),
                window: Word(lookback),
                samples,
                basis,
                ..body
            }
        }
        Asked::Confidence(asked) => {
            let within = visibility::within(&store.plan, pair, asked, lookback);
            let Within { confidence, pessimistic, optimistic, lookback, samples, basis } = within;
            Visibility {
                confidence: Some(asked),
                within: confidence.map(|confidence| WithinBody {
                    confidence,
                    pessimistic_seconds: pessimistic.map(Span::as_secs_f64),
                    optimistic_seconds: optimistic.map(Span::as_secs_f64),
                }),
                window: Word(lookback),
                samples,
                basis,
                ..body
            }
        }
    }))
}

fn asked(wanted: &Parameters<'_>, now: Now) -> Result<Asked, Problem> {
    match (wanted.instant("written_at")?, wanted.duration("age")?, wanted.get("confidence")) {
        (Some(written_at), None, None) => {
            let age = now.wall - written_at;
            if age.is_negative() {
                let (clock, ahead) = (rfc3339(now.wall), age.abs().as_secs_f64());
                let message = format!("written_at is {ahead:.6} s ahead of this host's clock, which shows {clock}");
                return Err(Problem::bad_data(format!("{message}; give an age that one clock has measured")));
            }
            Ok(Asked::Age(age))
        }
        (None, Some(age), None) => Ok(Asked::Age(age)),
        (None, None, Some(confidence)) => match confidence.parse::<f64>() {
            Ok(asked) if asked > 0.0 && asked < 1.0 => Ok(Asked::Confidence(asked)),
            _ => {
                let message = "is no probability above 0 and below 1, such as 0.99";
                Err(Problem::bad_data(format!("confidence {confidence:?} {message}")))
            }
        },
        _ => Err(Problem::bad_data("give exactly one of written_at, age and confidence")),
    }
}

/// The pair that is asked for.
fn pair<'a>(wanted: &Parameters<'_>, store: &'a StoreSnapshot) -> Result<&'a PairSnapshot, Problem> {
    let source = wanted.region("source_region", store)?.ok_or_else(|| Problem::missing("source_region"))?;
    let target = wanted.region("target_region", store)?.or(store.plan.local).ok_or_else(|| {
        Problem::bad_data("parameter \"target_region\" is missing: a central prober has no region of its own")
    })?;
    if source == target {
        let message = "a write is visible at once in the region it was made in, to a strongly consistent read";
        return Err(Problem::bad_data(format!("source_region and target_region are the same: {message}")));
    }
    store.pairs.iter().find(|pair| (pair.source, pair.target) == (source, target)).ok_or_else(|| {
        let names =
            |source: RegionId, target: RegionId| format!("{} to {}", store.region(source), store.region(target));
        let measured: Vec<String> = store.pairs.iter().map(|pair| names(pair.source, pair.target)).collect();
        let (asked, measured) = (names(source, target), measured.join(", "));
        Problem::not_found(format!("this gauge does not measure {asked}; of this store it measures {measured}"))
    })
}
