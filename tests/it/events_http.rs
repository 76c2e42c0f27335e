//! The stream of events: what it tells in which order, whom it refuses, and how it ends.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use serde_json::{Value as Json, json};
use tidegauge::core::assess::State;
use tidegauge::core::judge::{StateTransition, Transition};
use tidegauge::core::time::{Span, Wall};
use tidegauge::http::{self, Shared};
use tidegauge::judging::{self, Event, Judge};
use tidegauge::view::Sources;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;
use tower::ServiceExt;

use crate::alerts_http::STALL;
use crate::gauge::{Gauge, ask, shared};

/// As many as may listen at once.
const LISTENERS_MAX: usize = 32;

/// Somebody who listens.
pub struct Listener(BodyDataStream);

/// What was heard.
#[derive(Debug)]
pub struct Heard {
    pub name: String,
    id: Option<u64>,
    pub data: Json,
}

impl Heard {
    /// Its number.
    pub fn id(&self) -> Option<u64> {
        self.id
    }
}

impl Listener {
    pub async fn to(shared: &Shared, query: &str) -> Listener {
        let request = Request::builder().uri(format!("/api/v1/events{query}")).body(Body::empty()).unwrap();
        let response = http::full(shared.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Listener(response.into_body().into_data_stream())
    }

    /// The next thing that is sent; `None` at the end of the stream.
    async fn next(&mut self) -> Option<String> {
        let sent = self.0.next().await?.unwrap();
        Some(String::from_utf8(sent.to_vec()).unwrap())
    }

    /// All that was sent by now, but for what only says that somebody is there.
    pub async fn heard(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Ok(Some(sent)) = timeout(Duration::from_millis(1), self.next()).await {
            if sent.starts_with(':') {
                continue;
            }
            let field = |name: &str| sent.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            assert!(sent.ends_with("\n\n") && sent.lines().count() <= 4, "an event's data is one line: {sent:?}");
            heard.push(Heard {
                name: field("event").unwrap().to_owned(),
                id: field("id").map(|id| id.parse().unwrap()),
                data: serde_json::from_str(field("data").unwrap()).unwrap(),
            });
        }
        heard
    }
}

/// A gauge whose judge says what the test says.
pub fn judged() -> (Judge, Shared) {
    let sources = Gauge::judging("").stop().sources;
    let (judge, judged) = judging::channels((*sources.seen().scene).clone());
    (judge, shared(Sources { judged, clock: sources.clock }))
}

pub fn event(number: u64, store: &str, from: Option<State>) -> Event {
    let transition = Transition::State(StateTransition {
        store: store.into(),
        source_region: "us-east-1".into(),
        target_region: "eu-west-1".into(),
        from,
        to: State::Stalled,
        reason: "nothing arrives".into(),
    });
    Event { number, at: Wall::from_micros(1_767_225_601_000_000), transition }
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_told_as_pending_firing_and_resolved_in_this_order() {
    let gauge = Gauge::judging(STALL);
    let mut listener = Listener::to(&gauge.shared, "?store=orders").await;
    sleep(Duration::from_secs(1_200)).await;
    let heard = listener.heard().await;
    assert!(heard.is_sorted_by(|one, next| one.id < next.id), "numbers grow: {heard:?}");
    assert!(heard.iter().all(|one| one.id.is_some() && one.data["at"].is_string()), "{heard:?}");

    let alerts: Vec<&Heard> = heard.iter().filter(|one| one.name == "alert").collect();
    let steps = |rule: &str, severity: &str| -> Vec<[Json; 2]> {
        let is_meant =
            |one: &&&Heard| one.data["labels"]["alertname"] == rule && one.data["labels"]["severity"] == severity;
        alerts.iter().filter(is_meant).map(|one| [one.data["from"].clone(), one.data["to"].clone()]).collect()
    };
    let course =
        [[json!(null), json!("pending")], [json!("pending"), json!("firing")], [json!("firing"), json!("resolved")]];
    assert_eq!(steps("TidegaugeStalled", "page"), course);
    assert_eq!(steps("TidegaugeCurrentLagHigh", "page"), course);
    // It was over before it had lasted for five minutes.
    let withdrawn = [[json!(null), json!("pending")], [json!("pending"), json!(null)]];
    assert_eq!(steps("TidegaugeCurrentLagHigh", "ticket"), withdrawn);
    let fired = alerts.iter().find(|one| one.data["to"] == "firing").unwrap();
    assert_eq!(fired.data["labels"]["target_region"], "eu-west-1");
    assert_eq!(fired.data["labels"]["cell"], "a-cell");
    assert_eq!(fired.data["annotations"]["runbook_url"], "docs/runbooks/TidegaugeStalled.md");
    assert_eq!(fired.data["value"], "1e+00");
    assert!(fired.data["activeAt"].as_str() < fired.data["at"].as_str(), "{fired:?}");

    let states: Vec<&Heard> = heard.iter().filter(|one| one.name == "state").collect();
    let of_pair = |one: &&&Heard| one.data["source_region"] == "us-east-1" && one.data["target_region"] == "eu-west-1";
    let of_pair: Vec<&Json> = states.iter().filter(of_pair).map(|one| &one.data).collect();
    let stalled = of_pair.iter().position(|data| data["to"] == "stalled").unwrap();
    assert_eq!((&of_pair[stalled]["from"], &of_pair[stalled]["store"]), (&json!("ok"), &json!("orders")));
    assert!(!of_pair[stalled]["reason"].as_str().unwrap().is_empty(), "{of_pair:?}");
    assert_eq!(of_pair.last().unwrap()["to"], "ok");
    assert!(states.iter().all(|one| one.data["from"].is_string()), "the first look changes nothing: {states:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_the_patience_for_requests_and_says_that_somebody_is_there() {
    let (judge, shared) = judged();
    let mut listener = Listener::to(&shared, "").await;
    let started = shared.sources.clock.mono();
    for _ in 0..20 {
        let sent = listener.next().await.unwrap();
        assert!(sent.starts_with(':') && sent.ends_with("\n\n"), "{sent:?}");
    }
    assert_eq!(shared.sources.clock.mono() - started, Span::from_millis(300_000));
    judge.tell(event(7, "orders", Some(State::Ok)));
    assert_eq!(listener.heard().await[0].id, Some(7));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_too_slow_is_told_how_much_it_missed_and_hears_the_rest() {
    const TOLD: u64 = 5_000;
    let (judge, shared) = judged();
    let mut listener = Listener::to(&shared, "").await;
    (1..=TOLD).for_each(|number| judge.tell(event(number, "orders", Some(State::Ok))));
    let heard = listener.heard().await;
    assert_eq!((heard[0].name.as_str(), heard[0].id), ("missed", None));
    let missed = heard[0].data["missed"].as_u64().unwrap();
    assert!(missed > 0 && missed + heard[1..].len() as u64 == TOLD, "{missed} and {}", heard.len());
    let numbers: Vec<u64> = heard[1..].iter().map(|one| one.id.unwrap()).collect();
    assert_eq!(numbers, (missed + 1..=TOLD).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_store_hears_of_no_other_and_nobody_hears_of_first_looks() {
    let (judge, shared) = judged();
    let (mut all, mut orders) = (Listener::to(&shared, "").await, Listener::to(&shared, "?store=orders").await);
    judge.tell(event(1, "orders", None));
    judge.tell(event(2, "carts", Some(State::Ok)));
    judge.tell(event(3, "orders", Some(State::Lagging)));
    let numbers = |heard: Vec<Heard>| heard.into_iter().map(|one| one.id.unwrap()).collect::<Vec<u64>>();
    assert_eq!(numbers(all.heard().await), [2, 3]);
    let heard = orders.heard().await;
    assert_eq!(
        heard[0].data,
        json!({
            "at": "2026-01-01T00:00:01.000000Z", "store": "orders", "source_region": "us-east-1",
            "target_region": "eu-west-1", "from": "lagging", "to": "stalled", "reason": "nothing arrives",
        })
    );
    assert_eq!(numbers(heard), [3]);
}

#[tokio::test(start_paused = true)]
async fn one_listener_too_many_is_refused_until_another_goes() {
    let (_judge, shared) = judged();
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS_MAX {
        listeners.push(Listener::to(&shared, "").await);
    }
    let answer = ask(http::full(shared.clone()), axum::http::Method::GET, "/api/v1/events").await;
    let says = answer.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert!(says.contains("32") && says.contains("/api/v1/alerts"), "{says}");
    listeners.pop();
    listeners.push(Listener::to(&shared, "").await);
    assert_eq!(listeners.len(), LISTENERS_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_gauge_is_told_to_stop() {
    let gauge = Gauge::judging("");
    let mut listener = Listener::to(&gauge.shared, "").await;
    sleep(Duration::from_secs(2)).await;
    let _served = gauge.stop();
    let ended = timeout(Duration::from_millis(100), async { while listener.next().await.is_some() {} });
    assert!(ended.await.is_ok(), "nothing keeps it open");
}
