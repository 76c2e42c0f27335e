//! What a pair's lag was over the last 1, 10 and 60 minutes: small sketches of a minute and of five, summarised on
//! demand.
//!
//! A sketch counts midpoints in log-spaced buckets 4 % apart, so a quantile is off by at most 2 % of itself. Only
//! buckets in use are kept (a minute at 1 Hz needs some 35), which holds a pair's hour under 8 KB. When a sketch
//! would need more, its lowest two buckets are merged: the high quantiles, which people page on, keep their accuracy.

use std::collections::VecDeque;

use super::time::{Mono, Span};

/// Ratio between two neighbouring buckets.
const GROWTH: f64 = 1.04;
/// Upper end of bucket 0, in seconds.
const FIRST: f64 = 0.000_5;
/// All buckets there are: the last one begins at 69 hours.
const BUCKETS: usize = 512;
const MINUTE: Span = Span::from_millis(60_000);
/// What is kept longest is kept in pieces of so long.
pub const FIVE: Span = Span::from_millis(300_000);

/// Quantiles of one window, in seconds. `None` where the data does not reach.
///
/// Heartbeats that have not arrived yet count by their age so far, as censored samples (Kaplan and Meier 1958,
/// *Nonparametric Estimation from Incomplete Observations*): left out, a stall would look like good times until it ends.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct WindowSummary {
    /// Samples in it, of heartbeats that arrived.
    pub count: u64,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile; needs 10 samples.
    pub p90: Option<f64>,
    /// 99th percentile; needs 100 samples.
    pub p99: Option<f64>,
    /// Largest midpoint, to within half a bucket; not known while something older than it has not arrived.
    pub max: Option<f64>,
    /// 99th percentile of what arrived alone: what arrivals used to look like before whatever is happening now.
    pub arrived_p99: Option<f64>,
}

/// The summaries of the last minute, ten minutes, and hour.
pub type Summary = [WindowSummary; 3];

#[derive(Clone, Debug)]
struct Sketch {
    number: i64,
    /// Sorted by bucket.
    buckets: Vec<(u16, u16)>,
}

/// Sketches of equal length, one after the other.
#[derive(Clone, Debug)]
struct Row {
    minutes: i64,
    /// Sketches that are kept, the running one among them.
    kept: usize,
    /// Buckets that a sketch may hold.
    width: usize,
    sketches: VecDeque<Sketch>,
}

/// The sketches of one pair: ten minutes by the minute, the hour in fives.
#[derive(Clone, Debug)]
pub struct Window {
    by_minute: Row,
    by_five: Row,
}

impl Default for Window {
    fn default() -> Self {
        let row = |minutes, kept, width| Row { minutes, kept, width, sketches: VecDeque::new() };
        Window { by_minute: row(1, 10, 48), by_five: row(5, 12, 96) }
    }
}

fn bucket_of(lag: Span) -> u16 {
    let exponent = (lag.as_secs_f64() / FIRST).ln() / GROWTH.ln();
    // A cast from a negative or undefined number is 0, which is where a lag of nothing belongs.
    exponent.ceil().min((BUCKETS - 1) as f64) as u16
}

/// The geometric middle of a bucket, in seconds.
fn value_of(bucket: usize) -> f64 {
    FIRST * GROWTH.powf(bucket as f64 - 0.5)
}

impl Row {
    fn number(&self, at: Mono) -> i64 {
        at.as_nanos().div_euclid(MINUTE.times(self.minutes).as_nanos())
    }

    fn add(&mut self, at: Mono, lag: Span) {
        let number = self.number(at);
        let place = match self.sketches.binary_search_by_key(&number, |sketch| sketch.number) {
            Ok(place) => place,
            Err(0) if self.sketches.len() == self.kept => return,
            Err(place) => {
                self.sketches.insert(place, Sketch { number, buckets: Vec::new() });
                place
            }
        };
        let sketch = &mut self.sketches[place];
        let bucket = bucket_of(lag);
        match sketch.buckets.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => sketch.buckets[at].1 = sketch.buckets[at].1.saturating_add(1),
            Err(at) => {
                sketch.buckets.insert(at, (bucket, 1));
                if sketch.buckets.len() > self.width {
                    let (_, lowest) = sketch.buckets.remove(0);
                    sketch.buckets[0].1 = sketch.buckets[0].1.saturating_add(lowest);
                }
            }
        }
        while self.sketches.len() > self.kept {
            self.sketches.pop_front();
        }
        // A sketch whose time is over grows no more: what doubling set aside would be a third of the memory.
        if let Some(over) = self.sketches.len().checked_sub(2) {
            self.sketches[over].buckets.shrink_to_fit();
        }
    }

    /// The counts of the last `parts` sketches, the running one among them.
    fn last(&self, now: Mono, parts: i64) -> [u32; BUCKETS] {
        let mut counts = [0; BUCKETS];
        let oldest = self.number(now) - parts;
        for sketch in self.sketches.iter().rev().take_while(|sketch| sketch.number > oldest) {
            for (bucket, count) in &sketch.buckets {
                counts[usize::from(*bucket)] += u32::from(*count);
            }
        }
        counts
    }
}

impl Window {
    /// Counts one lag, seen at `at`. Readings may come slightly out of order; what is older than an hour is ignored.
    pub fn add(&mut self, at: Mono, lag: Span) {
        self.by_minute.add(at, lag);
        self.by_five.add(at, lag);
    }

    /// The 99th percentile of what arrived from one moment on, and before another, in whole [`FIVE`]s; `None` of fewer than
    /// 100, or where that is no longer kept.
    pub fn arrived_p99(&self, from: Mono, to: Mono) -> Option<f64> {
        let numbers = self.by_five.number(from)..=self.by_five.number(to - Span::from_nanos(1));
        let mut counts = [0; BUCKETS];
        for sketch in self.by_five.sketches.iter().filter(|sketch| numbers.contains(&sketch.number)) {
            for (bucket, count) in &sketch.buckets {
                counts[usize::from(*bucket)] += u32::from(*count);
            }
        }
        summarise(&counts, &[0; BUCKETS]).arrived_p99
    }

    /// The quantiles of the last 1, 10 and 60 minutes. `unseen` are the ages of the heartbeats that have not arrived.
    ///
    /// The running sketch counts as a whole one, so 10 minutes are 9 to 10, and an hour is 55 to 60 minutes; the
    /// shortest takes one minute more, as it would be empty whenever a minute has just turned.
    pub fn summary(&self, now: Mono, unseen: impl Iterator<Item = Span>) -> Summary {
        let mut censored = [0u32; BUCKETS];
        for age in unseen {
            censored[usize::from(bucket_of(age))] += 1;
        }
        let [one, ten, sixty] = [self.by_minute.last(now, 2), self.by_minute.last(now, 10), self.by_five.last(now, 12)];
        [one, ten, sixty].map(|arrived| summarise(&arrived, &censored))
    }
}

fn summarise(arrived: &[u32; BUCKETS], censored: &[u32; BUCKETS]) -> WindowSummary {
    let total = |counts: &[u32; BUCKETS]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
    let count = total(arrived);
    let mut summary = WindowSummary { count, ..WindowSummary::default() };
    let mut at_risk = count + total(censored);
    let mut surviving = 1.0;
    let mut seen = 0;
    for bucket in 0..BUCKETS {
        if arrived[bucket] > 0 {
            // The product limit. Many factors are together a little off the fraction that they stand for.
            surviving *= 1.0 - f64::from(arrived[bucket]) / at_risk as f64;
            seen += u64::from(arrived[bucket]);
            // With too few samples the data does not reach that far out, and the quantile is not known.
            let reach = |quantile: &mut Option<f64>, reached: bool, needs: u64| {
                if quantile.is_none() && reached && count >= needs {
                    *quantile = Some(value_of(bucket));
                }
            };
            reach(&mut summary.p50, surviving <= 0.5 + 1e-9, 2);
            reach(&mut summary.p90, surviving <= 0.1 + 1e-9, 10);
            reach(&mut summary.p99, surviving <= 0.01 + 1e-9, 100);
            reach(&mut summary.arrived_p99, seen * 100 >= count * 99, 100);
        }
        at_risk -= u64::from(arrived[bucket]) + u64::from(censored[bucket]);
        if seen == count {
            let waiting = censored[bucket + 1..].iter().any(|count| *count > 0);
            summary.max = (count > 0 && !waiting).then(|| value_of(bucket));
            break;
        }
    }
    summary
}
