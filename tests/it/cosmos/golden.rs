//! Documents of every release, as they lie in containers: what they mean does not change.

use std::fs;
use std::path::{Path, PathBuf};

use azure_data_cosmos::models::PartitionKeyDefinition;
use tidegauge::core::heartbeat::{Invalid, attribute};
use tidegauge::stores::cosmos::item::{self, Document};
use tidegauge::stores::cosmos::keys::{self, Keys};

use super::*;
use crate::golden::{heartbeat, telling};

const SOURCE: &str = "eastus";
const SLOT: Slot = 1;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cosmos")
}

fn golden(name: &str) -> Document {
    let path = folder().join(format!("document-{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn decode(name: &str) -> Found {
    item::decode(&golden(name), &SOURCE.into(), SLOT)
}

/// As in tables, and of a region of Azure.
fn of_azure(heartbeat: Heartbeat) -> Heartbeat {
    Heartbeat { source: SOURCE.into(), ..heartbeat }
}

/// What each file must be.
fn meanings() -> Vec<(&'static str, Found)> {
    let full = || Found::Heartbeat(of_azure(telling(42)));
    let malformed = |name| Found::Invalid(Invalid::Malformed(name));
    vec![
        ("v1-full", full()),
        ("v1-resigned", Found::Heartbeat(of_azure(heartbeat(43, true)))),
        ("v1-numbers-as-floats", full()),
        ("v1-unknown-attributes", full()),
        ("v1-newer-format", Found::NewerFormat { version: 9 }),
        ("v1-malformed-missing-seq", Found::Invalid(Invalid::Missing(attribute::SEQ))),
        ("v1-malformed-run-is-text", malformed(attribute::RUN)),
        ("v1-malformed-seq-is-a-fraction", malformed(attribute::SEQ)),
        ("v1-malformed-recent-is-no-base64", malformed(attribute::RECENT)),
        ("v1-malformed-echo-is-a-list", malformed(attribute::ECHO)),
        ("v1-malformed-resigned-is-null", malformed(attribute::RESIGNED)),
        ("v1-malformed-misplaced-slot", Found::Invalid(Invalid::Misplaced(attribute::SLOT))),
        ("v1-malformed-misplaced-source", Found::Invalid(Invalid::Misplaced(attribute::SOURCE))),
    ]
}

#[test]
fn every_stored_document_keeps_its_meaning() {
    for (name, meaning) in meanings() {
        assert_eq!(decode(name), meaning, "{name}");
    }
}

#[test]
fn no_golden_document_is_left_out() {
    let name_of = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned());
    let mut stored: Vec<String> = fs::read_dir(folder()).unwrap().filter_map(|entry| name_of(entry.unwrap())).collect();
    let mut known: Vec<String> = meanings().iter().map(|(name, _)| format!("document-{name}")).collect();
    stored.sort();
    known.sort();
    assert_eq!(stored, known);
}

#[test]
fn what_is_written_today_is_what_was_written_then() {
    let keys = Keys::of(&PartitionKeyDefinition::from("/pk"));
    for (heartbeat, name) in [(telling(42), "v1-full"), (heartbeat(43, true), "v1-resigned")] {
        let mut then = golden(name);
        // What Cosmos DB adds.
        then.retain(|name, _| !name.starts_with('_'));
        assert_eq!(item::encode(&of_azure(heartbeat), &keys), then, "{name}");
    }
}

#[test]
fn a_document_is_found_by_its_id_and_tells_when_it_was_committed() {
    let document = golden("v1-full");
    let sources: Vec<Arc<str>> = vec!["westeurope".into(), SOURCE.into()];
    assert_eq!(keys::source_of(item::id(&document).unwrap(), SLOT, &sources), Some(1));
    assert_eq!(item::committed_at(&document), Some(Wall::from_micros(1_767_225_642_000_000)));
    assert_eq!(item::etag(&document), Some("\"0000d10f-0000-0d00-0000-6955b9aa0000\""));
}
