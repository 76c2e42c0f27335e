//! Words out of closed sets: what a field of an answer can say, and what the description of that field then lists.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::answer::Kind;
use crate::core::advice::visibility::{Lookback, Shown};
use crate::core::advice::{self, Decision, Forced, RestsOn};
use crate::core::alert::{Phase, Severity};
use crate::core::assess;
use crate::core::merge::Verdict;
use crate::core::model::{Consistency, Placement, Reason};
use crate::core::provider::Statistic;
use crate::core::snapshot::Measured;
use crate::core::writing;

/// An enum whose words stand in answers.
pub trait Closed: Copy {
    /// What the set is called where it is described.
    const NAME: &'static str;
    /// All of its words.
    fn words() -> Vec<&'static str>;
    /// The word for this one.
    fn word(self) -> &'static str;
}

macro_rules! closed {
    ($($name:literal is $set:path),* $(,)?) => {
        $(impl Closed for $set {
            const NAME: &'static str = $name;
            fn words() -> Vec<&'static str> {
                Self::ALL.into_iter().map(Self::label).collect()
            }
            fn word(self) -> &'static str {
                self.label()
            }
        })*
    };
}

closed! {
    "AdviceBasis" is advice::Basis,
    "Clock" is Measured,
    "Consistency" is Consistency,
    "ErrorType" is Kind,
    "FailureReason" is Reason,
    "Heartbeats" is Shown,
    "Lookback" is Lookback,
    "OverrideDecision" is Forced,
    "Phase" is Phase,
    "Placement" is Placement,
    "RestsOn" is RestsOn,
    "Severity" is Severity,
    "State" is assess::State,
    "Statistic" is Statistic,
    "Verdict" is Verdict,
    "Writing" is writing::Standing,
}

/// Two of its words say where, or how long, as well; that stands in fields of its own.
impl Closed for Decision {
    const NAME: &'static str = "Decision";

    fn words() -> Vec<&'static str> {
        Decision::LABELS.to_vec()
    }

    fn word(self) -> &'static str {
        self.label()
    }
}

/// One of a closed set, in an answer.
#[derive(Debug)]
pub struct Word<T>(pub T);

impl<T: Closed> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<T: Closed> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(&T::words())
    }
}

/// A field, or a parameter, that is one of these words.
pub fn one_of(words: &[&str]) -> Schema {
    json_schema!({ "type": "string", "enum": words })
}
