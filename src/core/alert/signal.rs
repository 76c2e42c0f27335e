//! What a rule's signal says of a pair, or of all pairs of a region together.

use super::course::Sight;
use super::rule::{Over, Quantile, Signal, Threshold};
use crate::core::assess::{Assessment, State};
use crate::core::snapshot::PairSnapshot;
use crate::core::time::Span;

/// What a signal says at one moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Reading {
    /// Seconds where it is a duration; else 0: it is not so, or more: it is. `None`: nobody knows.
    pub(super) value: Option<f64>,
    /// Of several pairs: some of them are not known, and might say less.
    is_partial: bool,
}

impl Reading {
    /// Of one pair.
    pub(super) fn of(signal: &Signal, pair: &PairSnapshot, assessment: &Assessment) -> Reading {
        let seconds = |span: Option<Span>| span.map(Span::as_secs_f64);
        let value = match signal {
            Signal::CurrentLag => seconds(assessment.current_lag),
            Signal::Overdue => seconds(assessment.overdue),
            Signal::Staleness => seconds(assessment.staleness),
            Signal::MergedLag => seconds(assessment.merged.map(|merged| merged.lag)),
            Signal::LagQuantile { quantile, over } => {
                let summary = &pair.summary[match over {
                    Over::OneMinute => 0,
                    Over::TenMinutes => 1,
                    Over::Hour => 2,
                }];
                match quantile {
                    Quantile::P50 => summary.p50,
                    Quantile::P90 => summary.p90,
                    Quantile::P99 => summary.p99,
                }
            }
            Signal::State(states) => match assessment.state {
                state if states.contains(&state) => Some(1.0),
                // Nobody could look: that it is over is not known.
                State::Unknown | State::ReadFailing => None,
                _ => Some(0.0),
            },
            Signal::ProviderDisagrees => {
                let disagrees = assessment.provider.and_then(|standing| standing.verdict.disagrees());
                disagrees.map(|disagrees| f64::from(u8::from(disagrees)))
            }
            Signal::Clock => clock(pair),
            // Findings are of regions.
            Signal::Audit(_) => None,
        };
        Reading { value, is_partial: false }
    }

    /// Of what is so or not.
    pub(super) fn flag(is_so: bool) -> Reading {
        Reading { value: Some(f64::from(u8::from(is_so))), is_partial: false }
    }

    /// Held against a threshold.
    pub(super) fn against(&self, threshold: &Threshold) -> Sight {
        match self.value {
            None => Sight::NoData,
            Some(value) if value <= threshold.clear.as_secs_f64() => Sight::Under,
            Some(value) if value <= threshold.above.as_secs_f64() => Sight::Between,
            Some(_) if self.is_partial => Sight::NoData,
            Some(_) => Sight::Over,
        }
    }
}

/// By how much the clocks are off at the least, whichever way; `None` where that is not bounded.
fn clock(pair: &PairSnapshot) -> Option<f64> {
    let (min, max) = (pair.offset.min.map(|(span, _)| span), pair.offset.max.map(|(span, _)| span));
    if min.is_none() && max.is_none() {
        return None;
    }
    let ahead = min.map_or(0.0, Span::as_secs_f64);
    let behind = max.map_or(0.0, |max| -max.as_secs_f64());
    Some(ahead.max(behind).max(0.0))
}

/// What all pairs of a region say together: as much as the least of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Together<'a> {
    readings: Vec<(Reading, &'a str)>,
}

impl<'a> Together<'a> {
    /// Adds a pair's, and the reason for its state.
    pub(super) fn add(&mut self, reading: Reading, reason: &'a str) {
        self.readings.push((reading, reason));
    }

    /// How many pairs.
    pub(super) fn pairs(&self) -> usize {
        self.readings.len()
    }

    /// The reasons, each once.
    pub(super) fn reasons(&self) -> Vec<&'a str> {
        let mut reasons: Vec<&str> = self.readings.iter().map(|(_, reason)| *reason).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons.retain(|reason| !reason.is_empty());
        reasons
    }

    /// What they say: of durations the smallest; else, where it is so of all that are known, how many pairs there are. That one
    /// is well settles it, whatever is known of the others.
    pub(super) fn reading(&self, is_duration: bool) -> Reading {
        let values = || self.readings.iter().map(|(reading, _)| reading.value);
        let weight = if is_duration { 1.0 } else { self.pairs() as f64 };
        let least = values().flatten().reduce(f64::min).map(|least| least * weight);
        Reading { value: least, is_partial: values().any(|value| value.is_none()) }
    }
}
