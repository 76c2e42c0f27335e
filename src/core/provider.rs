//! What a provider says of its own replication: the words for it. How it is weighed against the heartbeats is not decided
//! here.
//!
//! A provider counts in periods of its own clock and publishes them late, corrects them for a while, and says nothing, or
//! 0, where nothing arrived: a reading of 0 is no lag of 0.

use super::model::{Reason, RegionId};
use super::time::{Span, Wall};

/// How a provider sums up a period.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Statistic {
    /// The mean.
    Average,
    /// The largest.
    Maximum,
    /// The 99th percentile.
    P99,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Statistic; 3] = [Statistic::Average, Statistic::Maximum, Statistic::P99];

    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        match self {
            Statistic::Average => "average",
            Statistic::Maximum => "maximum",
            Statistic::P99 => "p99",
        }
    }
}

/// What a reading is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Series {
    /// How late writes of `source` arrived at `target`, in seconds.
    Lag {
        /// Where they were written.
        source: RegionId,
        /// Where they arrived.
        target: RegionId,
        /// How the period is summed up.
        statistic: Statistic,
    },
    /// Capacity units that writes of other regions took in this one: a sign, independent of ours, that replication flows.
    ReplicatedWrites(RegionId),
    /// Writes that this region throttled.
    ThrottledWrites(RegionId),
    /// Reads that this region throttled.
    ThrottledReads(RegionId),
}

/// One value of one period.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reading {
    /// Of what.
    pub series: Series,
    /// When the period began, by the provider's clock.
    pub begin: Wall,
    /// How long it was.
    pub period: Span,
    /// The value: finite, not below 0, in the unit of its series.
    pub value: f64,
}

/// What one region's endpoint of a provider is to be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Which endpoint.
    pub region: RegionId,
    /// How late writes of `region` arrive at these.
    pub targets: Vec<RegionId>,
    /// Also the region's own throttling, and what replication wrote into it.
    pub companions: bool,
    /// The length of the periods of lag; companions come by the minute.
    pub period: Span,
    /// The first moment that is asked for, a whole number of periods since 1970.
    pub begin: Wall,
    /// The first that is not.
    pub end: Wall,
}

/// Whether and how a provider is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Polling {
    /// Time between two questions to one region.
    pub every: Span,
    /// The length of the periods of lag, whole minutes.
    pub period: Span,
    /// A period counts as published once it has been over for so long.
    pub delay: Span,
}

/// Why a question failed, in words for a person on call.
pub fn failing_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Throttled | Reason::QueueFull => "it throttles us",
        Reason::Denied => "access to it is denied",
        Reason::Credentials => "credentials are missing or have expired",
        Reason::NotFound => "it knows no such store",
        Reason::Timeout => "no answer within the deadline",
        Reason::Connect => "no connection",
        Reason::Dns => "its name does not resolve",
        Reason::Unavailable => "it is out of service",
        Reason::ReadOnly | Reason::OtherRegion | Reason::Other => "it answered with an error",
    }
}
