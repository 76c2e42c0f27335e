//! What becomes of the heartbeats that this process writes. No pair's state tells: a gauge of one region does not read its
//! own back, and where it cannot write it is others who miss them.

use super::assess::{is_throttled, write_patience};
use super::model::{Plan, Reason, RegionId};
use super::snapshot::{Seat, StoreSnapshot};
use super::time::{Mono, Span};

/// Calls that have not worked since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failing {
    /// Why the last one did not.
    pub reason: Reason,
    /// When the first one of them was answered, or given up.
    pub since: Mono,
}

/// The facts about one region in which this process writes, or stands by to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Writing {
    /// Who writes there.
    pub seat: Seat,
    /// Since when that is so.
    pub seat_since: Mono,
    /// When the last heartbeat of this process's was acknowledged, in the slot where that is longest ago; `None`: not yet
    /// in every slot.
    pub acknowledged_at: Option<Mono>,
    /// Why the last write failed, or the read without which there is none, in the slot where they fail longest.
    pub failing: Option<Failing>,
    /// When the last but one throttled answer to a write came: one alone is no finding.
    pub throttled_twice_since: Option<Mono>,
}

/// How it stands with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Who writes is not known yet, or the first heartbeat is under way.
    Begins,
    /// Another process writes.
    StandsBy,
    /// A process of a newer release writes.
    Newer,
    /// This process writes.
    Writes,
    /// This process writes, and is throttled.
    Throttled,
    /// It is for this process to write, and nothing is acknowledged.
    Fails,
}

impl Standing {
    /// All of them.
    pub const ALL: [Standing; 6] =
        [Standing::Begins, Standing::StandsBy, Standing::Newer, Standing::Writes, Standing::Throttled, Standing::Fails];

    /// The word used in answers.
    pub fn label(self) -> &'static str {
        match self {
            Standing::Begins => "begins",
            Standing::StandsBy => "stands_by",
            Standing::Newer => "newer",
            Standing::Writes => "writes",
            Standing::Throttled => "throttled",
            Standing::Fails => "fails",
        }
    }

    /// Whether somebody has to see to it. That another process writes is as it should be.
    pub fn is_trouble(self) -> bool {
        matches!(self, Standing::Throttled | Standing::Fails)
    }
}

impl Writing {
    /// How it stands at `now`: by what a pair's state goes by where the same heartbeats are read back.
    pub fn standing(&self, plan: &Plan, now: Mono) -> Standing {
        let is_throttled = is_throttled(self.throttled_twice_since, plan, now);
        match self.seat {
            Seat::Held => Standing::StandsBy,
            Seat::Newer => Standing::Newer,
            // Nobody else is waited for by then.
            _ if now - self.owed_since() > write_patience(plan) => Standing::Fails,
            _ if is_throttled => Standing::Throttled,
            Seat::Ours if self.acknowledged_at.is_some() => Standing::Writes,
            Seat::Ours | Seat::Unread | Seat::Taking => Standing::Begins,
        }
    }

    /// For how long nothing has been acknowledged though it should have been: since the first failure, else since the last
    /// acknowledgement, or since it has been for this process to write.
    pub fn failing_for(&self, now: Mono) -> Span {
        now - self.failing.map_or(self.owed_since(), |failing| failing.since)
    }

    fn owed_since(&self) -> Mono {
        self.acknowledged_at.map_or(self.seat_since, |at| at.max(self.seat_since))
    }
}

/// Where a store's heartbeats are written by this process or could be, and how it stands with them.
pub fn standings(store: &StoreSnapshot, now: Mono) -> impl Iterator<Item = (RegionId, &Writing, Standing)> {
    store.plan.region_ids().filter_map(move |region| {
        let writing = store.writings.get(region.index())?.as_ref()?;
        Some((region, writing, writing.standing(&store.plan, now)))
    })
}
