//! t-visibility: the band in which the probability lies that a write is visible.

use std::fmt::Write;

use maud::{Markup, html};

use super::super::words;
use super::axis::{Axis, per_cent, seconds};
use super::{ACROSS, Side, UP, plot};
use crate::core::advice::visibility::{Probability, probability};
use crate::core::time::Span;
use crate::core::window::Visibility;

/// The chart; nothing where too few samples say anything.
pub(in super::super) fn visibility(curve: &Visibility) -> Option<Markup> {
    let mut times: Vec<f64> =
        curve.optimistic.iter().chain(&curve.pessimistic).flatten().copied().map(f64::from).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    // What comes after the last of them belongs to it.
    let x = Axis::fitting(times.iter().map(|time| time * 1.1), ACROSS);
    let y = Axis::probability(UP);
    let steps: Option<Vec<(f64, Probability)>> =
        [0.0].into_iter().chain(times).map(|time| Some((x.place(time), probability(curve, upwards(time))?))).collect();
    let steps = steps?;
    let late = edge(&steps, &y, |probability| probability.pessimistic);
    let early = edge(&steps, &y, |probability| probability.optimistic);
    let name = name(curve, steps.last().map(|(_, probability)| *probability));
    let inside = html! {
        path.band d=(format!("M{}L{}z", points(early.iter()), points(late.iter().rev()))) {}
        path.edge d={ "M" (points(early.iter())) } {}
        path.edge.late d={ "M" (points(late.iter())) } {}
    };
    let sides = [
        Side { axis: &x, title: "since the write was acknowledged", number: seconds },
        Side { axis: &y, title: "probability that it is visible", number: per_cent },
    ];
    Some(plot(&name, &sides[0], &sides[1], &inside))
}

/// The span of a time that was kept: not below it, or the step that begins there would be missed.
fn upwards(time: f64) -> Span {
    Span::from_secs_f64(time) + Span::from_nanos(1)
}

/// One edge: what holds from each time on, up to the next, and on to the end.
fn edge(steps: &[(f64, Probability)], y: &Axis, of: fn(Probability) -> f64) -> Vec<(f64, f64)> {
    let nexts = steps.iter().skip(1).map(|(next, _)| *next).chain([ACROSS.1]);
    let held = steps.iter().zip(nexts);
    held.flat_map(|((from, probability), to)| [*from, to].map(|x| (x, y.place(of(*probability))))).collect()
}

fn points<'a>(all: impl Iterator<Item = &'a (f64, f64)>) -> String {
    let mut points = String::new();
    for (x, y) in all {
        let space = if points.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(points, "{space}{x:.1} {y:.1}");
    }
    points
}

/// What is to be seen, in words.
fn name(curve: &Visibility, last: Option<Probability>) -> String {
    let known = |ends: &[Option<f32>]| ends.iter().flatten().next_back().copied().map(f64::from);
    let mut name = format!("from {} heartbeats: the probability that a write is visible", curve.count);
    if let Some((time, probability)) = known(&curve.pessimistic).zip(last) {
        // Writing to a string cannot fail.
        let (at_least, at_most) = (per_cent(probability.pessimistic), per_cent(probability.optimistic));
        let _ = write!(name, " rises to between {at_least} and {at_most} after {}", words::span(time));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::window::LISTED;

    /// Of four heartbeats, which is as few as say something: 10 % within 0.5 s to 1 s, 20 % within 1 s to 1.5 s.
    fn few() -> Visibility {
        let mut curve = Visibility { count: 4, ..Visibility::default() };
        (curve.optimistic[0], curve.pessimistic[0]) = (Some(0.5), Some(1.0));
        (curve.optimistic[1], curve.pessimistic[1]) = (Some(1.0), Some(1.5));
        curve
    }

    #[test]
    fn each_edge_is_a_stair_whose_steps_are_where_the_times_are() {
        let svg = visibility(&few()).unwrap().into_string();
        let x = Axis::fitting([0.5, 1.0, 1.5].map(|time| time * 1.1).into_iter(), ACROSS);
        let y = Axis::probability(UP);
        let stair = |heights: [f64; 4]| {
            let times = [0.0, 0.5, 1.0, 1.5].map(|time| x.place(time));
            let ends = [times[1], times[2], times[3], ACROSS.1];
            let steps = times.iter().zip(ends).zip(heights);
            let corners: Vec<(f64, f64)> =
                steps.flat_map(|((from, to), height)| [(*from, y.place(height)), (to, y.place(height))]).collect();
            format!("d=\"M{}\"", points(corners.iter()))
        };
        // Four successes leave a fifth of doubt.
        assert!(svg.contains(&stair([0.1, 0.2, 0.8, 0.8])), "{svg}");
        assert!(svg.contains(&stair([0.0, 0.0, 0.1, 0.2])), "{svg}");
        let said =
            "from 4 heartbeats: the probability that a write is visible rises to between 20 % and 80 % after 1.50 s";
        assert!(svg.contains(said), "{svg}");
    }

    #[test]
    fn fewer_say_nothing() {
        assert!(visibility(&Visibility { count: 3, ..few() }).is_none());
        assert!(visibility(&Visibility::default()).is_none());
    }

    #[test]
    fn times_of_nothing_and_times_of_days_have_their_places() {
        for times in [[Some(0.0); LISTED], [Some(200_000.0); LISTED], [None; LISTED]] {
            let curve = Visibility { count: 4_000, optimistic: [Some(0.0); LISTED], pessimistic: times };
            let svg = visibility(&curve).unwrap().into_string();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
