//! Two clocks that cannot be mixed, and the signed span between two readings of one of them.
//!
//! [`Mono`] never steps and means nothing outside this process: every lag between two acts of this process is
//! measured on it. [`Wall`] is what other hosts can compare with, and may step at any moment. There is no
//! subtraction across the two. Nothing in here reads a clock: `clock.rs` does, and hands the readings in.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, UNIX_EPOCH};

/// A signed span of time in nanoseconds, ±292 years.
///
/// Signed, because a negative lag is a finding about clocks that must not be clamped away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of so many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Span {
        Span(nanos)
    }

    /// A span of so many microseconds.
    pub const fn from_micros(micros: i64) -> Span {
        Span(micros.saturating_mul(1_000))
    }

    /// A span of so many milliseconds.
    pub const fn from_millis(millis: i64) -> Span {
        Span(millis.saturating_mul(1_000_000))
    }

    /// A span of so many seconds; fractions are kept to the nanosecond, what does not fit saturates.
    pub fn from_secs_f64(seconds: f64) -> Span {
        Span((seconds * 1e9) as i64)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole microseconds, rounded towards zero.
    pub const fn as_micros(self) -> i64 {
        self.0 / 1_000
    }

    /// Seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The magnitude.
    pub const fn abs(self) -> Span {
        Span(self.0.saturating_abs())
    }

    /// This span as a [`Duration`]; a negative one is no time at all. For timers, not for measurements.
    pub fn to_duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// This span times a factor.
    pub fn mul_f64(self, factor: f64) -> Span {
        Span((self.0 as f64 * factor) as i64)
    }

    /// This span times a whole number.
    pub const fn times(self, factor: i64) -> Span {
        Span(self.0.saturating_mul(factor))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.as_secs_f64())
    }
}

/// A reading of this process's monotonic clock, in nanoseconds since the process began to count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mono(i64);

impl Mono {
    /// The reading so many nanoseconds after the process began to count.
    pub const fn from_nanos(nanos: i64) -> Mono {
        Mono(nanos)
    }

    /// Nanoseconds since the process began to count; negative for what happened before it.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

impl Sub for Mono {
    type Output = Span;
    fn sub(self, earlier: Mono) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Mono {
    type Output = Mono;
    fn add(self, span: Span) -> Mono {
        Mono(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Mono {
    type Output = Mono;
    fn sub(self, span: Span) -> Mono {
        Mono(self.0.saturating_sub(span.0))
    }
}

/// A reading of this host's wall clock, in microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Wall(i64);

impl Wall {
    /// The instant so many microseconds after 1970-01-01 UTC.
    pub const fn from_micros(micros: i64) -> Wall {
        Wall(micros)
    }

    /// The instant that RFC 3339 text names, in UTC and with a `Z`; `None` where it names none, or one before 1970.
    pub fn from_rfc3339(text: &str) -> Option<Wall> {
        let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_micros()).ok().map(Wall)
    }

    /// Microseconds since 1970-01-01 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The latest instant, not after this one, that is a whole number of periods after 1970-01-01 UTC.
    pub const fn floor(self, period: Span) -> Wall {
        Wall(self.0 - self.0.rem_euclid(period.as_micros()))
    }

    /// Whole milliseconds since 1970-01-01 UTC; 0 for anything earlier.
    pub fn unix_millis(self) -> u64 {
        u64::try_from(self.0 / 1_000).unwrap_or(0)
    }

    /// Seconds since 1970-01-01 UTC.
    pub fn unix_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Sub for Wall {
    type Output = Span;
    fn sub(self, earlier: Wall) -> Span {
        Span::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Wall {
    type Output = Wall;
    fn add(self, span: Span) -> Wall {
        Wall(self.0.saturating_add(span.as_micros()))
    }
}

impl Sub<Span> for Wall {
    type Output = Wall;
    fn sub(self, span: Span) -> Wall {
        Wall(self.0.saturating_sub(span.as_micros()))
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// The monotonic reading.
    pub mono: Mono,
    /// The wall-clock reading.
    pub wall: Wall,
}

impl Now {
    /// This pair of readings, both moved by the same span.
    pub fn after(self, span: Span) -> Now {
        Now { mono: self.mono + span, wall: self.wall + span }
    }
}
