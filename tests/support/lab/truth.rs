//! The truth log: when each heartbeat was committed, and when it became visible in each other region.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::names::short_name;
use super::time::Bracket;

/// Heartbeats kept per (source, slot): a day at 1 Hz. Older ones are forgotten.
const HEARTBEATS_MAX: usize = 100_000;

/// Which heartbeat: heartbeats of one (source, slot) are ordered by (run, seq).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeartbeatId {
    /// `tg_source`.
    pub source: String,
    /// `tg_slot`.
    pub slot: u32,
    /// `tg_run`.
    pub run: u64,
    /// `tg_seq`.
    pub seq: u64,
}

/// A heartbeat that was committed in a region. A write that its condition refused is none.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Which one.
    pub heartbeat: HeartbeatId,
    /// The region whose endpoint executed the write.
    pub region: String,
    /// When it took effect.
    pub at: Bracket,
    /// What its writer said (`tg_written_at`, microseconds).
    pub written_at_micros: Option<i64>,
}

/// The true delay from a commit to its first visibility at a target: it lies between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrueLag {
    /// At least this.
    pub min: Duration,
    /// At most this.
    pub max: Duration,
}

impl TrueLag {
    fn between(committed: &Bracket, visible: &Bracket) -> TrueLag {
        TrueLag {
            min: visible.before.instant.saturating_duration_since(committed.after.instant),
            max: visible.after.instant.saturating_duration_since(committed.before.instant),
        }
    }

    /// Whether a measured interval, in seconds, can be true: it has an instant in common with this one. Nothing is added
    /// to what was recorded, but the nanosecond to which the API's numbers are cut.
    pub fn agrees_with(&self, lower_seconds: f64, upper_seconds: f64) -> bool {
        let cut = 1e-9;
        lower_seconds <= self.max.as_secs_f64() + cut && upper_seconds >= self.min.as_secs_f64() - cut
    }
}

/// What was so. Shared by all regions; every accessor gives a copy, and takes a region's name in any spelling.
#[derive(Debug, Default)]
pub struct Truth {
    keys: Mutex<BTreeMap<(String, u32), KeyLog>>,
}

fn key_of(source: &str, slot: u32) -> (String, u32) {
    (short_name(source), slot)
}

/// (run, seq).
type Order = (u64, u64);

/// What became of one heartbeat key.
#[derive(Debug, Default)]
struct KeyLog {
    commits: BTreeMap<Order, Commit>,
    /// Per target: each arrival that was newer than all before it. An older one shows nothing that was not shown.
    arrivals: BTreeMap<String, VecDeque<(Order, Bracket)>>,
}

impl KeyLog {
    fn visible(&self, target: &str, run: u64, seq: u64) -> Option<Bracket> {
        let arrivals = self.arrivals.get(&short_name(target))?;
        let first = arrivals.partition_point(|(version, _)| *version < (run, seq));
        arrivals.get(first).map(|(_, at)| *at)
    }
}

impl Truth {
    /// How many heartbeats were committed, over all sources.
    pub fn count(&self) -> usize {
        self.keys().values().map(|key| key.commits.len()).sum()
    }

    /// The sources that committed any, by their short names.
    pub fn sources(&self) -> Vec<String> {
        let mut sources: Vec<String> = self.keys().keys().map(|(source, _)| source.clone()).collect();
        sources.dedup();
        sources
    }

    /// All of a source's heartbeats, by slot, then by (run, seq).
    pub fn commits(&self, source: &str) -> Vec<Commit> {
        let keys = self.keys();
        let source = short_name(source);
        let of_source = keys.iter().filter(|((name, _), _)| *name == source);
        of_source.flat_map(|(_, key)| key.commits.values().cloned()).collect()
    }

    /// One heartbeat; `None` if it was never committed (or forgotten since).
    pub fn commit(&self, source: &str, slot: u32, run: u64, seq: u64) -> Option<Commit> {
        self.keys().get(&key_of(source, slot))?.commits.get(&(run, seq)).cloned()
    }

    /// When a heartbeat, or the first later one that it was folded into, became visible at a target.
    pub fn visible(&self, source: &str, target: &str, slot: u32, run: u64, seq: u64) -> Option<Bracket> {
        self.keys().get(&key_of(source, slot))?.visible(target, run, seq)
    }

    /// The true lag of one heartbeat; `None` while it is not visible at the target, or if it was never committed.
    pub fn lag(&self, source: &str, target: &str, slot: u32, run: u64, seq: u64) -> Option<TrueLag> {
        let keys = self.keys();
        let key = keys.get(&key_of(source, slot))?;
        let commit = key.commits.get(&(run, seq))?;
        Some(TrueLag::between(&commit.at, &key.visible(target, run, seq)?))
    }

    /// What is wrong with a sample of a heartbeat, in words: it was never committed, it is not visible at the target yet,
    /// or its true lag lies outside what was measured. `None` if nothing is.
    pub fn objection(
        &self,
        heartbeat: &HeartbeatId,
        target: &str,
        lower_seconds: f64,
        upper_seconds: f64,
    ) -> Option<String> {
        let HeartbeatId { source, slot, run, seq } = heartbeat;
        match self.lag(source, target, *slot, *run, *seq) {
            Some(lag) if lag.agrees_with(lower_seconds, upper_seconds) => None,
            Some(lag) => Some(format!("the truth is {lag:?}")),
            None if self.commit(source, *slot, *run, *seq).is_none() => Some("never committed".to_owned()),
            None => Some("not visible yet".to_owned()),
        }
    }

    /// All of a pair's heartbeats with their lags, `None` for those not visible yet.
    pub fn lags(&self, source: &str, target: &str) -> Vec<(Commit, Option<TrueLag>)> {
        let keys = self.keys();
        let source = short_name(source);
        let of_source = keys.iter().filter(|((name, _), _)| *name == source);
        let with_lag = of_source.flat_map(|(_, key)| {
            key.commits.iter().map(|((run, seq), commit)| {
                let visible = key.visible(target, *run, *seq);
                (commit.clone(), visible.map(|visible| TrueLag::between(&commit.at, &visible)))
            })
        });
        with_lag.collect()
    }

    /// The arrivals of a source's slot at a target, each newer than all before it: fewer than the commits where some
    /// were folded.
    pub fn arrivals(&self, source: &str, target: &str, slot: u32) -> Vec<(HeartbeatId, Bracket)> {
        let keys = self.keys();
        let arrivals = keys.get(&key_of(source, slot)).and_then(|key| key.arrivals.get(&short_name(target)));
        let named = arrivals
            .into_iter()
            .flatten()
            .map(|((run, seq), at)| (HeartbeatId { source: source.to_owned(), slot, run: *run, seq: *seq }, *at));
        named.collect()
    }

    /// Notes a commit. Of two with one (run, seq), which fencing forbids, the first is kept: it is what was visible.
    pub(super) fn committed(&self, heartbeat: HeartbeatId, region: &str, written_at_micros: Option<i64>, at: Bracket) {
        let mut keys = self.keys();
        let key = keys.entry(key_of(&heartbeat.source, heartbeat.slot)).or_default();
        key.commits.entry((heartbeat.run, heartbeat.seq)).or_insert_with(|| Commit {
            heartbeat,
            region: region.to_owned(),
            at,
            written_at_micros,
        });
        if key.commits.len() > HEARTBEATS_MAX {
            key.commits.pop_first();
        }
    }

    /// Notes that a heartbeat became visible at a target.
    pub(super) fn arrived(&self, heartbeat: &HeartbeatId, target: &str, at: Bracket) {
        let version = (heartbeat.run, heartbeat.seq);
        let mut keys = self.keys();
        let key = keys.entry(key_of(&heartbeat.source, heartbeat.slot)).or_default();
        let arrivals = key.arrivals.entry(short_name(target)).or_default();
        if arrivals.back().is_none_or(|(newest, _)| *newest < version) {
            arrivals.push_back((version, at));
        }
        if arrivals.len() > HEARTBEATS_MAX {
            arrivals.pop_front();
        }
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<(String, u32), KeyLog>> {
        self.keys.lock().expect("no thread died while it held the log")
    }
}
