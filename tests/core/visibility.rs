//! Whether a write is visible: probabilities that have the truth in between, and nothing that is claimed without a look.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, LogNormal};
use tidegauge::core::advice::visibility::{Lookback, Shown, Visible, visibility, visible_within, within};
use tidegauge::core::model::{Plan, RegionId};
use tidegauge::core::snapshot::{PairSnapshot, Seat, SlotFacts};
use tidegauge::core::time::{Mono, Now, Span, Wall};
use tidegauge::core::window::{PROBABILITIES, Visibility, samples_for};
use tidegauge::stores::simulated::world::Lag;

use crate::fleet::{Fleet, WrongClock};
use crate::sim::{Network, Sim, plan, typical_lag};

const SOURCE: RegionId = RegionId(0);
const TARGET: RegionId = RegionId(1);

fn second(second: f64) -> Mono {
    Mono::from_nanos((second * 1e9) as i64)
}

fn ms(millis: i64) -> Span {
    Span::from_millis(millis)
}

fn pair_of(sim: &mut Sim) -> PairSnapshot {
    let snapshot = sim.snapshot();
    snapshot.pairs.into_iter().find(|pair| (pair.source, pair.target) == (SOURCE, TARGET)).unwrap()
}

fn visible(sim: &mut Sim, age: Span) -> Visible {
    let pair = pair_of(sim);
    visibility(sim.ledger.plan(), &pair, sim.now, age, None)
}

fn pessimistic(visible: &Visible) -> f64 {
    visible.probability.unwrap().pessimistic
}

fn optimistic(visible: &Visible) -> f64 {
    visible.probability.unwrap().optimistic
}

/// Lags so short that no heartbeat is overtaken by the next: what was drawn is what is seen.
const SHORT: Lag = Lag { median: Span::from_millis(300), sigma: 0.4, spike_probability: 0.0, spike_factor: (1.0, 1.0) };

#[test]
fn a_known_distribution_of_lags_lies_between_the_two_curves_at_every_probability() {
    let mut random = SmallRng::seed_from_u64(99);
    let shape = LogNormal::new(0.0, SHORT.sigma).unwrap();
    let mut drawn: Vec<f64> = (0..400_000).map(|_| 0.3 * shape.sample(&mut random)).collect();
    drawn.sort_by(f64::total_cmp);
    let share = |time: f32| drawn.partition_point(|lag| *lag <= f64::from(time)) as f64 / drawn.len() as f64;
    for (seed, network) in [Network::calm(), Network::calm(), Network::hostile()].into_iter().enumerate() {
        let mut sim = Sim::new(plan(2), SHORT, network, seed as u64);
        sim.run_until(second(3_650.0), |_| {});
        let [ten, hour] = *pair_of(&mut sim).visibility;
        assert!(
            (540..=600).contains(&ten.count) && (3_200..=3_600).contains(&hour.count),
            "{} {}",
            ten.count,
            hour.count
        );
        for curve in [ten, hour] {
            for (place, p) in PROBABILITIES.into_iter().enumerate() {
                let (late, early) = (curve.pessimistic[place], curve.optimistic[place]);
                let enough = curve.count >= samples_for(place);
                assert_eq!((late.is_some(), early.is_some()), (enough, enough), "{place} of {}", curve.count);
                let (Some(late), Some(early)) = (late, early) else { continue };
                let slack = 4.5 * (p * (1.0 - p) / curve.count as f64).sqrt();
                assert!(share(late) >= p - slack, "{p}: {late} is too early for a pessimist, {}", share(late));
                assert!(share(early) <= p + slack, "{p}: {early} is too late for an optimist, {}", share(early));
            }
        }
    }
}

/// Spikes are overtaken, writes and answers are late, some time out: what came of it is known all the same.
#[test]
fn what_really_became_of_the_last_hour_lies_between_the_two_curves() {
    for (seed, network, sharp) in [(3, Network::calm(), 0.35), (4, Network::hostile(), 2.0)] {
        let mut sim = Sim::new(plan(2), typical_lag(), network, seed);
        sim.run_until(second(3_602.0), |_| {});
        let now = sim.now.mono;
        let hour = pair_of(&mut sim).visibility[1];
        let truth = sim.world.truth(now).unwrap();
        let mut lags: Vec<f64> = truth
            .commits(SOURCE, 0)
            .iter()
            .filter_map(|(beat, _)| truth.lag(SOURCE, TARGET, 0, *beat))
            .map(Span::as_secs_f64)
            .collect();
        lags.sort_by(f64::total_cmp);
        assert!(hour.count > 3_000 && hour.count.abs_diff(lags.len() as u64) < 400, "{} {}", hour.count, lags.len());
        for (place, p) in PROBABILITIES.into_iter().enumerate() {
            // Of the hour's sketches the oldest is cut off, so that a few of these lags are not in it.
            let slack = 2.0 * (p * (1.0 - p) / hour.count as f64).sqrt();
            let at = |share: f64| lags[((lags.len() as f64 * share) as usize).min(lags.len() - 1)];
            let (late, early) =
                (f64::from(hour.pessimistic[place].unwrap()), f64::from(hour.optimistic[place].unwrap()));
            assert!(late >= at((p - slack).max(0.0)), "{p}: {late} {}", at(p));
            assert!(early <= at(p + slack), "{p}: {early} {}", at(p));
            if p < 0.95 {
                assert!(late - early <= sharp, "as sharp as brackets are: {early} to {late}");
            }
        }
    }
}

#[test]
fn in_a_stall_a_fresh_write_may_not_be_visible_at_all_and_nothing_is_ever_certain() {
    let mut sim = Sim::new(plan(2), Lag::fixed(ms(400)), Network::calm(), 1);
    sim.run_until(second(700.0), |_| {});
    assert!(visible_within(&pair_of(&mut sim), 0.99).unwrap() < ms(1_000));
    sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
    for after in [2.0, 3.5, 10.0, 60.0] {
        sim.run_until(second(700.0 + after), |_| {});
        for age in [0, 100, 900, 1_900].map(ms).into_iter().filter(|age| age.as_secs_f64() + 1.0 < after) {
            let fresh = visible(&mut sim, age);
            assert_eq!(
                (fresh.heartbeats, pessimistic(&fresh)),
                (Shown::NotPassed, 0.0),
                "{after} s, {age:?}: {fresh:?}"
            );
            assert!(optimistic(&fresh) < 1.0);
        }
        // What was written before the stall came through.
        let before = visible(&mut sim, Span::from_secs_f64(after + 3.0));
        assert_eq!(before.heartbeats, Shown::Passed);
        assert!(pessimistic(&before) >= 0.8 && optimistic(&before) < 1.0, "{before:?}");
    }
    let stalled = pair_of(&mut sim);
    assert_eq!(visible_within(&stalled, 0.95), None, "60 of 660 have not arrived");
    let words = within(sim.ledger.plan(), &stalled, 0.95, None).basis;
    assert!(words.contains("have not arrived yet"), "{words}");
    sim.world.set_paused(SOURCE, TARGET, false, sim.now.mono);
    sim.run_until(second(770.0), |_| {});
    assert_eq!(visible(&mut sim, ms(3_000)).heartbeats, Shown::Passed);
}

#[test]
fn what_nobody_looked_at_makes_no_quantile_late_and_no_write_visible() {
    let mut sim = Sim::new(plan(2), Lag::fixed(ms(400)), Network::calm(), 1);
    sim.run_until(second(700.0), |_| {});
    let before = *pair_of(&mut sim).visibility;
    sim.down.push(TARGET);
    sim.run_until(second(760.0), |_| {});
    let after = pair_of(&mut sim);
    let place = PROBABILITIES.iter().position(|listed| *listed == 0.98).unwrap();
    assert_eq!(after.visibility[0].pessimistic[place], before[0].pessimistic[place], "as it was when somebody looked");
    assert!(after.summary[1].p99.is_some());
    let fresh = visible(&mut sim, ms(20_000));
    assert_eq!((fresh.heartbeats, pessimistic(&fresh)), (Shown::Unknown, 0.0), "{fresh:?}");
    assert!(fresh.basis.contains("cannot be read"), "{}", fresh.basis);
    assert_eq!(visible(&mut sim, ms(63_000)).heartbeats, Shown::Passed, "what was visible then is visible still");
}

#[test]
fn where_nothing_is_written_a_heartbeat_says_nothing_of_what_the_application_wrote_since() {
    let mut sim = Sim::new(plan(2), Lag::fixed(ms(400)), Network::calm(), 1);
    sim.run_until(second(700.0), |_| {});
    sim.down.push(SOURCE);
    sim.run_until(second(730.0), |_| {});
    let since = visible(&mut sim, ms(20_000));
    assert_eq!((since.heartbeats, pessimistic(&since)), (Shown::Unknown, 0.0), "{since:?}");
    assert!(since.basis.contains("accepts no heartbeat"), "{}", since.basis);
}

#[test]
fn before_anything_is_measured_nothing_is_said() {
    let mut sim = Sim::new(plan(2), SHORT, Network::calm(), 1);
    for end in [0.0, 2.5] {
        sim.run_until(second(end), |_| {});
        let early = visible(&mut sim, ms(1_000));
        assert_eq!(early.probability, None, "{early:?}");
        assert!(early.basis.contains("of which it takes 4"), "{}", early.basis);
        assert_eq!(visible_within(&pair_of(&mut sim), 0.1), None);
    }
}

/// A pair that is well, its one slot changed.
fn with_slot(change: impl FnOnce(&mut SlotFacts)) -> (Plan, PairSnapshot, Now) {
    let mut sim = Sim::new(plan(2), Lag::fixed(ms(400)), Network::calm(), 1);
    sim.run_until(second(100.0), |_| {});
    let mut pair = pair_of(&mut sim);
    let mut slot = pair.slots[0];
    slot.written = Some(sim.now.mono - ms(900));
    slot.oldest_unseen = None;
    change(&mut slot);
    pair.slots = Arc::from([slot]);
    ((**sim.ledger.plan()).clone(), pair, sim.now)
}

fn shown(facts: &(Plan, PairSnapshot, Now), age: Span) -> Shown {
    let (plan, pair, now) = facts;
    visibility(plan, pair, *now, age, None).heartbeats
}

const NANOSECOND: Span = Span::from_nanos(1);

#[test]
fn a_heartbeat_has_passed_a_write_only_if_it_was_certainly_written_later() {
    let facts = with_slot(|_| {});
    assert_eq!(shown(&facts, ms(900) + NANOSECOND), Shown::Passed);
    assert_eq!(shown(&facts, ms(900)), Shown::Between);
    assert_eq!(shown(&facts, Span::ZERO), Shown::Between);
    let unbounded = with_slot(|slot| slot.written = None);
    assert_eq!(shown(&unbounded, ms(60_000)), Shown::Unknown);
    // A slot that lags behind the others is where the write may be.
    let mut two = with_slot(|_| {});
    let late = SlotFacts { slot: 1, written: Some(two.2.mono - ms(2_000)), ..two.1.slots[0] };
    two.1.slots = Arc::from([two.1.slots[0], late]);
    assert_eq!(shown(&two, ms(1_500)), Shown::Between);
    assert_eq!(shown(&two, ms(2_100)), Shown::Passed);
}

#[test]
fn a_heartbeat_that_may_have_been_written_before_and_is_not_visible_speaks_against_the_write() {
    let now = with_slot(|_| {}).2.mono;
    let facts = with_slot(|slot| slot.oldest_unseen = Some(now - ms(300)));
    assert_eq!(shown(&facts, ms(300)), Shown::NotPassed);
    assert_eq!(shown(&facts, ms(300) + NANOSECOND), Shown::Between);
    let older = with_slot(|slot| (slot.oldest_unseen, slot.age_unknown) = (Some(now - ms(300)), true));
    assert_eq!(shown(&older, ms(301)), Shown::Unknown, "nobody knows how old it is");
    let newer = with_slot(|slot| slot.newer_format = true);
    assert_eq!(shown(&newer, ms(100)), Shown::Unknown);
    // Another process's next heartbeat was due before the write.
    let mut theirs = with_slot(|slot| slot.written = Some(now - ms(1_500)));
    theirs.1.seat = Seat::Held;
    assert_eq!(shown(&theirs, ms(500)), Shown::NotPassed);
    assert_eq!(shown(&theirs, ms(500) + NANOSECOND), Shown::Between);
}

/// As a curve of so many samples: `late` at every probability that they reach, `early` likewise.
fn curve(count: u64, late: f32, early: f32) -> Visibility {
    let reached = |time: f32| std::array::from_fn(|place| (count >= samples_for(place)).then_some(time));
    Visibility { count, pessimistic: reached(late), optimistic: reached(early) }
}

#[test]
fn a_probability_is_one_of_those_kept_and_never_more_than_so_many_samples_can_tell() {
    for (count, highest) in [(4, 0.2), (30, 0.9), (600, 0.995), (3_000, 0.999), (1_000_000, 0.999)] {
        let mut facts = with_slot(|_| {});
        facts.1.visibility = Arc::new([curve(count, 0.8, 0.5), curve(count, 0.8, 0.5)]);
        let at = |age| visibility(&facts.0, &facts.1, facts.2, age, Some(Lookback::Hour)).probability.unwrap();
        let cap = 1.0 - 1.0 / (count as f64 + 1.0);
        let (young, middle, old) = (at(ms(100)), at(ms(600)), at(ms(5_000)));
        assert_eq!((young.pessimistic, young.optimistic), (0.0, 0.1));
        assert_eq!((middle.pessimistic, middle.optimistic), (0.0, cap));
        assert_eq!((old.pessimistic, old.optimistic), (highest, cap), "{count}");
        assert!(old.pessimistic < old.optimistic && old.optimistic < 1.0);
    }
}

#[test]
fn a_confidence_is_rounded_up_to_one_that_is_kept() {
    let mut facts = with_slot(|_| {});
    facts.1.visibility = Arc::new([curve(400, 0.9, 0.6), curve(3_500, 1.2, 0.7)]);
    let ask = |confidence, lookback| within(&facts.0, &facts.1, confidence, lookback);
    for (asked, answered, late, lookback) in [
        (0.001, 0.1, 900, Lookback::TenMinutes),
        (0.9, 0.9, 900, Lookback::TenMinutes),
        (0.985, 0.99, 900, Lookback::TenMinutes),
        (0.991, 0.995, 1_200, Lookback::Hour),
        (0.999, 0.999, 1_200, Lookback::Hour),
    ] {
        let within = ask(asked, None);
        assert_eq!((within.confidence, within.lookback), (Some(answered), lookback), "{asked}");
        assert!((within.pessimistic.unwrap().as_secs_f64() * 1e3 - f64::from(late)).abs() < 0.01, "{within:?}");
        assert!(within.optimistic.unwrap() < within.pessimistic.unwrap());
        assert_eq!(visible_within(&facts.1, asked), within.pessimistic);
    }
    let few = ask(0.995, Some(Lookback::TenMinutes));
    assert_eq!(
        (few.confidence, few.pessimistic, few.optimistic),
        (Some(0.995), None, None),
        "in no other than this one"
    );
    assert!(few.basis.starts_with("400 heartbeats") && few.basis.contains("99.5 % takes 600 of them"), "{}", few.basis);
    let beyond = ask(0.9999, None);
    assert_eq!((beyond.confidence, beyond.pessimistic), (None, None));
    assert!(beyond.basis.contains("nothing is kept beyond 99.9 %"), "{}", beyond.basis);
    for nonsense in [1.0, 2.0, f64::NAN, f64::INFINITY] {
        assert_eq!(visible_within(&facts.1, nonsense), None);
    }
}

#[test]
fn ten_minutes_in_which_something_is_late_are_not_talked_around_with_the_hour() {
    let mut facts = with_slot(|_| {});
    let mut late = curve(600, 0.9, 0.6);
    late.pessimistic[9..].fill(None);
    facts.1.visibility = Arc::new([late, curve(3_500, 1.2, 0.7)]);
    assert_eq!(visible_within(&facts.1, 0.95), None);
    assert!(visible_within(&facts.1, 0.9).is_some());
}

#[test]
fn a_clock_that_is_set_back_while_a_heartbeat_is_on_its_way_makes_it_no_younger() {
    let mut sim = Sim::new(plan(2), Lag::fixed(ms(800)), Network::calm(), 1);
    sim.run_until(second(20.3), |_| {});
    sim.now.wall = Wall::from_micros(sim.now.wall.as_micros() - 300_000);
    let mut looks = 0;
    sim.run_until(second(25.0), |sim| {
        let slot = pair_of(sim).slots[0];
        let (Some(written), Some(watermark)) = (slot.written, slot.watermark) else { return };
        let write = sim.writes.iter().find(|write| write.source == SOURCE && write.beat == watermark.beat).unwrap();
        assert!(written <= write.sent, "{written:?} is later than {:?}", write.sent);
        looks += 1;
    });
    assert!(looks > 20, "{looks}");
}

/// Gauges whose clocks are off, and an observer on a host of its own: who says passed is right.
#[test]
fn what_is_said_to_have_passed_has_whatever_the_clocks_show() {
    let local = |region: u16| Plan { local: Some(RegionId(region)), phase: f64::from(region) * 0.3, ..plan(3) };
    for seed in 0..3 {
        let mut fleet = Fleet::new(3, typical_lag(), Network::hostile(), seed);
        for (region, (off, drift)) in [(2_000, 200), (0, 0), (-3_000, -200)].into_iter().enumerate() {
            fleet.start(local(region as u16), WrongClock::off_by_millis(off, drift));
        }
        let observer = Plan { observer: true, reads_per_interval: 1, ..local(1) };
        let observer = fleet.start(observer, WrongClock::off_by_millis(900, 100));
        let mut counts = [0; 4];
        fleet.run_until(second(90.0), |fleet| {
            for (node, source, target) in [(1, 0, 1), (2, 0, 2), (0, 2, 0), (observer, 0, 1)] {
                let (source, target) = (RegionId(source), RegionId(target));
                let pair = fleet.pair(node, source, target);
                let (plan, now) = (fleet.nodes[node].ledger.plan().clone(), fleet.now_at(node));
                for age in [0, 400, 900, 1_500, 2_500, 6_000].map(ms) {
                    let visible = visibility(&plan, &pair, now, age, None);
                    counts[visible.heartbeats as usize] += 1;
                    if node == observer {
                        assert_eq!((visible.probability, visible.samples), (None, 0), "it keeps no windows");
                        assert_eq!(visible_within(&pair, 0.5), None);
                    }
                    if visible.heartbeats == Shown::Passed {
                        let (written, seen) = (fleet.now - age, pair.slots[0].watermark.unwrap().beat);
                        let truth = fleet.world.truth(fleet.now).unwrap();
                        let commits = truth.commits(source, 0);
                        let place = commits.binary_search_by_key(&seen, |(beat, _)| *beat).unwrap();
                        assert!(commits[place].1 > written, "{seen:?} was committed before {written:?}");
                    }
                }
            }
        });
        assert!(counts[0] > 1_000 && counts[1..].iter().all(|count| *count > 50), "{counts:?}");
    }
}
