//! The nouns: regions, slots, heartbeats' identities, what a store was asked and what it answered.
//!
//! A [`RegionId`] is an index into the regions of one store, in the order of the settings. Names are for people.

use std::fmt;
use std::sync::Arc;

use super::advice::Remedies;
pub use super::failure::{Failure, Reason};
use super::heartbeat::{Found, Heartbeat};
use super::inspection::Inspection;
use super::provider::{Polling, Question, Reading};
use super::time::{Mono, Span, Wall};

/// A region of one store: its index in [`Plan::regions`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegionId(pub u16);

impl RegionId {
    /// As an index into anything that is kept per region.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of the regions of one store.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct RegionSet(u64);

impl RegionSet {
    /// Regions that can be told apart, and so that a store may have had in the life of one process.
    pub const REGIONS_MAX: usize = 64;

    /// Adds one.
    pub fn insert(&mut self, region: RegionId) {
        self.0 |= 1 << region.0;
    }

    /// Takes one out.
    pub fn remove(&mut self, region: RegionId) {
        self.0 &= !(1 << region.0);
    }

    /// Whether it is in there.
    pub fn contains(self, region: RegionId) -> bool {
        self.0 & (1 << region.0) != 0
    }
}

impl fmt::Debug for RegionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..64).map(RegionId).filter(|region| self.contains(*region))).finish()
    }
}

/// One of the K heartbeat keys of a source, counted from 0.
pub type Slot = u16;

/// Which heartbeat: the reign it belongs to and its tick's number in it. Heartbeats are ordered by (run, seq).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Beat {
    /// One uninterrupted reign of one writer on one clock.
    pub run: u64,
    /// The number of the tick in that run; missed ticks leave gaps.
    pub seq: u64,
}

/// 128 random bits that name one writer: a process, for as long as it measures a store without a break.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriterId(pub u128);

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where the heartbeats live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// In the application's own table: samples its own partitions.
    Inline,
    /// In a table of their own beside it: shows the link, not the application table's backlog.
    Companion,
}

impl Placement {
    /// Both.
    pub const ALL: [Placement; 2] = [Placement::Inline, Placement::Companion];

    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        match self {
            Placement::Inline => "inline",
            Placement::Companion => "companion",
        }
    }
}

/// How heartbeats are read back within the target region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consistency {
    /// Strongly consistent within the region: isolates the replication between regions.
    Strong,
    /// What an eventual reader sees; the bracket then guarantees `upper ≥ first`, `lower ≤ last` replica to show it.
    Eventual,
}

impl Consistency {
    /// Both.
    pub const ALL: [Consistency; 2] = [Consistency::Strong, Consistency::Eventual];

    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        match self {
            Consistency::Strong => "strong",
            Consistency::Eventual => "eventual",
        }
    }
}

/// How reads are placed in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadSchedule {
    /// Densest where arrivals are expected, as learned from the samples.
    Adaptive,
    /// Evenly spaced.
    Fixed,
}

/// What one ledger is to measure: one store, as settings and topology say.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The operator's name of the store.
    pub store: Arc<str>,
    /// What kind of store it is, for people: `dynamodb`, `simulated`, …
    pub kind: &'static str,
    /// All regions that there are or were; every ordered pair of two of them that are not retired is a region pair.
    pub regions: Vec<Arc<str>>,
    /// Those that the store has no longer. A place, once given, is kept: calls under way go by it.
    pub retired: RegionSet,
    /// Time between two heartbeats of a source.
    pub interval: Span,
    /// Heartbeat keys per source, at least 1.
    pub slots: Slot,
    /// Budget: polls per target replica and interval, on average.
    pub reads_per_interval: u32,
    /// How the reads are placed.
    pub read_schedule: ReadSchedule,
    /// How they are answered.
    pub consistency: Consistency,
    /// Whether the settings themselves ask for strong reads, rather than by default.
    pub asks_for_strong: bool,
    /// Where the heartbeats live.
    pub placement: Placement,
    /// The region that this process is local to; `None`: it is a central prober.
    pub local: Option<RegionId>,
    /// Whether the replicas of other regions are polled as well.
    pub remote_reads: bool,
    /// Never writes, and looks at its local replica alone.
    pub observer: bool,
    /// No host's wall clock is off by more than this, says the operator.
    pub clock_max_error: Option<Span>,
    /// No two of the provider's servers differ by more than this; `None`: the dates in their answers are not used.
    pub provider_clock_error: Option<Span>,
    /// Whether and how the provider is asked what it says of the replication.
    pub polling: Option<Polling>,
    /// Time between two looks at the store itself; `None`: it is not looked at.
    pub inspect_every: Option<Span>,
    /// Whether the regions are those that the store itself names, beside the first of these.
    pub follows_replicas: bool,
    /// Current lag above this is `lagging`.
    pub warn_lag: Span,
    /// What helps against a replica that is too old, by what the store last said of itself.
    pub remedies: fn(Option<&Inspection>) -> Remedies,
    /// Who this is, as a writer.
    pub writer: WriterId,
    /// This host's boot id: heartbeats that carry it were timed by this host's clock.
    pub host: Arc<str>,
    /// Moves all ticks of this store within the interval, `0.0..1.0`, so that stores do not tick in step.
    pub phase: f64,
    /// Adds 0–2 intervals to a standby's patience (`0.0..1.0` of them), so that two do not take over in step.
    pub patience: f64,
}

impl Plan {
    /// A read's deadline: one interval, within 0.5–5 s.
    pub fn deadline(&self) -> Span {
        self.interval.clamp(Span::from_millis(500), Span::from_millis(5_000))
    }

    /// A write's deadline: nine tenths of a read's, so that one that hangs for an interval does not cost the next tick.
    pub fn write_deadline(&self) -> Span {
        self.deadline().mul_f64(0.9)
    }

    /// Whether this process writes, or stands by to write, a source's heartbeat.
    pub fn writes(&self, source: RegionId) -> bool {
        !self.observer && self.local.is_none_or(|local| local == source)
    }

    /// Whether a replica is polled all the time.
    pub fn polls(&self, target: RegionId) -> bool {
        self.local.is_none_or(|local| local == target || (self.remote_reads && !self.observer))
    }

    /// Whether this process measures a pair: from everywhere to its own region, and with remote reads from its own
    /// region to everywhere.
    pub fn covers(&self, source: RegionId, target: RegionId) -> bool {
        source != target && self.local.is_none_or(|local| target == local || (source == local && self.polls(target)))
    }

    /// Whether a source's heartbeat is read back anywhere by the process that writes it.
    pub fn measures(&self, source: RegionId) -> bool {
        self.region_ids().any(|target| self.covers(source, target))
    }

    /// All regions' ids, those of retired ones aside.
    pub fn region_ids(&self) -> impl DoubleEndedIterator<Item = RegionId> + use<> {
        let retired = self.retired;
        (0..self.regions.len() as u16).map(RegionId).filter(move |region| !retired.contains(*region))
    }
}

/// On what condition a heartbeat may be written: the fence between writers. It is decided on slot 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Our own earlier heartbeat is there: `run = mine AND writer = me AND seq < new`.
    Steady,
    /// Nothing is there, or exactly what was seen last (`None`: nothing was).
    Takeover {
        /// The heartbeat that must not have moved.
        seen: Option<Beat>,
    },
    /// Slots other than 0: nothing there, or an older run, or as in [`Expect::Steady`].
    Follow,
    /// What is there is no usable heartbeat: replace it on condition that it is as read just before. A usable one that
    /// has come instead refuses the write.
    ReplaceInvalid,
}

/// One heartbeat to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct Write {
    /// The region it is written in.
    pub source: RegionId,
    /// What to write; its `slot` and `source` are part of the key.
    pub heartbeat: Heartbeat,
    /// The fence.
    pub expect: Expect,
    /// Ask which heartbeat this one replaces: it tells whether an unanswered write had been committed.
    pub want_replaced: bool,
}

/// What came of a write.
#[derive(Clone, PartialEq, Debug)]
pub enum WriteOutcome {
    /// It was committed.
    Acknowledged {
        /// The heartbeat it replaced, where that was asked for and there was a valid one.
        replaced: Option<Beat>,
    },
    /// The condition did not hold.
    Refused {
        /// What is stored under the key; `None`: nothing.
        stored: Option<Found>,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// Whether it may have been committed all the same (no answer), or certainly was not (an error answer).
        maybe_committed: bool,
    },
}

/// What one read of one slot at one target replica found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SlotRead {
    /// At most one entry per source that has a key there.
    pub found: Vec<(RegionId, Found)>,
    /// Keys that belong to no configured source.
    pub unknown_sources: u32,
}

/// What the core wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Write a heartbeat.
    Write(Write),
    /// Read all sources' heartbeats of one slot at one replica.
    Read {
        /// The replica.
        target: RegionId,
        /// The slot.
        slot: Slot,
        /// How.
        consistency: Consistency,
    },
    /// Look at the store itself, as a region shows it.
    Inspect {
        /// The region.
        region: RegionId,
    },
    /// Ask the provider what it says of the replication.
    Ask(Question),
}

/// What happened: the answer to one [`Action`].
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Read just before the call left.
    pub sent: Mono,
    /// Read just after the answer was in hand.
    pub received: Mono,
    /// Capacity units (or RU) that the call consumed, where the store says.
    pub capacity_units: f64,
    /// The server's clock at some moment of the call, cut to whole seconds, where the store says.
    pub server_date: Option<Wall>,
    /// Which call, and what came of it.
    pub kind: EventKind,
}

/// The calls and their answers.
#[derive(Clone, PartialEq, Debug)]
pub enum EventKind {
    /// Answers [`Action::Write`].
    Wrote {
        /// Where.
        source: RegionId,
        /// Which key.
        slot: Slot,
        /// Which heartbeat.
        beat: Beat,
        /// What came of it.
        outcome: WriteOutcome,
    },
    /// Answers [`Action::Read`].
    Read {
        /// The replica.
        target: RegionId,
        /// The slot.
        slot: Slot,
        /// How.
        consistency: Consistency,
        /// What was found, or why nothing could be.
        outcome: Result<SlotRead, Failure>,
    },
    /// Answers [`Action::Inspect`].
    Inspected {
        /// The region.
        region: RegionId,
        /// What it says, or why it says nothing.
        outcome: Result<Inspection, Failure>,
    },
    /// Answers [`Action::Ask`].
    Answered {
        /// The region whose endpoint was asked.
        region: RegionId,
        /// What it says, in any order, or why it says nothing.
        outcome: Result<Vec<Reading>, Failure>,
    },
}

impl EventKind {
    /// The region that was called.
    pub fn region(&self) -> RegionId {
        match self {
            EventKind::Wrote { source, .. } => *source,
            EventKind::Read { target, .. } => *target,
            EventKind::Inspected { region, .. } | EventKind::Answered { region, .. } => *region,
        }
    }
}
