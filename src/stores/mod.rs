//! The seam behind which each kind of store lives: write one heartbeat, read one slot.
//!
//! A store does no timing, no retrying and no scheduling of its own: a hidden retry is hidden lag. The driver puts
//! a deadline on each call and takes the readings around it. Adding a kind is one folder here, a variant in the
//! settings and an arm in `app.rs`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::core::advice::Remedies;
use crate::core::heartbeat::Found;
use crate::core::inspection::Inspection;
use crate::core::model::{Beat, Consistency, Failure, Reason, RegionId, Slot, SlotRead, Write, WriteOutcome};
use crate::core::time::Wall;

#[cfg(feature = "cosmos")]
pub mod cosmos;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod simulated;
pub mod text;

/// How long a call may take that measures nothing: looking at a store, asking a provider, what a person asked for.
pub const PATIENT_DEADLINE: Duration = Duration::from_secs(10);

/// An answer, and what it cost.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer<T> {
    /// The answer itself.
    pub outcome: T,
    /// Capacity units (or RU) that the call consumed, 0 where the store does not say.
    pub capacity_units: f64,
    /// The server's clock at some moment of the call, cut to whole seconds, where the store says.
    pub server_date: Option<Wall>,
}

impl<T> Answer<T> {
    /// An answer of which no cost is known.
    pub fn free(outcome: T) -> Answer<T> {
        Answer { outcome, capacity_units: 0.0, server_date: None }
    }
}

/// One replicated data store, as the driver sees it. Calls may be dropped at any await: a deadline does that.
pub trait Store: Send + Sync + 'static {
    /// Writes one heartbeat in its source region, on its condition.
    fn write(&self, write: Write) -> impl Future<Output = Answer<WriteOutcome>> + Send;

    /// Reads every source's heartbeat of one slot from one target replica.
    fn read(
        &self,
        target: RegionId,
        slot: Slot,
        consistency: Consistency,
    ) -> impl Future<Output = Answer<Result<SlotRead, Failure>>> + Send;

    /// The regions by their ids, as far as they are known.
    fn known_regions(&self) -> Vec<Arc<str>>;

    /// The regions by their ids, where they have become more: said before the first call to a new one.
    fn follow(&self, _regions: &[Arc<str>]) {}

    /// What helps against a replica that is too old, by what the store last said of itself; `None`: it has not said
    /// anything yet, or is not asked.
    fn remedies(_told: Option<&Inspection>) -> Remedies
    where
        Self: Sized,
    {
        Remedies::NONE
    }

    /// What the store says of itself, as one region shows it.
    fn inspect(&self, _region: RegionId) -> impl Future<Output = Answer<Result<Inspection, Failure>>> + Send {
        async {
            let message = "this kind of store says nothing of itself".to_owned();
            Answer::free(Err(Failure { reason: Reason::Other, message }))
        }
    }
}

/// What `tidegauge check` needs beside what a gauge does.
pub trait Check: Store {
    /// Writes a key that is nobody's heartbeat, to see whether that is permitted. `now` goes into it.
    fn try_write(&self, region: RegionId, now: Wall) -> impl Future<Output = Answer<Result<(), Failure>>> + Send;

    /// What a reader of the findings should know of such a store, by what it is about: what a conflict comes to, and what
    /// cannot be seen from outside. `told` is what some region says of it.
    fn remarks(&self, told: Option<&Inspection>, slots: Slot) -> Vec<(&'static str, String)>;

    /// What holds the heartbeats, in a word: `table`, `container`.
    fn holder(&self) -> &'static str;
}

/// What retiring a source takes: for `tidegauge forget`, never while measuring.
pub trait Forget: Send + Sync {
    /// What a replica holds under the key of a source, which need not be one of the store's regions any more.
    fn look(
        &self,
        replica: RegionId,
        source: &Arc<str>,
        slot: Slot,
    ) -> impl Future<Output = Result<Option<Found>, Failure>> + Send;

    /// Removes that heartbeat, unless it has moved since it was seen: then it answers `false`.
    fn remove(
        &self,
        replica: RegionId,
        source: &Arc<str>,
        slot: Slot,
        seen: Beat,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Removes what `tidegauge check` wrote in that source's region, if it did.
    fn sweep(&self, replica: RegionId, source: &Arc<str>) -> impl Future<Output = Result<(), Failure>> + Send;
}
