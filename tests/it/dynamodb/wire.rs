//! What is asked for on the wire, where the lab could not tell the difference.

use tidegauge::core::model::Consistency;

use super::*;

const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// The body of the one request that a call makes.
async fn sent(edit: impl FnOnce(&mut StoreSettings), call: impl AsyncFnOnce(&DynamoDbStore)) -> (String, Json) {
    let lab = Lab::builder().regions([SOURCE, TARGET]).start().await;
    let (endpoint, mut requests) = answer_all_with(EMPTY).await;
    let store = store(&lab, DEADLINE, |settings| {
        settings.regions[0].endpoint = Some(endpoint);
        edit(settings);
    })
    .await;
    call(&store).await;
    let request = requests.recv().await.unwrap();
    assert!(requests.try_recv().is_err(), "one call, one request");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), serde_json::from_str(body).unwrap())
}

#[test]
fn reads_are_as_consistent_as_they_are_asked_to_be() {
    with_credentials(async || {
        for (read, consistent) in [(Consistency::Strong, true), (Consistency::Eventual, false)] {
            let (head, query) = sent(
                |_| {},
                async |store| {
                    assert_eq!(store.read(SOURCE_ID, 7, read).await, Answer::free(Ok(SlotRead::default())));
                },
            )
            .await;
            assert!(head.contains("x-amz-target: dynamodb_20120810.query"), "{head}");
            assert_eq!(query["ConsistentRead"], consistent, "{query}");
            assert_eq!(query["ExpressionAttributeValues"][":partition"]["S"], "tidegauge-7", "{query}");
            assert!(query["ProjectionExpression"].as_str().unwrap().contains("tg_seq"), "{query}");
            assert_eq!(query["ReturnConsumedCapacity"], "TOTAL", "{query}");
        }
    });
}

#[test]
fn what_is_replaced_is_read_strongly_whatever_the_settings_say() {
    with_credentials(async || {
        let (endpoint, mut requests) = answer_all_with(EMPTY).await;
        let lab = Lab::builder().regions([SOURCE, TARGET]).start().await;
        let store = store(&lab, DEADLINE, |settings| {
            settings.regions[0].endpoint = Some(endpoint);
            settings.read = Consistency::Eventual;
        })
        .await;
        store.write(write(Expect::ReplaceInvalid, heartbeat(ME, RUN, 0))).await;
        let get = requests.recv().await.unwrap();
        assert!(get.contains("GetItem") && get.contains("\"ConsistentRead\":true"), "{get}");
        let put = requests.recv().await.unwrap();
        assert!(put.contains("PutItem") && put.contains("attribute_not_exists(#pk)"), "{put}");
    });
}

#[test]
fn a_write_asks_for_what_a_refusal_has_to_tell() {
    with_credentials(async || {
        for (want_replaced, returned) in [(false, "NONE"), (true, "ALL_OLD")] {
            let (head, put) = sent(
                |_| {},
                async |store| {
                    let write = Write { want_replaced, ..write(Expect::Steady, heartbeat(ME, RUN, 1)) };
                    assert_eq!(store.write(write).await.outcome, ACKNOWLEDGED);
                },
            )
            .await;
            assert!(head.contains("x-amz-target: dynamodb_20120810.putitem"), "{head}");
            assert!(head.contains("credential=lab/") && head.contains("/us-east-1/dynamodb/"), "signed for its region");
            assert_eq!(put["ReturnValuesOnConditionCheckFailure"], "ALL_OLD", "{put}");
            assert_eq!(put["ReturnValues"], returned, "{put}");
        }
    });
}

#[test]
fn a_heartbeat_costs_one_write_unit_by_its_size() {
    with_credentials(async || {
        let (_, put) = sent(
            |_| {},
            async |store| {
                let widest = Heartbeat {
                    slot: u16::MAX,
                    host: "h".repeat(64).into(),
                    interval: Span::from_millis(86_400_000),
                    resigned: true,
                    ..heartbeat(WriterId(u128::MAX), 1 << 53, 1 << 53)
                };
                store.write(write(Expect::Steady, widest)).await;
            },
        )
        .await;
        let item = put["Item"].as_object().unwrap();
        // Numbers take less than their digits: this is an upper bound of what the store counts.
        let bytes: usize = item.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        println!("figure: the widest heartbeat has at most {bytes} bytes");
        assert!(bytes <= 1_024, "{bytes} bytes");
    });
}
