//! What a table's keys are like: of which types, and whether there is a sort key.

use dynoxide::types::{AttributeDefinition, KeySchemaElement, KeyType, ScalarAttributeType};

/// The types of key that DynamoDB has, by its own letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    S,
    N,
    B,
}

/// The partition key `PK`, and the sort key `SK` where there is one. Both are text by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableKeys {
    pub partition: KeyKind,
    pub sort: Option<KeyKind>,
}

impl Default for TableKeys {
    fn default() -> TableKeys {
        TableKeys { partition: KeyKind::S, sort: Some(KeyKind::S) }
    }
}

impl TableKeys {
    /// A partition key alone.
    pub fn one(partition: KeyKind) -> TableKeys {
        TableKeys { partition, sort: None }
    }

    /// Both keys.
    pub fn two(partition: KeyKind, sort: KeyKind) -> TableKeys {
        TableKeys { partition, sort: Some(sort) }
    }

    /// The same as lines of the daemon's settings.
    pub fn settings(self) -> Vec<String> {
        self.named().map(|(name, kind, key)| format!("{} = {}", setting(&key), written(name, kind))).collect()
    }

    pub(super) fn schema(self) -> Vec<KeySchemaElement> {
        let element =
            |(name, _, key_type): (&str, _, _)| KeySchemaElement { attribute_name: name.to_owned(), key_type };
        self.named().map(element).collect()
    }

    pub(super) fn definitions(self) -> Vec<AttributeDefinition> {
        let definition = |(name, kind, _): (&str, _, _)| AttributeDefinition {
            attribute_name: name.to_owned(),
            attribute_type: match kind {
                KeyKind::S => ScalarAttributeType::S,
                KeyKind::N => ScalarAttributeType::N,
                KeyKind::B => ScalarAttributeType::B,
            },
        };
        self.named().map(definition).collect()
    }

    fn named(self) -> impl Iterator<Item = (&'static str, KeyKind, KeyType)> {
        let sort = self.sort.map(|kind| ("SK", kind, KeyType::RANGE));
        [("PK", self.partition, KeyType::HASH)].into_iter().chain(sort)
    }
}

fn setting(key: &KeyType) -> &'static str {
    if *key == KeyType::HASH { "partition_key" } else { "sort_key" }
}

/// The short form where it will do.
fn written(name: &str, kind: KeyKind) -> String {
    match kind {
        KeyKind::S => format!("\"{name}\""),
        _ => format!("{{ name = \"{name}\", type = \"{kind:?}\" }}"),
    }
}
