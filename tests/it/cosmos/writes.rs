//! The fence, and what a write says of what was there.

use super::*;

const TAKE: Expect = Expect::Takeover { seen: None };

fn acknowledged(replaced: Option<Beat>) -> WriteOutcome {
    WriteOutcome::Acknowledged { replaced }
}

#[tokio::test]
async fn an_absent_key_is_taken_and_then_kept() {
    let bench = Bench::start().await;
    let taken = bench.store.write(write(TAKE, heartbeat(ME, RUN, 0))).await;
    assert_eq!(taken.outcome, acknowledged(None));
    assert!(taken.capacity_units > 0.0 && taken.server_date.is_some(), "{taken:?}");
    for seq in 1..=3 {
        let kept = bench.write(Expect::Steady, heartbeat(ME, RUN, seq)).await;
        assert_eq!(kept, acknowledged(Some(beat(RUN, seq - 1))));
    }
    let read = bench.store.read(HOME, 0, Consistency::Strong).await;
    assert!(read.capacity_units > 0.0, "{read:?}");
    assert_eq!(read.outcome.unwrap().found, [(HOME, Found::Heartbeat(heartbeat(ME, RUN, 3)))]);
    assert_eq!(bench.stored(HOME, 1).await, None, "another slot is another partition");
}

#[tokio::test]
async fn a_steady_write_and_a_read_are_one_request_each_to_the_region_itself() {
    let bench = Bench::start().await;
    bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
    bench.store.read(RegionId(1), 0, Consistency::Strong).await.outcome.unwrap();
    bench.taken();
    bench.write(Expect::Steady, heartbeat(ME, RUN, 1)).await;
    let taken = bench.taken();
    assert!(taken.len() == 1 && taken[0].starts_with(&format!("PUT {}", url(REGIONS[0]))), "{taken:?}");
    bench.store.read(RegionId(1), 0, Consistency::Strong).await.outcome.unwrap();
    let taken = bench.taken();
    assert!(taken.len() == 1 && taken[0].starts_with(&format!("POST {}", url(REGIONS[1]))), "{taken:?}");
}

fn take_from(run: u64, seq: u64) -> Expect {
    Expect::Takeover { seen: Some(beat(run, seq)) }
}

fn refused(by: Heartbeat) -> WriteOutcome {
    WriteOutcome::Refused { stored: Some(Found::Heartbeat(by)) }
}

#[tokio::test]
async fn of_two_that_take_an_absent_key_at_once_one_gets_it_and_the_other_sees_who() {
    let bench = Bench::start().await;
    let other = store(&bench.emulator, DEADLINE).await;
    let (mine, theirs) = tokio::join!(
        bench.store.write(write(TAKE, heartbeat(ME, RUN, 0))),
        other.write(write(TAKE, heartbeat(RIVAL, RUN + 1, 0)))
    );
    match (mine.outcome, theirs.outcome) {
        (WriteOutcome::Acknowledged { .. }, by) => assert_eq!(by, refused(heartbeat(ME, RUN, 0))),
        (by, WriteOutcome::Acknowledged { .. }) => assert_eq!(by, refused(heartbeat(RIVAL, RUN + 1, 0))),
        neither => panic!("{neither:?}"),
    }
}

#[tokio::test]
async fn a_key_is_taken_over_where_it_has_not_moved_since_it_was_seen() {
    let bench = Bench::start().await;
    let other = store(&bench.emulator, DEADLINE).await;
    other.write(write(TAKE, heartbeat(RIVAL, RUN, 0))).await;
    other.write(write(Expect::Steady, heartbeat(RIVAL, RUN, 1))).await;
    let late = bench.write(take_from(RUN, 0), heartbeat(ME, RUN + 1, 0)).await;
    assert_eq!(late, refused(heartbeat(RIVAL, RUN, 1)));
    let taken = bench.write(take_from(RUN, 1), heartbeat(ME, RUN + 1, 0)).await;
    assert_eq!(taken, acknowledged(Some(beat(RUN, 1))));
    // Who held it learns of it with the next write, whatever etag it remembers.
    let stands_down = other.write(write(Expect::Steady, heartbeat(RIVAL, RUN, 2))).await.outcome;
    assert_eq!(stands_down, refused(heartbeat(ME, RUN + 1, 0)));
}

#[tokio::test]
async fn a_writer_goes_on_where_only_an_answer_was_lost() {
    let bench = Bench::start().await;
    bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
    // The same writer by another way: this end has not heard of it.
    store(&bench.emulator, DEADLINE).await.write(write(Expect::Steady, heartbeat(ME, RUN, 1))).await;
    assert_eq!(bench.write(Expect::Steady, heartbeat(ME, RUN, 2)).await, acknowledged(Some(beat(RUN, 1))));
}

#[tokio::test]
async fn a_key_that_is_gone_is_not_written_again_by_who_held_it() {
    let bench = Bench::start().await;
    bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
    bench.delete("tidegauge-0-eastus").await;
    assert_eq!(bench.write(Expect::Steady, heartbeat(ME, RUN, 1)).await, WriteOutcome::Refused { stored: None });
    assert_eq!(bench.write(TAKE, heartbeat(ME, RUN + 1, 0)).await, acknowledged(None));
}

#[tokio::test]
async fn other_slots_follow_the_reign_of_slot_0() {
    let bench = Bench::start().await;
    let of_slot = |heartbeat: Heartbeat| Heartbeat { slot: 3, ..heartbeat };
    let write_to = async |heartbeat: Heartbeat| bench.write(Expect::Follow, of_slot(heartbeat)).await;
    assert_eq!(write_to(heartbeat(RIVAL, RUN, 5)).await, acknowledged(None));
    assert_eq!(write_to(heartbeat(ME, RUN + 1, 0)).await, acknowledged(Some(beat(RUN, 5))));
    assert_eq!(write_to(heartbeat(ME, RUN + 1, 1)).await, acknowledged(Some(beat(RUN + 1, 0))));
    assert_eq!(write_to(heartbeat(RIVAL, RUN, 6)).await, refused(of_slot(heartbeat(ME, RUN + 1, 1))));
}

#[tokio::test]
async fn rubbish_under_a_key_is_replaced_and_a_heartbeat_is_not() {
    let bench = Bench::start().await;
    bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
    let kept = bench.write(Expect::ReplaceInvalid, heartbeat(RIVAL, RUN + 1, 0)).await;
    assert_eq!(kept, refused(heartbeat(ME, RUN, 0)));
    bench.put("tidegauge-0-eastus", serde_json::json!({ "tg_v": "rubbish" })).await;
    let found = bench.stored(HOME, 0).await;
    assert!(matches!(found, Some(Found::Invalid(_))), "{found:?}");
    assert_eq!(bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN + 1, 0)).await, acknowledged(None));
    assert_eq!(bench.stored(HOME, 0).await, Some(Found::Heartbeat(heartbeat(ME, RUN + 1, 0))));
}
