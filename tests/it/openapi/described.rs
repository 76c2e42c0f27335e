//! The document as the tests hold it against what is served.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use boon::{Compiler, Draft, Schemas};
use serde_json::{Value as Json, json};
use tower::ServiceExt;

use crate::events_http::Listener;
use crate::gauge::{Answer, ask};

/// Where it is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";
/// What the document is called among schemas; nothing is fetched from there.
const URL: &str = "http://gauge/openapi.json";

/// The document, and all that was seen of what it describes.
pub struct Described {
    /// As served, but for objects with names of fields in them, which have no other fields here: clients are to bear new ones,
    /// and these tests are to notice them.
    pub document: Json,
    compiler: Compiler,
    schemas: Schemas,
    /// Fields that were there and not `null`, each with the name of what it is a field of.
    pub known: BTreeSet<String>,
}

impl Described {
    pub async fn by(router: Router) -> Described {
        let answer = ask(router, Method::GET, DOCUMENT).await;
        assert_eq!((answer.status, answer.kind.as_str()), (StatusCode::OK, "application/json"));
        let mut document = answer.json();
        for_each_object(&mut document, &mut |object| {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
        });
        let (mut compiler, schemas) = (Compiler::new(), Schemas::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(URL, document.clone()).unwrap();
        Described { document, compiler, schemas, known: BTreeSet::new() }
    }

    pub fn paths(&self) -> Vec<&str> {
        self.document["paths"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    pub fn operation(&self, path: &str) -> &Json {
        &self.document["paths"][path][self.verb(path)]
    }

    /// The word for what is done with it, HEAD aside.
    pub fn verb(&self, path: &str) -> &'static str {
        if self.document["paths"][path].get("post").is_some() { "post" } else { "get" }
    }

    pub fn parameters(&self, path: &str) -> &[Json] {
        self.operation(path)["parameters"].as_array().unwrap()
    }

    /// What is at this place of the document, with what it refers to.
    pub fn schemas(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.document["components"]["schemas"].as_object().unwrap().iter()
    }

    /// What is wrong with a value, if it is not what the document has at this place.
    pub fn check(&mut self, place: &[&str], value: &Json) -> Result<(), String> {
        let place: Vec<String> = place.iter().map(|name| name.replace('~', "~0").replace('/', "~1")).collect();
        let schema = self.compiler.compile(&format!("{URL}#/{}", place.join("/")), &mut self.schemas);
        let schema = schema.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        self.schemas.validate(value, schema).map_err(|error| format!("{error:#}"))
    }

    /// A value that must be what the document says.
    pub fn must_be(&mut self, place: &[&str], value: &Json) {
        self.check(place, value).unwrap_or_else(|error| panic!("{place:?}: {error}: {value:#}"));
        let mut known = BTreeSet::new();
        self.look(place.iter().fold(&self.document, |part, name| &part[*name]), "", value, &mut known);
        self.known.extend(known);
    }

    /// Looks for fields that are known, in a value that is of this schema.
    fn look(&self, schema: &Json, of: &str, value: &Json, known: &mut BTreeSet<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let of = name.rsplit('/').next().unwrap();
            return self.look(self.document.pointer(name.trim_start_matches('#')).unwrap(), of, value, known);
        }
        let is_instant = value.as_str().is_some_and(|text| text.starts_with("20") && text.ends_with('Z'));
        assert_eq!(schema["format"] == "date-time", is_instant, "{schema}, and it is {value}");
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if !value[name].is_null() {
                known.insert(format!("{of}.{name}"));
                self.look(schema, of, &value[name], known);
            }
        }
        for part in value.as_array().into_iter().flatten() {
            self.look(&schema["items"], of, part, known);
        }
        for way in schema["anyOf"].as_array().into_iter().flatten().filter(|way| way["type"] != "null") {
            self.look(way, of, value, known);
        }
    }

    /// Everything that can stand in an answer, as `known` has it.
    pub fn fields(&self) -> impl Iterator<Item = String> {
        self.schemas().flat_map(|(of, schema)| {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(move |(name, _)| format!("{of}.{name}"))
        })
    }

    /// Asks for all that is of interest in any gauge.
    pub async fn asks_the_usual(&mut self, router: Router) {
        for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/api/v1/alerts", "/api/v1/events"] {
            assert_eq!(self.asks(router.clone(), path).await.status, StatusCode::OK, "{path}");
        }
        self.asks(router.clone(), "/api/v1/pairs?colour=blue").await;
        let pairs = self.asks(router.clone(), "/api/v1/pairs").await.json();
        // Not each gauge has the same.
        let first = &pairs["data"]["pairs"][0];
        let [source, target] = ["source_region", "target_region"].map(|field| first[field].as_str().unwrap());
        let pair = format!("store=orders&source_region={source}&target_region={target}");
        for question in [
            "samples?limit=5",
            "advice?max_staleness=5s",
            "advice?max_staleness=0.1&as=status",
            "visibility?age=2s",
            "visibility?confidence=0.9",
        ] {
            self.asks(router.clone(), &format!("/api/v1/{question}&{pair}")).await;
        }
    }

    /// Asks, and holds status, headers and body against the document.
    pub async fn asks(&mut self, router: Router, uri: &str) -> Answer {
        let path = uri.split('?').next().unwrap();
        let verb = self.verb(path);
        let request = Request::builder().method(verb.to_uppercase().as_str()).uri(uri);
        // What is told to do something has to be told so.
        let request = if verb == "post" { request.header(CONTENT_TYPE, "application/json") } else { request };
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let place = ["paths", path, verb, "responses", status.as_str()];
        let described = place.iter().fold(&self.document, |part, name| &part[*name]).clone();
        assert!(described.is_object(), "{uri} answers {status}, of which the document knows nothing");
        let kind = headers[CONTENT_TYPE].to_str().unwrap().to_owned();
        let content = &described["content"][&kind];
        assert!(content.is_object(), "{uri} answers with {kind}, of which the document knows nothing");
        self.says_in_headers(&place, &described["headers"], &headers);
        if content.get("x-events").is_some() {
            // It has no end.
            return Answer { status, kind, headers, body: String::new() };
        }
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer = Answer { status, kind, headers, body: String::from_utf8(body.to_vec()).unwrap() };
        if answer.kind == "application/json" {
            self.must_be(&[place.as_slice(), &["content", &answer.kind, "schema"]].concat(), &answer.json());
        }
        answer
    }

    /// Holds what was told so far against the document.
    pub async fn hears(&mut self, listener: &mut Listener) {
        let place = ["paths", "/api/v1/events", "get", "responses", "200", "content", "text/event-stream", "x-events"];
        let heard = listener.heard().await;
        assert!(heard.len() > 5, "{heard:?}");
        for event in heard {
            self.must_be(&[place.as_slice(), &[&event.name]].concat(), &event.data);
        }
    }

    fn says_in_headers(&mut self, place: &[&str], described: &Json, headers: &HeaderMap) {
        let general = [CONTENT_TYPE, CONTENT_LENGTH, CACHE_CONTROL, VARY];
        let of_pages = [CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS];
        let described: Vec<&String> = described.as_object().map(|some| some.keys().collect()).unwrap_or_default();
        for name in headers.keys().filter(|name| !general.contains(name) && !of_pages.contains(name)) {
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
        }
    }
}

/// Of all objects, however deep.
pub fn for_each_object(of: &mut Json, act: &mut impl FnMut(&mut serde_json::Map<String, Json>)) {
    match of {
        Json::Array(parts) => parts.iter_mut().for_each(|part| for_each_object(part, act)),
        Json::Object(object) => {
            act(object);
            object.values_mut().for_each(|part| for_each_object(part, act));
        }
        _ => {}
    }
}
