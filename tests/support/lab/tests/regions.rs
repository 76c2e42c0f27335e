//! Regions: their network, their ways of being out of order, their tables.

use std::error::Error;
use std::io::ErrorKind;

use super::*;

#[tokio::test]
async fn a_client_that_gives_up_commits_all_the_same() {
    let lab = lab().await;
    let late = Straggler { probability: 1.0, delay: Delay::Fixed(Duration::from_millis(300)) };
    lab.set_network(SOURCE, Network { late_writes: Some(late), ..Network::direct() });
    let hasty = Client::with_deadline(&lab, SOURCE, Duration::from_millis(100));
    // Late on the way there or on the way back, as it falls: both are to commit.
    for seq in 1..=6 {
        let given_up = hasty.beat(0, seq).await.expect_err("the deadline is before the answer");
        assert!(given_up.is_timeout(), "{given_up}");
        eventually("it commits", async || lab.truth().commit(SOURCE, 0, 1, seq).is_some()).await;
    }
    eventually("it arrives", async || is_visible(&lab, 6)).await;
}

#[tokio::test]
async fn the_hostile_network_delays_both_ways() {
    let lab = lab().await;
    lab.set_network(SOURCE, Network::hostile());
    let source = Client::of(&lab, SOURCE);
    for seq in 1..=5 {
        let sent = lab.now();
        source.beat(0, seq).await.unwrap();
        let answered = lab.now();
        let at = lab.truth().commit(SOURCE, 0, 1, seq).unwrap().at;
        assert!(at.after.instant - sent.instant >= Duration::from_millis(20));
        assert!(answered.instant - at.before.instant >= Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_region_goes_down_in_three_ways_and_comes_back_on_its_port() {
    let lab = lab().await;
    let (source, target) = (Client::of(&lab, SOURCE), Client::of(&lab, TARGET));
    let endpoint = lab.endpoint(TARGET);
    assert_eq!(target.seen(0).await, None, "there is an idle connection now");

    lab.set_mode(TARGET, Mode::Down(Down::Refuse)).await;
    let refused = target.call("ListTables", json!({})).await.expect_err("nobody listens");
    assert!(refused.is_connect(), "{refused:?}");
    source.beat(0, 1).await.unwrap();
    eventually("it waits for the region", async || lab.waiting(SOURCE, TARGET).await == 1).await;
    lab.set_mode(TARGET, Mode::Up).await;
    assert_eq!(lab.endpoint(TARGET), endpoint);
    assert_eq!(target.seen(0).await, Some(1), "what waited is there");

    lab.set_mode(TARGET, Mode::Down(Down::Hang)).await;
    let hasty = Client::with_deadline(&lab, TARGET, Duration::from_millis(150));
    let hung = hasty.call("ListTables", json!({})).await.expect_err("nobody answers");
    assert!(hung.is_timeout() && !hung.is_connect(), "{hung:?}");

    lab.set_mode(TARGET, Mode::Down(Down::Reset)).await;
    let reset = target.call("ListTables", json!({})).await.expect_err("the connection is reset");
    let mut cause = reset.source();
    let mut kinds = Vec::new();
    while let Some(error) = cause {
        kinds.extend(error.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
        cause = error.source();
    }
    let reset_by_peer = kinds.iter().any(|kind| matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    assert!(reset_by_peer, "{reset:?}");
    lab.set_mode(TARGET, Mode::Up).await;
    assert_eq!(target.seen(0).await, Some(1));
}

#[tokio::test]
async fn a_write_under_way_to_a_region_that_goes_down_is_lost() {
    let lab = lab().await;
    lab.set_network(SOURCE, Network::each_way(Duration::from_millis(200)));
    let source = Client::of(&lab, SOURCE);
    let write = tokio::spawn(async move { source.beat(0, 1).await });
    sleep(Duration::from_millis(80)).await;
    lab.set_mode(SOURCE, Mode::Down(Down::Refuse)).await;
    write.await.unwrap().expect_err("its connection was closed");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(lab.truth().count(), 0);
}

#[tokio::test]
async fn a_region_refuses_in_each_way() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    for (mode, status, kind) in [
        (Mode::Throttled, 400, "#ProvisionedThroughputExceededException"),
        (Mode::Denied, 400, "#AccessDeniedException"),
        (Mode::ExpiredToken, 400, "#ExpiredTokenException"),
        (Mode::UnrecognizedClient, 400, "#UnrecognizedClientException"),
        (Mode::InternalError, 500, "#InternalServerError"),
    ] {
        lab.set_mode(SOURCE, mode).await;
        let (answered, answer) = source.beat(0, 1).await.unwrap();
        assert_eq!(answered, status);
        assert!(answer["__type"].as_str().unwrap().ends_with(kind), "{answer}");
    }
    lab.set_mode(SOURCE, Mode::Slow(Duration::from_millis(120))).await;
    let sent = lab.now();
    assert_eq!(source.beat(0, 1).await.unwrap().0, 200);
    assert!(lab.now().instant - sent.instant >= Duration::from_millis(120));
    assert_eq!(lab.truth().count(), 1, "nothing that was refused");
}

#[tokio::test]
async fn tables_come_and_go() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    let describe = json!({ "TableName": "GlobalCellState" });
    assert_eq!(source.call("DescribeTable", describe.clone()).await.unwrap().1["Table"]["TableStatus"], "ACTIVE");
    lab.drop_table("GlobalCellState");
    let (status, answer) = source.beat(0, 1).await.unwrap();
    assert_eq!(status, 400);
    assert!(answer["__type"].as_str().unwrap().ends_with("#ResourceNotFoundException"), "{answer}");
    lab.create_table("GlobalCellState", TableKeys::default());
    assert_eq!(source.beat(0, 1).await.unwrap().0, 200);
    eventually("it replicates again", async || is_visible(&lab, 1)).await;

    // Over the wire a table is one region's; a write to it is lost where the table is not.
    let create = json!({
        "TableName": "Companion",
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    for region in [SOURCE, TARGET] {
        assert_eq!(Client::of(&lab, region).call("CreateTable", create.clone()).await.unwrap().0, 200);
    }
    let put = json!({ "TableName": "Companion", "Item": { "id": { "S": "a" } } });
    assert_eq!(source.call("PutItem", put).await.unwrap().0, 200);
    let get = json!({ "TableName": "Companion", "Key": { "id": { "S": "a" } } });
    let target = Client::of(&lab, TARGET);
    eventually("it replicates", async || {
        target.call("GetItem", get.clone()).await.unwrap().1["Item"]["id"]["S"] == "a"
    })
    .await;
}

#[tokio::test]
async fn what_the_service_refuses_the_lab_refuses() {
    let lab = lab().await;
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    let unsigned = bare.post(lab.endpoint(SOURCE)).header("X-Amz-Target", "DynamoDB_20120810.ListTables").body("{}");
    let answer = unsigned.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert!(answer.headers().contains_key("date"), "the server's clock is told");
    assert!(answer.text().await.unwrap().contains("MissingAuthenticationToken"));

    let source = Client::of(&lab, SOURCE);
    let (status, answer) = source.call("PutItem", json!({ "TableName": "GlobalCellState" })).await.unwrap();
    assert_eq!(status, 400);
    assert!(answer["__type"].as_str().unwrap().ends_with("#ValidationException"), "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(!message.starts_with("VALIDATION") && !message.contains("at line"), "{message}");
    let (status, answer) = source.call("TransactWriteItems", json!({})).await.unwrap();
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("does not offer"), "{answer}");
}

#[tokio::test]
async fn dropped_it_lets_go_of_its_ports() {
    let lab = lab().await;
    let endpoint = lab.endpoint(SOURCE);
    let address = endpoint.strip_prefix("http://").unwrap().to_owned();
    lab.set_network(SOURCE, Network::each_way(Duration::from_secs(60)));
    let hanging = Client::of(&lab, SOURCE);
    let waiting = tokio::spawn(async move { hanging.beat(0, 1).await });
    sleep(Duration::from_millis(50)).await;
    drop(lab);
    waiting.await.unwrap().expect_err("the connection is closed");
    eventually("the port is free", async || tokio::net::TcpListener::bind(&address).await.is_ok()).await;
}
