//! Windows: quantiles within their stated error, and nothing where the data does not reach.

use proptest::prelude::*;
use tidegauge::core::sample::Bracket;
use tidegauge::core::time::{Mono, Span};
use tidegauge::core::window::{LISTED, PROBABILITIES, Summary, Visibility, Window, samples_for};

/// The quantiles while heartbeats of these ages have not arrived.
fn summary(window: &Window, now: Mono, unseen: &[Span]) -> Summary {
    window.summary(now, unseen.iter().map(|age| exactly(*age))).0
}

/// How soon writes were visible in the last ten minutes and in the last hour, meanwhile.
fn visibility(window: &Window, now: Mono, unseen: &[Bracket]) -> [Visibility; 2] {
    window.summary(now, unseen.iter().copied()).1
}

/// Nothing is out of sight.
const NONE: &[Span] = &[];

fn exactly(lag: Span) -> Bracket {
    Bracket { lower: lag, upper: lag }
}

fn at(second: i64) -> Mono {
    Mono::from_nanos(second * 1_000_000_000)
}

proptest! {
    #![proptest_config(crate::cases(64))]

    #[test]
    fn a_quantile_is_off_by_at_most_half_a_bucket(lags in proptest::collection::vec(1_000i64..30_000_000, 100..600)) {
        let mut window = Window::default();
        for (second, lag) in lags.iter().enumerate() {
            window.add(at(second as i64), exactly(Span::from_micros(*lag)));
        }
        let mut sorted = lags.clone();
        sorted.sort_unstable();
        let ten = summary(&window, at(lags.len() as i64 - 1), NONE)[1];
        prop_assert_eq!(ten.count, lags.len() as u64);
        for (percent, quantile) in [(50, ten.p50), (90, ten.p90), (99, ten.p99), (100, ten.max)] {
            let rank = (lags.len() * percent).div_ceil(100);
            let truth = sorted[rank - 1] as f64 / 1e6;
            // A minute of wildly different lags merges its lowest buckets: only the high quantiles stay exact then.
            if percent >= 90 {
                let error = quantile.unwrap() / truth - 1.0;
                prop_assert!(error.abs() < 0.021, "p{percent}: {quantile:?} for {truth}");
            }
        }
    }
}

#[test]
fn a_quantile_that_the_data_does_not_reach_is_not_known() {
    let mut window = Window::default();
    assert_eq!(summary(&window, at(0), NONE)[0].p50, None);
    for second in 0..50 {
        window.add(at(second), exactly(Span::from_millis(800)));
    }
    let [one, ..] = summary(&window, at(50), NONE);
    assert!(one.p50.is_some() && one.p90.is_some());
    assert_eq!(one.p99, None, "50 samples say nothing about one in a hundred");
}

#[test]
fn what_is_older_than_a_window_is_not_in_it() {
    let mut window = Window::default();
    for second in 0..7_200 {
        window.add(at(second), exactly(Span::from_millis(if second < 3_600 { 5_000 } else { 500 })));
    }
    let [one, ten, sixty] = summary(&window, at(7_199), NONE);
    assert_eq!((one.count, ten.count, sixty.count), (120, 600, 3_600));
    assert!(sixty.max.unwrap() < 0.6);
    let [one, ten, _] = summary(&window, at(7_199 + 700), NONE);
    assert_eq!((one.count, ten.count), (0, 0));
    assert_eq!((one.p50, ten.max), (None, None));
}

#[test]
fn what_has_not_arrived_yet_counts_by_its_age_and_hides_no_stall() {
    let mut window = Window::default();
    for second in 0..100 {
        window.add(at(second), exactly(Span::from_millis(800)));
    }
    let young = summary(&window, at(100), &[Span::from_millis(300)])[1];
    assert!(young.p99.is_some_and(|p99| (p99 / 0.8 - 1.0).abs() < 0.021), "what is younger than all says nothing yet");
    let stall: Vec<Span> = (1..=30).map(|age| Span::from_millis(age * 1_000)).collect();
    let during = summary(&window, at(130), &stall)[1];
    assert!(during.p50.is_some_and(|p50| (p50 / 0.8 - 1.0).abs() < 0.021));
    assert_eq!((during.p90, during.p99, during.max), (None, None, None), "30 of 130 are over a second late by now");
    assert!(during.arrived_p99.is_some(), "what arrived is known all the same");
}

#[test]
fn the_99th_percentile_between_two_moments_is_of_whole_fives_of_minutes_and_wants_100_samples() {
    let mut window = Window::default();
    let minute = |minute: i64| at(60 * minute);
    for second in 0..900 {
        // A second at first, then ten of them from the fifth minute on, and a second again from the tenth.
        let lag = if (300..600).contains(&second) { 10_000 } else { 1_000 };
        window.add(at(second), exactly(Span::from_millis(lag)));
    }
    let close = |p99: Option<f64>, seconds: f64| assert!((p99.unwrap() / seconds - 1.0).abs() < 0.03, "{p99:?}");
    close(window.arrived_p99(minute(0), minute(4)), 1.0);
    close(window.arrived_p99(minute(5), minute(9)), 10.0);
    close(window.arrived_p99(minute(4), minute(5)), 1.0);
    close(window.arrived_p99(minute(4), minute(6)), 10.0);
    close(window.arrived_p99(minute(10), minute(14)), 1.0);
    assert_eq!(window.arrived_p99(minute(15), minute(20)), None, "nothing arrived");
    for second in 1_200..1_299 {
        window.add(at(second), exactly(Span::from_millis(1_000)));
    }
    assert_eq!(window.arrived_p99(minute(20), minute(24)), None, "99 of them");
    window.add(minute(22), exactly(Span::from_millis(1_000)));
    close(window.arrived_p99(minute(20), minute(24)), 1.0);
}

fn span(seconds: f64) -> Span {
    Span::from_secs_f64(seconds)
}

/// `k / n` reaches a probability.
fn rank(count: usize, probability: f64) -> usize {
    (count as f64 * probability - 1e-6).ceil() as usize
}

proptest! {
    #![proptest_config(crate::cases(64))]

    /// Of each sample nothing is known but that the truth lies in its bracket: whatever it is, it is in between.
    #[test]
    fn wherever_the_truth_lies_in_the_brackets_visibility_has_it_in_between(
        samples in proptest::collection::vec((0i64..20_000_000, 0i64..2_000_000, 0f64..1.0), 4..600)
    ) {
        let mut window = Window::default();
        let mut truths = Vec::new();
        for (second, (lower, width, share)) in samples.iter().enumerate() {
            let bracket = Bracket { lower: Span::from_micros(*lower), upper: Span::from_micros(lower + width) };
            if bracket.is_wide(Span::from_millis(1_000)) {
                window.add_wide(at(second as i64), bracket);
            } else {
                window.add(at(second as i64), bracket);
            }
            truths.push((bracket.lower + bracket.width().mul_f64(*share)).as_secs_f64());
        }
        truths.sort_by(f64::total_cmp);
        for visibility in visibility(&window, at(samples.len() as i64 - 1), &[]) {
            prop_assert_eq!(visibility.count, samples.len() as u64);
            for place in 0..LISTED {
                let enough = samples.len() as u64 >= samples_for(place);
                let (late, early) = (visibility.pessimistic[place], visibility.optimistic[place]);
                prop_assert_eq!((late.is_some(), early.is_some()), (enough, enough), "{}", PROBABILITIES[place]);
                if let (Some(late), Some(early)) = (late, early) {
                    let truth = truths[rank(truths.len(), PROBABILITIES[place]) - 1];
                    let (late, early) = (f64::from(late) * (1.0 + 1e-6), f64::from(early) * (1.0 - 1e-6));
                    prop_assert!(early <= truth && truth <= late, "{early} {truth} {late} at {place}");
                }
            }
        }
    }
}

#[test]
fn visibility_is_as_sharp_as_the_brackets_and_a_bucket_allow() {
    let mut window = Window::default();
    for second in 0..3_600 {
        window.add(at(second), Bracket { lower: span(0.75), upper: span(0.85) });
    }
    for curve in visibility(&window, at(3_599), &[]) {
        for (late, early) in curve.pessimistic.iter().flatten().zip(curve.optimistic.iter().flatten()) {
            assert!((0.85..0.85 * 1.041).contains(late) && (0.75 / 1.041..0.75).contains(early), "{late} {early}");
        }
    }
}

#[test]
fn three_nines_want_3000_samples_and_every_other_probability_the_rule_of_three() {
    let needs: Vec<u64> = (0..LISTED).map(samples_for).collect();
    assert_eq!(needs, [4, 4, 5, 5, 6, 8, 10, 15, 30, 60, 150, 300, 600, 3_000]);
    let mut window = Window::default();
    let hour = |window: &Window, second| visibility(window, at(second), &[])[1];
    for second in 0..3_000 {
        let (before, last) = (hour(&window, second), LISTED - 1);
        assert_eq!((before.count, before.pessimistic[last]), (second as u64, None));
        window.add(at(second), exactly(span(0.8)));
    }
    assert!(hour(&window, 2_999).pessimistic.iter().all(Option::is_some));
}

#[test]
fn what_was_missed_at_the_last_look_counts_by_its_age_then_and_takes_the_top_of_the_curve_away() {
    let mut window = Window::default();
    for second in 0..100 {
        window.add(at(second), exactly(span(0.8)));
    }
    let place = |probability: f64| PROBABILITIES.iter().position(|listed| *listed == probability).unwrap();
    let young = [Bracket { lower: span(0.2), upper: span(0.3) }];
    let ten = visibility(&window, at(100), &young)[0];
    assert!(ten.pessimistic[place(0.95)].is_some(), "what is younger than all says nothing yet");
    let stall: Vec<Bracket> =
        (1..=30).map(|age| Bracket { lower: span(f64::from(age)), upper: span(f64::from(age) + 0.1) }).collect();
    let ten = visibility(&window, at(130), &stall)[0];
    assert_eq!(ten.count, 100);
    assert!(ten.pessimistic[place(0.7)].is_some() && ten.optimistic[place(0.7)].is_some());
    assert_eq!((ten.pessimistic[place(0.8)], ten.optimistic[place(0.8)]), (None, None), "30 of 130 took longer");
    // How long it had been on its way is known to within what its write took: it is late in the one case and not in the other.
    let unsure = vec![Bracket { lower: span(0.5), upper: span(1.0) }; 30];
    let ten = visibility(&window, at(130), &unsure)[0];
    assert_eq!((ten.pessimistic[place(0.8)], ten.optimistic[place(0.8)].is_some()), (None, true));
}

/// What is out of sight is younger than what was hidden for long: it must not be forgotten on the way up to that.
#[test]
fn a_pessimist_promises_nothing_that_an_optimist_cannot_tell() {
    let mut window = Window::default();
    for second in 0..500 {
        window.add(at(second), exactly(span(0.8)));
    }
    for second in 500..526 {
        window.add_wide(at(second), Bracket { lower: span(0.0), upper: span(33.0) });
    }
    let stall: Vec<Bracket> =
        (1..=8).map(|age| Bracket { lower: span(f64::from(age)), upper: span(f64::from(age) + 0.1) }).collect();
    let place = |probability: f64| PROBABILITIES.iter().position(|listed| *listed == probability).unwrap();
    for curve in visibility(&window, at(534), &stall) {
        assert_eq!(
            (curve.pessimistic[place(0.99)], curve.optimistic[place(0.99)]),
            (None, None),
            "8 of 534 took longer"
        );
        let close = curve.pessimistic[place(0.9)].zip(curve.optimistic[place(0.9)]);
        assert!(close.is_some_and(|(late, early)| early < 0.8 && (0.8..0.84).contains(&late)), "{curve:?}");
    }
}

proptest! {
    #![proptest_config(crate::cases(64))]

    /// Whatever arrived, was hidden, or is on its way still.
    #[test]
    fn where_both_ends_are_known_the_pessimistic_one_is_the_later(
        points in proptest::collection::vec(1_000i64..5_000_000, 0..400),
        wide in proptest::collection::vec(2_000_000i64..40_000_000, 0..40),
        unseen in proptest::collection::vec((0i64..30_000_000, 0i64..2_000_000), 0..40),
    ) {
        let mut window = Window::default();
        for (second, lag) in points.iter().enumerate() {
            window.add(at(second as i64), exactly(Span::from_micros(*lag)));
        }
        for upper in &wide {
            window.add_wide(at(points.len() as i64), Bracket { lower: Span::ZERO, upper: Span::from_micros(*upper) });
        }
        let unseen: Vec<Bracket> = unseen
            .iter()
            .map(|(age, took)| Bracket { lower: Span::from_micros(*age), upper: Span::from_micros(age + took) })
            .collect();
        for curve in visibility(&window, at(points.len() as i64), &unseen) {
            for (late, early) in curve.pessimistic.iter().zip(&curve.optimistic) {
                prop_assert!(late.is_none_or(|late| early.is_some_and(|early| early <= late)), "{curve:?}");
            }
        }
    }
}

#[test]
fn a_wide_sample_is_no_point_and_late_all_the_same() {
    let mut window = Window::default();
    for second in 0..90 {
        window.add(at(second), exactly(span(0.8)));
    }
    for second in 90..100 {
        window.add_wide(at(second), Bracket { lower: span(0.0), upper: span(30.0) });
    }
    assert_eq!(summary(&window, at(99), NONE)[1].count, 90);
    let ten = visibility(&window, at(99), &[])[0];
    assert_eq!(ten.count, 100);
    let place = |probability: f64| PROBABILITIES.iter().position(|listed| *listed == probability).unwrap();
    assert!(ten.pessimistic[place(0.9)].is_some_and(|late| late < 0.84));
    assert!(ten.pessimistic[place(0.95)].is_some_and(|late| (30.0..31.3).contains(&late)), "{ten:?}");
    assert_eq!(ten.optimistic[place(0.1)], Some(0.0), "it may have been visible at once");
}

#[test]
fn a_lag_beyond_the_last_bucket_has_no_time() {
    let mut window = Window::default();
    for second in 0..100 {
        window.add(at(second), exactly(Span::from_millis(90 * 3_600 * 1_000)));
    }
    let [ten, hour] = visibility(&window, at(99), &[]);
    for curve in [ten, hour] {
        assert!(curve.pessimistic.iter().all(Option::is_none), "{curve:?}");
        assert!(curve.optimistic[0].is_some_and(|early| early > 200_000.0), "{curve:?}");
    }
}
