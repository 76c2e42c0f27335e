//! Heartbeats as documents, and back again.

use std::sync::Arc;

use azure_core::base64;
use serde_json::{Map, Value};

use super::keys::Keys;
use crate::core::heartbeat::{self, Field, Found, Heartbeat, attribute};
use crate::core::model::Slot;
use crate::core::time::Wall;

/// A document, as it comes.
pub type Document = Map<String, Value>;

/// Set on every document of ours: where a container lets its items expire, heartbeats do not.
const TTL: &str = "ttl";

/// The whole document of a heartbeat.
pub fn encode(heartbeat: &Heartbeat, keys: &Keys) -> Document {
    let mut document = keys.document(&heartbeat.source, heartbeat.slot);
    document.insert(TTL.to_owned(), (-1).into());
    document.extend(heartbeat.encode().into_iter().map(|(name, value)| {
        let value = match value {
            heartbeat::Value::Number(number) => number.parse::<i64>().map_or(Value::String(number), Value::from),
            heartbeat::Value::Text(text) => Value::String(text),
            heartbeat::Value::Bool(truth) => Value::Bool(truth),
            heartbeat::Value::Bytes(bytes) => Value::String(base64::encode(bytes)),
        };
        (name.to_owned(), value)
    }));
    document
}

/// The document that `tidegauge check` writes: consumers of a change feed that skip heartbeats skip it, too.
pub fn probe(keys: &Keys, region: &str, now: Wall) -> Document {
    let mut document = keys.probe_document(region);
    document.insert(TTL.to_owned(), (-1).into());
    document.insert(attribute::VERSION.to_owned(), heartbeat::FORMAT_VERSION.into());
    document.insert(attribute::WRITTEN_AT.to_owned(), now.as_micros().into());
    document
}

/// What a document stored under the key of `source` and `slot` is.
pub fn decode(document: &Document, source: &Arc<str>, slot: Slot) -> Found {
    let packed = |name| document.get(name).and_then(Value::as_str).map(base64::decode);
    let (recent, echo) = (packed(attribute::RECENT), packed(attribute::ECHO));
    let numbers: Vec<(&str, String)> =
        document.iter().filter_map(|(name, value)| Some((name.as_str(), whole(value)?))).collect();
    Heartbeat::decode(source, slot, |name| {
        let bytes = match name {
            attribute::RECENT => &recent,
            attribute::ECHO => &echo,
            _ => &None,
        };
        if let Some(bytes) = bytes {
            return Some(bytes.as_deref().map_or(Field::Other, Field::Bytes));
        }
        document.get(name).map(|value| match value {
            Value::Number(_) => {
                let number = numbers.iter().find(|(known, _)| *known == name);
                number.map_or(Field::Other, |(_, number)| Field::Number(number))
            }
            Value::String(text) => Field::Text(text),
            Value::Bool(truth) => Field::Bool(*truth),
            _ => Field::Other,
        })
    })
}

/// A whole number in digits, however it was written: to Cosmos DB every number is a floating one.
fn whole(value: &Value) -> Option<String> {
    let number = value.as_number()?;
    if number.is_i64() || number.is_u64() {
        return Some(number.to_string());
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0)?;
    Some(format!("{float:.0}"))
}

/// When a document was committed, by the clock of the server that did, cut to whole seconds.
pub fn committed_at(document: &Document) -> Option<Wall> {
    let seconds = document.get("_ts")?.as_i64()?;
    Some(Wall::from_micros(seconds.checked_mul(1_000_000)?))
}

/// What a later write has to name to be sure that it replaces just this one.
pub fn etag(document: &Document) -> Option<&str> {
    document.get("_etag")?.as_str()
}

/// A document's id.
pub fn id(document: &Document) -> Option<&str> {
    document.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    use azure_data_cosmos::models::PartitionKeyDefinition;

    use super::*;
    use crate::core::model::{Beat, WriterId};
    use crate::core::time::Span;

    fn heartbeat() -> Heartbeat {
        Heartbeat {
            source: "eastus".into(),
            slot: 2,
            writer: WriterId(7),
            host: "host".into(),
            beat: Beat { run: 1_764_000_000_123, seq: 42 },
            written_at: Wall::from_micros(1_764_000_000_123_456),
            interval: Span::from_millis(1_000),
            resigned: true,
            clock: Some((Span::from_micros(-3), Span::from_micros(4))),
            recent: Arc::from([1_u8, 0, 255]),
            echo: Arc::from([9_u8]),
        }
    }

    fn stored() -> Document {
        encode(&heartbeat(), &Keys::of(&PartitionKeyDefinition::from("/pk")))
    }

    #[test]
    fn a_heartbeat_comes_back_as_it_was_written() {
        let found = decode(&stored(), &"eastus".into(), 2);
        assert_eq!(found, Found::Heartbeat(heartbeat()));
        assert_eq!(stored()["ttl"], -1);
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let mut document = stored();
        document.insert(attribute::RUN.to_owned(), Value::from(1.764000000123e12));
        assert_eq!(decode(&document, &"eastus".into(), 2), Found::Heartbeat(heartbeat()));
        document.insert(attribute::RUN.to_owned(), Value::from(1.5));
        assert!(matches!(decode(&document, &"eastus".into(), 2), Found::Invalid(_)));
    }

    #[test]
    fn what_is_no_heartbeat_is_not_taken_for_one() {
        for (name, value) in [
            (attribute::RECENT, Value::from("no base64!")),
            (attribute::RECENT, Value::from(3)),
            (attribute::WRITER, Value::Null),
            (attribute::SEQ, Value::from("42")),
            (attribute::SEQ, Value::from(-1)),
            (attribute::SLOT, Value::from(3)),
        ] {
            let mut document = stored();
            document.insert(name.to_owned(), value);
            assert!(matches!(decode(&document, &"eastus".into(), 2), Found::Invalid(_)), "{name}");
        }
        assert!(matches!(decode(&Document::new(), &"eastus".into(), 2), Found::Invalid(_)));
    }
}
