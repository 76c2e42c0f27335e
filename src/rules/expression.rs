//! What is asked of Prometheus.
//!
//! Every gauge's word about a pair is a vote. One gauge alone may be wrong about a pair: its own network fails, or its process
//! starves. So a page needs two of a cell where two vote, and a ticket needs one. Cells see different things, and whichever
//! says most is heard. Only "nobody knows" takes everybody.

use crate::core::alert::{NoData, Patterns, Rule, Signal, Threshold};
use crate::core::assess::State;
use crate::core::time::Span;

use super::file::quoted;

pub(super) const PAIR: &str = "store, source_region, target_region";

/// Gauges alone: what an observer says is about its own pod.
pub(super) const GAUGES: &str = "tidegauge_cell_info{role=\"gauge\"}";

/// How the votes on a pair become one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Votes {
    /// The second largest of a cell's, or the only one; of the cells' the largest.
    Agreed,
    /// The largest.
    Any,
    /// The smallest: it is so only where nobody says otherwise.
    Nobody,
}

/// Which end of its pairs a region is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Source,
    Target,
}

impl Side {
    /// The label's value.
    pub(super) fn label(self) -> &'static str {
        match self {
            Side::Source => "source",
            Side::Target => "target",
        }
    }

    /// The label of a pair that has the region.
    pub(super) fn region_label(self) -> &'static str {
        match self {
            Side::Source => "source_region",
            Side::Target => "target_region",
        }
    }
}

/// Whether it is so of a pair only where nobody knows how late it is.
pub(super) fn is_unknown_alone(signal: &Signal) -> bool {
    let is_blind = |state: &State| matches!(state, State::Unknown | State::WriterSilent);
    matches!(signal, Signal::State(states) if states.contains(&State::Unknown) && states.iter().all(is_blind))
}

/// When a rule is over one of its thresholds: a series for each alert.
pub(super) fn of(rule: &Rule, threshold: &Threshold, side: Option<Side>, votes: Votes) -> String {
    if let Signal::Audit(kinds) = &rule.signal {
        let found = any_of("finding", kinds.iter().map(|kind| kind.label()));
        let findings = selector("tidegauge_audit_finding", &[found, scope(rule, "store"), scope(rule, "region")]);
        return format!("{} == 1", call("max by (store, region, finding)", &findings));
    }
    let pairs = collapse(&vote(rule), votes);
    let above = seconds(threshold.above);
    let info = || collapse(&selector("tidegauge_pair_info", &pair_scope(rule)), Votes::Any);
    let unless_known = |value: &str| format!("{pairs}\nor\n{value} * {}", info());
    let Some(side) = side else {
        return match rule.no_data {
            NoData::Fire => format!("(\n{}\n) > {above}", indented(&unless_known("Inf"))),
            NoData::Keep | NoData::Ignore => format!("{pairs} > {above}"),
        };
    };
    // A pair of which nothing is known might be well, and one that is well settles it.
    let filled = match (votes, rule.no_data) {
        (Votes::Nobody, _) => pairs,
        (_, NoData::Fire) => unless_known("Inf"),
        (_, NoData::Keep | NoData::Ignore) => unless_known("0"),
    };
    let by = format!("by (store, {})", side.region_label());
    let least = format!("{} > {above}", call(&format!("min {by}"), &filled));
    let count = format!("{} >= {}", call(&format!("count {by}"), &info()), rule.pairs_min);
    match (rule.signal.is_duration(), rule.pairs_min) {
        // What is so or not has no number of its own: the alert's is then how many pairs there are.
        (false, _) => format!("{count}\nand\n{least}"),
        (true, ..=1) => least,
        (true, _) => format!("{least}\nand\n{count}"),
    }
}

/// Where somebody says that a pair is over a threshold, and two gauges of a cell do not.
pub(super) fn disagreement(rule: &Rule, threshold: &Threshold) -> String {
    let (vote, above) = (vote(rule), seconds(threshold.above));
    format!("{} > {above}\nunless\n{} > {above}", collapse(&vote, Votes::Any), collapse(&vote, Votes::Agreed))
}

/// The agreed value of a gauge for each pair.
pub(super) fn agreed(metric: &str) -> String {
    collapse(metric, Votes::Agreed)
}

/// What one gauge says of a pair, as an operand. Who has no opinion has no series.
fn vote(rule: &Rule) -> String {
    let scope = pair_scope(rule);
    let metric = |name: &str| selector(name, &scope);
    let of = |name: &str, more: Option<String>| {
        let mut matchers = vec![more];
        matchers.extend(scope.iter().cloned());
        selector(name, &matchers)
    };
    match &rule.signal {
        Signal::CurrentLag => metric("tidegauge_current_lag_seconds"),
        Signal::Overdue => metric("tidegauge_overdue_seconds"),
        Signal::Staleness => metric("tidegauge_staleness_seconds"),
        Signal::MergedLag => metric("tidegauge_merged_lag_seconds"),
        Signal::ProviderDisagrees => metric("tidegauge_provider_disagrees"),
        Signal::LagQuantile { quantile, over } => {
            let rate = format!("rate({}[{}])", metric("tidegauge_replication_lag_seconds_bucket"), over.label());
            let summed = call(&format!("sum by (le, job, instance, {PAIR})"), &rate);
            let inner = indented(&format!("{},\n{summed}", quantile.fraction()));
            // Without a sample it is no number.
            format!("(\n  histogram_quantile(\n{}\n  ) >= 0\n)", indented(&inner))
        }
        Signal::Clock => {
            let bound = |bound: &str| of("tidegauge_clock_offset_seconds", Some(format!("bound={}", quoted(bound))));
            let bounds = format!("{}\nor\n-{}", bound("min"), bound("max"));
            let largest = call(&format!("max by (job, instance, {PAIR})"), &bounds);
            // Without a bound on either side it says nothing.
            format!("(\n{}\n)", indented(&format!("{largest} > -Inf")))
        }
        Signal::State(states) => {
            let wanted = any_of("state", states.iter().copied().map(State::label));
            let states_of = of("tidegauge_pair_state", wanted);
            let is_in = match states.len() {
                1 => states_of,
                _ => call(&format!("max by (job, instance, {PAIR})"), &states_of),
            };
            // Who cannot look is no witness that all is well, nor that somebody knows.
            let blind = [State::Unknown, State::ReadFailing].into_iter().filter(|state| !states.contains(state));
            match any_of("state", blind.map(State::label)) {
                Some(blind) => {
                    let blind = of("tidegauge_pair_state", Some(blind));
                    let unless = format!("{is_in}\nunless on (job, instance, {PAIR})\n{blind} == 1");
                    format!("(\n{}\n)", indented(&unless))
                }
                None => is_in,
            }
        }
        // Findings are of regions.
        Signal::Audit(_) => metric("tidegauge_audit_finding"),
    }
}

/// One value a pair, of what every gauge says.
fn collapse(vote: &str, votes: Votes) -> String {
    let in_cell = format!("{vote}\n* on (job, instance) group_left (cell)\n{GAUGES}");
    match votes {
        Votes::Any => call(&format!("max by ({PAIR})"), &in_cell),
        Votes::Nobody => call(&format!("min by ({PAIR})"), &in_cell),
        Votes::Agreed => {
            let two = call(&format!("topk by (cell, {PAIR})"), &format!("2,\n{in_cell}"));
            let second = call(&format!("min by (cell, {PAIR})"), &two);
            call(&format!("max by ({PAIR})"), &second)
        }
    }
}

fn pair_scope(rule: &Rule) -> [Option<String>; 3] {
    [scope(rule, "store"), scope(rule, "source_region"), scope(rule, "target_region")]
}

fn scope(rule: &Rule, label: &str) -> Option<String> {
    let patterns = match label {
        "store" => &rule.stores,
        "target_region" => &rule.target_regions,
        _ => &rule.source_regions,
    };
    matcher(label, patterns)
}

/// A matcher for names that fit any of the patterns; `None` where all do. Prometheus anchors it itself.
pub(super) fn matcher(label: &str, patterns: &Patterns) -> Option<String> {
    if patterns.is_any() {
        return None;
    }
    let patterns: Vec<&str> = patterns.iter().collect();
    match patterns[..] {
        [name] if !name.contains('*') => Some(format!("{label}={}", quoted(name))),
        _ => {
            let all: Vec<String> = patterns.into_iter().map(regex).collect();
            Some(format!("{label}=~{}", quoted(&all.join("|"))))
        }
    }
}

/// A pattern as a regular expression: a star stands for anything, everything else for itself.
fn regex(pattern: &str) -> String {
    let mut regex = String::new();
    for c in pattern.chars() {
        match c {
            '*' => regex.push_str(".*"),
            '\\' | '.' | '+' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => regex.extend(['\\', c]),
            _ => regex.push(c),
        }
    }
    regex
}

/// A matcher for words that need no escaping; `None` without any.
fn any_of(label: &str, words: impl Iterator<Item = &'static str>) -> Option<String> {
    let words: Vec<&str> = words.collect();
    match words[..] {
        [] => None,
        [word] => Some(format!("{label}={}", quoted(word))),
        _ => Some(format!("{label}=~{}", quoted(&words.join("|")))),
    }
}

fn selector(name: &str, matchers: &[Option<String>]) -> String {
    let matchers: Vec<&str> = matchers.iter().flatten().map(String::as_str).collect();
    match matchers[..] {
        [] => name.to_owned(),
        _ => format!("{name}{{{}}}", matchers.join(", ")),
    }
}

/// A function of, or an aggregation over, what stands on lines of its own.
pub(crate) fn call(function: &str, inner: &str) -> String {
    format!("{function} (\n{}\n)", indented(inner))
}

pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// A number of seconds as PromQL writes it.
pub(super) fn seconds(span: Span) -> String {
    span.as_secs_f64().to_string()
}
