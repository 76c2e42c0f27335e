//! The fence, and what a write says of what was there.

use super::*;
use crate::lab::{Delay, Network};

const TAKE: Expect = Expect::Takeover { seen: None };

fn take_from(run: u64, seq: u64) -> Expect {
    Expect::Takeover { seen: Some(beat(run, seq)) }
}

#[test]
fn an_absent_key_is_taken_and_then_kept() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let taken = bench.store.write(write(TAKE, heartbeat(ME, RUN, 0))).await;
        assert_eq!(taken.outcome, ACKNOWLEDGED);
        assert!(taken.capacity_units > 0.0, "{taken:?}");
        for seq in 1..=3 {
            let kept = bench.write(Expect::Steady, heartbeat(ME, RUN, seq)).await;
            assert_eq!(kept, ACKNOWLEDGED);
        }
        let read = bench.store.read(SOURCE_ID, 0, Consistency::Strong).await;
        assert!(read.capacity_units > 0.0, "{read:?}");
        let expected = vec![(SOURCE_ID, Found::Heartbeat(heartbeat(ME, RUN, 3)))];
        assert_eq!(read.outcome, Ok(SlotRead { found: expected, unknown_sources: 0 }));
        let elsewhere = bench.store.read(SOURCE_ID, 1, Consistency::Strong).await.outcome;
        assert_eq!(elsewhere, Ok(SlotRead::default()), "another slot is another partition");
    });
}

#[test]
fn what_is_stored_is_the_heartbeat_and_its_keys_alone() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let resigned = Heartbeat { resigned: true, ..heartbeat(RIVAL, RUN, 7) };
        assert_eq!(bench.write(TAKE, resigned).await, ACKNOWLEDGED);
        let mut expected = item_with("tg_resigned", json!({ "BOOL": true }));
        expected["PK"] = json!({ "S": "tidegauge-0" });
        expected["SK"] = json!({ "S": SOURCE });
        assert_eq!(bench.lab.peek(SOURCE, "tidegauge-0", SOURCE), Some(expected));
    });
}

#[test]
fn a_heartbeat_reads_in_every_region_as_it_was_written() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
        let expected = vec![(SOURCE_ID, Found::Heartbeat(heartbeat(ME, RUN, 0)))];
        for _ in 0..500 {
            if bench.store.read(RegionId(1), 0, Consistency::Strong).await.outcome.unwrap().found == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never arrived in {TARGET}");
    });
}

#[test]
fn after_a_lost_answer_the_refusal_shows_our_own_heartbeat() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
        let hasty = store(&bench.lab, Duration::from_millis(500), |_| {}).await;
        let lost = Network { answer_delay: Delay::Fixed(Duration::from_secs(60)), ..Network::direct() };
        bench.lab.set_network(SOURCE, lost);
        let outcome = hasty.write(write(Expect::Steady, heartbeat(ME, RUN, 1))).await.outcome;
        assert!(matches!(outcome, WriteOutcome::Failed { maybe_committed: true, .. }), "{outcome:?}");
        bench.lab.set_network(SOURCE, Network::direct());
        // The client gave up; the region may still be at it.
        while bench.stored().await != Some(Found::Heartbeat(heartbeat(ME, RUN, 1))) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let again = bench.write(Expect::Steady, heartbeat(ME, RUN, 1)).await;
        assert_eq!(again, refused(heartbeat(ME, RUN, 1)));
    });
}

#[test]
fn a_steady_write_over_somebody_elses_is_refused_and_shows_theirs() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.write(TAKE, heartbeat(RIVAL, RUN, 0)).await;
        for run in [RUN - 1, RUN, RUN + 1] {
            let outcome = bench.write(Expect::Steady, heartbeat(ME, run, 5)).await;
            assert_eq!(outcome, refused(heartbeat(RIVAL, RUN, 0)), "run {run}");
        }
        assert_eq!(bench.stored().await, Some(Found::Heartbeat(heartbeat(RIVAL, RUN, 0))));
    });
}

#[test]
fn a_steady_write_where_the_key_is_gone_is_refused_and_shows_nothing() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let outcome = bench.write(Expect::Steady, heartbeat(ME, RUN, 5)).await;
        assert_eq!(outcome, WriteOutcome::Refused { stored: None });
    });
}

#[test]
fn a_takeover_is_fenced_by_what_was_seen() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.write(TAKE, heartbeat(RIVAL, RUN, 0)).await;
        let blind = bench.write(TAKE, heartbeat(ME, RUN + 1, 0)).await;
        assert_eq!(blind, refused(heartbeat(RIVAL, RUN, 0)), "nothing had been seen, and something is there");
        bench.write(Expect::Steady, heartbeat(RIVAL, RUN, 1)).await;
        let late = bench.write(take_from(RUN, 0), heartbeat(ME, RUN + 1, 0)).await;
        assert_eq!(late, refused(heartbeat(RIVAL, RUN, 1)), "it has moved since");
        assert_eq!(bench.write(take_from(RUN, 1), heartbeat(ME, RUN + 1, 0)).await, ACKNOWLEDGED);
        let deposed = bench.write(Expect::Steady, heartbeat(RIVAL, RUN, 2)).await;
        assert_eq!(deposed, refused(heartbeat(ME, RUN + 1, 0)));
    });
}

#[test]
fn a_takeover_of_what_is_gone_succeeds() {
    with_credentials(async || {
        let bench = Bench::start().await;
        assert_eq!(bench.write(take_from(RUN, 3), heartbeat(ME, RUN + 1, 0)).await, ACKNOWLEDGED);
    });
}

#[test]
fn of_many_takeovers_at_once_one_succeeds() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.write(TAKE, heartbeat(RIVAL, RUN, 0)).await;
        let contend = |index: u64| bench.write(take_from(RUN, 0), heartbeat(WriterId(index.into()), RUN + index, 0));
        let (one, two, three) = tokio::join!(contend(1), contend(2), contend(3));
        let outcomes = [one, two, three];
        let winners: Vec<usize> = (0..3).filter(|index| outcomes[*index] == ACKNOWLEDGED).collect();
        let [winner] = winners[..] else { panic!("{outcomes:?}") };
        let winner = winner as u64 + 1;
        let stored = heartbeat(WriterId(winner.into()), RUN + winner, 0);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == refused(stored.clone())).count(), 2);
    });
}

#[test]
fn another_slot_follows_an_older_run_and_its_own() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let follow = |writer, run, seq| bench.write(Expect::Follow, heartbeat(writer, run, seq));
        assert_eq!(follow(RIVAL, RUN, 4).await, ACKNOWLEDGED, "nothing is there");
        assert_eq!(follow(RIVAL, RUN, 5).await, ACKNOWLEDGED, "as if steady");
        assert_eq!(follow(RIVAL, RUN, 5).await, refused(heartbeat(RIVAL, RUN, 5)), "no older seq");
        assert_eq!(follow(ME, RUN, 6).await, refused(heartbeat(RIVAL, RUN, 5)), "another writer's run");
        assert_eq!(follow(ME, RUN + 1, 0).await, ACKNOWLEDGED, "an older run");
        assert_eq!(follow(RIVAL, RUN, 9).await, refused(heartbeat(ME, RUN + 1, 0)), "a newer run");
    });
}

#[test]
fn what_a_write_replaced_is_told_where_it_is_asked_for() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let ask = async |expect, heartbeat| {
            let write = Write { want_replaced: true, ..write(expect, heartbeat) };
            bench.store.write(write).await.outcome
        };
        assert_eq!(ask(TAKE, heartbeat(ME, RUN, 0)).await, ACKNOWLEDGED, "nothing was there");
        let replaced = ask(Expect::Steady, heartbeat(ME, RUN, 4)).await;
        assert_eq!(replaced, WriteOutcome::Acknowledged { replaced: Some(beat(RUN, 0)) });
        let replaced = ask(take_from(RUN, 4), heartbeat(ME, RUN + 1, 0)).await;
        assert_eq!(replaced, WriteOutcome::Acknowledged { replaced: Some(beat(RUN, 4)) });
        bench.put(SOURCE, item_with("tg_run", json!({ "S": "rubbish" }))).await;
        assert_eq!(ask(Expect::ReplaceInvalid, heartbeat(ME, RUN, 0)).await, ACKNOWLEDGED, "it was no heartbeat");
    });
}

#[test]
fn whatever_rubbish_lies_under_the_key_is_replaced() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let values = [
            json!({ "S": "1767225600000" }),
            json!({ "S": "" }),
            json!({ "NULL": true }),
            json!({ "BOOL": false }),
            json!({ "L": [{ "N": "1" }, { "L": [{ "NULL": true }] }] }),
            json!({ "M": { "tg_run": { "N": "1" }, "deep": { "M": { "er": { "S": "x" } } } } }),
            json!({ "B": "AAECAwQ=" }),
            json!({ "SS": ["a", "b"] }),
            json!({ "NS": ["1", "2.5"] }),
            json!({ "BS": ["AAE=", "Ag=="] }),
            json!({ "N": "-1" }),
            json!({ "N": "0.5" }),
            json!({ "N": "1e37" }),
            json!({ "N": "12345678901234567890123456789012345678" }),
            json!({ "N": "-9.9999999999999999999999999999999999999e125" }),
            json!({ "S": "x".repeat(300_000) }),
        ];
        let names = ["tg_run", "tg_seq", "tg_v", "tg_source", "tg_resigned"];
        let mut rubbish: Vec<Json> = names
            .iter()
            .flat_map(|name| values.iter().map(|value| item_with(name, value.clone())))
            .filter(|item| item["tg_resigned"] != json!({ "BOOL": false }))
            .collect();
        rubbish.push(item_with("tg_host", json!({ "S": "x".repeat(300_000) })));
        rubbish.push(json!({}));
        rubbish.push(json!({ "application": { "S": "wrote this" } }));
        let mut everything = json!({});
        for (name, value) in item().as_object().unwrap().keys().zip(&values) {
            everything[name] = value.clone();
        }
        rubbish.push(everything);
        for item in rubbish {
            let what: String = item.to_string().chars().take(400).collect();
            bench.put(SOURCE, item).await;
            let before = bench.stored().await;
            assert!(matches!(before, Some(Found::Invalid(_))), "{before:?} of {what}");
            let refused = bench.write(Expect::Steady, heartbeat(ME, RUN, 8)).await;
            assert_eq!(refused, WriteOutcome::Refused { stored: before }, "{what}");
            let outcome = bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN, 0)).await;
            assert_eq!(outcome, ACKNOWLEDGED, "{what}");
            assert_eq!(bench.stored().await, Some(Found::Heartbeat(heartbeat(ME, RUN, 0))), "{what}");
        }
    });
}

#[test]
fn rubbish_that_is_gone_by_now_is_replaced_too() {
    with_credentials(async || {
        let bench = Bench::start().await;
        assert_eq!(bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN, 0)).await, ACKNOWLEDGED);
    });
}

#[test]
fn a_heartbeat_from_the_far_future_is_rubbish_and_replaced() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.put(SOURCE, item_with("tg_run", json!({ "N": (1_u64 << 53).to_string() }))).await;
        assert_eq!(bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN, 0)).await, ACKNOWLEDGED);
    });
}

#[test]
fn whoever_replaced_the_rubbish_first_is_not_overwritten() {
    with_credentials(async || {
        let bench = Bench::start().await;
        // The rival has been before this process read what it is to replace.
        bench.put(SOURCE, item()).await;
        let outcome = bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN + 1, 0)).await;
        assert_eq!(outcome, refused(heartbeat(RIVAL, RUN, 7)));
        let newer = item_with("tg_v", json!({ "N": "9" }));
        bench.put(SOURCE, newer).await;
        let outcome = bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN + 1, 0)).await;
        assert_eq!(outcome, WriteOutcome::Refused { stored: Some(Found::NewerFormat { version: 9 }) });
    });
}

#[test]
fn rubbish_that_moves_while_it_is_being_replaced_is_left_alone() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.put(SOURCE, item_with("tg_run", json!({ "NULL": true }))).await;
        let puts = bench.lab.request_count(SOURCE, "PutItem");
        let slow = Network { request_delay: Delay::Fixed(Duration::from_secs(2)), ..Network::direct() };
        bench.lab.set_network(SOURCE, slow);
        let rival = async {
            while bench.lab.request_count(SOURCE, "PutItem") == puts {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // Its write is under way and not yet executed: the rival's overtakes it.
            bench.lab.set_network(SOURCE, Network::direct());
            bench.put(SOURCE, item()).await;
        };
        let (outcome, ()) = tokio::join!(bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN + 1, 0)), rival);
        assert_eq!(outcome, refused(heartbeat(RIVAL, RUN, 7)));
    });
}
