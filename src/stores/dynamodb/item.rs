//! Heartbeats as items, and back again.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::Keys;
use crate::core::heartbeat::{Field, Found, Heartbeat, Value, attribute};
use crate::core::model::Slot;

/// An item, as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// The attributes that reads ask for, so that whatever else lies under a key is not even transferred.
pub const ATTRIBUTES: [&str; 13] = [
    attribute::VERSION,
    attribute::SOURCE,
    attribute::SLOT,
    attribute::WRITER,
    attribute::HOST,
    attribute::RUN,
    attribute::SEQ,
    attribute::WRITTEN_AT,
    attribute::INTERVAL,
    attribute::RESIGNED,
    attribute::CLOCK,
    attribute::RECENT,
    attribute::ECHO,
];

/// The whole item of a heartbeat.
pub fn encode(heartbeat: &Heartbeat, keys: &Keys) -> Item {
    let mut item = keys.key(&heartbeat.source, heartbeat.slot);
    item.extend(heartbeat.encode().into_iter().map(|(name, value)| {
        let value = match value {
            Value::Number(number) => AttributeValue::N(number),
            Value::Text(text) => AttributeValue::S(text),
            Value::Bool(truth) => AttributeValue::Bool(truth),
            Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
        };
        (name.to_owned(), value)
    }));
    item
}

/// What an item stored under the key of `source` and `slot` is.
pub fn decode(item: &Item, source: &Arc<str>, slot: Slot) -> Found {
    Heartbeat::decode(source, slot, |name| {
        item.get(name).map(|value| match value {
            AttributeValue::N(number) => Field::Number(number),
            AttributeValue::S(text) => Field::Text(text),
            AttributeValue::Bool(truth) => Field::Bool(*truth),
            AttributeValue::B(bytes) => Field::Bytes(bytes.as_ref()),
            _ => Field::Other,
        })
    })
}
