//! What the gauge answers when it is asked whether a write is visible, while a simulated store is measured in virtual time.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::alerts_http::STALL;
use crate::gauge::{Gauge, LAG_SECONDS};

const PAIR: &str = "store=orders&source_region=us-east-1&target_region=eu-west-1";

/// The answer, of which every field is there whether it is known or not.
async fn ask(gauge: &Gauge, query: &str) -> Json {
    let answer = gauge.get(&format!("/api/v1/visibility?{query}")).await;
    assert_eq!((answer.status, answer.kind.as_str()), (StatusCode::OK, "application/json"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], "success");
    let fields: BTreeSet<&str> = body["data"].as_object().unwrap().keys().map(String::as_str).collect();
    let promised = [
        "store",
        "source_region",
        "target_region",
        "age_seconds",
        "confidence",
        "probability",
        "within",
        "heartbeats",
        "certain",
        "window",
        "samples",
        "state",
        "placement",
        "read",
        "basis",
    ];
    assert_eq!(fields, BTreeSet::from(promised));
    let data = body["data"].clone();
    assert_eq!([&data["store"], &data["source_region"], &data["target_region"]], ["orders", "us-east-1", "eu-west-1"]);
    assert_eq!([&data["placement"], &data["read"]], ["inline", "strong"]);
    assert_eq!(data["certain"], false, "a heartbeat is another item");
    data
}

async fn bad(gauge: &Gauge, query: &str) -> String {
    gauge.get(&format!("/api/v1/visibility?{query}")).await.problem(StatusCode::BAD_REQUEST, "bad_data")
}

#[tokio::test(start_paused = true)]
async fn an_age_has_a_probability_and_what_the_heartbeats_show() {
    let gauge = Gauge::after(Duration::from_secs(700), 1).await;
    let old = ask(&gauge, &format!("{PAIR}&age=30s")).await;
    assert_eq!((&old["age_seconds"], &old["confidence"], &old["within"]), (&json!(30.0), &Json::Null, &Json::Null));
    assert_eq!([&old["heartbeats"], &old["state"], &old["window"]], ["passed", "ok", "10m"]);
    let samples = old["samples"].as_u64().unwrap();
    assert!((530..=600).contains(&samples), "{old}");
    let most = 1.0 - 1.0 / (samples as f64 + 1.0);
    assert_eq!(old["probability"], json!({ "pessimistic": 0.99, "optimistic": most }), "{old}");
    let basis = old["basis"].as_str().unwrap();
    for word in [
        &format!("{samples} heartbeats"),
        "last 10 minutes",
        "written after it is visible in eu-west-1",
        "session token",
    ] {
        assert!(basis.contains(word), "{word}: {basis}");
    }
    let fresh = ask(&gauge, &format!("{PAIR}&age=0.1")).await;
    assert_eq!(fresh["probability"], json!({ "pessimistic": 0.0, "optimistic": 0.1 }), "{fresh}");
    assert!(["not_passed", "between"].contains(&fresh["heartbeats"].as_str().unwrap()), "{fresh}");
    let hour = ask(&gauge, &format!("{PAIR}&age=1500ms&window=60m")).await;
    assert_eq!((&hour["window"], &hour["age_seconds"]), (&json!("60m"), &json!(1.5)));
    assert!(hour["samples"].as_u64().unwrap() > samples, "{hour}");
}

#[tokio::test(start_paused = true)]
async fn an_instant_is_an_age_by_this_host_s_clock_and_none_in_the_future() {
    let gauge = Gauge::after(Duration::from_secs(700), 1).await;
    // It started at midnight.
    let answer = ask(&gauge, &format!("{PAIR}&written_at=2026-01-01T00:11:30Z")).await;
    assert!((answer["age_seconds"].as_f64().unwrap() - 10.0).abs() < 0.01, "{answer}");
    assert_eq!(answer["heartbeats"], "passed");
    let says = bad(&gauge, &format!("{PAIR}&written_at=2026-01-01T00:11:42Z")).await;
    assert!(says.contains("ahead of this host's clock, which shows 2026-01-01T00:11:40"), "{says}");
}

#[tokio::test(start_paused = true)]
async fn a_confidence_has_a_time_where_the_data_reaches_and_says_which_it_is_for() {
    let gauge = Gauge::after(Duration::from_secs(700), 1).await;
    for (asked, answered) in [(0.5, 0.5), (0.97, 0.98), (0.99, 0.99)] {
        let answer = ask(&gauge, &format!("{PAIR}&confidence={asked}")).await;
        assert_eq!([&answer["confidence"], &answer["within"]["confidence"]], [asked, answered]);
        let [early, late] =
            ["optimistic_seconds", "pessimistic_seconds"].map(|end| answer["within"][end].as_f64().unwrap());
        assert!(early <= LAG_SECONDS && (LAG_SECONDS..LAG_SECONDS + 0.5).contains(&late), "{answer}");
        assert_eq!([&answer["age_seconds"], &answer["probability"], &answer["heartbeats"]], [&Json::Null; 3]);
    }
    let beyond = ask(&gauge, &format!("{PAIR}&confidence=0.999")).await;
    let nobody_knows = json!({ "confidence": 0.999, "pessimistic_seconds": null, "optimistic_seconds": null });
    assert_eq!((&beyond["within"], &beyond["window"]), (&nobody_knows, &json!("60m")));
    assert!(beyond["basis"].as_str().unwrap().contains("99.9 % takes 3000 of them"), "{beyond}");
    let never = ask(&gauge, &format!("{PAIR}&confidence=0.9999")).await;
    assert_eq!(never["within"], Json::Null, "{never}");
}

#[tokio::test(start_paused = true)]
async fn before_anything_arrived_nothing_is_said() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let age = ask(&gauge, &format!("{PAIR}&age=2")).await;
    assert_eq!((&age["probability"], &age["samples"]), (&Json::Null, &json!(0)));
    assert_eq!([&age["heartbeats"], &age["state"]], ["unknown", "unknown"]);
    let confidence = ask(&gauge, &format!("{PAIR}&confidence=0.9")).await;
    assert_eq!(confidence["within"]["pessimistic_seconds"], Json::Null);
}

#[tokio::test(start_paused = true)]
async fn in_a_stall_nothing_fresh_is_said_to_be_visible() {
    let gauge = Gauge::judging(STALL);
    sleep(Duration::from_secs(60)).await;
    let fresh = ask(&gauge, &format!("{PAIR}&age=2s")).await;
    assert_eq!([&fresh["heartbeats"], &fresh["state"]], ["not_passed", "stalled"], "{fresh}");
    assert_eq!(fresh["probability"]["pessimistic"], 0.0);
    assert!(fresh["probability"]["optimistic"].as_f64().unwrap() < 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_answered_is_refused_with_what_can() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    for (query, named) in [
        ("source_region=us-east-1&target_region=eu-west-1&age=1", &["\"store\""] as &[&str]),
        ("store=orders&target_region=eu-west-1&age=1", &["\"source_region\""]),
        ("store=orders&source_region=us-east-1&age=1", &["\"target_region\"", "central prober"]),
        (
            "store=orders&source_region=us-east-1&target_region=us-east-1&age=1",
            &["visible at once", "strongly consistent"],
        ),
        (PAIR, &["exactly one of written_at, age and confidence"]),
        (&format!("{PAIR}&age=1&confidence=0.9"), &["exactly one"]),
        (&format!("{PAIR}&age=1&written_at=2026-01-01T00:00:00Z"), &["exactly one"]),
        (&format!("{PAIR}&age=1&window=1m"), &["\"1m\"", "10m or 60m"]),
        (&format!("{PAIR}&age=1&limit=3"), &["\"limit\"", "written_at, age, confidence, window"]),
        (&format!("{PAIR}&age=soon"), &["age \"soon\"", "2s", "seconds"]),
        (&format!("{PAIR}&age="), &["age \"\"", "is not a duration"]),
        (&format!("{PAIR}&age=-1"), &["below zero"]),
        (&format!("{PAIR}&age=-2s"), &["is not a duration"]),
        (&format!("{PAIR}&age=nan"), &["is not a duration"]),
        (&format!("{PAIR}&age=inf"), &["longer than ten years"]),
        (&format!("{PAIR}&age=1e300"), &["longer than ten years"]),
        (&format!("{PAIR}&age=11years"), &["longer than ten years"]),
        (&format!("{PAIR}&written_at=yesterday"), &["written_at \"yesterday\"", "RFC 3339"]),
        (&format!("{PAIR}&written_at=1969-12-31T23:59:59Z"), &["since 1970"]),
        (&format!("{PAIR}&confidence=0"), &["above 0 and below 1"]),
        (&format!("{PAIR}&confidence=1"), &["above 0 and below 1"]),
        (&format!("{PAIR}&confidence=nan"), &["above 0 and below 1"]),
        (&format!("{PAIR}&confidence=99%25"), &["\"99%\"", "0.99"]),
    ] {
        let says = bad(&gauge, query).await;
        assert!(named.iter().all(|word| says.contains(word)), "{query}: {says}");
    }
    for (query, named) in [
        ("store=nosuch&source_region=us-east-1&target_region=eu-west-1&age=1", &["\"nosuch\"", "orders"] as &[&str]),
        (
            "store=orders&source_region=nowhere&target_region=eu-west-1&age=1",
            &["source_region", "\"nowhere\"", "us-east-1, eu-west-1, ap-southeast-2"],
        ),
        ("store=orders&source_region=us-east-1&target_region=nowhere&age=1", &["target_region", "\"nowhere\""]),
    ] {
        let answer = gauge.get(&format!("/api/v1/visibility?{query}")).await;
        let says = answer.problem(StatusCode::NOT_FOUND, "not_found");
        assert!(named.iter().all(|word| says.contains(word)), "{query}: {says}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gauge_of_a_region_means_its_own_and_names_what_it_measures() {
    let gauge = Gauge::local(Duration::from_secs(30)).await;
    let here = gauge.get("/api/v1/visibility?store=orders&source_region=eu-west-1&age=5").await.json();
    assert_eq!([&here["data"]["target_region"], &here["data"]["heartbeats"]], ["us-east-1", "unknown"]);
    assert_eq!(here["data"]["probability"], Json::Null);
    let elsewhere = "/api/v1/visibility?store=orders&source_region=eu-west-1&target_region=ap-southeast-2&age=5";
    let says = gauge.get(elsewhere).await.problem(StatusCode::NOT_FOUND, "not_found");
    assert!(says.contains("measure eu-west-1 to ap-southeast-2") && says.contains("eu-west-1 to us-east-1"), "{says}");
}

#[tokio::test(start_paused = true)]
async fn the_front_page_names_it() {
    let page = Gauge::after(Duration::ZERO, 1).await.get("/").await.body;
    assert!(page.contains("/api/v1/visibility?store="), "{page}");
}
