//! Whether what an alert says is so at this moment.

use super::course::Sight;
use super::rule::NoData;
use crate::core::time::Wall;

/// Whether what an alert says is so at this moment: it fires on for a while once that is over, and is held while nobody
/// knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// It is so, or counts as so: what is not known does where the rule has it fire.
    Now,
    /// It is over since, by this host's clock.
    OverSince(Wall),
    /// Nobody knows since, by this host's clock.
    UnknownSince(Wall),
}

impl Holds {
    /// The next look at it.
    pub(super) fn step(before: Option<Holds>, sight: Sight, no_data: NoData, now: Wall) -> Holds {
        match (sight, before) {
            (Sight::Over | Sight::Between, _) => Holds::Now,
            (Sight::NoData, _) if no_data == NoData::Fire => Holds::Now,
            (Sight::NoData, Some(known @ Holds::UnknownSince(_))) => known,
            (Sight::NoData, _) => Holds::UnknownSince(now),
            (Sight::Under, Some(known @ Holds::OverSince(_))) => known,
            (Sight::Under, _) => Holds::OverSince(now),
        }
    }
}
