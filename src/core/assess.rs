//! What a pair's facts mean at a given moment: its state with a reason in words, and the ages that grow by themselves.
//!
//! Nothing in here reads as a number unless it is known. Silence of the gauge (reads fail), of the writer (writes
//! fail) and of replication (stalled) are told apart, as the people who are paged for them are different ones.

use super::model::{Plan, Reason};
use super::snapshot::{PairSnapshot, Seat, SlotFacts};
use super::time::{Mono, Now, Span};
use super::track::Watermark;

/// Silence of this many intervals is a finding.
pub const PATIENCE_INTERVALS: i64 = 3;
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
}

/// What a pair's facts mean at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Assessment {
    /// Its state.
    pub state: State,
    /// Why, for a person on call; empty where the state says it all.
    pub reason: String,
    /// How late the pair is; `None` where nobody can know.
    pub current_lag: Option<Span>,
    /// Now − `written_at` of the watermark; `None` without a watermark timed by this host's clock.
    pub staleness: Option<Span>,
    /// The oldest of the slots' watermarks; `None` unless every slot has one.
    pub watermark: Option<Watermark>,
    /// How long the target may stand still before it counts as stalled.
    pub stalled_after: Span,
}

/// Assesses one pair at `now`.
pub fn assess(plan: &Plan, pair: &PairSnapshot, now: Now) -> Assessment {
    let stalled_after = stalled_after(plan, pair);
    let watermark = watermark(pair);
    let current_lag = current_lag(plan, pair, now.mono);
    let (state, mut reason) = state(plan, pair, current_lag, stalled_after, now.mono);
    let age = watermark.filter(|watermark| watermark.own_clock).map(|watermark| now.wall - watermark.written_at);
    let staleness = age.filter(|age| !age.is_negative());
    if age != staleness {
        let separator = if reason.is_empty() { "" } else { "; " };
        reason.push_str(separator);
        reason.push_str("this host's clock was set back: staleness is not known until the next heartbeat arrives");
    }
    Assessment { state, reason, current_lag, staleness, watermark, stalled_after }
}

/// `max(3 intervals, min(3 × 60-minute p99, 10 s))`; 3 intervals while there is no p99.
fn stalled_after(plan: &Plan, pair: &PairSnapshot) -> Span {
    let least = plan.interval.times(PATIENCE_INTERVALS);
    match pair.summary[2].arrived_p99 {
        Some(p99) => least.max(Span::from_secs_f64(3.0 * p99).min(STALL_PATIENCE_MAX)),
        None => least,
    }
}

fn watermark(pair: &PairSnapshot) -> Option<Watermark> {
    let all: Option<Vec<Watermark>> = pair.slots.iter().map(|slot| slot.watermark).collect();
    all?.into_iter().min_by_key(|watermark| watermark.beat)
}

/// A slot's current lag: the larger of the newest heartbeat's upper end and the age of the oldest unseen one.
pub fn slot_lag(slot: &SlotFacts, now: Mono) -> Option<Span> {
    let unseen = slot.oldest_unseen.map(|written| now - written);
    slot.newest_upper.max(unseen)
}

fn is_silent(since: Option<Mono>, plan: &Plan, now: Mono) -> bool {
    since.is_none_or(|since| now - since > plan.interval.times(PATIENCE_INTERVALS))
}

/// Three intervals, or what one write without an answer costs where intervals are shorter than deadlines: that alone is
/// no finding.
fn is_write_silent(pair: &PairSnapshot, plan: &Plan, now: Mono) -> bool {
    let patience = plan.interval.times(PATIENCE_INTERVALS).max(plan.write_deadline() + plan.interval.times(2));
    pair.writes.answered_at.is_none_or(|answered| now - answered > patience)
}

fn oldest_answer(pair: &PairSnapshot) -> Option<Mono> {
    pair.slots.iter().map(|slot| slot.answered_at).min().flatten()
}

fn current_lag(plan: &Plan, pair: &PairSnapshot, now: Mono) -> Option<Span> {
    // Nobody looked: whatever is unseen may have arrived long ago.
    if is_silent(oldest_answer(pair), plan, now) {
        return None;
    }
    let anything_unseen = pair.slots.iter().any(|slot| slot.oldest_unseen.is_some());
    // Nothing was there to be seen: the last sample says nothing about now.
    if is_write_silent(pair, plan, now) && !anything_unseen {
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
    current_lag: Option<Span>,
    stalled_after: Span,
    now: Mono,
) -> (State, String) {
    let starting = !is_silent(Some(pair.watching_since), plan, now);
    let source = &plan.regions[pair.source.index()];
    let target = &plan.regions[pair.target.index()];
    let because = |reason: Option<Reason>| reason.map_or(String::new(), |reason| format!(": {}", reason.words()));

    if pair.seat == Seat::Newer || pair.slots.iter().any(|slot| slot.newer_format) {
        return (State::Unknown, format!("newer format: heartbeats of {source} are written by a newer release"));
    }
    if is_silent(oldest_answer(pair), plan, now) {
        if starting && pair.reads.failing.is_none() {
            return (State::Unknown, "not measured yet".into());
        }
        return (State::ReadFailing, format!("{target} cannot be read{}", because(pair.reads.failing)));
    }
    match pair.seat {
        Seat::Held => {
            return (State::Unknown, format!("another gauge writes the heartbeat of {source}; this one stands by"));
        }
        Seat::Unread | Seat::Taking if starting && pair.writes.failing.is_none() => {
            return (State::Unknown, "not measured yet".into());
        }
        Seat::Unread if is_silent(pair.source_reads.answered_at, plan, now) => {
            let why = because(pair.source_reads.failing);
            return (State::WriteFailing, format!("the heartbeat's key in {source} cannot be read{why}"));
        }
        _ => {}
    }
    if is_write_silent(pair, plan, now) {
        return (State::WriteFailing, format!("{source} accepts no heartbeat{}", because(pair.writes.failing)));
    }
    let throttled = |since: Option<Mono>| since.is_some() && !is_silent(since, plan, now);
    if throttled(pair.writes.throttled_twice_since) {
        return (State::Throttled, format!("{source} throttles heartbeat writes"));
    }
    if throttled(pair.reads.throttled_twice_since) {
        return (State::Throttled, format!("{target} throttles heartbeat reads"));
    }
    // Up to the last look: what happened since nobody knows.
    let unmoved = pair.slots.iter().filter_map(|slot| Some(slot.answered_at? - slot.unmoved_since?)).max();
    if let Some(unmoved) = unmoved.filter(|unmoved| *unmoved > stalled_after) {
        let mut reason = format!(
            "{source} writes, but nothing new has become visible in {target} for {:.1} s",
            unmoved.as_secs_f64()
        );
        if pair.slots.iter().any(|slot| slot.age_unknown) {
            reason.push_str("; age before start unknown");
        }
        return (State::Stalled, reason);
    }
    match current_lag {
        // Until a first heartbeat has arrived, the age of the unseen ones says little.
        _ if pair.slots.iter().any(|slot| slot.watermark.is_none()) => (State::Unknown, "not measured yet".into()),
        None => (State::Unknown, "not measured yet".into()),
        Some(lag) if lag > plan.warn_lag => {
            let (lag, warn) = (lag.as_secs_f64(), plan.warn_lag.as_secs_f64());
            (State::Lagging, format!("{target} is {lag:.1} s behind {source}, over the threshold of {warn:.1} s"))
        }
        Some(_) => (State::Ok, String::new()),
    }
}
