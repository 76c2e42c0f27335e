//! The links between the regions: each carries every committed write of its source to its target after a sampled lag,
//! and can be stopped, slowed, or made to hold one partition key back.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::MutexGuard;

use super::inject::{CatchUp, Lag, Mode};
use super::replica::{Replica, Version};

/// Versions that one stopped link keeps; the oldest gives way, which folds it into a later one.
const WAITING_MAX: usize = 100_000;

/// One directed link.
pub(super) struct Link {
    /// Index of the source region.
    pub(super) source: usize,
    /// Index of the target region.
    pub(super) target: usize,
    lag: Mutex<(Lag, StdRng)>,
    /// Held while a version is applied: once `pause` has returned, nothing arrives any more.
    gate: tokio::sync::Mutex<Gate>,
}

#[derive(Default)]
struct Gate {
    paused: bool,
    held_partitions: BTreeSet<String>,
    /// Due, and stopped by the pause, by a held partition key, or by a target that is down.
    waiting: Vec<Version>,
}

impl Gate {
    fn lets_through(&self, version: &Version, target_mode: Mode) -> bool {
        !self.paused && !target_mode.is_down() && !self.held_partitions.contains(&version.partition)
    }

    fn wait(&mut self, version: Version) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.remove(0);
        }
        self.waiting.push(version);
    }
}

impl Link {
    pub(super) fn new(source: usize, target: usize, lag: Lag, seed: u64) -> Link {
        Link {
            source,
            target,
            lag: Mutex::new((lag, StdRng::seed_from_u64(seed))),
            gate: tokio::sync::Mutex::default(),
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

    pub(super) async fn resume(&self, end: &End, catch_up: CatchUp) {
        let mut gate = self.gate.lock().await;
        gate.paused = false;
        deliver_waiting(&mut gate, end, catch_up).await;
    }

    pub(super) async fn hold_partition(&self, partition: &str) {
        self.gate.lock().await.held_partitions.insert(partition.to_owned());
    }

    pub(super) async fn release_partition(&self, partition: &str, end: &End) {
        let mut gate = self.gate.lock().await;
        gate.held_partitions.remove(partition);
        deliver_waiting(&mut gate, end, CatchUp::Everything).await;
    }

    /// The target is back: delivers what waited for it.
    pub(super) async fn target_is_back(&self, end: &End) {
        deliver_waiting(&mut self.gate.lock().await, end, CatchUp::Everything).await;
    }

    /// A version whose lag is over.
    pub(super) async fn arrive(&self, version: Version, end: &End) {
        let mut gate = self.gate.lock().await;
        if gate.lets_through(&version, end.mode()) {
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
pub(super) struct End {
    pub(super) replica: Arc<Replica>,
    pub(super) mode: Arc<Mutex<Mode>>,
}

impl End {
    fn mode(&self) -> Mode {
        *self.mode.lock().expect("no thread died while it read the mode")
    }

    async fn apply(&self, version: Version) {
        let replica = Arc::clone(&self.replica);
        // Fails only when the runtime is going away.
        let _ = tokio::task::spawn_blocking(move || replica.apply(&version)).await;
    }
}

async fn deliver_waiting(gate: &mut MutexGuard<'_, Gate>, end: &End, catch_up: CatchUp) {
    let mode = end.mode();
    let waiting = std::mem::take(&mut gate.waiting);
    let (mut free, still): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|version| gate.lets_through(version, mode));
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
