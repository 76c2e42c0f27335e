//! A pair's last hour, by the minute: how late it was at worst, and what was wrong.

use std::fmt::Write;

use maud::{Markup, html};

use super::super::words;
use super::axis::{Axis, ago, seconds};
use super::{ACROSS, MINUTES, Side, UP, plot, threshold};
use crate::core::assess::State;
use crate::core::time::{Span, Wall};
use crate::core::trace::{MINUTE, Minute, Trace};

/// How high a state's field is.
const FIELD: f64 = 15.0;

/// The chart, and the same as a table; nothing where nobody has looked yet.
pub(in super::super) fn hour(trace: Option<&Trace>, warn_lag: Span, now: Wall) -> Option<Markup> {
    let newest = now.floor(MINUTE);
    let minutes = trace.into_iter().flat_map(|trace| trace.newest_first(now));
    // By how many minutes before the running one.
    let minutes = minutes.map(|(begin, minute)| ((newest - begin).as_micros() / MINUTE.as_micros(), begin, minute));
    let minutes: Vec<(i64, Wall, Minute)> = minutes.take_while(|(back, ..)| *back < MINUTES).collect();
    if minutes.is_empty() {
        return None;
    }
    let (threshold_words, warn_lag) = (words::setting(warn_lag), warn_lag.as_secs_f64());
    let lags = minutes.iter().filter_map(|(.., minute)| minute.lag.map(f64::from));
    // The lowest part is the states'.
    let y = Axis::logarithmic(lags.chain([warn_lag]), (UP.0 - FIELD - 4.0, UP.1));
    let x = Axis::linear(MINUTES as f64 * 60.0, (ACROSS.1, ACROSS.0));
    let inside = html! {
        (threshold(&y, warn_lag))
        @let line = line(&minutes, &y);
        @if !line.is_empty() { path.line d=(line) {} }
        @for (back, _, minute) in &minutes { @if let Some(state) = minute.worst { (field(*back, state)) } }
    };
    let sides = [
        Side { axis: &x, title: "minute", number: ago },
        Side { axis: &y, title: "largest current lag of each minute", number: seconds },
    ];
    Some(html! {
        figure {
            (plot(&name(&minutes), &sides[0], &sides[1], &inside))
            figcaption {
                "Below, the worst state of each minute, by its sign; plain where all was ok. Dashed: lagging above "
                (threshold_words) "."
            }
        }
        details {
            summary { "The same as a table" }
            table.figures {
                caption { "The last hour, the newest minute first" }
                thead { tr {
                    th scope="col" { "Minute (UTC)" } th scope="col" { "Largest current lag" }
                    th scope="col" { "Worst state" }
                } }
                tbody {
                    @for (_, begin, minute) in &minutes {
                        tr {
                            th scope="row" { (words::instant(*begin)) }
                            td.number { (minute.lag.map_or(words::UNKNOWN.into(), |lag| words::span(f64::from(lag)))) }
                            td { (minute.worst.map_or(words::UNKNOWN, words::state)) }
                        }
                    }
                }
            }
        }
    })
}

/// The left end of a minute, and its right one.
fn across(back: i64) -> (f64, f64) {
    let one = (ACROSS.1 - ACROSS.0) / MINUTES as f64;
    let right = ACROSS.1 - back as f64 * one;
    (right - one, right)
}

/// Each minute's lag as wide as the minute; a gap where none was known.
fn line(minutes: &[(i64, Wall, Minute)], y: &Axis) -> String {
    let mut line = String::new();
    let mut before = None;
    for (back, _, minute) in minutes {
        let Some(lag) = minute.lag else { continue };
        let (left, right) = across(*back);
        let at = y.place(f64::from(lag));
        let command = if before == Some(back - 1) { 'L' } else { 'M' };
        // Writing to a string cannot fail.
        let _ = write!(line, "{command}{right:.1} {at:.1}H{left:.1}");
        before = Some(*back);
    }
    line
}

/// A minute's state: its colour, and its sign where it is not what it should be.
fn field(back: i64, state: State) -> Markup {
    let (left, right) = across(back);
    let top = UP.0 - FIELD;
    html! {
        rect.field.(state.label()) x=(format!("{:.1}", left)) y=(top) width=(format!("{:.1}", right - left)) height=(FIELD) {}
        @if state != State::Ok {
            text.field.(state.label()) x=(format!("{:.1}", (left + right) / 2.0)) y=(top + 11.0) { (words::sign(state)) }
        }
    }
}

/// What is to be seen, in words.
fn name(minutes: &[(i64, Wall, Minute)]) -> String {
    let lags = || minutes.iter().filter_map(|(.., minute)| minute.lag.map(f64::from));
    let mut name = format!("largest current lag by the minute, over {} min", minutes.len());
    // Writing to a string cannot fail.
    let _ = match lags().next() {
        None => write!(name, ": none is known"),
        Some(_) => {
            let (least, most) = (lags().fold(f64::INFINITY, f64::min), lags().fold(f64::NEG_INFINITY, f64::max));
            write!(name, ": {} to {}", words::span(least), words::span(most))
        }
    };
    for state in State::ALL {
        let count = minutes.iter().filter(|(.., minute)| minute.worst == Some(state)).count();
        if count > 0 {
            let _ = write!(name, "; {} in {count}", words::state(state));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many minutes back, with that lag and that worst state.
    fn minutes(all: &[(i64, Option<f32>, State)]) -> Vec<(i64, Wall, Minute)> {
        let minute = |(back, lag, worst): &(i64, Option<f32>, State)| {
            (*back, Wall::from_micros(0), Minute { lag: *lag, worst: Some(*worst) })
        };
        all.iter().map(minute).collect()
    }

    #[test]
    fn a_minute_of_which_no_lag_is_known_is_a_gap() {
        let y = Axis::linear(10.0, (100.0, 0.0));
        let known = minutes(&[(0, Some(5.0), State::Ok), (1, Some(1.0), State::Ok), (3, Some(2.0), State::Ok)]);
        let [one, two, three, four] = [0, 1, 2, 3].map(across);
        let line = line(&known, &y);
        let wanted =
            format!("M{:.1} 50.0H{:.1}L{:.1} 90.0H{:.1}M{:.1} 80.0H{:.1}", one.1, one.0, two.1, two.0, four.1, four.0);
        assert_eq!(line, wanted);
        assert_eq!((one.1, three.0), (ACROSS.1, four.1), "minutes touch each other");
        let nothing = minutes(&[(0, None, State::ReadFailing)]);
        assert_eq!(super::line(&nothing, &y), "");
    }

    #[test]
    fn a_state_has_its_colour_and_a_sign_unless_all_is_ok() {
        let (stalled, ok) = (field(0, State::Stalled).into_string(), field(0, State::Ok).into_string());
        assert!(stalled.contains("class=\"field stalled\"") && stalled.contains("■</text>"), "{stalled}");
        assert!(ok.contains("class=\"field ok\"") && !ok.contains("<text"), "{ok}");
    }

    #[test]
    fn its_name_has_the_range_and_counts_the_minutes_of_each_state() {
        let all = minutes(&[(0, None, State::Stalled), (1, Some(20.0), State::Stalled), (2, Some(0.8), State::Ok)]);
        let wanted = "largest current lag by the minute, over 3 min: 0.80 s to 20.0 s; stalled in 2; ok in 1";
        assert_eq!(name(&all), wanted);
    }
}
