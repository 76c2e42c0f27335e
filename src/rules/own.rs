//! Alerts about the gauges themselves, which no rule of the settings can be about.

use std::time::Duration;

use crate::core::alert::{Rule, Severity, Signal};
use crate::settings::AlertSettings;

use super::file::{Entry, Group, Kind};
use super::{annotations, expression, words};

const MINUTE: Duration = Duration::from_secs(60);

/// Whether Prometheus and the gauges are there, and of one mind.
pub(super) fn group(alerts: &AlertSettings) -> Group {
    let mut entries = vec![gauge_absent(alerts), settings_refused(alerts), watchdog(alerts)];
    entries.extend(alerts.rules.iter().filter_map(|rule| gauges_disagree(alerts, rule)));
    Group {
        name: "tidegauge-gauges",
        comment: "Of the gauges themselves: whether they are there, and of one mind.".to_owned(),
        interval: None,
        entries,
    }
}

/// One pod may go at any time, as in an upgrade: only that a cell has none is a reason to wake somebody.
fn gauge_absent(alerts: &AlertSettings) -> Entry {
    let name = "TidegaugeGaugeAbsent";
    Entry {
        comment: None,
        kind: Kind::Alert,
        name: name.to_owned(),
        expr: "max by (cell) (max_over_time(tidegauge_cell_info{role=\"gauge\"}[1d]))\n\
               unless\n\
               max by (cell) (tidegauge_cell_info{role=\"gauge\"})"
            .to_owned(),
        pending_for: 5 * MINUTE,
        keep_firing_for: 10 * MINUTE,
        labels: vec![("severity", Severity::Page.label().to_owned())],
        annotations: annotations(
            alerts,
            name,
            "cell {{ $labels.cell }}: no gauge is there".to_owned(),
            "A gauge of the cell was scraped within the last day, and none is now: what is replicated from and to the cell's \
             region is not measured there. Where the cell was given up, silence this for a day."
                .to_owned(),
        ),
    }
}

fn settings_refused(alerts: &AlertSettings) -> Entry {
    let name = "TidegaugeSettingsRefused";
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
            "{{ $value }} processes serve, and measure nothing, as their settings are wrong. Their logs say what is; \
             `tidegauge check --offline` tells before they start."
                .to_owned(),
        ),
    }
}

fn watchdog(alerts: &AlertSettings) -> Entry {
    let name = "TidegaugeWatchdog";
    Entry {
        comment: None,
        kind: Kind::Alert,
        name: name.to_owned(),
        expr: "vector(1)".to_owned(),
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
    // Findings come from one gauge alone. That a gauge knows nothing is no opinion.
    if matches!(rule.signal, Signal::Audit(_)) || expression::is_unknown_alone(&rule.signal) {
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
