//! What goes over the ports: the account, the requests that are counted, queries, keys of other kinds, encodings.

use azure_data_cosmos::PartitionKey;

use super::*;

/// `GET /` over HTTP/1.1, as it is asked for without the SDK: its answer's headers, and its body.
pub(super) async fn account(lab: &CosmosLab, region: &str) -> (reqwest::header::HeaderMap, Value) {
    let answer = get(&lab.region_endpoint(region), true).await;
    assert_eq!(answer.status(), 200);
    (answer.headers().clone(), answer.json().await.unwrap())
}

pub(super) async fn get(url: &str, is_signed: bool) -> reqwest::Response {
    let http = reqwest::Client::builder().no_proxy().http1_only().build().unwrap();
    let mut request = http.get(url);
    if is_signed {
        request = request.header("authorization", "type%3dmaster%26ver%3d1.0%26sig%3dbGFi");
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn the_account_names_its_regions_and_says_what_time_it_is() {
    let lab = cosmos().await;
    let before = lab.now();
    let (headers, account) = account(&lab, WEST).await;
    let date = headers["date"].to_str().unwrap();
    assert!(date.ends_with(" GMT") && date.contains(':'), "{date}");
    assert!(headers.contains_key("x-ms-activity-id"), "{headers:?}");
    let regions = account["readableLocations"].as_array().unwrap();
    for (region, name) in regions.iter().zip([EAST, WEST, SOUTH]) {
        assert_eq!(region["name"], name);
        let endpoint = region["databaseAccountEndpoint"].as_str().unwrap();
        assert_eq!(endpoint.trim_end_matches('/'), lab.region_endpoint(name));
    }
    assert_eq!(account["enableMultipleWriteLocations"], true, "{account}");
    assert_eq!(account["writableLocations"].as_array().unwrap().len(), 3);
    assert_eq!(account["userConsistencyPolicy"]["defaultConsistencyLevel"], "Session");
    assert_eq!(lab.request_count(WEST, Operation::Account), 1);
    assert!(lab.now() > before);
}

#[tokio::test]
async fn what_the_service_refuses_the_lab_refuses() {
    let lab = cosmos().await;
    let unsigned = get(&lab.endpoint(), false).await;
    assert_eq!(unsigned.status(), 401);
    assert!(unsigned.headers().contains_key("date"), "a refusal says what time it is, too");
    lab.set_mode(EAST, CosmosMode::Refusing(Part::Everything, Refusal::throttled())).await;
    let throttled = get(&lab.endpoint(), true).await;
    assert_eq!(throttled.status(), 429);
    assert_eq!(throttled.headers()["x-ms-substatus"], "3200");
    assert_eq!(throttled.headers()["x-ms-retry-after-ms"], "25");
    assert_eq!(throttled.json::<Value>().await.unwrap()["code"], "TooManyRequests");
    lab.set_mode(EAST, CosmosMode::Up).await;
    let nothing = get(&format!("{}/dbs/{DATABASE}/colls/nothing", lab.endpoint()), true).await;
    assert_eq!(nothing.status(), 404);
}

#[tokio::test]
async fn requests_are_counted_by_region_and_operation() {
    let lab = cosmos().await;
    let east = Pinned::of(&lab, EAST).await;
    east.create(0, EAST, 1).await.unwrap();
    east.replace(0, EAST, 2).await.unwrap();
    east.replace(0, EAST, 3).await.unwrap();
    east.container.upsert_item(partition_of(0), &id_of(EAST), &heartbeat(0, EAST, 4), None).await.unwrap();
    for _ in 0..3 {
        assert_eq!(east.read(0, EAST).await.unwrap(), Some(4));
    }
    east.query(0).await.unwrap();
    east.container.delete_item(partition_of(0), &id_of(EAST), None).await.unwrap();
    let expected = [
        (Operation::Create, 1),
        (Operation::Replace, 2),
        (Operation::Upsert, 1),
        (Operation::Read, 3),
        (Operation::Query, 1),
        (Operation::Delete, 1),
        (Operation::Batch, 0),
    ];
    println!("figure: requests of one client: {:?}", lab.requests(EAST));
    for (operation, count) in expected {
        assert_eq!(lab.request_count(EAST, operation), count, "{operation:?} of {:?}", lab.requests(EAST));
    }
    assert!(lab.request_count(EAST, Operation::Account) >= 1 && lab.request_count(EAST, Operation::Metadata) >= 1);
    let documents = |region| lab.requests(region).into_keys().any(|one| one.is_read() || one.is_write());
    assert!(!documents(WEST) && !documents(SOUTH), "{:?}", lab.requests(WEST));
}

#[tokio::test]
async fn a_query_by_partition_key_works_in_both_encodings() {
    let lab = cosmos().await;
    let east = Pinned::of(&lab, EAST).await;
    for slot in 0..3 {
        east.create(slot, EAST, 1).await.unwrap();
    }
    for is_binary in [false, true] {
        let (east, west) = (Pinned::with(&lab, EAST, is_binary).await, Pinned::with(&lab, WEST, is_binary).await);
        let seq = if is_binary { 3 } else { 2 };
        east.replace(1, EAST, seq).await.unwrap();
        assert_eq!(east.query(1).await.unwrap(), [(EAST.to_owned(), seq)]);
        assert_eq!(east.read(1, EAST).await.unwrap(), Some(seq));
        let arrived = async || west.query(1).await.unwrap() == [(EAST.to_owned(), seq)];
        eventually("what either encoding carried arrives", arrived).await;
        assert_eq!(lab.truth().commit(EAST, 1, 1, seq).unwrap().written_at_micros, Some(1_700_000_000_000_000));
        assert_eq!(east.query(9).await.unwrap(), []);
    }
}

#[tokio::test]
async fn documents_can_be_partitioned_by_their_ids() {
    let lab = CosmosLab::builder().regions([EAST, WEST]).lag(Lag::Fixed(LAG)).partition_key("/id").start().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    let id = "tidegauge-0-eastus";
    let mut document = heartbeat(0, EAST, 1);
    document["id"] = id.into();
    east.container.create_item(id, id, &document, None).await.unwrap();
    eventually("it arrives", async || shows(&lab, WEST, 1)).await;
    let read = west.container.read_item(id, id, None).await.unwrap().into_model::<Value>().unwrap();
    assert_eq!(seq_of(&read), 1);
    assert!(lab.peek(WEST, "[\"tidegauge-0-eastus\"]", id).await.is_some());
}

#[tokio::test]
async fn keys_may_have_two_levels() {
    let lab = CosmosLab::builder().regions([EAST, WEST]).lag(Lag::Fixed(LAG));
    let lab = lab.hierarchical_partition_key(["/pk", "/tg_source"]).start().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    for (client, source) in [(&east, EAST), (&west, WEST)] {
        let key = PartitionKey::from((partition_of(0), source.to_owned()));
        client.container.create_item(key, &id_of(source), &heartbeat(0, source, 1), None).await.unwrap();
    }
    let key = PartitionKey::from((partition_of(0), EAST.to_owned()));
    eventually("it arrives", async || shows(&lab, WEST, 1)).await;
    let read = west.container.read_item(key, &id_of(EAST), None).await.unwrap().into_model::<Value>().unwrap();
    assert_eq!(seq_of(&read), 1);
    // The first level alone is a prefix of the key: one query finds every source.
    let both = [(EAST.to_owned(), 1), (WEST.to_owned(), 1)];
    assert_eq!(west.query(0).await.unwrap(), both);
}

#[tokio::test]
async fn a_partition_splits_under_a_client_that_goes_on() {
    let lab = CosmosLab::builder().regions([EAST, WEST]).lag(Lag::Fixed(LAG)).partitions(1).start().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    for slot in 0..4 {
        east.create(slot, EAST, 1).await.unwrap();
    }
    assert_eq!(east.container.read_feed_ranges(None).await.unwrap().len(), 1);
    lab.split_partition(0).await;
    for slot in 0..4 {
        east.replace(slot, EAST, 2).await.unwrap();
        let arrived = async || west.query(slot).await.unwrap() == [(EAST.to_owned(), 2)];
        eventually("it arrives on the other side of the split", arrived).await;
    }
    let fresh = Pinned::of(&lab, WEST).await;
    assert_eq!(fresh.container.read_feed_ranges(None).await.unwrap().len(), 2);
}

#[tokio::test]
async fn containers_come_and_go() {
    let lab = CosmosLab::builder().regions([EAST, WEST]).without_container().start().await;
    let container = format!("{}/dbs/{DATABASE}/colls/{CONTAINER}", lab.endpoint());
    assert_eq!(get(&container, true).await.status(), 404);
    lab.create_container(CONTAINER, &["/pk"]);
    assert_eq!(get(&container, true).await.status(), 200);
    assert_eq!(get(&format!("{container}/"), true).await.status(), 200, "as the SDK for Python spells it");
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    east.create(0, EAST, 1).await.unwrap();
    lab.drop_container(CONTAINER).await;
    let gone = east.replace(0, EAST, 2).await.expect_err("it is gone");
    assert_eq!(status_of(&gone).0, 404);
    assert_eq!(get(&container, true).await.status(), 404);
    // A new one has another identity: clients of the old one have to find that out.
    lab.create_container(CONTAINER, &["/pk"]);
    lab.set_lag(Lag::Fixed(LAG));
    assert_eq!(west.read(0, EAST).await.unwrap(), None);
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    east.create(0, EAST, 1).await.unwrap();
    eventually("it arrives", async || west.read(0, EAST).await.unwrap() == Some(1)).await;
}

#[tokio::test]
async fn the_settings_it_renders_are_toml_and_name_the_account() {
    let lab = CosmosLab::builder().regions([EAST, WEST]).start().await;
    let text = lab.settings().listen("127.0.0.1:9746").interval("200ms").local_region(EAST).to_toml();
    let settings = config::Config::builder().add_source(config::File::from_str(&text, config::FileFormat::Toml));
    let settings: Value = settings.build().unwrap().try_deserialize().unwrap();
    assert_eq!(settings["cell"], json!({ "name": "eastus-a", "azure_region": EAST }), "{text}");
    let store = &settings["stores"][0];
    assert_eq!(store["name"], "carts");
    assert_eq!(store["regions"], json!([{ "name": EAST }, { "name": WEST }]));
    let container = json!({
        "endpoint": lab.endpoint(), "database": DATABASE, "container": CONTAINER,
        "auth": "key", "key_env": "COSMOS_KEY",
    });
    assert_eq!(store["cosmos"], container, "{text}");
}

#[tokio::test]
async fn it_can_be_worked_by_hand() {
    let lab = Arc::new(cosmos().await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control = format!("http://{}/cosmos", listener.local_addr().unwrap());
    let router = axum::Router::new().nest("/cosmos", control::router(Arc::clone(&lab)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| {
        http.post(format!("{control}{path}")).json(&body).send().await.unwrap().status().as_u16()
    };
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    let pair = json!({ "source_region": "eastus", "target_region": WEST });
    assert_eq!(post("/pause", pair.clone()).await, 200);
    east.create(0, EAST, 1).await.unwrap();
    eventually("it waits", async || lab.waiting(EAST, WEST).await == 1).await;
    assert_eq!(post("/resume", pair).await, 200);
    assert_eq!(west.read(0, EAST).await.unwrap(), Some(1));

    assert_eq!(post("/region", json!({ "name": WEST, "mode": "queue-full" })).await, 200);
    assert_eq!(status_of(&west.create(0, WEST, 1).await.expect_err("it was told so")), (429, 3075));
    assert_eq!(post("/region", json!({ "name": WEST, "mode": "expired" })).await, 400);
    assert_eq!(post("/region", json!({ "name": "nowhere", "mode": "up" })).await, 400);
    let text = async |path: &str| http.get(format!("{control}{path}")).send().await.unwrap().text().await.unwrap();
    let page = text("").await;
    assert!(page.contains("queue-full") && page.contains(&lab.region_endpoint(SOUTH)), "{page}");
    let state: Value = serde_json::from_str(&text("/state").await).unwrap();
    assert_eq!(state["regions"][1]["requests"]["Create"], 1, "{state}");
    let truth: Value =
        serde_json::from_str(&text("/truth?source_region=eastus&target_region=westeurope").await).unwrap();
    assert_eq!(truth["pairs"][0]["heartbeats"][0]["seq"], 1, "{truth}");
}
