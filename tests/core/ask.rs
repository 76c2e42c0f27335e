//! Who asks the provider, when, for what; and what its answers come to, whatever they look like.

use std::cell::RefCell;
use std::rc::Rc;

use tidegauge::core::assess::{Assessment, State, assess};
use tidegauge::core::heartbeat::Heartbeat;
use tidegauge::core::merge::{MergedOrigin, ProviderFacts, Verdict};
use tidegauge::core::model::{Beat, Expect, Failure, Plan, ReadSchedule, Reason, RegionId, Write, WriterId};
use tidegauge::core::provider::{Polling, Question, Reading, Series, Statistic};
use tidegauge::core::snapshot::Seat;
use tidegauge::core::time::{Mono, Span, Wall};
use tidegauge::stores::simulated::world::Lag;

use crate::fleet::{Fleet, WrongClock};
use crate::sim::{Network, Sim, plan};

const SOURCE: RegionId = RegionId(0);
const TARGET: RegionId = RegionId(1);
const LAG: f64 = 0.4;

fn second(second: f64) -> Mono {
    Mono::from_nanos((second * 1e9) as i64)
}

fn secs(seconds: i64) -> Span {
    Span::from_millis(seconds * 1_000)
}

const POLLING: Polling =
    Polling { every: Span::from_millis(60_000), period: Span::from_millis(60_000), delay: Span::from_millis(60_000) };

/// Few reads, evenly spaced: hours of them are gone through here, and how narrow brackets are does not matter.
fn asking(regions: usize) -> Plan {
    let read_schedule = ReadSchedule::Fixed;
    Plan { polling: Some(POLLING), reads_per_interval: 2, read_schedule, ..plan(regions) }
}

fn calm(plan: Plan) -> Sim {
    Sim::new(plan, Lag::fixed(Span::from_millis(400)), Network::calm(), 1)
}

/// The beginnings of the periods that are asked for.
fn begins(question: &Question) -> impl Iterator<Item = Wall> + use<> {
    let (begin, end, period) = (question.begin, question.end, question.period);
    (0..).map(move |place| begin + period.times(place)).take_while(move |begin| *begin < end)
}

fn reading(source: RegionId, target: RegionId, begin: Wall, value: f64) -> Reading {
    let series = Series::Lag { source, target, statistic: Statistic::Average };
    Reading { series, begin, period: POLLING.period, value }
}

/// An average for every pair and period that is asked for.
fn averages(question: &Question, value: impl Fn(Wall) -> Option<f64>) -> Vec<Reading> {
    let readings = begins(question).flat_map(|begin| {
        let value = value(begin);
        question.targets.iter().filter_map(move |target| Some(reading(question.region, *target, begin, value?)))
    });
    readings.collect()
}

fn minute_of(minute: i64) -> Wall {
    Wall::from_micros((1_800_000_000 + 60 * minute) * 1_000_000)
}

fn assessed(sim: &mut Sim) -> Assessment {
    let snapshot = sim.snapshot();
    let pair = snapshot.pairs.iter().find(|pair| (pair.source, pair.target) == (SOURCE, TARGET)).unwrap();
    assess(&snapshot.plan, pair, sim.now)
}

fn facts(sim: &mut Sim) -> Option<ProviderFacts> {
    let snapshot = sim.snapshot();
    let pair = snapshot.pairs.iter().find(|pair| (pair.source, pair.target) == (SOURCE, TARGET)).unwrap();
    pair.provider.as_deref().cloned()
}

fn verdict(sim: &mut Sim) -> Verdict {
    assessed(sim).provider.unwrap().verdict
}

fn average(sim: &mut Sim) -> Option<f64> {
    facts(sim).unwrap().newest.and_then(|said| said.average)
}

#[test]
fn a_region_is_asked_once_in_the_time_between_two_questions_for_whole_periods_that_are_published() {
    let mut sim = calm(Plan { polling: Some(Polling { period: secs(300), ..POLLING }), ..asking(3) });
    sim.run_until(second(1_800.0), |_| {});
    for region in (0..3).map(RegionId) {
        let asked: Vec<&(Mono, Question)> = sim.questions.iter().filter(|(_, asked)| asked.region == region).collect();
        assert!((29..=30).contains(&asked.len()), "{} questions in half an hour", asked.len());
        assert!(asked[0].0 <= second(60.5), "the first one comes soon");
        for two in asked.windows(2) {
            assert!(two[1].0 - two[0].0 >= POLLING.every, "{two:?}");
        }
        for (at, question) in &asked {
            let now = minute_of(0) + Span::from_nanos(at.as_nanos());
            let whole = |at: Wall| at.as_micros() % 300_000_000 == 0;
            assert!(whole(question.begin) && whole(question.end), "{question:?}");
            assert!(now - question.end >= POLLING.delay && now - question.end < POLLING.delay + secs(300));
            assert!(question.end - question.begin >= secs(900));
            let others: Vec<RegionId> = (0..3).map(RegionId).filter(|other| *other != region).collect();
            assert_eq!((&question.targets, question.companions, question.period), (&others, true, secs(300)));
        }
    }
    let at_once = sim.questions.windows(2).any(|two| two[1].0 == two[0].0);
    assert!(!at_once, "regions are not asked in the same moment");
}

#[test]
fn without_a_provider_nothing_is_asked_and_merged_lag_is_the_measured_one() {
    let mut sim = calm(plan(2));
    sim.run_until(second(300.0), |_| {});
    assert!(sim.questions.is_empty());
    let now = assessed(&mut sim);
    assert_eq!((now.provider, now.merged.unwrap().lag), (None, now.current_lag.unwrap()));
    assert_eq!(now.merged.unwrap().origin, MergedOrigin::Measured);
}

#[test]
fn a_gauge_asks_each_source_for_its_own_region_and_who_stands_by_or_observes_asks_nothing() {
    let mut fleet = Fleet::new(3, Lag::fixed(Span::from_millis(400)), Network::calm(), 1);
    let clock = WrongClock::off_by_millis(0, 0);
    let at = |region: u16| Plan { local: Some(RegionId(region)), ..asking(3) };
    let gauges: Vec<usize> = (0..3).map(|region| fleet.start(at(region), clock)).collect();
    fleet.run_until(second(5.0), |_| {});
    let standby = fleet.start(at(0), clock);
    let observer = fleet.start(Plan { observer: true, ..at(0) }, clock);
    fleet.run_until(second(200.0), |_| {});
    for (node, question) in &fleet.questions {
        assert!(gauges.contains(node), "{node} asks");
        let local = RegionId(*node as u16);
        let expected = if question.region == local { vec![] } else { vec![local] };
        assert_eq!((&question.targets, question.companions), (&expected, question.region == local));
    }
    for node in &gauges {
        assert!(fleet.questions.iter().filter(|(of, _)| of == node).count() >= 9);
        assert!(fleet.pair(*node, RegionId((*node as u16 + 1) % 3), RegionId(*node as u16)).provider.is_some());
    }
    for node in [standby, observer] {
        assert!(fleet.pair(node, TARGET, SOURCE).provider.is_none());
    }
    fleet.resign(gauges[0]);
    fleet.questions.clear();
    fleet.run_until(second(400.0), |_| {});
    assert!(fleet.questions.iter().any(|(node, _)| *node == standby), "it took over");
    assert!(fleet.pair(standby, TARGET, SOURCE).provider.is_some());
    assert!(fleet.questions.iter().all(|(node, _)| *node != observer && *node != gauges[0]));
}

#[test]
fn with_remote_reads_a_gauge_asks_its_own_region_for_all_others() {
    let mut sim = calm(Plan { local: Some(SOURCE), remote_reads: true, ..asking(3) });
    sim.run_until(second(100.0), |_| {});
    let own = sim.questions.iter().find(|(_, question)| question.region == SOURCE).unwrap();
    assert_eq!((&own.1.targets, own.1.companions), (&vec![RegionId(1), RegionId(2)], true));
    let other = sim.questions.iter().find(|(_, question)| question.region == TARGET).unwrap();
    assert_eq!((&other.1.targets, other.1.companions), (&vec![SOURCE], true));
}

/// Somebody else takes a seat by force, at whatever is stored.
fn usurp(sim: &mut Sim, region: RegionId) {
    let stored = sim.world.stored(region, 0).unwrap().clone();
    let beat = Beat { run: stored.beat.run + 1, seq: 0 };
    let heartbeat = Heartbeat { writer: WriterId(0xBAD), host: "elsewhere".into(), beat, ..stored.clone() };
    let expect = Expect::Takeover { seen: Some(stored.beat) };
    sim.world.commit(&Write { source: region, heartbeat, expect, want_replaced: false }, sim.now.mono);
}

#[test]
fn a_seat_that_is_lost_ends_the_questions_and_what_they_told_and_flapping_asks_no_more_often() {
    let mut sim = calm(Plan { local: Some(SOURCE), remote_reads: true, ..asking(2) });
    sim.ask = Box::new(|question| Ok(averages(question, |_| Some(LAG))));
    sim.run_until(second(400.0), |_| {});
    assert_eq!(average(&mut sim), Some(LAG));
    usurp(&mut sim, SOURCE);
    sim.run_for(secs(2));
    let asked = sim.questions.len();
    assert_eq!(sim.snapshot().seats[0], Some(Seat::Held));
    assert_eq!(facts(&mut sim), None);
    assert_eq!(assessed(&mut sim).provider, None);
    // The usurper falls silent and the seat is taken back, again and again.
    for _ in 0..30 {
        sim.run_for(secs(10));
        usurp(&mut sim, SOURCE);
    }
    for region in [SOURCE, TARGET] {
        let asked: Vec<Mono> = sim.questions.iter().filter(|(_, of)| of.region == region).map(|(at, _)| *at).collect();
        assert!(asked.windows(2).all(|two| two[1] - two[0] >= POLLING.every), "{asked:?}");
    }
    sim.run_for(secs(130));
    assert!(sim.questions.len() > asked, "the seat is ours again");
    assert_eq!(average(&mut sim), Some(LAG));
}

#[test]
fn a_provider_that_throttles_is_asked_less_often_and_what_it_said_ages() {
    let mut sim = calm(asking(2));
    sim.ask = Box::new(|question| Ok(averages(question, |_| Some(LAG))));
    sim.run_until(second(300.0), |_| {});
    assert_eq!(verdict(&mut sim), Verdict::Agrees);
    sim.ask = Box::new(|_| Err(Failure { reason: Reason::Throttled, message: String::new() }));
    sim.questions.clear();
    sim.run_until(second(3_900.0), |_| {});
    let asked: Vec<Mono> = sim.questions.iter().filter(|(_, of)| of.region == SOURCE).map(|(at, _)| *at).collect();
    assert!((7..=10).contains(&asked.len()), "{} questions in an hour", asked.len());
    let gaps: Vec<f64> = asked.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()).collect();
    assert!(gaps[0] >= 120.0 && gaps[1] >= 240.0 && gaps[4..].iter().all(|gap| (600.0..=751.0).contains(gap)));
    assert_eq!(sim.snapshot().regions[0].errors[3][Reason::Throttled.index()], asked.len() as u64);
    assert_eq!(facts(&mut sim).unwrap().failing, Some(Reason::Throttled));
    let now = assessed(&mut sim);
    let standing = now.provider.unwrap();
    assert_eq!((standing.said, standing.verdict), (None, Verdict::Unknown), "what it said is too long ago");
    assert_eq!(now.state, State::Ok, "the heartbeats do not depend on it");
    sim.ask = Box::new(|question| Ok(averages(question, |_| Some(LAG))));
    sim.run_for(secs(900));
    assert_eq!((verdict(&mut sim), facts(&mut sim).unwrap().failing), (Verdict::Agrees, None), "it answers again");
}

#[test]
fn a_provider_that_never_answered_says_nothing() {
    let mut sim = calm(asking(2));
    sim.ask = Box::new(|_| Err(Failure { reason: Reason::Denied, message: String::new() }));
    let unasked = facts(&mut sim);
    assert_eq!(unasked, None, "the seat is not ours yet");
    sim.run_until(second(120.0), |_| {});
    let facts = facts(&mut sim).unwrap();
    assert_eq!((facts.newest, facts.failing), (None, Some(Reason::Denied)));
    assert_eq!(facts.finding.words(sim.now.mono), "no question was answered yet");
    assert_eq!(verdict(&mut sim), Verdict::Unknown);
}

#[test]
fn readings_may_come_late_out_of_order_and_revised_and_gaps_are_gaps() {
    let mut sim = calm(asking(2));
    let said: Rc<RefCell<Vec<(i64, f64)>>> = Rc::default();
    let says = said.clone();
    // The newest first, as some pages are, and of periods that are long past, too.
    sim.ask = Box::new(move |question| {
        let known = says.borrow();
        let of = |(minute, value): &(i64, f64)| {
            let targets = question.targets.iter();
            targets.map(|target| reading(question.region, *target, minute_of(*minute), *value)).collect::<Vec<_>>()
        };
        Ok(known.iter().rev().flat_map(of).collect())
    });
    *said.borrow_mut() = vec![(2, 0.41), (3, 9.0), (6, 0.42)];
    sim.run_until(second(600.0), |_| {});
    assert_eq!((average(&mut sim), verdict(&mut sim)), (Some(0.42), Verdict::Agrees));
    // Two that are off, the older of them told after the newer one.
    *said.borrow_mut() = vec![(8, 9.0)];
    sim.run_until(second(720.0), |_| {});
    assert_eq!((average(&mut sim), verdict(&mut sim)), (Some(9.0), Verdict::Unknown));
    *said.borrow_mut() = vec![(7, 9.5)];
    sim.run_until(second(840.0), |_| {});
    assert_eq!((average(&mut sim), verdict(&mut sim)), (Some(9.0), Verdict::DisagreesProviderHigher));
    // It takes one of them back.
    *said.borrow_mut() = vec![(8, 0.43)];
    sim.run_until(second(960.0), |_| {});
    assert_eq!((average(&mut sim), verdict(&mut sim)), (Some(0.43), Verdict::Agrees));
    // A value that is taken back altogether.
    *said.borrow_mut() = vec![(8, 0.0)];
    sim.run_until(second(1_080.0), |_| {});
    assert_eq!(average(&mut sim), Some(9.5));
}

#[test]
fn what_was_not_asked_for_and_what_is_no_value_is_left_out() {
    let mut sim = calm(asking(2));
    sim.ask = Box::new(|question| {
        let other = if question.region == SOURCE { TARGET } else { SOURCE };
        let begin = question.begin;
        let good = reading(question.region, other, begin, 1.0);
        Ok(vec![
            reading(question.region, RegionId(40), begin, 1.0),
            reading(other, question.region, begin, 1.0),
            reading(question.region, question.region, begin, 1.0),
            Reading { value: f64::NAN, ..good },
            Reading { value: f64::INFINITY, ..good },
            Reading { value: -1.0, ..good },
            Reading { period: secs(300), ..good },
            Reading { begin: begin + secs(1), ..good },
            Reading { begin: begin - secs(7_200), ..good },
            Reading { begin: begin + secs(7_200), ..good },
            Reading { series: Series::ThrottledWrites(RegionId(40)), ..good },
        ])
    });
    sim.run_until(second(300.0), |_| {});
    let facts = facts(&mut sim).unwrap();
    assert_eq!((facts.newest, facts.failing), (None, None));
}

#[test]
fn the_truth_agrees_and_ten_times_of_it_does_not() {
    for (said, expected) in
        [(LAG, Verdict::Agrees), (10.0 * LAG + 1.0, Verdict::DisagreesProviderHigher), (LAG / 10.0, Verdict::Agrees)]
    {
        let mut sim = calm(asking(2));
        sim.ask = Box::new(move |question| Ok(averages(question, |_| Some(said))));
        sim.run_until(second(600.0), |_| {});
        assert_eq!(verdict(&mut sim), expected, "{said} s");
        assert_eq!(assessed(&mut sim).state, State::Ok, "a disagreement is no state");
    }
    let mut slow = Sim::new(asking(2), Lag::fixed(secs(4)), Network::calm(), 1);
    slow.ask = Box::new(|question| Ok(averages(question, |_| Some(0.4))));
    slow.run_until(second(600.0), |_| {});
    assert_eq!(verdict(&mut slow), Verdict::DisagreesProviderLower);
}

#[test]
fn a_provider_s_clock_says_which_minute_a_heartbeat_counts_in() {
    // Our wall clock is 10 minutes ahead of the provider's, and the dates of its answers show that.
    for dates in [true, false] {
        let plan = Plan { provider_clock_error: Some(Span::from_millis(50)), ..asking(2) };
        let mut sim = Sim::new(plan, Lag::fixed(Span::from_millis(400)), Network::calm(), 1);
        sim.server_behind = dates.then(|| secs(600));
        sim.run_until(second(900.0), |_| {});
        let (at, question) = sim.questions.last().unwrap();
        let ours = minute_of(0) + Span::from_nanos(at.as_nanos());
        let theirs = if dates { ours - secs(600) } else { ours };
        assert!((secs(60)..secs(121)).contains(&(theirs - question.end)), "{:?}", theirs - question.end);
    }
}

#[test]
fn a_0_or_no_data_in_a_stall_leaves_merged_lag_growing() {
    for nothing in [Some(0.0), None] {
        let mut sim = calm(asking(2));
        let stalled = minute_of(10);
        sim.ask =
            Box::new(move |question| Ok(averages(question, |begin| if begin < stalled { Some(LAG) } else { nothing })));
        sim.run_until(second(600.0), |_| {});
        sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
        for minutes in 1..30 {
            sim.run_until(second(600.0 + 60.0 * f64::from(minutes)), |_| {});
            let now = assessed(&mut sim);
            let merged = now.merged.unwrap();
            assert_eq!((now.state, merged.origin), (State::Stalled, MergedOrigin::Measured));
            let least = secs(60 * i64::from(minutes) - 2);
            assert!(merged.lag >= least && now.current_lag == Some(merged.lag), "{merged:?} after {least:?}");
        }
        assert_eq!(verdict(&mut sim), Verdict::Unknown, "nothing arrived that could be compared");
        // Nobody can look any more: what arrived before the stall does not end it.
        sim.down.push(TARGET);
        sim.run_for(secs(10));
        assert_eq!((assessed(&mut sim).current_lag, assessed(&mut sim).merged), (None, None));
    }
}

#[test]
fn while_reads_fail_the_provider_s_newest_fresh_value_is_the_merged_lag() {
    let mut sim = calm(asking(2));
    sim.ask = Box::new(|question| Ok(averages(question, |begin| (begin < minute_of(12)).then_some(0.5))));
    sim.run_until(second(900.0), |_| {});
    assert_eq!(assessed(&mut sim).merged.unwrap().origin, MergedOrigin::Measured);
    sim.down.push(TARGET);
    sim.run_for(secs(10));
    let now = assessed(&mut sim);
    assert_eq!((now.state, now.current_lag), (State::ReadFailing, None));
    let merged = now.merged.unwrap();
    assert_eq!((merged.lag, merged.origin), (Span::from_millis(500), MergedOrigin::Provider));
    // Its newest value is of the twelfth minute, and the provider has nothing newer to say.
    sim.run_until(second(12.0 * 60.0 + 899.0), |_| {});
    assert!(assessed(&mut sim).merged.is_some());
    sim.run_until(second(12.0 * 60.0 + 901.0), |_| {});
    assert_eq!(assessed(&mut sim).merged, None, "too old to be about now");
}

/// A region that throttled 78 writes a minute in four minutes, and in which writes of others arrive.
fn companions(question: &Question, throttled: std::ops::Range<i64>, replicated: f64) -> Vec<Reading> {
    let of = |series, begin, value| Reading { series, begin, period: secs(60), value };
    let minutes = begins(question).flat_map(|begin| {
        let is_throttled = throttled.clone().any(|minute| minute_of(minute) == begin);
        let writes = if is_throttled { 78.0 } else { 0.0 };
        let region = question.region;
        [
            of(Series::ThrottledWrites(region), begin, writes),
            of(Series::ThrottledReads(region), begin, 0.0),
            of(Series::ReplicatedWrites(region), begin, replicated),
        ]
    });
    minutes.collect()
}

#[test]
fn throttling_at_the_target_is_named_as_the_cause_of_a_stall_and_of_nothing_else() {
    let mut sim = calm(asking(2));
    sim.ask = Box::new(|question| Ok(companions(question, 10..14, 0.0)));
    sim.run_until(second(600.0), |_| {});
    sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
    sim.run_until(second(660.0), |_| {});
    assert_eq!(assessed(&mut sim).state, State::Stalled, "nothing is known of any throttling yet");
    sim.run_until(second(14.0 * 60.0 + 130.0), |_| {});
    let now = assessed(&mut sim);
    assert_eq!(now.state, State::Throttled);
    let said = "region-1 throttled 312 writes within the last 7 minutes, says the provider; region-0 writes, but";
    assert!(now.reason.starts_with(said), "{}", now.reason);
    assert!(now.current_lag.unwrap() > secs(300), "the lag stays what it is");
    sim.run_until(second(24.0 * 60.0), |_| {});
    assert_eq!(assessed(&mut sim).state, State::Stalled, "it was too long ago");
    let mut well = calm(asking(2));
    well.ask = Box::new(|question| Ok(companions(question, 0..60, 0.0)));
    well.run_until(second(600.0), |_| {});
    let now = assessed(&mut well);
    assert_eq!((now.state, now.reason.as_str()), (State::Ok, ""), "a region that throttles and keeps up is well");
}

#[test]
fn throttling_at_the_target_is_named_as_the_cause_of_a_lag() {
    let mut sim = Sim::new(asking(2), Lag::fixed(secs(8)), Network::calm(), 1);
    sim.run_until(second(600.0), |_| {});
    assert_eq!(assessed(&mut sim).state, State::Lagging);
    sim.ask = Box::new(|question| Ok(companions(question, 0..60, 0.0)));
    sim.run_until(second(720.0), |_| {});
    let now = assessed(&mut sim);
    assert_eq!(now.state, State::Throttled);
    assert!(now.reason.contains("; region-1 is 8."), "{}", now.reason);
}

#[test]
fn other_writes_that_arrive_in_a_stall_are_mentioned() {
    for (replicated, expected) in [(5.0, true), (0.0, false)] {
        let mut sim = calm(asking(2));
        sim.ask = Box::new(move |question| Ok(companions(question, 0..0, replicated)));
        sim.run_until(second(600.0), |_| {});
        sim.world.set_paused(SOURCE, TARGET, true, sim.now.mono);
        sim.run_until(second(660.0), |_| {});
        let mention = "; other writes still arrive there, says the provider";
        assert!(!assessed(&mut sim).reason.contains(mention), "what arrived before the stall says nothing");
        sim.run_until(second(900.0), |_| {});
        let now = assessed(&mut sim);
        assert_eq!((now.state, now.reason.contains(mention)), (State::Stalled, expected), "{}", now.reason);
    }
}

#[test]
fn a_region_that_is_retired_is_not_asked() {
    let mut plan = asking(3);
    plan.retired.insert(RegionId(2));
    let mut sim = calm(plan);
    sim.run_until(second(300.0), |_| {});
    assert!(!sim.questions.is_empty());
    for (_, question) in &sim.questions {
        assert!(question.region != RegionId(2) && !question.targets.contains(&RegionId(2)), "{question:?}");
    }
}
