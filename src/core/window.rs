//! What a pair's lag was over the last 1, 10 and 60 minutes: small sketches of a minute and of five, summarised on
//! demand.
//!
//! A sketch counts midpoints in log-spaced buckets 4 % apart, so a quantile is off by at most 2 % of itself. Each bucket
//! knows how far the brackets in it reach, so that all of it can be taken at its latest and at its earliest, too. Only
//! buckets in use are kept (a minute at 1 Hz needs some 35), which holds a pair's hour under 8 KB. When a sketch
//! would need more, its lowest two buckets are merged: the high quantiles, which people page on, keep their accuracy.

use std::collections::VecDeque;

use super::sample::Bracket;
use super::time::{Mono, Span};
use curves::{BUCKETS, Counts, bucket_of, curve, summarise};

mod curves;

pub use curves::{Curves, LISTED, PROBABILITIES, Summary, Visibility, WindowSummary, samples_for};

const MINUTE: Span = Span::from_millis(60_000);
/// What is kept longest is kept in pieces of so long.
pub const FIVE: Span = Span::from_millis(300_000);
/// So many buckets down, or more: down to no lag at all, or as good as that.
const TO_ZERO: u8 = 63;
/// Samples that one entry can count: fourteen a second for five minutes, all alike.
const COUNT_MAX: u16 = 4_095;

/// The samples of a sketch whose midpoints are in one bucket.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Entry {
    bucket: u16,
    /// By how many buckets the latest of their upper ends is above: 18 at most, as no upper end is above twice the middle.
    up: u8,
    /// By how many the earliest of their lower ends is below.
    down: u8,
    count: u16,
}

impl Entry {
    /// Of one sample.
    fn of(bracket: Bracket) -> Entry {
        let bucket = bucket_of(bracket.midpoint());
        let up = bucket_of(bracket.upper).saturating_sub(bucket);
        let down = bucket.saturating_sub(bucket_of(bracket.lower));
        let within = |buckets: u16, most: u8| u8::try_from(buckets).unwrap_or(most).min(most);
        Entry { bucket, up: within(up, 31), down: within(down, TO_ZERO), count: 1 }
    }

    /// The same as one of a bucket above, which takes its samples for less than they are told apart.
    fn raised(self, to: u16) -> Entry {
        let by = u8::try_from(to - self.bucket).unwrap_or(TO_ZERO);
        let down = self.down.saturating_add(by).min(TO_ZERO);
        Entry { bucket: to, up: self.up.saturating_sub(by), down, ..self }
    }

    /// Takes over the samples of one of the same bucket.
    fn absorb(&mut self, other: Entry) {
        self.up = self.up.max(other.up);
        self.down = self.down.max(other.down);
        self.count = COUNT_MAX.min(self.count + other.count);
    }

    /// Where its latest upper end is at most, and its earliest lower end at least.
    fn ends(self) -> (usize, usize) {
        let lower = if self.down == TO_ZERO { 0 } else { self.bucket.saturating_sub(u16::from(self.down)) };
        (usize::from(self.bucket + u16::from(self.up)), usize::from(lower))
    }
}

/// An [`Entry`] in half the room, as a pair has hundreds of them: from the top its bucket, `up`, `down`, and the count.
#[derive(Clone, Copy, Debug)]
struct Packed(u32);

impl From<Entry> for Packed {
    fn from(Entry { bucket, up, down, count }: Entry) -> Packed {
        Packed(u32::from(bucket) << 23 | u32::from(up) << 18 | u32::from(down) << 12 | u32::from(count))
    }
}

impl From<Packed> for Entry {
    fn from(Packed(bits): Packed) -> Entry {
        let field = |shift: u32, most: u16| (bits >> shift) as u16 & most;
        Entry { bucket: field(23, 511), up: field(18, 31) as u8, down: field(12, 63) as u8, count: field(0, COUNT_MAX) }
    }
}

impl Packed {
    fn bucket(self) -> u16 {
        Entry::from(self).bucket
    }

    fn absorb(&mut self, other: Entry) {
        let mut both = Entry::from(*self);
        both.absorb(other);
        *self = both.into();
    }
}

#[derive(Clone, Debug)]
struct Sketch {
    number: i32,
    /// Samples that are too wide to have a place among the entries, and the bucket of the latest of their upper ends.
    wide: (u16, u16),
    /// Sorted by bucket.
    entries: Vec<Packed>,
}

/// Sketches of equal length, one after the other.
#[derive(Clone, Debug)]
struct Row {
    minutes: i64,
    /// Sketches that are kept, the running one among them.
    kept: usize,
    /// Buckets that a sketch may hold.
    width: usize,
    sketches: VecDeque<Sketch>,
}

/// The sketches of one pair: ten minutes by the minute, the hour in fives.
#[derive(Clone, Debug)]
pub struct Window {
    by_minute: Row,
    by_five: Row,
}

impl Default for Window {
    fn default() -> Self {
        let row = |minutes, kept, width| Row { minutes, kept, width, sketches: VecDeque::new() };
        Window { by_minute: row(1, 10, 48), by_five: row(5, 12, 96) }
    }
}

impl Row {
    fn number(&self, at: Mono) -> i32 {
        // Nanoseconds in 64 bits reach no further than minutes do in 32.
        at.as_nanos().div_euclid(MINUTE.times(self.minutes).as_nanos()) as i32
    }

    /// The sketch of a moment; `None` where that is over for too long.
    fn sketch(&mut self, at: Mono) -> Option<&mut Sketch> {
        let number = self.number(at);
        let mut place = match self.sketches.binary_search_by_key(&number, |sketch| sketch.number) {
            Ok(place) => return self.sketches.get_mut(place),
            Err(0) if self.sketches.len() == self.kept => return None,
            Err(place) => place,
        };
        self.sketches.insert(place, Sketch { number, wide: (0, 0), entries: Vec::new() });
        if self.sketches.len() > self.kept {
            self.sketches.pop_front();
            place -= 1;
        }
        // A sketch whose time is over grows no more: what doubling set aside would be a third of the memory.
        if let Some(over) = self.sketches.len().checked_sub(2) {
            self.sketches[over].entries.shrink_to_fit();
        }
        self.sketches.get_mut(place)
    }

    fn add(&mut self, at: Mono, mut one: Entry) {
        let width = self.width;
        let Some(Sketch { entries, .. }) = self.sketch(at) else { return };
        let place = loop {
            let found = entries.binary_search_by_key(&one.bucket, |entry| entry.bucket());
            let is_full = found.is_ok_and(|place| Entry::from(entries[place]).count == COUNT_MAX);
            if !is_full || usize::from(one.bucket) + 1 == BUCKETS {
                break found;
            }
            // The next one is as good to within a bucket; not to count it would be worse.
            one = one.raised(one.bucket + 1);
        };
        match place {
            Ok(place) => entries[place].absorb(one),
            Err(place) => {
                entries.insert(place, one.into());
                if entries.len() > width {
                    let lowest = Entry::from(entries.remove(0));
                    let next = entries[0].bucket();
                    entries[0].absorb(lowest.raised(next));
                }
            }
        }
    }

    fn add_wide(&mut self, at: Mono, upper: u16) {
        let Some(Sketch { wide: (count, latest), .. }) = self.sketch(at) else { return };
        *count = count.saturating_add(1);
        *latest = upper.max(*latest);
    }

    /// What the last `parts` sketches hold, the running one among them.
    fn last(&self, now: Mono, parts: i32) -> Held {
        let mut held = Held { middles: [0; BUCKETS], uppers: [0; BUCKETS], lowers: [0; BUCKETS] };
        let oldest = self.number(now) - parts;
        for sketch in self.sketches.iter().rev().take_while(|sketch| sketch.number > oldest) {
            for entry in sketch.entries.iter().map(|entry| Entry::from(*entry)) {
                let (upper, lower) = entry.ends();
                let count = u32::from(entry.count);
                held.middles[usize::from(entry.bucket)] += count;
                held.uppers[upper] += count;
                held.lowers[lower] += count;
            }
            let (wide, latest) = sketch.wide;
            held.uppers[usize::from(latest)] += u32::from(wide);
            held.lowers[0] += u32::from(wide);
        }
        held
    }
}

/// Samples by bucket: taken at their midpoints, those that have one worth the name, and all of them taken at the latest
/// and at the earliest.
struct Held {
    middles: Counts,
    uppers: Counts,
    lowers: Counts,
}

impl Window {
    /// Counts one lag, seen at `at`. Readings may come slightly out of order; what is older than an hour is ignored.
    pub fn add(&mut self, at: Mono, lag: Bracket) {
        let one = Entry::of(lag);
        self.by_minute.add(at, one);
        self.by_five.add(at, one);
    }

    /// Counts one whose bracket is too wide for its midpoint to mean anything.
    ///
    /// Left out altogether, what arrives while nobody can look would be missing where it matters: late, maybe.
    pub fn add_wide(&mut self, at: Mono, lag: Bracket) {
        let upper = bucket_of(lag.upper);
        self.by_minute.add_wide(at, upper);
        self.by_five.add_wide(at, upper);
    }

    /// The 99th percentile of what arrived from one moment on, and before another, in whole [`FIVE`]s; `None` of fewer than
    /// 100, or where that is no longer kept.
    pub fn arrived_p99(&self, from: Mono, to: Mono) -> Option<f64> {
        let numbers = self.by_five.number(from)..=self.by_five.number(to - Span::from_nanos(1));
        let mut counts = [0; BUCKETS];
        for sketch in self.by_five.sketches.iter().filter(|sketch| numbers.contains(&sketch.number)) {
            for entry in sketch.entries.iter().map(|entry| Entry::from(*entry)) {
                counts[usize::from(entry.bucket)] += u32::from(entry.count);
            }
        }
        summarise(&counts, &[0; BUCKETS]).arrived_p99
    }

    /// The quantiles of the last 1, 10 and 60 minutes, and how soon writes were visible in the latter two. `unseen` are the
    /// ages that heartbeats which have not arrived had at the last look that missed them.
    ///
    /// The running sketch counts as a whole one, so 10 minutes are 9 to 10, and an hour is 55 to 60 minutes; the
    /// shortest takes one minute more, as it would be empty whenever a minute has just turned.
    pub fn summary(&self, now: Mono, unseen: impl Iterator<Item = Bracket>) -> (Summary, Curves) {
        let (mut least, mut most) = ([0; BUCKETS], [0; BUCKETS]);
        for age in unseen {
            least[usize::from(bucket_of(age.lower))] += 1;
            most[usize::from(bucket_of(age.upper))] += 1;
        }
        let held = [self.by_minute.last(now, 2), self.by_minute.last(now, 10), self.by_five.last(now, 12)];
        let curve = |held: &Held| curve((&held.uppers, &most), (&held.lowers, &least));
        let curves = [curve(&held[1]), curve(&held[2])];
        (held.map(|held| summarise(&held.middles, &least)), curves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sketches_of_a_pair_never_take_more_than_16_kilobytes() {
        let mut window = Window::default();
        let mut at = Mono::from_nanos(0);
        // Two hours of lags that have nothing to do with each other, ten a second.
        for number in 0..72_000i64 {
            let lag = Span::from_micros(500 + number * number * 7_919 % 300_000_000);
            window.add(at, Bracket { lower: Span::ZERO, upper: lag });
            at = at + Span::from_millis(100);
            if number % 600 == 0 {
                let rows = [&window.by_minute, &window.by_five];
                let bytes: usize = rows
                    .iter()
                    .map(|row| {
                        let entries: usize = row.sketches.iter().map(|sketch| sketch.entries.capacity()).sum();
                        size_of::<Packed>() * entries + size_of::<Sketch>() * row.sketches.capacity()
                    })
                    .sum();
                assert!(bytes <= 16_384, "{bytes}");
            }
        }
        let full = |row: &Row| row.sketches.iter().filter(|sketch| sketch.entries.len() == row.width).count();
        assert!(full(&window.by_minute) >= 9 && full(&window.by_five) >= 11, "the limit is what is tried");
    }

    #[test]
    fn an_entry_is_unpacked_as_it_was_packed() {
        for bucket in [0, 1, 255, 511] {
            for up in [0, 1, 18, 31] {
                for down in [0, 1, TO_ZERO] {
                    for count in [1, 2, COUNT_MAX] {
                        let entry = Entry { bucket, up, down, count };
                        assert_eq!(Entry::from(Packed::from(entry)), entry);
                    }
                }
            }
        }
        assert_eq!((size_of::<Packed>(), size_of::<Sketch>()), (4, 32));
    }

    #[test]
    fn more_samples_than_an_entry_counts_are_counted_next_to_it() {
        let mut window = Window::default();
        let lag = Bracket { lower: Span::from_millis(790), upper: Span::from_millis(810) };
        for _ in 0..10_000 {
            window.add(Mono::from_nanos(0), lag);
        }
        let (summary, curves) = window.summary(Mono::from_nanos(0), std::iter::empty());
        assert_eq!((summary[2].count, curves[1].count), (10_000, 10_000));
        let curve = curves[1];
        let all = || curve.optimistic.iter().zip(&curve.pessimistic);
        assert!(all().all(|(early, late)| early.unwrap() <= 0.79 && late.unwrap() >= 0.81), "{curve:?}");
        assert!(all().all(|(early, late)| early.unwrap() > 0.73 && late.unwrap() < 0.95), "{curve:?}");
    }
}
