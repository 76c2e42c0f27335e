//! The heartbeats of one key that other processes wrote: what is known of each tick, and what was seen of it where.
//!
//! A sighting is complete when it is known how long its write took, which a later heartbeat tells. Until then it waits
//! here; where nobody will ever tell, it is complete without.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::heartbeat::Heartbeat;
use super::history::{Fate, TICKS_MAX, Tick, ticks_of};
use super::model::{Beat, RegionId};
use super::sample::Origin;
use super::time::{Mono, Span, Wall};

/// Ticks that are remembered.
const KNOWN_MAX: usize = 2 * TICKS_MAX;

/// Sightings that wait, at most: an hour at 1 Hz. Beyond it the oldest go, and are counted.
const WAITING_MAX: usize = 3_600;

/// How long a sighting waits for what may never be told.
const PATIENCE: Span = Span::from_millis(60_000);

/// When a replica was first seen to hold a heartbeat, or a later one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Glimpse {
    /// Which replica.
    pub replica: RegionId,
    /// When the last read left that missed it; `None`: none did, or the clock was set since.
    pub miss_sent: Option<Wall>,
    /// When the first read that hit it came back.
    pub hit_received: Wall,
    /// The same, on the monotonic clock.
    pub at: Mono,
    /// How often this process's wall clock had been set by then.
    pub epoch: u64,
}

/// A sighting of which everything is known that will be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sighted {
    /// The heartbeat.
    pub beat: Beat,
    /// The run whose clock `written_at` is of.
    pub clock: u64,
    /// Its writer's wall clock just before the write left, at least…
    pub written_at: Wall,
    /// …and at most so much later.
    pub slack: Span,
    /// How long the write took; `None`: nobody knows.
    pub took: Option<Span>,
    /// Where and when.
    pub glimpse: Glimpse,
    /// How it came about.
    pub origin: Origin,
}

/// The oldest heartbeat that a replica has not shown, though it exists.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Unseen {
    /// The run whose clock `written_at` is of.
    pub clock: u64,
    /// When it was written, by its writer's wall clock.
    pub written_at: Option<Wall>,
    /// Since when it is known that there is one.
    pub known_since: Mono,
    /// There may be older ones of which nothing is known.
    pub maybe_older: bool,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    tick: Tick,
    /// By a later heartbeat.
    told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    sighted: Sighted,
    /// What was last known of its fate.
    fate: Fate,
    /// It was itself seen, so it was committed.
    seen: bool,
}

/// See the module's words.
#[derive(Clone, Debug, Default)]
pub struct Abroad {
    known: BTreeMap<Beat, Known>,
    newest: Option<(Beat, Mono)>,
    /// This process's own run: nobody else writes any more.
    ours: Option<u64>,
    waiting: VecDeque<Waiting>,
    dropped: u64,
}

fn between(after: Beat, upto: Beat) -> (Bound<Beat>, Bound<Beat>) {
    (Bound::Excluded(after), Bound::Included(upto.max(after)))
}

impl Abroad {
    /// Heartbeats that went unmeasured: there were too many, or what became of their write could not be learned.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The newest heartbeat that is known to have been written, and since when that is known.
    pub fn newest(&self) -> Option<(Beat, Mono)> {
        self.newest
    }

    /// Somebody has seen this heartbeat of the source's.
    pub fn exists(&mut self, beat: Beat, at: Mono) {
        if self.newest.is_none_or(|(newest, _)| beat > newest) {
            self.newest = Some((beat, at));
        }
    }

    /// This process writes from here on. Forgets that anything at or above its run exists: it was never the source's own.
    pub fn void_from(&mut self, run: u64) {
        self.ours = Some(run);
        self.known.retain(|beat, _| beat.run < run);
        self.waiting.retain(|waiting| waiting.sighted.beat.run < run);
        self.newest = self.newest.filter(|(newest, _)| newest.run < run);
    }

    /// A heartbeat was read somewhere: takes over what it tells. Returns whether that could be read.
    pub fn learn(&mut self, heartbeat: &Heartbeat, at: Mono) -> bool {
        self.exists(heartbeat.beat, at);
        if self.known.contains_key(&heartbeat.beat) && self.newest.is_some_and(|(newest, _)| newest > heartbeat.beat) {
            return true;
        }
        let ticks = ticks_of(heartbeat);
        let readable = ticks.is_some();
        let own = Tick {
            beat: heartbeat.beat,
            written_at: heartbeat.written_at,
            interval: heartbeat.interval,
            fate: Fate::Seen,
            clock: heartbeat.beat.run,
        };
        for tick in ticks.unwrap_or_default() {
            let told = tick.beat != own.beat;
            let known = self.known.entry(tick.beat).or_insert(Known { tick, told });
            // What was seen was committed, even where its writer cannot know.
            let seen = known.tick.fate == Fate::Seen && matches!(tick.fate, Fate::Open | Fate::Void);
            if !seen {
                known.tick = tick;
            }
            known.told |= told;
        }
        let known = self.known.entry(own.beat).or_insert(Known { tick: own, told: false });
        if matches!(known.tick.fate, Fate::Open | Fate::Void) {
            known.tick.fate = Fate::Seen;
        }
        while self.known.len() > KNOWN_MAX {
            self.known.pop_first();
        }
        readable
    }

    /// A replica shows more than before: everything in `(after, upto]` became visible with `upto` at the latest, but
    /// for what `is_ours` says is measured elsewhere.
    pub fn advance(&mut self, after: Beat, upto: Beat, glimpse: Glimpse, is_ours: impl Fn(Beat) -> bool) {
        for tick in self.presumed(after, upto).into_iter().filter(|tick| !is_ours(tick.beat)) {
            // The grid hangs on the written time of a tick that was late itself: an eighth of an interval covers that.
            let early = Span::from_nanos(tick.interval.as_nanos() / 8);
            let sighted = Sighted {
                beat: tick.beat,
                clock: tick.clock,
                written_at: tick.written_at - early,
                slack: early + tick.interval + tick.interval.clamp(Span::from_millis(500), Span::from_millis(5_000)),
                took: None,
                glimpse,
                origin: Origin::Presumed,
            };
            self.wait(Waiting { sighted, fate: Fate::Took(Span::ZERO), seen: true });
        }
        let known: Vec<Tick> = self.known.range(between(after, upto)).map(|(_, known)| known.tick).collect();
        for tick in known.into_iter().filter(|tick| tick.fate != Fate::Void && !is_ours(tick.beat)) {
            let sighted = Sighted {
                beat: tick.beat,
                clock: tick.clock,
                written_at: tick.written_at,
                slack: Span::ZERO,
                took: None,
                glimpse,
                origin: Origin::Measured,
            };
            self.wait(Waiting { sighted, fate: tick.fate, seen: tick.beat == upto });
        }
    }

    /// Ticks of the run of `upto` that lie between the last one seen and the oldest one that is known: there were too
    /// many to be told of. When they were due is known.
    fn presumed(&self, after: Beat, upto: Beat) -> Vec<Tick> {
        let first = if after.run == upto.run { after.seq + 1 } else { 0 };
        let run_start = Beat { run: upto.run, seq: 0 };
        let Some((_, oldest)) = self.known.range((Bound::Included(run_start), Bound::Included(upto))).next() else {
            return Vec::new();
        };
        let anchor = oldest.tick;
        let from = first.max(anchor.beat.seq.saturating_sub(WAITING_MAX as u64));
        (from..anchor.beat.seq)
            .map(|seq| Tick {
                beat: Beat { run: upto.run, seq },
                written_at: anchor.written_at - anchor.interval.times((anchor.beat.seq - seq) as i64),
                ..anchor
            })
            .collect()
    }

    fn wait(&mut self, waiting: Waiting) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(waiting);
    }

    /// Hands on the sightings that are complete. `take` gives back those that it cannot use yet; after a minute they
    /// are dropped.
    pub fn complete(&mut self, now: Mono, mut take: impl FnMut(&Sighted) -> bool) {
        let (newest, ours) = (self.newest.map(|(beat, _)| beat), self.ours);
        let (known, dropped) = (&self.known, &mut self.dropped);
        self.waiting.retain_mut(|waiting| {
            let sighted = &mut waiting.sighted;
            let beat = sighted.beat;
            let is_old = now - sighted.glimpse.at > PATIENCE;
            let mut told = sighted.origin == Origin::Presumed;
            if let Some(known) = known.get(&beat) {
                told |= known.told;
                // Told again by a later run on the same clock, both go together.
                (sighted.clock, sighted.written_at) = (known.tick.clock, known.tick.written_at);
                waiting.fate = known.tick.fate;
            }
            // Nobody will tell any more: the run is over, or has gone on for too long.
            let untold = is_old
                || ours.is_some_and(|ours| ours > beat.run)
                || newest.is_some_and(|newest| {
                    newest.run > beat.run || newest.seq.saturating_sub(beat.seq) > TICKS_MAX as u64
                });
            let complete = match waiting.fate {
                Fate::Took(took) => {
                    sighted.took = Some(took);
                    true
                }
                Fate::Seen => told || untold,
                Fate::Open => untold,
                Fate::Void => {
                    if !waiting.seen {
                        return false;
                    }
                    true
                }
            };
            if !complete {
                return true;
            }
            if waiting.fate == Fate::Open && !waiting.seen {
                *dropped += 1;
                return false;
            }
            if take(sighted) {
                return false;
            }
            *dropped += u64::from(is_old);
            !is_old
        });
    }

    /// The oldest heartbeat after `after` that is known to have been written.
    pub fn unseen(&self, after: Option<Beat>) -> Option<Unseen> {
        let (newest, known_since) = self.newest.filter(|(newest, _)| after.is_none_or(|after| *newest > after))?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut later = self.known.range((start, Bound::Included(newest)));
        let oldest = later.find(|(_, known)| matches!(known.tick.fate, Fate::Seen | Fate::Took(_)));
        let watermark = after.and_then(|after| self.known.get(&after));
        let (clock, written_at, maybe_older) = match (oldest, watermark, after) {
            // All there is in between is known.
            (Some((_, known)), Some(_), _) => (known.tick.clock, Some(known.tick.written_at), false),
            // Within one run the ticks lie on a grid.
            (Some((beat, known)), None, Some(after)) if after.run == beat.run => {
                let back = known.tick.interval.times((beat.seq - after.seq - 1) as i64);
                (known.tick.clock, Some(known.tick.written_at - back), false)
            }
            (Some((_, known)), None, _) => (known.tick.clock, Some(known.tick.written_at), true),
            // Others have seen it, and nothing came here that tells when it was written: an interval later at least.
            (None, Some(known), Some(after)) if after.run == newest.run => {
                (known.tick.clock, Some(known.tick.written_at + known.tick.interval), false)
            }
            (None, ..) => (newest.run, None, true),
        };
        Some(Unseen { clock, written_at, known_since, maybe_older })
    }

    /// All committed heartbeats after `after`, as far as they are known.
    pub fn committed(&self, after: Option<Beat>) -> impl Iterator<Item = Tick> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.known
            .range((start, Bound::Unbounded))
            .filter(|(_, known)| matches!(known.tick.fate, Fate::Seen | Fate::Took(_)))
            .map(|(_, known)| known.tick)
    }

    /// A tick, as far as it is known.
    pub fn tick(&self, beat: Beat) -> Option<Tick> {
        self.known.get(&beat).map(|known| known.tick)
    }
}
