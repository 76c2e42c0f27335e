//! What one slot of one region pair has shown so far: its watermark, and what it still owes.

use super::heartbeat::Heartbeat;
use super::model::Beat;
use super::outstanding::Outstanding;
use super::time::{Mono, Now, Span, Wall};

/// The newest heartbeat of a source that is visible at a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watermark {
    /// Which.
    pub beat: Beat,
    /// The writer's wall clock when it wrote it.
    pub written_at: Wall,
    /// The writer's interval.
    pub interval: Span,
    /// When it was first seen here.
    pub hit: Now,
    /// How often this process's wall clock had been set by then.
    pub epoch: u64,
    /// Whether this process wrote it.
    pub ours: bool,
}

/// A watermark moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// From where; `None`: this was the first look, and what it found has no time.
    pub after: Option<Beat>,
    /// To where.
    pub upto: Beat,
    /// When the latest of the answered reads left before; all of them missed what is new. And that in wall time, unless
    /// the clock was set since.
    pub miss_sent: Option<(Mono, Option<Wall>)>,
}

/// One slot of one pair.
#[derive(Clone, Debug, Default)]
pub struct Track {
    watermark: Option<Watermark>,
    /// When the watermark last moved, the first look aside.
    advanced_at: Option<Mono>,
    /// When the latest of the answered reads left. All of them found the watermark or less, so all of them missed
    /// whatever comes after it: this is the `a` of every sample to come.
    miss_sent: Option<(Mono, Wall, u64)>,
    answered_at: Option<Mono>,
    oldest_unseen: Option<Mono>,
    newest_upper: Option<(Beat, Span)>,
    newer_format: bool,
    looked_at: Option<Mono>,
}

impl Track {
    /// The newest heartbeat visible; it never moves back.
    pub fn watermark(&self) -> Option<Watermark> {
        self.watermark
    }

    /// When a read of this slot was last answered.
    pub fn answered_at(&self) -> Option<Mono> {
        self.answered_at
    }

    /// When the latest of the answered reads left, and how often this process's wall clock had been set by then: it missed
    /// whatever is not visible yet.
    pub fn missed(&self) -> Option<(Now, u64)> {
        self.miss_sent.map(|(mono, wall, epoch)| (Now { mono, wall }, epoch))
    }

    /// When the oldest acknowledged heartbeat of ours that is not visible was written.
    pub fn oldest_unseen(&self) -> Option<Mono> {
        self.oldest_unseen
    }

    /// When the watermark last moved; the first look at it aside, which only found it there.
    pub fn advanced_at(&self) -> Option<Mono> {
        self.advanced_at
    }

    /// Since when nothing new has become visible.
    pub fn still_since(&self) -> Option<Mono> {
        self.advanced_at.or(self.looked_at)
    }

    /// The upper end of the newest heartbeat's sample.
    pub fn newest_upper(&self) -> Option<Span> {
        self.newest_upper.map(|(_, upper)| upper)
    }

    /// Whether the last read found a format that this build cannot read.
    pub fn newer_format(&self) -> bool {
        self.newer_format
    }

    /// A read was answered, but what it found proves nothing about the source's heartbeats.
    pub fn looked(&mut self, received: Mono, newer_format: bool) {
        self.answered_at = self.answered_at.max(Some(received));
        self.newer_format = newer_format;
    }

    /// A read that left at `sent` found `heartbeat`, or nothing under the source's key. `epoch` is how often this
    /// process's wall clock has been set, `ours` whether this process wrote the heartbeat.
    pub fn found(
        &mut self,
        heartbeat: Option<&Heartbeat>,
        ours: bool,
        sent: Now,
        received: Now,
        epoch: u64,
    ) -> Option<Moved> {
        let first_look = self.looked_at.is_none();
        self.looked_at.get_or_insert(received.mono);
        self.looked(received.mono, false);
        let before = self.watermark.map(|watermark| watermark.beat);
        let newer = heartbeat.filter(|heartbeat| before.is_none_or(|before| heartbeat.beat > before));
        let moved = newer.map(|heartbeat| {
            self.watermark = Some(Watermark {
                beat: heartbeat.beat,
                written_at: heartbeat.written_at,
                interval: heartbeat.interval,
                hit: received,
                epoch,
                ours,
            });
            self.oldest_unseen = None;
            if !first_look {
                self.advanced_at = Some(received.mono);
            }
            Moved {
                after: before.or((!first_look).then_some(Beat { run: 0, seq: 0 })),
                upto: heartbeat.beat,
                miss_sent: self.miss_sent.map(|(mono, wall, then)| (mono, (then == epoch).then_some(wall))),
            }
        });
        // Where a watermark was and nothing is now, the replica lost what it had (its table was dropped, say): whatever
        // arrived just before that would be missed as well, so these misses prove nothing.
        let lost = heartbeat.is_none() && self.watermark.is_some();
        if !lost && self.miss_sent.is_none_or(|(latest, ..)| sent.mono > latest) {
            self.miss_sent = Some((sent.mono, sent.wall, epoch));
        }
        moved
    }

    /// Looks up which of ours is unseen, unless that is known: while nothing new becomes visible the oldest stays the
    /// oldest, even when the queue has since dropped it.
    pub fn owe(&mut self, outstanding: &Outstanding) {
        if self.oldest_unseen.is_none() {
            self.oldest_unseen = outstanding.oldest_unseen(self.watermark.map(|watermark| watermark.beat));
        }
    }

    /// The sample of a heartbeat was made: the newest one's upper end counts towards current lag.
    pub fn sampled(&mut self, beat: Beat, upper: Span) {
        if self.newest_upper.is_none_or(|(newest, _)| beat >= newest) {
            self.newest_upper = Some((beat, upper));
        }
    }

    /// Our reign begins with `run`: somebody else's watermark at or above it was never the source's own.
    ///
    /// Returns whether there was one.
    pub fn void_from(&mut self, run: u64) -> bool {
        let void = self.watermark.is_some_and(|watermark| watermark.beat.run >= run && !watermark.ours);
        if void {
            self.watermark = None;
            self.newest_upper = None;
        }
        void
    }
}
