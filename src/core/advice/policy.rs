//! What an operator has to say about reads of a store.

use std::sync::Arc;

use crate::core::time::{Span, Wall};

/// So far ahead of the bound a policy leaves local reads alone: what grows until the next look, which may be a little late,
/// must not cross it meanwhile and come back.
pub const AHEAD: Span = Span::from_millis(300);

/// Where the settings do not say it, local reads come back below this share of the bound.
pub const RETURN_SHARE: f64 = 0.8;

/// What a bound on staleness is held against.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Basis {
    /// Staleness, and for how long the answer is to hold on top of it: what is visible here is certainly younger, where
    /// replication is in order.
    Bound,
    /// Current lag, or what the provider says where nothing is measured: how late a write is at present.
    Estimate,
}

impl Basis {
    /// All of them.
    pub const ALL: [Basis; 2] = [Basis::Bound, Basis::Estimate];

    /// The word used in settings and answers.
    pub fn label(self) -> &'static str {
        match self {
            Basis::Bound => "bound",
            Basis::Estimate => "estimate",
        }
    }
}

/// What becomes of the others when a source region is lost.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LostSource {
    /// Nothing is read that may lack its last writes.
    Refuse,
    /// It is left out of account: its last writes may be lost, and every answer says so.
    Exclude,
}

impl LostSource {
    /// All of them.
    pub const ALL: [LostSource; 2] = [LostSource::Refuse, LostSource::Exclude];

    /// The word used in settings and answers.
    pub fn label(self) -> &'static str {
        match self {
            LostSource::Refuse => "refuse",
            LostSource::Exclude => "exclude",
        }
    }
}

/// What an operator can decide in the gauge's place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Forced {
    /// Read the local replica, however old.
    ReadLocal,
    /// Read each item in its home region.
    ReadHomeRegion,
    /// Read nothing.
    Refuse,
}

impl Forced {
    /// All of them.
    pub const ALL: [Forced; 3] = [Forced::ReadLocal, Forced::ReadHomeRegion, Forced::Refuse];

    /// The word used in settings.
    pub fn label(self) -> &'static str {
        match self {
            Forced::ReadLocal => "read_local",
            Forced::ReadHomeRegion => "read_home_region",
            Forced::Refuse => "refuse",
        }
    }
}

/// A decision of the operator's, for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Override {
    /// It.
    pub decision: Forced,
    /// From when on it counts no more.
    pub until: Wall,
    /// Why, in the operator's words; empty where they gave none.
    pub reason: Arc<str>,
}

/// What holds for reads of one store.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// What is read is to be younger than this; `None`: every question says so itself.
    pub max_staleness: Option<Span>,
    /// What that is held against.
    pub basis: Basis,
    /// For how long an answer is to hold.
    pub valid_for: Span,
    /// Once local reads were too old, they are advised again only below this; `None`: four fifths of the bound. At most
    /// `max_staleness`.
    pub return_below: Option<Span>,
    /// A decision becomes less cautious only when it could have been for so long without a break.
    pub min_dwell: Span,
    /// By which share of the bound, and of the dwell, this process acts earlier, or later, than another: `0.0..0.5`.
    pub jitter: f64,
    /// Where this process stands among the others, `0.0..1.0`; drawn once.
    pub spread: f64,
    /// How long an application may be told to wait.
    pub max_wait: Span,
    /// With which probability a write is to be visible after such a wait, `0.0..1.0`.
    pub confidence: f64,
    /// Whether applications carry the session tokens of their writes.
    pub session_tokens: bool,
    /// What becomes of the others when a source is lost.
    pub lost_source: LostSource,
    /// For how long nothing must have been heard of a source before it counts as lost.
    pub exclude_after: Span,
    /// What the operator decided, the first that has not expired counts.
    pub overrides: Arc<[Override]>,
}

impl Policy {
    /// Without a word of the operator's, for a store with heartbeats so often.
    pub fn of_interval(interval: Span) -> Policy {
        Policy {
            max_staleness: None,
            basis: Basis::Bound,
            valid_for: interval,
            return_below: None,
            min_dwell: Span::from_millis(10_000),
            jitter: 0.1,
            spread: 0.0,
            max_wait: Span::ZERO,
            confidence: 0.99,
            session_tokens: false,
            lost_source: LostSource::Refuse,
            exclude_after: Span::from_millis(300_000),
            overrides: Arc::default(),
        }
    }

    /// The override that counts at present, by its place.
    pub fn overriding(&self, now: Wall) -> Option<usize> {
        self.overrides.iter().position(|one| now < one.until)
    }

    /// Local reads are left alone above this: a little below the bound, not the same for all, so that cells do not move at
    /// once, and none too late.
    pub(super) fn answers_within(&self, bound: Span) -> Span {
        bound.mul_f64(1.0 - self.jitter * self.spread)
    }

    /// Above this at a look they are left alone from then on.
    pub(super) fn leaves_above(&self, bound: Span) -> Span {
        self.answers_within(bound) - AHEAD
    }

    /// Local reads are taken up again below this.
    pub(super) fn returns_below(&self, bound: Span) -> Span {
        let usual = bound.mul_f64(RETURN_SHARE);
        self.return_below.unwrap_or(usual).min(self.leaves_above(bound))
    }

    /// How long a decision could have been less cautious before it is.
    pub(super) fn dwells(&self) -> Span {
        self.min_dwell.mul_f64(1.0 + self.jitter * self.spread)
    }
}
