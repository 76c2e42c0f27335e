//! The difference between this process's wall clock and another's, as an interval: proofs, and claims.
//!
//! No lag is negative. So a heartbeat seen here when our clock showed `b` proves that `ours − theirs ≤ b − written_at`,
//! and one of ours that they saw when theirs showed `b'` proves that `ours − theirs ≥ −(b' − written_at)`: NTP's bound,
//! carried by the store. A heartbeat read where it is written proves both sides, without any lag in between.
//!
//! Every proof is of one moment. Clocks drift apart, by [`DRIFT_PPM`] at most, so it loosens as it ages.

use std::collections::VecDeque;

use super::time::{Mono, Span};

/// Two clocks drift apart by no more than this, in parts per million: five times what a bad crystal does.
pub const DRIFT_PPM: i64 = 500;

/// A proof older than this is kept only while there is no newer one.
const WINDOW: Span = Span::from_millis(60_000);

/// What a bound comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Basis {
    /// It is the same clock.
    SameClock,
    /// Heartbeats seen, here or there: no lag is negative.
    Echo,
    /// Heartbeats read where they are written.
    CrossRead,
    /// What servers and operators say of the clocks.
    Claim,
}

impl Basis {
    /// All, in their order.
    pub const ALL: [Basis; 4] = [Basis::SameClock, Basis::Echo, Basis::CrossRead, Basis::Claim];

    /// The word used in answers.
    pub fn label(self) -> &'static str {
        match self {
            Basis::SameClock => "same_clock",
            Basis::Echo => "echo",
            Basis::CrossRead => "cross_read",
            Basis::Claim => "claim",
        }
    }

    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Basis::SameClock => "it is the same clock",
            Basis::Echo => "by heartbeats that were seen, here or there: no lag is negative",
            Basis::CrossRead => "by heartbeats read where they are written",
            Basis::Claim => "by what servers and operators say of the clocks",
        }
    }
}

/// Bounds of `our clock − their clock`. An end that is `None` is unbounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offset {
    /// At least this, and what says so.
    pub min: Option<(Span, Basis)>,
    /// At most this, and what says so.
    pub max: Option<(Span, Basis)>,
}

impl Offset {
    /// Of a clock and itself.
    pub const NONE: Offset =
        Offset { min: Some((Span::ZERO, Basis::SameClock)), max: Some((Span::ZERO, Basis::SameClock)) };

    /// Both ends from one source.
    pub fn between(min: Span, max: Span, basis: Basis) -> Offset {
        Offset { min: Some((min, basis)), max: Some((max, basis)) }
    }

    /// The tighter of each end; the other one's where both are alike.
    pub fn and(self, other: Offset) -> Offset {
        Offset {
            min: [other.min, self.min].into_iter().flatten().max_by_key(|(min, _)| *min),
            max: [other.max, self.max].into_iter().flatten().min_by_key(|(max, _)| *max),
        }
    }

    /// Whether no difference fits both ends.
    pub fn is_crossed(self) -> bool {
        matches!((self.min, self.max), (Some((min, _)), Some((max, _))) if min > max)
    }

    /// As loose as it is a while later.
    pub fn aged(self, age: Span) -> Offset {
        let drift = drift(age);
        Offset {
            min: self.min.map(|(min, basis)| (min - drift, basis)),
            max: self.max.map(|(max, basis)| (max + drift, basis)),
        }
    }

    /// `max − min`; `None` where an end is open.
    pub fn width(self) -> Option<Span> {
        Some(self.max?.0 - self.min?.0)
    }
}

/// How far two clocks may drift apart in a while.
fn drift(age: Span) -> Span {
    Span::from_nanos(age.as_nanos().max(0) / 1_000_000 * DRIFT_PPM)
}

/// The smallest of the values of the last minute, each loosened by its age.
#[derive(Clone, Debug, Default)]
pub struct Smallest {
    /// Oldest first. None is looser than an older one has become since.
    values: VecDeque<(Mono, Span, Basis)>,
}

impl Smallest {
    /// A value proven at `at`.
    pub fn add(&mut self, at: Mono, value: Span, basis: Basis) {
        while self.values.front().is_some_and(|(first, ..)| at - *first > WINDOW) {
            self.values.pop_front();
        }
        if self.at(at).is_none_or(|(smallest, _)| value < smallest) {
            // The tightest of all: what is older can only be looser from here on.
            self.values.clear();
        }
        while self.values.back().is_some_and(|(then, older, _)| *older + drift(at - *then) >= value) {
            self.values.pop_back();
        }
        self.values.push_back((at, value, basis));
    }

    /// The smallest as of `now`, and what says so.
    pub fn at(&self, now: Mono) -> Option<(Span, Basis)> {
        self.values.iter().map(|(at, value, basis)| (*value + drift(now - *at), *basis)).min()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}

/// What is proven of one other clock, as long as neither of the two steps.
#[derive(Clone, Debug, Default)]
pub struct Proofs {
    /// `ours − theirs` is at most this.
    most: Smallest,
    /// `theirs − ours` is at most this.
    least: Smallest,
}

impl Proofs {
    /// `ours − theirs ≤ bound`, proven at `at`.
    pub fn at_most(&mut self, at: Mono, bound: Span, basis: Basis) {
        self.most.add(at, bound, basis);
    }

    /// `ours − theirs ≥ bound`, proven at `at`.
    pub fn at_least(&mut self, at: Mono, bound: Span, basis: Basis) {
        self.least.add(at, Span::ZERO - bound, basis);
    }

    /// Their bounds as of `now`. Crossed ones say that a clock stepped.
    pub fn offset(&self, now: Mono) -> Offset {
        Offset { min: self.least.at(now).map(|(bound, basis)| (Span::ZERO - bound, basis)), max: self.most.at(now) }
    }

    /// A clock stepped: nothing of this holds any longer.
    pub fn void(&mut self) {
        self.most.clear();
        self.least.clear();
    }
}
