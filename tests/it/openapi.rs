//! The OpenAPI document, held against the router, against what the resources take, and against what they answer: what it says
//! and what is served cannot come apart without one of these failing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use boon::{Compiler, Draft, Schemas};
use serde_json::{Value as Json, json};
use tidegauge::clock::Clock;
use tidegauge::core::advice::{Forced, LostSource, Override, Policy};
use tidegauge::core::model::{Consistency, Failure, Plan, RegionId, Slot, SlotRead, Write, WriteOutcome};
use tidegauge::core::time::{Span, Wall};
use tidegauge::http::{self, Shared};
use tidegauge::providers::Nobody;
use tidegauge::settings::StoreKind;
use tidegauge::stores::simulated::SimulatedStore;
use tidegauge::stores::{Answer as Answered, Store};
use tidegauge::view::Sources;
use tidegauge::{driver, judging};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::alerts_http::STALL;
use crate::events_http::Listener;
use crate::gauge::{Answer, Gauge, REGIONS, STARTED, ask, plan, settings, sources};
use crate::http::{Exaggerates, POLLING};

const DOCUMENT: &str = "/api/v1/openapi.json";
const PAIR: &str = "store=orders&source_region=us-east-1&target_region=eu-west-1";

/// The document, and all that was seen of what it describes.
struct Described {
    /// As served, but for objects with names of fields in them, which have no other fields here: clients are to bear new ones,
    /// and these tests are to notice them.
    document: Json,
    /// Fields that were there and not `null`.
    known: BTreeSet<String>,
    /// Those of them that were an instant.
    instants: BTreeSet<String>,
}

impl Described {
    async fn by(router: Router) -> Described {
        let answer = ask(router, Method::GET, DOCUMENT).await;
        assert_eq!((answer.status, answer.kind.as_str()), (StatusCode::OK, "application/json"));
        let mut document = answer.json();
        for_each_object(&mut document, &mut |object| {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
        });
        Described { document, known: BTreeSet::new(), instants: BTreeSet::new() }
    }

    fn paths(&self) -> Vec<&str> {
        self.document["paths"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    fn operation(&self, path: &str) -> &Json {
        &self.document["paths"][path]["get"]
    }

    fn parameters(&self, path: &str) -> &[Json] {
        self.operation(path)["parameters"].as_array().unwrap()
    }

    /// What is at this place of the document, with what it refers to.
    fn schemas(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.document["components"]["schemas"].as_object().unwrap().iter()
    }

    /// What is wrong with a value, if it is not what the document has at this place.
    fn check(&self, place: &[&str], value: &Json) -> Result<(), String> {
        const HERE: &str = "http://gauge/openapi.json";
        let place: Vec<String> = place.iter().map(|name| name.replace('~', "~0").replace('/', "~1")).collect();
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(HERE, self.document.clone()).unwrap();
        let schema = compiler.compile(&format!("{HERE}#/{}", place.join("/")), &mut schemas);
        let schema = schema.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        schemas.validate(value, schema).map_err(|error| format!("{error:#}"))
    }

    /// A value that must be what the document says.
    fn must_be(&mut self, place: &[&str], value: &Json) {
        self.check(place, value).unwrap_or_else(|error| panic!("{place:?}: {error}: {value:#}"));
        for_each_field(value, &mut |name, value| {
            self.known.insert(name.to_owned());
            if value.as_str().is_some_and(|text| text.starts_with("20") && text.ends_with('Z')) {
                self.instants.insert(name.to_owned());
            }
        });
    }

    /// Asks, and holds status, headers and body against the document.
    async fn asks(&mut self, router: Router, uri: &str) -> Answer {
        let path = uri.split('?').next().unwrap();
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let place = ["paths", path, "get", "responses", status.as_str()];
        let described = place.iter().fold(&self.document, |part, name| &part[*name]).clone();
        assert!(described.is_object(), "{uri} answers {status}, of which the document knows nothing");
        let (kind, content) = described["content"].as_object().unwrap().iter().next().unwrap();
        assert_eq!(headers[CONTENT_TYPE], kind.as_str(), "{uri}");
        assert_eq!(described["content"].as_object().unwrap().len(), 1);
        self.says_in_headers(&place, &described["headers"], &headers);
        if content.get("x-events").is_some() {
            // It has no end.
            return Answer { status, kind: kind.clone(), body: String::new() };
        }
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer = Answer { status, kind: kind.clone(), body: String::from_utf8(body.to_vec()).unwrap() };
        if kind == "application/json" {
            self.must_be(&[place.as_slice(), &["content", kind, "schema"]].concat(), &answer.json());
        }
        answer
    }

    fn says_in_headers(&mut self, place: &[&str], described: &Json, headers: &HeaderMap) {
        let general = [CONTENT_TYPE, CONTENT_LENGTH, CACHE_CONTROL];
        let described: Vec<&String> = described.as_object().map(|some| some.keys().collect()).unwrap_or_default();
        for name in headers.keys().filter(|name| !general.contains(name)) {
            assert!(described.iter().any(|known| known.eq_ignore_ascii_case(name.as_str())), "{place:?}: {name}");
        }
        for name in described {
            let place = [place, &["headers", name]].concat();
            let is_required = place.iter().fold(&self.document, |part, name| &part[*name])["required"] == true;
            let Some(value) = headers.get(name.as_str()) else {
                assert!(!is_required, "{place:?} is not there");
                continue;
            };
            let text = value.to_str().unwrap();
            let value = text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number));
            self.must_be(&[place.as_slice(), &["schema"]].concat(), &value);
            self.known.insert(name.clone());
        }
    }
}

fn for_each_object(of: &mut Json, act: &mut impl FnMut(&mut serde_json::Map<String, Json>)) {
    match of {
        Json::Array(parts) => parts.iter_mut().for_each(|part| for_each_object(part, act)),
        Json::Object(object) => {
            act(object);
            object.values_mut().for_each(|part| for_each_object(part, act));
        }
        _ => {}
    }
}

/// Of all fields that are not `null`, however deep.
fn for_each_field(of: &Json, act: &mut impl FnMut(&str, &Json)) {
    match of {
        Json::Array(parts) => parts.iter().for_each(|part| for_each_field(part, act)),
        Json::Object(object) => {
            for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
                act(name, value);
                for_each_field(value, act);
            }
        }
        _ => {}
    }
}

/// A store that several gauges share.
struct Together(Arc<SimulatedStore>);

impl Store for Together {
    async fn write(&self, write: Write) -> Answered<WriteOutcome> {
        self.0.write(write).await
    }

    async fn read(&self, target: RegionId, slot: Slot, read: Consistency) -> Answered<Result<SlotRead, Failure>> {
        self.0.read(target, slot, read).await
    }

    fn known_regions(&self) -> Vec<Arc<str>> {
        self.0.known_regions()
    }
}

/// The first of as many gauges as there are regions, each on a host of its own: it compares two clocks.
async fn one_of_a_fleet(elapsed: Duration, stop: &CancellationToken) -> Shared {
    let settings = settings("");
    let clock = Clock::start_virtual(STARTED);
    let StoreKind::Simulated(simulated) = settings.stores[0].kind.clone() else { panic!("it is simulated") };
    let store = Arc::new(SimulatedStore::new(simulated, REGIONS.map(str::to_owned).to_vec(), clock));
    let mut drivers = Vec::new();
    let plan = plan(&settings.stores[0]);
    for region in plan.region_ids() {
        let host = format!("host-{}", REGIONS[region.index()]).as_str().into();
        let plan = Plan { local: Some(region), host, ..plan.clone() };
        let store = Together(store.clone());
        drivers.push(driver::start(store, Nobody, plan, clock, stop.clone(), Duration::from_secs(1)));
    }
    sleep(elapsed).await;
    Shared::new(sources(drivers.remove(0), judging::channels().1, clock), STARTED)
}

/// The same, with another policy for its reads.
fn governed(gauge: &Gauge, policy: Policy) -> Router {
    let sources = Sources { policies: [policy].into(), ..gauge.shared.sources.clone() };
    http::full(Shared::new(sources, STARTED))
}

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
    let refused = Shared::refused(gauge.shared.sources.clone(), "colour is not known".to_owned());
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
            _ => "",
        };
        let ask_with = |changed: &str, value: Option<&str>| {
            let mut query = Vec::new();
            for name in &names {
                let value = if *name == changed { value.unwrap_or_default() } else { usual(name) };
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
    let fresh = Gauge::after(Duration::ZERO, 1).await;
    let mut described = Described::by(fresh.full()).await;
    let routers = [
        fresh.full(),
        Gauge::after(Duration::from_secs(90), 2).await.full(),
        Gauge::asking(Duration::from_secs(600), 1, Some(POLLING), Exaggerates).await.full(),
        http::full(one_of_a_fleet(Duration::from_secs(90), &stop).await),
    ];
    for router in routers {
        for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/pairs", "/api/v1/alerts", "/api/v1/events"] {
            assert_eq!(described.asks(router.clone(), path).await.status, StatusCode::OK, "{path}");
        }
        // Not each of them has this pair.
        let pairs = described.asks(router.clone(), "/api/v1/pairs").await.json();
        let first = &pairs["data"]["pairs"][0];
        let [source, target] = ["source_region", "target_region"].map(|field| first[field].as_str().unwrap());
        let pair = format!("store=orders&source_region={source}&target_region={target}");
        for resource in ["samples?limit=5&", "advice?max_staleness=5s&", "advice?max_staleness=0.1&as=status&"] {
            described.asks(router.clone(), &format!("/api/v1/{resource}{pair}")).await;
        }
    }

    let gauge = Gauge::judging(STALL);
    let mut listener = Listener::to(&gauge.shared, "").await;
    sleep(Duration::from_secs(120)).await;
    described.asks(gauge.full(), "/api/v1/alerts").await;
    described.asks(gauge.full(), &format!("/api/v1/advice?{PAIR}&max_staleness=5s")).await;
    let mut policy =
        Policy { max_staleness: Some(Span::from_millis(5_000)), ..Policy::of_interval(Span::from_millis(1_000)) };
    policy.lost_source = LostSource::Exclude;
    policy.exclude_after = Span::from_millis(10_000);
    described.asks(governed(&gauge, policy.clone()), "/api/v1/advice?store=orders&target_region=eu-west-1").await;
    let until = Wall::from_micros(1_798_761_600_000_000);
    let forced = Override { decision: Forced::Refuse, until, reason: "an exercise".into() };
    policy.overrides = [forced].into();
    let refusal = "/api/v1/advice?store=orders&target_region=eu-west-1&as=status";
    let answer = described.asks(governed(&gauge, policy), refusal).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    sleep(Duration::from_secs(300)).await;
    let events = ["paths", "/api/v1/events", "get", "responses", "200", "content", "text/event-stream", "x-events"];
    let heard = listener.heard().await;
    assert!(heard.len() > 5, "{heard:?}");
    for event in heard {
        described.must_be(&[events.as_slice(), &[&event.name]].concat(), &event.data);
    }

    let (mut promised, mut instants) = (BTreeSet::new(), BTreeSet::new());
    for (_, schema) in described.schemas() {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            promised.insert(name.as_str());
            if field["format"] == "date-time" {
                instants.insert(name.as_str());
            }
        }
    }
    // The last question never fails here, and nobody is too slow to listen.
    let rare = ["failing", "missed"];
    let unseen: Vec<&&str> = promised.iter().filter(|name| !described.known.contains(**name)).collect();
    assert_eq!(
        unseen,
        rare.iter().collect::<Vec<_>>(),
        "what is never anything but null is not held against the document"
    );
    let seen: BTreeSet<&str> = described.instants.iter().map(String::as_str).collect();
    assert_eq!(seen, instants, "an instant is described as one");
}

#[tokio::test(start_paused = true)]
async fn problems_are_what_the_document_says() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let refused = Shared::refused(gauge.shared.sources.clone(), "colour is not known".to_owned());
    let mut described = Described::by(gauge.full()).await;
    let paths: Vec<String> = described.paths().into_iter().map(str::to_owned).collect();
    for path in &paths {
        let names = described.parameters(path).to_vec();
        let answer = described.asks(http::full(refused.clone()), path).await;
        let is_known_all_the_same = ["/metrics", "/-/healthy", DOCUMENT].contains(&path.as_str());
        assert_eq!(answer.status.is_success(), is_known_all_the_same, "{path}");
        if names.iter().any(|parameter| parameter["name"] == "store") {
            let answer = described.asks(gauge.full(), &format!("{path}?{}", PAIR.replace("orders", "nosuch"))).await;
            // Not all of them take a pair.
            assert!(answer.status == StatusCode::NOT_FOUND || answer.status == StatusCode::BAD_REQUEST, "{path}");
            let store_alone = format!("{path}?store=nosuch");
            let answer = described.asks(gauge.full(), &store_alone).await;
            assert!(answer.status.is_client_error(), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fields_follow_the_conventions() {
    let described = Described::by(Gauge::after(Duration::ZERO, 1).await.full()).await;
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
    let described = Described::by(gauge.full()).await;
    let place = ["paths", "/api/v1/pairs", "get", "responses", "200", "content", "application/json", "schema"];
    let right = gauge.get("/api/v1/pairs").await.json();
    assert_eq!(described.check(&place, &right), Ok(()));
    let changed = |change: &dyn Fn(&mut Json)| {
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
