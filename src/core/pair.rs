//! What one region pair's samples add up to: histogram, windows, recent samples, learned hazard.

use std::sync::Arc;

use super::recent::Recent;
use super::sample::{Bracket, Sample};
use super::schedule::Hazard;
use super::time::{Mono, Span};
use super::window::{Curves, Summary, Window};

/// Upper ends of the histogram's buckets, in seconds: 0.05 … 300, the usual thresholds among them.
pub const BUCKETS: [f64; 13] = [0.05, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Counts of lag samples by their midpoint.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Histogram {
    /// Samples in each of [`BUCKETS`], not cumulated; what lies above the last is in `count` alone.
    pub buckets: [u64; BUCKETS.len()],
    /// All samples.
    pub count: u64,
    /// Sum of the midpoints, in seconds.
    pub sum: f64,
}

impl Histogram {
    fn add(&mut self, seconds: f64) {
        if let Some(bucket) = BUCKETS.iter().position(|end| seconds <= *end) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// The statistics of one pair.
#[derive(Clone, Debug, Default)]
pub struct PairStats {
    histogram: Histogram,
    wide: u64,
    window: Window,
    summary: Arc<Summary>,
    visibility: Arc<Curves>,
    summarised_at: Option<Mono>,
    recent: Recent,
    newest: Option<Bracket>,
    hazard: Hazard,
}

impl PairStats {
    /// Counts a sample. A wide one is kept, and counts as an interval, but is no point in a histogram or a quantile.
    pub fn add(&mut self, sample: Sample, seen: Mono, interval: Span) {
        if sample.bracket.is_wide(interval) {
            self.wide += 1;
            self.window.add_wide(seen, sample.bracket);
        } else {
            let midpoint = sample.bracket.midpoint();
            self.histogram.add(midpoint.as_secs_f64());
            self.window.add(seen, sample.bracket);
            self.hazard.learn(sample.bracket);
        }
        self.newest = Some(sample.bracket);
        self.recent.push(sample);
    }

    /// Brings the summaries up to date, at most once a second. `unseen` are the ages that what has not arrived had at the last
    /// look that missed it.
    pub fn summarise(&mut self, now: Mono, unseen: impl Iterator<Item = Bracket>) {
        if self.summarised_at.is_none_or(|at| now - at >= Span::from_millis(1_000)) {
            let (summary, visibility) = self.window.summary(now, unseen);
            (self.summary, self.visibility) = (Arc::new(summary), Arc::new(visibility));
            self.summarised_at = Some(now);
        }
    }

    /// Quantiles over the windows, at most a second old.
    pub fn summary(&self) -> &Arc<Summary> {
        &self.summary
    }

    /// How soon writes were visible in the last ten minutes and in the last hour, at most a second old.
    pub fn visibility(&self) -> &Arc<Curves> {
        &self.visibility
    }

    /// The 99th percentile of what arrived from one moment on, and before another, in whole fives of minutes.
    pub fn arrived_p99(&self, from: Mono, to: Mono) -> Option<f64> {
        self.window.arrived_p99(from, to)
    }

    /// Samples by midpoint since the start.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// Samples too wide to be a point.
    pub fn wide(&self) -> u64 {
        self.wide
    }

    /// The newest samples, oldest first.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// The bracket made last.
    pub fn newest(&self) -> Option<Bracket> {
        self.newest
    }

    /// When its heartbeats tend to arrive.
    pub fn hazard(&self) -> &Hazard {
        &self.hazard
    }
}
