//! Windows: quantiles within their stated error, and nothing where the data does not reach.

use proptest::prelude::*;
use tidegauge::core::time::{Mono, Span};
use tidegauge::core::window::Window;

fn none() -> std::iter::Empty<Span> {
    std::iter::empty()
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
            window.add(at(second as i64), Span::from_micros(*lag));
        }
        let mut sorted = lags.clone();
        sorted.sort_unstable();
        let ten = window.summary(at(lags.len() as i64 - 1), none())[1];
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
    assert_eq!(window.summary(at(0), none())[0].p50, None);
    for second in 0..50 {
        window.add(at(second), Span::from_millis(800));
    }
    let [one, ..] = window.summary(at(50), none());
    assert!(one.p50.is_some() && one.p90.is_some());
    assert_eq!(one.p99, None, "50 samples say nothing about one in a hundred");
}

#[test]
fn what_is_older_than_a_window_is_not_in_it() {
    let mut window = Window::default();
    for second in 0..7_200 {
        window.add(at(second), Span::from_millis(if second < 3_600 { 5_000 } else { 500 }));
    }
    let [one, ten, sixty] = window.summary(at(7_199), none());
    assert_eq!((one.count, ten.count, sixty.count), (120, 600, 3_600));
    assert!(sixty.max.unwrap() < 0.6);
    let [one, ten, _] = window.summary(at(7_199 + 700), none());
    assert_eq!((one.count, ten.count), (0, 0));
    assert_eq!((one.p50, ten.max), (None, None));
}

#[test]
fn what_has_not_arrived_yet_counts_by_its_age_and_hides_no_stall() {
    let mut window = Window::default();
    for second in 0..100 {
        window.add(at(second), Span::from_millis(800));
    }
    let young = window.summary(at(100), [Span::from_millis(300)].into_iter())[1];
    assert!(young.p99.is_some_and(|p99| (p99 / 0.8 - 1.0).abs() < 0.021), "what is younger than all says nothing yet");
    let stall = || (1..=30).map(|age| Span::from_millis(age * 1_000));
    let during = window.summary(at(130), stall())[1];
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
        window.add(at(second), Span::from_millis(lag));
    }
    let close = |p99: Option<f64>, seconds: f64| assert!((p99.unwrap() / seconds - 1.0).abs() < 0.03, "{p99:?}");
    close(window.arrived_p99(minute(0), minute(4)), 1.0);
    close(window.arrived_p99(minute(5), minute(9)), 10.0);
    close(window.arrived_p99(minute(4), minute(5)), 1.0);
    close(window.arrived_p99(minute(4), minute(6)), 10.0);
    close(window.arrived_p99(minute(10), minute(14)), 1.0);
    assert_eq!(window.arrived_p99(minute(15), minute(20)), None, "nothing arrived");
    for second in 1_200..1_299 {
        window.add(at(second), Span::from_millis(1_000));
    }
    assert_eq!(window.arrived_p99(minute(20), minute(24)), None, "99 of them");
    window.add(minute(22), Span::from_millis(1_000));
    close(window.arrived_p99(minute(20), minute(24)), 1.0);
}
