//! What is remembered of a pair's last hour.

use tidegauge::core::assess::{Assessment, State};
use tidegauge::core::time::{Span, Wall};
use tidegauge::core::trace::{MINUTE, Minute, Trace};

const BEGIN: Wall = Wall::from_micros(1_767_225_600_000_000);

fn at(seconds: i64) -> Wall {
    BEGIN + Span::from_millis(seconds * 1_000)
}

fn look(trace: &mut Trace, seconds: i64, state: State, lag: Option<i64>) {
    let assessment = Assessment {
        state,
        reason: String::new(),
        unknown: None,
        current_lag: lag.map(|lag| Span::from_millis(lag * 1_000)),
        overdue: None,
        slot_spread: None,
        staleness: None,
        watermark: None,
        stalled_after: Span::ZERO,
        provider: None,
        merged: None,
    };
    trace.look(&assessment, at(seconds));
}

fn kept(trace: &Trace, seconds: i64) -> Vec<(i64, Option<f32>, Option<State>)> {
    let minutes = trace.newest_first(at(seconds));
    minutes.map(|(begin, Minute { lag, worst })| ((begin - BEGIN).as_micros() / 1_000_000, lag, worst)).collect()
}

#[test]
fn a_minute_has_its_largest_lag_and_its_worst_state() {
    let mut trace = Trace::default();
    look(&mut trace, 1, State::Unknown, None);
    look(&mut trace, 20, State::Stalled, Some(12));
    look(&mut trace, 59, State::Ok, Some(1));
    look(&mut trace, 60, State::Ok, Some(2));
    let expected = [(60, Some(2.0), Some(State::Ok)), (0, Some(12.0), Some(State::Stalled))];
    assert_eq!(kept(&trace, 61), expected);
}

#[test]
fn what_was_never_known_is_no_lag_of_nothing() {
    let mut trace = Trace::default();
    look(&mut trace, 1, State::ReadFailing, None);
    look(&mut trace, 181, State::Ok, Some(1));
    // Nobody looked in between: there is no piece.
    let expected = [(180, Some(1.0), Some(State::Ok)), (0, None, Some(State::ReadFailing))];
    assert_eq!(kept(&trace, 181), expected);
}

#[test]
fn an_hour_is_kept_and_no_more() {
    let mut trace = Trace::default();
    for minute in 0..200 {
        look(&mut trace, minute * 60, State::Ok, Some(minute));
    }
    let kept = kept(&trace, 199 * 60);
    assert_eq!(kept.len(), 61);
    assert_eq!((kept[0].0, kept[60].0), (199 * 60, 139 * 60));
    // Whoever asks later sees less of it.
    assert_eq!(trace.newest_first(at(199 * 60) + MINUTE + MINUTE).count(), 59);
}

#[test]
fn of_a_clock_that_is_set_back_nothing_is_shown_twice_and_nothing_ahead_of_now() {
    let mut trace = Trace::default();
    look(&mut trace, 0, State::Stalled, Some(7));
    look(&mut trace, 600, State::Ok, Some(9));
    look(&mut trace, 30, State::Ok, Some(2));
    assert_eq!(kept(&trace, 30), [(0, Some(7.0), Some(State::Stalled))]);
}

#[test]
fn a_copy_stays_as_it_was() {
    let mut trace = Trace::default();
    look(&mut trace, 1, State::Ok, Some(1));
    let copy = trace.clone();
    look(&mut trace, 61, State::Lagging, Some(7));
    look(&mut trace, 121, State::Ok, Some(1));
    assert_eq!(kept(&copy, 121), [(0, Some(1.0), Some(State::Ok))]);
    assert_eq!(kept(&trace, 121).len(), 3);
}
