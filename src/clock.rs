//! The only file that asks the time.
//!
//! Everything else is handed readings, so that tests can hand it others. Under tokio's paused time both clocks
//! advance together with the timers.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::core::time::{Mono, Now, Span, Wall};

/// Two readings further apart than this were not read together.
const TOGETHER: Span = Span::from_micros(500);
/// How often that is tried.
const READINGS_MAX: usize = 8;

/// Reads both clocks. Cheap to copy; all copies count from the same origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Wall readings follow the monotonic clock from this instant instead of asking the host: for virtual time.
    virtual_wall: Option<Wall>,
}

impl Clock {
    /// The host's clocks, counting from now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the time")]
    pub fn start() -> Clock {
        Clock { origin: Instant::now(), virtual_wall: None }
    }

    /// A clock whose wall readings start at `wall` and advance with tokio's (possibly paused) time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the time")]
    pub fn start_virtual(wall: Wall) -> Clock {
        Clock { origin: Instant::now(), virtual_wall: Some(wall) }
    }

    /// The monotonic clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the time")]
    pub fn mono(&self) -> Mono {
        let elapsed = Instant::now().saturating_duration_since(self.origin);
        Mono::from_nanos(Span::from(elapsed).as_nanos())
    }

    /// The wall clock. Before 1970 it reads 1970: no heartbeat was ever written then.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the time")]
    pub fn wall(&self) -> Wall {
        match self.virtual_wall {
            Some(wall) => wall + Span::from_nanos(self.mono().as_nanos()),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Wall::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Both, read together: the wall clock at most half a millisecond after the monotonic one, unless this thread is held
    /// up time and again.
    pub fn now(&self) -> Now {
        let read = || (Now { mono: self.mono(), wall: self.wall() }, self.mono());
        let mut readings = std::iter::repeat_with(read).take(READINGS_MAX);
        readings.find(|(now, after)| *after - now.mono <= TOGETHER).unwrap_or_else(read).0
    }

    /// When tokio's timers reach this monotonic reading.
    pub fn deadline(&self, mono: Mono) -> Instant {
        self.origin + Span::from_nanos(mono.as_nanos()).to_duration()
    }
}
