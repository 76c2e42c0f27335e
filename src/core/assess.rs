//! What a pair's facts mean at a given moment: its state with a reason in words, and the ages that grow by themselves.
//!
//! Nothing in here reads as a number unless it is known. Silence of the gauge (reads fail), of the writer (writes
//! fail) and of replication (stalled) are told apart, as the people who are paged for them are different ones.

use super::merge::{self, Merged, Standing};
use super::model::{Plan, Reason};
use super::snapshot::{PairSnapshot, Seat, SlotFacts};
use super::time::{Mono, Now, Span};
use super::track::Watermark;
use super::unknown::Unknown;

/// Silence of this many intervals is a finding.
pub const PATIENCE_INTERVALS: i64 = 3;
/// A writer may take so many times as long between its heartbeats as this process would. A heartbeat that claims more is not
/// waited for that long: anybody who may write one could have everybody wait.
const SLOWER_MAX: i64 = 10;
/// A stall is never waited out for longer than this.
const STALL_PATIENCE_MAX: Span = Span::from_millis(10_000);

/// The state of a pair: exactly one, the first that applies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Nothing can be said; the reason says why.
    Unknown,
    /// Nobody can look: reads of the target fail.
    ReadFailing,
    /// Nothing to look for: writes at the source fail.
    WriteFailing,
    /// The source's writer does not advance.
    WriterSilent,
    /// The store throttles us.
    Throttled,
    /// The source advances, the target does not.
    Stalled,
    /// Current lag is over the warning threshold.
    Lagging,
    /// None of these.
    Ok,
}

impl State {
    /// All, in their order of precedence.
    pub const ALL: [State; 8] = [
        State::Unknown,
        State::ReadFailing,
        State::WriteFailing,
        State::WriterSilent,
        State::Throttled,
        State::Stalled,
        State::Lagging,
        State::Ok,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::ReadFailing => "read_failing",
            State::WriteFailing => "write_failing",
            State::WriterSilent => "writer_silent",
            State::Throttled => "throttled",
            State::Stalled => "stalled",
            State::Lagging => "lagging",
            State::Ok => "ok",
        }
    }

    /// What a person can do about it; empty where there is nothing to do. [`Assessment::remedy`] knows more.
    pub fn remedy(self) -> &'static str {
        match self {
            State::Unknown => "Read the reason: what to do depends on it.",
            State::ReadFailing => {
                "Look at the cause: access, credentials, network, capacity. Treat the target's data as unverified."
            }
            State::WriteFailing => {
                "Look at the cause at the source: access, credentials, network, capacity. Applications there probably \
                 cannot write either."
            }
            State::WriterSilent => {
                "Look at the gauges of the source's cell. Nothing is known about lag until one writes."
            }
            State::Throttled => "Raise the capacity, or make heartbeat.interval longer.",
            State::Stalled => "Replication has stopped. Read in the item's home region. Ask the provider.",
            State::Lagging => "Watch the trend. Reads that must be fresh go to the item's home region.",
            State::Ok => "",
        }
    }
}

/// What a pair's facts mean at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Assessment {
    /// Its state.
    pub state: State,
    /// Why, for a person on call; empty where the state says it all.
    pub reason: String,
    /// What is in the way, where the state is unknown.
    pub unknown: Option<Unknown>,
    /// How late the pair is; `None` where nobody can know.
    pub current_lag: Option<Span>,
    /// How long the next heartbeat has been due, whether or not it was ever written; `None` for one-clock pairs, and
    /// where the clocks' difference is not bounded.
    pub overdue: Option<Span>,
    /// Current lag of the latest slot − that of the earliest; `None` where there is one slot, or one of them is not known.
    pub slot_spread: Option<Span>,
    /// Now − when the watermark was written, at most; `None` without a watermark, and where the clocks' difference is not
    /// bounded.
    pub staleness: Option<Span>,
    /// The oldest of the slots' watermarks; `None` unless every slot has one.
    pub watermark: Option<Watermark>,
    /// How long the target may stand still before it counts as stalled.
    pub stalled_after: Span,
    /// What the provider says, and whether it agrees; `None` where this process does not ask it.
    pub provider: Option<Standing>,
    /// The best that is known of the lag, by whoever knows it; `None` where nobody does.
    pub merged: Option<Merged>,
}

impl Assessment {
    /// What a person can do about it; empty where there is nothing to do.
    pub fn remedy(&self) -> &'static str {
        self.unknown.map_or(self.state.remedy(), Unknown::remedy)
    }
}

/// A state, and why; and what is in the way, where that is unknown.
struct Finding(State, String, Option<Unknown>);

impl Finding {
    fn of(state: State, reason: String) -> Finding {
        Finding(state, reason, None)
    }

    fn unknown(what: Unknown, reason: String) -> Finding {
        Finding(State::Unknown, reason, Some(what))
    }

    fn not_measured_yet() -> Finding {
        Finding::unknown(Unknown::NotMeasuredYet, "not measured yet".into())
    }
}

/// Assesses one pair at `now`.
pub fn assess(plan: &Plan, pair: &PairSnapshot, now: Now) -> Assessment {
    let stalled_after = stalled_after(plan, pair);
    let watermark = watermark(pair);
    let current_lag = current_lag(plan, pair, now.mono);
    let written = watermark.and_then(|(_, written)| written);
    let staleness = written.map(|written| now.mono - written);
    let overdue = watermark
        .zip(staleness)
        .filter(|_| pair.seat != Seat::Ours)
        .map(|((watermark, _), staleness)| (staleness - watermark.interval).max(Span::ZERO));
    let unmoved = unmoved(pair).filter(|unmoved| *unmoved > stalled_after);
    let Finding(state, reason, unknown) = state(plan, pair, (current_lag, overdue), unmoved, now.mono);
    let (state, mut reason) = with_companions(plan, pair, state, reason, now.mono);
    let provider = pair.provider.as_ref().zip(plan.polling);
    let provider = provider.map(|(facts, polling)| facts.standing(polling, now.mono));
    let still_at = unmoved.and(oldest_answer(pair));
    let merged = merge::merged(current_lag, provider.as_ref(), plan.polling, still_at);
    if watermark.is_some() && written.is_none() && pair.seat == Seat::Ours {
        let separator = if reason.is_empty() { "" } else { "; " };
        reason.push_str(separator);
        reason.push_str("this host's clock was set back: staleness is not known until the next heartbeat arrives");
    }
    let watermark = watermark.map(|(watermark, _)| watermark);
    let slot_spread = slot_spread(pair, now.mono).filter(|_| current_lag.is_some());
    Assessment {
        state,
        reason,
        unknown,
        current_lag,
        overdue,
        slot_spread,
        staleness,
        watermark,
        stalled_after,
        provider,
        merged,
    }
}

/// `max(3 intervals, min(3 × 60-minute p99, 10 s))`; 3 intervals while there is no p99.
fn stalled_after(plan: &Plan, pair: &PairSnapshot) -> Span {
    let least = patience(pair, plan);
    match pair.summary[2].arrived_p99 {
        Some(p99) => least.max(Span::from_secs_f64(3.0 * p99).min(STALL_PATIENCE_MAX)),
        None => least,
    }
}

/// For how long the target has not moved, though something is there to be seen. Up to the last look: what happened since
/// nobody knows.
fn unmoved(pair: &PairSnapshot) -> Option<Span> {
    pair.slots.iter().filter_map(|slot| Some(slot.answered_at? - slot.unmoved_since?)).max()
}

/// What the provider says of the target may be why a pair is late. It makes no pair late.
fn with_companions(plan: &Plan, pair: &PairSnapshot, state: State, reason: String, now: Mono) -> (State, String) {
    let (Some(polling), Some(companions)) = (plan.polling, &pair.companions) else { return (state, reason) };
    if !matches!(state, State::Stalled | State::Lagging) {
        return (state, reason);
    }
    let target = &plan.regions[pair.target.index()];
    if let Some(throttled) = companions.throttled(polling, now) {
        return (State::Throttled, format!("{target} {throttled}, says the provider; {reason}"));
    }
    let since = pair.slots.iter().filter_map(|slot| slot.unmoved_since).min();
    if state == State::Stalled && since.is_some_and(|since| companions.replicated_since(since, polling, now)) {
        // From whichever region: the provider does not tell them apart.
        let others = match plan.region_ids().count() {
            2 => "other writes still arrive there, says the provider, so it may be the heartbeat's partition alone",
            _ => "writes of some region still arrive there, says the provider: see whether it is those of this one",
        };
        return (state, format!("{reason}; {others}"));
    }
    (state, reason)
}

/// The oldest of the slots' watermarks, and when it was written; `None` unless every slot has one.
fn watermark(pair: &PairSnapshot) -> Option<(Watermark, Option<Mono>)> {
    let mut oldest: Option<(Watermark, Option<Mono>)> = None;
    for slot in pair.slots.iter() {
        let watermark = slot.watermark?;
        if oldest.is_none_or(|(known, _)| watermark.beat < known.beat) {
            oldest = Some((watermark, slot.written));
        }
    }
    oldest
}

/// Now − when the watermark was written, as [`Assessment::staleness`]: for those who want nothing else, and often.
pub fn staleness(pair: &PairSnapshot, now: Mono) -> Option<Span> {
    watermark(pair)?.1.map(|written| now - written)
}

/// A slot's current lag: the larger of the newest heartbeat's upper end and the age of the oldest unseen one.
pub fn slot_lag(slot: &SlotFacts, now: Mono) -> Option<Span> {
    let unseen = slot.oldest_unseen.map(|written| now - written);
    slot.newest_upper.max(unseen)
}

fn slot_spread(pair: &PairSnapshot, now: Mono) -> Option<Span> {
    let lags: Option<Vec<Span>> = pair.slots.iter().map(|slot| slot_lag(slot, now)).collect();
    let lags = lags.filter(|lags| lags.len() > 1)?;
    Some(*lags.iter().max()? - *lags.iter().min()?)
}

/// Whether there was none of it for three intervals.
pub(super) fn is_silent(since: Option<Mono>, plan: &Plan, now: Mono) -> bool {
    since.is_none_or(|since| now - since > plan.interval.times(PATIENCE_INTERVALS))
}

/// Whether throttling that has been told of twice in a row goes on.
pub(super) fn is_throttled(twice_since: Option<Mono>, plan: &Plan, now: Mono) -> bool {
    twice_since.is_some() && !is_silent(twice_since, plan, now)
}

/// Three intervals, or what one write without an answer costs where intervals are shorter than deadlines: that alone is
/// no finding.
pub(super) fn write_patience(plan: &Plan) -> Span {
    plan.interval.times(PATIENCE_INTERVALS).max(plan.write_deadline() + plan.interval.times(2))
}

/// Whether no write was acknowledged for as long.
pub(super) fn is_write_silent(pair: &PairSnapshot, plan: &Plan, now: Mono) -> bool {
    pair.writes.answered_at.is_none_or(|answered| now - answered > write_patience(plan))
}

/// When a read of the target's stalest slot was last answered.
pub(super) fn oldest_answer(pair: &PairSnapshot) -> Option<Mono> {
    pair.slots.iter().map(|slot| slot.answered_at).min().flatten()
}

/// The interval of whoever wrote this, as far as it is waited for: gauges of one store may differ in it, while a new one is
/// rolled out for instance.
pub(super) fn writers_interval(plan: &Plan, theirs: Span) -> Span {
    theirs.clamp(plan.interval, plan.interval.times(SLOWER_MAX))
}

/// Three intervals of the source's writer.
fn patience(pair: &PairSnapshot, plan: &Plan) -> Span {
    let theirs = pair.slots.iter().filter_map(|slot| Some(slot.watermark?.interval)).max().unwrap_or(plan.interval);
    writers_interval(plan, theirs).times(PATIENCE_INTERVALS)
}

/// Whether nothing new of the source has become visible for three of its writer's intervals.
pub(super) fn is_still(pair: &PairSnapshot, plan: &Plan, now: Mono) -> bool {
    latest_arrival(pair).is_none_or(|since| now - since > patience(pair, plan))
}

/// When something new last became visible in every slot.
pub(super) fn latest_arrival(pair: &PairSnapshot) -> Option<Mono> {
    pair.slots.iter().map(|slot| slot.still_since).min().flatten()
}

fn current_lag(plan: &Plan, pair: &PairSnapshot, now: Mono) -> Option<Span> {
    // Nobody looked: whatever is unseen may have arrived long ago.
    if is_silent(oldest_answer(pair), plan, now) {
        return None;
    }
    let anything_unseen = pair.slots.iter().any(|slot| slot.oldest_unseen.is_some());
    // Nothing was there to be seen: the last sample says nothing about now.
    let nothing_comes = match pair.seat {
        Seat::Ours => is_write_silent(pair, plan, now),
        _ => is_still(pair, plan, now),
    };
    if nothing_comes && !anything_unseen {
        return None;
    }
    let mut lags = pair.slots.iter().map(|slot| slot_lag(slot, now));
    if anything_unseen {
        return lags.flatten().max();
    }
    // A pair is as late as its latest slot, and a slot of which nothing is known might be that.
    lags.try_fold(Span::ZERO, |latest, lag| Some(latest.max(lag?)))
}

fn state(
    plan: &Plan,
    pair: &PairSnapshot,
    (current_lag, overdue): (Option<Span>, Option<Span>),
    unmoved: Option<Span>,
    now: Mono,
) -> Finding {
    let starting = !is_silent(Some(pair.watching_since), plan, now);
    let source = &plan.regions[pair.source.index()];
    let target = &plan.regions[pair.target.index()];
    let because = |reason: Option<Reason>| reason.map_or(String::new(), |reason| format!(": {}", reason.words()));

    if pair.seat == Seat::Newer || pair.slots.iter().any(|slot| slot.newer_format) {
        let reason = format!("newer format: heartbeats of {source} are written by a newer release");
        return Finding::unknown(Unknown::NewerFormat, reason);
    }
    if is_silent(oldest_answer(pair), plan, now) {
        if starting && pair.reads.failing.is_none() {
            return Finding::not_measured_yet();
        }
        return Finding::of(State::ReadFailing, format!("{target} cannot be read{}", because(pair.reads.failing)));
    }
    let silence = match pair.seat {
        Seat::Ours => is_write_silent(pair, plan, now).then(|| match pair.writes.failing {
            None if starting => Finding::not_measured_yet(),
            failing => Finding::of(State::WriteFailing, format!("{source} accepts no heartbeat{}", because(failing))),
        }),
        _ => two_clock_silence(plan, pair, starting, now),
    };
    if let Some(silence) = silence {
        return silence;
    }
    if is_throttled(pair.writes.throttled_twice_since, plan, now) {
        let queue = match pair.writes.failing {
            Some(Reason::QueueFull) => ": its replication queue is full",
            _ => "",
        };
        return Finding::of(State::Throttled, format!("{source} throttles heartbeat writes{queue}"));
    }
    if is_throttled(pair.reads.throttled_twice_since, plan, now) {
        return Finding::of(State::Throttled, format!("{target} throttles heartbeat reads"));
    }
    if let Some(unmoved) = unmoved {
        let mut reason = format!(
            "{source} writes, but nothing new has become visible in {target} for {:.1} s",
            unmoved.as_secs_f64()
        );
        if pair.slots.iter().any(|slot| slot.age_unknown) {
            reason.push_str("; age before start unknown");
        }
        return Finding::of(State::Stalled, reason);
    }
    match current_lag {
        // Until a first heartbeat has arrived, the age of the unseen ones says little.
        _ if pair.slots.iter().any(|slot| slot.watermark.is_none()) => Finding::not_measured_yet(),
        None if pair.seat != Seat::Ours && pair.offset.min.is_none() => {
            let reason = format!("how far the clocks of this host and of {source}'s writer differ is not known");
            Finding::unknown(Unknown::Clocks, reason)
        }
        None => Finding::not_measured_yet(),
        _ if overdue.is_some_and(|overdue| overdue > plan.warn_lag.max(current_lag.unwrap_or_default())) => {
            let overdue = overdue.unwrap_or_default().as_secs_f64();
            let reason = format!("the next heartbeat of {source} has been due in {target} for {overdue:.1} s");
            Finding::of(State::Lagging, reason)
        }
        Some(lag) if lag > plan.warn_lag => {
            let (lag, warn) = (lag.as_secs_f64(), plan.warn_lag.as_secs_f64());
            let reason = format!("{target} is {lag:.1} s behind {source}, over the threshold of {warn:.1} s");
            Finding::of(State::Lagging, reason)
        }
        Some(_) => Finding::of(State::Ok, String::new()),
    }
}

/// Where another process writes the source and nothing new of it comes: is it the writer, or replication?
///
/// `None` where something comes, or is known to be on its way.
fn two_clock_silence(plan: &Plan, pair: &PairSnapshot, starting: bool, now: Mono) -> Option<Finding> {
    let source = &plan.regions[pair.source.index()];
    let target = &plan.regions[pair.target.index()];
    let is_unseen = pair.slots.iter().any(|slot| slot.oldest_unseen.is_some());
    let is_empty = pair.slots.iter().any(|slot| slot.watermark.is_none());
    let arrived = latest_arrival(pair);
    if is_unseen || (!is_empty && !is_still(pair, plan, now)) {
        return None;
    }
    let failing = pair.writes.failing.or(pair.source_reads.failing);
    if starting && failing.is_none() {
        return Some(Finding::not_measured_yet());
    }
    // The seat is for this process to take.
    let because = failing.map_or(String::new(), |reason| format!(": {}", reason.words()));
    match pair.seat {
        Seat::Unread if plan.writes(pair.source) => {
            let reason = format!("the heartbeat's key in {source} cannot be read{because}");
            return Some(Finding::of(State::WriteFailing, reason));
        }
        Seat::Taking => {
            return Some(Finding::of(State::WriteFailing, format!("{source} accepts no heartbeat{because}")));
        }
        _ => {}
    }
    let still = arrived.map_or(String::new(), |since| format!(" for {:.1} s", (now - since).as_secs_f64()));
    let nothing = if is_empty {
        format!("no heartbeat of {source} is visible in {target}")
    } else {
        format!("no new heartbeat of {source} has become visible in {target}{still}")
    };
    let looked_at = pair.slots.iter().map(|slot| slot.source_looked_at).min().flatten();
    if !is_silent(looked_at, plan, now) {
        let why = if is_empty {
            "no gauge writes one there"
        } else {
            "its writer has stopped: in the source's own replica there is nothing newer either"
        };
        return Some(Finding::of(State::WriterSilent, format!("{nothing}: {why}")));
    }
    if plan.observer {
        let reason = format!("{nothing}; whether its writer or replication has stopped is not known here");
        return Some(Finding::unknown(Unknown::Observing, reason));
    }
    let why = pair.source_reads.failing.map_or("not asked yet", Reason::words);
    let reason = format!("{nothing}, and the source is unreachable ({why}): its writer or replication has stopped");
    Some(Finding::unknown(Unknown::Unreachable, reason))
}
