//! What a pair's lag was over the last 1, 10 and 60 minutes: one small sketch a minute, summarised on demand.
//!
//! A sketch counts midpoints in log-spaced buckets 4 % apart, so a quantile is off by at most 2 % of itself. Only
//! buckets in use are kept (a minute at 1 Hz needs some 35), which holds a pair's hour under 16 KB. When a minute
//! would need more, its lowest two buckets are merged: the high quantiles, which people page on, keep their accuracy.

use std::collections::VecDeque;

use super::time::{Mono, Span};

/// Ratio between two neighbouring buckets.
const GROWTH: f64 = 1.04;
/// Upper end of bucket 0, in seconds.
const FIRST: f64 = 0.000_5;
/// All buckets there are: the last one begins at 69 hours.
const BUCKETS: usize = 512;
/// Buckets a minute's sketch may hold.
const BUCKETS_PER_MINUTE: usize = 48;
/// Minutes that are kept, the running one among them.
const MINUTES: usize = 60;
const MINUTE: Span = Span::from_millis(60_000);

/// The windows' lengths in minutes, with their names in answers.
pub const WINDOWS: [(usize, &str); 3] = [(1, "1m"), (10, "10m"), (60, "60m")];

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

/// The summaries of all [`WINDOWS`], in their order.
pub type Summary = [WindowSummary; 3];

#[derive(Clone, Debug)]
struct Minute {
    number: i64,
    /// Sorted by bucket.
    buckets: Vec<(u16, u16)>,
}

/// The sketches of one pair.
#[derive(Clone, Debug, Default)]
pub struct Window {
    minutes: VecDeque<Minute>,
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

fn minute_of(at: Mono) -> i64 {
    at.as_nanos().div_euclid(MINUTE.as_nanos())
}

impl Window {
    /// Counts one lag, seen at `at`. Readings may come slightly out of order; what is older than an hour is ignored.
    pub fn add(&mut self, at: Mono, lag: Span) {
        let number = minute_of(at);
        let place = match self.minutes.binary_search_by_key(&number, |minute| minute.number) {
            Ok(place) => place,
            Err(place) => {
                if place == 0 && self.minutes.len() == MINUTES {
                    return;
                }
                self.minutes.insert(place, Minute { number, buckets: Vec::new() });
                place
            }
        };
        let minute = &mut self.minutes[place];
        let bucket = bucket_of(lag);
        match minute.buckets.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => minute.buckets[at].1 = minute.buckets[at].1.saturating_add(1),
            Err(at) => {
                minute.buckets.insert(at, (bucket, 1));
                if minute.buckets.len() > BUCKETS_PER_MINUTE {
                    let (_, lowest) = minute.buckets.remove(0);
                    minute.buckets[0].1 = minute.buckets[0].1.saturating_add(lowest);
                }
            }
        }
        while self.minutes.len() > MINUTES {
            self.minutes.pop_front();
        }
        // A minute that is over grows no more: what doubling set aside would be a third of the memory.
        if let Some(over) = self.minutes.len().checked_sub(2) {
            self.minutes[over].buckets.shrink_to_fit();
        }
    }

    /// The quantiles of the last 1, 10 and 60 minutes. `unseen` are the ages of the heartbeats that have not arrived.
    ///
    /// The running minute counts as one of them, so a window of n minutes covers n − 1 to n minutes; the shortest
    /// takes one more, as it would be empty whenever a minute has just turned.
    pub fn summary(&self, now: Mono, unseen: impl Iterator<Item = Span>) -> Summary {
        let newest = minute_of(now);
        let mut arrived = [0u32; BUCKETS];
        let mut censored = [0u32; BUCKETS];
        for age in unseen {
            censored[usize::from(bucket_of(age))] += 1;
        }
        let mut older = self.minutes.iter().rev().peekable();
        WINDOWS.map(|(minutes, _)| {
            let oldest = newest - minutes.max(2) as i64;
            while let Some(minute) = older.next_if(|minute| minute.number > oldest) {
                for (bucket, count) in &minute.buckets {
                    arrived[usize::from(*bucket)] += u32::from(*count);
                }
            }
            summarise(&arrived, &censored)
        })
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
