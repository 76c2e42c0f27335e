//! The fence as condition expressions: who may overwrite what.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{ATTRIBUTES, Item};
use super::keys::Keys;
use crate::core::heartbeat::{Heartbeat, attribute};
use crate::core::model::{Beat, Expect};

/// A condition expression with what its placeholders stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The expression.
    pub expression: String,
    /// `#…`.
    pub names: HashMap<String, String>,
    /// `:…`.
    pub values: Option<HashMap<String, AttributeValue>>,
}

const STEADY: &str = "(tg_run = :run AND tg_writer = :writer AND tg_seq < :seq)";
const UNMOVED: &str = "(tg_run = :seen_run AND tg_seq = :seen_seq)";
const ABSENT: &str = "attribute_not_exists(#pk)";

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The condition on which `heartbeat` may be written. `None` for [`Expect::ReplaceInvalid`], which depends on what is
/// read first: see [`as_read`].
pub fn fence(expect: Expect, heartbeat: &Heartbeat, keys: &Keys) -> Option<Condition> {
    let Beat { run, seq } = heartbeat.beat;
    let steady = || {
        let writer = AttributeValue::S(heartbeat.writer.to_string());
        HashMap::from([(":run".into(), number(run)), (":writer".into(), writer), (":seq".into(), number(seq))])
    };
    let (expression, values) = match expect {
        Expect::Steady => (STEADY.to_owned(), Some(steady())),
        Expect::Takeover { seen: None } => (ABSENT.to_owned(), None),
        Expect::Takeover { seen: Some(seen) } => (format!("{ABSENT} OR {UNMOVED}"), unmoved(seen).values),
        Expect::Follow => (format!("{ABSENT} OR tg_run < :run OR {STEADY}"), Some(steady())),
        Expect::ReplaceInvalid => return None,
    };
    // A name that the expression does not use is an error to DynamoDB.
    let names = match expect {
        Expect::Steady => HashMap::new(),
        _ => HashMap::from([("#pk".into(), keys.partition_name().to_owned())]),
    };
    Some(Condition { expression, names, values })
}

/// That the heartbeat has not moved since it was seen.
pub fn unmoved(seen: Beat) -> Condition {
    let values = HashMap::from([(":seen_run".into(), number(seen.run)), (":seen_seq".into(), number(seen.seq))]);
    Condition { expression: UNMOVED.to_owned(), names: HashMap::new(), values: Some(values) }
}

/// That the item is as it was just read, as far as our own attributes go.
pub fn as_read(item: Option<&Item>, keys: &Keys) -> Condition {
    let Some(item) = item else {
        let names = HashMap::from([("#pk".into(), keys.partition_name().to_owned())]);
        return Condition { expression: ABSENT.to_owned(), names, values: None };
    };
    let mut values = HashMap::new();
    let terms: Vec<String> = ATTRIBUTES
        .iter()
        .filter(|name| **name != attribute::HOST)
        .map(|name| match item.get(*name) {
            Some(value) => {
                values.insert(format!(":{name}"), value.clone());
                format!("{name} = :{name}")
            }
            None => format!("attribute_not_exists({name})"),
        })
        .collect();
    let values = (!values.is_empty()).then_some(values);
    Condition { expression: terms.join(" AND "), names: HashMap::new(), values }
}
