//! How what the provider says is weighed against the heartbeats, on hours put together by hand.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal};
use tidegauge::core::hour::Hour;
use tidegauge::core::merge::{
    ARRIVALS_MIN, Comparison, Finding, Ground, Merged, MergedOrigin, Period, ProviderFacts, Said, Verdict, fresh_for,
    merged,
};
use tidegauge::core::provider::{Polling, Statistic};
use tidegauge::core::sample::Bracket;
use tidegauge::core::time::{Mono, Now, Span, Wall};

const BEGINNING: i64 = 1_800_000_000;

fn secs(seconds: f64) -> Span {
    Span::from_secs_f64(seconds)
}

fn polling(period_seconds: i64) -> Polling {
    let seconds = |seconds: i64| Span::from_millis(seconds * 1_000);
    Polling { every: seconds(60), period: seconds(period_seconds), delay: seconds(60) }
}

/// Both clocks, so many seconds in.
fn at(seconds: f64) -> Now {
    let span = secs(seconds);
    Now { mono: Mono::from_nanos(0) + span, wall: Wall::from_micros(BEGINNING * 1_000_000) + span }
}

/// One minute: the lags of the heartbeats that arrived in it, and what the provider says.
#[derive(Clone)]
struct Minute {
    arrived: Vec<f64>,
    said: Vec<(Statistic, f64)>,
}

fn minute(lag: f64, average: f64) -> Minute {
    Minute { arrived: vec![lag; 60], said: vec![(Statistic::Average, average)] }
}

fn hour_of(minutes: &[Minute]) -> Hour<Period> {
    let mut hour: Hour<Period> = Hour::new(secs(60.0));
    for (place, minute) in minutes.iter().enumerate() {
        let then = at(60.0 * place as f64).wall;
        let period = hour.at(then, then).unwrap();
        for lag in &minute.arrived {
            period.arrive(Bracket { lower: secs(*lag), upper: secs(*lag) });
        }
        for (statistic, value) in &minute.said {
            period.say(*statistic, *value);
        }
    }
    hour
}

/// A minute after the last of these ended.
fn finding(minutes: &[Minute]) -> (Finding, Now) {
    let now = at(60.0 * (minutes.len() + 1) as f64);
    (Finding::of(&hour_of(minutes), polling(60), now, |_, _| None), now)
}

fn verdict(minutes: &[Minute]) -> Verdict {
    let (finding, now) = finding(minutes);
    finding.verdict(now.mono)
}

#[test]
fn a_provider_that_tells_the_truth_agrees() {
    assert_eq!(verdict(&[minute(0.9, 0.92), minute(0.8, 0.95)]), Verdict::Agrees);
    assert_eq!(verdict(&[minute(0.9, 0.92)]), Verdict::Agrees, "one is enough");
    assert_eq!(verdict(&[minute(400.0, 310.0)]), Verdict::Agrees, "in a stall's backlog, too");
}

#[test]
fn ten_times_and_the_floor_disagree_and_the_direction_is_said() {
    assert_eq!(verdict(&[minute(0.8, 8.0), minute(0.8, 8.0)]), Verdict::DisagreesProviderHigher);
    assert_eq!(verdict(&[minute(50.0, 5.0), minute(50.0, 5.0)]), Verdict::DisagreesProviderLower);
    assert_eq!(verdict(&[minute(0.05, 0.5), minute(0.05, 0.5)]), Verdict::Agrees, "nobody acts on half a second");
}

#[test]
fn both_the_factor_and_the_floor_must_be_exceeded() {
    // All of these numbers are exact in binary.
    for (own, provider, expected) in [
        (2.0, 6.0, Verdict::Agrees),
        (2.0, 6.25, Verdict::DisagreesProviderHigher),
        (0.25, 1.25, Verdict::Agrees),
        (0.25, 1.375, Verdict::DisagreesProviderHigher),
        (6.0, 2.0, Verdict::Agrees),
        (6.25, 2.0, Verdict::DisagreesProviderLower),
        (1.25, 0.25, Verdict::Agrees),
        (1.375, 0.25, Verdict::DisagreesProviderLower),
    ] {
        assert_eq!(verdict(&[minute(own, provider), minute(own, provider)]), expected, "{own} s against {provider} s");
    }
}

#[test]
fn the_truth_may_lie_anywhere_in_the_heartbeats_brackets() {
    let with = |average: f64| {
        let mut hour = Hour::new(secs(60.0));
        for place in 0..2 {
            let then = at(60.0 * f64::from(place)).wall;
            let period: &mut Period = hour.at(then, then).unwrap();
            (0..60).for_each(|_| period.arrive(Bracket { lower: secs(2.0), upper: secs(20.0) }));
            period.say(Statistic::Average, average);
        }
        let now = at(180.0);
        Finding::of(&hour, polling(60), now, |_, _| None).verdict(now.mono)
    };
    assert_eq!([with(0.8), with(58.0)], [Verdict::Agrees; 2]);
    assert_eq!(with(0.5), Verdict::DisagreesProviderLower);
    assert_eq!(with(61.0), Verdict::DisagreesProviderHigher);
}

#[test]
fn off_once_is_no_finding_and_neither_is_off_both_ways() {
    for minutes in
        [vec![minute(0.8, 8.0)], vec![minute(0.8, 0.8), minute(0.8, 8.0)], vec![minute(50.0, 5.0), minute(0.8, 8.0)]]
    {
        let (finding, now) = finding(&minutes);
        assert_eq!(finding.verdict(now.mono), Verdict::Unknown);
        assert!(matches!(finding.ground, Ground::Once(_)), "{finding:?}");
    }
    assert_eq!(verdict(&[minute(0.8, 8.0), minute(0.8, 8.0), minute(0.8, 0.9)]), Verdict::Agrees, "it came round");
}

#[test]
fn neither_nothing_nor_0_says_anything_or_clears_anything() {
    let silent = Minute { arrived: vec![0.8; 60], said: Vec::new() };
    let nothing = Minute { arrived: Vec::new(), said: Vec::new() };
    for trailing in [minute(0.8, 0.0), silent, nothing] {
        let after = |before: Minute, silence: usize| {
            let mut minutes = vec![before.clone(), trailing.clone(), before];
            minutes.extend(vec![trailing.clone(); silence]);
            verdict(&minutes)
        };
        assert_eq!(verdict(&vec![trailing.clone(); 5]), Verdict::Unknown);
        assert_eq!(after(minute(0.8, 0.8), 5), Verdict::Agrees);
        assert_eq!(after(minute(0.8, 8.0), 5), Verdict::DisagreesProviderHigher);
        assert_eq!(after(minute(0.8, 8.0), 50), Verdict::DisagreesProviderHigher, "within the hour");
        assert_eq!(after(minute(0.8, 8.0), 60), Verdict::Unknown, "after it");
    }
}

#[test]
fn nothing_arrived_nothing_can_be_compared() {
    let few = |count: u32| Minute { arrived: vec![0.8; count as usize], said: vec![(Statistic::Average, 8.0)] };
    let (finding, now) = finding(&[few(0), few(0)]);
    assert_eq!((finding.verdict(now.mono), finding.ground), (Verdict::Unknown, Ground::NothingArrived));
    assert_eq!(verdict(&[few(ARRIVALS_MIN - 1), few(ARRIVALS_MIN - 1)]), Verdict::Unknown);
    assert_eq!(verdict(&[few(ARRIVALS_MIN), few(ARRIVALS_MIN)]), Verdict::DisagreesProviderHigher);
}

#[test]
fn a_verdict_ages_where_nothing_is_heard_any_more() {
    let ended = at(120.0).mono;
    let (agrees, _) = finding(&[minute(0.8, 0.8), minute(0.8, 0.8)]);
    let just = ended + fresh_for(polling(60));
    assert_eq!(agrees.verdict(just - secs(0.001)), Verdict::Agrees);
    assert_eq!(agrees.verdict(just), Verdict::Unknown);
    assert_eq!(agrees.words(just), "what it said that could be compared was too long ago");
    let (disagrees, _) = finding(&[minute(0.8, 8.0), minute(0.8, 8.0)]);
    let hour = at(3_600.0).mono;
    assert_eq!(disagrees.verdict(hour - secs(0.001)), Verdict::DisagreesProviderHigher);
    assert_eq!(disagrees.verdict(hour), Verdict::Unknown, "half of its evidence is no longer kept");
}

#[test]
fn a_maximum_can_be_too_small_and_never_too_large() {
    let with = |own: f64, maximum: f64| {
        let mut one = minute(0.8, 0.8);
        one.arrived[7] = own;
        one.said.push((Statistic::Maximum, maximum));
        vec![one; 3]
    };
    assert_eq!(verdict(&with(0.8, 100.0)), Verdict::Agrees);
    assert_eq!(verdict(&with(4.0, 1.0)), Verdict::Agrees, "three times and the floor");
    assert_eq!(verdict(&with(4.5, 1.0)), Verdict::DisagreesProviderLower);
    assert_eq!(verdict(&with(20.0, 1.5)), Verdict::DisagreesProviderLower, "a heartbeat took 20 s");
    let (finding, now) = finding(&with(20.0, 1.5));
    assert!(finding.words(now.mono).starts_with("its maximum is 1.50 s, and a heartbeat"), "{:?}", finding);
    // It may have arrived at the very end of the minute before, of which the maximum has to be known then.
    let mut late = with(20.0, 1.5);
    late[1].said = vec![(Statistic::Maximum, 25.0)];
    assert_eq!(verdict(&late), Verdict::Agrees);
    let mut unknown = with(20.0, 1.5);
    unknown[1].said.clear();
    assert_eq!(verdict(&unknown), Verdict::Agrees);
}

/// Minutes of which the provider says these 99th percentiles, and 0 where it says none.
fn percentiles(said: &[f64]) -> Vec<Minute> {
    said.iter().map(|p99| Minute { arrived: vec![0.8; 60], said: vec![(Statistic::P99, *p99)] }).collect()
}

/// What is found a minute after the last of these ended, where the heartbeats have this percentile at all times.
fn weighed(said: &[f64], own: Option<f64>) -> Finding {
    let now = at(60.0 * (said.len() + 1) as f64);
    Finding::of(&hour_of(&percentiles(said)), polling(60), now, |_, _| own)
}

fn weighed_verdict(said: &[f64], own: Option<f64>) -> Verdict {
    weighed(said, own).verdict(at(60.0 * (said.len() + 1) as f64).mono)
}

#[test]
fn the_99th_percentiles_of_minutes_are_compared_with_that_of_the_heartbeats_of_ten_of_them() {
    for (own, said, expected) in [
        (6.0, 7.0, Verdict::Agrees),
        (2.0, 6.0, Verdict::Agrees),
        (2.0, 6.25, Verdict::DisagreesProviderHigher),
        (2.0, 7.0, Verdict::DisagreesProviderHigher),
        (6.0, 2.0, Verdict::Agrees),
        (6.25, 2.0, Verdict::DisagreesProviderLower),
        (0.25, 1.25, Verdict::Agrees),
        (1.25, 0.25, Verdict::Agrees),
    ] {
        assert_eq!(weighed_verdict(&[said; 20], Some(own)), expected, "{own} s against {said} s");
    }
    assert_eq!(weighed_verdict(&[7.0; 20], None), Verdict::Unknown);
    let now = at(21.0 * 60.0).mono;
    let higher = weighed(&[7.0; 20], Some(2.0)).words(now);
    assert!(higher.contains("is at least 7.00 s") && higher.contains("ten such minutes 2.00 s; and much"), "{higher}");
    assert!(weighed(&[2.0; 20], Some(7.0)).words(now).contains("is at most 2.00 s"));
    assert!(weighed(&[2.0; 20], Some(2.5)).words(now).starts_with("its 99th percentile, minute by minute, is 2.00 s"));
}

/// The percentile of ten minutes lies between the lowest of the minutes' and the highest, and nothing else is known of it.
#[test]
fn one_of_the_minutes_that_agrees_is_enough_for_all_of_them() {
    for place in 4..15 {
        for (own, usual, other) in [(2.0, 7.0, 3.0), (7.0, 2.0, 6.0)] {
            let mut said = [usual; 15];
            said[place] = other;
            let ground = weighed(&said, Some(own)).ground;
            assert!(matches!(ground, Ground::Within(_)), "minute {place}: {ground:?}");
        }
    }
}

#[test]
fn ten_minutes_of_heartbeats_are_a_datapoint_and_two_of_them_off_disagree() {
    // Up to the fifteenth minute, the tenth, the fifth: each once, though minutes end in between.
    let asked = std::cell::RefCell::new(Vec::new());
    let now = at(18.0 * 60.0);
    let _ = Finding::of(&hour_of(&percentiles(&[7.0; 17])), polling(60), now, |from, to| {
        asked.borrow_mut().push((from, to));
        Some(2.0)
    });
    let minute = |minute: f64| at(60.0 * minute).mono;
    let fives = [(minute(5.0), minute(15.0)), (minute(0.0), minute(10.0)), (minute(-5.0), minute(5.0))];
    assert_eq!(asked.into_inner(), fives);
    let ground = |minutes: usize| weighed(&vec![7.0; minutes], Some(2.0)).ground;
    assert_eq!(ground(13), Ground::NoPercentile, "of the minute before the first nothing is said");
    assert!(matches!(ground(15), Ground::Once(_)), "{:?}", ground(15));
    assert!(matches!(ground(19), Ground::Once(_)), "{:?}", ground(19));
    assert!(matches!(ground(20), Ground::Twice(Comparison { statistic: Statistic::P99, .. })), "{:?}", ground(20));
}

#[test]
fn a_minute_of_which_no_percentile_is_told_may_have_had_any() {
    for place in 9..20 {
        let mut said = [7.0; 20];
        said[place] = 0.0;
        let verdict = weighed_verdict(&said, Some(2.0));
        assert_eq!(verdict, Verdict::Unknown, "minute {place}");
    }
    let nothing = weighed(&[7.0, 0.0, 7.0, 0.0, 7.0, 0.0, 7.0, 0.0, 7.0, 0.0, 7.0, 0.0], Some(2.0));
    assert_eq!(nothing.ground, Ground::NoPercentile);
    assert!(nothing.words(at(780.0).mono).contains("ten minutes in a row"), "{}", nothing.words(at(780.0).mono));
}

#[test]
fn percentiles_of_longer_periods_and_beside_averages_are_not_compared() {
    let mut hour: Hour<Period> = Hour::new(secs(300.0));
    for place in 0..6 {
        let then = at(300.0 * f64::from(place)).wall;
        hour.at(then, then).unwrap().say(Statistic::P99, 7.0);
    }
    let now = at(1_860.0);
    assert_eq!(Finding::of(&hour, polling(300), now, |_, _| Some(2.0)).ground, Ground::NoPercentile);
    let said = vec![(Statistic::Average, 0.9), (Statistic::P99, 7.0)];
    let minutes = vec![Minute { arrived: vec![0.8; 60], said }; 20];
    let ground = Finding::of(&hour_of(&minutes), polling(60), at(1_260.0), |_, _| Some(2.0)).ground;
    assert!(matches!(ground, Ground::Within(Comparison { statistic: Statistic::Average, .. })), "{ground:?}");
}

#[test]
fn what_is_no_lag_is_left_out_and_a_revised_value_counts() {
    let mut period = Period::default();
    for nonsense in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        period.say(Statistic::Average, nonsense);
        assert_eq!(period, Period::default(), "{nonsense}");
    }
    let mut revised = minute(0.8, 8.0);
    revised.said.push((Statistic::Average, 0.9));
    assert_eq!(verdict(&[revised.clone(), revised]), Verdict::Agrees);
}

#[test]
fn the_running_period_is_not_compared() {
    let hour = hour_of(&[minute(0.8, 8.0), minute(0.8, 8.0)]);
    let finding = |now: Now| Finding::of(&hour, polling(60), now, |_, _| None).ground;
    assert!(matches!(finding(at(119.9)), Ground::Once(_)));
    assert!(matches!(finding(at(120.0)), Ground::Twice(_)));
}

#[test]
fn an_hour_forgets_what_is_older_and_takes_nothing_from_the_future() {
    let mut hour: Hour<Period> = Hour::new(secs(60.0));
    let now = at(7_200.0).wall;
    assert!(hour.at(now - secs(3_600.0), now).is_some());
    assert!(hour.at(now - secs(3_600.1), now).is_none());
    assert!(hour.at(now + secs(60.0), now).is_none());
    hour.at(now, now).unwrap().say(Statistic::Average, 1.0);
    assert_eq!(hour.newest_first(now).count(), 2);
    assert_eq!(hour.newest_first(now + secs(60.0)).count(), 1, "the oldest went");
    assert_eq!(hour.newest_first(now - secs(60.0)).count(), 1, "the clock was set back");
    // Where a place is used again nothing of the hour before is in it.
    let later = now + secs(3_660.0);
    assert_eq!(*hour.at(later, later).unwrap(), Period::default());
    assert_eq!(hour.get(now), None);
    let mut long: Hour<Period> = Hour::new(secs(3_600.0));
    assert!(long.at(now - secs(3.0 * 3_600.0), now).is_some(), "of the longest periods four are kept");
}

fn facts(average: f64, ended: Now) -> ProviderFacts {
    let said = Said { end: ended.wall, ended: ended.mono, average: Some(average), maximum: Some(9.0), p99: None };
    ProviderFacts { newest: Some(said), ..ProviderFacts::default() }
}

#[test]
fn merged_lag_is_the_measured_one_else_the_provider_s_while_fresh_else_absent() {
    let (ended, polling) = (at(600.0), polling(60));
    let facts = Arc::new(facts(20.0, ended));
    let merge = |measured: Option<Span>, age: Span, still_at: Option<Mono>| {
        let standing = facts.standing(polling, ended.mono + age);
        merged(measured, Some(&standing), Some(polling), still_at)
    };
    let measured = |lag| Some(Merged { lag, origin: MergedOrigin::Measured });
    let provider = Some(Merged { lag: secs(20.0), origin: MergedOrigin::Provider });
    assert_eq!(merge(Some(secs(1.0)), secs(60.0), None), measured(secs(1.0)));
    assert_eq!(merge(Some(secs(500.0)), secs(60.0), None), measured(secs(500.0)), "whatever the provider says");
    assert_eq!(merge(None, secs(60.0), None), provider);
    assert_eq!(merge(None, secs(900.0), None), provider);
    assert_eq!(merge(None, secs(900.001), None), None, "too old");
    // At the last look the target stood still: what arrived before says nothing of that.
    let began = ended.mono - polling.period;
    assert_eq!(merge(None, secs(60.0), Some(began)), provider);
    assert_eq!(merge(None, secs(60.0), Some(began + secs(0.001))), None);
    assert_eq!(merged(None, None, Some(polling), None), None);
    assert_eq!(merged(Some(secs(1.0)), None, None, None), measured(secs(1.0)), "where nobody asks, too");
}

#[test]
fn with_long_periods_an_older_value_is_fresh() {
    assert_eq!(fresh_for(polling(60)), secs(900.0));
    assert_eq!(fresh_for(polling(300)), secs(960.0));
    assert_eq!(fresh_for(polling(3_600)), secs(3.0 * 3_600.0 + 60.0));
}

#[test]
fn a_mean_or_a_percentile_stands_for_the_lag_before_a_maximum_does() {
    let mut said = facts(20.0, at(60.0)).newest.unwrap();
    assert_eq!(said.value(), Some((Statistic::Average, 20.0)));
    (said.average, said.p99) = (None, Some(12.0));
    assert_eq!(said.value(), Some((Statistic::P99, 12.0)));
    said.p99 = None;
    assert_eq!(said.value(), Some((Statistic::Maximum, 9.0)));
    said.maximum = None;
    assert_eq!(said.value(), None);
}

/// What a provider would count in one period.
#[derive(Clone, Copy, Default)]
struct Count {
    sum: f64,
    items: u32,
    max: f64,
}

impl Count {
    fn add(&mut self, lag: f64) {
        self.sum += lag;
        self.items += 1;
        self.max = self.max.max(lag);
    }
}

/// A healthy system's lags: lognormal, and 2 % of them 3 to 10 times as long.
fn healthy_lags(seed: u64) -> Vec<f64> {
    let mut random = SmallRng::seed_from_u64(seed);
    let shape = LogNormal::new(0.8_f64.ln(), 0.25).unwrap();
    let mut lag = || {
        let spike = if random.random::<f64>() < 0.02 { random.random_range(3.0..10.0) } else { 1.0 };
        shape.sample(&mut random) * spike
    };
    (0..1 << 16).map(|_| lag()).collect()
}

/// Hours of a healthy system, at periods of one and of five minutes. Returns how often they agreed, and how often not.
///
/// The provider counts what arrives: the heartbeats themselves, and `others` writes of the application's a minute. The
/// gauge sees a heartbeat up to 0.2 s after it arrived, or when a later one did, by a clock that is off by `skew`.
fn healthy(seed: u64, hours: usize, interval: f64, others: usize, skew: f64) -> (u32, u32) {
    let lags = healthy_lags(seed);
    let mut random = SmallRng::seed_from_u64(seed ^ 0xFA15E);
    let minutes = hours * 60;
    let mut counts = vec![Count::default(); minutes + 2];
    for count in &mut counts[..minutes] {
        (0..others).for_each(|_| count.add(lags[random.random::<u16>() as usize]));
    }
    let heartbeats: Vec<(f64, f64)> = (0..(minutes as f64 * 60.0 / interval) as usize)
        .map(|tick| (tick as f64 * interval, lags[random.random::<u16>() as usize]))
        .collect();
    for (written, lag) in &heartbeats {
        counts[((written + lag) / 60.0) as usize].add(*lag);
    }
    let mut hours = [60, 300].map(|period| (polling(period), Hour::<Period>::new(polling(period).period)));
    let mut seen: Vec<(f64, f64)> = heartbeats;
    let mut earliest = f64::INFINITY;
    for (written, lag) in seen.iter_mut().rev() {
        earliest = earliest.min(*written + *lag);
        *lag = earliest - *written;
    }
    let (mut agreed, mut disagreed) = (0, 0);
    let mut next = seen.into_iter().peekable();
    for minute in 0..minutes {
        // Twenty seconds on, all that arrived in it has been seen.
        while let Some((written, lag)) = next.next_if(|(written, _)| *written < 60.0 * minute as f64 + 80.0) {
            let gap = 0.2 * random.random::<f64>();
            let arrived = at(written + lag + gap + skew).wall;
            let bracket = Bracket { lower: secs((lag + gap - 0.2).max(0.0)), upper: secs(lag + gap) };
            for (_, hour) in &mut hours {
                hour.at(arrived, arrived).unwrap().arrive(bracket);
            }
        }
        let now = at(60.0 * minute as f64 + 121.0);
        for (polling, hour) in &mut hours {
            let long = (polling.period.as_secs_f64() / 60.0) as usize;
            if (minute + 1) % long != 0 {
                continue;
            }
            let first = minute + 1 - long;
            let mut all = Count::default();
            for count in &counts[first..=minute] {
                (all.sum, all.items, all.max) = (all.sum + count.sum, all.items + count.items, all.max.max(count.max));
            }
            let period = hour.at(at(60.0 * first as f64).wall, now.wall).unwrap();
            period.say(Statistic::Average, all.sum / f64::from(all.items));
            period.say(Statistic::Maximum, all.max);
            match Finding::of(hour, *polling, now, |_, _| None).verdict(now.mono).disagrees() {
                Some(true) => disagreed += 1,
                Some(false) => agreed += 1,
                None => {}
            }
        }
    }
    (agreed, disagreed)
}

#[test]
fn a_healthy_system_is_never_said_to_disagree_in_a_thousand_hours() {
    let (mut agreed, mut disagreed) = (0, 0);
    for seed in 0..20 {
        let interval = [1.0, 5.0][seed as usize % 2];
        // An idle table, where a heartbeat is all that the provider counts, among them.
        let others = [0, 20, 100][seed as usize % 3];
        let skew = [-0.3, 0.0, 0.3, 1.0][seed as usize % 4];
        let (yes, no) = healthy(seed, 50, interval, others, skew);
        (agreed, disagreed) = (agreed + yes, disagreed + no);
    }
    assert_eq!(disagreed, 0, "of {agreed}");
    assert!(agreed > 69_000, "of 72,000 periods {agreed} agreed");
}
