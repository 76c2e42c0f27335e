//! An alert's labels, and what it says to people.

use std::sync::Arc;

use super::rule::{Per, Rule, Severity, Signal};
use super::signal::{Reading, Together};
use super::{Key, Labels, Subject};
use crate::core::assess::State;
use crate::core::audit::{Finding, Kind};
use crate::core::model::RegionId;
use crate::core::snapshot::StoreSnapshot;

/// The labels of an alert.
pub(super) fn labels(rule: &Rule, severity: Severity, store: &StoreSnapshot, subject: &Subject) -> Labels {
    let mut labels: Vec<(&'static str, Arc<str>)> = vec![
        ("alertname", rule.name.clone()),
        ("severity", severity.label().into()),
        ("store", store.plan.store.clone()),
    ];
    let name = |region: &RegionId| store.region(*region).clone();
    match subject {
        Subject::Pair(source, target) => {
            labels.push(("source_region", name(source)));
            labels.push(("target_region", name(target)));
        }
        Subject::Source(region) => {
            labels.push(("source_region", name(region)));
            labels.push(("region", name(region)));
        }
        Subject::Target(region) => {
            labels.push(("target_region", name(region)));
            labels.push(("region", name(region)));
        }
        Subject::Finding(region, kind) => {
            labels.push(("region", region.clone()));
            labels.push(("finding", kind.label().into()));
        }
    }
    if rule.per == Per::Region {
        let side = if matches!(subject, Subject::Source(_)) { "source" } else { "target" };
        labels.push(("side", side.into()));
    }
    labels.into()
}

/// Which alert has these labels; `None` where no rule, store or region of this gauge is meant.
pub(super) fn key_of<'a, 'b>(
    rules: &[Rule],
    stores: impl Iterator<Item = &'a StoreSnapshot>,
    get: &dyn Fn(&str) -> Option<&'b str>,
) -> Option<(Key, &'a StoreSnapshot)> {
    let (name, severity, wanted) = (get("alertname")?, get("severity")?, get("store")?);
    let (place, store) = stores.enumerate().find(|(_, store)| *store.plan.store == *wanted)?;
    let (number, rule) = rules.iter().enumerate().find(|(_, rule)| *rule.name == *name)?;
    let severity = rule.thresholds.iter().map(|threshold| threshold.severity).find(|one| one.label() == severity)?;
    let region = |label: &str| {
        let name = get(label)?;
        store.plan.region_ids().find(|region| **store.region(*region) == *name)
    };
    let subject = match (&rule.signal, rule.per) {
        (Signal::Audit(kinds), _) => {
            let finding = get("finding")?;
            let kind: Kind = *kinds.iter().find(|kind| kind.label() == finding)?;
            Subject::Finding(get("region")?.into(), kind)
        }
        (_, Per::Pair) => Subject::Pair(region("source_region")?, region("target_region")?),
        (_, Per::SourceRegion) => Subject::Source(region("source_region")?),
        (_, Per::TargetRegion) => Subject::Target(region("target_region")?),
        (_, Per::Region) => match get("side")? {
            "source" => Subject::Source(region("region")?),
            _ => Subject::Target(region("region")?),
        },
    };
    Some((Key { store: place, rule: number, severity, subject }, store))
}

/// What is the matter, in a line.
pub(super) fn summary(rule: &Rule, store: &StoreSnapshot, subject: &Subject) -> Arc<str> {
    let name = &store.plan.store;
    let what = match subject {
        Subject::Pair(source, target) => format!("{name}: {} → {}", store.region(*source), store.region(*target)),
        Subject::Source(region) => format!("{name}: every pair from {}", store.region(*region)),
        Subject::Target(region) => format!("{name}: every pair to {}", store.region(*region)),
        Subject::Finding(region, kind) => return format!("{name}: {}: {}", region, kind.label()).into(),
    };
    format!("{what} {}", rule.signal.words()).into()
}

impl Signal {
    /// What is so where the signal is over its threshold, as what follows the pair's name in a sentence.
    pub fn words(&self) -> String {
        match self {
            Signal::CurrentLag => "is late".to_owned(),
            Signal::Overdue => "has an overdue heartbeat".to_owned(),
            Signal::Staleness => "shows old data".to_owned(),
            Signal::MergedLag => "is late, by the best that is known".to_owned(),
            Signal::LagQuantile { quantile, over } => {
                format!("has a high {} of lag over {}", quantile.label(), over.label())
            }
            Signal::State(states) => states.iter().copied().map(state_words).collect::<Vec<_>>().join(" or "),
            Signal::ProviderDisagrees => "is not as its provider says".to_owned(),
            Signal::Clock => "has clocks that differ".to_owned(),
            Signal::Audit(_) => "is not set up right".to_owned(),
        }
    }
}

fn state_words(state: State) -> &'static str {
    match state {
        State::Unknown => "is unknown",
        State::ReadFailing => "cannot be read",
        State::WriteFailing => "takes no heartbeats",
        State::WriterSilent => "has no writer",
        State::Throttled => "is throttled",
        State::Stalled => "is stalled",
        State::Lagging => "is lagging",
        State::Ok => "is ok",
    }
}

fn number(rule: &Rule, reading: Reading) -> Option<String> {
    let value = reading.value.filter(|_| rule.signal.is_duration())?;
    Some(format!("{} is {value:.1} s", rule.signal.label().replace('_', " ")))
}

/// Why, of one pair: the number, and the reason for its state.
pub(super) fn cause(rule: &Rule, reading: Reading, reason: &str) -> String {
    let number = number(rule, reading).unwrap_or_default();
    let separator = if number.is_empty() || reason.is_empty() { "" } else { "; " };
    format!("{number}{separator}{reason}")
}

/// Reasons that are told of a region; more are counted.
const REASONS_TOLD: usize = 3;

/// Why, of all pairs of a region.
pub(super) fn cause_together(rule: &Rule, reading: Reading, together: &Together<'_>) -> String {
    let number = number(rule, reading).map_or(String::new(), |number| format!(" (at least: {number})"));
    let reasons = together.reasons();
    let mut told = reasons.iter().take(REASONS_TOLD).copied().collect::<Vec<_>>().join("; ");
    if reasons.len() > REASONS_TOLD {
        told.push_str(&format!("; and {} more", reasons.len() - REASONS_TOLD));
    }
    let separator = if told.is_empty() { "" } else { ": " };
    match together.pairs() {
        1 => format!("its one pair{number}{separator}{told}"),
        pairs => format!("all {pairs} pairs{number}{separator}{told}"),
    }
}

/// Why, of a finding of the audit: what is wrong, and what to do.
pub(super) fn cause_of_finding(finding: &Finding) -> String {
    let wrong = finding.wrong.as_deref().unwrap_or_default();
    format!("{wrong}; {}", finding.kind.remedy())
}
