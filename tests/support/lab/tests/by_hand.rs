//! The control API and the settings for the daemon.

use super::*;

#[tokio::test]
async fn it_can_be_worked_by_hand() {
    let lab = Arc::new(lab().await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control = format!("http://{}", listener.local_addr().unwrap());
    let router = control::router(Arc::clone(&lab));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| {
        http.post(format!("{control}{path}")).json(&body).send().await.unwrap().status().as_u16()
    };

    let pair = json!({ "source_region": SOURCE, "target_region": TARGET });
    assert_eq!(post("/pause", pair.clone()).await, 200);
    let source = Client::of(&lab, SOURCE);
    source.beat(0, 1).await.unwrap();
    eventually("it waits", async || lab.waiting(SOURCE, TARGET).await == 1).await;
    assert_eq!(post("/resume", pair.clone()).await, 200);
    assert!(is_visible(&lab, 1));
    assert_eq!(post("/region", json!({ "name": SOURCE, "mode": "throttled" })).await, 200);
    assert_eq!(source.beat(0, 2).await.unwrap().0, 400);
    assert_eq!(post("/region", json!({ "name": SOURCE, "mode": "up" })).await, 200);
    assert_eq!(post("/lag", json!({ "median_seconds": 0.01 })).await, 200);
    assert_eq!(post("/network", json!({ "each_way_seconds": 0.001 })).await, 200);
    let held = json!({ "source_region": SOURCE, "target_region": TARGET, "partition_key": "tidegauge-0" });
    assert_eq!(post("/hold", held.clone()).await, 200);
    assert_eq!(post("/release", held).await, 200);
    assert_eq!(post("/region", json!({ "name": "nowhere", "mode": "up" })).await, 400);
    assert_eq!(post("/pause", json!({ "source_region": SOURCE, "target_region": SOURCE })).await, 400);

    let get = async |path: &str| http.get(format!("{control}{path}")).send().await.unwrap().text().await.unwrap();
    let page = get("/").await;
    assert!(page.contains(&lab.endpoint(TARGET)) && page.contains("curl"), "{page}");
    let truth: Value = serde_json::from_str(&get("/truth?limit=5&source_region=us-east-1").await).unwrap();
    assert_eq!(truth["heartbeats"], 1);
    assert!(truth["pairs"][0]["heartbeats"][0]["lag_min_seconds"].as_f64().unwrap() >= 0.1, "{truth}");
    let state: Value = serde_json::from_str(&get("/state").await).unwrap();
    assert_eq!(state["regions"][0]["requests"]["PutItem"], 2, "{state}");
}

#[tokio::test]
async fn the_settings_it_renders_are_toml_and_name_its_ports() {
    let lab = lab().await;
    let text = lab.settings().listen("127.0.0.1:9746").interval("200ms").slots(2).to_toml();
    let settings = config::Config::builder().add_source(config::File::from_str(&text, config::FileFormat::Toml));
    let settings: Value = settings.build().unwrap().try_deserialize().unwrap();
    assert_eq!(settings["cell"]["central"], true, "{text}");
    assert_eq!(settings["stores"][0]["heartbeat"], json!({ "interval": "200ms", "slots": 2 }));
    assert_eq!(settings["stores"][0]["regions"][1]["endpoint"], lab.endpoint(TARGET));
    assert_eq!(settings["stores"][0]["dynamodb"]["sort_key"], "SK");
}
