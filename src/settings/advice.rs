//! `advice` of a store: which reads its applications are advised to make, and what somebody decided in the gauge's place.

use std::ops::RangeInclusive;
use std::time::{Duration, UNIX_EPOCH};

use super::section::Section;
use super::store::{StoreKind, StoreSettings};
use crate::core::advice::{AHEAD, Basis, Forced, LostSource, Override, Policy, RETURN_SHARE};
use crate::core::assess::PATIENCE_INTERVALS;
use crate::core::time::{Span, Wall};

const HOUR: Duration = Duration::from_secs(3600);

const SHORTEST: Duration = Duration::from_millis(10);

/// Up to a year, as durations count it: 365.25 days.
const BOUND: RangeInclusive<Duration> = SHORTEST..=Duration::from_secs(8_766 * 3600);

const VALID_FOR: RangeInclusive<Duration> = SHORTEST..=HOUR;

const PATIENCE: RangeInclusive<Duration> = Duration::ZERO..=HOUR;

const EXCLUDE_AFTER: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(24 * 3600);

/// Silence of fewer intervals is no loss of a region. A standby waits for as many as a writer has to be silent, then for up
/// to two more; and its first heartbeat has to arrive.
const TAKEOVER_INTERVALS: i64 = PATIENCE_INTERVALS + 3;

/// More overrides than this, and nobody can tell which of them counts.
const OVERRIDES_MAX: usize = 16;

/// A reason is part of every answer while its override counts: characters at most.
const REASON_MAX: usize = 200;

/// Reads the section. `interval` is that of the store's heartbeats and `kind` the store's kind, `None` where they could not
/// be read. The policy's spread stays 0: it is drawn when the process starts.
pub(super) fn read(mut section: Section<'_>, interval: Option<Duration>, kind: Option<&StoreKind>) -> Policy {
    // Where it is not known, nothing that depends on it is impossible.
    let interval = interval.map_or(Span::ZERO, Span::from);
    let takeover = interval.times(TAKEOVER_INTERVALS);
    let usual = Policy::of_interval(interval);
    let count_before = section.problem_count();
    let max_staleness = section.duration("max_staleness", BOUND).map(Span::from);
    let basis = section.choice("basis", &Basis::ALL.map(|basis| (basis.label(), basis)));
    let valid_for = section.duration("valid_for", VALID_FOR).map(Span::from);
    let return_below = section.duration("return_below", BOUND).map(Span::from);
    let min_dwell = section.duration("min_dwell", PATIENCE).map(Span::from);
    let jitter = section.number("jitter", 0.0..=0.5);
    let max_wait = section.duration("max_wait", PATIENCE).map(Span::from);
    let confidence = section.number("confidence", 0.5..=0.999);
    let session_tokens = section.flag("session_tokens");
    let lost_source = section.choice("lost_source", &LostSource::ALL.map(|lost| (lost.label(), lost)));
    let exclude_after = section.duration("exclude_after", EXCLUDE_AFTER).map(Span::from);
    let policy = Policy {
        max_staleness,
        basis: basis.unwrap_or(usual.basis),
        valid_for: valid_for.unwrap_or(usual.valid_for),
        return_below,
        min_dwell: min_dwell.unwrap_or(usual.min_dwell),
        jitter: jitter.unwrap_or(usual.jitter),
        max_wait: max_wait.unwrap_or(usual.max_wait),
        confidence: confidence.unwrap_or(usual.confidence),
        session_tokens: session_tokens.unwrap_or(usual.session_tokens),
        lost_source: lost_source.unwrap_or(usual.lost_source),
        exclude_after: exclude_after.unwrap_or(usual.exclude_after.max(takeover)),
        overrides: overrides(&mut section).into(),
        ..usual
    };
    if let Some(kind @ (StoreKind::Dynamodb(_) | StoreKind::Simulated(_))) = kind
        && policy.session_tokens
    {
        let message = format!("only Cosmos DB has session tokens, and this store is of {}; remove it", kind.label());
        section.problem("session_tokens", message);
    }
    if section.has("return_below") && !section.has("max_staleness") {
        let message = "goes with max_staleness, below which it has to be; set that as well, or remove it";
        section.problem("return_below", message);
    }
    if section.problem_count() == count_before {
        refuse_impossible(&section, &policy, takeover);
    }
    section.finish();
    policy
}

/// Keys that are right one by one, and together come to something that cannot be.
fn refuse_impossible(section: &Section<'_>, policy: &Policy, takeover: Span) {
    let Policy { max_staleness, return_below, valid_for, exclude_after, .. } = *policy;
    if let (Some(most), Some(back)) = (max_staleness, return_below)
        && back > most
    {
        let message = format!("is above max_staleness, which is {}; use that or less, or remove it", shown(most));
        section.problem("return_below", message);
    }
    let bounds = [("max_staleness", max_staleness), ("return_below", return_below)];
    let is_too_short =
        |bound: Option<Span>| policy.basis == Basis::Bound && bound.is_some_and(|bound| bound <= valid_for);
    // The second one is no longer than the first, and then needs no complaint of its own.
    if let Some((key, _)) = bounds.into_iter().find(|(_, bound)| is_too_short(*bound)) {
        let unset = if section.has("valid_for") { "" } else { ", the interval unless it is set" };
        let message = format!(
            "can never be met: an answer has to hold for valid_for ({}{unset}), and what is read grows as much older \
             meanwhile; use more than that, shorten valid_for, or set basis = \"estimate\"",
            shown(valid_for)
        );
        section.problem(key, message);
    }
    if exclude_after < takeover {
        let message = format!(
            "is too short for heartbeats as far apart as these: another gauge may need {} to take over where one ends, and \
             no region is lost then; use that or more",
            shown(takeover)
        );
        section.problem("exclude_after", message);
    }
}

fn overrides(section: &mut Section<'_>) -> Vec<Override> {
    let example = "[ { decision = \"refuse\", until = 2026-12-01T12:00:00Z } ]";
    let sections = section.sections("overrides", example);
    if sections.len() > OVERRIDES_MAX {
        section.problem("overrides", format!("{} are too many; use at most {OVERRIDES_MAX}", sections.len()));
    }
    sections.into_iter().filter_map(one_override).collect()
}

fn one_override(mut section: Section<'_>) -> Option<Override> {
    section.require("decision", "say what every answer is to be: \"read_local\", \"read_home_region\" or \"refuse\"");
    section.require("until", "say when it ends, such as 2026-12-01T12:00:00Z, so that it does where it is forgotten");
    let decision = section.choice("decision", &Forced::ALL.map(|forced| (forced.label(), forced)));
    let until = section.text("until", instant);
    let reason = section.text("reason", reason).unwrap_or_default();
    section.finish();
    Some(Override { decision: decision?, until: until?, reason: reason.into() })
}

/// An instant in UTC. One without quotes comes as text, too.
fn instant(text: &str) -> Result<Wall, String> {
    Wall::from_rfc3339(text).ok_or_else(|| {
        format!("{text:?} is no date and time in UTC; use one that ends in Z, such as 2026-12-01T12:00:00Z")
    })
}

fn reason(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length > REASON_MAX {
        return Err(format!("is {length} characters long; use at most {REASON_MAX}"));
    }
    if text.chars().any(char::is_control) {
        return Err("has line breaks or other control characters; write it in one line".to_owned());
    }
    Ok(text.to_owned())
}

/// What an operator should know of a store's advice that is right.
pub(super) fn notices(store: &StoreSettings, now: Wall) -> Vec<String> {
    let policy = &store.advice;
    let mut notices = Vec::new();
    notices.extend(unsteady(policy, Span::from(store.heartbeat.interval)));
    if policy.lost_source == LostSource::Exclude {
        notices.push(format!(
            "lost_source = \"exclude\": when nothing was heard of a region for {}, local reads are advised although its last \
             writes may never have arrived; where these must not be missed, set \"refuse\"",
            shown(policy.exclude_after)
        ));
        // A store that is to be asked for its regions may turn out to have two.
        if store.regions.len() <= 2 {
            notices.push(
                "lost_source = \"exclude\" and two regions: to one that is cut off it looks as if the other were lost, so \
                 each goes on without the other's writes; set \"refuse\" unless that is meant"
                    .to_owned(),
            );
        }
    }
    notices.extend((0..policy.overrides.len()).map(|place| of_override(policy, place, now)));
    notices.into_iter().map(|says| format!("advice of the store {:?}: {says}", store.name)).collect()
}

/// A bound that is not kept throughout even where replication is in order: staleness grows by an interval from one
/// heartbeat's arrival to the next, however short the lag.
fn unsteady(policy: &Policy, interval: Span) -> Option<String> {
    let most = policy.max_staleness.filter(|_| policy.basis == Basis::Bound)?;
    let peak = interval + policy.valid_for;
    // Jitter has some process act so much earlier.
    let share = 1.0 - policy.jitter;
    let least = most.mul_f64(share) - AHEAD;
    let back = policy.return_below.unwrap_or(most.mul_f64(RETURN_SHARE)).min(least);
    // Whoever has to have been below it for an interval or more has been through such a peak.
    let stays_away = back < peak && policy.min_dwell >= interval;
    let what = match (least < peak, stays_away) {
        (false, false) => return None,
        (true, false) => {
            "local reads are advised just after a heartbeat arrives, and not just before the next one does"
        }
        (_, true) => "local reads are not advised again, once they were not",
    };
    let to_leave = (peak + AHEAD).as_secs_f64() / share;
    let to_return = if policy.return_below.is_none() { peak.as_secs_f64() / RETURN_SHARE } else { 0.0 };
    let wanted = Span::from_millis((to_leave.max(to_return) * 1e3).ceil() as i64);
    let wanted_back = match policy.return_below {
        Some(back) if back < peak => format!(" and return_below = \"{}\"", shown(peak)),
        _ => String::new(),
    };
    Some(format!(
        "with max_staleness = \"{}\" {what}: between two heartbeats staleness grows by the interval of {}, and the answer is \
         to hold for {} more; use max_staleness = \"{}\"{wanted_back} or more, or a shorter interval or valid_for, or basis = \
         \"estimate\"",
        shown(most),
        shown(interval),
        shown(policy.valid_for),
        shown(wanted)
    ))
}

/// Whether an override counts, and what it does then.
fn of_override(policy: &Policy, place: usize, now: Wall) -> String {
    let Override { decision, until, reason } = &policy.overrides[place];
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let (decision, until) = (decision.label(), instant_shown(*until));
    match policy.overriding(now) {
        Some(first) if first == place => {
            format!("overrides[{place}] is active: every answer is {decision} until {until}{reason}")
        }
        Some(first) if now < policy.overrides[place].until => {
            format!("overrides[{place}], {decision} until {until}, waits until overrides[{first}] has expired{reason}")
        }
        _ => format!("overrides[{place}], {decision}, expired at {until} and does nothing; remove it{reason}"),
    }
}

fn shown(span: Span) -> String {
    humantime::format_duration(span.to_duration()).to_string()
}

fn instant_shown(at: Wall) -> String {
    // Earlier than 1970 none can be given.
    let since = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or_default());
    humantime::format_rfc3339(UNIX_EPOCH + since).to_string()
}
