//! The heartbeat: the small record that a writer overwrites in its source region at each tick, and its format.
//!
//! Every attribute is prefixed `tg_`, so that it collides with nothing of the application's. Unknown attributes
//! are ignored and the meaning of an existing one never changes. What is read from a store is untrusted: decoding
//! checks shape and size here, and the ledger checks plausibility against its own clock and reign.

use std::sync::Arc;

use super::model::{Beat, Slot, WriterId};
use super::time::{Span, Wall};

/// The format version that this build writes. 0 had no two-clock parts.
pub const FORMAT_VERSION: u32 = 1;

/// Longest boot id that is kept; Linux's has 36 characters.
const HOST_LEN_MAX: usize = 64;

/// Longest interval that a heartbeat may claim.
const INTERVAL_MAX: Span = Span::from_millis(24 * 3_600 * 1_000);

/// Highest `tg_run` and `tg_seq`: both stay exact as JSON numbers.
const NUMBER_MAX: u64 = 1 << 53;

/// Attribute names, as stored.
pub mod attribute {
    /// Format version (number); also the marker by which stream consumers filter heartbeats out.
    pub const VERSION: &str = "tg_v";
    /// Source region (text).
    pub const SOURCE: &str = "tg_source";
    /// Slot (number).
    pub const SLOT: &str = "tg_slot";
    /// Writing process (text, 32 hex digits).
    pub const WRITER: &str = "tg_writer";
    /// Boot id of the writer's host (text).
    pub const HOST: &str = "tg_host";
    /// Run (number).
    pub const RUN: &str = "tg_run";
    /// Tick's number in the run (number).
    pub const SEQ: &str = "tg_seq";
    /// Writer's wall clock just before the write left (number, µs since 1970).
    pub const WRITTEN_AT: &str = "tg_written_at";
    /// Heartbeat interval (number, µs).
    pub const INTERVAL: &str = "tg_interval";
    /// Present and true when the writer stepped down with this heartbeat (boolean).
    pub const RESIGNED: &str = "tg_resigned";
    /// Writer's clock − its server's, at least and at most (text, two numbers of µs); absent where unknown.
    pub const CLOCK: &str = "tg_clock";
    /// The writer's last ticks (binary, see `core::history`).
    pub const RECENT: &str = "tg_recent";
    /// What the writer has seen of the other sources (binary, see `core::echo`); slot 0 alone.
    pub const ECHO: &str = "tg_echo";
}

/// Longest `tg_recent` and `tg_echo` that are read.
const PACKED_LEN_MAX: usize = 4_096;

/// One heartbeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Short name of the source region.
    pub source: Arc<str>,
    /// Which of the source's keys.
    pub slot: Slot,
    /// Who wrote it.
    pub writer: WriterId,
    /// Boot id of the writer's host.
    pub host: Arc<str>,
    /// Its identity and order.
    pub beat: Beat,
    /// The writer's wall clock just before the write left.
    pub written_at: Wall,
    /// The writer's interval.
    pub interval: Span,
    /// The writer stepped down with this heartbeat: whoever stands by may take over at once.
    pub resigned: bool,
    /// The writer's clock − its server's: at least, at most.
    pub clock: Option<(Span, Span)>,
    /// The writer's last ticks, packed: [`super::history::ticks_of`] reads them. Empty where there are none.
    pub recent: Arc<[u8]>,
    /// What the writer has seen of the other sources, packed: [`super::echo::unpack`] reads it. Empty where there is
    /// nothing.
    pub echo: Arc<[u8]>,
}

/// One attribute's value, borrowed from whatever the store's client returned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Field<'a> {
    /// A number, as decimal text.
    Number(&'a str),
    /// Text.
    Text(&'a str),
    /// A boolean.
    Bool(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Any other type.
    Other,
}

/// One attribute's value, owned, to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number, as decimal text.
    Number(String),
    /// Text.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What a read found under a source's key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A heartbeat in a format that this build understands.
    Heartbeat(Heartbeat),
    /// A heartbeat of a newer major format: neither silence nor rubbish.
    NewerFormat {
        /// The version it claims.
        version: u64,
    },
    /// Something that is not a heartbeat.
    Invalid(Invalid),
}

/// Why what was read under a heartbeat's key is no heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Invalid {
    /// An attribute is missing.
    #[error("attribute {0} is missing")]
    Missing(&'static str),
    /// An attribute has the wrong type, or a value out of its range.
    #[error("attribute {0} has the wrong type or a value out of range")]
    Malformed(&'static str),
    /// An attribute is longer than any heartbeat's.
    #[error("attribute {0} is too long")]
    Oversized(&'static str),
    /// Source or slot are not those of the key it is stored under.
    #[error("attribute {0} is not that of the key")]
    Misplaced(&'static str),
}

impl Heartbeat {
    /// The attributes to store, keys apart.
    pub fn encode(&self) -> Vec<(&'static str, Value)> {
        let number = |n: &dyn ToString| Value::Number(n.to_string());
        let mut fields = vec![
            (attribute::VERSION, number(&FORMAT_VERSION)),
            (attribute::SOURCE, Value::Text(self.source.to_string())),
            (attribute::SLOT, number(&self.slot)),
            (attribute::WRITER, Value::Text(self.writer.to_string())),
            (attribute::HOST, Value::Text(self.host.to_string())),
            (attribute::RUN, number(&self.beat.run)),
            (attribute::SEQ, number(&self.beat.seq)),
            (attribute::WRITTEN_AT, number(&self.written_at.as_micros())),
            (attribute::INTERVAL, number(&self.interval.as_micros())),
        ];
        if self.resigned {
            fields.push((attribute::RESIGNED, Value::Bool(true)));
        }
        if let Some((min, max)) = self.clock {
            fields.push((attribute::CLOCK, Value::Text(format!("{},{}", min.as_micros(), max.as_micros()))));
        }
        for (name, packed) in [(attribute::RECENT, &self.recent), (attribute::ECHO, &self.echo)] {
            if !packed.is_empty() {
                fields.push((name, Value::Bytes(packed.to_vec())));
            }
        }
        fields
    }

    /// Reads a heartbeat from the attributes stored under the key of `source` and `slot`.
    ///
    /// `get` looks an attribute up by name. Attributes that this build does not know are not asked for.
    pub fn decode<'a>(source: &Arc<str>, slot: Slot, get: impl Fn(&str) -> Option<Field<'a>>) -> Found {
        match Self::try_decode(source, slot, get) {
            Ok(found) => found,
            Err(invalid) => Found::Invalid(invalid),
        }
    }

    fn try_decode<'a>(
        source: &Arc<str>,
        slot: Slot,
        get: impl Fn(&str) -> Option<Field<'a>>,
    ) -> Result<Found, Invalid> {
        let number = |name: &'static str, max: u64| -> Result<u64, Invalid> {
            match get(name).ok_or(Invalid::Missing(name))? {
                Field::Number(text) if text.len() <= 20 && !text.starts_with('+') => {
                    text.parse().ok().filter(|n| *n <= max).ok_or(Invalid::Malformed(name))
                }
                _ => Err(Invalid::Malformed(name)),
            }
        };
        let text = |name: &'static str, len_max: usize| -> Result<&'a str, Invalid> {
            match get(name).ok_or(Invalid::Missing(name))? {
                Field::Text(text) if text.len() <= len_max => Ok(text),
                Field::Text(_) => Err(Invalid::Oversized(name)),
                _ => Err(Invalid::Malformed(name)),
            }
        };
        let bytes = |name: &'static str| -> Result<Arc<[u8]>, Invalid> {
            match get(name) {
                None => Ok(Arc::default()),
                Some(Field::Bytes(bytes)) if bytes.len() <= PACKED_LEN_MAX => Ok(bytes.into()),
                Some(Field::Bytes(_)) => Err(Invalid::Oversized(name)),
                Some(_) => Err(Invalid::Malformed(name)),
            }
        };
        let version = number(attribute::VERSION, u64::MAX)?;
        if version > u64::from(FORMAT_VERSION) {
            return Ok(Found::NewerFormat { version });
        }
        if text(attribute::SOURCE, 256)? != &**source {
            return Err(Invalid::Misplaced(attribute::SOURCE));
        }
        if number(attribute::SLOT, u64::from(Slot::MAX))? != u64::from(slot) {
            return Err(Invalid::Misplaced(attribute::SLOT));
        }
        let writer = text(attribute::WRITER, 32)?;
        // The standard parser also takes a sign.
        let writer = Some(writer)
            .filter(|writer| writer.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|writer| u128::from_str_radix(writer, 16).ok())
            .ok_or(Invalid::Malformed(attribute::WRITER))?;
        let interval = Span::from_micros(number(attribute::INTERVAL, NUMBER_MAX)? as i64);
        if interval <= Span::ZERO || interval > INTERVAL_MAX {
            return Err(Invalid::Malformed(attribute::INTERVAL));
        }
        Ok(Found::Heartbeat(Heartbeat {
            source: source.clone(),
            slot,
            writer: WriterId(writer),
            host: Arc::from(text(attribute::HOST, HOST_LEN_MAX)?),
            beat: Beat { run: number(attribute::RUN, NUMBER_MAX)?, seq: number(attribute::SEQ, NUMBER_MAX)? },
            written_at: Wall::from_micros(number(attribute::WRITTEN_AT, NUMBER_MAX)? as i64),
            interval,
            resigned: match get(attribute::RESIGNED) {
                None => false,
                Some(Field::Bool(resigned)) => resigned,
                Some(_) => return Err(Invalid::Malformed(attribute::RESIGNED)),
            },
            clock: match get(attribute::CLOCK) {
                None => None,
                Some(Field::Text(text)) => Some(clock_bounds(text).ok_or(Invalid::Malformed(attribute::CLOCK))?),
                Some(_) => return Err(Invalid::Malformed(attribute::CLOCK)),
            },
            // Before version 1 these names meant nothing.
            recent: if version == 0 { Arc::default() } else { bytes(attribute::RECENT)? },
            echo: if version == 0 { Arc::default() } else { bytes(attribute::ECHO)? },
        }))
    }
}

/// Two numbers of microseconds, each within a year of nothing.
fn clock_bounds(text: &str) -> Option<(Span, Span)> {
    let (min, max) = text.split_once(',').filter(|_| text.len() <= 40)?;
    let micros = |text: &str| text.parse().ok().filter(|micros: &i64| micros.unsigned_abs() < 31_557_600_000_000);
    let (min, max) = (Span::from_micros(micros(min)?), Span::from_micros(micros(max)?));
    (min <= max).then_some((min, max))
}
