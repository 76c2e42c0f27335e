//! Heartbeats of every release, as they lie in tables: what they mean does not change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegauge::core::heartbeat::{Field, Found, Heartbeat, Invalid, Value, attribute};
use tidegauge::core::model::{Beat, WriterId};
use tidegauge::core::time::{Span, Wall};

const SOURCE: &str = "us-east-1";
const SLOT: u16 = 1;

type Attributes = BTreeMap<String, Json>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden(name: &str) -> Attributes {
    let path = folder().join(format!("heartbeat-v0-{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn field(value: &Json) -> Field<'_> {
    let (kind, value) = value.as_object().and_then(|value| value.iter().next()).unwrap();
    match (kind.as_str(), value) {
        ("N", Json::String(number)) => Field::Number(number),
        ("S", Json::String(text)) => Field::Text(text),
        ("BOOL", Json::Bool(truth)) => Field::Bool(*truth),
        _ => Field::Other,
    }
}

fn decode(item: &Attributes) -> Found {
    Heartbeat::decode(&Arc::from(SOURCE), SLOT, |name| item.get(name).map(field))
}

/// What is stored today, the table's own keys included.
fn encode(heartbeat: &Heartbeat) -> Attributes {
    let keys = [
        ("PK".to_owned(), json!({ "S": format!("tidegauge-{}", heartbeat.slot) })),
        ("SK".to_owned(), json!({ "S": &*heartbeat.source })),
    ];
    let attributes = heartbeat.encode().into_iter().map(|(name, value)| {
        let value = match value {
            Value::Number(number) => json!({ "N": number }),
            Value::Text(text) => json!({ "S": text }),
            Value::Bool(truth) => json!({ "BOOL": truth }),
        };
        (name.to_owned(), value)
    });
    keys.into_iter().chain(attributes).collect()
}

fn heartbeat(seq: u64, resigned: bool) -> Heartbeat {
    Heartbeat {
        source: Arc::from(SOURCE),
        slot: SLOT,
        writer: WriterId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        host: Arc::from("5f2c1e0a-9b7d-4c38-8a61-0d3e4f5a6b7c"),
        beat: Beat { run: 1_767_225_600_000, seq },
        written_at: Wall::from_micros(1_767_225_642_000_123),
        interval: Span::from_millis(1_000),
        resigned,
    }
}

/// What each file must be.
fn meanings() -> Vec<(&'static str, Found)> {
    let missing = |name| Found::Invalid(Invalid::Missing(name));
    let malformed = |name| Found::Invalid(Invalid::Malformed(name));
    vec![
        ("full", Found::Heartbeat(heartbeat(42, false))),
        ("resigned", Found::Heartbeat(heartbeat(43, true))),
        ("unknown-attributes", Found::Heartbeat(heartbeat(44, false))),
        ("newer-format", Found::NewerFormat { version: 9 }),
        ("malformed-missing-seq", missing(attribute::SEQ)),
        ("malformed-missing-version", missing(attribute::VERSION)),
        ("malformed-run-is-text", malformed(attribute::RUN)),
        ("malformed-resigned-is-text", malformed(attribute::RESIGNED)),
        ("malformed-run-out-of-range", malformed(attribute::RUN)),
        ("malformed-seq-below-zero", malformed(attribute::SEQ)),
        ("malformed-interval-over-a-day", malformed(attribute::INTERVAL)),
        ("malformed-interval-of-nothing", malformed(attribute::INTERVAL)),
        ("malformed-writer", malformed(attribute::WRITER)),
        ("malformed-oversized-host", Found::Invalid(Invalid::Oversized(attribute::HOST))),
        ("malformed-misplaced-source", Found::Invalid(Invalid::Misplaced(attribute::SOURCE))),
        ("malformed-misplaced-slot", Found::Invalid(Invalid::Misplaced(attribute::SLOT))),
    ]
}

#[test]
fn every_stored_heartbeat_keeps_its_meaning() {
    for (name, meaning) in meanings() {
        assert_eq!(decode(&golden(name)), meaning, "{name}");
    }
}

#[test]
fn no_golden_heartbeat_is_left_out() {
    let mut stored: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .collect();
    let mut known: Vec<String> = meanings().iter().map(|(name, _)| format!("heartbeat-v0-{name}")).collect();
    stored.sort();
    known.sort();
    assert_eq!(stored, known);
}

#[test]
fn what_is_written_today_is_what_was_written_then() {
    assert_eq!(encode(&heartbeat(42, false)), golden("full"));
    assert_eq!(encode(&heartbeat(43, true)), golden("resigned"));
    let mut without = golden("unknown-attributes");
    without.retain(|name, _| !["tg_colour", "tg_recent", "ttl", "nested"].contains(&name.as_str()));
    assert_eq!(encode(&heartbeat(44, false)), without);
}

#[test]
fn attributes_that_are_not_known_are_not_even_asked_for() {
    let item = golden("unknown-attributes");
    let found = Heartbeat::decode(&Arc::from(SOURCE), SLOT, |name| {
        assert!(encode(&heartbeat(44, true)).contains_key(name), "{name} is none of a heartbeat's attributes");
        item.get(name).map(field)
    });
    assert_eq!(found, Found::Heartbeat(heartbeat(44, false)));
}
