//! Who writes a source's heartbeat: the fence, decided on slot 0 in the source region and nowhere else.
//!
//! A starter reads its own key first. It takes over at once where the key is absent or resigned; where it is not, it
//! stands by until the key has not moved for three intervals of its own monotonic clock, as seen by reads that were
//! answered. A writer stands down at its
//! first refused write, unless what is stored is its own: then only an answer was lost.

use super::heartbeat::{Found, Heartbeat};
use super::model::{Beat, Expect, WriterId};
use super::time::{Mono, Now, Span, Wall};

/// A run, or an instant, further ahead of the clock than this is rubbish.
const AHEAD_MAX: Span = Span::from_millis(24 * 3_600 * 1_000);

/// Whether a heartbeat's run and time are ones that a sane writer could have written by now.
pub fn is_plausible(heartbeat: &Heartbeat, now: Now) -> bool {
    let limit = now.wall + AHEAD_MAX;
    heartbeat.beat.run <= limit.unix_millis() && heartbeat.written_at <= limit
}

/// Whether what was found is somebody's heartbeat, of this format or a newer one, as seen from `wall`: not to be thrown away.
pub fn is_usable(found: &Found, wall: Wall) -> bool {
    match found {
        Found::Heartbeat(heartbeat) => is_plausible(heartbeat, Now { mono: Mono::from_nanos(0), wall }),
        Found::NewerFormat { .. } => true,
        Found::Invalid(_) => false,
    }
}

/// The state of the writer's seat of one source, as this process knows it.
#[derive(Clone, PartialEq, Debug)]
pub enum Reign {
    /// The key has not been read yet.
    Unread,
    /// The seat is free: nothing stored, its holder resigned, or silent for long enough.
    Vacant {
        /// What was stored when it was found vacant.
        seen: Option<Beat>,
    },
    /// What is stored is no heartbeat, or an absurd one; it is to be replaced.
    Rubbish,
    /// Another process holds the seat.
    Held {
        /// Its newest heartbeat.
        seen: Beat,
        /// When the key was last looked at.
        looked_at: Mono,
        /// For how long the heartbeat has not moved, as far as somebody looked: while the key could not be read, its
        /// writer may not have been able to write either.
        silent: Span,
    },
    /// A newer release holds the seat, in a format this build cannot read.
    Newer,
    /// This process holds it.
    Ours {
        /// The reign's run.
        run: u64,
    },
}

impl Reign {
    /// What a look at the key in the source region means for `me`, who does not hold the seat and last tried for it
    /// with the run `last_tried`.
    pub fn observed(&self, me: WriterId, last_tried: u64, found: Option<&Found>, at: Now, patience: Span) -> Reign {
        match found {
            None => Reign::Vacant { seen: None },
            Some(Found::NewerFormat { .. }) => Reign::Newer,
            Some(Found::Invalid(_)) => Reign::Rubbish,
            Some(Found::Heartbeat(heartbeat)) if !is_plausible(heartbeat, at) => Reign::Rubbish,
            // A takeover of our own that was committed, though its answer was lost.
            Some(Found::Heartbeat(heartbeat)) if heartbeat.writer == me && heartbeat.beat.run == last_tried => {
                Reign::Ours { run: last_tried }
            }
            Some(Found::Heartbeat(heartbeat)) if heartbeat.resigned || heartbeat.writer == me => {
                Reign::Vacant { seen: Some(heartbeat.beat) }
            }
            Some(Found::Heartbeat(heartbeat)) => match *self {
                Reign::Held { seen, looked_at, silent } if seen == heartbeat.beat => {
                    let silent = silent + (at.mono - looked_at).clamp(Span::ZERO, heartbeat.interval);
                    if silent >= patience {
                        Reign::Vacant { seen: Some(seen) }
                    } else {
                        Reign::Held { seen, looked_at: at.mono.max(looked_at), silent }
                    }
                }
                // An answer that was overtaken by a newer one.
                Reign::Held { seen, .. } if heartbeat.beat < seen => self.clone(),
                // A seat once found vacant stays so while nobody has moved: the write is fenced by what was seen.
                Reign::Vacant { seen } if seen == Some(heartbeat.beat) => self.clone(),
                _ => Reign::Held { seen: heartbeat.beat, looked_at: at.mono, silent: Span::ZERO },
            },
        }
    }

    /// What a refused write means.
    ///
    /// `me` asked to write `attempted`; `stored` is what the store holds instead.
    pub fn refused(&self, me: WriterId, attempted: Beat, stored: Option<&Found>, at: Now) -> Reign {
        match stored {
            Some(Found::Heartbeat(heartbeat)) if heartbeat.writer == me && is_plausible(heartbeat, at) => {
                if heartbeat.beat.run != attempted.run {
                    // Our own, of an earlier run: the fence was held against the wrong heartbeat of ours.
                    Reign::Vacant { seen: Some(heartbeat.beat) }
                } else if heartbeat.beat.seq <= attempted.seq {
                    // Own run and own writer: an answer was lost, carry on.
                    Reign::Ours { run: attempted.run }
                } else {
                    // Our name on a heartbeat that we never wrote: somebody else's work. Outwait it.
                    Reign::Held { seen: heartbeat.beat, looked_at: at.mono, silent: Span::ZERO }
                }
            }
            stored => Reign::Unread.observed(me, attempted.run, stored, at, Span::ZERO),
        }
    }

    /// How to write the next heartbeat on slot 0, if this process may.
    pub fn expect(&self) -> Option<Expect> {
        match *self {
            Reign::Ours { .. } => Some(Expect::Steady),
            Reign::Vacant { seen } => Some(Expect::Takeover { seen }),
            Reign::Rubbish => Some(Expect::ReplaceInvalid),
            Reign::Unread | Reign::Held { .. } | Reign::Newer => None,
        }
    }

    /// The run with which to take over: `max(stored run + 1, unix ms)`, and above any that was tried before.
    pub fn next_run(&self, now: Now, last_tried: u64) -> u64 {
        let stored = match *self {
            Reign::Vacant { seen: Some(seen) } => seen.run,
            _ => 0,
        };
        now.wall.unix_millis().max(stored + 1).max(last_tried + 1)
    }

    /// Whether this process holds the seat.
    pub fn is_ours(&self) -> bool {
        matches!(self, Reign::Ours { .. })
    }
}
