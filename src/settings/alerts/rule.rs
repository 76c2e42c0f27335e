//! One of `[[alerts.rules]]`, on its own or as a change of the shipped one that has its name.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::core::alert::{NoData, Over, Patterns, Per, Quantile, Rule, Severity, Signal, Threshold};
use crate::core::assess::State;
use crate::core::audit::Kind;
use crate::core::time::Span;
use crate::settings::section::Section;

const DAY: Duration = Duration::from_secs(24 * 3600);

const LAG: RangeInclusive<Duration> = Duration::from_millis(10)..=DAY;

const PATIENCE: RangeInclusive<Duration> = Duration::ZERO..=DAY;

/// Unless a rule says otherwise: what is pending for a moment alone pages once in ten minutes even so.
const KEEP_FIRING_FOR: Span = Span::from_millis(10 * 60 * 1_000);

type Make = fn() -> Signal;

const SIGNALS: [(&str, Make); 9] = [
    ("current_lag", || Signal::CurrentLag),
    ("overdue", || Signal::Overdue),
    ("staleness", || Signal::Staleness),
    ("merged_lag", || Signal::MergedLag),
    ("lag_quantile", || Signal::LagQuantile { quantile: Quantile::P99, over: Over::TenMinutes }),
    ("state", || Signal::State(Vec::new())),
    ("provider_disagrees", || Signal::ProviderDisagrees),
    ("clock", || Signal::Clock),
    ("audit", || Signal::Audit(Vec::new())),
];

/// Its name: that of an alert of Prometheus's.
pub(super) fn name(section: &mut Section<'_>) -> Option<String> {
    section.require("name", "give the rule a name, such as \"OrdersLate\"");
    section.text("name", |text| {
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        match starts_well && text.len() <= 63 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            true => Ok(text.to_owned()),
            false => {
                Err(format!("{text:?} is no rule's name; use 1 to 63 letters, digits and `_`, beginning with a letter"))
            }
        }
    })
}

/// The rule; what it does not say is as in `base`, where there is one. `None` where it is wrong.
pub(super) fn read(mut section: Section<'_>, name: &str, base: Option<&Rule>) -> Option<Rule> {
    let count_before = section.problem_count();
    if base.is_none() {
        section.require("signal", "say what is watched, such as \"current_lag\"");
    }
    let signal = section.choice("signal", &SIGNALS).map(|make| make());
    if let Some((signal, base)) = signal.as_ref().zip(base)
        && signal.label() != base.signal.label()
    {
        let shipped = base.signal.label();
        section.problem("signal", format!("the shipped rule of this name watches {shipped:?}; name yours differently"));
    }
    let signal = signal.or_else(|| base.map(|base| base.signal.clone()));
    let signal = read_signal(&mut section, signal);
    let is_audit = matches!(signal, Some(Signal::Audit(_)));
    let stores = patterns(&mut section, "stores").or_else(|| base.map(|base| base.stores.clone()));
    let mut regions = |key, of: fn(&Rule) -> &Patterns| {
        let is_wrong = is_audit != (key == "regions");
        let read = patterns(&mut section, key);
        if read.is_some() && is_wrong {
            let right = if is_audit { "regions" } else { "source_regions and target_regions" };
            section.problem(key, format!("a rule of this signal has {right} in its place"));
        }
        read.or_else(|| base.map(|base| of(base).clone())).unwrap_or_default()
    };
    let in_regions = regions("regions", |base| &base.source_regions);
    let source_regions = regions("source_regions", |base| &base.source_regions);
    let target_regions = regions("target_regions", |base| &base.target_regions);
    let per = section.choice("per", &Per::WORDS);
    if per.is_some_and(|per| per != Per::Pair) && is_audit {
        section.problem("per", "findings are about a region each; remove it");
    }
    let per = per.or(base.map(|base| base.per)).unwrap_or(Per::Pair);
    let pairs_min = section.integer("pairs_min", 1..=1_000_u32).map(|pairs| pairs as usize);
    if pairs_min.is_some() && per == Per::Pair {
        section.problem("pairs_min", "is for rules whose `per` is a region; remove it");
    }
    let usual = if per == Per::Region { 2 } else { 1 };
    let pairs_min = pairs_min.or(base.map(|base| base.pairs_min)).unwrap_or(usual);
    let is_duration = signal.as_ref().map(Signal::is_duration);
    let thresholds: Vec<Threshold> = Severity::ALL
        .into_iter()
        .filter_map(|severity| {
            let of_base = base.and_then(|base| base.thresholds.iter().find(|one| one.severity == severity));
            threshold(&mut section, severity, is_duration, of_base)
        })
        .collect();
    if thresholds.is_empty() && section.problem_count() == count_before {
        let example = if is_duration == Some(true) { "{ above = \"10s\", for = \"5m\" }" } else { "{ for = \"5m\" }" };
        section.problem_here(format!("has no severity; give it page = {example}, or ticket, or both"));
    }
    let keep_firing_for = section.duration("keep_firing_for", PATIENCE).map(Span::from);
    let no_data = section.choice("no_data", &NoData::WORDS);
    let is_right = section.problem_count() == count_before;
    section.finish();
    Some(Rule {
        name: name.into(),
        signal: signal?,
        per,
        stores: stores.unwrap_or_default(),
        source_regions: if is_audit { in_regions } else { source_regions },
        target_regions: if is_audit { Patterns::default() } else { target_regions },
        pairs_min,
        thresholds,
        keep_firing_for: keep_firing_for.or(base.map(|base| base.keep_firing_for)).unwrap_or(KEEP_FIRING_FOR),
        no_data: no_data.or(base.map(|base| base.no_data)).unwrap_or(NoData::Keep),
    })
    .filter(|_| is_right)
}

/// The keys that some signals have of their own.
fn read_signal(section: &mut Section<'_>, signal: Option<Signal>) -> Option<Signal> {
    let quantile = section.choice("quantile", &Quantile::WORDS);
    let window = section.choice("window", &Over::WORDS);
    let state = |word: &str| find(word, "a state of a pair", State::ALL, State::label);
    let finding = |word: &str| find(word, "a finding", Kind::ALL, Kind::label);
    let states = section.texts("states", state);
    let findings = section.texts("findings", finding);
    let signal = signal?;
    let own: [(&str, &str); 4] =
        [("quantile", "lag_quantile"), ("window", "lag_quantile"), ("states", "state"), ("findings", "audit")];
    for (key, of) in own.into_iter().filter(|(key, of)| section.has(key) && *of != signal.label()) {
        section.problem(key, format!("is for rules whose signal is {of:?}; remove it"));
    }
    match signal {
        Signal::LagQuantile { quantile: usual_quantile, over } => {
            Some(Signal::LagQuantile { quantile: quantile.unwrap_or(usual_quantile), over: window.unwrap_or(over) })
        }
        Signal::State(usual) => {
            let is_read = states.is_some() || !section.has("states");
            let states = states.unwrap_or(usual);
            if is_read && states.is_empty() {
                section.problem("states", "say which, such as states = [\"stalled\"]");
            }
            Some(Signal::State(states))
        }
        Signal::Audit(usual) => {
            let is_read = findings.is_some() || !section.has("findings");
            let findings = findings.unwrap_or(usual);
            if is_read && findings.is_empty() {
                section.problem("findings", "say which, such as findings = [\"replica_missing\"]");
            }
            Some(Signal::Audit(findings))
        }
        signal => Some(signal),
    }
}

fn find<T: Copy>(
    word: &str,
    what: &str,
    all: impl IntoIterator<Item = T>,
    label: fn(T) -> &'static str,
) -> Result<T, String> {
    let all: Vec<T> = all.into_iter().collect();
    let words: Vec<&str> = all.iter().copied().map(label).collect();
    let found = all.into_iter().find(|one| label(*one) == word);
    found.ok_or_else(|| format!("{word:?} is not {what}; these are {}", words.join(", ")))
}

fn patterns(section: &mut Section<'_>, key: &'static str) -> Option<Patterns> {
    let pattern = |text: &str| match text.is_empty() || text.chars().any(char::is_whitespace) {
        true => Err(format!("{text:?} fits no name; use a name, in which `*` stands for anything")),
        false => Ok(text.to_owned()),
    };
    section.texts(key, pattern).map(Patterns::of)
}

fn threshold(
    section: &mut Section<'_>,
    severity: Severity,
    is_duration: Option<bool>,
    base: Option<&Threshold>,
) -> Option<Threshold> {
    let Some(mut own) = section.section(severity.label()) else {
        return base.copied().filter(|_| !section.has(severity.label()));
    };
    let count_before = own.problem_count();
    let above = own.duration("above", LAG).map(Span::from);
    let clear = own.duration("clear", Duration::ZERO..=DAY).map(Span::from);
    if is_duration == Some(false) && own.has("above") {
        own.problem("above", "the signal of this rule is so or not, and has no threshold; remove it");
    }
    if is_duration == Some(false) && own.has("clear") {
        own.problem("clear", "the signal of this rule is so or not, and has no threshold; remove it");
    }
    if is_duration == Some(true) && base.is_none() {
        own.require("above", "say from where on, such as \"10s\"");
    }
    let pending_for = own.duration("for", PATIENCE).map(Span::from);
    let above_or = above.or(base.map(|base| base.above)).unwrap_or(Span::ZERO);
    // Another threshold leaves the old one that clears behind.
    let usual = match base.filter(|_| above.is_none()) {
        Some(base) => base.clear,
        None => above_or.mul_f64(0.5),
    };
    let clear_or = clear.unwrap_or(usual);
    if clear_or > above_or && own.problem_count() == count_before {
        own.problem(
            "clear",
            "is above the threshold itself, so it would fire and clear at once; use one below `above`",
        );
    }
    own.finish();
    Some(Threshold {
        severity,
        above: above_or,
        clear: clear_or,
        pending_for: pending_for.or(base.map(|base| base.pending_for)).unwrap_or(Span::ZERO),
    })
}
