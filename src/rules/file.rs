//! The rule file: groups and their rules, as YAML that people can read.
//!
//! A string of JSON is one of YAML's too, so what has to be quoted is quoted as JSON.

use std::time::Duration;

/// What stands at the top.
const HEADER: &str = "\
# Alerts and recording rules of Tidegauge for Prometheus 2.42 or newer. Made from its settings; to make it anew, as after a
# change of [alerts] or an update (leave --config out for the defaults):
#
#   tidegauge --config FILE rules > rules.yml
#
# A pair is (store, source_region, target_region). It is measured by the gauges of several cells, and by two of each where
# one stands by. Observers are not asked.
";

/// Rules that are evaluated one after the other, at one moment.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) comment: String,
    /// How often; as often as Prometheus evaluates other rules, unless it is said here.
    pub(super) interval: Option<Duration>,
    pub(super) entries: Vec<Entry>,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Alert,
    Record,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Kind::Alert => "alert",
            Kind::Record => "record",
        }
    }
}

/// One rule.
pub(super) struct Entry {
    pub(super) comment: Option<String>,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) expr: String,
    pub(super) pending_for: Duration,
    pub(super) keep_firing_for: Duration,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) annotations: Vec<(&'static str, String)>,
}

impl Entry {
    /// One that keeps what an expression says, under a name of its own.
    pub(super) fn record(name: String, expr: String) -> Entry {
        Entry {
            comment: None,
            kind: Kind::Record,
            name,
            expr,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            labels: Vec::new(),
            annotations: Vec::new(),
        }
    }
}

/// The whole file. Groups without rules are left out, as Prometheus has no use for them.
pub(super) fn render(groups: &[Group]) -> String {
    let mut text = format!("{HEADER}\ngroups:");
    for group in groups.iter().filter(|group| !group.entries.is_empty()) {
        text.push_str(&format!("\n{}  - name: {}\n", comment(&group.comment, 2), group.name));
        if let Some(interval) = group.interval {
            text.push_str(&format!("    interval: {}\n", duration(interval)));
        }
        text.push_str("    rules:\n");
        let entries: Vec<String> = group.entries.iter().map(rule).collect();
        text.push_str(&entries.join("\n"));
    }
    text
}

fn rule(entry: &Entry) -> String {
    let mut text = entry.comment.as_deref().map_or(String::new(), |words| comment(words, 6));
    text.push_str(&format!("      - {}: {}\n", entry.kind.label(), entry.name));
    text.push_str("        expr: |\n");
    for line in entry.expr.lines() {
        text.push_str(&format!("          {line}\n"));
    }
    for (key, value) in [("for", entry.pending_for), ("keep_firing_for", entry.keep_firing_for)] {
        if value > Duration::ZERO {
            text.push_str(&format!("        {key}: {}\n", duration(value)));
        }
    }
    for (key, values) in [("labels", &entry.labels), ("annotations", &entry.annotations)] {
        if !values.is_empty() {
            text.push_str(&format!("        {key}:\n"));
        }
        for (name, value) in values {
            text.push_str(&format!("          {name}: {}\n", quoted(value)));
        }
    }
    text
}

/// A string as YAML, JSON and PromQL all write it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A duration as Prometheus writes it, in the largest unit that it is a whole number of; below a millisecond it is rounded up.
pub(crate) fn duration(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    for (unit, suffix) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis.is_multiple_of(unit) {
            return format!("{}{suffix}", millis / unit);
        }
    }
    format!("{millis}ms")
}

/// A comment of as many lines as it takes.
fn comment(words: &str, indent: usize) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && indent + 3 + line.len() + word.len() > 118 {
            text.push_str(&format!("{:indent$}#{line}\n", ""));
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    if !line.is_empty() {
        text.push_str(&format!("{:indent$}#{line}\n", ""));
    }
    text
}
