//! Whether a write is visible by now: how soon others were, and what the heartbeats before and after it show.
//!
//! It is a probability, and never a certainty. A heartbeat is another item on another partition, and partitions replicate
//! in parallel: that a later heartbeat has arrived makes it likely that the write has, and proves nothing.

use crate::core::assess::{State, assess};
use crate::core::model::Plan;
use crate::core::snapshot::{PairSnapshot, Seat, SlotFacts};
use crate::core::time::{Mono, Now, Span};
use crate::core::window::{PROBABILITIES, Visibility, samples_for};

/// The place of 90 % in [`PROBABILITIES`]: ten minutes that do not reach as far are left for the hour.
const NINETY: usize = 8;

/// Over which window: an index into [`crate::core::window::Curves`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookback {
    /// The last ten minutes.
    TenMinutes,
    /// The last hour.
    Hour,
}

impl Lookback {
    /// Both.
    pub const ALL: [Lookback; 2] = [Lookback::TenMinutes, Lookback::Hour];

    /// The word used in questions and answers.
    pub fn label(self) -> &'static str {
        match self {
            Lookback::TenMinutes => "10m",
            Lookback::Hour => "60m",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Lookback::TenMinutes => "in the last 10 minutes",
            Lookback::Hour => "in the last hour",
        }
    }
}

/// What the heartbeats show right now of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// In every slot one that was certainly written after it is visible.
    Passed,
    /// One that may have been written before it, or was due before it, was not visible at the last look.
    NotPassed,
    /// All that are known to have been written before it are visible, and none that was written after it.
    Between,
    /// Nobody can know.
    Unknown,
}

impl Shown {
    /// All of them.
    pub const ALL: [Shown; 4] = [Shown::Passed, Shown::NotPassed, Shown::Between, Shown::Unknown];

    /// The word used in answers.
    pub fn label(self) -> &'static str {
        match self {
            Shown::Passed => "passed",
            Shown::NotPassed => "not_passed",
            Shown::Between => "between",
            Shown::Unknown => "unknown",
        }
    }
}

/// A probability as an interval, `0.0..1.0`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Probability {
    /// At least this, as far as the heartbeats tell.
    pub pessimistic: f64,
    /// At most this.
    pub optimistic: f64,
}

/// Whether a write of some age is visible.
#[derive(Clone, PartialEq, Debug)]
pub struct Visible {
    /// With what probability; `None` where too few heartbeats arrived.
    pub probability: Option<Probability>,
    /// What the heartbeats show of it.
    pub heartbeats: Shown,
    /// Over which window that was counted.
    pub lookback: Lookback,
    /// Heartbeats that arrived in it.
    pub samples: u64,
    /// What the answer rests on, for a person.
    pub basis: String,
}

/// Within what time a write is visible.
#[derive(Clone, PartialEq, Debug)]
pub struct Within {
    /// With what probability: the one that was asked for, or the next one that is kept. `None`: none is as high.
    pub confidence: Option<f64>,
    /// Within this time at the latest; `None` where the data does not reach.
    pub pessimistic: Option<Span>,
    /// Not before this time.
    pub optimistic: Option<Span>,
    /// Over which window that was counted.
    pub lookback: Lookback,
    /// Heartbeats that arrived in it.
    pub samples: u64,
    /// What the answer rests on, for a person.
    pub basis: String,
}

fn curve(pair: &PairSnapshot, lookback: Lookback) -> &Visibility {
    &pair.visibility[lookback as usize]
}

fn span(time: Option<f32>) -> Option<Span> {
    time.map(|seconds| Span::from_secs_f64(f64::from(seconds)))
}

/// The last ten minutes where they have as many samples as are needed, else the last hour.
///
/// Ten minutes that have enough and whose curve does not reach as far say that something is late: the hour, in which that
/// weighs less, is no way around it.
fn choose(pair: &PairSnapshot, needed: u64) -> Lookback {
    if curve(pair, Lookback::TenMinutes).count >= needed { Lookback::TenMinutes } else { Lookback::Hour }
}

/// The first of the probabilities kept that is not below `confidence`.
fn place_of(confidence: f64) -> Option<usize> {
    PROBABILITIES.iter().position(|listed| *listed >= confidence)
}

/// Within what time a write is visible with at least this probability, `0.0..1.0`, at the latest. `None` where the data does
/// not reach.
pub fn visible_within(pair: &PairSnapshot, confidence: f64) -> Option<Span> {
    let place = place_of(confidence)?;
    span(curve(pair, choose(pair, samples_for(place))).pessimistic[place])
}

/// The same with its other end, and in words. `lookback`: over this window, and no other.
pub fn within(plan: &Plan, pair: &PairSnapshot, confidence: f64, lookback: Option<Lookback>) -> Within {
    let place = place_of(confidence);
    let lookback = lookback.unwrap_or_else(|| choose(pair, place.map_or(u64::MAX, samples_for)));
    let curve = curve(pair, lookback);
    let target = &plan.regions[pair.target.index()];
    let counted = format!("{} heartbeats became visible in {target} {}", curve.count, lookback.words());
    let reach = match place {
        None => {
            let highest = PROBABILITIES[PROBABILITIES.len() - 1] * 100.0;
            format!("; nothing is kept beyond {highest:.1} %")
        }
        Some(place) if curve.count < samples_for(place) => {
            format!("; {} % takes {} of them", per_cent(place), samples_for(place))
        }
        Some(place) if curve.pessimistic[place].is_none() => {
            format!("; so many have not arrived yet that {} % is out of reach", per_cent(place))
        }
        Some(_) => String::new(),
    };
    Within {
        confidence: place.map(|place| PROBABILITIES[place]),
        pessimistic: place.and_then(|place| span(curve.pessimistic[place])),
        optimistic: place.and_then(|place| span(curve.optimistic[place])),
        lookback,
        samples: curve.count,
        basis: format!("{counted}{reach}; {CERTAINTY}"),
    }
}

/// A listed probability as people write it.
fn per_cent(place: usize) -> String {
    // To the tenth, and without a tenth that is none.
    let tenths = (PROBABILITIES[place] * 1_000.0).round() as u64;
    if tenths.is_multiple_of(10) { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

const CERTAINTY: &str = "only the item's own version, a session token or a read in its home region makes it certain, as \
                         partitions replicate in parallel";

/// With what probability a write that was acknowledged `age` ago is visible at `now`. `lookback`: over this window; else over
/// the last ten minutes, or the last hour where those have too few samples for 90 %.
pub fn visibility(plan: &Plan, pair: &PairSnapshot, now: Now, age: Span, lookback: Option<Lookback>) -> Visible {
    let lookback = lookback.unwrap_or_else(|| choose(pair, samples_for(NINETY)));
    let curve = curve(pair, lookback);
    let (heartbeats, words) = shown(plan, pair, now, now.mono - age);
    let probability = probability(curve, age).map(|probability| match heartbeats {
        Shown::Between => probability,
        // Replication in order would have brought it, too: only partitions that part from each other keep it away.
        Shown::Passed => Probability { optimistic: most(curve), ..probability },
        // What is known of other times is not known of now.
        Shown::NotPassed | Shown::Unknown => Probability { pessimistic: 0.0, ..probability },
    });
    let target = &plan.regions[pair.target.index()];
    let few = match probability {
        Some(_) => String::new(),
        None => format!(", of which it takes {}", samples_for(0)),
    };
    let counted = match plan.observer {
        true => "an observer counts no samples".to_owned(),
        false => format!("{} heartbeats became visible in {target} {}{few}", curve.count, lookback.words()),
    };
    Visible {
        probability,
        heartbeats,
        lookback,
        samples: curve.count,
        basis: format!("{counted}; {words}; {CERTAINTY}"),
    }
}

/// Of the next one nothing is known: Laplace's rule of succession has no certainty after any number of successes.
fn most(curve: &Visibility) -> f64 {
    1.0 - 1.0 / (curve.count as f64 + 1.0)
}

/// What a curve says of an age; `None` where it rests on too little to say anything.
pub fn probability(curve: &Visibility, age: Span) -> Option<Probability> {
    if curve.count < samples_for(0) {
        return None;
    }
    let most = most(curve);
    let age = age.as_secs_f64();
    let is_within = |time: &Option<f32>| time.is_some_and(|seconds| f64::from(seconds) <= age);
    let is_beyond = |time: &Option<f32>| time.is_some_and(|seconds| f64::from(seconds) > age);
    let reached = curve.pessimistic.iter().rposition(is_within).map_or(0.0, |place| PROBABILITIES[place]);
    let not_reached = curve.optimistic.iter().position(is_beyond).map_or(most, |place| PROBABILITIES[place]);
    Some(Probability { pessimistic: reached.min(most), optimistic: not_reached.min(most) })
}

/// What the heartbeats show of a write that was acknowledged at `acknowledged`, and that in words.
fn shown(plan: &Plan, pair: &PairSnapshot, now: Now, acknowledged: Mono) -> (Shown, String) {
    let target = &plan.regions[pair.target.index()];
    let slots = || pair.slots.iter();
    // `written` is when the heartbeat left its writer at the earliest, and it was committed no earlier than that. What was
    // once visible is visible still, whoever can look by now.
    if slots().next().is_some() && slots().all(|slot| slot.written.is_some_and(|written| written > acknowledged)) {
        let slots = if pair.slots.len() > 1 { " in every slot" } else { "" };
        return (Shown::Passed, format!("a heartbeat written after it is visible in {target}{slots}"));
    }
    let assessment = assess(plan, pair, now);
    // It is null where nobody looked for a while, and where there was nothing to look for.
    let looked = assessment.current_lag.is_some() && !slots().any(|slot| slot.newer_format);
    // When it was written at the earliest: that it may have been before is enough.
    let may_be_before = |slot: &SlotFacts| slot.oldest_unseen.is_some_and(|unseen| unseen <= acknowledged);
    if looked && slots().any(may_be_before) {
        let words = format!("a heartbeat written before it was not visible in {target} at the last look");
        return (Shown::NotPassed, words);
    }
    // Another process's next one is written an interval after the newest one, unless that process is gone. That nobody can
    // know which is no reason to hope.
    let is_overdue = |slot: &SlotFacts| {
        let due = slot.written.zip(slot.watermark).map(|(written, watermark)| written + watermark.interval);
        due.is_some_and(|due| due <= acknowledged)
    };
    if looked && pair.seat != Seat::Ours && slots().any(is_overdue) {
        let words = format!("the heartbeat that was due before it was not visible in {target} at the last look");
        return (Shown::NotPassed, words);
    }
    let is_known =
        !matches!(assessment.state, State::Unknown | State::ReadFailing | State::WriteFailing | State::WriterSilent);
    let is_bounded = slots().all(|slot| slot.written.is_some() && !slot.age_unknown);
    if looked && is_known && is_bounded {
        let words = format!("the heartbeats written before it are visible in {target}, and none written after it");
        return (Shown::Between, words);
    }
    let because = match assessment.reason.as_str() {
        "" => "when they were written is not known well enough",
        reason => reason,
    };
    (Shown::Unknown, format!("what the heartbeats show right now is not known: {because}"))
}
