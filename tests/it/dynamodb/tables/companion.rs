//! Heartbeats in a table of their own, beside the application's.

use super::*;

const COMPANION: &str = "TidegaugeHeartbeats";

#[test]
fn heartbeats_in_a_companion_leave_the_applications_table_alone() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.lab.create_table(COMPANION, TableKeys::one(KeyKind::S));
        let toml = bench.lab.settings().companion(COMPANION, TableKeys::one(KeyKind::S)).to_toml();
        let settings = Settings::from_toml(&toml).unwrap().stores.remove(0);
        let StoreKind::Dynamodb(dynamodb) = &settings.kind else { panic!("the lab is DynamoDB") };
        assert_eq!(dynamodb.table, "GlobalCellState", "the application's table is still known");
        let store = DynamoDbStore::from_settings(&settings, dynamodb, DEADLINE).await;

        assert_eq!(store.write(write(TAKE, heartbeat(RIVAL, RUN, 7))).await.outcome, ACKNOWLEDGED);
        let theirs = pair(json!({ "S": "tidegauge-0" }), json!({ "S": SOURCE }));
        assert_eq!(bench.get_at("GlobalCellState", &theirs).await, None);
        let ours = json!({ "PK": { "S": "tidegauge-0-us-east-1" } });
        assert!(bench.get_at(COMPANION, &ours).await.is_some());

        // What the application has under such a key is its own business.
        bench.put_at(&theirs, item_with("tg_seq", json!({ "N": "99" }))).await;
        let read = store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome;
        let found = vec![(SOURCE_ID, Found::Heartbeat(heartbeat(RIVAL, RUN, 7)))];
        assert_eq!(read, Ok(SlotRead { found, unknown_sources: 0 }));
        assert_eq!(store.remove(SOURCE_ID, &Arc::from(SOURCE), 0, beat(RUN, 7)).await, Ok(true));
        assert!(bench.get_at("GlobalCellState", &theirs).await.is_some());
    });
}
