//! The last hour in pieces of equal length, by somebody else's clock. What is older gives way by itself.

use super::time::{Span, Wall};

/// How far back is kept.
pub const KEPT: Span = Span::from_millis(3_600_000);

/// Pieces that are kept of even the longest periods: two to compare, the one before them, and the running one.
const PIECES_MIN: i64 = 4;

/// One value per piece; pieces of which nothing is known are not there.
///
/// A ring: the piece's number says its place, and whose place was taken over an hour later is known by its number.
#[derive(Clone, PartialEq, Debug)]
pub struct Hour<T> {
    length: Span,
    kept: Box<[(u32, T)]>,
}

impl<T: Copy + Default> Hour<T> {
    /// An hour in pieces of that length.
    pub fn new(length: Span) -> Hour<T> {
        // One more, as one is not over yet.
        let pieces = (KEPT.as_nanos() / length.as_nanos() + 1).max(PIECES_MIN);
        Hour { length, kept: vec![(0, T::default()); pieces as usize].into() }
    }

    /// The length of a piece.
    pub fn length(&self) -> Span {
        self.length
    }

    /// Pieces since 1970; `None` for what was before.
    fn number(&self, at: Wall) -> Option<u32> {
        u32::try_from(at.as_micros().div_euclid(self.length.as_micros())).ok()
    }

    fn place(&self, number: u32) -> usize {
        number as usize % self.kept.len()
    }

    /// The piece in which `at` lies, to be written to; `None` where that is no longer kept at `now`, or still to come.
    pub fn at(&mut self, at: Wall, now: Wall) -> Option<&mut T> {
        let (number, newest) = (self.number(at)?, self.number(now)?);
        let age = newest.checked_sub(number)?;
        if age as usize >= self.kept.len() {
            return None;
        }
        let (held, value) = &mut self.kept[self.place(number)];
        if *held != number {
            (*held, *value) = (number, T::default());
        }
        Some(value)
    }

    /// The piece in which `at` lies; `None` where nothing is known of it.
    pub fn get(&self, at: Wall) -> Option<&T> {
        let number = self.number(at)?;
        let (held, value) = &self.kept[self.place(number)];
        (*held == number).then_some(value)
    }

    /// What is kept at `now`, the newest first, each with its beginning; the running piece is among them.
    pub fn newest_first(&self, now: Wall) -> impl Iterator<Item = (Wall, &T)> {
        let newest = self.number(now);
        let oldest = newest.map(|newest| newest.saturating_sub(self.kept.len() as u32 - 1));
        let numbers = newest.zip(oldest).map(|(newest, oldest)| (oldest..=newest).rev());
        numbers.into_iter().flatten().filter_map(|number| {
            let begin = Wall::from_micros(i64::from(number) * self.length.as_micros());
            Some((begin, self.get(begin)?))
        })
    }
}
