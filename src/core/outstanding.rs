//! The heartbeats of one key that not every target has seen yet, oldest first.
//!
//! Replication may fold several writes into one, so a heartbeat counts as visible when it or a later one is: every
//! heartbeat up to the newest visible one gets its own sample. A write without an answer may or may not have been
//! committed; what was seen of it in the meantime waits here until the next acknowledged write tells.

use std::collections::VecDeque;

use super::model::{Beat, RegionId};
use super::sample::Sighting;
use super::time::{Mono, Wall};

/// Heartbeats that are kept per key: an hour at 1 Hz. Beyond it the oldest go, and are counted.
pub const OUTSTANDING_MAX: usize = 3_600;

/// What is known of one write.
#[derive(Clone, PartialEq, Debug)]
enum Fate {
    /// No answer yet.
    InFlight,
    /// Committed; known since then at the latest.
    Known(Mono),
    /// Committed, as it was seen; the next acknowledged write will bound when.
    Seen,
    /// No answer will come. Holds what was seen of it, or of a later one, so far.
    Unsure(Vec<Resolved>),
}

/// A target's first sighting of a heartbeat or of a later one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Resolved {
    /// Where.
    pub target: RegionId,
    /// Which heartbeat it is about.
    pub beat: Beat,
    /// The writer's wall clock at the write.
    pub written_at: Wall,
    /// The instants of the sample.
    pub sighting: Sighting,
    /// This process's wall clock at the sighting.
    pub seen_at: Wall,
}

#[derive(Clone, PartialEq, Debug)]
struct Entry {
    beat: Beat,
    written_at: Wall,
    sent: Mono,
    fate: Fate,
}

/// What a target newly sees: everything in `(after, upto]`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Advance {
    /// The target.
    pub target: RegionId,
    /// What it had seen before; `None`: this is the first look at it.
    pub after: Option<Beat>,
    /// What it sees now.
    pub upto: Beat,
    /// When the last read left that missed all of these.
    pub miss_sent: Option<Mono>,
    /// When the answer came back.
    pub hit_received: Mono,
    /// The wall clock at that moment.
    pub seen_at: Wall,
}

/// The queue of one key.
#[derive(Clone, Debug, Default)]
pub struct Outstanding {
    entries: VecDeque<Entry>,
    newest: Option<Beat>,
    dropped: u64,
}

impl Outstanding {
    /// Whether this heartbeat is one of these.
    pub fn holds(&self, beat: Beat) -> bool {
        self.entries.binary_search_by_key(&beat, |entry| entry.beat).is_ok()
    }

    /// Heartbeats that went unmeasured: there were too many, or what became of their write could not be learned.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The newest heartbeat that was sent, whatever came of it.
    pub fn newest(&self) -> Option<Beat> {
        self.newest
    }

    /// A write left.
    pub fn sent(&mut self, beat: Beat, at: Mono, written_at: Wall) {
        self.push(Entry { beat, written_at, sent: at, fate: Fate::InFlight });
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == OUTSTANDING_MAX {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.newest = Some(entry.beat);
        self.entries.push_back(entry);
    }

    fn find(&mut self, beat: Beat) -> Option<&mut Entry> {
        let place = self.entries.binary_search_by_key(&beat, |entry| entry.beat).ok()?;
        Some(&mut self.entries[place])
    }

    /// A write was acknowledged at `at`. `replaced` is what it overwrote, where that is known: it settles the fate of
    /// writes before it that had no answer. Returns the sightings that had been waiting for that.
    pub fn acknowledged(&mut self, beat: Beat, at: Mono, replaced: Option<Beat>) -> Vec<Resolved> {
        let mut resolved = Vec::new();
        let mut unresolved = 0;
        self.entries.retain_mut(|entry| {
            if entry.beat > beat {
                return true;
            }
            match &mut entry.fate {
                Fate::Known(_) => {}
                Fate::InFlight if entry.beat < beat => return false,
                Fate::InFlight | Fate::Seen => entry.fate = Fate::Known(at),
                Fate::Unsure(waiting) if replaced == Some(entry.beat) || entry.beat == beat => {
                    for one in waiting.iter_mut() {
                        one.sighting.write_known = Some(at);
                    }
                    resolved.append(waiting);
                    entry.fate = Fate::Known(at);
                }
                Fate::Unsure(_) => {
                    // Overwritten by another unanswered one, it may have existed; else it never did, and never will.
                    unresolved += u64::from(replaced.is_some_and(|replaced| replaced > entry.beat));
                    return false;
                }
            }
            true
        });
        self.dropped += unresolved;
        resolved
    }

    /// A write certainly was not committed.
    pub fn not_committed(&mut self, beat: Beat) {
        self.entries.retain(|entry| entry.beat != beat || matches!(entry.fate, Fate::Seen | Fate::Known(_)));
    }

    /// A write got no answer: it may have been committed.
    pub fn unanswered(&mut self, beat: Beat) {
        if let Some(entry) = self.find(beat)
            && entry.fate == Fate::InFlight
        {
            entry.fate = Fate::Unsure(Vec::new());
        }
    }

    /// Whether a write's fate is open that the next write could settle.
    pub fn is_unsure(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.fate, Fate::Unsure(_)))
    }

    /// This very heartbeat was seen somewhere, so it was committed. Returns the sightings that waited to know.
    pub fn seen(&mut self, beat: Beat) -> Vec<Resolved> {
        match self.find(beat) {
            Some(entry) => match std::mem::replace(&mut entry.fate, Fate::Seen) {
                Fate::Unsure(waiting) => waiting,
                Fate::Known(at) => {
                    entry.fate = Fate::Known(at);
                    Vec::new()
                }
                Fate::InFlight | Fate::Seen => Vec::new(),
            },
            None => Vec::new(),
        }
    }

    /// A target sees more than before: every committed heartbeat in between became visible with it at the latest.
    pub fn advance(&mut self, advance: Advance) -> Vec<Resolved> {
        let start = match advance.after {
            Some(after) => self.entries.partition_point(|entry| entry.beat <= after),
            None => 0,
        };
        let end = self.entries.partition_point(|entry| entry.beat <= advance.upto);
        let mut resolved = Vec::with_capacity(end.saturating_sub(start));
        for entry in self.entries.range_mut(start.min(end)..end) {
            let mut one = Resolved {
                target: advance.target,
                beat: entry.beat,
                written_at: entry.written_at,
                sighting: Sighting {
                    write_sent: entry.sent,
                    write_known: None,
                    miss_sent: advance.miss_sent,
                    hit_received: advance.hit_received,
                },
                seen_at: advance.seen_at,
            };
            match &mut entry.fate {
                Fate::Known(at) => one.sighting.write_known = Some(*at),
                Fate::Seen => {}
                Fate::Unsure(waiting) => {
                    waiting.push(one);
                    continue;
                }
                // Only a heartbeat overtaken by another reign's is passed over while in flight.
                Fate::InFlight => continue,
            }
            resolved.push(one);
        }
        resolved
    }

    /// When the oldest acknowledged heartbeat after `after` was written.
    pub fn oldest_unseen(&self, after: Option<Beat>) -> Option<Mono> {
        self.committed(after).next()
    }

    /// When the acknowledged heartbeats after `after` were written, oldest first.
    pub fn committed(&self, after: Option<Beat>) -> impl Iterator<Item = Mono> {
        self.unseen(after).map(|(sent, _)| sent)
    }

    /// When the writes of the same left, and since when they are known to be committed.
    pub fn unseen(&self, after: Option<Beat>) -> impl Iterator<Item = (Mono, Mono)> {
        self.after(after).filter_map(|entry| match entry.fate {
            Fate::Known(known) => Some((entry.sent, known)),
            _ => None,
        })
    }

    /// When the newest few heartbeats after `after` were written, whether answered or not: newest first.
    pub fn births(&self, after: Option<Beat>) -> impl Iterator<Item = Mono> {
        self.after(after).rev().map(|entry| entry.sent)
    }

    fn after(&self, after: Option<Beat>) -> impl DoubleEndedIterator<Item = &Entry> {
        let start = after.map_or(0, |after| self.entries.partition_point(|entry| entry.beat <= after));
        self.entries.range(start..)
    }

    /// Forgets what every target has seen; `upto` is the oldest of their watermarks.
    pub fn forget_upto(&mut self, upto: Beat) {
        while let Some(entry) = self.entries.front()
            && entry.beat <= upto
            && !matches!(entry.fate, Fate::InFlight | Fate::Unsure(_))
        {
            self.entries.pop_front();
        }
    }
}
