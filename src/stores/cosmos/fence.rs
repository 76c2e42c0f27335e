//! The fence between writers, decided here: the store compares nothing but a document's etag.

use azure_core::http::Etag;

use crate::core::heartbeat::{Found, Heartbeat};
use crate::core::model::Expect;
use crate::core::reign;

/// What is stored under a key.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    /// What it is.
    pub found: Found,
    /// By which it is replaced, and nothing that came in its place.
    pub etag: Etag,
}

/// What may be done under a key that holds this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Write it, unless somebody else does so first.
    Create,
    /// Put it in the place of what is there.
    Replace,
    /// Leave it.
    Refuse,
}

/// What may be done where `stored` is what is there.
pub fn decide(expect: Expect, heartbeat: &Heartbeat, stored: Option<&Found>) -> Step {
    let Some(stored) = stored else {
        return if expect == Expect::Steady { Step::Refuse } else { Step::Create };
    };
    let own = |stored: &Heartbeat| {
        stored.beat.run == heartbeat.beat.run
            && stored.writer == heartbeat.writer
            && stored.beat.seq < heartbeat.beat.seq
    };
    let may_replace = match (expect, stored) {
        (Expect::ReplaceInvalid, found) => !reign::is_usable(found, heartbeat.written_at),
        (Expect::Steady, Found::Heartbeat(stored)) => own(stored),
        (Expect::Takeover { seen }, Found::Heartbeat(stored)) => seen == Some(stored.beat),
        (Expect::Follow, Found::Heartbeat(stored)) => stored.beat.run < heartbeat.beat.run || own(stored),
        (_, Found::NewerFormat { .. } | Found::Invalid(_)) => false,
    };
    if may_replace { Step::Replace } else { Step::Refuse }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::heartbeat::Invalid;
    use crate::core::model::{Beat, WriterId};
    use crate::core::time::{Span, Wall};

    fn of(run: u64, seq: u64, writer: u128) -> Heartbeat {
        Heartbeat {
            source: "eastus".into(),
            slot: 0,
            writer: WriterId(writer),
            host: "host".into(),
            beat: Beat { run, seq },
            written_at: Wall::from_micros(1_764_000_000_000_000),
            interval: Span::from_millis(1_000),
            resigned: false,
            clock: None,
            recent: [].into(),
            echo: [].into(),
        }
    }

    fn there(run: u64, seq: u64, writer: u128) -> Option<Found> {
        Some(Found::Heartbeat(of(run, seq, writer)))
    }

    #[test]
    fn a_writer_goes_on_over_its_own_earlier_heartbeats_alone() {
        let step = |stored: Option<Found>| decide(Expect::Steady, &of(5, 9, 1), stored.as_ref());
        assert_eq!(step(there(5, 8, 1)), Step::Replace);
        for other in [None, there(5, 9, 1), there(5, 10, 1), there(5, 8, 2), there(4, 8, 1), there(6, 1, 1)] {
            assert_eq!(step(other.clone()), Step::Refuse, "{other:?}");
        }
    }

    #[test]
    fn a_starter_takes_over_what_has_not_moved_since_it_looked() {
        let step = |seen, stored: Option<Found>| decide(Expect::Takeover { seen }, &of(5, 1, 1), stored.as_ref());
        let seen = Some(Beat { run: 4, seq: 8 });
        assert_eq!(step(seen, there(4, 8, 2)), Step::Replace);
        assert_eq!(step(seen, None), Step::Create);
        assert_eq!(step(None, None), Step::Create);
        assert_eq!(step(seen, there(4, 9, 2)), Step::Refuse);
        assert_eq!(step(None, there(4, 8, 2)), Step::Refuse);
        assert_eq!(step(seen, Some(Found::NewerFormat { version: 9 })), Step::Refuse);
    }

    #[test]
    fn other_slots_follow_the_reign_of_slot_0() {
        let step = |stored: Option<Found>| decide(Expect::Follow, &of(5, 3, 1), stored.as_ref());
        for older in [None, there(4, 99, 2), there(5, 2, 1)] {
            assert_ne!(step(older.clone()), Step::Refuse, "{older:?}");
        }
        for other in [there(6, 1, 2), there(5, 2, 2), there(5, 3, 1), Some(Found::NewerFormat { version: 9 })] {
            assert_eq!(step(other.clone()), Step::Refuse, "{other:?}");
        }
    }

    #[test]
    fn rubbish_is_replaced_and_a_usable_heartbeat_is_not() {
        let step = |stored: Option<Found>| decide(Expect::ReplaceInvalid, &of(5, 1, 1), stored.as_ref());
        assert_eq!(step(Some(Found::Invalid(Invalid::Missing("tg_v")))), Step::Replace);
        assert_eq!(step(None), Step::Create);
        assert_eq!(step(there(4, 1, 2)), Step::Refuse);
        assert_eq!(step(Some(Found::NewerFormat { version: 9 })), Step::Refuse);
        // A run more than a day ahead of the clock.
        assert_eq!(step(there(1_764_000_000_000 + 2 * 86_400_000, 1, 2)), Step::Replace);
    }
}
