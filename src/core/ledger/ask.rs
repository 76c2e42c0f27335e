//! What the provider is asked, when, and what is kept of its answers.
//!
//! Who measures a pair and reigns asks for it: a gauge while the seat of its region is its own, for all that it measures; a
//! central prober for each source whose seat it holds. Everybody else asks nothing, so that a provider is asked once
//! however many look.

use rand::RngExt;

use super::*;
use crate::core::companions::{Companions, MINUTE, Minute};
use crate::core::count::Operation;
use crate::core::hour::Hour;
use crate::core::merge::{Finding, Period, ProviderFacts, Said};
use crate::core::model::{Action, Failure, RegionId};
use crate::core::provider::{Polling, Question, Reading, Series};
use crate::core::sample::Sample;

/// What is asked for goes back at least so far: values settle for some ten minutes, and what was missed while a few
/// questions failed is made up for.
const LOOK_BACK: Span = Span::from_millis(15 * 60 * 1_000);

/// The same, in periods: two are compared, and the one before them.
const LOOK_BACK_PERIODS: i64 = 3;

/// First questions are spread over the time between two, or over this where that is longer.
const SPREAD_MAX: Span = Span::from_millis(60_000);

/// Failures are backed off from for at most so many times the time between two questions.
const BACK_OFF_FACTOR_MAX: i64 = 10;

/// The questions to one region's endpoint, and what it said of the region itself.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// When it is to be asked next; `None` while there is nothing to ask.
    due: Option<Mono>,
    /// Never before this, whoever takes the seat in between: what questions cost is bounded by it.
    not_before: Option<Mono>,
    in_flight: bool,
    failures: u32,
    failing: Option<Reason>,
    is_answered: bool,
    companions: Option<Box<Hour<Minute>>>,
    shown: Option<Arc<Companions>>,
}

impl Asking {
    /// The question under way has come to its end.
    pub(super) fn ended(&mut self) {
        self.in_flight = false;
        self.is_answered = true;
    }

    /// What the last question came to; `None`: there was none.
    pub(super) fn last(&self) -> Option<Result<(), Reason>> {
        self.is_answered.then(|| self.failing.map_or(Ok(()), Err))
    }
}

/// What the provider says of one pair, beside the heartbeats that arrived in the same periods.
#[derive(Debug)]
pub(super) struct Weighed {
    hour: Hour<Period>,
    facts: Arc<ProviderFacts>,
}

impl Weighed {
    fn new(polling: Polling) -> Box<Weighed> {
        Box::new(Weighed { hour: Hour::new(polling.period), facts: Arc::default() })
    }
}

impl Ledger {
    /// Whether this process asks for a pair.
    fn asks_for(&self, source: RegionId, target: RegionId) -> bool {
        let plan = &self.plan;
        plan.polling.is_some() && plan.covers(source, target) && self.asks_as(plan.local.unwrap_or(source))
    }

    fn asks_as(&self, region: RegionId) -> bool {
        !self.plan.observer && self.sources[region.index()].reign.is_ours()
    }

    /// Our wall clock − the provider's, in the middle of what is known of it. Where nothing is known ours has to do: it
    /// only decides which minute something belongs to.
    fn ahead(&self, region: RegionId, now: Mono) -> Span {
        let of = |region: RegionId| self.clocks.against_server(region.index(), now);
        // The clocks of a provider's servers are about the same.
        let known = of(region).or_else(|| of(self.plan.local?));
        known.map_or(Span::ZERO, |(least, most)| Span::from_nanos(least.as_nanos() / 2 + most.as_nanos() / 2))
    }

    /// When questions are due.
    pub(super) fn questions_due(&self) -> impl Iterator<Item = Mono> {
        let asked =
            self.plan.polling.map(|_| self.plan.region_ids().map(|region| &self.targets[region.index()].asking));
        asked.into_iter().flatten().filter(|asking| !asking.in_flight).filter_map(|asking| asking.due)
    }

    /// Asks what is due.
    pub(super) fn ask(&mut self, now: Now, actions: &mut Vec<Action>) {
        let plan = self.plan.clone();
        let Some(polling) = plan.polling else { return };
        let is_asking = match plan.local {
            Some(local) => self.asks_as(local),
            None => plan.region_ids().any(|region| self.asks_as(region)),
        };
        for region in plan.region_ids() {
            if !is_asking {
                self.targets[region.index()].asking.due = None;
                continue;
            }
            let first = now.mono + self.spread(region, polling);
            let asking = &mut self.targets[region.index()].asking;
            let earliest = asking.not_before.map_or(first, |not_before| not_before.max(first));
            let due = *asking.due.get_or_insert(earliest);
            if asking.in_flight || now.mono < due {
                continue;
            }
            let next = now.mono + polling.every;
            (asking.due, asking.not_before) = (Some(next), Some(next));
            if let Some(question) = self.question(region, polling, now) {
                self.targets[region.index()].asking.in_flight = true;
                actions.push(Action::Ask(question));
            }
        }
    }

    /// How long the first question waits: stores and regions differ by the phase, gauges of one store by their patience.
    fn spread(&self, region: RegionId, polling: Polling) -> Span {
        let place = f64::from(region.0) / self.plan.regions.len() as f64;
        polling.every.min(SPREAD_MAX).mul_f64((self.plan.phase + self.plan.patience + place).fract())
    }

    /// What there is to ask one region's endpoint; `None`: nothing.
    fn question(&self, region: RegionId, polling: Polling, now: Now) -> Option<Question> {
        let others = || self.plan.region_ids();
        let targets: Vec<RegionId> = others().filter(|target| self.asks_for(region, *target)).collect();
        let companions = others().any(|source| self.asks_for(source, region));
        let Polling { period, delay, .. } = polling;
        let end = (now.wall - self.ahead(region, now.mono) - delay).floor(period);
        let begin = (end - LOOK_BACK.max(period.times(LOOK_BACK_PERIODS))).floor(period);
        let is_empty = targets.is_empty() && !companions;
        (!is_empty).then_some(Question { region, targets, companions, period, begin, end })
    }

    /// Takes an answer in.
    pub(super) fn answered(&mut self, region: RegionId, outcome: Result<Vec<Reading>, Failure>, sent: Mono, at: Now) {
        let Some(polling) = self.plan.polling else { return };
        let clock = Now { wall: at.wall - self.ahead(region, at.mono), ..at };
        let asking = &mut self.targets[region.index()].asking;
        asking.ended();
        match outcome {
            Ok(readings) => {
                (asking.failures, asking.failing) = (0, None);
                for reading in &readings {
                    self.keep(region, reading, polling, clock.wall);
                }
            }
            Err(failure) => {
                asking.failures += 1;
                asking.failing = Some(failure.reason);
                let factor = 1_i64 << asking.failures.min(16);
                let pause = polling.every.times(factor.min(BACK_OFF_FACTOR_MAX));
                let again = sent + pause.mul_f64(1.0 + self.random.random::<f64>() / 4.0);
                asking.not_before = Some(again);
                asking.due = asking.due.and(Some(again));
                self.regions[region.index()].errors[Operation::Ask as usize][failure.reason.index()] += 1;
            }
        }
        self.conclude(region, polling, clock);
    }

    /// Keeps one reading, a later answer over an earlier one. What was not asked for, or is no value, is left out.
    fn keep(&mut self, region: RegionId, reading: &Reading, polling: Polling, clock: Wall) {
        let Reading { series, begin, period, value } = *reading;
        let length = if matches!(series, Series::Lag { .. }) { polling.period } else { MINUTE };
        let is_value = value.is_finite() && value >= 0.0;
        if !is_value || period != length || begin.floor(length) != begin {
            return;
        }
        let (Series::Lag { source: of, .. }
        | Series::ReplicatedWrites(of)
        | Series::ThrottledWrites(of)
        | Series::ThrottledReads(of)) = series;
        if of != region {
            return;
        }
        if let Series::Lag { source, target, statistic } = series {
            let count = self.targets.len();
            if target.index() < count && self.plan.covers(source, target) {
                let pair = &mut self.pairs[source.index() * count + target.index()];
                let weighed = pair.weighed.get_or_insert_with(|| Weighed::new(polling));
                if let Some(period) = weighed.hour.at(begin, clock) {
                    period.say(statistic, value);
                }
            }
            return;
        }
        let asking = &mut self.targets[region.index()].asking;
        let companions = asking.companions.get_or_insert_with(|| Box::new(Hour::new(MINUTE)));
        let Some(minute) = companions.at(begin, clock) else { return };
        match series {
            Series::ReplicatedWrites(_) => minute.replicated = value as f32,
            Series::ThrottledWrites(_) => minute.throttled_writes = value as f32,
            Series::ThrottledReads(_) => minute.throttled_reads = value as f32,
            Series::Lag { .. } => {}
        }
    }

    /// A heartbeat arrived: it counts in the period of its arrival, as what the provider counts does.
    pub(super) fn weigh(&mut self, source: RegionId, target: RegionId, sample: &Sample) {
        let Some(polling) = self.plan.polling.filter(|_| !self.plan.observer) else { return };
        let now = self.clocks.looked_at();
        let ahead = self.ahead(source, now.mono);
        let pair = &mut self.pairs[source.index() * self.targets.len() + target.index()];
        let weighed = pair.weighed.get_or_insert_with(|| Weighed::new(polling));
        if let Some(period) = weighed.hour.at(sample.seen_at - ahead, now.wall - ahead) {
            period.arrive(sample.bracket);
        }
    }

    /// Works out what one region's answer means for the pairs that it is about. One that failed says nothing new.
    fn conclude(&mut self, region: RegionId, polling: Polling, now: Now) {
        let count = self.targets.len();
        let asking = &mut self.targets[region.index()].asking;
        let failing = asking.failing;
        if let (None, Some(hour)) = (failing, &asking.companions) {
            asking.shown = Some(Arc::new(Companions::of(hour, polling, now)));
        }
        let plan = self.plan.clone();
        for target in plan.region_ids().filter(|target| plan.covers(region, *target)) {
            let Pair { stats, weighed, .. } = &mut self.pairs[region.index() * count + target.index()];
            let weighed = weighed.get_or_insert_with(|| Weighed::new(polling));
            let facts = if failing.is_some() {
                ProviderFacts { failing, ..(*weighed.facts).clone() }
            } else {
                let p99 = |from: Mono, to: Mono| stats.arrived_p99(from, to);
                let finding = Finding::of(&weighed.hour, polling, now, p99);
                ProviderFacts { newest: Said::newest(&weighed.hour, now), finding, failing }
            };
            weighed.facts = Arc::new(facts);
        }
    }

    /// What the provider says of a pair, and of its target; nothing where this process does not ask.
    pub(super) fn provider_facts(
        &self,
        source: RegionId,
        target: RegionId,
    ) -> (Option<Arc<ProviderFacts>>, Option<Arc<Companions>>) {
        if !self.asks_for(source, target) {
            return (None, None);
        }
        let weighed = self.pairs[source.index() * self.targets.len() + target.index()].weighed.as_ref();
        let facts = weighed.map_or_else(Arc::default, |weighed| weighed.facts.clone());
        (Some(facts), self.targets[target.index()].asking.shown.clone())
    }
}
