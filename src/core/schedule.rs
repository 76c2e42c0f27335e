//! When to read: densest where arrivals are expected.
//!
//! With a budget of reads, the expected width of the brackets is least when the density of reads is proportional to
//! the square root of the hazard of an arrival (Barlow, Hunter and Proschan 1963, *Optimum Checking Procedures*).
//! One poll serves every source, so the hazards of all unseen heartbeats add up before the root is taken. Each
//! pair's hazard is learned from its samples; a controller scales the density until the budget is met on average.

use std::sync::LazyLock;

use super::model::ReadSchedule;
use super::sample::Bracket;
use super::time::{Mono, Span};

/// Age bins are log-spaced, this far apart…
const BIN_GROWTH: f64 = 1.03;
/// …from this age in seconds…
const BIN_FIRST: f64 = 0.005;
/// …to about 110 s; older heartbeats share the last bin.
const BINS: usize = 340;
/// Weight of a sample falls to 1/e after this many newer ones.
const MEMORY: f32 = 250.0;
/// Weight of the prior (log-uniform over all ages) as a share of what was learned, and in samples.
const PRIOR_SHARE: f32 = 0.02;
const PRIOR_SAMPLES: f32 = 0.4;
/// Unseen heartbeats of one source that are looked at: the others are deep in the tail.
pub const BIRTHS_MAX: usize = 8;

/// A source's hazard, and when its unseen heartbeats were written or are due.
pub type Expected<'a> = (&'a Hazard, [Option<Mono>; BIRTHS_MAX]);

fn bin_of(age: Span) -> usize {
    let exponent = (age.as_secs_f64() / BIN_FIRST).ln() / BIN_GROWTH.ln();
    (exponent.max(0.0) as usize).min(BINS - 1)
}

/// Where each bin begins, in seconds, and where the last one ends. A table, as every sample needs all of it.
static BIN_STARTS: LazyLock<[f64; BINS + 1]> =
    LazyLock::new(|| std::array::from_fn(|bin| if bin == 0 { 0.0 } else { BIN_FIRST * BIN_GROWTH.powi(bin as i32) }));

/// The rates of a pair of which nothing is known: what all pairs begin with, and those that take no samples keep.
static PRIOR_RATES: LazyLock<Box<[f32]>> = LazyLock::new(|| {
    let mut nothing = Hazard { weights: vec![0.0; BINS].into(), rates: vec![0.0; BINS].into(), ..Hazard::default() };
    nothing.build();
    nothing.rates
});

/// What one pair's lags look like, as a hazard over a heartbeat's age.
#[derive(Clone, Debug, Default)]
pub struct Hazard {
    /// Decayed sample weight per age bin; empty before the first sample, as are the rates.
    weights: Box<[f32]>,
    total: f32,
    /// Arrivals per second for a heartbeat of that age which has not been seen yet.
    rates: Box<[f32]>,
    samples_since_built: u32,
}

impl Hazard {
    /// Learns from one sample: its weight is spread evenly over its bracket.
    pub fn learn(&mut self, bracket: Bracket) {
        if self.weights.is_empty() {
            self.weights = vec![0.0; BINS].into();
            self.rates = PRIOR_RATES.clone();
        }
        let keep = 1.0 - 1.0 / MEMORY;
        for weight in &mut self.weights {
            *weight *= keep;
        }
        self.total = self.total * keep + 1.0;
        let first = bin_of(bracket.lower);
        let last = bin_of(bracket.upper).max(first);
        let starts = &*BIN_STARTS;
        let (start, end) = (starts[first], starts[last + 1]);
        for bin in first..=last {
            let share = (starts[bin + 1] - starts[bin]) / (end - start);
            self.weights[bin] += share as f32;
        }
        self.samples_since_built += 1;
        // Rebuilding costs as much as a few plans; early on every sample tells much, later few do.
        if self.samples_since_built >= 4 || self.total < 32.0 {
            self.build();
        }
    }

    fn build(&mut self) {
        self.samples_since_built = 0;
        // The prior keeps every age possible, so that a changed lag is found again.
        let prior = (PRIOR_SHARE * self.total + PRIOR_SAMPLES) / BINS as f32;
        let density = |bin: usize| -> f32 {
            let at = |offset: isize| -> f32 {
                let index = bin as isize + offset;
                if (0..BINS as isize).contains(&index) { self.weights[index as usize] } else { 0.0 }
            };
            (at(-2) + 2.0 * at(-1) + 3.0 * at(0) + 2.0 * at(1) + at(2)) / 9.0 + prior
        };
        let starts = &*BIN_STARTS;
        let mut surviving = 0.0;
        for bin in (0..BINS).rev() {
            let mass = density(bin);
            surviving += mass;
            let width = (starts[bin + 1] - starts[bin]) as f32;
            self.rates[bin] = mass / (surviving * width);
        }
    }

    /// Arrivals per second expected of an unseen heartbeat of this age.
    fn rate(&self, age: Span) -> f32 {
        let rates = if self.rates.is_empty() { &PRIOR_RATES } else { &self.rates };
        if age.is_negative() { 0.0 } else { rates[bin_of(age)] }
    }
}

/// Places the polls of one target replica.
#[derive(Clone, Debug)]
pub struct Schedule {
    kind: ReadSchedule,
    interval: Span,
    budget: f64,
    scale: f64,
    polls: u32,
    /// For how long failures held polls back, while these were counted.
    held_back: Span,
    counted_since: Option<Mono>,
}

/// How many intervals the controller counts polls over before it corrects.
const CONTROL_INTERVALS: i64 = 10;

impl Schedule {
    /// A schedule that spends `budget` polls per interval on average.
    pub fn new(kind: ReadSchedule, interval: Span, budget: u32) -> Schedule {
        let budget = f64::from(budget.max(1));
        Schedule { kind, interval, budget, scale: 3.0, polls: 0, held_back: Span::ZERO, counted_since: None }
    }

    /// The gap between polls if they were evenly spaced.
    pub fn fixed_gap(&self) -> Span {
        self.interval.mul_f64(1.0 / self.budget)
    }

    /// Takes note of a poll, which failures held back by so much, and corrects the density when enough have been counted.
    ///
    /// What was held back is not made up for: a higher density brings no more polls while calls fail, and far too many
    /// afterwards.
    pub fn polled(&mut self, now: Mono, held_back: Span) {
        self.polls += 1;
        self.held_back = self.held_back + held_back;
        let since = *self.counted_since.get_or_insert(now);
        let elapsed = now - since;
        if elapsed >= self.interval.times(CONTROL_INTERVALS) {
            let rate = f64::from(self.polls - 1) / (elapsed.as_secs_f64() / self.interval.as_secs_f64());
            let correction = (self.budget / rate.max(0.1)).clamp(0.5, 2.0).powf(0.7);
            if correction < 1.0 || self.held_back.times(2) < elapsed {
                self.scale = (self.scale * correction).clamp(1e-3, 1e3);
            }
            self.polls = 1;
            self.held_back = Span::ZERO;
            self.counted_since = Some(now);
        }
    }

    /// When the next poll is due, the last one having left at `last`.
    ///
    /// `unseen` yields, per source with unseen heartbeats, its hazard and when the (newest few of) their writes left.
    pub fn next(&self, last: Mono, unseen: &[Expected<'_>]) -> Mono {
        if self.kind == ReadSchedule::Fixed {
            return last + self.fixed_gap();
        }
        // Nothing can arrive before the oldest of them was written. Where nothing is unseen, somebody must still look
        // now and then: that is how a dead replica is noticed.
        let Some(oldest) = unseen.iter().flat_map(|(_, births)| births.iter().flatten()).min() else {
            return last + self.interval;
        };
        let last = last.max(*oldest);
        let step = self.fixed_gap().mul_f64(0.04);
        let cap = last + self.fixed_gap().times(2);
        let step_seconds = step.as_secs_f64();
        let mut expected = 0.0;
        let mut at = last;
        while at < cap {
            let middle = at + Span::from_nanos(step.as_nanos() / 2);
            let hazard: f32 = unseen
                .iter()
                .map(|(hazard, births)| births.iter().flatten().map(|born| hazard.rate(middle - *born)).sum::<f32>())
                .sum();
            expected += self.scale * f64::from(hazard).sqrt() * step_seconds;
            at = at + step;
            if expected >= 1.0 {
                return at;
            }
        }
        cap
    }
}
