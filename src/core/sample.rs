//! The lag sample: from a heartbeat's commit at the source to its first visibility at the target, as an interval.
//!
//! The write left at `s0` and was acknowledged at `s1`, so the commit lies in `[s0, s1]`. The last read that missed
//! left at `a` and the first that hit came back at `b`, so the heartbeat became visible in `[a, b]`. Hence
//! `lower = max(0, a − s1)` and `upper = b − s0`, all on one process's monotonic clock: whatever the network does to
//! the four messages, the truth lies inside.

use super::model::{Beat, Slot};
use super::time::{Mono, Span, Wall};

/// What is known of the time a lag began or ended at: it lies within.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bracket {
    /// The lag is at least this.
    pub lower: Span,
    /// The lag is at most this.
    pub upper: Span,
}

impl Bracket {
    /// The middle, the best single number there is.
    pub fn midpoint(self) -> Span {
        Span::from_nanos(self.lower.as_nanos() / 2 + self.upper.as_nanos() / 2)
    }

    /// `upper − lower`.
    pub fn width(self) -> Span {
        self.upper - self.lower
    }

    /// Half the width: the error of the midpoint.
    pub fn half_width(self) -> Span {
        Span::from_nanos(self.width().as_nanos() / 2)
    }

    /// Whether it is too wide to be a point in a histogram: midpoints of wide brackets would fabricate quantiles.
    pub fn is_wide(self, interval: Span) -> bool {
        self.width() > interval.max(Span::from_nanos(self.upper.as_nanos() / 2))
    }
}

/// The four instants that a one-clock sample is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// When the write left.
    pub write_sent: Mono,
    /// When it was known to be committed; `None` while it is not known.
    pub write_known: Option<Mono>,
    /// When the last read that missed it left; `None`: no read missed it.
    pub miss_sent: Option<Mono>,
    /// When the first read that hit it came back.
    pub hit_received: Mono,
}

impl Sighting {
    /// `lower = max(0, a − s1)`, `upper = b − s0`.
    ///
    /// Where the commit is not confirmed yet, it is confirmed by the hit at the latest, and no miss left after
    /// that: the lower end is 0.
    pub fn bracket(self) -> Bracket {
        let lower = match (self.miss_sent, self.write_known) {
            (Some(miss), Some(known)) => (miss - known).max(Span::ZERO),
            _ => Span::ZERO,
        };
        Bracket { lower, upper: self.hit_received - self.write_sent }
    }
}

/// How a sample came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Written and read by this process.
    Measured,
    /// Written by an earlier process on this host; its tick is known, the write only to within one interval.
    Presumed,
}

/// One lag sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Which of the source's keys.
    pub slot: Slot,
    /// Which heartbeat.
    pub beat: Beat,
    /// The writer's wall clock when it was written.
    pub written_at: Wall,
    /// This process's wall clock when it was first seen.
    pub seen_at: Wall,
    /// The lag.
    pub bracket: Bracket,
    /// How it came about.
    pub origin: Origin,
}
