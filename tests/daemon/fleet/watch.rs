//! Gauges that are watched while something happens to one of them: what they said, and by how much it was over the truth.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::gauge::Gauge;
use crate::lab::Lab;
use crate::support::{Collected, Pair};

/// A gauge knows of what arrived in this last moment only after its next read of the hostile lab.
const NOT_LOOKED_YET: Duration = Duration::from_secs(1);
/// A sample's upper end counts from when the write left: a late one commits that much later. And it ends when the read
/// is answered that follows the arrival.
const WRITE_AND_READ: f64 = 1.15 + 0.4 + 0.3;

/// See the module's words.
#[derive(Default)]
pub struct Watch {
    pub collected: Collected,
    /// Each pair's widest bounds of the clocks' difference.
    widths: BTreeMap<(String, String), f64>,
    looks: usize,
    /// The largest current lag that was said, and the most by which one was over what the truth allows.
    largest: f64,
    most_over: Option<(f64, String)>,
    /// How often a pair of a source was in a state.
    states: BTreeMap<(String, String), Vec<String>>,
}

impl Watch {
    /// Looks at some gauges for so long.
    pub async fn look_for(&mut self, length: Duration, lab: &Lab, gauges: &[&Gauge]) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.look(lab, gauges).await;
            sleep(Duration::from_millis(150)).await;
        }
    }

    /// Looks at some gauges once.
    pub async fn look(&mut self, lab: &Lab, gauges: &[&Gauge]) {
        self.looks += 1;
        for gauge in gauges {
            let asked = Instant::now();
            for pair in gauge.daemon.pairs().await {
                self.note(lab, &pair, asked);
            }
            // As many as the daemon keeps take two minutes to come.
            if self.looks % 10 == 1 {
                self.collected.collect_some(&gauge.daemon, gauge.inbound()).await;
            }
        }
    }

    fn note(&mut self, lab: &Lab, pair: &Pair, asked: Instant) {
        let (source, target) = (&pair.source_region, &pair.target_region);
        let state = (source.clone(), pair.state.clone());
        self.states.entry(state).or_default().push(pair.describe());
        let width = self.widths.entry((source.clone(), target.clone())).or_default();
        if let Some(offset) = &pair.offset
            && let (Some(min), Some(max)) = (offset.min_seconds, offset.max_seconds)
        {
            *width = width.max(max - min);
        }
        let Some(lag) = pair.current_lag_seconds else { return };
        self.largest = self.largest.max(lag);
        let most = true_lag(lab, source, target, asked) + *width + WRITE_AND_READ;
        if self.most_over.as_ref().is_none_or(|(over, _)| lag - most > *over) {
            self.most_over = Some((lag - most, format!("the truth allows {most:.2} s: {}", pair.describe())));
        }
    }

    /// Goes on collecting until every heartbeat of the gauges' sources that was committed in between has a sample, or it
    /// is clear that some will have none: those, in words.
    pub async fn settle(&mut self, lab: &Lab, gauges: &[&Gauge], from: Instant, upto: Instant) -> Vec<String> {
        let patience = Instant::now() + Duration::from_secs(12);
        loop {
            let mut unsampled = Vec::new();
            for gauge in gauges {
                self.collected.collect_some(&gauge.daemon, gauge.inbound()).await;
                for (source, target) in gauge.inbound() {
                    unsampled.extend(self.collected.unsampled(lab, (&source, &target), from, upto));
                }
            }
            if unsampled.is_empty() || Instant::now() > patience {
                return unsampled;
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// In a line.
    pub fn describe(&self) -> String {
        let samples: usize = self.collected.0.values().map(BTreeMap::len).sum();
        let over = self.most_over.as_ref().map_or(0.0, |(over, _)| *over);
        let (looks, largest) = (self.looks, self.largest);
        format!(
            "{looks} looks, {samples} samples, largest current lag {largest:.2} s, at most {over:+.2} s over what was"
        )
    }

    /// No pair was ever said to be later than it was, whatever happened to its writer.
    pub fn no_lag_was_invented(&self) {
        let (over, what) = self.most_over.as_ref().expect("lags were known");
        assert!(*over <= 0.0, "a lag that never was: {what}");
    }

    /// No pair of this source was ever in this state.
    pub fn nobody_of(&self, source: &str, state: &str) {
        let found = self.states.get(&(source.to_owned(), state.to_owned()));
        assert!(found.is_none(), "{found:#?}");
    }
}

/// How late a pair can truly be said to be: the largest age of what had not arrived a moment before it was asked, and the
/// lag of the newest that had.
fn true_lag(lab: &Lab, source: &str, target: &str, asked: Instant) -> f64 {
    let seen = asked.checked_sub(NOT_LOOKED_YET).unwrap_or(asked);
    let now = Instant::now();
    let (mut unseen, mut newest) = (0.0_f64, 0.0_f64);
    for (commit, lag) in lab.truth().lags(source, target) {
        let committed = commit.at.before.instant;
        let age = lag.map_or(now.saturating_duration_since(committed), |lag| lag.max);
        if lag.is_some_and(|lag| committed + lag.max < seen) {
            newest = age.as_secs_f64();
        } else {
            unseen = unseen.max(age.as_secs_f64());
        }
    }
    unseen.max(newest)
}
