//! What everybody else gets to see of a ledger: immutable, cheap to clone, and computed further at the time of asking.

use std::sync::Arc;

use super::companions::Companions;
use super::count::{OwnCounters, RegionCounters};
use super::inspection::Inspection;
use super::merge::ProviderFacts;
use super::model::{Plan, Reason, RegionId, Slot};
use super::offset::Offset;
use super::pair::Histogram;
use super::recent::Recent;
use super::reign::Reign;
use super::sample::Bracket;
use super::time::{Mono, Now, Span};
use super::track::Watermark;
use super::window::{Curves, Summary};
use super::writing::Writing;

/// One store, all pairs.
#[derive(Clone, Debug)]
pub struct StoreSnapshot {
    /// What is being measured.
    pub plan: Arc<Plan>,
    /// When this was taken.
    pub taken: Now,
    /// Every region pair, by source and then by target.
    pub pairs: Vec<PairSnapshot>,
    /// Who writes each region's heartbeat, in the plan's order; `None` where this process neither writes nor stands by.
    pub seats: Vec<Option<Seat>>,
    /// What becomes of the heartbeats that this process writes there, likewise.
    pub writings: Vec<Option<Writing>>,
    /// What the store last said of itself in each region, in the plan's order.
    pub looks: Vec<Look>,
    /// Every region's counters, in the plan's order.
    pub regions: Vec<RegionCounters>,
    /// The gauge's own counters.
    pub own: OwnCounters,
}

impl StoreSnapshot {
    /// A region's name.
    pub fn region(&self, region: RegionId) -> &Arc<str> {
        &self.plan.regions[region.index()]
    }

    /// The pair from one region to another, where it is measured.
    pub fn pair(&self, source: RegionId, target: RegionId) -> Option<&PairSnapshot> {
        let place = self.pairs.binary_search_by_key(&(source, target), |pair| (pair.source, pair.target));
        place.ok().map(|place| &self.pairs[place])
    }
}

/// What a region last said of the store.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// It.
    pub inspection: Arc<Inspection>,
    /// When it was said.
    pub at: Mono,
}

/// What is known of the store itself as one region shows it.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What it last said; `None`: it never was asked, or never answered.
    pub newest: Option<Inspected>,
    /// Why the last look failed, if it did.
    pub failing: Option<Reason>,
    /// Whether the provider's endpoint there answered last; `None`: it was not asked yet.
    pub provider: Option<Result<(), Reason>>,
    /// This host's clock − that of the region's servers, at least and at most, by the dates in their answers.
    pub clock: Option<(Span, Span)>,
}

/// Who writes a source's heartbeat, as far as this process knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seat {
    /// Not known yet: the key has not been read.
    Unread,
    /// About to be ours.
    Taking,
    /// Another process.
    Held,
    /// A newer release's process.
    Newer,
    /// This process.
    Ours,
}

impl Seat {
    /// What a reign comes to.
    pub fn of(reign: &Reign) -> Seat {
        match reign {
            Reign::Unread => Seat::Unread,
            Reign::Vacant { .. } | Reign::Rubbish => Seat::Taking,
            Reign::Held { .. } => Seat::Held,
            Reign::Newer => Seat::Newer,
            Reign::Ours { .. } => Seat::Ours,
        }
    }

    /// Whether this process writes, or may be the only one that could: where a region does not answer, nobody can find out
    /// whether somebody else writes there.
    pub fn may_be_ours(self) -> bool {
        matches!(self, Seat::Ours | Seat::Unread | Seat::Taking)
    }
}

/// On how many clocks a pair is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measured {
    /// This process writes the source, or is about to, and reads the target.
    OneClock,
    /// Another process writes the source.
    TwoClocks,
}

impl Measured {
    /// Both.
    pub const ALL: [Measured; 2] = [Measured::OneClock, Measured::TwoClocks];

    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        match self {
            Measured::OneClock => "one",
            Measured::TwoClocks => "two",
        }
    }
}

/// Whether calls of one kind work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// When one was last answered.
    pub answered_at: Option<Mono>,
    /// Why the last one failed, if it did.
    pub failing: Option<Reason>,
    /// When the last but one throttled answer came: one alone is no finding.
    pub throttled_twice_since: Option<Mono>,
}

/// The facts about one slot of one pair. Ages are not in here: they are computed when somebody asks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SlotFacts {
    /// Which slot.
    pub slot: Slot,
    /// The newest heartbeat visible.
    pub watermark: Option<Watermark>,
    /// When that was written, on this process's monotonic clock and at the earliest; `None` where the difference of the
    /// clocks is not bounded, or this host's was set back since.
    pub written: Option<Mono>,
    /// When a read of it was last answered.
    pub answered_at: Option<Mono>,
    /// When the oldest acknowledged heartbeat that is not visible was written.
    pub oldest_unseen: Option<Mono>,
    /// That it may be older than that.
    pub age_unknown: bool,
    /// Since when the target has not moved, though something is there to be seen.
    pub unmoved_since: Option<Mono>,
    /// Since when nothing new has become visible.
    pub still_since: Option<Mono>,
    /// When the source's own replica last answered whether it went on.
    pub source_looked_at: Option<Mono>,
    /// When somebody last told of a heartbeat, newer than what is visible here, that was not known of before.
    pub told_of_at: Option<Mono>,
    /// The upper end of the newest heartbeat's sample.
    pub newest_upper: Option<Span>,
    /// The last read found a format that this build cannot read.
    pub newer_format: bool,
}

/// One region pair.
#[derive(Clone, Debug)]
pub struct PairSnapshot {
    /// Where the heartbeats are written.
    pub source: RegionId,
    /// Where they are read.
    pub target: RegionId,
    /// Since when this process has been at it.
    pub watching_since: Mono,
    /// Who writes the source's heartbeat.
    pub seat: Seat,
    /// Writes at the source.
    pub writes: Health,
    /// Reads at the target.
    pub reads: Health,
    /// Reads of the source's own key, which come before its first write.
    pub source_reads: Health,
    /// On how many clocks it is measured.
    pub clock: Measured,
    /// The clock here − the writer's.
    pub offset: Offset,
    /// Every slot's facts.
    pub slots: Arc<[SlotFacts]>,
    /// The bracket made last.
    pub newest: Option<Bracket>,
    /// Samples by midpoint.
    pub histogram: Histogram,
    /// Samples too wide to be a point.
    pub wide: u64,
    /// Quantiles, at most a second old when taken.
    pub summary: Arc<Summary>,
    /// How soon writes were visible in the last ten minutes and in the last hour, at most a second old when taken.
    pub visibility: Arc<Curves>,
    /// Recent samples, oldest first.
    pub recent: Recent,
    /// What the provider says of it; `None` where this process does not ask.
    pub provider: Option<Arc<ProviderFacts>>,
    /// What the provider says of the target beside that; `None` where this process does not ask, or nothing came yet.
    pub companions: Option<Arc<Companions>>,
}
