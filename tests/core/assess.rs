//! The boundaries of every state and number, on facts put together by hand.

use std::sync::Arc;

use tidegauge::core::assess::{Assessment, State, assess};
use tidegauge::core::companions::{Companions, Minute, recent_for};
use tidegauge::core::merge::{MergedOrigin, ProviderFacts, Said};
use tidegauge::core::model::{Beat, Plan, Reason, RegionId};
use tidegauge::core::offset::Offset;
use tidegauge::core::pair::Histogram;
use tidegauge::core::provider::Polling;
use tidegauge::core::recent::Recent;
use tidegauge::core::snapshot::{Health, Measured, PairSnapshot, Seat, SlotFacts};
use tidegauge::core::time::{Mono, Now, Span, Wall};
use tidegauge::core::track::Watermark;
use tidegauge::core::window::WindowSummary;

use crate::sim::plan;

const NOW: Now = Now { mono: Mono::from_nanos(100_000_000_000), wall: Wall::from_micros(1_800_000_000_000_000) };
const NANOSECOND: Span = Span::from_nanos(1);

const fn ms(millis: i64) -> Span {
    Span::from_millis(millis)
}

fn ago(span: Span) -> Option<Mono> {
    Some(NOW.mono - span)
}

fn healthy(answered: Span) -> Health {
    Health { answered_at: ago(answered), failing: None, throttled_twice_since: None }
}

fn watermark(seq: u64, age: Span) -> Watermark {
    Watermark {
        beat: Beat { run: 1, seq },
        written_at: NOW.wall - age,
        interval: ms(1_000),
        hit: NOW,
        epoch: 0,
        ours: true,
    }
}

fn slot(number: u16) -> SlotFacts {
    SlotFacts {
        slot: number,
        watermark: Some(watermark(7, ms(900))),
        written: ago(ms(900)),
        answered_at: ago(ms(100)),
        oldest_unseen: None,
        age_unknown: false,
        unmoved_since: None,
        still_since: ago(ms(100)),
        told_of_at: None,
        source_looked_at: ago(ms(100)),
        newest_upper: Some(ms(800)),
        newer_format: false,
    }
}

/// A pair that is well, seen long enough ago to know.
fn well(slots: Vec<SlotFacts>) -> PairSnapshot {
    PairSnapshot {
        source: RegionId(0),
        target: RegionId(1),
        watching_since: Mono::from_nanos(0),
        seat: Seat::Ours,
        writes: healthy(ms(500)),
        reads: healthy(ms(100)),
        source_reads: healthy(ms(100)),
        clock: Measured::OneClock,
        offset: Offset::NONE,
        slots: slots.into(),
        newest: None,
        histogram: Histogram::default(),
        wide: 0,
        summary: Arc::default(),
        visibility: Arc::default(),
        recent: Recent::default(),
        provider: None,
        companions: None,
    }
}

fn with_slot(change: impl FnOnce(&mut SlotFacts)) -> PairSnapshot {
    let mut only = slot(0);
    change(&mut only);
    well(vec![only])
}

fn now(pair: &PairSnapshot) -> Assessment {
    assess(&plan(2), pair, NOW)
}

#[test]
fn a_pair_that_is_well_is_ok_and_says_nothing_more() {
    let now = now(&well(vec![slot(0)]));
    assert_eq!((now.state, now.reason.as_str()), (State::Ok, ""));
    assert_eq!(now.current_lag, Some(ms(800)));
    assert_eq!(now.staleness, Some(ms(900)));
}

#[test]
fn every_state_has_its_own_word() {
    let words = State::ALL.map(State::label);
    assert_eq!(
        words,
        ["unknown", "read_failing", "write_failing", "writer_silent", "throttled", "stalled", "lagging", "ok"]
    );
}

#[test]
fn reads_fail_after_more_than_three_intervals_without_an_answer_and_lag_is_unknown_from_then_on() {
    let mut pair = with_slot(|slot| slot.answered_at = ago(ms(3_000)));
    assert_eq!((now(&pair).state, now(&pair).current_lag), (State::Ok, Some(ms(800))));
    pair = with_slot(|slot| slot.answered_at = ago(ms(3_000) + NANOSECOND));
    pair.reads.failing = Some(Reason::Denied);
    let late = now(&pair);
    assert_eq!((late.state, late.current_lag), (State::ReadFailing, None));
    assert_eq!(late.reason, "region-1 cannot be read: access is denied");
    // One slot of many that nobody can read is enough: it might be the latest.
    let blind = SlotFacts { answered_at: None, ..slot(1) };
    assert_eq!(now(&well(vec![slot(0), blind])).state, State::ReadFailing);
}

#[test]
fn writes_fail_after_three_intervals_or_what_one_unanswered_write_costs() {
    for (interval, patience) in [(1_000, 3_000), (200, 850), (10_000, 30_000)] {
        let plan = Plan { interval: ms(interval), ..plan(2) };
        let mut pair = well(vec![slot(0)]);
        pair.writes.answered_at = ago(ms(patience));
        assert_eq!(assess(&plan, &pair, NOW).state, State::Ok, "{interval} ms");
        pair.writes.answered_at = ago(ms(patience) + NANOSECOND);
        let late = assess(&plan, &pair, NOW);
        assert_eq!((late.state, late.current_lag), (State::WriteFailing, None), "{interval} ms");
        // What is unseen goes on ageing, whoever writes.
        let mut waiting = with_slot(|slot| slot.oldest_unseen = ago(ms(60_000)));
        waiting.writes.answered_at = ago(ms(patience) + NANOSECOND);
        let late = assess(&plan, &waiting, NOW);
        assert_eq!((late.state, late.current_lag), (State::WriteFailing, Some(ms(60_000))), "{interval} ms");
    }
}

#[test]
fn a_target_is_stalled_past_its_patience_up_to_the_last_look() {
    let p99 = |p99: Option<f64>| {
        let sixty = WindowSummary { arrived_p99: p99, ..WindowSummary::default() };
        Arc::new([WindowSummary::default(), WindowSummary::default(), sixty])
    };
    for (p99_seconds, patience) in [(None, 3_000), (Some(0.5), 3_000), (Some(2.0), 6_000), (Some(5.0), 10_000)] {
        for (over, expected) in [(Span::ZERO, State::Ok), (NANOSECOND, State::Stalled)] {
            let mut pair = with_slot(|slot| {
                slot.answered_at = ago(ms(200));
                slot.oldest_unseen = ago(ms(400));
                slot.unmoved_since = ago(ms(200) + ms(patience) + over);
            });
            pair.summary = p99(p99_seconds);
            let now = now(&pair);
            assert_eq!(now.stalled_after, ms(patience));
            assert_eq!(now.state, expected, "p99 {p99_seconds:?}, {over:?} over");
        }
    }
    let pair = with_slot(|slot| {
        slot.oldest_unseen = ago(ms(20_000));
        slot.unmoved_since = ago(ms(20_100));
        slot.age_unknown = true;
    });
    let reason = "region-0 writes, but nothing new has become visible in region-1 for 20.0 s; age before start unknown";
    assert_eq!(now(&pair).reason, reason);
    // One slot that stands still is enough.
    let still = SlotFacts { unmoved_since: ago(ms(9_000)), oldest_unseen: ago(ms(9_000)), ..slot(1) };
    assert_eq!(now(&well(vec![slot(0), still])).state, State::Stalled);
}

#[test]
fn a_pair_lags_over_the_threshold_and_not_on_it() {
    assert_eq!(now(&with_slot(|slot| slot.newest_upper = Some(ms(5_000)))).state, State::Ok);
    let over = now(&with_slot(|slot| slot.newest_upper = Some(ms(5_000) + NANOSECOND)));
    assert_eq!((over.state, over.current_lag), (State::Lagging, Some(ms(5_000) + NANOSECOND)));
    assert_eq!(over.reason, "region-1 is 5.0 s behind region-0, over the threshold of 5.0 s");
}

#[test]
fn current_lag_is_the_larger_of_the_newest_sample_and_the_oldest_unseen_over_all_slots() {
    let lag = |upper: Option<i64>, unseen: Option<i64>| {
        let facts = SlotFacts {
            newest_upper: upper.map(ms),
            oldest_unseen: unseen.and_then(|unseen| ago(ms(unseen))),
            ..slot(1)
        };
        now(&well(vec![slot(0), facts])).current_lag
    };
    assert_eq!(lag(Some(1_200), None), Some(ms(1_200)));
    assert_eq!(lag(Some(700), None), Some(ms(800)), "the other slot is later");
    assert_eq!(lag(Some(700), Some(2_000)), Some(ms(2_000)));
    assert_eq!(lag(None, Some(2_000)), Some(ms(2_000)));
    assert_eq!(lag(None, None), None, "a slot of which nothing is known might be the latest");
}

#[test]
fn the_watermark_is_the_oldest_over_the_slots_and_unknown_while_one_has_none() {
    let older = SlotFacts { watermark: Some(watermark(3, ms(5_000))), written: ago(ms(5_000)), ..slot(1) };
    let both = now(&well(vec![slot(0), older]));
    assert_eq!((both.watermark.unwrap().beat.seq, both.staleness), (3, Some(ms(5_000))));
    let none = SlotFacts { watermark: None, ..slot(1) };
    let waiting = now(&well(vec![slot(0), none]));
    assert_eq!((waiting.state, waiting.watermark, waiting.staleness), (State::Unknown, None, None));
}

#[test]
fn staleness_is_the_age_of_the_watermark_and_unknown_where_the_clocks_are() {
    let level = now(&with_slot(|slot| slot.written = ago(Span::ZERO)));
    assert_eq!(level.staleness, Some(Span::ZERO));
    let mut elsewhere = with_slot(|slot| slot.written = None);
    let back = now(&elsewhere);
    assert_eq!((back.state, back.staleness), (State::Ok, None));
    assert!(back.reason.starts_with("this host's clock was set back"), "{}", back.reason);
    let both = now(&with_slot(|slot| {
        slot.written = None;
        slot.newest_upper = Some(ms(6_000));
    }));
    assert!(both.reason.contains("; this host's clock was set back"), "{}", both.reason);
    elsewhere.seat = Seat::Held;
    let unbounded = now(&elsewhere);
    assert_eq!((unbounded.state, unbounded.staleness, unbounded.overdue), (State::Ok, None, None));
    assert_eq!(unbounded.reason, "");
}

#[test]
fn two_throttled_calls_within_three_intervals_are_the_cause_and_older_ones_are_not() {
    for (since, expected) in [(ms(3_000), State::Throttled), (ms(3_000) + NANOSECOND, State::Ok)] {
        let mut reads = well(vec![slot(0)]);
        reads.reads.throttled_twice_since = ago(since);
        assert_eq!(now(&reads).state, expected);
        let mut writes = well(vec![slot(0)]);
        writes.writes.throttled_twice_since = ago(since);
        assert_eq!(now(&writes).state, expected);
        if expected == State::Throttled {
            assert_eq!(now(&reads).reason, "region-1 throttles heartbeat reads");
            assert_eq!(now(&writes).reason, "region-0 throttles heartbeat writes");
        }
    }
}

#[test]
fn a_newer_release_s_heartbeats_are_unknown_with_the_reason() {
    let seated = |seat| PairSnapshot { seat, ..well(vec![slot(0)]) };
    let newer = now(&seated(Seat::Newer));
    assert_eq!(newer.state, State::Unknown);
    assert!(newer.reason.starts_with("newer format"), "{}", newer.reason);
    assert_eq!(now(&with_slot(|slot| slot.newer_format = true)).state, State::Unknown);
    assert_eq!(now(&seated(Seat::Unread)).state, State::Ok, "its key was read; the next write is on its way");
}

#[test]
fn a_start_is_given_three_intervals_before_silence_is_a_finding() {
    let starting = |since: Span| {
        let blind = SlotFacts { watermark: None, answered_at: None, newest_upper: None, ..slot(0) };
        let never = Health::default();
        PairSnapshot {
            watching_since: NOW.mono - since,
            seat: Seat::Unread,
            writes: never,
            reads: never,
            source_reads: never,
            ..well(vec![blind])
        }
    };
    let unmeasured = (State::Unknown, "not measured yet".to_owned());
    let told = |pair: &PairSnapshot| (now(pair).state, now(pair).reason);
    assert_eq!(told(&starting(ms(3_000))), unmeasured);
    assert_eq!(now(&starting(ms(3_000) + NANOSECOND)).state, State::ReadFailing);
    // A failure is a finding at once.
    let mut failing = starting(ms(100));
    failing.reads.failing = Some(Reason::Dns);
    let reason = "region-1 cannot be read: the endpoint's name does not resolve".to_owned();
    assert_eq!(told(&failing), (State::ReadFailing, reason));

    // The target can be read, and the source's own key not yet.
    for seat in [Seat::Unread, Seat::Taking] {
        let mut readable = starting(ms(3_000));
        readable.seat = seat;
        readable.slots =
            vec![SlotFacts { watermark: None, newest_upper: None, source_looked_at: None, ..slot(0) }].into();
        assert_eq!(told(&readable), unmeasured);
        readable.watching_since = NOW.mono - ms(3_000) - NANOSECOND;
        assert_eq!(now(&readable).state, State::WriteFailing);
        let key = now(&readable).reason.contains("the heartbeat's key in region-0 cannot be read");
        assert_eq!(key, seat == Seat::Unread);
        readable.watching_since = NOW.mono - ms(100);
        readable.writes.failing = Some(Reason::Throttled);
        assert_eq!(now(&readable).state, State::WriteFailing);
    }
}

const POLLING: Polling = Polling { every: ms(60_000), period: ms(60_000), delay: ms(60_000) };

/// As the provider is asked.
fn asked(pair: &PairSnapshot) -> Assessment {
    assess(&Plan { polling: Some(POLLING), ..plan(2) }, pair, NOW)
}

fn stalled_for(span: Span) -> PairSnapshot {
    with_slot(|slot| {
        slot.answered_at = ago(Span::ZERO);
        slot.oldest_unseen = ago(span);
        slot.unmoved_since = ago(span);
    })
}

#[test]
fn what_the_target_throttled_within_ten_minutes_is_the_cause_of_what_is_late_and_of_nothing_else() {
    let throttling = |pair: PairSnapshot, age: Span, minute: Minute| {
        let companions = Companions([(NOW.mono - age, minute)].into());
        asked(&PairSnapshot { companions: Some(companions.into()), ..pair })
    };
    let writes = Minute { throttled_writes: 3.0, ..Minute::default() };
    let both = Minute { throttled_reads: 2.0, ..writes };
    let stalled = stalled_for(ms(20_000));
    let reason = asked(&stalled).reason;
    for (minute, words) in [(writes, "3 writes"), (both, "3 writes and 2 reads")] {
        let recent = throttling(stalled.clone(), ms(600_000), minute);
        let expected = format!("region-1 throttled {words} within the last 10 minutes, says the provider; {reason}");
        assert_eq!((recent.state, recent.reason), (State::Throttled, expected));
        let old = throttling(stalled.clone(), ms(600_000) + NANOSECOND, minute);
        assert_eq!((old.state, &old.reason), (State::Stalled, &reason));
        let lagging = with_slot(|slot| slot.newest_upper = Some(ms(8_000)));
        assert_eq!(throttling(lagging, ms(60_000), minute).state, State::Throttled);
        assert_eq!(throttling(well(vec![slot(0)]), ms(60_000), minute).state, State::Ok);
    }
    // Replication into a region writes there. What was throttled of its reads makes nothing late.
    let reads = Minute { throttled_reads: 2.0, ..Minute::default() };
    for minute in [reads, Minute::default()] {
        assert_eq!(throttling(stalled.clone(), ms(60_000), minute).state, State::Stalled);
    }
    // Where questions or periods are long, what was published last is older than ten minutes by itself.
    let long = Polling { every: ms(300_000), period: ms(300_000), delay: ms(60_000) };
    assert_eq!([recent_for(POLLING), recent_for(long)], [ms(600_000), ms(960_000)]);
}

#[test]
fn other_writes_say_something_of_a_stall_if_they_arrived_in_it() {
    let replicating = |pair: PairSnapshot, age: Span| {
        let minute = Minute { replicated: 1.0, ..Minute::default() };
        let companions = Companions([(NOW.mono - age, minute)].into());
        asked(&PairSnapshot { companions: Some(companions.into()), ..pair })
            .reason
            .contains("other writes still arrive")
    };
    assert!(replicating(stalled_for(ms(90_000)), ms(90_000)));
    assert!(!replicating(stalled_for(ms(90_000)), ms(90_000) + NANOSECOND));
    let lagging = with_slot(|slot| {
        slot.newest_upper = Some(ms(80_000));
        slot.unmoved_since = ago(ms(500));
    });
    assert!(!replicating(lagging, ms(400)));
    // Of three regions it may be anybody's.
    let minute = Minute { replicated: 1.0, ..Minute::default() };
    let companions = Some(Companions([(NOW.mono - ms(90_000), minute)].into()).into());
    let pair = PairSnapshot { companions, ..stalled_for(ms(90_000)) };
    let reason = assess(&Plan { polling: Some(POLLING), ..plan(3) }, &pair, NOW).reason;
    assert!(reason.contains("writes of some region still arrive there"), "{reason}");
}

#[test]
fn a_stall_that_nobody_can_see_any_longer_is_not_talked_down_by_what_arrived_before() {
    let merged = |patience: Span, ended: Span| {
        let mut pair = with_slot(|slot| {
            slot.answered_at = ago(ms(10_000));
            slot.oldest_unseen = ago(ms(20_000));
            slot.unmoved_since = ago(ms(10_000) + patience);
        });
        let (wall, mono) = (NOW.wall - ended, NOW.mono - ended);
        let newest = Some(Said { end: wall, ended: mono, average: Some(0.5), maximum: None, p99: None });
        pair.provider = Some(Arc::new(ProviderFacts { newest, ..ProviderFacts::default() }));
        let now = asked(&pair);
        assert_eq!((now.state, now.current_lag), (State::ReadFailing, None));
        now.merged.map(|merged| (merged.lag, merged.origin))
    };
    let says = Some((ms(500), MergedOrigin::Provider));
    assert_eq!(merged(ms(3_000), ms(5_000)), says, "it did not stand still");
    assert_eq!(merged(ms(3_000) + NANOSECOND, ms(5_000)), None);
    assert_eq!(merged(ms(3_000) + NANOSECOND, ms(10_000) - POLLING.period), says, "it began after the last look");
    assert_eq!(merged(ms(3_000) + NANOSECOND, ms(10_000) - POLLING.period + NANOSECOND), None);
}
