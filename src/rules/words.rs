//! What an alert of Prometheus's says to people: as the daemon's own do, as far as the metrics know it.

use std::time::Duration;

use crate::core::alert::{NoData, Rule, Signal, Threshold};
use crate::core::assess::State;
use crate::core::audit::Kind;

use super::expression::Side;
use super::file::duration;

/// The names of a pair, to begin a line with.
pub(super) const PAIR: &str = "{{ $labels.store }}: {{ $labels.source_region }} → {{ $labels.target_region }}";

/// Where to read more than a metric can tell.
const REASON: &str = "`reason` in a gauge's /api/v1/pairs says why.";

/// What is the matter, in a line.
pub(super) fn summary(rule: &Rule, side: Option<Side>) -> String {
    if matches!(rule.signal, Signal::Audit(_)) {
        return "{{ $labels.store }}: {{ $labels.region }}: {{ $labels.finding }}".to_owned();
    }
    let words = rule.signal.words();
    match side {
        None => format!("{PAIR} {words}"),
        Some(Side::Source) => {
            format!("{{{{ $labels.store }}}}: every pair from {{{{ $labels.source_region }}}} {words}")
        }
        Some(Side::Target) => {
            format!("{{{{ $labels.store }}}}: every pair to {{{{ $labels.target_region }}}} {words}")
        }
    }
}

/// How bad it is, and why.
pub(super) fn description(rule: &Rule, threshold: &Threshold, side: Option<Side>) -> String {
    if let Signal::Audit(kinds) = &rule.signal {
        return format!("What to do: {}. `tidegauge check` says what it has found.", remedies(kinds));
    }
    let cause = cause(&rule.signal);
    let is_region = side.is_some();
    if !rule.signal.is_duration() {
        let pairs = if is_region { "All {{ $value }} pairs: " } else { "" };
        return capitalized(&format!("{pairs}{cause}."));
    }
    let above = duration(Duration::from_secs_f64(threshold.above.as_secs_f64().max(0.0)));
    let least = if is_region { ", of each of its pairs" } else { "" };
    // As large as this it is what stands in for a number that nobody knows.
    let value = match rule.no_data {
        NoData::Fire => "{{ if gt $value 1e15 }}not known to anybody{{ else }}{{ $value | humanizeDuration }}{{ end }}",
        _ => "{{ $value | humanizeDuration }}",
    };
    let what = quantity(&rule.signal);
    capitalized(&format!("{what} is {value}, and should not be above {above}{least}: {cause}."))
}

/// What to do about each finding, told apart by its label where there is more than one.
fn remedies(kinds: &[Kind]) -> String {
    if let [kind] = kinds {
        return kind.remedy().to_owned();
    }
    let mut text = String::new();
    for (index, kind) in kinds.iter().enumerate() {
        let word = if index == 0 { "if" } else { "else if" };
        text.push_str(&format!("{{{{ {word} eq $labels.finding \"{}\" }}}}{}", kind.label(), kind.remedy()));
    }
    text + "{{ end }}"
}

/// What a number of seconds is.
fn quantity(signal: &Signal) -> String {
    match signal {
        Signal::LagQuantile { quantile, over } => format!("the {} of lag over {}", quantile.label(), over.label()),
        Signal::Clock => "the difference of the clocks".to_owned(),
        signal => signal.label().replace('_', " "),
    }
}

/// What a page is about of which one gauge says that it is so, and the other that it is not.
pub(super) fn disagreement(rule: &Rule) -> (String, String) {
    let name = &rule.name;
    let summary = format!("{PAIR}: gauges of a cell disagree on whether it {}", rule.signal.words());
    let description = format!(
        "{name} pages once two gauges of a cell say so, where two are there. Here one of them does, for minutes, \
         and another does not: see which of the two has trouble of its own. {REASON}"
    );
    (summary, description)
}

/// Why, as far as the metric knows it.
fn cause(signal: &Signal) -> String {
    match signal {
        Signal::CurrentLag => format!("what was written at the source so long ago is not visible at the target. {REASON}"),
        Signal::Overdue => format!("the source's writer or replication is late. {REASON}"),
        Signal::Staleness => "the newest heartbeat that is visible at the target was written so long ago".to_owned(),
        Signal::MergedLag => {
            "by the heartbeats or, where these know nothing, by the provider: see tidegauge_merged_lag_origin".to_owned()
        }
        Signal::LagQuantile { .. } => "heartbeats take so long from commit to visibility at the target".to_owned(),
        Signal::State(states) => {
            let states: Vec<&str> = states.iter().copied().map(meaning).collect();
            format!("{}. {REASON}", states.join("; or "))
        }
        Signal::ProviderDisagrees => {
            "twice running the provider's word was off by more than a factor of 3 and a second from the heartbeats of the same \
             period. `provider.reason` in a gauge's /api/v1/pairs has the numbers"
                .to_owned()
        }
        Signal::Clock => {
            "the clock of the target's gauge and that of the source's writer certainly differ by so much. See to NTP at both"
                .to_owned()
        }
        // Each finding has its own.
        Signal::Audit(_) => String::new(),
    }
}

fn meaning(state: State) -> &'static str {
    match state {
        State::Unknown => "nobody knows how late it is",
        State::ReadFailing => "reads of the target fail, so nobody can look",
        State::WriteFailing => "the source accepts no heartbeat",
        State::WriterSilent => "nobody writes heartbeats at the source, so there is nothing to look for",
        State::Throttled => "the store throttles heartbeats",
        State::Stalled => "the source advances, and nothing new becomes visible at the target",
        State::Lagging => "the target is further behind than warn_lag",
        State::Ok => "all is well",
    }
}

fn capitalized(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", chars.as_str())
}
