//! How numbers and states are put for people.

use crate::core::assess::State;
use crate::core::offset::Offset;
use crate::core::time::{Span, Wall};
use crate::http::answer::rfc3339;

/// What stands for what is not known.
pub(super) const UNKNOWN: &str = "-";

/// Seconds, to the millisecond.
pub(super) fn seconds(known: Option<f64>) -> String {
    known.map_or(UNKNOWN.into(), |seconds| format!("{seconds:.3} s"))
}

/// A span as people say it, to two or three digits.
pub(super) fn span(seconds: f64) -> String {
    // By what it is rounded to: 59.96 s are 60 s.
    let size = seconds.abs();
    match size {
        _ if size < 9.995 => format!("{seconds:.2} s"),
        _ if size < 99.95 => format!("{seconds:.1} s"),
        _ if size < 119.5 => format!("{seconds:.0} s"),
        _ if size < 7_170.0 => format!("{:.0} min", seconds / 60.0),
        _ if size < 172_000.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// A duration that somebody has set, to the last digit.
pub(super) fn setting(span: Span) -> String {
    let text = humantime::format_duration(span.to_duration()).to_string();
    let parts = text.split(' ').map(|part| {
        let (number, unit) = part.split_at(part.find(|one: char| !one.is_ascii_digit()).unwrap_or(part.len()));
        format!("{number} {}", if unit == "m" { "min" } else { unit })
    });
    parts.collect::<Vec<String>>().join(" ")
}

/// The same of what may not be known.
pub(super) fn span_or(known: Option<Span>) -> String {
    known.map_or(UNKNOWN.into(), |known| span(known.as_secs_f64()))
}

/// How long ago something was; not known where this host's clock was set back since.
pub(super) fn ago(at: Wall, now: Wall) -> String {
    span_or((at <= now).then(|| now - at))
}

/// What bounds the difference of two clocks.
pub(super) fn bases(offset: Offset) -> String {
    let mut bases: Vec<&str> = [offset.min, offset.max].into_iter().flatten().map(|(_, basis)| basis.words()).collect();
    bases.dedup();
    if bases.is_empty() { "nothing bounds it".to_owned() } else { bases.join(", and ") }
}

/// An instant to the second.
pub(super) fn instant(at: Wall) -> String {
    let text = rfc3339(at);
    let (date, time) = text.split_at(text.find('T').unwrap_or(0));
    format!("{date} {} UTC", time.trim_start_matches('T').split('.').next().unwrap_or_default())
}

/// An instant of today or so, to the millisecond.
pub(super) fn moment(at: Wall) -> String {
    let text = rfc3339(at);
    // All of its digits are ASCII.
    let time = text.split_once('T').map_or("", |(_, time)| time);
    time.get(..12).unwrap_or(time).to_owned()
}

/// A state's sign: shapes, for who does not tell the colours apart.
pub(super) fn sign(state: State) -> &'static str {
    match state {
        State::Unknown => "?",
        State::ReadFailing => "✕",
        State::WriteFailing => "⊘",
        State::WriterSilent => "…",
        State::Throttled => "◆",
        State::Stalled => "■",
        State::Lagging => "▲",
        State::Ok => "●",
    }
}

/// A state in words.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::ReadFailing => "read failing",
        State::WriteFailing => "write failing",
        State::WriterSilent => "writer silent",
        State::Throttled => "throttled",
        State::Stalled => "stalled",
        State::Lagging => "lagging",
        State::Ok => "ok",
    }
}

/// The rule whose runbook is about a state.
pub(super) fn runbook(state: State) -> Option<&'static str> {
    match state {
        State::Unknown => Some("TidegaugeUnknown"),
        State::ReadFailing => Some("TidegaugeReadFailing"),
        State::WriteFailing => Some("TidegaugeWriteFailing"),
        State::WriterSilent => Some("TidegaugeWriterSilent"),
        State::Throttled => Some("TidegaugeThrottled"),
        State::Stalled => Some("TidegaugeStalled"),
        State::Lagging => Some("TidegaugeCurrentLagHigh"),
        State::Ok => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{UNKNOWN, ago, instant, moment, runbook, setting, span};
    use crate::core::alert;
    use crate::core::assess::State;
    use crate::core::time::{Span, Wall};

    #[test]
    fn spans_are_put_in_the_unit_that_people_would_use() {
        for (seconds, text) in [
            (0.0, "0.00 s"),
            (0.873, "0.87 s"),
            (9.996, "10.0 s"),
            (-12.25, "-12.2 s"),
            (99.96, "100 s"),
            (119.4, "119 s"),
            (119.6, "2 min"),
            (7_199.0, "2 h"),
            (180_000.0, "2 days"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
        for (millis, text) in [(1_000, "1 s"), (500, "500 ms"), (90_000, "1 min 30 s"), (1_500, "1 s 500 ms")] {
            assert_eq!(setting(Span::from_millis(millis)), text);
        }
        let [early, late] = [1_000_000, 3_500_000].map(Wall::from_micros);
        assert_eq!(ago(early, late), "2.50 s");
        assert_eq!(ago(late, early), UNKNOWN, "the clock was set back");
        assert_eq!(instant(Wall::from_micros(1_767_225_600_900_000)), "2026-01-01 00:00:00 UTC");
        assert_eq!(moment(Wall::from_micros(1_767_225_600_987_654)), "00:00:00.987");
    }

    #[test]
    fn every_state_in_which_there_is_something_to_do_has_a_runbook() {
        let runbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
        for state in State::ALL {
            assert_eq!(runbook(state).is_some(), !state.remedy().is_empty(), "{state:?}");
            let file = runbook(state).map(|rule| alert::runbook(&runbooks.to_string_lossy(), rule));
            assert!(file.is_none_or(|file| Path::new(&file).is_file()), "{state:?}");
        }
    }
}
