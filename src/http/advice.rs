//! `GET|HEAD /api/v1/advice?store=&max_staleness=&source_region=&…`: which read to make. Answered from memory; who only wants
//! the decision asks with HEAD, and gets it in the headers.

use std::convert::Infallible;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::Shared;
use super::answer::{Parameters, Problem, Success, rfc3339};
use super::pairs::WatermarkBody;
use super::words::Word;
use crate::core::advice::{
    self, Advice, Basis, Decision, Forced, Override, Policy, Remedies, RestsOn, Why, region, standing, words,
};
use crate::core::assess::{self, assess};
use crate::core::model::{Consistency, Placement, RegionId};
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Now, Span, Wall};

mod resource;

use resource::PARAMETERS;
pub(super) use resource::RESOURCE;

/// The parameters that make a question one of its own; without them the store's policy is asked.
const OWN: [&str; 5] = ["max_staleness", "basis", "valid_for", "max_wait", "session_token"];

const DECISION: HeaderName = HeaderName::from_static("tidegauge-decision");
const VALID_FOR: HeaderName = HeaderName::from_static("tidegauge-valid-for");
const READ_REGION: HeaderName = HeaderName::from_static("tidegauge-read-region");
const WAIT: HeaderName = HeaderName::from_static("tidegauge-wait");
const RESTS_ON: HeaderName = HeaderName::from_static("tidegauge-rests-on");
const AVOID: HeaderName = HeaderName::from_static("tidegauge-avoid");
const EXCLUDED: HeaderName = HeaderName::from_static("tidegauge-excluded");
const OVERRIDE_UNTIL: HeaderName = HeaderName::from_static("tidegauge-override-until");

/// What the caller looks at.
#[derive(Clone, Copy, PartialEq)]
enum As {
    Body,
    Status,
}

/// The answer's data. What is not known is `null`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Advice")]
struct Body {
    store: String,
    target_region: String,
    /// The item's home, where it was named.
    source_region: Option<String>,
    decision: Word<Decision>,
    /// Where to read; `null` where the caller is the one who knows, or nothing is to be read.
    read_region: Option<String>,
    /// How that read is asked for.
    how: Option<&'static str>,
    /// How long to wait before asking again.
    wait_seconds: Option<f64>,
    /// Why, for a person.
    reason: String,
    rests_on: Word<RestsOn>,
    basis: Word<Basis>,
    max_staleness_seconds: f64,
    valid_for_seconds: f64,
    /// Whether the heartbeats lie in the application's own table or container, or in one beside it.
    placement: Word<Placement>,
    /// How the heartbeats are read in the target region: what they show is what such a read sees.
    read: Word<Consistency>,
    /// Since when the store's policy has come to this; `null` for a question of one's own.
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// What is as safe.
    #[schemars(with = "Vec<Word<Decision>>")]
    alternatives: Vec<&'static str>,
    /// Regions that nobody should be sent to.
    avoid: Vec<Avoid>,
    /// Sources that count as lost, and were left out of account: what they wrote last may be lost.
    excluded: Vec<Excluded>,
    /// What an operator decided for a while, where that is the advice.
    #[serde(rename = "override")]
    forced: Option<ForcedBody>,
    /// Those that matter: the one that was named, or all.
    sources: Vec<Source>,
}

/// A region that is in trouble.
#[derive(Debug, Serialize, JsonSchema)]
struct Avoid {
    region: String,
    reason: String,
}

/// A source that counts as lost.
#[derive(Debug, Serialize, JsonSchema)]
struct Excluded {
    source_region: String,
    /// The last heartbeat that arrived from there: what was written later may be lost.
    watermark: Option<WatermarkBody>,
    silent_seconds: f64,
    reason: String,
}

/// A decision of the operator's.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Override")]
struct ForcedBody {
    decision: Word<Forced>,
    #[schemars(extend("format" = "date-time"))]
    until: String,
    reason: String,
}

/// What is known of one source at the target.
#[derive(Debug, Serialize, JsonSchema)]
struct Source {
    source_region: String,
    /// Whether it alone would let the local replica be read.
    fresh: bool,
    state: Word<assess::State>,
    reason: String,
    current_lag_seconds: Option<f64>,
    overdue_seconds: Option<f64>,
    staleness_seconds: Option<f64>,
    merged_lag_seconds: Option<f64>,
    watermark: Option<WatermarkBody>,
    /// Of the last ten minutes.
    p50_seconds: Option<f64>,
    p99_seconds: Option<f64>,
}

/// A question, and what came of it.
struct Answered<'a> {
    store: &'a StoreSnapshot,
    policy: &'a Policy,
    query: advice::Query,
    advice: Advice,
    since: Option<Wall>,
    now: Now,
}

/// Answers.
pub async fn get(State(shared): State<Shared>, method: Method, uri: Uri) -> Result<Response, Problem> {
    shared.known()?;
    let wanted = Parameters::of(&uri, &PARAMETERS)?;
    let clock = &shared.sources.clock;
    let (now, seen) = (clock.now(), shared.sources.seen());
    let scene = &seen.scene;
    let name = wanted.required("store")?;
    let place = scene.advised.place(name).ok_or_else(|| {
        let names: Vec<&str> = scene.advised.stores.iter().map(|known| &*known.store).collect();
        Problem::not_found(format!("no store {name:?}; there are: {}", names.join(", ")))
    })?;
    let store = scene.snapshots[place].borrow().clone();
    let answer_as = wanted.choice("as", &As::ALL, As::label)?.unwrap_or(As::Body);
    let policy = &scene.policies[place];
    let target = target(&wanted, &store)?;
    let source = wanted.region("source_region", &store)?;
    let is_own = OWN.iter().any(|parameter| wanted.get(parameter).is_some());
    let query = asked(&wanted, policy, source, target)?;
    let (advice, query, since) = if is_own {
        (advice::advise(&store, policy, &query, now), query, None)
    } else {
        let standing = seen.verdicts.standings.get(place).and_then(|standings| standings.get(&(target, source)));
        let (advice, query) = standing::answer(standing, &store, policy, &query, now);
        let stands = standing.filter(|standing| standing.advice.decision.label() == advice.decision.label());
        (advice, query, stands.map(|standing| standing.since))
    };
    let answered = Answered { store: &store, policy, query, advice, since, now };
    let response = answered.response(method == Method::HEAD, answer_as);
    scene.advised.count(place, advice.decision, clock.now().mono - now.mono);
    Ok(response)
}

impl As {
    const ALL: [As; 2] = [As::Body, As::Status];

    fn label(self) -> &'static str {
        match self {
            As::Body => "body",
            As::Status => "status",
        }
    }
}

fn asked(
    wanted: &Parameters<'_>,
    policy: &Policy,
    source: Option<RegionId>,
    target: RegionId,
) -> Result<advice::Query, Problem> {
    let missing = || {
        Problem::bad_data(
            "parameter \"max_staleness\" is missing: say how old what is read may be, such as max_staleness=5s, or give the \
             store a policy in the settings",
        )
    };
    Ok(advice::Query {
        source,
        target,
        max_staleness: wanted.duration("max_staleness")?.or(policy.max_staleness).ok_or_else(missing)?,
        basis: wanted.choice("basis", &Basis::ALL, Basis::label)?.unwrap_or(policy.basis),
        valid_for: wanted.duration("valid_for")?.unwrap_or(policy.valid_for),
        max_wait: wanted.duration("max_wait")?.unwrap_or(policy.max_wait),
        session_token: wanted.flag("session_token")?.unwrap_or(policy.session_tokens),
    })
}

/// Where the caller reads.
fn target(wanted: &Parameters<'_>, store: &StoreSnapshot) -> Result<RegionId, Problem> {
    let plan = &store.plan;
    let name = |region: RegionId| &**store.region(region);
    let Some(target) = wanted.region("target_region", store)? else {
        return plan.local.ok_or_else(|| {
            let names: Vec<&str> = plan.region_ids().map(name).collect();
            let message = "this process is local to no region: say in which one the caller reads, with target_region=";
            Problem::bad_data(format!("{message}; there are: {}", names.join(", ")))
        });
    };
    // What is not measured here would be unknown for ever.
    let is_measured = plan.local == Some(target) || store.pairs.iter().any(|pair| pair.target == target);
    is_measured.then_some(target).ok_or_else(|| {
        let message = format!("how old what is read in {:?} is is not measured here", name(target));
        Problem::not_found(format!(
            "{message}, only for {:?}; ask the gauge that is there",
            plan.local.map_or("", name)
        ))
    })
}

impl Answered<'_> {
    fn response(&self, is_head: bool, answer_as: As) -> Response {
        let mut response = match is_head {
            // One whose length is not known: that of nothing is not that of what GET would have sent.
            true => Response::new(HttpBody::from_stream(tokio_stream::empty::<Result<Bytes, Infallible>>())),
            false => Success::of(self.body()).into_response(),
        };
        *response.status_mut() = match (answer_as, self.advice.decision) {
            (As::Body, _) | (As::Status, Decision::ReadLocal) => StatusCode::OK,
            (As::Status, Decision::Refuse) => StatusCode::SERVICE_UNAVAILABLE,
            (As::Status, _) => StatusCode::PRECONDITION_FAILED,
        };
        self.say_in(response.headers_mut());
        response
    }

    fn say_in(&self, headers: &mut HeaderMap) {
        headers.reserve(7);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(DECISION, HeaderValue::from_static(self.advice.decision.label()));
        headers.insert(RESTS_ON, HeaderValue::from_static(self.advice.rests_on.label()));
        let mut say = |name: HeaderName, text: &str| {
            // Names of regions come from settings and from stores; one that is no text for a header is in the body still.
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        say(VALID_FOR, &format!("{:.3}", self.advice.valid_for.as_secs_f64()));
        match self.advice.decision {
            Decision::Wait(wait) => say(WAIT, &format!("{:.3}", wait.as_secs_f64())),
            Decision::ReadHomeRegion => {
                let avoid: Vec<&str> = self.avoid().map(|(region, _)| &**self.store.region(region)).collect();
                if !avoid.is_empty() {
                    say(AVOID, &avoid.join(","));
                }
            }
            _ => {}
        }
        if let Some(region) = self.read_region() {
            say(READ_REGION, self.store.region(region));
        }
        if let Some(forced) = self.forced() {
            say(OVERRIDE_UNTIL, &rfc3339(forced.until));
        }
        let excluded: Vec<&str> = self.excluded().map(|(source, _)| &**self.store.region(source)).collect();
        if !excluded.is_empty() {
            say(EXCLUDED, &excluded.join(","));
        }
    }

    /// The override that this answer is.
    fn forced(&self) -> Option<&Override> {
        match self.advice.why {
            Why::Overridden(place) => self.policy.overrides.get(place),
            _ => None,
        }
    }

    /// Sources that count as lost.
    fn excluded(&self) -> impl Iterator<Item = (RegionId, region::Lost)> {
        region::excluded(self.store, self.query.target, self.policy, self.now.mono)
    }

    fn read_region(&self) -> Option<RegionId> {
        match self.advice.decision {
            Decision::ReadLocal | Decision::ReadStrong | Decision::UseSessionToken => Some(self.query.target),
            Decision::ReadSourceRegion(region) => Some(region),
            Decision::Wait(_) | Decision::ReadHomeRegion | Decision::Refuse => None,
        }
    }

    /// Other regions that are in trouble.
    fn avoid(&self) -> impl Iterator<Item = (RegionId, region::Trouble)> {
        let others = self.store.plan.region_ids().filter(|region| *region != self.query.target);
        others.filter_map(|region| Some((region, region::trouble(self.store, region, self.now.mono)?)))
    }

    fn body(&self) -> Body {
        let (store, plan, query, advice) = (self.store, &self.store.plan, &self.query, &self.advice);
        let name = |region: RegionId| store.region(region).to_string();
        let remedies = advice::remedies(store, query.target, self.now.mono);
        Body {
            store: plan.store.to_string(),
            target_region: name(query.target),
            source_region: query.source.map(name),
            decision: Word(advice.decision),
            read_region: self.read_region().map(name),
            how: how(advice.decision, &remedies),
            wait_seconds: match advice.decision {
                Decision::Wait(wait) => Some(wait.as_secs_f64()),
                _ => None,
            },
            reason: words::reason(store, self.policy, query, advice, self.now),
            rests_on: Word(advice.rests_on),
            basis: Word(query.basis),
            max_staleness_seconds: query.max_staleness.as_secs_f64(),
            valid_for_seconds: advice.valid_for.as_secs_f64(),
            placement: Word(plan.placement),
            read: Word(plan.consistency),
            since: self.since.map(rfc3339),
            alternatives: self.alternatives(&remedies),
            avoid: self
                .avoid()
                .map(|(region, trouble)| Avoid { region: name(region), reason: trouble.words() })
                .collect(),
            excluded: self.excluded().map(|(source, lost)| self.excluded_body(source, lost)).collect(),
            forced: self.forced().map(|forced| ForcedBody {
                decision: Word(forced.decision),
                until: rfc3339(forced.until),
                reason: forced.reason.to_string(),
            }),
            sources: self.sources(),
        }
    }

    /// What is as safe, the rest of what the store says helps.
    fn alternatives(&self, remedies: &Remedies) -> Vec<&'static str> {
        if matches!(self.advice.decision, Decision::ReadLocal | Decision::Refuse)
            || self.query.source == Some(self.query.target)
        {
            return Vec::new();
        }
        let elsewhere = match self.query.source {
            Some(source) => {
                region::trouble(self.store, source, self.now.mono).is_none().then_some("read_source_region")
            }
            None => Some("read_home_region"),
        };
        let all = [
            remedies.strong_anywhere.map(|_| "read_strong"),
            remedies.session_token.filter(|_| self.query.session_token).map(|_| "use_session_token"),
            elsewhere,
        ];
        all.into_iter().flatten().filter(|label| *label != self.advice.decision.label()).collect()
    }

    fn excluded_body(&self, source: RegionId, lost: region::Lost) -> Excluded {
        let pair = self.store.pair(source, self.query.target);
        let assessment = pair.map(|pair| assess(&self.store.plan, pair, self.now));
        Excluded {
            source_region: self.store.region(source).to_string(),
            watermark: assessment.as_ref().and_then(|now| now.watermark).map(WatermarkBody::from),
            silent_seconds: lost.silent.as_secs_f64(),
            reason: assessment.map(|now| now.reason).unwrap_or_default(),
        }
    }

    fn sources(&self) -> Vec<Source> {
        let query = &self.query;
        let pairs = self.store.pairs.iter().filter(|pair| pair.target == query.target);
        pairs
            .filter(|pair| query.source.is_none_or(|source| source == pair.source))
            .map(|pair| {
                let now = assess(&self.store.plan, pair, self.now);
                let seconds = |span: Option<Span>| span.map(Span::as_secs_f64);
                Source {
                    source_region: self.store.region(pair.source).to_string(),
                    fresh: advice::is_fresh(self.store, self.policy, query, pair.source, self.now),
                    state: Word(now.state),
                    reason: now.reason,
                    current_lag_seconds: seconds(now.current_lag),
                    overdue_seconds: seconds(now.overdue),
                    staleness_seconds: seconds(now.staleness),
                    merged_lag_seconds: seconds(now.merged.map(|merged| merged.lag)),
                    watermark: now.watermark.map(WatermarkBody::from),
                    p50_seconds: pair.summary[1].p50,
                    p99_seconds: pair.summary[1].p99,
                }
            })
            .collect()
    }
}

/// In the store's words.
fn how(decision: Decision, remedies: &Remedies) -> Option<&'static str> {
    match decision {
        Decision::ReadLocal => Some(remedies.local),
        Decision::ReadStrong => remedies.strong_anywhere.or(remedies.strong_at_home),
        Decision::UseSessionToken => remedies.session_token,
        Decision::ReadSourceRegion(_) | Decision::ReadHomeRegion => remedies.strong_at_home,
        Decision::Wait(_) | Decision::Refuse => None,
    }
}
