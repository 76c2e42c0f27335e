//! Tables with other keys than two texts, and tables beside the application's.

mod batches;
mod companion;

use tidegauge::core::heartbeat::{Invalid, attribute};
use tidegauge::core::model::Reason;
use tidegauge::stores::Forget;

use super::*;
use crate::lab::{KeyKind, Mode};

const TAKE: Expect = Expect::Takeover { seen: None };
const TARGET_ID: RegionId = RegionId(1);

/// A kind of table, and where things have to lie in it.
struct Shape {
    keys: TableKeys,
    /// Of the source in slot 0.
    ours: Json,
    /// Of the same in slot 2.
    in_slot_2: Json,
    /// Of nobody, right beside ours.
    beside: Json,
}

fn pair(partition: Json, sort: Json) -> Json {
    json!({ "PK": partition, "SK": sort })
}

/// Every kind of table but that of two texts. The bytes are those of the texts, in base 64; the CRC-32 of `us-east-1` is
/// 2,003,110,180.
fn shapes() -> Vec<Shape> {
    use KeyKind::{B, N, S};
    let s = |text: &str| json!({ "S": text });
    let n = |digits: &str| json!({ "N": digits });
    let b = |base64: &str| json!({ "B": base64 });
    vec![
        Shape {
            keys: TableKeys::one(S),
            ours: json!({ "PK": s("tidegauge-0-us-east-1") }),
            in_slot_2: json!({ "PK": s("tidegauge-2-us-east-1") }),
            beside: json!({ "PK": s("tidegauge-0-us-east-12") }),
        },
        Shape {
            keys: TableKeys::one(N),
            ours: json!({ "PK": n("-10000000000000000000000000002003110180") }),
            in_slot_2: json!({ "PK": n("-10000000000000000000000000010593044772") }),
            beside: json!({ "PK": n("-10000000000000000000000000002003110181") }),
        },
        Shape {
            keys: TableKeys::one(B),
            ours: json!({ "PK": b("dGlkZWdhdWdlLTAtdXMtZWFzdC0x") }),
            in_slot_2: json!({ "PK": b("dGlkZWdhdWdlLTItdXMtZWFzdC0x") }),
            beside: json!({ "PK": b("dGlkZWdhdWdlLTAtdXMtZWFzdC0xMg==") }),
        },
        Shape {
            keys: TableKeys::two(N, N),
            ours: pair(n("-10000000000000000000000000000000000000"), n("2003110180")),
            in_slot_2: pair(n("-10000000000000000000000000000000000002"), n("2003110180")),
            beside: pair(n("-10000000000000000000000000000000000000"), n("2003110180.5")),
        },
        Shape {
            keys: TableKeys::two(B, S),
            ours: pair(b("dGlkZWdhdWdlLTA="), s(SOURCE)),
            in_slot_2: pair(b("dGlkZWdhdWdlLTI="), s(SOURCE)),
            beside: pair(b("dGlkZWdhdWdlLTA="), s("us-east-12")),
        },
        Shape {
            keys: TableKeys::two(S, N),
            ours: pair(s("tidegauge-0"), n("2003110180")),
            in_slot_2: pair(s("tidegauge-2"), n("2003110180")),
            beside: pair(s("tidegauge-0"), n("-2003110180")),
        },
        Shape {
            keys: TableKeys::two(N, B),
            ours: pair(n("-10000000000000000000000000000000000000"), b("dXMtZWFzdC0x")),
            in_slot_2: pair(n("-10000000000000000000000000000000000002"), b("dXMtZWFzdC0x")),
            beside: pair(n("-10000000000000000000000000000000000000"), b("dXMtZWFzdC0=")),
        },
    ]
}

/// Runs a test on each kind of table, one after the other.
async fn on_each(test: impl AsyncFn(&Shape, Bench)) {
    for shape in shapes() {
        let bench = Bench::with_keys(shape.keys).await;
        test(&shape, bench).await;
    }
}

impl Bench {
    /// Puts anything at all under any key, past the store.
    async fn put_at(&self, key: &Json, mut item: Json) {
        item.as_object_mut().unwrap().extend(key.as_object().unwrap().clone());
        let (status, answer) = self.call("PutItem", json!({ "TableName": "GlobalCellState", "Item": item })).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// What lies under a key, past the store.
    async fn get_at(&self, table: &str, key: &Json) -> Option<Json> {
        let request = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let (status, answer) = self.call("GetItem", request).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Json>(&answer).unwrap().get("Item").cloned()
    }
}

#[test]
fn the_fence_holds_in_every_kind_of_table() {
    with_credentials(async || {
        on_each(async |Shape { keys, .. }, bench| {
            assert_eq!(bench.write(TAKE, heartbeat(RIVAL, RUN, 0)).await, ACKNOWLEDGED, "{keys:?}");
            let blind = bench.write(TAKE, heartbeat(ME, RUN + 1, 0)).await;
            assert_eq!(blind, refused(heartbeat(RIVAL, RUN, 0)), "{keys:?}: something is there");
            assert_eq!(bench.write(Expect::Steady, heartbeat(RIVAL, RUN, 1)).await, ACKNOWLEDGED, "{keys:?}");
            let seen = |seq| Expect::Takeover { seen: Some(beat(RUN, seq)) };
            let late = bench.write(seen(0), heartbeat(ME, RUN + 1, 0)).await;
            assert_eq!(late, refused(heartbeat(RIVAL, RUN, 1)), "{keys:?}: it has moved since");
            assert_eq!(bench.write(seen(1), heartbeat(ME, RUN + 1, 0)).await, ACKNOWLEDGED, "{keys:?}");
            let deposed = bench.write(Expect::Steady, heartbeat(RIVAL, RUN, 2)).await;
            assert_eq!(deposed, refused(heartbeat(ME, RUN + 1, 0)), "{keys:?}");
            assert_eq!(bench.stored().await, Some(Found::Heartbeat(heartbeat(ME, RUN + 1, 0))), "{keys:?}");
        })
        .await;
    });
}

#[test]
fn heartbeats_lie_under_the_keys_that_the_documents_say() {
    with_credentials(async || {
        on_each(async |Shape { keys, ours, in_slot_2, .. }, bench| {
            bench.write(TAKE, heartbeat(RIVAL, RUN, 7)).await;
            let mut expected = item();
            expected.as_object_mut().unwrap().extend(ours.as_object().unwrap().clone());
            assert_eq!(bench.get_at("GlobalCellState", ours).await, Some(expected), "{keys:?}");
            assert_eq!(bench.get_at("GlobalCellState", in_slot_2).await, None, "{keys:?}");
            bench.write(TAKE, Heartbeat { slot: 2, ..heartbeat(RIVAL, RUN, 8) }).await;
            let there = bench.get_at("GlobalCellState", in_slot_2).await.unwrap();
            assert_eq!(there["tg_seq"], json!({ "N": "8" }), "{keys:?}");
        })
        .await;
    });
}

#[test]
fn a_read_finds_every_source_of_its_slot_and_no_other_slots() {
    with_credentials(async || {
        on_each(async |Shape { keys, .. }, bench| {
            assert_eq!(bench.read().await, SlotRead::default(), "{keys:?}: nobody has written yet");
            let theirs = Heartbeat { source: Arc::from(TARGET), ..heartbeat(RIVAL, RUN, 3) };
            bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
            bench.write(TAKE, Heartbeat { slot: 1, ..heartbeat(ME, RUN, 0) }).await;
            let write = Write { source: TARGET_ID, ..write(TAKE, theirs.clone()) };
            assert_eq!(bench.store.write(write).await.outcome, ACKNOWLEDGED, "{keys:?}");
            let expected = [(SOURCE_ID, heartbeat(ME, RUN, 0)), (TARGET_ID, theirs)];
            let expected = expected.map(|(region, heartbeat)| (region, Found::Heartbeat(heartbeat)));
            for region in [SOURCE_ID, TARGET_ID] {
                let mut read = SlotRead::default();
                for _ in 0..500 {
                    let answer = bench.store.read(region, 0, Consistency::Strong).await;
                    assert!(answer.capacity_units > 0.0, "{keys:?}: {answer:?}");
                    read = answer.outcome.unwrap();
                    if read.found.len() == expected.len() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                read.found.sort_by_key(|(region, _)| region.0);
                assert_eq!(read, SlotRead { found: expected.to_vec(), unknown_sources: 0 }, "{keys:?} in {region:?}");
            }
        })
        .await;
    });
}

#[test]
fn what_lies_beside_ours_is_nobodys_heartbeat() {
    with_credentials(async || {
        on_each(async |Shape { keys, beside, .. }, bench| {
            bench.put_at(beside, item()).await;
            bench.write(TAKE, heartbeat(ME, RUN, 0)).await;
            // Without a sort key it is not even looked at.
            let unknown_sources = u32::from(keys.sort.is_some());
            let found = vec![(SOURCE_ID, Found::Heartbeat(heartbeat(ME, RUN, 0)))];
            assert_eq!(bench.read().await, SlotRead { found, unknown_sources }, "{keys:?}");
        })
        .await;
    });
}

#[test]
fn what_is_no_heartbeat_under_our_key_is_told_and_replaced() {
    with_credentials(async || {
        on_each(async |Shape { keys, ours, .. }, bench| {
            for (item, invalid) in [
                (json!({ "application": { "S": "wrote this" } }), Invalid::Missing(attribute::VERSION)),
                (item_with("tg_source", json!({ "S": TARGET })), Invalid::Misplaced(attribute::SOURCE)),
                (item_with("tg_slot", json!({ "N": "1" })), Invalid::Misplaced(attribute::SLOT)),
            ] {
                bench.put_at(ours, item).await;
                assert_eq!(bench.stored().await, Some(Found::Invalid(invalid)), "{keys:?}");
                let refusal = bench.write(Expect::Steady, heartbeat(ME, RUN, 1)).await;
                assert_eq!(refusal, WriteOutcome::Refused { stored: Some(Found::Invalid(invalid)) }, "{keys:?}");
                assert_eq!(bench.write(Expect::ReplaceInvalid, heartbeat(ME, RUN, 0)).await, ACKNOWLEDGED, "{keys:?}");
                assert_eq!(bench.stored().await, Some(Found::Heartbeat(heartbeat(ME, RUN, 0))), "{keys:?}");
            }
        })
        .await;
    });
}

#[test]
fn a_retired_source_is_forgotten_in_every_kind_of_table() {
    with_credentials(async || {
        on_each(async |Shape { keys, .. }, bench| {
            // None of the store's regions any more.
            let retired: Arc<str> = Arc::from("ap-southeast-2");
            assert_eq!(bench.store.look(SOURCE_ID, &retired, 2).await, Ok(None), "{keys:?}");
            let last = Heartbeat { source: Arc::clone(&retired), slot: 2, ..heartbeat(RIVAL, RUN, 9) };
            bench.write(TAKE, last.clone()).await;
            bench.write(TAKE, Heartbeat { slot: 2, ..heartbeat(ME, RUN, 0) }).await;
            let look = bench.store.look(SOURCE_ID, &retired, 2).await;
            assert_eq!(look, Ok(Some(Found::Heartbeat(last))), "{keys:?}");
            assert_eq!(bench.store.remove(SOURCE_ID, &retired, 2, beat(RUN, 8)).await, Ok(false), "{keys:?}: it moved");
            assert_eq!(bench.store.remove(SOURCE_ID, &retired, 2, beat(RUN, 9)).await, Ok(true), "{keys:?}");
            assert_eq!(bench.store.look(SOURCE_ID, &retired, 2).await, Ok(None), "{keys:?}");
            let others = bench.store.look(SOURCE_ID, &Arc::from(SOURCE), 2).await.unwrap();
            assert!(matches!(others, Some(Found::Heartbeat(_))), "{keys:?}: the others' are untouched");
        })
        .await;
    });
}

#[test]
fn a_slot_can_be_held_back_by_the_digits_of_its_key() {
    with_credentials(async || {
        for (keys, held) in [
            (TableKeys::two(KeyKind::N, KeyKind::N), "-10000000000000000000000000000000000000"),
            (TableKeys::one(KeyKind::N), "-10000000000000000000000000002003110180"),
            (TableKeys::one(KeyKind::S), "tidegauge-0-us-east-1"),
        ] {
            let bench = Bench::with_keys(keys).await;
            bench.lab.hold_partition_key(SOURCE, TARGET, held).await;
            for slot in [0, 1] {
                bench.write(TAKE, Heartbeat { slot, ..heartbeat(ME, RUN, 0) }).await;
            }
            for _ in 0..500 {
                let there = bench.store.read(TARGET_ID, 1, Consistency::Strong).await.outcome.unwrap();
                if !there.found.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(bench.lab.waiting(SOURCE, TARGET).await, 1, "{keys:?}");
        }
    });
}

#[test]
fn a_number_is_known_again_however_the_store_writes_it() {
    with_credentials(async || {
        let cases = [
            (TableKeys::two(KeyKind::N, KeyKind::N), "SK", "2.00311018E+9", "Items"),
            (TableKeys::one(KeyKind::N), "PK", "-1.000000000000000000000000000200311018E+37", "Responses"),
        ];
        for (keys, key, number, list) in cases {
            let lab = Lab::builder().regions([SOURCE, TARGET]).keys(keys).start().await;
            let items = json!([item_with(key, json!({ "N": number }))]);
            let body = match list {
                "Items" => json!({ "Items": items }),
                _ => json!({ "Responses": { "GlobalCellState": items } }),
            };
            let (endpoint, _requests) = answer_in_turn(vec![answer(&body)]).await;
            let store = store(&lab, DEADLINE, |settings| settings.regions[0].endpoint = Some(endpoint)).await;
            let found = vec![(SOURCE_ID, Found::Heartbeat(heartbeat(RIVAL, RUN, 7)))];
            let read = store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome;
            assert_eq!(read, Ok(SlotRead { found, unknown_sources: 0 }), "{keys:?}");
        }
    });
}

/// A whole answer with this body, after which the client is to come anew.
fn answer(body: &Json) -> Vec<u8> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", body.len());
    format!("{head}\r\n\r\n{body}").into_bytes()
}
