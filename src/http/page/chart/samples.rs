//! A pair's newest samples: each a bar from the least that its lag can have been to the most.

use std::fmt::Write;

use maud::{Markup, html};

use super::super::words;
use super::axis::{Axis, ago, seconds};
use super::{ACROSS, Side, UP, plot, threshold};
use crate::core::sample::{Origin, Sample};
use crate::core::snapshot::PairSnapshot;
use crate::core::time::{Mono, Now, Span};

/// The shortest time that is shown, in seconds.
const LEAST: f64 = 10.0;
/// A bar that would be shorter than this is drawn this long.
const SHORTEST: f64 = 2.0;
/// Half a bar's width, and half of what closes a wide one.
const HALF: (f64, f64) = (1.5, 3.5);
/// Pieces that the line of what is not visible yet is drawn in: on a logarithmic axis it is none.
const PIECES: u8 = 32;

/// What is there to be drawn.
#[derive(Debug)]
pub(in super::super) struct Samples<'a> {
    all: Vec<&'a Sample>,
    /// The oldest heartbeat that was not visible at the last look: how long ago it was written, and how long ago that look was.
    unseen: Option<(f64, f64)>,
    interval: Span,
    now: Now,
}

impl<'a> Samples<'a> {
    /// A pair's.
    pub(in super::super) fn of(pair: &'a PairSnapshot, interval: Span, now: Now) -> Samples<'a> {
        let unseen = pair.slots.iter().filter_map(|slot| Some((slot.oldest_unseen?, slot.answered_at?)));
        let unseen = unseen.filter(|(written, looked)| looked > written).min();
        let since = |at: Mono| (now.mono - at).as_secs_f64().max(0.0);
        let unseen = unseen.map(|(written, looked)| (since(written), since(looked)));
        // Of those seen before this host's clock was set back nobody can say how long ago that was.
        let all = pair.recent.iter().filter(|sample| sample.seen_at <= now.wall).collect();
        Samples { all, unseen, interval, now }
    }

    /// Whether there are none.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each, the newest first.
    pub(in super::super) fn newest_first(&self) -> impl Iterator<Item = &Sample> {
        self.all.iter().rev().copied()
    }

    /// Whether a sample is too wide to be a point.
    pub(in super::super) fn is_wide(&self, sample: &Sample) -> bool {
        sample.bracket.is_wide(self.interval)
    }

    /// How long ago a sample's heartbeat was written, by this host's clock and at the earliest, in seconds: whatever the
    /// writer's clock shows, it was seen after the most that its lag can have been.
    fn written(&self, sample: &Sample) -> f64 {
        (self.now.wall - (sample.seen_at - sample.bracket.upper)).as_secs_f64().max(0.0)
    }

    fn count(&self, is_one: impl Fn(&Sample) -> bool) -> usize {
        self.all.iter().filter(|sample| is_one(sample)).count()
    }

    fn presumed(&self) -> usize {
        self.count(|sample| sample.origin == Origin::Presumed)
    }

    fn wide(&self) -> usize {
        self.count(|sample| self.is_wide(sample))
    }

    /// What is to be seen, in words.
    fn name(&self) -> String {
        let middle = |of: fn(&Sample) -> Span| {
            let mut all: Vec<Span> = self.all.iter().map(|sample| of(sample)).collect();
            all.sort_unstable();
            words::span_or(all.get(all.len() / 2).copied())
        };
        let least = self.all.iter().map(|sample| sample.bracket.lower).min();
        let most = self.all.iter().map(|sample| sample.bracket.upper).max();
        let newest = self.all.iter().map(|sample| sample.seen_at).max();
        let mut name = format!(
            "lag of the last heartbeats that became visible, {} of them: {} to {}, median {}, known to within {} in the median",
            self.all.len(),
            words::span_or(least),
            words::span_or(most),
            middle(|sample| sample.bracket.midpoint()),
            middle(|sample| sample.bracket.width()),
        );
        // Writing to a string cannot fail.
        for (count, what) in [(self.presumed(), "presumed"), (self.wide(), "wide")] {
            if count > 0 {
                let _ = write!(name, "; {count} {what}");
            }
        }
        if let Some(newest) = newest {
            let _ = write!(name, "; the newest was seen {} ago", words::ago(newest, self.now.wall));
        }
        if let Some((written, _)) = self.unseen {
            let _ = write!(
                name,
                "; the oldest that was not visible at the last look was written {} ago",
                words::span(written)
            );
        }
        name
    }
}

/// The chart, and what its shapes mean.
pub(in super::super) fn samples(samples: &Samples<'_>, warn_lag: Span) -> Markup {
    let (threshold_words, warn_lag) = (words::setting(warn_lag), warn_lag.as_secs_f64());
    let oldest = samples.all.iter().map(|sample| samples.written(sample));
    let oldest = oldest.chain(samples.unseen.map(|(written, _)| written)).fold(LEAST, f64::max);
    let uppers = samples.all.iter().map(|sample| sample.bracket.upper.as_secs_f64());
    let age = samples.unseen.map(|(written, looked)| written - looked);
    let most = uppers.clone().chain(age).fold(0.0, f64::max);
    // A threshold far above all would press them flat.
    let near = Some(warn_lag).filter(|warn_lag| *warn_lag <= 2.0 * most);
    let (right, left) = (ACROSS.1, ACROSS.0);
    let x = Axis::linear(oldest, (right, left));
    // Far below all of the upper ends a lower one says as little as none.
    let least = uppers.clone().fold(f64::INFINITY, f64::min) / 10.0;
    let lowers = samples.all.iter().map(|sample| sample.bracket.lower.as_secs_f64()).filter(|lower| *lower >= least);
    let y = Axis::fitting(uppers.chain(lowers).chain(age).chain(near), UP);
    let inside = html! {
        (threshold(&y, warn_lag))
        @if let Some(unseen) = samples.unseen { path.unseen d=(waiting(unseen, &x, &y)) {} }
        @for (class, d) in bars(samples, &x, &y) { @if !d.is_empty() { path class=(class) d=(d) {} } }
    };
    let sides = [
        Side { axis: &x, title: "when it was written", number: ago },
        Side { axis: &y, title: "lag", number: seconds },
    ];
    html! {
        figure {
            (plot(&samples.name(), &sides[0], &sides[1], &inside))
            figcaption {
                "Each bar is a heartbeat; its lag lies between the ends."
                @if samples.presumed() > 0 { " Hollow: presumed, as its tick is known and the write only to within an interval." }
                @if samples.wide() > 0 { " Closed at both ends: too wide to be a point in the quantiles." }
                @if samples.unseen.is_some() { " Dotted: how old what was written since was at the last look, and not visible." }
                @if y.holds(warn_lag) {
                    " Dashed: lagging above " (threshold_words) "."
                } @else {
                    " It is lagging above " (threshold_words) ", which is beyond the top."
                }
            }
        }
    }
}

/// The bars that are filled, those that are hollow, and what closes the wide ones.
fn bars(samples: &Samples<'_>, x: &Axis, y: &Axis) -> [(&'static str, String); 3] {
    let [mut filled, mut hollow, mut ends] = [String::new(), String::new(), String::new()];
    for sample in &samples.all {
        let at = x.place(samples.written(sample));
        let [lower, upper] = [sample.bracket.lower, sample.bracket.upper].map(|end| y.place(end.as_secs_f64()));
        // Downwards the numbers of places grow.
        let more = (SHORTEST - (lower - upper)).max(0.0) / 2.0;
        let (bottom, top) = (lower + more, upper - more);
        let bar = if sample.origin == Origin::Presumed { &mut hollow } else { &mut filled };
        // Writing to a string cannot fail.
        let (wide, left) = (2.0 * HALF.0, at - HALF.0);
        let _ = write!(bar, "M{left:.1} {top:.1}h{wide}V{bottom:.1}h-{wide}z");
        if samples.is_wide(sample) {
            let (wide, left) = (2.0 * HALF.1, at - HALF.1);
            let _ = write!(ends, "M{left:.1} {top:.1}h{wide}M{left:.1} {bottom:.1}h{wide}");
        }
    }
    [("bar", filled), ("bar hollow", hollow), ("ends", ends)]
}

/// How late whatever was written since the oldest one that is not visible was at the last look.
fn waiting((written, looked): (f64, f64), x: &Axis, y: &Axis) -> String {
    let mut line = String::new();
    for piece in 0..=PIECES {
        let at = written - (written - looked) * f64::from(piece) / f64::from(PIECES);
        let command = if piece == 0 { 'M' } else { 'L' };
        // Writing to a string cannot fail.
        let _ = write!(line, "{command}{:.1} {:.1}", x.place(at), y.place(at - looked));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Beat;
    use crate::core::sample::Bracket;
    use crate::core::time::Wall;

    const NOW: Now = Now { mono: Mono::from_nanos(500_000_000_000), wall: Wall::from_micros(1_767_225_600_000_000) };

    /// Seen so many milliseconds ago, with this bracket.
    fn sample(ago: i64, lower: i64, upper: i64, origin: Origin) -> Sample {
        let seen_at = NOW.wall - Span::from_millis(ago);
        let bracket = Bracket { lower: Span::from_millis(lower), upper: Span::from_millis(upper) };
        Sample { slot: 0, beat: Beat { run: 1, seq: 1 }, written_at: seen_at - bracket.upper, seen_at, bracket, origin }
    }

    fn samples_of<'a>(all: &'a [Sample], unseen: Option<(f64, f64)>) -> Samples<'a> {
        Samples { all: all.iter().collect(), unseen, interval: Span::from_millis(1_000), now: NOW }
    }

    fn axes() -> (Axis, Axis) {
        (Axis::linear(50.0, (100.0, 0.0)), Axis::linear(10.0, (100.0, 0.0)))
    }

    #[test]
    fn a_bar_reaches_from_the_least_to_the_most_where_the_write_was_made() {
        let (x, y) = axes();
        let all = [sample(8_000, 1_000, 2_000, Origin::Measured)];
        let [(_, filled), (_, hollow), (_, ends)] = bars(&samples_of(&all, None), &x, &y);
        assert_eq!((filled.as_str(), hollow.as_str(), ends.as_str()), ("M78.5 80.0h3V90.0h-3z", "", ""));
    }

    #[test]
    fn a_bar_too_short_to_be_seen_is_drawn_around_its_middle() {
        let (x, y) = axes();
        let all = [sample(9_000, 1_000, 1_000, Origin::Measured)];
        let [(_, filled), ..] = bars(&samples_of(&all, None), &x, &y);
        assert_eq!(filled, "M78.5 89.0h3V91.0h-3z");
    }

    #[test]
    fn presumed_samples_are_hollow_and_wide_ones_are_closed_at_both_ends() {
        let (x, y) = axes();
        let all = [sample(1_000, 0, 9_000, Origin::Measured), sample(1_000, 0, 9_000, Origin::Presumed)];
        let [(_, filled), (_, hollow), (_, ends)] = bars(&samples_of(&all, None), &x, &y);
        assert_eq!((filled.as_str(), hollow.as_str()), ("M78.5 10.0h3V100.0h-3z", "M78.5 10.0h3V100.0h-3z"));
        assert_eq!(ends, "M76.5 10.0h7M76.5 100.0h7".repeat(2));
        let name = samples_of(&all, None).name();
        assert!(name.contains("; 1 presumed; 2 wide; the newest was seen 1.00 s ago"), "{name}");
    }

    #[test]
    fn what_is_not_visible_yet_is_a_line_from_its_age_at_the_last_look_to_nothing() {
        let (x, y) = axes();
        let line = waiting((6.0, 1.0), &x, &y);
        assert!(line.starts_with("M88.0 50.0L") && line.ends_with("L98.0 100.0"), "{line}");
    }

    #[test]
    fn the_words_are_those_of_the_samples() {
        let all = [800, 600, 700].map(|upper| sample(3_000, upper - 100, upper, Origin::Measured));
        let name = samples_of(&all, Some((4.0, 0.1))).name();
        let wanted = "lag of the last heartbeats that became visible, 3 of them: 0.50 s to 0.80 s, median 0.65 s, known to within \
                      0.10 s in the median; the newest was seen 3.00 s ago; the oldest that was not visible at the last look \
                      was written 4.00 s ago";
        assert_eq!(name, wanted);
    }

    #[test]
    fn whatever_the_samples_are_the_chart_has_places_for_them() {
        let hours = 7_200_000;
        let odd = [
            // A clock that was set back puts what was seen into the future.
            vec![sample(-60_000, 100, 200, Origin::Measured)],
            vec![sample(0, 0, 0, Origin::Measured)],
            // Two clocks' bounds may be off by their drift.
            vec![sample(1_000, 0, -5, Origin::Measured)],
            vec![sample(hours, 0, hours, Origin::Presumed), sample(1_000, 700, 800, Origin::Measured)],
            vec![sample(1_000, 800, 800, Origin::Measured); 128],
        ];
        for all in odd {
            for unseen in [None, Some((0.0, 0.0)), Some((1e7, 0.5))] {
                let text = samples(&samples_of(&all, unseen), Span::from_millis(5_000)).into_string();
                assert!(!text.contains("NaN") && !text.contains("inf\"") && !text.contains("inf "), "{text}");
                assert!(text.contains("class=\"bar"), "{text}");
            }
        }
    }
}
