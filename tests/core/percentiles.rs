//! A provider that tells 99th percentiles by the minute, as Azure does of Cosmos DB, weighed against the heartbeats from end
//! to end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tidegauge::core::assess::{Assessment, State, assess};
use tidegauge::core::merge::{MergedOrigin, Verdict};
use tidegauge::core::model::{Plan, ReadSchedule, RegionId};
use tidegauge::core::provider::{Polling, Question, Reading, Series, Statistic};
use tidegauge::core::time::{Mono, Span, Wall};
use tidegauge::stores::simulated::world::Lag;

use crate::sim::{Network, Sim, plan, typical_lag};

const SOURCE: RegionId = RegionId(0);
const TARGET: RegionId = RegionId(1);
const MINUTE: Span = Span::from_millis(60_000);

/// As settings have it by themselves for Cosmos DB.
const POLLING: Polling =
    Polling { every: Span::from_millis(300_000), period: MINUTE, delay: Span::from_millis(180_000) };

fn asking(polling: Polling) -> Plan {
    Plan { polling: Some(polling), reads_per_interval: 2, read_schedule: ReadSchedule::Fixed, ..plan(2) }
}

fn minute(minute: f64) -> Mono {
    Mono::from_nanos((minute * 60e9) as i64)
}

fn assessed(sim: &mut Sim) -> Assessment {
    let snapshot = sim.snapshot();
    let pair = snapshot.pairs.iter().find(|pair| (pair.source, pair.target) == (SOURCE, TARGET)).unwrap();
    assess(&snapshot.plan, pair, sim.now)
}

fn verdict(sim: &mut Sim) -> Verdict {
    assessed(sim).provider.unwrap().verdict
}

/// What arrived in each minute, in seconds of lag.
type Arrivals = Rc<RefCell<BTreeMap<i64, Vec<f64>>>>;

fn p99_of(lags: &[f64]) -> f64 {
    let mut lags = lags.to_vec();
    lags.sort_by(f64::total_cmp);
    lags[(lags.len() * 99).div_ceil(100) - 1]
}

/// 99th percentiles of the pair for every minute that is asked for, as `of` makes them of what arrived in it.
fn percentiles(question: &Question, arrivals: &Arrivals, of: impl Fn(Wall, f64) -> f64) -> Vec<Reading> {
    let arrivals = arrivals.borrow();
    let (begin, period) = (question.begin, question.period);
    let begins = (0..).map(move |place| begin + period.times(place)).take_while(|begin| *begin < question.end);
    let readings = begins.flat_map(|begin| {
        let first = begin.as_micros() / 60_000_000;
        let minutes = arrivals.range(first..first + period.as_micros() / 60_000_000);
        let told: Vec<f64> = minutes.map(|(_, lags)| of(begin, p99_of(lags))).collect();
        let value = told.iter().sum::<f64>() / told.len() as f64;
        let series =
            |target: &RegionId| Series::Lag { source: question.region, target: *target, statistic: Statistic::P99 };
        let reading = move |target: &RegionId| Reading { series: series(target), begin, period, value };
        question.targets.iter().filter(|target| **target == TARGET && !told.is_empty()).map(reading).collect::<Vec<_>>()
    });
    readings.collect()
}

/// A pair whose provider says of each minute what `of` makes of the truth.
fn told(polling: Polling, lag: Lag, of: impl Fn(Wall, f64) -> f64 + 'static) -> (Sim, Arrivals) {
    let mut sim = Sim::new(asking(polling), lag, Network::calm(), 7);
    let arrivals = Arrivals::default();
    let said = arrivals.clone();
    sim.ask = Box::new(move |question| Ok(percentiles(question, &said, &of)));
    (sim, arrivals)
}

/// Runs until then, and notes what arrives.
fn run(sim: &mut Sim, arrivals: &Arrivals, until: Mono) {
    let mut noted = sim.samples.get(&(SOURCE, TARGET)).map_or(0, Vec::len);
    sim.run_until(until, |sim| {
        let Some(samples) = sim.samples.get(&(SOURCE, TARGET)) else { return };
        for sample in &samples[noted..] {
            let lag = (sample.bracket.lower.as_secs_f64() + sample.bracket.upper.as_secs_f64()) / 2.0;
            arrivals.borrow_mut().entry(sample.seen_at.as_micros() / 60_000_000).or_default().push(lag);
        }
        noted = samples.len();
    });
}

#[test]
fn the_truth_agrees_and_far_more_or_less_of_it_does_not() {
    for (factor, expected) in
        [(1.0, Verdict::Agrees), (8.0, Verdict::DisagreesProviderHigher), (0.1, Verdict::DisagreesProviderLower)]
    {
        let (mut sim, arrivals) = told(POLLING, typical_lag(), move |_, p99| p99 * factor);
        run(&mut sim, &arrivals, minute(9.0));
        assert_eq!(verdict(&mut sim), Verdict::Unknown, "ten minutes are not over");
        run(&mut sim, &arrivals, minute(40.0));
        assert_eq!(verdict(&mut sim), expected, "{factor} times the truth");
    }
}

/// What arrives after a stall is late by all of it, for as long as a ten minutes' percentile remembers: against the
/// minutes that are well again it would look as if the provider lied.
#[test]
fn who_tells_the_truth_agrees_whatever_happens_to_replication() {
    for (stall, every) in [(0.2, 60), (1.0, 300), (1.0, 60), (4.0, 300), (12.0, 60)] {
        for begin in [30.0, 34.9] {
            let polling = Polling { every: Span::from_millis(every * 1_000), ..POLLING };
            let (mut sim, arrivals) = told(polling, typical_lag(), |_, p99| p99);
            run(&mut sim, &arrivals, minute(begin));
            let never = |sim: &mut Sim, when: &str| {
                let verdict = verdict(sim);
                let is_accused = verdict.disagrees() == Some(true);
                assert!(!is_accused, "{stall} minutes from {begin}, {when}: {verdict:?} at {:?}", sim.now.mono);
            };
            sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
            // Nothing is found but when an answer comes, a minute after the last at the earliest.
            for half in 0..(stall * 2.0) as i64 {
                run(&mut sim, &arrivals, minute(begin) + Span::from_millis(30_000 * half));
                never(&mut sim, "during");
            }
            run(&mut sim, &arrivals, minute(begin + stall));
            sim.world.set_paused(SOURCE, TARGET, false, sim.now.mono);
            for half in 0..70 {
                run(&mut sim, &arrivals, minute(begin + stall) + Span::from_millis(30_000 * half));
                never(&mut sim, "after");
            }
            assert_eq!(verdict(&mut sim), Verdict::Agrees, "all is well again");
        }
    }
}

#[test]
fn while_reads_fail_a_99th_percentile_is_the_merged_lag_as_the_best_that_is_known() {
    let (mut sim, arrivals) = told(POLLING, typical_lag(), |_, _| 1.75);
    run(&mut sim, &arrivals, minute(20.0));
    assert_eq!(assessed(&mut sim).merged.unwrap().origin, MergedOrigin::Measured);
    sim.down.push(TARGET);
    run(&mut sim, &arrivals, minute(20.2));
    let now = assessed(&mut sim);
    assert_eq!((now.state, now.current_lag), (State::ReadFailing, None));
    let merged = now.merged.unwrap();
    assert_eq!((merged.lag, merged.origin), (Span::from_millis(1_750), MergedOrigin::Provider));
    // Its newest minute ended three to eight minutes ago, and counts as news for a quarter of an hour and the delay.
    assert!((MINUTE.times(3)..MINUTE.times(9)).contains(&now.provider.unwrap().age.unwrap()), "{now:?}");
}
