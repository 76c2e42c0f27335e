//! Whatever else can write into the table: nothing of it brings the reader down or passes for a heartbeat.

use std::time::Instant;

use tidegauge::core::heartbeat::{Invalid, attribute};
use tidegauge::core::model::Reason;

use super::*;

#[test]
fn what_is_no_heartbeat_is_reported_as_such() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let malformed = |name| Found::Invalid(Invalid::Malformed(name));
        let long = json!({ "S": "x".repeat(300_000) });
        let cases = [
            ("tg_run", json!({ "N": "1e37" }), malformed(attribute::RUN)),
            ("tg_run", json!({ "N": "-1" }), malformed(attribute::RUN)),
            ("tg_run", json!({ "N": "1.5" }), malformed(attribute::RUN)),
            ("tg_seq", json!({ "N": "12345678901234567890123456789012345678" }), malformed(attribute::SEQ)),
            ("tg_seq", json!({ "N": "99999999999999999999" }), malformed(attribute::SEQ)),
            ("tg_written_at", json!({ "N": "18446744073709551615" }), malformed(attribute::WRITTEN_AT)),
            ("tg_interval", json!({ "N": "9007199254740992" }), malformed(attribute::INTERVAL)),
            ("tg_interval", json!({ "N": "0" }), malformed(attribute::INTERVAL)),
            ("tg_writer", json!({ "S": "nobody" }), malformed(attribute::WRITER)),
            ("tg_run", json!({ "M": { "M": { "M": { "N": { "N": "1" } } } } }), malformed(attribute::RUN)),
            ("tg_v", json!({ "L": [{ "N": "0" }] }), malformed(attribute::VERSION)),
            ("tg_v", json!({ "N": "1e125" }), malformed(attribute::VERSION)),
            ("tg_v", json!({ "N": "9" }), Found::NewerFormat { version: 9 }),
            ("tg_v", json!({ "N": "18446744073709551615" }), Found::NewerFormat { version: u64::MAX }),
            ("tg_host", long.clone(), Found::Invalid(Invalid::Oversized(attribute::HOST))),
            ("tg_writer", long.clone(), Found::Invalid(Invalid::Oversized(attribute::WRITER))),
            ("tg_source", long.clone(), Found::Invalid(Invalid::Oversized(attribute::SOURCE))),
            ("tg_source", json!({ "S": TARGET }), Found::Invalid(Invalid::Misplaced(attribute::SOURCE))),
            ("tg_slot", json!({ "N": "1" }), Found::Invalid(Invalid::Misplaced(attribute::SLOT))),
        ];
        for (name, value, expected) in cases {
            let what: String = format!("{name} = {value}").chars().take(100).collect();
            bench.put(SOURCE, item_with(name, value)).await;
            assert_eq!(
                bench.read().await,
                SlotRead { found: vec![(SOURCE_ID, expected)], unknown_sources: 0 },
                "{what}"
            );
        }
        let mut deep = json!({ "S": "bottom" });
        for _ in 0..30 {
            deep = json!({ "M": { "down": { "L": [deep] } } });
        }
        let (status, _) = bench
            .call(
                "PutItem",
                json!({ "TableName": "GlobalCellState", "Item": {
            "PK": { "S": "tidegauge-0" }, "SK": { "S": SOURCE }, "tg_v": deep } }),
            )
            .await;
        if status == 200 {
            assert_eq!(bench.stored().await, Some(malformed(attribute::VERSION)));
        }
    });
}

#[test]
fn what_lies_beside_a_heartbeat_is_not_even_transferred() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.put(SOURCE, item_with("application", json!({ "S": "x".repeat(300_000) }))).await;
        assert_eq!(bench.stored().await, Some(Found::Heartbeat(heartbeat(RIVAL, RUN, 7))));
    });
}

#[test]
fn sort_keys_of_nobody_are_counted_and_left_out() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.put(SOURCE, item()).await;
        for sort in ["us-east-1 ", "US-EAST-1", "us-east-12", "\u{202e}us-east-1", "'; DROP TABLE", "a/b\\c?d#e"] {
            bench.put(sort, item()).await;
        }
        let found = vec![(SOURCE_ID, Found::Heartbeat(heartbeat(RIVAL, RUN, 7)))];
        assert_eq!(bench.read().await, SlotRead { found, unknown_sources: 6 });
    });
}

#[test]
fn a_partition_of_many_pages_is_read_to_its_end() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let mine = |source: &str| item_with("tg_source", json!({ "S": source }));
        for source in [SOURCE, TARGET] {
            bench.put(source, mine(source)).await;
        }
        // Before, between and after the two of ours.
        let padding = json!({ "S": "x".repeat(1_000) });
        for index in 0..3_000 {
            let sort = format!("{}-{index}", ["a", "f", "z"][index % 3]);
            bench.put(&sort, json!({ "padding": padding })).await;
        }
        let pages = bench.lab.request_count(SOURCE, "Query");
        let read = bench.read().await;
        let pages = bench.lab.request_count(SOURCE, "Query") - pages;
        println!("figure: 3,002 items of 1 KB were read in {pages} pages");
        assert!(pages > 2, "{pages} pages");
        assert_eq!(read.unknown_sources, 3_000);
        let mut sources: Vec<u16> = read.found.iter().map(|(source, _)| source.0).collect();
        sources.sort_unstable();
        assert_eq!(sources, [0, 1]);
        assert!(read.found.iter().all(|(_, found)| matches!(found, Found::Heartbeat(_))), "{read:?}");
    });
}

#[test]
fn a_partition_without_end_is_given_up() {
    with_credentials(async || {
        let bench = Bench::start().await;
        for index in 0..60 {
            bench.put(&format!("flood-{index:02}"), json!({ "padding": { "S": "x".repeat(380_000) } })).await;
        }
        let before = bench.lab.request_count(SOURCE, "Query");
        let failure = bench.store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap_err();
        assert_eq!(failure.reason, Reason::Other);
        assert!(failure.message.contains("tidegauge-0"), "{failure:?}");
        assert_eq!(bench.lab.request_count(SOURCE, "Query") - before, 16);
    });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what is measured here is the host's time")]
fn the_first_answer_comes_at_once() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let started = Instant::now();
        let store = store(&bench.lab, DEADLINE, |_| {}).await;
        let built = started.elapsed();
        store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap();
        let answered = started.elapsed();
        store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap();
        let again = started.elapsed() - answered;
        println!("figure: built in {built:?}, first answer after {answered:?}, the next took {again:?}");
        assert!(answered < Duration::from_secs(1), "{answered:?}");
    });
}
