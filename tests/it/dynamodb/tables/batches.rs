//! Reads of tables without a sort key: batches of keys, some of which the store may leave unanswered.

use super::*;

/// A lab whose table has one key, a store of which the first region is a server that gives these answers in turn, and what
/// that server was asked.
async fn canned(answers: &[Json]) -> (DynamoDbStore, UnboundedReceiver<String>) {
    let lab = Lab::builder().regions([SOURCE, TARGET]).keys(TableKeys::one(KeyKind::S)).start().await;
    let (endpoint, requests) = answer_in_turn(answers.iter().map(answer).collect()).await;
    let store = store(&lab, DEADLINE, |settings| settings.regions[0].endpoint = Some(endpoint)).await;
    (store, requests)
}

/// The bodies of all requests so far.
fn asked(requests: &mut UnboundedReceiver<String>) -> Vec<Json> {
    let mut bodies = Vec::new();
    while let Ok(request) = requests.try_recv() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("x-amz-target: dynamodb_20120810.batchgetitem"), "{head}");
        bodies.push(serde_json::from_str(body).unwrap());
    }
    bodies
}

fn key(source: &str) -> Json {
    json!({ "PK": { "S": format!("tidegauge-0-{source}") } })
}

fn stored(source: &str) -> Json {
    let mut item = item_with("tg_source", json!({ "S": source }));
    item["PK"] = json!({ "S": format!("tidegauge-0-{source}") });
    item
}

/// An answer with these items, these keys left unanswered, and so many units consumed.
fn batch(items: &[Json], unprocessed: &[Json], units: f64) -> Json {
    let mut answer = json!({
        "Responses": { "GlobalCellState": items },
        "UnprocessedKeys": {},
        "ConsumedCapacity": [{ "TableName": "GlobalCellState", "CapacityUnits": units }],
    });
    if !unprocessed.is_empty() {
        answer["UnprocessedKeys"]["GlobalCellState"] = json!({ "Keys": unprocessed });
    }
    answer
}

fn found(region: RegionId, source: &str) -> (RegionId, Found) {
    (region, Found::Heartbeat(Heartbeat { source: Arc::from(source), ..heartbeat(RIVAL, RUN, 7) }))
}

#[test]
fn one_request_asks_for_every_source_as_consistently_as_it_is_asked_to() {
    with_credentials(async || {
        for (read, consistent) in [(Consistency::Strong, true), (Consistency::Eventual, false)] {
            let (store, mut requests) = canned(&[json!({})]).await;
            assert_eq!(store.read(SOURCE_ID, 0, read).await, Answer::free(Ok(SlotRead::default())));
            let asked = asked(&mut requests);
            assert_eq!(asked.len(), 1, "{asked:?}");
            let table = &asked[0]["RequestItems"]["GlobalCellState"];
            assert_eq!(table["Keys"], json!([key(SOURCE), key(TARGET)]));
            assert_eq!(table["ConsistentRead"], consistent, "{table}");
            assert!(table["ProjectionExpression"].as_str().unwrap().contains("tg_seq"), "{table}");
            assert_eq!(asked[0]["ReturnConsumedCapacity"], "TOTAL");
        }
    });
}

#[test]
fn what_was_left_unanswered_is_asked_for_again_and_its_units_count() {
    with_credentials(async || {
        let answers = [
            batch(&[stored(SOURCE)], &[key(TARGET)], 1.0),
            batch(&[], &[key(TARGET)], 0.0),
            batch(&[stored(TARGET)], &[], 0.5),
        ];
        let (store, mut requests) = canned(&answers).await;
        let read = store.read(SOURCE_ID, 0, Consistency::Strong).await;
        let both = vec![found(SOURCE_ID, SOURCE), found(RegionId(1), TARGET)];
        assert_eq!(read.outcome, Ok(SlotRead { found: both, unknown_sources: 0 }));
        assert!((read.capacity_units - 1.5).abs() < 1e-9, "{read:?}");
        let asked = asked(&mut requests);
        let keys: Vec<&Json> = asked.iter().map(|body| &body["RequestItems"]["GlobalCellState"]["Keys"]).collect();
        assert_eq!(keys, [&json!([key(SOURCE), key(TARGET)]), &json!([key(TARGET)]), &json!([key(TARGET)])]);
        let again = &asked[1]["RequestItems"]["GlobalCellState"];
        assert_eq!((&again["ConsistentRead"], &again["ExpressionAttributeNames"]["#pk"]), (&json!(true), &json!("PK")));
    });
}

#[test]
fn a_source_that_is_missing_once_everything_is_answered_is_missing() {
    with_credentials(async || {
        let answers = [batch(&[stored(SOURCE)], &[key(TARGET)], 1.0), batch(&[], &[], 1.0)];
        let (store, _requests) = canned(&answers).await;
        let read = store.read(SOURCE_ID, 0, Consistency::Strong).await;
        assert_eq!(read.outcome, Ok(SlotRead { found: vec![found(SOURCE_ID, SOURCE)], unknown_sources: 0 }));
    });
}

#[test]
fn what_is_never_answered_fails_the_read_as_throttled() {
    with_credentials(async || {
        let (store, mut requests) = canned(&[batch(&[stored(SOURCE)], &[key(TARGET)], 0.5)]).await;
        let read = store.read(SOURCE_ID, 0, Consistency::Strong).await;
        let failure = read.outcome.unwrap_err();
        assert_eq!(failure.reason, Reason::Throttled);
        assert!(failure.message.starts_with("1 of 2 keys of slot 0 in GlobalCellState were left"), "{failure:?}");
        assert_eq!(asked(&mut requests).len(), 4, "as often as is bearable, and no more");
        assert!((read.capacity_units - 2.0).abs() < 1e-9, "what was consumed is told all the same");
    });
}

#[test]
fn a_batch_that_fails_says_why_and_is_not_repeated() {
    with_credentials(async || {
        let bench = Bench::with_keys(TableKeys::one(KeyKind::S)).await;
        for (mode, reason) in [(Mode::Throttled, Reason::Throttled), (Mode::Denied, Reason::Denied)] {
            bench.lab.set_mode(SOURCE, mode).await;
            let before = bench.requests();
            let failure = bench.store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap_err();
            assert_eq!(failure.reason, reason, "{failure:?}");
            assert_eq!(bench.requests() - before, 1, "{mode:?}");
        }
        bench.lab.set_mode(SOURCE, Mode::Up).await;
        bench.lab.drop_table("GlobalCellState");
        let failure = bench.store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap_err();
        assert_eq!(failure.reason, Reason::NotFound, "{failure:?}");
    });
}
