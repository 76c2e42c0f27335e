//! What is answered to whoever asks which read to make.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use tidegauge::http;
use tokio::time::sleep;

use crate::alerts_http::STALL;
use crate::gauge::{Answer, Gauge, ask, refused, series};

const ASK: &str = "/api/v1/advice?store=orders&target_region=eu-west-1";

async fn advice(gauge: &Gauge, query: &str) -> Json {
    let answer = gauge.get(&format!("{ASK}{query}")).await;
    assert_eq!((answer.status, answer.kind.as_str()), (StatusCode::OK, "application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["status"], "success");
    let data = body["data"].clone();
    assert_eq!(answer.header("tidegauge-decision"), data["decision"].as_str());
    let valid_for: f64 = answer.header("tidegauge-valid-for").unwrap().parse().unwrap();
    assert!((valid_for - data["valid_for_seconds"].as_f64().unwrap()).abs() < 0.001);
    assert_eq!(answer.header("tidegauge-read-region"), data["read_region"].as_str());
    data
}

/// One that is judged from its start, after so many seconds.
async fn judged(more: &str, seconds: u64) -> Gauge {
    let gauge = Gauge::judging(more);
    sleep(Duration::from_secs(seconds)).await;
    gauge
}

async fn head(gauge: &Gauge, query: &str) -> Answer {
    ask(gauge.full(), Method::HEAD, &format!("{ASK}{query}")).await
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_its_reason_and_all_that_it_rests_on() {
    let gauge = judged("", 60).await;
    let data = advice(&gauge, "&max_staleness=5s").await;
    let says = |key: &str| data[key].as_str().unwrap().to_owned();
    assert_eq!(
        (says("decision"), says("rests_on"), says("basis")),
        ("read_local".into(), "measurement".into(), "bound".into())
    );
    assert_eq!((says("target_region"), says("read_region")), ("eu-west-1".to_owned(), "eu-west-1".to_owned()));
    assert_eq!((says("placement"), says("read")), ("inline".to_owned(), "strong".to_owned()));
    assert_eq!((&data["max_staleness_seconds"], &data["valid_for_seconds"]), (&json!(5.0), &json!(1.0)));
    assert!(says("reason").contains("eu-west-1") && data["how"].is_string(), "{data}");
    for absent in ["source_region", "wait_seconds", "since", "override"] {
        assert_eq!(data[absent], Json::Null, "{absent}");
    }
    for empty in ["alternatives", "avoid", "excluded"] {
        assert_eq!(data[empty], json!([]), "{empty}");
    }
    let sources = data["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 2);
    for source in sources {
        assert_eq!((&source["fresh"], &source["state"]), (&json!(true), &json!("ok")));
        let staleness = source["staleness_seconds"].as_f64().unwrap();
        assert!((0.8..=4.0).contains(&staleness) && source["watermark"]["run"].is_u64(), "{source}");
        assert!(source["p50_seconds"].is_number() && source["current_lag_seconds"].is_number(), "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn head_says_the_same_in_headers_alone_and_the_status_can_be_all_that_is_looked_at() {
    let gauge = judged(STALL, 60).await;
    for (query, decision, status) in [
        ("&max_staleness=5s&source_region=ap-southeast-2", "read_local", 200),
        ("&max_staleness=1h", "read_local", 200),
        ("&max_staleness=5s", "read_home_region", 412),
        ("&max_staleness=5", "read_home_region", 412),
        ("&max_staleness=5s&source_region=us-east-1", "read_source_region", 412),
    ] {
        let answer = head(&gauge, query).await;
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.kind.as_str()),
            (StatusCode::OK, "", "application/json")
        );
        assert_eq!(answer.header("tidegauge-decision"), Some(decision), "{query}");
        let got = gauge.get(&format!("{ASK}{query}")).await;
        let mut others = got.headers.clone();
        // Of what is not made the length is not known.
        others.remove("content-length");
        assert_eq!(answer.headers, others, "{query}");
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(gauge.full(), method, &format!("{ASK}{query}&as=status")).await;
            assert_eq!(answer.status.as_u16(), status, "{query}");
            assert_eq!(answer.header("tidegauge-decision"), Some(decision), "{query}");
        }
    }
    let data = advice(&gauge, "&max_staleness=5s&source_region=us-east-1").await;
    assert_eq!(data["read_region"], "us-east-1");
    assert_eq!(data["sources"].as_array().unwrap().len(), 1);
    assert_eq!(data["sources"][0]["state"], "stalled");
}

#[tokio::test(start_paused = true)]
async fn a_gauge_that_has_just_started_advises_the_safe_read() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let data = advice(&gauge, "&max_staleness=365days").await;
    assert_eq!((&data["decision"], &data["rests_on"]), (&json!("read_home_region"), &json!("policy")));
    assert!(data["reason"].as_str().unwrap().contains("is not known"), "{data}");
    assert_eq!(data["sources"][0]["staleness_seconds"], Json::Null);
}

#[tokio::test(start_paused = true)]
async fn questions_that_cannot_be_answered_are_refused_with_what_would_be_right() {
    let gauge = Gauge::after(Duration::from_secs(5), 1).await;
    for (uri, hint) in [
        ("/api/v1/advice", "store"),
        ("/api/v1/advice?store=orders&target_region=eu-west-1", "max_staleness=5s"),
        ("/api/v1/advice?store=orders&max_staleness=5s", "target_region="),
        (&format!("{ASK}&max_staleness=soon"), "2s"),
        (&format!("{ASK}&max_staleness=-1"), "below zero"),
        (&format!("{ASK}&max_staleness=NaN"), "seconds, such as"),
        (&format!("{ASK}&max_staleness=200years"), "ten years"),
        (&format!("{ASK}&max_staleness=5s&basis=guess"), "bound"),
        (&format!("{ASK}&max_staleness=5s&session_token=maybe"), "true"),
        (&format!("{ASK}&max_staleness=5s&as=number"), "status"),
        (&format!("{ASK}&max_staleness=5s&max_stalenes=5s"), "max_staleness"),
        (&format!("{ASK}&max_staleness=5s&max_staleness=6s"), "twice"),
    ] {
        let problem = gauge.get(uri).await.problem(StatusCode::BAD_REQUEST, "bad_data");
        assert!(problem.contains(hint), "{uri}: {problem}");
    }
    for (uri, hint) in [
        ("/api/v1/advice?store=invoices&max_staleness=5s", "orders"),
        ("/api/v1/advice?store=orders&target_region=mars&max_staleness=5s", "eu-west-1"),
        (&format!("{ASK}&source_region=mars&max_staleness=5s"), "us-east-1"),
        (&format!("{ASK}&source_region=Us%20East-2&max_staleness=5s"), "us-east-1"),
    ] {
        let answer = gauge.get(uri).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "what is not there now may be there soon");
        let problem = answer.problem(StatusCode::NOT_FOUND, "not_found");
        assert!(problem.contains(hint), "{uri}: {problem}");
    }
    let refused = refused(&gauge.shared);
    for method in [Method::GET, Method::HEAD] {
        let answer = ask(http::full(refused.clone()), method, &format!("{ASK}&max_staleness=5s")).await;
        assert_eq!((answer.status, answer.header("tidegauge-decision")), (StatusCode::SERVICE_UNAVAILABLE, None));
    }
    let posted = ask(gauge.full(), Method::POST, ASK).await;
    posted.problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
}

#[tokio::test(start_paused = true)]
async fn answers_are_counted_by_store_and_decision_and_timed() {
    let gauge = judged("", 60).await;
    for _ in 0..3 {
        head(&gauge, "&max_staleness=5s").await;
    }
    advice(&gauge, "&max_staleness=0").await;
    gauge.get(&format!("{ASK}&max_staleness=never")).await;
    let exposition = gauge.metrics().await;
    let shown = series(&exposition);
    let of = |decision: &str| {
        let labels = format!("store=\"orders\",decision=\"{decision}\"");
        let sorted = format!("decision=\"{decision}\",store=\"orders\"");
        let found = shown
            .iter()
            .find(|(name, found, _)| *name == "tidegauge_advice_total" && (**found == *labels || **found == *sorted));
        found.map(|(.., value)| *value)
    };
    assert_eq!((of("read_local"), of("read_home_region"), of("refuse")), (Some(3.0), Some(1.0), Some(0.0)));
    assert!(shown.iter().any(|(name, _, value)| *name == "tidegauge_advice_duration_seconds_count" && *value == 4.0));
}

const POLICY: &str = "[stores.advice]\nmax_staleness = \"10s\"\nmin_dwell = \"20s\"\n";

#[tokio::test(start_paused = true)]
async fn a_policy_answers_the_plain_question_holds_its_decision_and_shows_it_in_the_metrics() {
    let gauge = judged(&format!("{POLICY}{STALL}"), 20).await;
    let data = advice(&gauge, "").await;
    assert_eq!((&data["decision"], &data["max_staleness_seconds"]), (&json!("read_local"), &json!(10.0)));
    assert!(data["since"].is_string(), "{data}");
    let shown = |exposition: &str| {
        let here = |labels: &str| labels.contains("target_region=\"eu-west-1\"");
        let shown = series(exposition)
            .into_iter()
            .filter(|(name, labels, _)| *name == "tidegauge_advice_decision" && here(labels));
        shown.map(|(_, labels, value)| (labels.to_owned(), value)).collect::<Vec<_>>()
    };
    let exposition = gauge.metrics().await;
    assert!(matches!(&shown(&exposition)[..], [(labels, 1.0)] if labels.contains("\"read_local\"")), "{exposition}");

    // It stalls at 30 s; after that 10 s are over soon.
    sleep(Duration::from_secs(25)).await;
    let data = advice(&gauge, "").await;
    assert_eq!(data["decision"], "read_home_region");
    assert!(data["reason"].as_str().unwrap().contains("us-east-1"), "{data}");
    assert_eq!(advice(&gauge, "&source_region=ap-southeast-2").await["decision"], "read_local");
    assert_eq!(advice(&gauge, "&source_region=us-east-1").await["decision"], "read_source_region");
    let exposition = gauge.metrics().await;
    assert!(matches!(&shown(&exposition)[..], [(labels, 1.0)] if labels.contains("\"read_home_region\"")));

    // It goes on at 4 min 30 s.
    sleep(Duration::from_secs(4 * 60 + 35 - 45)).await;
    let data = advice(&gauge, "").await;
    assert_eq!(data["decision"], "read_home_region", "it dwells");
    assert!(data["reason"].as_str().unwrap().contains("without a break"), "{data}");
    assert!(data["sources"].as_array().unwrap().iter().all(|source| source["fresh"] == true), "{data}");
    assert_eq!(
        advice(&gauge, "&max_staleness=10s").await["decision"],
        "read_local",
        "who asks for oneself need not dwell"
    );
    sleep(Duration::from_secs(25)).await;
    assert_eq!(advice(&gauge, "").await["decision"], "read_local");
}

#[tokio::test(start_paused = true)]
async fn an_override_is_in_every_answer_and_in_the_metrics_until_it_expires() {
    // The gauge starts at 00:00.
    let forced =
        "[[stores.advice.overrides]]\ndecision = \"refuse\"\nuntil = \"2026-01-01T00:02:00Z\"\nreason = \"a move\"\n";
    let gauge = judged(&format!("{POLICY}{forced}"), 60).await;
    for query in ["", "&max_staleness=1h", "&source_region=us-east-1&basis=estimate"] {
        let data = advice(&gauge, query).await;
        assert_eq!((&data["decision"], &data["rests_on"]), (&json!("refuse"), &json!("policy")), "{query}");
        let expected = json!({"decision": "refuse", "until": "2026-01-01T00:02:00.000000Z", "reason": "a move"});
        assert_eq!(data["override"], expected, "{query}");
        let until = head(&gauge, query).await;
        assert_eq!(until.header("tidegauge-override-until"), Some("2026-01-01T00:02:00.000000Z"), "{query}");
        assert_eq!(head(&gauge, &format!("{query}&as=status")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let until = |exposition: &str| {
        let shown = series(exposition).into_iter();
        let mut shown = shown.filter(|(name, ..)| *name == "tidegauge_advice_override_until_timestamp_seconds");
        shown.next().map(|(_, labels, value)| (labels.contains("decision=\"refuse\""), value))
    };
    assert_eq!(until(&gauge.metrics().await), Some((true, 1_767_225_720.0)));
    sleep(Duration::from_secs(61)).await;
    let data = advice(&gauge, "&max_staleness=1h").await;
    assert_eq!((&data["decision"], &data["override"]), (&json!("read_local"), &Json::Null));
    assert_eq!(until(&gauge.metrics().await), None);
    assert_eq!(advice(&gauge, "").await["decision"], "read_local", "what the facts came to meanwhile counts at once");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_left_out_of_account_is_in_every_answer_with_its_last_watermark() {
    let policy = "lost_source = \"exclude\"\nexclude_after = \"30s\"\n";
    let down = "[[stores.simulated.events]]\nkind = \"region_down\"\nregion = \"us-east-1\"\noffset = \"30s\"\n\
                lasts = \"10m\"\nevery = \"2h\"\n";
    let gauge = judged(&format!("{POLICY}{policy}{down}"), 120).await;
    for query in ["", "&max_staleness=4s", "&source_region=ap-southeast-2", "&source_region=us-east-1"] {
        let data = advice(&gauge, query).await;
        let is_asked_for = query == "&source_region=us-east-1";
        assert_eq!(data["decision"], if is_asked_for { "refuse" } else { "read_local" }, "{query}: {data}");
        let excluded = &data["excluded"][0];
        assert_eq!(excluded["source_region"], "us-east-1", "{query}");
        assert!(excluded["watermark"]["written_at"].is_string() && excluded["silent_seconds"].as_f64() > Some(30.0));
        let is_left_out = !query.starts_with("&source_region");
        assert_eq!(
            data["reason"].as_str().unwrap().contains("us-east-1 is left out of account"),
            is_left_out,
            "{data}"
        );
        assert_eq!(data["rests_on"], if is_left_out { "policy" } else { "measurement" }, "{query}");
        let head = head(&gauge, query).await;
        assert_eq!(head.header("tidegauge-excluded"), Some("us-east-1"), "{query}");
        assert_eq!(head.header("tidegauge-rests-on"), data["rests_on"].as_str(), "{query}");
    }
    let exposition = gauge.metrics().await;
    let shown = series(&exposition).into_iter().filter(|(name, ..)| *name == "tidegauge_advice_excluded");
    assert_eq!(
        shown.map(|(_, labels, value)| (labels.contains("us-east-1"), value)).collect::<Vec<_>>(),
        [(true, 1.0); 2]
    );
}
