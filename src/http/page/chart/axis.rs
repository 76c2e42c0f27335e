//! Where a number lies on a chart, and which numbers stand beside it.

/// Steps that people count in, in seconds.
const STEPS: [f64; 29] = [
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
];
/// Steps that an axis has, at most.
const STEPS_MAX: f64 = 5.0;
/// Numbers beside a logarithmic axis, at most.
const NUMBERS_MAX: usize = 6;
/// Where the largest is above so many times the median, a linear axis would show nothing of the others.
const SPREAD_MAX: f64 = 10.0;
/// No logarithmic axis reaches over more than this.
const RANGE_MAX: f64 = 1e5;

/// From numbers to places.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Axis {
    is_logarithmic: bool,
    numbers: (f64, f64),
    places: (f64, f64),
    /// Which numbers stand beside it, the smallest first.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// From 0 to a round number that is not below `most`.
    pub(super) fn linear(most: f64, places: (f64, f64)) -> Axis {
        let most = if most.is_finite() && most > STEPS[0] { most } else { STEPS[0] };
        // What is longer than the longest of them is no number to be read off to the day.
        let step = STEPS.into_iter().find(|step| most <= step * STEPS_MAX).unwrap_or(most / STEPS_MAX);
        let steps = (most / step - 1e-9).ceil().clamp(1.0, STEPS_MAX) as u8;
        let ticks: Vec<f64> = (0..=steps).map(|number| f64::from(number) * step).collect();
        Axis { is_logarithmic: false, numbers: (0.0, f64::from(steps) * step), places, ticks }
    }

    /// Of probabilities, from none to certainty.
    pub(super) fn probability(places: (f64, f64)) -> Axis {
        Axis { is_logarithmic: false, numbers: (0.0, 1.0), places, ticks: vec![0.0, 0.25, 0.5, 0.75, 1.0] }
    }

    /// Logarithmic, from a round number that is not above the least of these to one that is not below the largest. What is
    /// not above 0 lies at its beginning.
    pub(super) fn logarithmic(all: impl Iterator<Item = f64>, places: (f64, f64)) -> Axis {
        let (least, most) = all
            .filter(|one| one.is_finite() && *one > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
        let most = most.max(STEPS[1]);
        let least = least.clamp(STEPS[0].max(most / RANGE_MAX), most);
        let end = STEPS.into_iter().find(|step| *step >= most).unwrap_or(most);
        let begin = STEPS.into_iter().rfind(|step| *step <= least && *step < end).unwrap_or(STEPS[0]);
        let within: Vec<f64> = STEPS.into_iter().filter(|step| (begin..=end).contains(step)).collect();
        let each = within.len().div_ceil(NUMBERS_MAX).max(1);
        // How far it reaches matters more than where it begins.
        let mut ticks: Vec<f64> = within.into_iter().rev().step_by(each).collect();
        ticks.reverse();
        Axis { is_logarithmic: true, numbers: (begin, end), places, ticks }
    }

    /// Of these: linear, unless that would press most of them flat.
    pub(super) fn fitting(all: impl Iterator<Item = f64>, places: (f64, f64)) -> Axis {
        let mut all: Vec<f64> = all.filter(|one| one.is_finite() && *one > 0.0).collect();
        all.sort_by(f64::total_cmp);
        let most = all.last().copied().unwrap_or_default();
        match all.get(all.len() / 2) {
            Some(median) if most > SPREAD_MAX * median => Axis::logarithmic(all.into_iter(), places),
            _ => Axis::linear(most, places),
        }
    }

    /// Where a number lies; what is beyond an end lies at it.
    pub(super) fn place(&self, number: f64) -> f64 {
        let of = |number: f64| if self.is_logarithmic { number.max(self.numbers.0).ln() } else { number };
        let (begin, end) = (of(self.numbers.0), of(self.numbers.1));
        let share = (of(number) - begin) / (end - begin);
        // A number that is none lies where nothing does.
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// Whether a number is not beyond its end.
    pub(super) fn holds(&self, number: f64) -> bool {
        number <= self.numbers.1
    }

    /// What to call it, where that matters to who reads it.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_logarithmic { ", logarithmic" } else { "" }
    }
}

/// A number of seconds as it stands beside an axis.
pub(super) fn seconds(seconds: f64) -> String {
    let (number, unit) = match seconds {
        _ if seconds < 120.0 => (seconds, "s"),
        _ if seconds < 7_200.0 => (seconds / 60.0, "min"),
        _ if seconds < 172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "days"),
    };
    format!("{} {unit}", (number * 1e3).round() / 1e3)
}

/// The same of how long ago something was.
pub(super) fn ago(ago: f64) -> String {
    if ago == 0.0 { "now".into() } else { format!("−{}", seconds(ago)) }
}

/// A probability, rounded down: what is not certain must not look so.
pub(in super::super) fn per_cent(probability: f64) -> String {
    format!("{} %", (probability * 1e4 + 1e-6).floor() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: (f64, f64) = (0.0, 100.0);

    #[test]
    fn a_linear_axis_begins_at_nothing_and_ends_at_a_round_number_that_holds_the_largest() {
        for (most, ticks) in [
            (0.9, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0] as &[f64]),
            (1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (2.1, &[0.0, 0.5, 1.0, 1.5, 2.0, 2.5]),
            (61.0, &[0.0, 15.0, 30.0, 45.0, 60.0, 75.0]),
            (7_000.0, &[0.0, 1_800.0, 3_600.0, 5_400.0, 7_200.0]),
        ] {
            let axis = Axis::linear(most, PLACES);
            let off = axis.ticks.iter().zip(ticks).map(|(tick, wanted)| (tick - wanted).abs()).fold(0.0, f64::max);
            assert!(off < 1e-9 && axis.ticks.len() == ticks.len(), "{most}: {:?}", axis.ticks);
            assert!(axis.holds(most), "{most}");
            assert_eq!((axis.place(0.0), axis.place(most * 1e9)), PLACES);
        }
    }

    #[test]
    fn every_number_has_a_place_between_the_ends() {
        let lists: [&[f64]; 8] = [
            &[],
            &[0.0],
            &[-1.0, f64::NAN, f64::INFINITY],
            &[0.8],
            &[1.0, 1.0, 1.0],
            &[1e-9, 1e9],
            &[0.8, 0.8, 0.8, 30_000.0],
            &[1e300],
        ];
        for list in lists {
            let all = || list.iter().copied();
            for axis in [Axis::fitting(all(), PLACES), Axis::logarithmic(all(), PLACES), Axis::probability(PLACES)] {
                for number in all().chain([0.0, -1.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
                    let place = axis.place(number);
                    assert!((0.0..=100.0).contains(&place), "{number} at {place} on {axis:?}");
                }
                assert!((1..=7).contains(&axis.ticks.len()), "{axis:?}");
                assert!(axis.ticks.iter().all(|tick| tick.is_finite() && axis.holds(*tick)), "{axis:?}");
            }
        }
    }

    #[test]
    fn what_would_press_the_others_flat_makes_an_axis_logarithmic() {
        let axis = |most: f64| Axis::fitting([0.7, 0.8, 0.9, 0.8, most].into_iter(), PLACES);
        assert_eq!((axis(8.0).kind(), axis(9.0).kind()), ("", ", logarithmic"), "the median is 0.8");
        let axis = axis(3_600.0);
        assert_eq!((axis.place(0.0), axis.place(0.5), axis.place(3_600.0)), (0.0, 0.0, 100.0));
        assert!(axis.place(0.9) - axis.place(0.7) > 2.0, "{axis:?}");
        // Equal factors are equal distances.
        let (first, second) = (axis.place(10.0) - axis.place(1.0), axis.place(100.0) - axis.place(10.0));
        assert!((first - second).abs() < 1e-9, "{first} {second}");
    }

    #[test]
    fn numbers_beside_an_axis_are_as_short_as_they_can_be() {
        for (number, text) in [
            (0.1 + 0.2, "0.3 s"),
            (0.005, "0.005 s"),
            (90.0, "90 s"),
            (120.0, "2 min"),
            (5_400.0, "90 min"),
            (21_600.0, "6 h"),
            (604_800.0, "7 days"),
        ] {
            assert_eq!(seconds(number), text);
        }
        assert_eq!((ago(0.0).as_str(), ago(30.0).as_str(), per_cent(0.75).as_str()), ("now", "−30 s", "75 %"));
        for thousandths in 0..=1_000 {
            let text = per_cent(f64::from(thousandths) / 1_000.0);
            assert_eq!(text, format!("{} %", f64::from(thousandths) / 10.0));
        }
        assert_eq!(per_cent(0.999_99), "99.99 %");
    }
}
