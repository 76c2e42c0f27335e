//! `[clock]`: what is known of clocks beside what heartbeats prove.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::section::Section;

const ERROR: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// What is claimed of clocks. It narrows what heartbeats prove of them, and never overrides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockSettings {
    /// No host's wall clock is off by more than this, the operator promises: 1 ms to 1 h. Default: no promise.
    pub max_error: Option<Duration>,
    /// No two of the provider's servers differ by more than this: 1 ms to 1 h, default 50 ms.
    pub provider_error: Duration,
    /// Whether the dates in the provider's answers are used. Default: `true`.
    pub provider_dates: bool,
}

impl ClockSettings {
    pub(super) fn read(mut section: Section<'_>) -> ClockSettings {
        let clock = ClockSettings {
            max_error: section.duration("max_error", ERROR),
            provider_error: section.duration("provider_error", ERROR).unwrap_or(Duration::from_millis(50)),
            provider_dates: section.flag("provider_dates").unwrap_or(true),
        };
        section.finish();
        clock
    }
}
