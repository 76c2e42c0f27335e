//! Instants of the lab: monotonic and wall clock read together, so that another process can be held against them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads both clocks; all of a lab's stamps count from the same start.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabClock {
    origin: Instant,
}

impl LabClock {
    pub(super) fn start() -> LabClock {
        LabClock { origin: Instant::now() }
    }

    pub(super) fn now(&self) -> Stamp {
        let instant = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("the host's clock is past 1970");
        Stamp {
            instant,
            since_start: instant.saturating_duration_since(self.origin),
            wall_micros: i64::try_from(wall.as_micros()).expect("microseconds since 1970 fit for 290,000 years"),
        }
    }
}

/// One instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The monotonic clock: for lags.
    pub instant: Instant,
    /// The same, counted from the lab's start: for logs and other languages.
    pub since_start: Duration,
    /// The wall clock, microseconds since 1970: for comparison with what another process reports.
    pub wall_micros: i64,
}

impl Stamp {
    /// The wall clock's reading as the standard library has it.
    pub fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(u64::try_from(self.wall_micros).expect("the clock is past 1970"))
    }
}

/// Something happened between these two instants: a database call took its effect in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// It had not happened yet.
    pub before: Stamp,
    /// It had happened.
    pub after: Stamp,
}
