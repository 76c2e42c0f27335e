//! What counts by bucket come to: quantiles, and within what time a write becomes visible with what probability.

use std::sync::LazyLock;

use crate::core::time::Span;

/// Ratio between two neighbouring buckets.
const GROWTH: f64 = 1.04;
/// Upper end of bucket 0, in seconds.
const FIRST: f64 = 0.000_5;
/// All buckets there are: the last one begins at 69 hours.
pub(super) const BUCKETS: usize = 512;

/// How many there are of each bucket.
pub(super) type Counts = [u32; BUCKETS];

/// Upper ends of all buckets, in seconds.
static ENDS: LazyLock<[f64; BUCKETS]> =
    LazyLock::new(|| std::array::from_fn(|bucket| FIRST * GROWTH.powi(bucket as i32)));

/// Where a lag belongs. A negative one is none at all here.
pub(super) fn bucket_of(lag: Span) -> u16 {
    let exponent = (lag.as_secs_f64() / FIRST).ln() / GROWTH.ln();
    // A cast from a negative or undefined number is 0, which is where a lag of nothing belongs.
    exponent.ceil().min((BUCKETS - 1) as f64) as u16
}

/// The geometric middle of a bucket, in seconds.
fn value_of(bucket: usize) -> f64 {
    FIRST * GROWTH.powf(bucket as f64 - 0.5)
}

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

/// How many [`PROBABILITIES`] there are.
pub const LISTED: usize = 14;

const PER_MILLE: [u64; LISTED] = [100, 200, 300, 400, 500, 600, 700, 800, 900, 950, 980, 990, 995, 999];

/// The probabilities whose times are kept, in rising order.
pub const PROBABILITIES: [f64; LISTED] = {
    let mut all = [0.0; LISTED];
    let mut place = 0;
    while place < LISTED {
        all[place] = PER_MILLE[place] as f64 / 1_000.0;
        place += 1;
    }
    all
};

/// Samples that one of [`PROBABILITIES`] needs, by its place: `3 / (1 − p)`, the rule of three (Hanley and Lippman-Hand
/// 1983, *If Nothing Goes Wrong, Is Everything All Right?*). Of fewer, not one need have shown what happens beyond it.
pub const fn samples_for(place: usize) -> u64 {
    3_000u64.div_ceil(1_000 - PER_MILLE[place])
}

/// t-visibility (Bailis et al. 2012, *Probabilistically Bounded Staleness for Practical Partial Quorums*): within what time,
/// in seconds, a write was visible with each of [`PROBABILITIES`]. `None` where the data does not reach.
///
/// By the product limit, twice. The truth of each sample lies in its bracket, so what is made of upper ends is too late
/// for every one of them, and what is made of lower ends too early.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Visibility {
    /// Samples that this rests on, of heartbeats that arrived, wide ones among them.
    pub count: u64,
    /// With every sample as late as it can have been. Not known where the optimistic one is not.
    pub pessimistic: [Option<f32>; LISTED],
    /// With every sample as early as it can have been.
    pub optimistic: [Option<f32>; LISTED],
}

/// The visibility in the last ten minutes, and in the last hour.
pub type Curves = [Visibility; 2];

/// What is left after one of the buckets in which something arrived.
struct Step {
    bucket: usize,
    /// The share that takes longer.
    surviving: f64,
    /// What arrived so far.
    seen: u64,
}

fn total(counts: &Counts) -> u64 {
    counts.iter().map(|count| u64::from(*count)).sum()
}

/// The product limit: what is censored counts as at risk up to the end of its bucket.
fn product_limit(arrived: &Counts, censored: &Counts) -> impl Iterator<Item = Step> {
    let mut at_risk = total(arrived) + total(censored);
    let (mut surviving, mut seen) = (1.0, 0);
    arrived.iter().zip(censored).enumerate().filter_map(move |(bucket, (arrived, censored))| {
        let before = at_risk;
        at_risk -= u64::from(*arrived) + u64::from(*censored);
        if *arrived == 0 {
            return None;
        }
        // Many factors are together a little off the fraction that they stand for.
        surviving *= 1.0 - f64::from(*arrived) / before as f64;
        seen += u64::from(*arrived);
        Some(Step { bucket, surviving, seen })
    })
}

pub(super) fn summarise(arrived: &Counts, censored: &Counts) -> WindowSummary {
    let count = total(arrived);
    let mut summary = WindowSummary { count, ..WindowSummary::default() };
    for Step { bucket, surviving, seen } in product_limit(arrived, censored) {
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
        if seen == count {
            let waiting = censored[bucket + 1..].iter().any(|count| *count > 0);
            summary.max = (!waiting).then(|| value_of(bucket));
            break;
        }
    }
    summary
}

/// Each of the two is what arrived and what is censored, by bucket.
pub(super) fn curve(latest: (&Counts, &Counts), earliest: (&Counts, &Counts)) -> Visibility {
    let count = total(latest.0);
    // Of the last bucket nobody knows where it ends.
    let mut pessimistic = times(count, latest.0, latest.1, |bucket| (bucket + 1 < BUCKETS).then(|| ENDS[bucket]));
    // An event at the beginning of its bucket finds nobody at risk any more who was censored in that bucket.
    let mut censored = [0; BUCKETS];
    censored[..BUCKETS - 1].copy_from_slice(&earliest.1[1..]);
    censored[0] += earliest.1[0];
    let optimistic =
        times(count, earliest.0, &censored, |bucket| Some(bucket.checked_sub(1).map_or(0.0, |before| ENDS[before])));
    // Wide samples outlive what is out of sight, of which their upper ends then know nothing any more: where even an optimist
    // cannot tell, a pessimist promises nothing.
    for (late, early) in pessimistic.iter_mut().zip(&optimistic) {
        *late = late.filter(|_| early.is_some());
    }
    Visibility { count, pessimistic, optimistic }
}

fn times(
    count: u64,
    arrived: &Counts,
    censored: &Counts,
    time_of: impl Fn(usize) -> Option<f64>,
) -> [Option<f32>; LISTED] {
    let mut times = [None; LISTED];
    let mut place = 0;
    for Step { bucket, surviving, seen } in product_limit(arrived, censored) {
        while place < LISTED && surviving <= 1.0 - PROBABILITIES[place] + 1e-9 {
            if count < samples_for(place) {
                return times;
            }
            times[place] = time_of(bucket).map(|seconds| seconds as f32);
            place += 1;
        }
        if seen == count {
            break;
        }
    }
    times
}
