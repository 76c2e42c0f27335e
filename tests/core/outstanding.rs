//! The queue of heartbeats that are not visible everywhere yet: what becomes of each write, by numbers.

use tidegauge::core::model::{Beat, RegionId};
use tidegauge::core::outstanding::{Advance, OUTSTANDING_MAX, Outstanding, Resolved};
use tidegauge::core::time::{Mono, Wall};

const TARGET: RegionId = RegionId(1);

fn beat(seq: u64) -> Beat {
    Beat { run: 7, seq }
}

fn at(milliseconds: i64) -> Mono {
    Mono::from_nanos(milliseconds * 1_000_000)
}

fn wall(milliseconds: i64) -> Wall {
    Wall::from_micros(milliseconds * 1_000)
}

/// Heartbeats 0 to `count`, sent a second apart, none of them answered.
fn sent(count: u64) -> Outstanding {
    let mut queue = Outstanding::default();
    for seq in 0..count {
        let time = seq as i64 * 1_000;
        queue.sent(beat(seq), at(time), wall(1_000_000 + time));
    }
    queue
}

/// What a target newly sees, its last miss having left at 5 s, the hit having come back at 6 s.
fn look(queue: &mut Outstanding, after: Option<u64>, upto: u64) -> Vec<Resolved> {
    queue.advance(Advance {
        target: TARGET,
        after: after.map(beat),
        upto: beat(upto),
        miss_sent: Some(at(5_000)),
        hit_received: at(6_000),
        seen_at: wall(1_006_000),
    })
}

fn seqs(resolved: &[Resolved]) -> Vec<u64> {
    resolved.iter().map(|one| one.beat.seq).collect()
}

/// Everything known as committed and not seen after `after`, as when it was sent.
fn owed(queue: &Outstanding, after: Option<u64>) -> Vec<Mono> {
    queue.committed(after.map(beat)).collect()
}

#[test]
fn it_counts_what_it_keeps_and_what_it_had_to_drop() {
    let mut queue = Outstanding::default();
    assert!(queue.is_empty());
    assert_eq!((queue.len(), queue.newest(), queue.dropped()), (0, None, 0));
    queue = sent(OUTSTANDING_MAX as u64 + 2);
    assert!(!queue.is_empty());
    assert_eq!((queue.len(), queue.dropped()), (OUTSTANDING_MAX, 2));
    assert_eq!(queue.newest(), Some(beat(OUTSTANDING_MAX as u64 + 1)));
    assert_eq!(queue.births(None).last(), Some(at(2_000)), "the oldest went");
}

#[test]
fn an_acknowledgement_bounds_its_own_commit_and_touches_nothing_newer() {
    let mut queue = sent(3);
    assert!(queue.acknowledged(beat(1), at(1_100), None).is_empty());
    assert_eq!(queue.len(), 2, "what was in flight before an acknowledged write never was");
    assert_eq!(owed(&queue, None), [at(1_000)]);
    let resolved = look(&mut queue, None, 2);
    assert_eq!(seqs(&resolved), [1], "number 2 is in flight still");
    let sighting = resolved[0].sighting;
    assert_eq!((sighting.write_sent, sighting.write_known), (at(1_000), Some(at(1_100))));
    assert_eq!((sighting.miss_sent, sighting.hit_received), (Some(at(5_000)), at(6_000)));
    assert_eq!((resolved[0].written_at, resolved[0].seen_at), (wall(1_001_000), wall(1_006_000)));
    assert_eq!(resolved[0].target, TARGET);
    assert!(queue.holds(beat(1)) && !queue.holds(beat(0)));
    queue.acknowledged(beat(2), at(2_200), None);
    assert_eq!(owed(&queue, Some(1)), [at(2_000)]);
    assert_eq!(look(&mut queue, Some(1), 2)[0].sighting.write_known, Some(at(2_200)));
}

#[test]
fn a_second_acknowledgement_does_not_move_the_first() {
    let mut queue = sent(2);
    queue.acknowledged(beat(0), at(100), None);
    queue.acknowledged(beat(1), at(1_100), None);
    assert_eq!(look(&mut queue, None, 0)[0].sighting.write_known, Some(at(100)));
}

#[test]
fn an_unanswered_write_is_settled_by_what_the_next_one_replaced() {
    for (replaced, settled, dropped) in [(Some(0), vec![0], 0), (None, vec![], 0)] {
        let mut queue = sent(2);
        queue.unanswered(beat(0));
        assert!(queue.is_unsure());
        assert!(look(&mut queue, None, 0).is_empty(), "what may never have been is no sample yet");
        let resolved = queue.acknowledged(beat(1), at(1_100), replaced.map(beat));
        assert_eq!(seqs(&resolved), settled);
        assert!(resolved.iter().all(|one| one.sighting.write_known == Some(at(1_100))));
        assert_eq!(queue.dropped(), dropped);
        assert!(!queue.is_unsure());
        assert_eq!(queue.len(), 1 + settled.len());
    }
}

#[test]
fn of_two_unanswered_writes_in_a_row_the_first_is_counted_as_unmeasured() {
    let mut queue = sent(3);
    queue.unanswered(beat(0));
    queue.unanswered(beat(1));
    look(&mut queue, None, 1);
    let resolved = queue.acknowledged(beat(2), at(2_100), Some(beat(1)));
    assert_eq!(seqs(&resolved), [1]);
    assert_eq!(queue.dropped(), 1, "overwritten by number 1, number 0 may or may not have been");
    assert_eq!(queue.len(), 2);
}

#[test]
fn a_write_that_replaced_something_older_proves_that_the_unanswered_one_never_was() {
    let mut queue = sent(4);
    queue.acknowledged(beat(0), at(100), None);
    queue.unanswered(beat(1));
    queue.unanswered(beat(2));
    assert!(queue.acknowledged(beat(3), at(3_100), Some(beat(0))).is_empty());
    assert_eq!((queue.len(), queue.dropped()), (2, 0));
}

#[test]
fn a_late_acknowledgement_of_the_unanswered_write_itself_settles_it() {
    let mut queue = sent(1);
    queue.unanswered(beat(0));
    look(&mut queue, None, 0);
    let resolved = queue.acknowledged(beat(0), at(900), None);
    assert_eq!(seqs(&resolved), [0]);
    assert_eq!(resolved[0].sighting.write_known, Some(at(900)));
    assert_eq!(owed(&queue, None), [at(0)]);
}

#[test]
fn a_refused_write_is_forgotten_alone_unless_it_was_seen() {
    let mut queue = sent(3);
    queue.acknowledged(beat(0), at(100), None);
    queue.seen(beat(1));
    for seq in 0..3 {
        queue.not_committed(beat(seq));
    }
    assert_eq!(queue.len(), 2, "number 2 was neither acknowledged nor seen");
    assert_eq!(seqs(&look(&mut queue, None, 2)), [0, 1]);
    let mut queue = sent(2);
    queue.not_committed(beat(0));
    assert_eq!(queue.births(None).collect::<Vec<_>>(), [at(1_000)], "the other one stays");
}

#[test]
fn a_time_out_after_an_answer_changes_nothing() {
    let mut queue = sent(2);
    queue.acknowledged(beat(0), at(100), None);
    queue.unanswered(beat(0));
    assert!(!queue.is_unsure());
    assert_eq!(owed(&queue, None), [at(0)]);
    queue.unanswered(beat(1));
    assert!(queue.is_unsure());
}

#[test]
fn a_heartbeat_that_was_seen_was_committed() {
    let mut queue = sent(2);
    queue.unanswered(beat(0));
    look(&mut queue, None, 0);
    let resolved = queue.seen(beat(0));
    assert_eq!(seqs(&resolved), [0]);
    assert_eq!(resolved[0].sighting.write_known, None, "when, the next acknowledged write will bound");
    assert!(queue.seen(beat(1)).is_empty(), "nothing waited for it");
    assert_eq!(seqs(&look(&mut queue, Some(0), 1)), [1]);
    queue.acknowledged(beat(1), at(1_100), None);
    assert!(queue.seen(beat(1)).is_empty());
    assert_eq!(look(&mut queue, Some(0), 1)[0].sighting.write_known, Some(at(1_100)), "what is known stays known");
}

#[test]
fn what_every_target_has_seen_is_forgotten_but_nothing_open() {
    let mut queue = sent(4);
    queue.acknowledged(beat(0), at(100), None);
    queue.acknowledged(beat(1), at(1_100), None);
    queue.forget_upto(beat(0));
    assert_eq!(queue.births(None).collect::<Vec<_>>(), [at(3_000), at(2_000), at(1_000)]);
    queue.forget_upto(beat(3));
    assert_eq!(queue.len(), 2, "two are in flight");
    queue.unanswered(beat(2));
    queue.forget_upto(beat(3));
    assert_eq!(queue.len(), 2, "one is open");
}
