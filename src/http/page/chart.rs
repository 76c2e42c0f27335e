//! Lines to look at. Each has a name that says the same in words.

use std::fmt::Write;

use maud::{Markup, html};

use super::words;
use crate::core::assess::State;
use crate::core::time::Wall;
use crate::core::trace::{MINUTE, Trace};
use axis::Axis;

mod axis;
mod hour;
mod samples;
mod visibility;

pub(super) use axis::per_cent;
pub(super) use hour::hour;
pub(super) use samples::{Samples, samples};
pub(super) use visibility::visibility;

/// Minutes that a sparkline shows.
const MINUTES: i64 = 60;
/// Its height.
const HIGH: f64 = 20.0;
/// The lags at its bottom and at its top, in seconds. The same for all, so that they can be compared.
const SCALE: (f64, f64) = (0.05, 300.0);

/// Where the lines of a chart are, from the left: the numbers beside it need the rest.
const ACROSS: (f64, f64) = (62.0, 702.0);
/// And from its bottom to its top.
const UP: (f64, f64) = (196.0, 24.0);

/// One axis of a chart.
struct Side<'a> {
    axis: &'a Axis,
    /// What is counted along it, and in what.
    title: &'a str,
    number: fn(f64) -> String,
}

/// A chart: its axes, and what is drawn between them. `name` says what is to be seen.
fn plot(name: &str, x: &Side<'_>, y: &Side<'_>, inside: &Markup) -> Markup {
    let ((left, right), (bottom, top)) = (ACROSS, UP);
    html! {
        svg.chart viewBox="0 0 720 236" role="img" aria-label=(name) {
            text.title x="4" y="12" { (y.title) (y.axis.kind()) }
            @for tick in &y.axis.ticks {
                @let at = y.axis.place(*tick);
                path.grid d={ "M" (left) " " (format!("{at:.1}")) "H" (right) } {}
                text.up x=(left - 6.0) y=(format!("{:.1}", at + 4.0)) { ((y.number)(*tick)) }
            }
            @for tick in &x.axis.ticks {
                @let at = x.axis.place(*tick);
                path.grid d={ "M" (format!("{at:.1}")) " " (top) "V" (bottom + 4.0) } {}
                text.across x=(format!("{at:.1}")) y=(bottom + 17.0) { ((x.number)(*tick)) }
            }
            text.title.end x=(right) y=(bottom + 34.0) { (x.title) (x.axis.kind()) }
            (inside)
        }
    }
}

/// The line above which a pair is lagging, where it is not beyond the top.
fn threshold(y: &Axis, warn_lag: f64) -> Markup {
    html! {
        @if y.holds(warn_lag) {
            path.threshold d={ "M" (ACROSS.0) " " (format!("{:.1}", y.place(warn_lag))) "H" (ACROSS.1) } {}
        }
    }
}

/// The last hour of a pair: a line of the largest lag in each minute, a gap where none was known, and below it a mark for
/// each minute in which something was wrong.
pub(super) fn spark(trace: Option<&Trace>, now: Wall) -> Markup {
    let newest = now.floor(MINUTE);
    let (mut line, mut marks) = (String::new(), String::new());
    let (mut least, mut most, mut bad) = (f64::INFINITY, f64::NEG_INFINITY, 0);
    let mut before = None;
    for (begin, minute) in trace.into_iter().flat_map(|trace| trace.newest_first(now)) {
        let x = MINUTES - 1 - (newest - begin).as_micros() / MINUTE.as_micros();
        if x < 0 {
            break;
        }
        // Writing to strings cannot fail.
        if minute.worst.is_some_and(|worst| !matches!(worst, State::Ok | State::Unknown)) {
            bad += 1;
            let _ = write!(marks, "M{x} 23h1");
        }
        let Some(lag) = minute.lag.map(f64::from) else { continue };
        (least, most) = (least.min(lag), most.max(lag));
        let command = if before == Some(x + 1) { 'L' } else { 'M' };
        let _ = write!(line, "{command}{x} {:.1}", height(lag));
        if command == 'M' {
            // One that stands alone is still to be seen.
            line.push_str("h.9");
        }
        before = Some(x);
    }
    let name = match (least <= most, bad) {
        (false, _) => "last hour: no lag is known".to_owned(),
        (true, 0) => format!("last hour: {} to {}", words::span(least), words::span(most)),
        (true, bad) => format!("last hour: {} to {}, {bad} min with trouble", words::span(least), words::span(most)),
    };
    html! {
        svg.spark viewBox="0 0 60 24" preserveAspectRatio="none" role="img" aria-label=(name) {
            @if !line.is_empty() { path d=(line) {} }
            @if !marks.is_empty() { path.marks d=(marks) {} }
        }
    }
}

/// Where a lag lies, from the top: logarithmic.
fn height(lag: f64) -> f64 {
    let (bottom, top) = (SCALE.0.ln(), SCALE.1.ln());
    let share = (lag.max(SCALE.0).ln() - bottom) / (top - bottom);
    1.0 + (HIGH - 2.0) * (1.0 - share.clamp(0.0, 1.0))
}
