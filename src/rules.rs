//! `tidegauge rules`: the alerts of the settings as a rule file for Prometheus, which sees the gauges of all cells at once.
//!
//! Pure text from the settings: `expression` writes what is asked of Prometheus, `words` what people are told, `own` the alerts
//! about the gauges themselves, `objective` those about what was promised, `states` what dashboards draw, and `file` puts it down as
//! YAML.
//!
//! A threshold that clears is the daemon's alone: here an alert ends once its signal was not above the threshold for
//! `keep_firing_for`, and what is not known counts as that, unless a rule's `no_data` is `fire`.

use crate::core::alert::{NoData, Per, Rule, Severity, Signal, Threshold, runbook};
use crate::settings::{AlertSettings, Settings};

use expression::{Side, Votes};
use file::{Entry, Group, Kind};

pub(crate) use expression::{call, indented};
pub(crate) use file::{duration, quoted};
pub(crate) use own::SETTINGS_REFUSED;

mod expression;
mod file;
pub(crate) mod objective;
mod own;
pub(crate) mod states;
#[cfg(test)]
mod tests;
mod words;

/// The rule file that these settings come to.
pub fn rule_file(settings: &Settings) -> String {
    let alerts = &settings.alerts;
    let of_rules = Group {
        name: "tidegauge",
        comment: "What the settings say people are told of. Rules that page hold once two gauges of a cell say so, where two \
                  are there."
            .to_owned(),
        interval: None,
        entries: alerts.rules.iter().flat_map(|rule| alerts_of(alerts, rule)).collect(),
    };
    let mut groups = vec![of_rules, own::group(alerts), states::group()];
    groups.extend(objective::groups(alerts));
    file::render(&groups)
}

/// A rule's alerts: one for each severity and, of regions, side.
fn alerts_of(alerts: &AlertSettings, rule: &Rule) -> Vec<Entry> {
    let sides: &[Option<Side>] = match (&rule.signal, rule.per) {
        (Signal::Audit(_), _) | (_, Per::Pair) => &[None],
        (_, Per::SourceRegion) => &[Some(Side::Source)],
        (_, Per::TargetRegion) => &[Some(Side::Target)],
        (_, Per::Region) => &[Some(Side::Source), Some(Side::Target)],
    };
    let each = rule.thresholds.iter().flat_map(|threshold| sides.iter().map(move |side| (threshold, *side)));
    each.map(|(threshold, side)| entry(alerts, rule, threshold, side)).collect()
}

fn entry(alerts: &AlertSettings, rule: &Rule, threshold: &Threshold, side: Option<Side>) -> Entry {
    let votes = match (expression::is_unknown_alone(&rule.signal), threshold.severity) {
        (true, _) => Votes::Nobody,
        (false, Severity::Page) => Votes::Agreed,
        (false, Severity::Ticket) => Votes::Any,
    };
    let mut labels = vec![("severity", threshold.severity.label().to_owned())];
    if let Some(side) = side {
        labels.push(("region", format!("{{{{ $labels.{} }}}}", side.region_label())));
        if rule.per == Per::Region {
            labels.push(("side", side.label().to_owned()));
        }
    }
    let is_silent_fire = matches!(rule.signal, Signal::Audit(_)) && rule.no_data == NoData::Fire;
    Entry {
        comment: is_silent_fire
            .then(|| "A finding that nobody knows has no series: no_data = \"fire\" is the daemon's alone.".to_owned()),
        kind: Kind::Alert,
        name: rule.name.to_string(),
        expr: expression::of(rule, threshold, side, votes),
        pending_for: threshold.pending_for.to_duration(),
        keep_firing_for: rule.keep_firing_for.to_duration(),
        labels,
        annotations: annotations(
            alerts,
            &rule.name,
            words::summary(rule, side),
            words::description(rule, threshold, side),
        ),
    }
}

/// What every alert says to people.
fn annotations(
    alerts: &AlertSettings,
    name: &str,
    summary: String,
    description: String,
) -> Vec<(&'static str, String)> {
    vec![("summary", summary), ("description", description), ("runbook_url", runbook(&alerts.runbooks, name))]
}
