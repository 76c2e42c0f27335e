//! A replicated store in memory whose lag is known: pure, driven by the readings it is handed.
//!
//! Each commit is sent to every other region with a lag of its own. A later version that arrives first wins, and the
//! earlier one is folded into it. With the truth log on, it remembers when each heartbeat was committed and when it
//! became visible, for tests and benches to compare with.

use std::collections::{HashMap, HashSet, VecDeque};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal};

use crate::core::heartbeat::{Found, Heartbeat};
use crate::core::model::{Beat, Consistency, Expect, RegionId, Slot, SlotRead, Write, WriteOutcome};
use crate::core::time::{Mono, Span};

/// Versions that are remembered per replica, for eventual reads that go back.
const HISTORY_MAX: usize = 16;

/// How long replication takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Lag {
    /// Median.
    pub median: Span,
    /// Standard deviation of the logarithm; 0: always the median.
    pub sigma: f64,
    /// Share of the writes that take several times as long.
    pub spike_probability: f64,
    /// How many times as long, at least and at most.
    pub spike_factor: (f64, f64),
}

impl Lag {
    /// Always the same.
    pub const fn fixed(lag: Span) -> Lag {
        Lag { median: lag, sigma: 0.0, spike_probability: 0.0, spike_factor: (1.0, 1.0) }
    }

    fn sample(&self, random: &mut SmallRng) -> Span {
        let shape = LogNormal::new(0.0, self.sigma.max(0.0)).map_or(1.0, |shape| shape.sample(random));
        let (least, most) = self.spike_factor;
        let spike = if random.random::<f64>() < self.spike_probability {
            least + random.random::<f64>() * (most - least)
        } else {
            1.0
        };
        self.median.mul_f64(shape * spike)
    }
}

/// What can be turned while it runs.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Of every pair that has none of its own.
    pub lag: Lag,
    /// Of single pairs.
    pub pair_lag: HashMap<(RegionId, RegionId), Lag>,
    /// Share of the versions that never arrive by themselves: only a later one brings them.
    pub loss: f64,
    /// How far back an eventual read may look, at most.
    pub eventual_delay: Span,
}

/// When a heartbeat was committed, and when it or a later one became visible.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    commits: HashMap<(RegionId, Slot), Vec<(Beat, Mono)>>,
    applied: HashMap<(RegionId, RegionId, Slot), Vec<(Beat, Mono)>>,
}

impl Truth {
    /// Every committed heartbeat of a key, in order, with the instant of its commit.
    pub fn commits(&self, source: RegionId, slot: Slot) -> &[(Beat, Mono)] {
        self.commits.get(&(source, slot)).map_or(&[], |commits| commits)
    }

    /// When a heartbeat or a later one first became visible; `None`: not so far.
    pub fn visible(&self, source: RegionId, target: RegionId, slot: Slot, beat: Beat) -> Option<Mono> {
        let applied = self.applied.get(&(source, target, slot))?;
        applied.iter().filter(|(of, _)| *of >= beat).map(|(_, at)| *at).min()
    }

    /// The true lag of a committed heartbeat; `None` if it was not committed or is not visible.
    pub fn lag(&self, source: RegionId, target: RegionId, slot: Slot, beat: Beat) -> Option<Span> {
        let commits = self.commits(source, slot);
        let at = commits.binary_search_by_key(&beat, |(of, _)| *of).ok()?;
        Some(self.visible(source, target, slot, beat)? - commits[at].1)
    }
}

#[derive(Debug, Default)]
struct Replica {
    /// In the order of their commits.
    pending: Vec<(Mono, Heartbeat)>,
    /// What became visible, oldest first; the last is what a strong read sees.
    history: VecDeque<(Mono, Heartbeat)>,
}

/// The store.
#[derive(Debug)]
pub struct World {
    regions: usize,
    random: SmallRng,
    /// Turn these at will.
    pub knobs: Knobs,
    paused: HashSet<(RegionId, RegionId)>,
    stored: HashMap<(RegionId, Slot), Heartbeat>,
    replicas: HashMap<(RegionId, RegionId, Slot), Replica>,
    truth: Option<Truth>,
}

impl World {
    /// An empty store. The same seed gives the same lags.
    pub fn new(regions: usize, seed: u64, lag: Lag) -> World {
        World {
            regions,
            random: SmallRng::seed_from_u64(seed),
            knobs: Knobs { lag, pair_lag: HashMap::new(), loss: 0.0, eventual_delay: Span::ZERO },
            paused: HashSet::new(),
            stored: HashMap::new(),
            replicas: HashMap::new(),
            truth: None,
        }
    }

    /// Remembers everything from here on. It grows without limit.
    pub fn log_truth(&mut self) {
        self.truth = Some(Truth::default());
    }

    /// The truth log; all that was due by `now` is in it.
    pub fn truth(&mut self, now: Mono) -> Option<&Truth> {
        let keys: Vec<_> = self.replicas.keys().copied().collect();
        for key in keys {
            self.settle(key, now);
        }
        self.truth.as_ref()
    }

    /// Stops or resumes one direction. What is under way is held, and arrives at once on resuming.
    pub fn set_paused(&mut self, source: RegionId, target: RegionId, paused: bool, now: Mono) {
        // Asked of every pair at every call, while all keys are looked through for one that changes.
        if paused == self.paused.contains(&(source, target)) {
            return;
        }
        let keys: Vec<_> = self.replicas.keys().copied().filter(|key| key.0 == source && key.1 == target).collect();
        for key in &keys {
            self.settle(*key, now);
        }
        if paused {
            self.paused.insert((source, target));
        } else if self.paused.remove(&(source, target)) {
            for key in &keys {
                for (at, _) in self.replicas.get_mut(key).into_iter().flat_map(|replica| &mut replica.pending) {
                    *at = (*at).max(now);
                }
            }
        }
    }

    /// What is stored under a key in its source region.
    pub fn stored(&self, source: RegionId, slot: Slot) -> Option<&Heartbeat> {
        self.stored.get(&(source, slot))
    }

    /// Forgets everything stored, as when the table is dropped and made again.
    pub fn recreate(&mut self) {
        self.stored.clear();
        self.replicas.clear();
    }

    /// A write reaches its source region.
    pub fn commit(&mut self, write: &Write, now: Mono) -> WriteOutcome {
        let heartbeat = &write.heartbeat;
        let key = (write.source, heartbeat.slot);
        let stored = self.stored.get(&key);
        let steady = |stored: &Heartbeat| {
            stored.beat.run == heartbeat.beat.run
                && stored.writer == heartbeat.writer
                && stored.beat.seq < heartbeat.beat.seq
        };
        let holds = match (write.expect, stored) {
            (Expect::Steady, stored) => stored.is_some_and(steady),
            (Expect::Takeover { seen }, stored) => stored.is_none_or(|stored| seen == Some(stored.beat)),
            (Expect::Follow, stored) => {
                stored.is_none_or(|stored| stored.beat.run < heartbeat.beat.run || steady(stored))
            }
            (Expect::ReplaceInvalid, _) => true,
        };
        if !holds {
            return WriteOutcome::Refused { stored: stored.cloned().map(Found::Heartbeat) };
        }
        let replaced = stored.filter(|_| write.want_replaced).map(|stored| stored.beat);
        self.stored.insert(key, heartbeat.clone());
        if let Some(truth) = &mut self.truth {
            truth.commits.entry(key).or_default().push((heartbeat.beat, now));
        }
        for target in (0..self.regions as u16).map(RegionId).filter(|target| *target != write.source) {
            let lag = *self.knobs.pair_lag.get(&(write.source, target)).unwrap_or(&self.knobs.lag);
            let lag = lag.sample(&mut self.random);
            if self.random.random::<f64>() >= self.knobs.loss {
                let replica = self.replicas.entry((write.source, target, heartbeat.slot)).or_default();
                replica.pending.push((now + lag, heartbeat.clone()));
            }
        }
        WriteOutcome::Acknowledged { replaced }
    }

    /// A read reaches its target region.
    pub fn read(&mut self, target: RegionId, slot: Slot, consistency: Consistency, now: Mono) -> SlotRead {
        let seen_at = match consistency {
            Consistency::Strong => now,
            Consistency::Eventual => now - self.knobs.eventual_delay.mul_f64(self.random.random()),
        };
        let mut found = Vec::new();
        for source in (0..self.regions as u16).map(RegionId) {
            let heartbeat = if source == target {
                self.stored.get(&(source, slot))
            } else {
                self.settle((source, target, slot), now);
                let replica = self.replicas.get(&(source, target, slot));
                replica.and_then(|replica| replica.history.iter().rev().find(|(at, _)| *at <= seen_at)).map(|it| &it.1)
            };
            found.extend(heartbeat.map(|heartbeat| (source, Found::Heartbeat(heartbeat.clone()))));
        }
        SlotRead { found, unknown_sources: 0 }
    }

    /// Makes visible whatever has arrived by `now`.
    fn settle(&mut self, key: (RegionId, RegionId, Slot), now: Mono) {
        if self.paused.contains(&(key.0, key.1)) {
            return;
        }
        let Some(replica) = self.replicas.get_mut(&key) else { return };
        let mut arrived: Vec<_> = replica.pending.extract_if(.., |(at, _)| *at <= now).collect();
        // In the order of arrival; what arrives together, in the order of commits: the last one wins.
        arrived.sort_by_key(|(at, heartbeat)| (*at, heartbeat.beat));
        for (at, heartbeat) in arrived {
            if replica.history.back().is_some_and(|(_, newest)| newest.beat >= heartbeat.beat) {
                continue;
            }
            if let Some(truth) = &mut self.truth {
                truth.applied.entry(key).or_default().push((heartbeat.beat, at));
            }
            if replica.history.len() == HISTORY_MAX {
                replica.history.pop_front();
            }
            replica.history.push_back((at, heartbeat));
        }
        let newest = replica.history.back().map(|(_, newest)| newest.beat);
        replica.pending.retain(|(_, heartbeat)| Some(heartbeat.beat) > newest);
    }
}
