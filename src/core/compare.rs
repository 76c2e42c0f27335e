//! One period of a pair: what the provider says of it beside the heartbeats that arrived in it, and whether the two agree.
//!
//! A mean is compared with a mean; 99th percentiles of minutes with that of the heartbeats of ten such minutes. A maximum
//! over everything that the application writes is larger than one over a few heartbeats even when all is well, so it is
//! compared on one side alone.

use super::hour::Hour;
use super::provider::Statistic;
use super::sample::Bracket;
use super::time::{Mono, Span, Wall};
use super::window::FIVE;

/// Two that differ by less than this factor agree: partitions differ, and heartbeats sample a few of them…
const FACTOR: f64 = 3.0;
/// …and so do two that differ by less than this many seconds, whatever the factor: nobody acts on less.
const FLOOR: f64 = 1.0;

/// Heartbeats that must have arrived in a period for their mean to be compared. Of few, a spike or two make a mean that is
/// off by the factor: a healthy pair whose periods had one or two of them was found to disagree ten times in a thousand
/// hours, and one with ten never.
pub const ARRIVALS_MIN: u32 = 10;

/// Percentiles are those of minutes: what is told of a longer period is a mean of several, and bounds nothing.
const PERCENTILE_OF: Span = Span::from_millis(60_000);

/// Of so long the heartbeats have a 99th percentile, at 1 Hz six times the hundred that it takes.
const PERCENTILE_OVER: Span = Span::from_millis(600_000);

/// One period of one pair. The provider's values are 0 where it said nothing, as 0 says nothing. `f32`s, because an hour of
/// them is kept for every pair: seven digits are more than a provider means.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Period {
    average: f32,
    maximum: f32,
    p99: f32,
    arrived: u32,
    lowers: f32,
    uppers: f32,
    lower_max: f32,
}

impl Period {
    /// Takes in, or over again, what the provider says. What is no lag is left out.
    pub fn say(&mut self, statistic: Statistic, seconds: f64) {
        let value = seconds as f32;
        if !value.is_finite() || value < 0.0 {
            return;
        }
        match statistic {
            Statistic::Average => self.average = value,
            Statistic::Maximum => self.maximum = value,
            Statistic::P99 => self.p99 = value,
        }
    }

    /// Takes in a heartbeat that arrived in it. Wide ones, too: their ends are as honest as those of others.
    pub fn arrive(&mut self, lag: Bracket) {
        self.arrived += 1;
        self.lowers += lag.lower.as_secs_f64() as f32;
        self.uppers += lag.upper.as_secs_f64() as f32;
        self.lower_max = self.lower_max.max(lag.lower.as_secs_f64() as f32);
    }

    pub(super) fn said(&self, statistic: Statistic) -> Option<f64> {
        let value = match statistic {
            Statistic::Average => self.average,
            Statistic::Maximum => self.maximum,
            Statistic::P99 => self.p99,
        };
        // To the microsecond: the digits that an `f32` adds beyond are not the provider's.
        (value > 0.0).then(|| (f64::from(value) * 1e6).round() / 1e6)
    }

    pub(super) fn says_anything(&self) -> bool {
        Statistic::ALL.into_iter().any(|statistic| self.said(statistic).is_some())
    }

    /// The mean over the heartbeats that arrived: at least, at most.
    fn mean(&self) -> Option<(f64, f64)> {
        let share = |sum: f32| f64::from(sum) / f64::from(self.arrived);
        (self.arrived >= ARRIVALS_MIN).then(|| (share(self.lowers), share(self.uppers)))
    }
}

/// Which way the provider is off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Off {
    /// It says more.
    Higher,
    /// It says less.
    Lower,
}

/// One period's comparison.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Comparison {
    /// Of what.
    pub statistic: Statistic,
    /// What the provider says, in seconds; of several percentiles the one that is nearest to the heartbeats' where they are
    /// off, else the newest.
    pub provider: f64,
    /// What the heartbeats say, in seconds: at least, at most.
    pub own: (f64, f64),
    /// Whether the two are off by more than the factor and the floor.
    pub off: Option<Off>,
}

fn is_off(more: f64, less: f64) -> bool {
    more > FACTOR * less && more - less > FLOOR
}

fn against(statistic: Statistic, provider: f64, own: (f64, f64)) -> Comparison {
    let off = match own {
        (_, most) if is_off(provider, most) => Some(Off::Higher),
        (least, _) if is_off(least, provider) => Some(Off::Lower),
        _ => None,
    };
    Comparison { statistic, provider, own, off }
}

/// Compares one period; `None` where it says nothing that could be compared. `before` is the period before it, and
/// `percentile` compares the 99th percentiles that were told up to its end.
pub(super) fn compare(
    period: &Period,
    before: Option<&Period>,
    percentile: impl FnOnce() -> Option<Comparison>,
) -> Option<Comparison> {
    let average = period.said(Statistic::Average).zip(period.mean());
    let average = average.map(|(average, mean)| against(Statistic::Average, average, mean));
    if average.is_some_and(|average| average.off.is_some()) {
        return average;
    }
    // What arrived at the very end of a period is seen in the next one, so the maximum of both must be below. That a
    // maximum is not below says nothing for it.
    let maximum = period.said(Statistic::Maximum).zip(before.and_then(|before| before.said(Statistic::Maximum)));
    let provider = maximum.map(|(maximum, before)| maximum.max(before));
    let least = f64::from(period.lower_max);
    if let Some(provider) = provider.filter(|provider| least > FACTOR * provider + FLOOR) {
        let off = Some(Off::Lower);
        return Some(Comparison { statistic: Statistic::Maximum, provider, own: (least, least), off });
    }
    average.or_else(percentile)
}

/// Compares the 99th percentiles of minutes with that of the heartbeats that arrived in ten of them, once for each whole
/// five minutes of heartbeats. `end` and `ended` are when the newest of the minutes ended, by either clock, and `p99` is of
/// the heartbeats that arrived between two moments. `None` where nothing is to be compared with that minute, or can be.
///
/// Whatever comes together in ten minutes, its percentile is no lower than the lowest of the minutes' and no higher than
/// the highest. One minute against ten would accuse a provider of every stall that is over: the heartbeats remember it,
/// and the minutes are well again.
pub(super) fn compare_percentiles(
    hour: &Hour<Period>,
    end: Wall,
    ended: Mono,
    p99: impl Fn(Mono, Mono) -> Option<f64>,
) -> Option<Comparison> {
    let to = Mono::from_nanos(ended.as_nanos() - ended.as_nanos().rem_euclid(FIVE.as_nanos()));
    if hour.length() != PERCENTILE_OF || ended - to >= PERCENTILE_OF {
        return None;
    }
    let from = to - PERCENTILE_OVER;
    let own = p99(from, to)?;
    let newest = hour.get(end - PERCENTILE_OF)?.said(Statistic::P99)?;
    let (mut least, mut most) = (newest, newest);
    // The minute before the first, too: what arrived at its very end was seen in the next.
    let mut back = PERCENTILE_OF;
    while ended - back > from - PERCENTILE_OF {
        // One that is not told may have been any.
        let said = hour.get(end - back - PERCENTILE_OF)?.said(Statistic::P99)?;
        (least, most) = (least.min(said), most.max(said));
        back = back + PERCENTILE_OF;
    }
    let of = |provider: f64, off: Option<Off>| Comparison { statistic: Statistic::P99, provider, own: (own, own), off };
    Some(if is_off(least, own) {
        of(least, Some(Off::Higher))
    } else if is_off(own, most) {
        of(most, Some(Off::Lower))
    } else {
        of(newest, None)
    })
}
