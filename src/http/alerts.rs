//! `GET /api/v1/alerts?store=&severity=&state=`: what is pending and what fires, in the shape of Prometheus's own answer, so
//! that what reads that one reads this one too.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::routing;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::Shared;
use super::answer::{Kind, Parameters, Problem, Success, rfc3339};
use super::resource::{Answer, Described, Resource, Verb};
use super::words::{Word, one_of};
use crate::core::alert::{Alert, Holds, Phase, Severity};
use crate::settings::Act;
use crate::view::Identity;

/// What an alert that is not over can be, in this order.
pub(super) const PHASES: [Phase; 2] = [Phase::Firing, Phase::Pending];

const PARAMETERS: [Described; 3] = [
    Described::optional("store", "of this store alone"),
    Described::optional("severity", "of this severity alone")
        .that_looks(SchemaGenerator::subschema_for::<Word<Severity>>),
    Described::optional("state", "in this state alone").that_looks(phases),
];

pub(super) const RESOURCE: Resource = Resource {
    path: "/api/v1/alerts",
    verb: Verb::Get,
    summary: "what is pending and what fires",
    act: Some(Act::Read),
    parameters: &PARAMETERS,
    answer: Answer::of::<Alerts>(),
    headers: &[],
    also: &[],
    problems: &[Kind::BadData, Kind::NotFound, Kind::Unavailable],
    route: || routing::get(get),
};

fn phases(_: &mut SchemaGenerator) -> Schema {
    one_of(&PHASES.map(Phase::label))
}

/// The answer's data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Alerts {
    /// What fires before what is pending, then the worse severity, then the oldest.
    alerts: Vec<AlertBody>,
}

/// An alert of this gauge's rules that is not over.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Alert")]
struct AlertBody {
    #[serde(flatten)]
    told: Told,
    #[schemars(schema_with = "phases")]
    state: &'static str,
    /// Since when it is over, and fires on lest it come and go. Null while it is not over, and while that is not known.
    #[serde(rename = "keepFiringSince")]
    #[schemars(extend("format" = "date-time"))]
    keep_firing_since: Option<String>,
}

/// What is told of an alert wherever one is told of.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Told {
    /// What tells this alert from all others.
    labels: BTreeMap<&'static str, String>,
    /// For a person: `summary`, `description`, `runbook_url`.
    annotations: BTreeMap<&'static str, String>,
    /// Since when it is so.
    #[serde(rename = "activeAt")]
    #[schemars(extend("format" = "date-time"))]
    active_at: String,
    /// What the signal is, as text: seconds where it is a duration.
    value: String,
}

impl Told {
    /// Of an alert of this gauge's.
    pub(super) fn of(alert: &Alert, identity: &Identity) -> Told {
        let labels = alert.labels_in(&identity.cell).into_iter();
        Told {
            labels: labels.map(|(name, value)| (name, value.to_string())).collect(),
            annotations: alert.annotations(&identity.runbooks),
            active_at: rfc3339(alert.active_at),
            value: scientific(alert.value),
        }
    }
}

/// As Prometheus writes the value of an alert: the shortest mantissa, an exponent with its sign and at least two digits.
fn scientific(value: f64) -> String {
    let text = format!("{value:e}");
    match text.split_once('e').and_then(|(mantissa, exponent)| Some((mantissa, exponent.parse::<i32>().ok()?))) {
        Some((mantissa, exponent)) => format!("{mantissa}e{exponent:+03}"),
        None => text,
    }
}

/// Answers, the worst first.
pub async fn get(State(shared): State<Shared>, uri: Uri) -> Result<Json<Success<Alerts>>, Problem> {
    shared.known()?;
    let wanted = Parameters::of(&uri, &PARAMETERS)?;
    let view = shared.sources.view();
    let store = wanted.store(&view)?;
    let severity = wanted.choice("severity", &Severity::ALL, Severity::label)?;
    let phase = wanted.choice("state", &PHASES, Phase::label)?;
    let mut alerts: Vec<(usize, Severity, &Alert)> = view
        .verdicts
        .alerts
        .iter()
        .filter(|(key, _)| store.is_none_or(|wanted| wanted == key.store))
        .filter(|(key, _)| severity.is_none_or(|wanted| wanted == key.severity))
        .filter(|(_, alert)| phase.is_none_or(|wanted| wanted == alert.phase()))
        .filter_map(|(key, alert)| {
            let rank = PHASES.iter().position(|phase| *phase == alert.phase())?;
            Some((rank, key.severity, alert))
        })
        .collect();
    alerts.sort_by_key(|(rank, severity, alert)| (*rank, *severity, alert.active_at));
    let body = |(_, _, alert): (usize, Severity, &Alert)| AlertBody {
        told: Told::of(alert, &view.identity),
        state: alert.phase().label(),
        keep_firing_since: match alert.holds {
            Holds::OverSince(at) => Some(rfc3339(at)),
            Holds::Now | Holds::UnknownSince(_) => None,
        },
    };
    Ok(Success::of(Alerts { alerts: alerts.into_iter().map(body).collect() }))
}

#[cfg(test)]
mod tests {
    use super::scientific;

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        for (value, text) in [
            (0.0, "0e+00"),
            (1.0, "1e+00"),
            (62.0, "6.2e+01"),
            (0.05, "5e-02"),
            (-1.25, "-1.25e+00"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(scientific(value), text);
        }
    }
}
