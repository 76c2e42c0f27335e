//! What one slot of one region pair has shown so far: its watermark, and what it still owes.

use super::heartbeat::Heartbeat;
use super::model::{Beat, RegionId};
use super::outstanding::{Advance, Outstanding, Resolved};
use super::time::{Mono, Now, Span, Wall};

/// The newest heartbeat of a source that is visible at a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watermark {
    /// Which.
    pub beat: Beat,
    /// The writer's wall clock when it wrote it.
    pub written_at: Wall,
    /// Whether that was this host's clock, so that it can be compared with ours.
    pub own_clock: bool,
    /// The writer's interval.
    pub interval: Span,
    /// Whether this process wrote it.
    pub ours: bool,
}

/// One slot of one pair.
#[derive(Clone, Debug, Default)]
pub struct Track {
    watermark: Option<Watermark>,
    /// When the watermark last moved, the first look aside.
    advanced_at: Option<Mono>,
    /// When the latest of the answered reads left. All of them found the watermark or less, so all of them missed
    /// whatever comes after it: this is the `a` of every sample to come.
    miss_sent: Option<Mono>,
    answered_at: Option<Mono>,
    oldest_unseen: Option<Mono>,
    /// The oldest unseen heartbeat may be older than what is known of it.
    age_unknown: bool,
    newest_upper: Option<(Beat, Span)>,
    newer_format: bool,
    looked_at: bool,
    inheritance_settled: bool,
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

    /// When the oldest acknowledged heartbeat that is not visible was written.
    pub fn oldest_unseen(&self) -> Option<Mono> {
        self.oldest_unseen
    }

    /// Whether the oldest unseen heartbeat may be older than [`Track::oldest_unseen`] says.
    pub fn age_unknown(&self) -> bool {
        self.age_unknown && self.oldest_unseen.is_some()
    }

    /// Since when the target has not moved although something is there to be seen.
    pub fn unmoved_since(&self) -> Option<Mono> {
        let unseen = self.oldest_unseen?;
        Some(self.advanced_at.map_or(unseen, |advanced| advanced.max(unseen)))
    }

    /// The upper end of the newest heartbeat's sample.
    pub fn newest_upper(&self) -> Option<Span> {
        self.newest_upper.map(|(_, upper)| upper)
    }

    /// Whether the last read found a format that this build cannot read.
    pub fn newer_format(&self) -> bool {
        self.newer_format
    }

    /// A read was answered, but what it found proves nothing about our heartbeats.
    pub fn looked(&mut self, received: Mono, newer_format: bool) {
        self.answered_at = self.answered_at.max(Some(received));
        self.newer_format = newer_format;
    }

    /// A read that left at `sent` found `heartbeat`, or nothing under the source's key.
    ///
    /// Returns the sightings that it makes.
    pub fn found(
        &mut self,
        target: RegionId,
        heartbeat: Option<&Heartbeat>,
        (own_clock, ours): (bool, bool),
        sent: Mono,
        at: Now,
        outstanding: &mut Outstanding,
    ) -> Vec<Resolved> {
        let first_look = !self.looked_at;
        self.looked_at = true;
        self.looked(at.mono, false);
        let mut resolved = Vec::new();
        if let Some(heartbeat) = heartbeat {
            resolved = outstanding.seen(heartbeat.beat);
            let before = self.watermark.map(|watermark| watermark.beat);
            if before.is_none_or(|before| heartbeat.beat > before) {
                resolved.extend(outstanding.advance(Advance {
                    target,
                    after: before.or((!first_look).then_some(Beat { run: 0, seq: 0 })),
                    upto: heartbeat.beat,
                    miss_sent: self.miss_sent,
                    hit_received: at.mono,
                    seen_at: at.wall,
                }));
                self.watermark = Some(Watermark {
                    beat: heartbeat.beat,
                    written_at: heartbeat.written_at,
                    own_clock,
                    interval: heartbeat.interval,
                    ours,
                });
                self.oldest_unseen = None;
                self.age_unknown = false;
                if !first_look {
                    self.advanced_at = Some(at.mono);
                }
            }
        }
        // Where a watermark was and nothing is now, the replica lost what it had (its table was dropped, say): whatever
        // arrived just before that would be missed as well, so these misses prove nothing.
        let lost = heartbeat.is_none() && self.watermark.is_some();
        if !lost {
            self.miss_sent = self.miss_sent.max(Some(sent));
        }
        self.owe(outstanding);
        resolved
    }

    /// Looks up what is unseen, unless that is known: while nothing new becomes visible the oldest stays the oldest,
    /// even when the queue has since dropped it.
    pub fn owe(&mut self, outstanding: &Outstanding) {
        if self.oldest_unseen.is_none() {
            self.oldest_unseen = outstanding.oldest_unseen(self.watermark.map(|watermark| watermark.beat));
        }
    }

    /// Once this replica and the source's own key have both been looked at: takes over what the replica owed before
    /// this process began, so that a restart in the middle of a stall forgets nothing.
    ///
    /// `inherited` is what the source's key held first, `timed` whether its writes were timed by this host's clock.
    pub fn settle_inheritance(&mut self, inherited: &Heartbeat, timed: bool, now: Mono, outstanding: &Outstanding) {
        if self.inheritance_settled || self.answered_at.is_none() {
            return;
        }
        self.inheritance_settled = true;
        let seen = self.watermark.map(|watermark| watermark.beat);
        if seen.is_some_and(|seen| seen >= inherited.beat) {
            return;
        }
        self.owe(outstanding);
        // Within one run every tick's time is known. What an earlier run left unseen is older, by nobody knows what.
        let same_run = seen.is_some_and(|seen| seen.run == inherited.beat.run);
        if !(timed && same_run) {
            self.age_unknown = true;
            self.oldest_unseen.get_or_insert(now);
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
