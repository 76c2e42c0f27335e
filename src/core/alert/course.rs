//! The course of one alert: inactive → pending → firing → resolved.

use super::rule::NoData;
use crate::core::time::{Mono, Span};

/// Resolved alerts are remembered for so long, so that they can be told to whoever was not there: as Prometheus does.
pub const RESOLVED_KEPT: Span = Span::from_millis(15 * 60 * 1_000);

/// Looks are a fraction of a second apart. Where they are further apart than this, the process stood still, and nobody knows
/// what was in between.
pub const GAP: Span = Span::from_millis(2_000);

/// What a signal says at one moment, held against one threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// Above the threshold.
    Over,
    /// Not above the threshold, and above the one that clears.
    Between,
    /// At the clearing threshold or below.
    Under,
    /// Nobody knows.
    NoData,
}

/// How far an alert has come. An inactive one is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Over the threshold, and not for long enough.
    Pending,
    /// People are told.
    Firing,
    /// It is over.
    Resolved,
}

impl Phase {
    /// All, in their order.
    pub const ALL: [Phase; 3] = [Phase::Pending, Phase::Firing, Phase::Resolved];

    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        match self {
            Phase::Pending => "pending",
            Phase::Firing => "firing",
            Phase::Resolved => "resolved",
        }
    }
}

/// How long things take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// Over the threshold for so long without a break before it fires.
    pub pending_for: Span,
    /// Clear for so long without a break before it is over.
    pub keep_firing_for: Span,
    /// What becomes of it while nobody knows.
    pub no_data: NoData,
}

/// One alert's course so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Course {
    /// How far it has come.
    pub phase: Phase,
    /// Since when, the time left out in which nobody knew or looked.
    since: Mono,
    /// Since when a firing one has been clear.
    clear_since: Option<Mono>,
    /// The last step.
    seen: Mono,
}

impl Course {
    /// One that fires, as somebody else knows.
    pub fn firing(now: Mono) -> Course {
        Course { phase: Phase::Firing, since: now, clear_since: None, seen: now }
    }

    /// One that is over.
    pub fn resolved(now: Mono) -> Course {
        Course { phase: Phase::Resolved, ..Course::firing(now) }
    }

    /// The next step of it, at `now`.
    pub fn step(before: Option<Course>, sight: Sight, patience: Patience, now: Mono) -> Option<Course> {
        let sight = match (sight, patience.no_data) {
            (Sight::NoData, NoData::Fire) => Sight::Over,
            (Sight::NoData, NoData::Ignore) => Sight::Under,
            (sight, _) => sight,
        };
        let begun = || {
            let phase = if patience.pending_for == Span::ZERO { Phase::Firing } else { Phase::Pending };
            Course { phase, ..Course::firing(now) }
        };
        let Some(course) = before else { return (sight == Sight::Over).then(begun) };
        let elapsed = now - course.seen;
        let mut course = Course { seen: now, ..course };
        // Time in which nobody knew is no time over the threshold, nor one in which all was well.
        if course.phase != Phase::Resolved && (sight == Sight::NoData || elapsed > GAP) {
            course.since = course.since + elapsed;
            course.clear_since = course.clear_since.map(|since| since + elapsed);
        }
        match (course.phase, sight) {
            (Phase::Pending, Sight::Over) if now - course.since >= patience.pending_for => Some(Course::firing(now)),
            (Phase::Pending, Sight::Over) => Some(course),
            (Phase::Pending | Phase::Firing, Sight::NoData) => Some(course),
            (Phase::Pending, Sight::Between | Sight::Under) => None,
            (Phase::Firing, Sight::Under) => {
                let since = course.clear_since.unwrap_or(now);
                match now - since >= patience.keep_firing_for {
                    true => Some(Course::resolved(now)),
                    false => Some(Course { clear_since: Some(since), ..course }),
                }
            }
            (Phase::Firing, Sight::Over | Sight::Between) => Some(Course { clear_since: None, ..course }),
            (Phase::Resolved, Sight::Over) => Some(begun()),
            (Phase::Resolved, _) => (now - course.since < RESOLVED_KEPT).then_some(course),
        }
    }
}
