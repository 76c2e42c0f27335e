//! The links between the regions: each carries every committed write of its source to its target after a sampled lag,
//! and can be stopped, slowed, or made to hold one partition key back. In order, no write overtakes another on its link.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
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
    road: Mutex<Road>,
    /// Held while a version is applied: once `pause` has returned, nothing arrives any more.
    gate: tokio::sync::Mutex<Gate<C>>,
}

/// What lies between a commit and the target's door.
struct Road {
    lag: Lag,
    rng: StdRng,
    /// Of a link in order: what has not come to the door yet. `None` where every key replicates by itself.
    under_way: Option<BTreeSet<u64>>,
}

struct Gate<C> {
    paused: bool,
    held_partitions: BTreeSet<String>,
    /// Due, and stopped: by the pause, by a held partition key, by a target that is down; on a link in order by a version
    /// before them, too.
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
    pub(super) fn new(source: usize, target: usize, lag: Lag, seed: u64, in_order: bool) -> Link<C> {
        let gate = Gate { paused: false, held_partitions: BTreeSet::new(), waiting: Vec::new() };
        let road = Road { lag, rng: StdRng::seed_from_u64(seed), under_way: in_order.then(BTreeSet::new) };
        Link { source, target, road: Mutex::new(road), gate: tokio::sync::Mutex::new(gate) }
    }

    pub(super) fn set_lag(&self, lag: Lag) {
        self.road().lag = lag;
    }

    /// A write sets out; its lag.
    fn depart(&self, order: u64) -> Duration {
        let mut road = self.road();
        let Road { lag, rng, under_way } = &mut *road;
        if let Some(under_way) = under_way {
            under_way.insert(order);
        }
        lag.sample(rng)
    }

    fn road(&self) -> std::sync::MutexGuard<'_, Road> {
        self.road.lock().expect("no thread died while it sampled")
    }

    /// Stops the link. What is under way waits at the target's door.
    pub(super) async fn pause(&self) {
        self.gate.lock().await.paused = true;
    }

    pub(super) async fn resume<T: Target<Change = C>>(&self, end: &End<T>, catch_up: CatchUp) {
        let mut gate = self.gate.lock().await;
        gate.paused = false;
        self.deliver_waiting(&mut gate, end, catch_up).await;
    }

    pub(super) async fn hold_partition(&self, partition: &str) {
        self.gate.lock().await.held_partitions.insert(partition.to_owned());
    }

    pub(super) async fn release_partition<T: Target<Change = C>>(&self, partition: &str, end: &End<T>) {
        let mut gate = self.gate.lock().await;
        gate.held_partitions.remove(partition);
        self.deliver_waiting(&mut gate, end, CatchUp::Everything).await;
    }

    /// The target is back: delivers what waited for it.
    pub(super) async fn target_is_back<T: Target<Change = C>>(&self, end: &End<T>) {
        self.deliver_waiting(&mut *self.gate.lock().await, end, CatchUp::Everything).await;
    }

    /// A version whose lag is over.
    async fn arrive<T: Target<Change = C>>(&self, version: Version<C>, end: &End<T>) {
        let mut gate = self.gate.lock().await;
        let in_order = self.road().under_way.as_mut().map(|under_way| under_way.remove(&version.order)).is_some();
        if in_order {
            gate.wait(version);
            self.deliver_waiting(&mut gate, end, CatchUp::Everything).await;
        } else if gate.lets_through(&version, end.is_down()) {
            end.apply(version).await;
        } else {
            gate.wait(version);
        }
    }

    /// How many versions wait.
    pub(super) async fn waiting(&self) -> usize {
        self.gate.lock().await.waiting.len()
    }

    /// Delivers what waits and no longer has to, in the order of the commits.
    async fn deliver_waiting<T: Target<Change = C>>(&self, gate: &mut Gate<C>, end: &End<T>, catch_up: CatchUp) {
        let is_down = end.is_down();
        let (in_order, next) = match &self.road().under_way {
            Some(under_way) => (true, under_way.first().copied()),
            None => (false, None),
        };
        let mut waiting = std::mem::take(&mut gate.waiting);
        // They waited in the order of their lags; last writer wins would fold those that their successors overtook.
        waiting.sort_by_key(|version| version.order);
        let mut free = Vec::new();
        for version in waiting {
            let is_overtaking = in_order && (!gate.waiting.is_empty() || next.is_some_and(|next| next < version.order));
            if !is_overtaking && gate.lets_through(&version, is_down) {
                free.push(version);
            } else {
                gate.waiting.push(version);
            }
        }
        if catch_up == CatchUp::NewestPerItem {
            let newest: HashMap<_, _> = free.iter().map(|version| (version.identity.clone(), version.order)).collect();
            free.retain(|version| newest.get(&version.identity) == Some(&version.order));
        }
        for version in free {
            end.apply(version).await;
        }
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
    /// Sends a committed write on its way to every other region; each takes its own time. Called while the commit's lock is
    /// held: links in order have to hear of the commits in their order.
    pub(super) fn send(&self, version: &Version<T::Change>) {
        for (link, end) in &self.links {
            // Counted from the commit, not from here.
            let due = tokio::time::Instant::from_std(version.committed.after.instant + link.depart(version.order));
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
