//! Samples collected over time, and what the lab's truth says of them.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Daemon, Sample, pairs_of};
use crate::lab::{HeartbeatId, Measured};

/// Samples of one pair, by run, seq and slot.
type OfPair = BTreeMap<(u64, u64, u32), Sample>;

/// Samples of all pairs, collected over time: a daemon keeps the newest of each pair alone.
#[derive(Default)]
pub struct Collected(pub BTreeMap<(String, String), OfPair>);

impl Collected {
    /// Adds what the daemon has now of all pairs.
    pub async fn collect(&mut self, daemon: &Daemon, lab: &impl Measured) {
        self.collect_some(daemon, pairs_of(lab)).await;
    }

    /// Adds what the daemon has now of some pairs.
    pub async fn collect_some(&mut self, daemon: &Daemon, pairs: Vec<(String, String)>) {
        for (source, target) in pairs {
            let samples = daemon.samples(&source, &target).await;
            let pair = self.0.entry((source, target)).or_default();
            pair.extend(samples.into_iter().map(|sample| ((sample.run, sample.seq, sample.slot), sample)));
        }
    }

    /// One heartbeat's sample, where there is one slot.
    pub fn get(&self, source: &str, target: &str, run: u64, seq: u64) -> Option<&Sample> {
        self.0.get(&(source.to_owned(), target.to_owned()))?.get(&(run, seq, 0))
    }

    /// The heartbeats of a pair's source, of all slots, that were committed between two instants and have no sample: in
    /// words.
    pub fn unsampled(
        &self,
        lab: &impl Measured,
        (source, target): (&str, &str),
        from: Instant,
        upto: Instant,
    ) -> Vec<String> {
        let sampled = self.0.get(&(source.to_owned(), target.to_owned()));
        let is_sampled =
            |beat: &HeartbeatId| sampled.is_some_and(|sampled| sampled.contains_key(&(beat.run, beat.seq, beat.slot)));
        let lags = lab.truth().lags(source, target).into_iter();
        let asked = lags.filter(|(commit, _)| (from..=upto).contains(&commit.at.after.instant));
        let without = asked.filter(|(commit, _)| !is_sampled(&commit.heartbeat));
        without.map(|(commit, lag)| format!("{source} to {target}: {:?}, true lag {lag:?}", commit.heartbeat)).collect()
    }

    /// Every sample that the truth contradicts, and every sample of a heartbeat that was never committed: in words.
    pub fn lies(&self, lab: &impl Measured) -> Vec<String> {
        let (truth, mut lies) = (lab.truth(), Vec::new());
        for ((source, target), samples) in &self.0 {
            for sample in samples.values() {
                let Sample { run, seq, slot, .. } = *sample;
                let heartbeat = HeartbeatId { source: source.clone(), slot, run, seq };
                // The ticks of an earlier process are presumed, and it may have missed some.
                if sample.presumed && truth.commit(source, slot, run, seq).is_none() {
                    continue;
                }
                if let Some(why) = truth.objection(&heartbeat, target, sample.lower_seconds, sample.upper_seconds) {
                    lies.push(format!("{why}: {source} to {target}, run {run}, seq {seq}: {sample:?}"));
                }
            }
        }
        lies
    }
}
