//! What one slot of one pair knows, look by look.

use tidegauge::core::heartbeat::Heartbeat;
use tidegauge::core::model::{Beat, RegionId, WriterId};
use tidegauge::core::outstanding::{Outstanding, Resolved};
use tidegauge::core::time::{Mono, Now, Span, Wall};
use tidegauge::core::track::Track;

const INTERVAL: Span = Span::from_millis(1_000);

fn at(milliseconds: i64) -> Mono {
    Mono::from_nanos(milliseconds * 1_000_000)
}

fn wall(milliseconds: i64) -> Wall {
    Wall::from_micros(1_000_000_000 + milliseconds * 1_000)
}

fn beat(seq: u64) -> Beat {
    Beat { run: 7, seq }
}

fn heartbeat(beat: Beat) -> Heartbeat {
    Heartbeat {
        source: "eu".into(),
        slot: 0,
        writer: WriterId(1),
        host: "here".into(),
        beat,
        written_at: wall(beat.seq as i64 * 1_000),
        interval: INTERVAL,
        resigned: false,
    }
}

/// Heartbeats 0 to `count`, sent a second apart and acknowledged 100 ms later.
fn acknowledged(count: u64) -> Outstanding {
    let mut queue = Outstanding::default();
    for seq in 0..count {
        let time = seq as i64 * 1_000;
        queue.sent(beat(seq), at(time), wall(time));
        queue.acknowledged(beat(seq), at(time + 100), None);
    }
    queue
}

/// A read that left 10 ms before `time` comes back with what the key holds.
fn look(track: &mut Track, queue: &mut Outstanding, time: i64, found: Option<Beat>) -> Vec<Resolved> {
    let found = found.map(heartbeat);
    let now = Now { mono: at(time), wall: wall(time) };
    track.found(RegionId(1), found.as_ref(), (true, true), at(time - 10), now, queue)
}

#[test]
fn what_the_first_look_finds_of_an_earlier_process_has_no_time() {
    for (first, sampled) in [(Some(beat(1)), vec![]), (None, vec![0, 1])] {
        let mut queue = Outstanding::default();
        queue.presume(beat(1), at(1_000), wall(1_000), INTERVAL, Span::from_millis(900));
        let mut track = Track::default();
        let mut resolved = look(&mut track, &mut queue, 1_500, first);
        resolved.extend(look(&mut track, &mut queue, 2_000, Some(beat(1))));
        assert_eq!(resolved.iter().map(|one| one.beat.seq).collect::<Vec<_>>(), sampled, "first found {first:?}");
    }
}

#[test]
fn it_stands_still_since_it_last_moved_the_first_look_aside() {
    let mut queue = acknowledged(3);
    let mut track = Track::default();
    look(&mut track, &mut queue, 2_500, Some(beat(0)));
    assert_eq!(track.oldest_unseen(), Some(at(1_000)));
    assert_eq!(track.unmoved_since(), Some(at(1_000)), "the first look found it there: no move was seen");
    look(&mut track, &mut queue, 2_700, Some(beat(1)));
    assert_eq!(track.oldest_unseen(), Some(at(2_000)));
    assert_eq!(track.unmoved_since(), Some(at(2_700)));
    look(&mut track, &mut queue, 2_900, Some(beat(2)));
    assert_eq!((track.oldest_unseen(), track.unmoved_since()), (None, None));
}

#[test]
fn a_miss_bounds_the_next_sample_unless_the_replica_lost_what_it_had() {
    for (lost, miss) in [(false, 2_490), (true, 1_490)] {
        let mut queue = acknowledged(3);
        let mut track = Track::default();
        look(&mut track, &mut queue, 1_500, Some(beat(0)));
        look(&mut track, &mut queue, 2_500, (!lost).then_some(beat(0)));
        let resolved = look(&mut track, &mut queue, 3_000, Some(beat(2)));
        assert!(resolved.iter().all(|one| one.sighting.miss_sent == Some(at(miss))), "{resolved:?}");
        assert_eq!(resolved.len(), 2);
    }
    let mut queue = acknowledged(1);
    let mut track = Track::default();
    look(&mut track, &mut queue, 500, None);
    let resolved = look(&mut track, &mut queue, 900, Some(beat(0)));
    assert_eq!(resolved[0].sighting.miss_sent, Some(at(490)), "where nothing was yet, nothing can be lost");
}

#[test]
fn a_read_that_comes_back_late_moves_nothing_back() {
    let mut queue = acknowledged(2);
    let mut track = Track::default();
    look(&mut track, &mut queue, 1_500, Some(beat(1)));
    assert!(look(&mut track, &mut queue, 1_400, Some(beat(0))).is_empty());
    assert_eq!(track.watermark().unwrap().beat, beat(1));
    assert_eq!(track.answered_at(), Some(at(1_500)));
    let watermark = track.watermark().unwrap();
    assert_eq!((watermark.written_at, watermark.interval), (wall(1_000), INTERVAL));
    assert!(watermark.own_clock && watermark.ours);
}

#[test]
fn an_inheritance_is_taken_over_once_and_after_both_were_looked_at() {
    let inherited = heartbeat(beat(5));
    let mut queue = Outstanding::default();
    queue.presume(beat(5), at(0), wall(0), INTERVAL, Span::from_millis(900));
    let mut track = Track::default();
    track.settle_inheritance(&inherited, true, at(100), &queue);
    assert_eq!(track.oldest_unseen(), None, "this replica has not been looked at");
    look(&mut track, &mut queue, 200, Some(beat(2)));
    track.settle_inheritance(&inherited, true, at(300), &queue);
    assert!(track.oldest_unseen().is_some_and(|unseen| unseen < at(-1_900)), "number 3, two ticks before the newest");
    assert!(!track.age_unknown(), "within a run every tick's time is known");
    look(&mut track, &mut queue, 400, Some(beat(5)));
    track.settle_inheritance(&heartbeat(beat(9)), false, at(500), &queue);
    assert_eq!(track.oldest_unseen(), None, "once is enough");
}

#[test]
fn what_an_earlier_run_or_another_clock_left_unseen_may_be_older_than_is_known() {
    for (run, timed) in [(6, true), (7, false), (6, false)] {
        let mut queue = Outstanding::default();
        let mut track = Track::default();
        look(&mut track, &mut queue, 200, Some(Beat { run, seq: 3 }));
        assert!(!track.age_unknown());
        track.settle_inheritance(&heartbeat(beat(5)), timed, at(300), &queue);
        assert_eq!((track.age_unknown(), track.oldest_unseen()), (true, Some(at(300))));
        look(&mut track, &mut queue, 400, Some(beat(5)));
        assert_eq!((track.age_unknown(), track.oldest_unseen()), (false, None));
    }
    let mut track = Track::default();
    look(&mut track, &mut Outstanding::default(), 200, Some(beat(5)));
    track.settle_inheritance(&heartbeat(beat(5)), false, at(300), &Outstanding::default());
    assert_eq!((track.age_unknown(), track.oldest_unseen()), (false, None), "it had arrived");
}

#[test]
fn the_newest_heartbeats_sample_counts_whatever_order_they_come_in() {
    let mut track = Track::default();
    assert_eq!(track.newest_upper(), None);
    for (seq, upper, newest) in [(1, 300, 300), (2, 200, 200), (1, 900, 200), (2, 250, 250)] {
        track.sampled(beat(seq), Span::from_millis(upper));
        assert_eq!(track.newest_upper(), Some(Span::from_millis(newest)));
    }
}

#[test]
fn a_reign_voids_what_others_wrote_at_or_above_its_run_and_nothing_else() {
    for (run, ours, voided) in [(7, false, true), (8, false, true), (6, false, false), (7, true, false)] {
        let mut track = Track::default();
        let found = heartbeat(Beat { run, seq: 1 });
        let now = Now { mono: at(500), wall: wall(500) };
        track.found(RegionId(1), Some(&found), (true, ours), at(490), now, &mut Outstanding::default());
        track.sampled(found.beat, INTERVAL);
        assert_eq!(track.void_from(7), voided, "run {run}, ours: {ours}");
        assert_eq!((track.watermark().is_none(), track.newest_upper().is_none()), (voided, voided));
    }
    assert!(!Track::default().void_from(7), "there was none");
}
