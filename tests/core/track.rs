//! What one slot of one pair knows, look by look.

use std::sync::Arc;

use tidegauge::core::heartbeat::Heartbeat;
use tidegauge::core::model::{Beat, WriterId};
use tidegauge::core::outstanding::Outstanding;
use tidegauge::core::time::{Mono, Now, Span, Wall};
use tidegauge::core::track::{Moved, Track};

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
        clock: None,
        recent: Arc::default(),
        echo: Arc::default(),
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

fn now(milliseconds: i64) -> Now {
    Now { mono: at(milliseconds), wall: wall(milliseconds) }
}

/// A read that left 10 ms before `time` comes back with what the key holds.
fn look(track: &mut Track, queue: &Outstanding, time: i64, found: Option<Beat>) -> Option<Moved> {
    let found = found.map(heartbeat);
    let moved = track.found(found.as_ref(), true, now(time - 10), now(time), 0);
    track.owe(queue);
    moved
}

#[test]
fn what_the_first_look_finds_has_no_time_and_what_the_next_one_finds_has() {
    let queue = Outstanding::default();
    let mut track = Track::default();
    assert_eq!(look(&mut track, &queue, 500, Some(beat(1))).unwrap().after, None);
    assert_eq!(look(&mut track, &queue, 900, Some(beat(2))).unwrap().after, Some(beat(1)));
    assert_eq!(look(&mut track, &queue, 950, Some(beat(2))), None, "nothing moved");
    let mut track = Track::default();
    assert_eq!(look(&mut track, &queue, 500, None), None);
    let moved = look(&mut track, &queue, 900, Some(beat(1))).unwrap();
    assert_eq!((moved.after, moved.upto), (Some(Beat { run: 0, seq: 0 }), beat(1)), "nothing was there before");
    assert_eq!(moved.miss_sent, Some((at(490), Some(wall(490)))));
}

#[test]
fn a_miss_from_before_the_clock_was_set_has_no_wall_time() {
    let mut track = Track::default();
    track.found(None, false, now(490), now(500), 0);
    let moved = track.found(Some(&heartbeat(beat(1))), false, now(890), now(900), 1).unwrap();
    assert_eq!(moved.miss_sent, Some((at(490), None)));
}

#[test]
fn it_stands_still_since_it_last_moved_the_first_look_aside() {
    let queue = acknowledged(3);
    let mut track = Track::default();
    look(&mut track, &queue, 2_500, Some(beat(0)));
    assert_eq!(track.oldest_unseen(), Some(at(1_000)));
    assert_eq!(track.advanced_at(), None, "the first look found it there: no move was seen");
    assert_eq!(track.still_since(), Some(at(2_500)));
    look(&mut track, &queue, 2_700, Some(beat(1)));
    assert_eq!(track.oldest_unseen(), Some(at(2_000)));
    assert_eq!((track.advanced_at(), track.still_since()), (Some(at(2_700)), Some(at(2_700))));
    look(&mut track, &queue, 2_900, Some(beat(2)));
    assert_eq!((track.oldest_unseen(), track.advanced_at()), (None, Some(at(2_900))));
}

#[test]
fn a_miss_bounds_the_next_sample_unless_the_replica_lost_what_it_had() {
    for (lost, miss) in [(false, 2_490), (true, 1_490)] {
        let mut track = Track::default();
        let queue = acknowledged(3);
        look(&mut track, &queue, 1_500, Some(beat(0)));
        look(&mut track, &queue, 2_500, (!lost).then_some(beat(0)));
        let moved = look(&mut track, &queue, 3_000, Some(beat(2))).unwrap();
        assert_eq!(moved.miss_sent.map(|(sent, _)| sent), Some(at(miss)));
    }
}

#[test]
fn a_read_that_comes_back_late_moves_nothing_back() {
    let queue = acknowledged(2);
    let mut track = Track::default();
    look(&mut track, &queue, 1_500, Some(beat(1)));
    assert_eq!(look(&mut track, &queue, 1_400, Some(beat(0))), None);
    assert_eq!(track.watermark().unwrap().beat, beat(1));
    assert_eq!(track.answered_at(), Some(at(1_500)));
    let watermark = track.watermark().unwrap();
    assert_eq!((watermark.written_at, watermark.interval), (wall(1_000), INTERVAL));
    assert!(watermark.ours);
    assert_eq!(watermark.hit, now(1_500));
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
        track.found(Some(&found), ours, now(490), now(500), 0);
        track.sampled(found.beat, INTERVAL);
        assert_eq!(track.void_from(7), voided, "run {run}, ours: {ours}");
        assert_eq!((track.watermark().is_none(), track.newest_upper().is_none()), (voided, voided));
    }
    assert!(!Track::default().void_from(7), "there was none");
}
