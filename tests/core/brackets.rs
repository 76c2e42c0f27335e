//! What a bracket says of itself, by numbers worked out by hand.

use tidegauge::core::sample::Bracket;
use tidegauge::core::time::Span;

fn bracket(lower: i64, upper: i64) -> Bracket {
    Bracket { lower: Span::from_millis(lower), upper: Span::from_millis(upper) }
}

#[test]
fn midpoint_width_and_half_width_are_what_they_are_called() {
    let bracket = bracket(700, 1_000);
    assert_eq!(bracket.midpoint(), Span::from_millis(850));
    assert_eq!(bracket.width(), Span::from_millis(300));
    assert_eq!(bracket.half_width(), Span::from_millis(150));
}

#[test]
fn a_bracket_is_wide_over_an_interval_and_over_half_its_upper_end() {
    let interval = Span::from_millis(1_000);
    for (lower, upper, wide) in [
        (0, 1_000, false),
        (0, 1_001, true),
        (2_000, 4_000, false),
        (1_999, 4_000, true),
        (9_000, 10_000, false),
        (4_999, 10_000, true),
    ] {
        assert_eq!(bracket(lower, upper).is_wide(interval), wide, "[{lower}, {upper}] ms");
    }
}
