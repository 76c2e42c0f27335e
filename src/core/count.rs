//! What the ledger counts about its calls, per region and for itself. Counters only ever grow.

use super::model::Reason;
use super::time::Span;

/// The kinds of call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// A heartbeat written.
    Write,
    /// A slot read.
    Read,
    /// The store itself looked at.
    Inspect,
    /// The provider asked.
    Ask,
}

impl Operation {
    /// All, in the order of their index.
    pub const ALL: [Operation; 4] = [Operation::Write, Operation::Read, Operation::Inspect, Operation::Ask];

    /// Whether lags are measured by calls of this kind.
    pub fn measures(self) -> bool {
        matches!(self, Operation::Write | Operation::Read)
    }

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Operation::Write => "write",
            Operation::Read => "read",
            Operation::Inspect => "inspect",
            Operation::Ask => "ask",
        }
    }
}

/// What came of a heartbeat that was due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeartbeatResult {
    /// Committed.
    Acknowledged,
    /// The fence refused it.
    Refused,
    /// It certainly was not committed.
    Failed,
    /// No answer: it may have been committed.
    Unanswered,
    /// Not sent: the one before was still in flight, the tick was late, or failures are being backed off from.
    Missed,
}

impl HeartbeatResult {
    /// All, in the order of their index.
    pub const ALL: [HeartbeatResult; 5] = [
        HeartbeatResult::Acknowledged,
        HeartbeatResult::Refused,
        HeartbeatResult::Failed,
        HeartbeatResult::Unanswered,
        HeartbeatResult::Missed,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            HeartbeatResult::Acknowledged => "acknowledged",
            HeartbeatResult::Refused => "refused",
            HeartbeatResult::Failed => "failed",
            HeartbeatResult::Unanswered => "unanswered",
            HeartbeatResult::Missed => "missed",
        }
    }
}

/// Why something under a heartbeat's key was left out of account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ignored {
    /// Not a heartbeat.
    Malformed,
    /// Its run or its time is more than a day ahead of the clock.
    Future,
    /// It claims a run, or a place in our own run, that the source never wrote.
    Foreign,
    /// A newer format.
    NewerFormat,
    /// It belongs to no configured source.
    UnknownSource,
}

impl Ignored {
    /// All, in the order of their index.
    pub const ALL: [Ignored; 5] =
        [Ignored::Malformed, Ignored::Future, Ignored::Foreign, Ignored::NewerFormat, Ignored::UnknownSource];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Ignored::Malformed => "malformed",
            Ignored::Future => "future",
            Ignored::Foreign => "foreign",
            Ignored::NewerFormat => "newer_format",
            Ignored::UnknownSource => "unknown_source",
        }
    }
}

/// Durations in fixed buckets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Durations<const N: usize> {
    /// Upper ends of the buckets, in seconds.
    pub ends: &'static [f64; N],
    /// Counts per bucket, not cumulated.
    pub buckets: [u64; N],
    /// All.
    pub count: u64,
    /// Sum, in seconds.
    pub sum: f64,
}

impl<const N: usize> Durations<N> {
    /// Nothing counted yet.
    pub const fn new(ends: &'static [f64; N]) -> Self {
        Durations { ends, buckets: [0; N], count: 0, sum: 0.0 }
    }

    /// Counts one.
    pub fn add(&mut self, duration: Span) {
        let seconds = duration.as_secs_f64();
        if let Some(bucket) = self.ends.iter().position(|end| seconds <= *end) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// Upper ends for a call's duration.
pub const REQUEST_ENDS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// Upper ends for how late the schedule ran.
pub const JITTER_ENDS: [f64; 9] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

/// Counters of one region of one store.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RegionCounters {
    /// By [`HeartbeatResult`].
    pub heartbeats: [u64; HeartbeatResult::ALL.len()],
    /// Reads that were answered.
    pub reads_answered: u64,
    /// Reads that were not.
    pub reads_failed: u64,
    /// By [`Operation`], then by [`Reason`].
    pub errors: [[u64; Reason::ALL.len()]; Operation::ALL.len()],
    /// By [`Ignored`].
    pub ignored: [u64; Ignored::ALL.len()],
    /// By [`Operation`].
    pub requests: [Durations<{ REQUEST_ENDS.len() }>; Operation::ALL.len()],
    /// Capacity units or RU, by [`Operation`].
    pub capacity_units: [f64; Operation::ALL.len()],
}

impl Default for RegionCounters {
    fn default() -> Self {
        RegionCounters {
            heartbeats: [0; HeartbeatResult::ALL.len()],
            reads_answered: 0,
            reads_failed: 0,
            errors: [[0; Reason::ALL.len()]; Operation::ALL.len()],
            ignored: [0; Ignored::ALL.len()],
            requests: [Durations::new(&REQUEST_ENDS); Operation::ALL.len()],
            capacity_units: [0.0; Operation::ALL.len()],
        }
    }
}

impl RegionCounters {
    /// Whether calls of this kind are to be told of. What a store's plan never does is left out.
    pub fn is_told(&self, operation: Operation) -> bool {
        self.requests[operation as usize].count > 0 || operation.measures()
    }
}

/// Counters of the gauge's own working, per store.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OwnCounters {
    /// Ticks that were not written.
    pub missed_ticks: u64,
    /// How late ticks and polls left.
    pub jitter: Durations<{ JITTER_ENDS.len() }>,
    /// Heartbeats that went unmeasured: too many outstanding, or what became of the write could not be learned.
    pub dropped_heartbeats: u64,
    /// Polls left out because four were in flight.
    pub dropped_polls: u64,
    /// How often this process's wall clock was set.
    pub clock_steps: u64,
    /// How often proofs about another clock contradicted each other: a clock stepped.
    pub void_proofs: u64,
    /// How often what is said of a clock did not fit what is proven of it.
    pub clock_conflicts: u64,
}

impl Default for OwnCounters {
    fn default() -> Self {
        OwnCounters {
            missed_ticks: 0,
            jitter: Durations::new(&JITTER_ENDS),
            dropped_heartbeats: 0,
            dropped_polls: 0,
            clock_steps: 0,
            void_proofs: 0,
            clock_conflicts: 0,
        }
    }
}
