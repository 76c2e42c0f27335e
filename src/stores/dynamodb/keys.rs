//! Under which keys the heartbeats lie, whatever the table's keys are like.
//!
//! | the table's key | of type S | of type N |
//! | --- | --- | --- |
//! | partition, beside a sort key | `tidegauge-<slot>` | −10³⁷ − slot |
//! | sort | the source | CRC-32 of the source |
//! | partition, alone | `tidegauge-<slot>-<source>` | −10³⁷ − slot·2³² − CRC-32 of the source |
//!
//! Type B has the bytes of what type S has. The numbers have DynamoDB's 38 digits, exactly, and lie where no application
//! counts. That no two regions share a CRC-32 is what the settings see to.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::Item;
use crate::core::echo::name_hash;
use crate::core::model::Slot;
use crate::settings::{KeySettings, KeyType, TableSettings};

/// Every number that is a partition key of ours is below this one, and has as many digits.
const BASE: i128 = -(10_i128.pow(37));

/// What numbers leave to the CRC-32 where there is one key only.
const HASHES: i128 = 1 << 32;

/// The key attributes of the table that holds the heartbeats.
#[derive(Clone, Debug)]
pub struct Keys {
    partition: KeySettings,
    sort: Option<KeySettings>,
}

/// What a partition is for: a slot, or the probe, by its word and by its number.
struct Place {
    word: String,
    number: i128,
}

impl Place {
    fn slot(slot: Slot) -> Place {
        Place { word: slot.to_string(), number: slot.into() }
    }

    /// No slot has this number: they end at 63.
    fn probe() -> Place {
        Place { word: "check".to_owned(), number: Slot::MAX.into() }
    }
}

impl Keys {
    /// The keys of a table.
    pub fn of(table: &TableSettings) -> Keys {
        Keys { partition: table.partition_key.clone(), sort: table.sort_key.clone() }
    }

    /// What the partition key's attribute is called.
    pub fn partition_name(&self) -> &str {
        &self.partition.name
    }

    /// What the sort key's attribute is called, where there is one.
    pub fn sort_name(&self) -> Option<&str> {
        self.sort.as_ref().map(|sort| sort.name.as_str())
    }

    /// The key under which a source keeps its heartbeat of one slot.
    pub fn key(&self, source: &str, slot: Slot) -> Item {
        self.key_at(&Place::slot(slot), source)
    }

    /// A key that is within the same permissions as the heartbeats', and that no heartbeat ever has: for a write that
    /// shows whether a region may write, and disturbs nobody.
    pub fn probe_key(&self, region: &str) -> Item {
        self.key_at(&Place::probe(), region)
    }

    fn key_at(&self, place: &Place, source: &str) -> Item {
        let hash = i128::from(name_hash(source));
        let partition = match &self.sort {
            Some(_) => self.partition_at(place),
            None => {
                let text = format!("tidegauge-{}-{source}", place.word);
                value(self.partition.kind, text, BASE - place.number * HASHES - hash)
            }
        };
        let mut key = HashMap::from([(self.partition.name.clone(), partition)]);
        if let Some(sort) = &self.sort {
            key.insert(sort.name.clone(), value(sort.kind, source.to_owned(), hash));
        }
        key
    }

    /// The partition that holds every source's heartbeat of one slot, where there is a sort key.
    pub fn partition(&self, slot: Slot) -> AttributeValue {
        self.partition_at(&Place::slot(slot))
    }

    fn partition_at(&self, place: &Place) -> AttributeValue {
        value(self.partition.kind, format!("tidegauge-{}", place.word), BASE - place.number)
    }

    /// Whose key an item of a slot lies under, as a place in `sources`. `None` if it is none of theirs.
    pub fn source_of(&self, item: &Item, slot: Slot, sources: &[Arc<str>]) -> Option<usize> {
        let alone = self.sort.is_none();
        let key = self.sort.as_ref().unwrap_or(&self.partition);
        let named = |bytes: &[u8]| {
            let before = if alone { format!("tidegauge-{slot}-") } else { String::new() };
            let name = bytes.strip_prefix(before.as_bytes())?;
            sources.iter().position(|source| source.as_bytes() == name)
        };
        match item.get(&key.name)? {
            AttributeValue::S(text) => named(text.as_bytes()),
            AttributeValue::B(bytes) => named(bytes.as_ref()),
            AttributeValue::N(number) => {
                let number = whole(number)?;
                let hash = if alone { BASE - i128::from(slot) * HASHES - number } else { number };
                sources.iter().position(|source| i128::from(name_hash(source)) == hash)
            }
            _ => None,
        }
    }
}

/// A key's value by its type.
fn value(kind: KeyType, text: String, number: i128) -> AttributeValue {
    match kind {
        KeyType::S => AttributeValue::S(text),
        KeyType::N => AttributeValue::N(number.to_string()),
        KeyType::B => AttributeValue::B(Blob::new(text)),
    }
}

/// A value for people: a number as it is, bytes as the text that they are of.
pub fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::B(bytes) => String::from_utf8_lossy(bytes.as_ref()).into_owned(),
        other => format!("{other:?}"),
    }
}

/// A whole number, however it is written: whether a store gives it back in digits or with an exponent is up to it.
fn whole(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let digits: i128 = format!("{before}{after}").parse().ok()?;
    let zeros = exponent.checked_sub(i32::try_from(after.len()).ok()?)?;
    digits.checked_mul(10_i128.checked_pow(u32::try_from(zeros).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(partition: KeyType, sort: Option<KeyType>) -> Keys {
        let key = |name: &str, kind| KeySettings { name: name.to_owned(), kind };
        Keys { partition: key("PK", partition), sort: sort.map(|kind| key("SK", kind)) }
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn number(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    fn bytes(text: &str) -> AttributeValue {
        AttributeValue::B(Blob::new(text))
    }

    fn item<const LENGTH: usize>(attributes: [(&str, AttributeValue); LENGTH]) -> Item {
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    const SHAPES: [(KeyType, Option<KeyType>); 12] = {
        use KeyType::{B, N, S};
        [
            (S, None),
            (N, None),
            (B, None),
            (S, Some(S)),
            (S, Some(N)),
            (S, Some(B)),
            (N, Some(S)),
            (N, Some(N)),
            (N, Some(B)),
            (B, Some(S)),
            (B, Some(N)),
            (B, Some(B)),
        ]
    };

    #[test]
    fn a_heartbeats_key_is_of_its_tables_types() {
        use KeyType::{B, N, S};
        let us = "us-east-1";
        let found = |partition, sort| keys(partition, sort).key(us, 3);
        assert_eq!(found(S, Some(S)), item([("PK", text("tidegauge-3")), ("SK", text(us))]));
        assert_eq!(found(B, Some(B)), item([("PK", bytes("tidegauge-3")), ("SK", bytes(us))]));
        let partition = number("-10000000000000000000000000000000000003");
        assert_eq!(found(N, Some(N)), item([("PK", partition.clone()), ("SK", number("2003110180"))]));
        assert_eq!(found(N, Some(S)), item([("PK", partition), ("SK", text(us))]));
        assert_eq!(found(S, None), item([("PK", text("tidegauge-3-us-east-1"))]));
        assert_eq!(found(B, None), item([("PK", bytes("tidegauge-3-us-east-1"))]));
        // 3 · 2³² + 2,003,110,180 = 14,888,012,068.
        assert_eq!(found(N, None), item([("PK", number("-10000000000000000000000000014888012068"))]));
    }

    #[test]
    fn the_probes_key_is_no_heartbeats_in_any_table() {
        use KeyType::{B, N, S};
        let us = "us-east-1";
        let found = |partition, sort| keys(partition, sort).probe_key(us);
        assert_eq!(found(S, Some(S)), item([("PK", text("tidegauge-check")), ("SK", text(us))]));
        assert_eq!(found(B, Some(S)), item([("PK", bytes("tidegauge-check")), ("SK", text(us))]));
        let partition = number("-10000000000000000000000000000000065535");
        assert_eq!(found(N, Some(N)), item([("PK", partition), ("SK", number("2003110180"))]));
        assert_eq!(found(S, None), item([("PK", text("tidegauge-check-us-east-1"))]));
        assert_eq!(found(N, None), item([("PK", number("-10000000000000000000000281472684853540"))]));
        for (partition, sort) in SHAPES {
            let keys = keys(partition, sort);
            for slot in 0..64 {
                assert_ne!(keys.probe_key(us), keys.key(us, slot), "{partition:?} {sort:?}");
            }
        }
    }

    #[test]
    fn numbers_have_no_more_digits_than_a_store_keeps() {
        for slot in [0, 63, Slot::MAX] {
            // The farthest that there are.
            for number in [BASE - i128::from(slot), BASE - i128::from(slot) * HASHES - (HASHES - 1)] {
                assert_eq!(number.to_string().trim_start_matches('-').len(), 38, "{number}");
            }
        }
    }

    #[test]
    fn every_key_leads_back_to_its_source_and_slot_alone() {
        let sources: Vec<Arc<str>> = ["us-east-1", "us-east-12", "eu-west-1"].map(Arc::from).into();
        for (partition, sort) in SHAPES {
            let keys = keys(partition, sort);
            for (index, source) in sources.iter().enumerate() {
                let key = keys.key(source, 5);
                assert_eq!(keys.source_of(&key, 5, &sources), Some(index), "{partition:?} {sort:?}");
                if sort.is_none() {
                    assert_eq!(keys.source_of(&key, 6, &sources), None, "{partition:?}");
                    assert_eq!(keys.source_of(&keys.probe_key(source), 5, &sources), None, "{partition:?}");
                }
            }
            assert_eq!(keys.source_of(&keys.key("ap-south-1", 5), 5, &sources), None, "{partition:?} {sort:?}");
            let strange = ["", "-", "tidegauge-5-", "1e999999999", "-1e37", "0.5", "us-east-1 "];
            for strange in strange {
                for value in [text(strange), number(strange), bytes(strange), AttributeValue::Null(true)] {
                    let item = item([("PK", value.clone()), ("SK", value)]);
                    assert_eq!(keys.source_of(&item, 5, &sources), None, "{partition:?} {sort:?} {strange}");
                }
            }
            assert_eq!(keys.source_of(&Item::new(), 5, &sources), None);
        }
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let same = [
            ("12", 12),
            ("-12", -12),
            ("12.0", 12),
            ("1.2E+1", 12),
            ("1.2e1", 12),
            ("-0.12E2", -12),
            ("-1E+37", BASE),
            ("-1.0000000000000000000000000014888012068E+37", BASE - 14_888_012_068),
        ];
        for (text, number) in same {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for text in ["", "-", ".", "e", "E5", "1.5", "12E-1", "1E39", "1E+2147483648", "1E-2147483648", "NaN", "1e1e1"]
        {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}
