//! The OpenAPI document, held against the router, against what the resources take, and against what they answer: what it says
//! and what is served cannot come apart without one of these failing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use tidegauge::core::assess::State;
use tidegauge::core::model::{Failure, Reason};
use tidegauge::core::provider::{Question, Reading};
use tidegauge::http;
use tidegauge::providers::Provider;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::alerts_http::STALL;
use crate::events_http::{Listener, event, judged};
use crate::gauge::{Gauge, ask, refused};
use crate::http::{Exaggerates, POLLING};
use crate::page_writes;

mod described;
mod fleet;

use described::{DOCUMENT, Described};

/// A provider that does not let us ask.
struct Refuses;

impl Provider for Refuses {
    async fn ask(&self, _: Question) -> Result<Vec<Reading>, Failure> {
        Err(Failure { reason: Reason::Denied, message: "no".to_owned() })
    }
}

/// What is to be read, as the store's policy has it.
const READ: &str = "/api/v1/advice?store=orders&target_region=eu-west-1";
const POLICY: &str = "[stores.advice]\nmax_staleness = \"10s\"\nmin_dwell = \"20s\"\nlost_source = \"exclude\"\nexclude_after = \"1m\"\n";
/// From 00:00:30 on a region does not answer.
const LOST: &str = "[[stores.simulated.events]]\nkind = \"region_down\"\nregion = \"us-east-1\"\noffset = \"30s\"\n\
    lasts = \"1h\"\nevery = \"2h\"\n";
/// The gauge starts at 00:00.
const FORCED: &str =
    "[[stores.advice.overrides]]\ndecision = \"refuse\"\nuntil = \"2026-01-01T01:00:00Z\"\nreason = \"an exercise\"\n";

#[tokio::test(start_paused = true)]
async fn whatever_is_served_is_in_the_document_and_on_the_page() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let described = Described::by(gauge.full()).await;
    for path in described.paths() {
        let answer = gauge.get(path).await;
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let page = gauge.get("/").await.body;
    let listed = page.lines().filter(|line| line.starts_with('/')).map(|line| line.split([' ', '?']).next().unwrap());
    let listed: BTreeSet<&str> = listed.chain(["/"]).collect();
    assert_eq!(listed, described.paths().into_iter().collect());

    // Both are made of the list that the router is made of, and what is not in it has no route.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let routes: usize = files.map(|path| fs::read_to_string(path).unwrap().matches(".route(").count()).sum();
    assert_eq!(routes, 1, "a route is added to the list of resources, and nowhere else");
}

#[tokio::test(start_paused = true)]
async fn the_document_is_there_whatever_became_of_the_settings_and_not_for_who_is_outside() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let refused = refused(&gauge.shared);
    let (one, other) = (Described::by(gauge.full()).await, Described::by(http::full(refused)).await);
    assert_eq!(one.document, other.document);
    let outside = http::metrics_only(gauge.shared.clone());
    ask(outside, Method::GET, DOCUMENT).await.problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_resource_takes_what_the_document_says_it_does_and_nothing_else() {
    let gauge = Gauge::after(Duration::from_secs(10), 1).await;
    let mut described = Described::by(gauge.full()).await;
    let paths: Vec<String> = described.paths().into_iter().map(str::to_owned).collect();
    for path in &paths {
        let parameters = described.parameters(path).to_vec();
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        if names.is_empty() {
            assert_eq!(described.asks(gauge.full(), path).await.status, StatusCode::OK, "{path}");
            continue;
        }
        let answer = described.asks(gauge.full(), &format!("{path}?nosuch=1")).await;
        let says = answer.problem(StatusCode::BAD_REQUEST, "bad_data");
        let (_, takes) = says.split_once("this resource takes: ").unwrap_or_else(|| panic!("{path}: {says}"));
        assert_eq!(takes.split(", ").collect::<Vec<&str>>(), names, "{path}");

        // What makes a question of it, where a parameter is nothing special.
        let usual = |name: &str| match name {
            "store" => "orders",
            "source_region" => "us-east-1",
            "target_region" => "eu-west-1",
            "max_staleness" => "5s",
            "age" => "2s",
            _ => "",
        };
        // Of these a question has one.
        let ways = ["written_at", "age", "confidence"];
        let ask_with = |changed: &str, value: Option<&str>| {
            let mut query = Vec::new();
            for name in &names {
                let value = match *name {
                    name if name == changed => value.unwrap_or_default(),
                    name if ways.contains(&name) && ways.contains(&changed) => "",
                    name => usual(name),
                };
                if !value.is_empty() {
                    query.push(format!("{name}={value}"));
                }
            }
            format!("{path}?{}", query.join("&"))
        };
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            if parameter["required"] == true {
                let says = described.asks(gauge.full(), &ask_with(name, None)).await;
                assert!(says.problem(StatusCode::BAD_REQUEST, "bad_data").contains(name), "{path} without {name}");
            }
            let (good, bad) = values(&described, parameter);
            for value in good {
                let answer = described.asks(gauge.full(), &ask_with(name, Some(&value))).await;
                assert!(answer.json()["status"] == "success", "{path}: {name}={value}: {answer:?}");
            }
            for value in bad {
                let answer = described.asks(gauge.full(), &ask_with(name, Some(&value))).await;
                assert!(answer.problem(StatusCode::BAD_REQUEST, "bad_data").contains(name), "{path}: {name}={value}");
            }
        }
    }
}

/// What a parameter can be, and what it cannot, as far as its schema says.
fn values(described: &Described, parameter: &Json) -> (Vec<String>, Vec<String>) {
    let mut schema = &parameter["schema"];
    if let Some(of) = schema["$ref"].as_str() {
        schema = described.document.pointer(of.trim_start_matches('#')).unwrap();
    }
    let texts = |of: &Json| of.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    match schema["type"].as_str().unwrap() {
        "integer" => {
            let [least, most] = ["minimum", "maximum"].map(|end| schema[end].as_i64().unwrap());
            (vec![least.to_string(), most.to_string()], vec![(least - 1).to_string(), (most + 1).to_string()])
        }
        "number" => {
            let [above, below] = ["exclusiveMinimum", "exclusiveMaximum"].map(|end| schema[end].as_f64().unwrap());
            (vec![((above + below) / 2.0).to_string()], vec![above.to_string(), below.to_string()])
        }
        "boolean" => (vec!["true".to_owned(), "false".to_owned()], vec!["maybe".to_owned()]),
        _ if schema["enum"].is_array() => (texts(&schema["enum"]), vec!["nosuch".to_owned()]),
        _ if schema["examples"].is_array() => (texts(&schema["examples"]), vec!["soon".to_owned()]),
        // A name; the names of others are not found.
        _ => (Vec::new(), Vec::new()),
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_what_the_document_says_and_all_that_it_says_occurs() {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let mut described = Described::by(gauge.full()).await;
    described.asks_the_usual(gauge.full()).await;
    described.asks_the_usual(Gauge::after(Duration::from_secs(90), 2).await.full()).await;
    described.asks_the_usual(Gauge::asking(Duration::from_secs(300), 1, Some(POLLING), Exaggerates).await.full()).await;
    described.asks_the_usual(Gauge::asking(Duration::from_secs(120), 1, Some(POLLING), Refuses).await.full()).await;
    described.asks_the_usual(http::full(fleet::one_of_a_fleet(Duration::from_secs(90), &stop).await)).await;

    let (gauge, moods, _) = page_writes::among_others(false, |plan| plan).await;
    page_writes::refuse(&moods, Some(Reason::Denied));
    sleep(Duration::from_secs(10)).await;
    described.asks(gauge.full(), "/api/v1/pairs").await;

    let gauge = Gauge::judging(&format!("{POLICY}{STALL}"));
    let mut listener = Listener::to(&gauge.shared, "").await;
    sleep(Duration::from_secs(120)).await;
    described.asks(gauge.full(), "/api/v1/alerts").await;
    described.asks(gauge.full(), READ).await;
    sleep(Duration::from_secs(300)).await;
    described.asks(gauge.full(), "/api/v1/alerts").await;
    described.hears(&mut listener).await;

    let gauge = Gauge::judging(&format!("{POLICY}{FORCED}"));
    sleep(Duration::from_secs(10)).await;
    let answer = described.asks(gauge.full(), &format!("{READ}&as=status")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);

    let gauge = Gauge::judging(&format!("{POLICY}{LOST}"));
    sleep(Duration::from_secs(120)).await;
    described.asks(gauge.full(), READ).await;

    let (judge, shared) = judged();
    let mut slow = Listener::to(&shared, "").await;
    (1..=5_000).for_each(|number| judge.tell(event(number, "orders", Some(State::Ok))));
    described.hears(&mut slow).await;

    // Between two heartbeats the newest one is too old for this bound, and the next one will not be.
    let gauge = Gauge::after(Duration::from_secs(400), 1).await;
    for _ in 0..10 {
        described.asks(gauge.full(), &format!("{READ}&source_region=us-east-1&max_staleness=2.2s&max_wait=5s")).await;
        sleep(Duration::from_millis(100)).await;
    }

    let unseen: Vec<String> = described.fields().filter(|name| !described.known.contains(name)).collect();
    assert!(unseen.is_empty(), "what is never anything but null is not held against the document: {unseen:?}");
}

#[tokio::test(start_paused = true)]
async fn problems_are_what_the_document_says() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let refused = refused(&gauge.shared);
    let mut described = Described::by(gauge.full()).await;
    let paths: Vec<String> = described.paths().into_iter().map(str::to_owned).collect();
    for path in &paths {
        let answer = described.asks(http::full(refused.clone()), path).await;
        let is_known_all_the_same =
            ["/metrics", "/-/healthy", "/-/reload", "/style.css", "/script.js", DOCUMENT].contains(&path.as_str());
        let status = if is_known_all_the_same { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!(answer.status, status, "{path}");
    }
    for question in [
        "pairs?store=nosuch",
        "samples?store=nosuch&source_region=us-east-1&target_region=eu-west-1",
        "alerts?store=nosuch",
        "advice?store=nosuch&target_region=eu-west-1&max_staleness=5s",
        "visibility?store=nosuch&source_region=us-east-1&target_region=eu-west-1&age=2s",
        "events?store=nosuch",
    ] {
        let answer = described.asks(gauge.full(), &format!("/api/v1/{question}")).await;
        answer.problem(StatusCode::NOT_FOUND, "not_found");
    }
    let mut listeners = Vec::new();
    for _ in 0..32 {
        listeners.push(Listener::to(&gauge.shared, "").await);
    }
    let answer = described.asks(gauge.full(), "/api/v1/events").await;
    answer.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn fields_follow_the_conventions() {
    let mut described = Described::by(Gauge::after(Duration::ZERO, 1).await.full()).await;
    described::for_each_object(&mut described.document, &mut |object| {
        assert!(object.values().all(|value| !value.is_null()), "nothing in the document itself is null: {object:?}");
    });
    let mut fields = 0;
    for (name, schema) in described.schemas() {
        let properties = schema["properties"].as_object();
        let names: BTreeSet<&str> = properties.into_iter().flatten().map(|(field, _)| field.as_str()).collect();
        let required: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().map(|field| field.as_str().unwrap()).collect();
        assert_eq!(names, required, "{name}: what is not known is null, and there");
        for (field, schema) in properties.into_iter().flatten() {
            fields += 1;
            assert!(field != "src" && field != "dst" && field != "region" || name == "Avoid", "{name}: {field}");
            if field.ends_with("_seconds") {
                let kinds = [json!("number"), json!(["number", "null"])];
                assert!(kinds.contains(&schema["type"]), "{name}: {field} is {schema}");
            }
        }
    }
    assert!(fields > 60, "{fields}");
    for path in described.paths() {
        let operation = described.operation(path);
        assert!(operation["summary"].as_str().unwrap().len() > 10, "{path}");
        for parameter in described.parameters(path) {
            assert!(parameter["description"].as_str().unwrap().len() > 10, "{path}: {parameter}");
        }
    }
    let ids: BTreeSet<&str> =
        described.paths().iter().map(|path| described.operation(path)["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), described.paths().len(), "{ids:?}");
}

/// Else the tests above would prove nothing.
#[tokio::test(start_paused = true)]
async fn a_field_more_a_field_less_and_a_field_of_another_kind_are_noticed() {
    let gauge = Gauge::after(Duration::from_secs(90), 1).await;
    let mut described = Described::by(gauge.full()).await;
    let place = ["paths", "/api/v1/pairs", "get", "responses", "200", "content", "application/json", "schema"];
    let right = gauge.get("/api/v1/pairs").await.json();
    assert_eq!(described.check(&place, &right), Ok(()));
    let mut changed = |change: &dyn Fn(&mut Json)| {
        let mut changed = right.clone();
        change(&mut changed["data"]["pairs"][0]);
        described.check(&place, &changed)
    };
    assert!(changed(&|pair| pair["colour"] = "blue".into()).unwrap_err().contains("colour"));
    assert!(changed(&|pair| pair["watermark"]["colour"] = "blue".into()).unwrap_err().contains("colour"));
    assert!(changed(&|pair| drop(pair.as_object_mut().unwrap().remove("overdue_seconds"))).is_err());
    assert!(changed(&|pair| pair["current_lag_seconds"] = "0.8".into()).is_err());
    assert!(changed(&|pair| pair["state"] = "fine".into()).is_err());
    assert!(changed(&|pair| pair["since"] = "yesterday".into()).is_err());
    assert!(changed(&|pair| pair["watermark"]["seq"] = (-1).into()).is_err());
}
