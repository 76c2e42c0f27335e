//! `GET /api/v1/openapi.json`: all that is served here, as an OpenAPI 3.1 document. It is made of what the resources say of
//! themselves, and of the types that they answer with, whose comments are its descriptions.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Json;
use axum::http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answer::{Kind, ProblemBody};
use super::resource::{Answer, Described, Resource, Verb};
use crate::settings::Act;

pub(super) const RESOURCE: Resource = Resource {
    path: "/api/v1/openapi.json",
    verb: Verb::Get,
    summary: "what all of these take and answer, for programs",
    act: Some(Act::Read),
    parameters: &[],
    answer: Answer::Json(SchemaGenerator::subschema_for::<Map<String, Value>>),
    headers: &[],
    also: &[],
    problems: &[],
    route: || axum::routing::get(get),
};

/// What showing a token is called here.
const SCHEME: &str = "token";

const CHALLENGE: Described = Described::required("WWW-Authenticate", "Bearer: how to say who asks.");

/// It is the same for as long as the process lives.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

const ABOUT: &str = "How stale the data is in each region, and what is wrong. All of it but `/-/reload` is read with GET, or its headers \
    alone with HEAD, and computed from the newest measurements. Durations are numbers of seconds, in fields that end with `_seconds`; instants are RFC 3339 in UTC. \
    What is not known is `null`: never 0, and never an old value. Fields may be added.";

/// Answers, whatever became of the settings: it does not depend on them.
async fn get() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.transforms.push(Box::new(RecursiveTransform(common_widths)));
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for resource in super::resources() {
        let get = operation(&resource, &mut generator);
        let mut operations = json!({ resource.verb.label(): get });
        // Where the headers say it all, to ask for them alone is a way of its own.
        if !resource.headers.is_empty() {
            operations["head"] = without_bodies(get);
        }
        paths.insert(resource.path.to_owned(), operations);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegauge",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": ABOUT,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { SCHEME: { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(resource: &Resource, generator: &mut SchemaGenerator) -> Value {
    let parameters: Vec<Value> = resource
        .parameters
        .iter()
        .map(|parameter| {
            let mut described = described(parameter, generator);
            described["name"] = parameter.name.into();
            described["in"] = "query".into();
            described
        })
        .collect();
    let headers: Map<String, Value> =
        resource.headers.iter().map(|header| (header.name.to_owned(), described(header, generator))).collect();
    let mut responses = BTreeMap::new();
    for (status, about) in [(StatusCode::OK, resource.summary)].iter().chain(resource.also) {
        let mut response = json!({ "description": about, "content": content(resource, generator) });
        if !headers.is_empty() {
            response["headers"] = headers.clone().into();
        }
        responses.insert(status.as_str().to_owned(), response);
    }
    for kind in resource.problems.iter().copied().chain(at_the_door(resource)) {
        let schema = generator.subschema_for::<ProblemBody>();
        let response = responses.entry(kind.status().as_str().to_owned());
        let response = response.or_insert_with(|| json!({ "description": "" }));
        either(response, kind.about(), schema);
        if kind == Kind::Unauthorized {
            response["headers"] = json!({ "WWW-Authenticate": described(&CHALLENGE, generator) });
        }
    }
    json!({
        "operationId": operation_id(resource.path),
        "summary": resource.summary,
        "parameters": parameters,
        "responses": responses,
        // With a token or without, as the settings say.
        "security": resource.act.map(|_| json!([{}, { SCHEME: [] }])).unwrap_or_else(|| json!([])),
    })
}

/// What a listener answers before the resource is asked.
fn at_the_door(resource: &Resource) -> impl Iterator<Item = Kind> {
    let guarded = resource.act.is_some().then_some([Kind::Unauthorized, Kind::Forbidden]);
    let named = matches!(resource.act, Some(Act::Read | Act::Operate)).then_some(Kind::Misdirected);
    guarded.into_iter().flatten().chain(named).chain([Kind::PayloadTooLarge])
}

/// The same operation with HEAD.
fn without_bodies(mut get: Value) -> Value {
    get["operationId"] = format!("{}_head", get["operationId"].as_str().unwrap_or_default()).into();
    for (_, response) in get["responses"].as_object_mut().into_iter().flatten() {
        if let Some(response) = response.as_object_mut() {
            response.remove("content");
        }
    }
    get
}

fn described(one: &Described, generator: &mut SchemaGenerator) -> Value {
    json!({ "required": one.required, "description": one.about, "schema": (one.looks)(generator) })
}

/// A problem comes with this status, and maybe something else does: then no header is certain.
fn either(response: &mut Value, about: &str, problem: Schema) {
    let body = match response["content"]["application/json"]["schema"].take() {
        Value::Null => problem.to_value(),
        other => json!({ "anyOf": [other, problem] }),
    };
    let described = [response["description"].as_str().unwrap_or_default(), about].join(" ");
    response["description"] = described.trim_start().into();
    response["content"] = json!({ "application/json": { "schema": body } });
    for (_, header) in response.get_mut("headers").and_then(Value::as_object_mut).into_iter().flatten() {
        header["required"] = false.into();
    }
}

/// How a client's function for it is called.
fn operation_id(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = name.split('.').next().unwrap_or_default();
    if name.is_empty() { "home" } else { name }
}

fn content(resource: &Resource, generator: &mut SchemaGenerator) -> Value {
    match resource.answer {
        Answer::Text(kinds) => {
            kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": { "type": "string" } }))).collect()
        }
        Answer::Json(looks) => json!({ "application/json": { "schema": looks(generator) } }),
        // This version of the format has no words for a stream: what follows `data:` in an event of each name.
        Answer::Events(events) => {
            let events: Map<String, Value> =
                events.iter().map(|(name, looks)| ((*name).to_owned(), looks(generator).to_value())).collect();
            json!({ "text/event-stream": { "schema": { "type": "string" }, "x-events": events } })
        }
    }
}

/// Generators of clients know integers of 32 and of 64 bits, and take others to be of 32.
fn common_widths(schema: &mut Schema) {
    let width = match schema.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16") => "int32",
        Some("uint32" | "uint64" | "uint") => "int64",
        _ => return,
    };
    schema.insert("format".to_owned(), width.into());
}
