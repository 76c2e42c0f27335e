//! The links between the regions: each carries every committed write of its source to its target after a sampled lag,
//! and can be stopped, slowed, or made to hold one partition key back.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::MutexGuard;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inject::{CatchUp, Lag};
use super::time::Bracket;
use super::truth::HeartbeatId;

/// Versions that one stopped link keeps; the oldest gives way, which folds it into a later one.
const WAITING_MAX: usize = 100_000;

/// A committed write, on its way to the other regions.
#[derive(Clone, Debug)]
pub struct Version<C> {
    /// Last writer wins by this; it counts commits over all regions.
    pub(super) order: u64,
    /// Table or container, and the item's whole key, in one text.
    pub(super) identity: String,
    /// The partition key's text, for links that hold it back.
    pub(super) partition: String,
    /// What is to be done at the target.
    pub(super) change: C,
    pub(super) heartbeat: Option<HeartbeatId>,
    pub(super) committed: Bracket,
}

/// One region's data, as a link sees it.
pub trait Target: Send + Sync + 'static {
    /// What a write changed, in the store's own terms.
    type Change: Clone + Send + Sync + 'static;

    /// Takes a replicated write, unless a newer one is there, and notes in the truth log that it is visible.
    fn apply(self: Arc<Self>, version: Version<Self::Change>) -> impl Future<Output = ()> + Send;
}

/// One directed link.
pub struct Link<C> {
    /// Index of the source region.
    pub(super) source: usize,
    /// Index of the target region.
    pub(super) target: usize,
    lag: Mutex<(Lag, StdRng)>,
    /// Held while a version is applied: once `pause` has returned, nothing arrives any more.
    gate: tokio::sync::Mutex<Gate<C>>,
}

struct Gate<C> {
    paused: bool,
    held_partitions: BTreeSet<String>,
    /// Due, and stopped by the pause, by a held partition key, or by a target that is down.
    waiting: Vec<Version<C>>,
}

impl<C> Gate<C> {
    fn lets_through(&self, version: &Version<C>, target_is_down: bool) -> bool {
        !self.paused && !target_is_down && !self.held_partitions.contains(&version.partition)
    }

    fn wait(&mut self, version: Version<C>) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.remove(0);
        }
        self.waiting.push(version);
    }
}

impl<C: Clone + Send + Sync + 'static> Link<C> {
    pub(super) fn new(source: usize, target: usize, lag: Lag, seed: u64) -> Link<C> {
        let gate = Gate { paused: false, held_partitions: BTreeSet::new(), waiting: Vec::new() };
        Link {
            source,
            target,
            lag: Mutex::new((lag, StdRng::seed_from_u64(seed))),
            gate: tokio::sync::Mutex::new(gate),
        }
    }

    pub(super) fn set_lag(&self, lag: Lag) {
        self.lag.lock().expect("no thread died while it sampled").0 = lag;
    }

    /// The lag of the next write.
    pub(super) fn sample(&self) -> Duration {
        let mut state = self.lag.lock().expect("no thread died while it sampled");
        let (lag, rng) = &mut *state;
        lag.sample(rng)
    }

    /// Stops the link. What is under way waits at the target's door.
    pub(super) async fn pause(&self) {
        self.gate.lock().await.paused = true;
    }

    pub(super) async fn resume<T: Target<Change = C>>(&self, end: &End<T>, catch_up: CatchUp) {
        let mut gate = self.gate.lock().await;
        gate.paused = false;
        deliver_waiting(&mut gate, end, catch_up).await;
    }

    pub(super) async fn hold_partition(&self, partition: &str) {
        self.gate.lock().await.held_partitions.insert(partition.to_owned());
    }

    pub(super) async fn release_partition<T: Target<Change = C>>(&self, partition: &str, end: &End<T>) {
        let mut gate = self.gate.lock().await;
        gate.held_partitions.remove(partition);
        deliver_waiting(&mut gate, end, CatchUp::Everything).await;
    }

    /// The target is back: delivers what waited for it.
    pub(super) async fn target_is_back<T: Target<Change = C>>(&self, end: &End<T>) {
        deliver_waiting(&mut self.gate.lock().await, end, CatchUp::Everything).await;
    }

    /// A version whose lag is over.
    async fn arrive<T: Target<Change = C>>(&self, version: Version<C>, end: &End<T>) {
        let mut gate = self.gate.lock().await;
        if gate.lets_through(&version, end.is_down()) {
            end.apply(version).await;
        } else {
            gate.wait(version);
        }
    }

    /// How many versions wait.
    pub(super) async fn waiting(&self) -> usize {
        self.gate.lock().await.waiting.len()
    }
}

/// The target's side of a link.
pub struct End<T> {
    replica: Arc<T>,
    down: AtomicBool,
}

impl<T: Target> End<T> {
    pub(super) fn new(replica: Arc<T>) -> End<T> {
        End { replica, down: AtomicBool::new(false) }
    }

    /// Says whether the target is out of reach, also for replication.
    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    async fn apply(&self, version: Version<T::Change>) {
        Arc::clone(&self.replica).apply(version).await;
    }
}

/// A link, and where it ends.
type Ended<T> = (Arc<Link<<T as Target>::Change>>, Arc<End<T>>);

/// The links that start in a region.
pub(super) struct Outgoing<T: Target> {
    pub(super) links: Vec<Ended<T>>,
    pub(super) tasks: TaskTracker,
    pub(super) cancel: CancellationToken,
}

impl<T: Target> Outgoing<T> {
    /// Sends a committed write on its way to every other region; each takes its own time.
    pub(super) fn send(&self, version: &Version<T::Change>) {
        for (link, end) in &self.links {
            // Counted from the commit, not from here.
            let due = tokio::time::Instant::from_std(version.committed.after.instant + link.sample());
            let (link, end, version, cancel) =
                (Arc::clone(link), Arc::clone(end), version.clone(), self.cancel.clone());
            self.tasks.spawn(async move {
                let arrival = async {
                    tokio::time::sleep_until(due).await;
                    link.arrive(version, &end).await;
                };
                cancel.run_until_cancelled(arrival).await;
            });
        }
    }
}

async fn deliver_waiting<C, T>(gate: &mut MutexGuard<'_, Gate<C>>, end: &End<T>, catch_up: CatchUp)
where
    C: Clone + Send + Sync + 'static,
    T: Target<Change = C>,
{
    let is_down = end.is_down();
    let waiting = std::mem::take(&mut gate.waiting);
    let (mut free, still): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|version| gate.lets_through(version, is_down));
    gate.waiting = still;
    // They waited in the order of their lags; last writer wins would fold those that their successors overtook.
    free.sort_by_key(|version| version.order);
    if catch_up == CatchUp::NewestPerItem {
        let newest: HashMap<_, _> = free.iter().map(|version| (version.identity.clone(), version.order)).collect();
        free.retain(|version| newest.get(&version.identity) == Some(&version.order));
    }
    for version in free {
        end.apply(version).await;
    }
}
