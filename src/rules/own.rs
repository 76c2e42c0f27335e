//! Alerts about the gauges themselves, which no rule of the settings can be about.

use std::time::Duration;

use crate::core::alert::{Per, Rule, Severity, Signal};
use crate::settings::AlertSettings;

use super::file::{Entry, Group, Kind};
use super::{annotations, expression, words};

const MINUTE: Duration = Duration::from_secs(60);

/// Whether Prometheus and the gauges are there, and of one mind.
pub(super) fn group(alerts: &AlertSettings) -> Group {
    let mut entries = vec![evaluated(), measuring(), gauge_absent(alerts), settings_refused(alerts), watchdog(alerts)];
    entries.extend(alerts.rules.iter().filter_map(|rule| gauges_disagree(alerts, rule)));
    Group {
        name: "tidegauge-gauges",
        comment: "Of the gauges themselves: whether they are there, and of one mind.".to_owned(),
        interval: None,
        entries,
    }
}

/// The alert about settings that are not in use.
pub(crate) const SETTINGS_REFUSED: &str = "TidegaugeSettingsRefused";

/// How many gauges of a cell are there, and measure something.
const MEASURING: &str = "cell:tidegauge_measuring_gauges:count";

/// That the rules were evaluated: what shares of the time are of.
const EVALUATED: &str = "tidegauge:rules_evaluated:bool";

fn measuring() -> Entry {
    let expr = "count by (cell) (\n  \
                  max by (cell, job, instance) (\n    \
                    tidegauge_pair_info\n    \
                    * on (job, instance) group_left (cell)\n    \
                    tidegauge_cell_info{role=\"gauge\"}\n  \
                  )\n\
                )";
    Entry::record(MEASURING.to_owned(), expr.to_owned())
}

fn evaluated() -> Entry {
    Entry::record(EVALUATED.to_owned(), "vector(1)".to_owned())
}

/// One pod may go at any time, as in an upgrade: only that a cell has none is a reason to wake somebody. By the share of the
/// time, as gauges that crash again and again are there now and then; and of those that measure something, as one whose
/// settings were refused, or whose store does not say which regions it has, is there and of no use.
fn gauge_absent(alerts: &AlertSettings) -> Entry {
    let name = "TidegaugeGaugeAbsent";
    Entry {
        comment: None,
        kind: Kind::Alert,
        name: name.to_owned(),
        expr: format!(
            "max by (cell) (max_over_time(tidegauge_cell_info{{role=\"gauge\"}}[1d] offset 10m))\n\
             unless on (cell)\n\
             count_over_time({MEASURING}[10m]) > on () group_left () 0.5 * count_over_time({EVALUATED}[10m])"
        ),
        pending_for: MINUTE,
        keep_firing_for: 10 * MINUTE,
        labels: vec![("severity", Severity::Page.label().to_owned())],
        annotations: annotations(
            alerts,
            name,
            "cell {{ $labels.cell }} has no gauge that measures".to_owned(),
            "The cell had gauges within the last day. For most of the last ten minutes none was seen that measures anything: they \
             are gone, or crash, or cannot be scraped, or serve that their settings were refused, or do not learn which regions \
             there are. Where the cell was given up, silence this for a day."
                .to_owned(),
        ),
    }
}

fn settings_refused(alerts: &AlertSettings) -> Entry {
    let name = SETTINGS_REFUSED;
    Entry {
        comment: None,
        kind: Kind::Alert,
        name: name.to_owned(),
        expr: "count by (cell) (\n  \
                 tidegauge_config_last_reload_successful\n  \
                 * on (job, instance) group_left (cell)\n  \
                 tidegauge_cell_info\n  \
                 == 0\n\
               )"
        .to_owned(),
        pending_for: MINUTE,
        keep_firing_for: 10 * MINUTE,
        labels: vec![("severity", Severity::Ticket.label().to_owned())],
        annotations: annotations(
            alerts,
            name,
            "cell {{ $labels.cell }}: settings were refused".to_owned(),
            "{{ $value }} processes have read settings that are wrong. What ran before goes on with the settings of before; \
             what started with them serves, and measures nothing. Their logs say what is wrong; \
             `tidegauge check --offline` tells beforehand."
                .to_owned(),
        ),
    }
}

/// Where the labels of gauges are not what the rules go by, these find nothing, or fail: then this is not to say that all is
/// well.
fn watchdog(alerts: &AlertSettings) -> Entry {
    let name = "TidegaugeWatchdog";
    let renamed = ["tidegauge_cell_info{exported_role!=\"\"}", "tidegauge_writer_active{exported_region!=\"\"}"];
    let renamed_of_pairs = ["store", "source_region", "target_region"]
        .map(|label| format!("tidegauge_pair_info{{exported_{label}!=\"\"}}"));
    let renamed: Vec<String> = renamed.map(str::to_owned).into_iter().chain(renamed_of_pairs).collect();
    Entry {
        comment: Some(
            "It fails, as most rules here do, where two gauges have the same job and instance; and it does not fire where \
             target labels took the names of the gauges' own: honor_labels keeps these."
                .to_owned(),
        ),
        kind: Kind::Alert,
        name: name.to_owned(),
        expr: format!(
            "vector(1)\n\
             unless on ()\n\
             count(tidegauge_pair_info * on (job, instance) group_left (cell) tidegauge_cell_info) < 0\n\
             unless on () (\n  {}\n)",
            renamed.join("\n  or\n  ")
        ),
        pending_for: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        labels: vec![("severity", "none".to_owned())],
        annotations: annotations(
            alerts,
            name,
            "alerts arrive".to_owned(),
            "This always fires. Whoever receives it should make a noise when it stops: then no other alert arrives either."
                .to_owned(),
        ),
    }
}

/// What a page waits for a second gauge to say, and the second gauge does not.
fn gauges_disagree(alerts: &AlertSettings, rule: &Rule) -> Option<Entry> {
    let page = rule.thresholds.iter().find(|threshold| threshold.severity == Severity::Page)?;
    // Findings come from one gauge alone. That a gauge knows nothing is no opinion. Of a region the pairs say enough.
    let is_of_a_pair = rule.per == Per::Pair && !matches!(rule.signal, Signal::Audit(_));
    if !is_of_a_pair || expression::is_unknown_alone(&rule.signal) {
        return None;
    }
    let name = "TidegaugeGaugesDisagree";
    let (summary, description) = words::disagreement(rule);
    Some(Entry {
        comment: None,
        kind: Kind::Alert,
        name: name.to_owned(),
        expr: expression::disagreement(rule, page),
        pending_for: 10 * MINUTE,
        keep_firing_for: 10 * MINUTE,
        labels: vec![("severity", Severity::Ticket.label().to_owned()), ("rule", rule.name.to_string())],
        annotations: annotations(alerts, name, summary, description),
    })
}
