//! What the gauge answers of its alerts, and shows of them in its metrics, while a pair of a simulated store is stalled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use tidegauge::core::alert::{Per, Rule, Signal};
use tidegauge::http;
use tokio::time::sleep;

use crate::gauge::{Gauge, ask, refused, series, settings};

/// From 00:00:30 to 00:04:30 nothing arrives from one region in another.
pub const STALL: &str = "[[stores.simulated.events]]\nkind = \"stall\"\nsource_region = \"us-east-1\"\n\
    target_region = \"eu-west-1\"\noffset = \"30s\"\nlasts = \"4m\"\nevery = \"2h\"\n";

async fn alerts(gauge: &Gauge, query: &str) -> Vec<Json> {
    let answer = gauge.get(&format!("/api/v1/alerts{query}")).await;
    assert_eq!((answer.status, answer.kind.as_str()), (StatusCode::OK, "application/json"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], "success");
    body["data"]["alerts"].as_array().unwrap().clone()
}

/// Each alert's name, severity and state.
fn names(alerts: &[Json]) -> Vec<[&str; 3]> {
    let mut names = Vec::new();
    for alert in alerts {
        let words = [&alert["labels"]["alertname"], &alert["labels"]["severity"], &alert["state"]];
        names.push(words.map(|word| word.as_str().unwrap()));
    }
    names
}

/// What the metric shows: the labels of each of its series.
async fn active(gauge: &Gauge) -> BTreeSet<BTreeMap<String, String>> {
    let exposition = gauge.metrics().await;
    let shown = series(&exposition).into_iter().filter(|(name, ..)| *name == "tidegauge_alert_active");
    shown
        .map(|(_, labels, value)| {
            assert_eq!(value, 1.0, "{labels}");
            let pair = |label: &str| {
                let (name, value) = label.split_once('=').unwrap();
                (name.to_owned(), value.trim_matches('"').to_owned())
            };
            labels.split(',').map(pair).collect()
        })
        .collect()
}

/// What it has to show.
fn expected(alerts: &[Json]) -> BTreeSet<BTreeMap<String, String>> {
    let shown = |alert: &Json| {
        let labels = alert["labels"].as_object().unwrap().iter().filter(|(name, _)| *name != "cell");
        let renamed = |name: &str| if name == "alertname" { "rule" } else { name }.to_owned();
        let mut labels: BTreeMap<String, String> =
            labels.map(|(name, value)| (renamed(name), value.as_str().unwrap().to_owned())).collect();
        labels.insert("state".to_owned(), alert["state"].as_str().unwrap().to_owned());
        labels
    };
    alerts.iter().map(shown).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stalled_pair_is_pending_then_fires_with_its_cause_and_its_runbook_and_is_gone_once_resolved() {
    let gauge = Gauge::judging(STALL);
    sleep(Duration::from_secs(25)).await;
    assert_eq!(alerts(&gauge, "").await, [] as [Json; 0], "nothing is wrong, and that is an answer");
    assert!(active(&gauge).await.is_empty());

    sleep(Duration::from_secs(15)).await;
    let pending = alerts(&gauge, "").await;
    assert_eq!(names(&pending)[0], ["TidegaugeStalled", "page", "pending"]);
    assert_eq!(active(&gauge).await, expected(&pending));

    sleep(Duration::from_secs(80)).await;
    let firing = alerts(&gauge, "").await;
    assert_eq!(
        names(&firing),
        [
            ["TidegaugeStalled", "page", "firing"],
            ["TidegaugeCurrentLagHigh", "page", "pending"],
            ["TidegaugeCurrentLagHigh", "ticket", "pending"],
        ],
        "what fires comes first, then what pages"
    );
    assert_eq!(active(&gauge).await, expected(&firing));
    let stalled = &firing[0];
    let fields: BTreeSet<&str> = stalled.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(["labels", "annotations", "state", "activeAt", "value", "keepFiringSince"]));
    assert!(stalled["keepFiringSince"].is_null(), "it is so");
    assert_eq!(stalled["activeAt"], pending[0]["activeAt"], "it fires on account of what made it pending");
    assert_eq!(stalled["value"], "1e+00");
    assert_eq!(
        stalled["labels"],
        json!({
            "alertname": "TidegaugeStalled", "severity": "page", "store": "orders", "source_region": "us-east-1",
            "target_region": "eu-west-1", "cell": "a-cell",
        })
    );
    let annotations = &stalled["annotations"];
    assert_eq!(annotations["summary"], "orders: us-east-1 → eu-west-1 is stalled");
    assert_eq!(annotations["runbook_url"], "docs/runbooks/TidegaugeStalled.md");
    let cause = annotations["description"].as_str().unwrap();
    let pairs = gauge.pairs("?source_region=us-east-1&target_region=eu-west-1").await;
    let reason = |text: &str| text.chars().filter(|one| !one.is_ascii_digit() && *one != '.').collect::<String>();
    assert_eq!(reason(cause), reason(pairs[0]["reason"].as_str().unwrap()), "its cause is the reason for the state");
    let lag: f64 = firing[1]["value"].as_str().unwrap().parse().unwrap();
    assert!((85.0..=95.0).contains(&lag), "{lag}");

    // The stall ends 150 s later, and the shipped rules wait for 10 minutes, as Prometheus does and tells.
    sleep(Duration::from_secs(180)).await;
    let over = alerts(&gauge, "?state=firing").await;
    assert_eq!(names(&over)[0], ["TidegaugeStalled", "page", "firing"]);
    let since = over[0]["keepFiringSince"].as_str().unwrap();
    assert!(since.starts_with("2026-01-01T00:04:3"), "{since}");

    sleep(Duration::from_secs(820)).await;
    assert_eq!(alerts(&gauge, "").await, [] as [Json; 0]);
    assert!(active(&gauge).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn alerts_can_be_narrowed_down() {
    let gauge = Gauge::judging(STALL);
    sleep(Duration::from_secs(120)).await;
    for (query, count) in [
        ("?store=orders", 3),
        ("?severity=page", 2),
        ("?severity=ticket", 1),
        ("?state=firing", 1),
        ("?state=pending&severity=page&store=orders", 1),
        ("?state=firing&severity=ticket", 0),
    ] {
        assert_eq!(alerts(&gauge, query).await.len(), count, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_no_alert_can_have_is_refused_with_those_that_it_can() {
    let gauge = Gauge::judging("");
    for (query, named) in [
        ("alerts?severity=critical", &["\"critical\"", "page", "ticket"] as &[&str]),
        ("alerts?state=resolved", &["\"resolved\"", "pending", "firing"]),
        ("alerts?state=", &["pending", "firing"]),
        ("alerts?severity=page&severity=page", &["\"severity\""]),
        ("alerts?rule=TidegaugeStalled", &["\"rule\"", "store, severity, state"]),
        ("events?severity=page", &["\"severity\"", "store"]),
    ] {
        let says = gauge.get(&format!("/api/v1/{query}")).await.problem(StatusCode::BAD_REQUEST, "bad_data");
        assert!(named.iter().all(|word| says.contains(word)), "{query}: {says}");
    }
    for resource in ["alerts", "events"] {
        let answer = gauge.get(&format!("/api/v1/{resource}?store=nosuch")).await;
        let says = answer.problem(StatusCode::NOT_FOUND, "not_found");
        assert!(says.contains("\"nosuch\"") && says.contains("orders"), "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_settings_were_refused_that_is_the_answer_and_no_empty_list() {
    let shared = refused(&Gauge::judging("").stop());
    for path in ["/api/v1/alerts", "/api/v1/events"] {
        let answer = ask(http::full(shared.clone()), axum::http::Method::GET, path).await;
        let says = answer.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        assert!(says.contains("colour is not known"), "{says}");
    }
}

#[test]
fn a_pair_can_have_ten_alerts_of_the_shipped_rules_and_five_at_one_moment_as_its_metrics_are_documented() {
    let settings = settings("");
    let of_pairs = settings.alerts.rules.iter().filter(|rule| rule.per == Per::Pair);
    let of_pairs = of_pairs.filter(|rule| !matches!(rule.signal, Signal::Audit(_)));
    // A pair is in one state at a time; alerts about others fire on for a while.
    let (of_states, others): (Vec<&Rule>, Vec<&Rule>) =
        of_pairs.partition(|rule| matches!(rule.signal, Signal::State(_)));
    let count = |rules: &[&Rule]| rules.iter().map(|rule| rule.thresholds.len()).sum::<usize>();
    let most_of_a_state = of_states.iter().map(|rule| rule.thresholds.len()).max().unwrap();
    assert_eq!(count(&of_states) + count(&others), 10);
    assert_eq!(most_of_a_state + count(&others), 5);
}
