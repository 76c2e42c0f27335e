//! What a heartbeat says of the others (`tg_echo`): per source the newest heartbeat seen, and the smallest apparent lag.
//!
//! It proves to a source's own gauge how far its heartbeats have come over there, and bounds the difference of the two
//! clocks: no lag is negative. At most 20 bytes a source, 16 in practice.

use std::sync::Arc;

use integer_encoding::VarInt;

use super::history::Unpack;
use super::model::Beat;
use super::time::Span;

/// Sources that are read from one heartbeat, at most.
const ENTRIES_MAX: usize = 64;

const HAS_LAG: u8 = 1;

/// What a gauge has seen of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo {
    /// [`name_hash`] of the source.
    pub source: u32,
    /// The newest heartbeat that it saw in its own region.
    pub seen: Beat,
    /// The smallest apparent lag (its wall clock at the sighting − `written_at`) of the run of `seen`, rounded up to
    /// milliseconds.
    pub apparent: Option<Span>,
}

/// CRC-32 (ISO-HDLC) of a source's name.
pub fn name_hash(name: &str) -> u32 {
    crc32fast::hash(name.as_bytes())
}

/// `tg_echo` of a heartbeat about to be written.
pub fn pack(echoes: impl Iterator<Item = Echo>) -> Arc<[u8]> {
    let mut bytes = Vec::new();
    for echo in echoes {
        bytes.extend(echo.source.to_le_bytes());
        bytes.push(if echo.apparent.is_some() { HAS_LAG } else { 0 });
        bytes.extend(echo.seen.run.encode_var_vec());
        bytes.extend(echo.seen.seq.encode_var_vec());
        if let Some(apparent) = echo.apparent {
            bytes.extend(apparent.as_nanos().div_euclid(1_000_000).saturating_add(1).encode_var_vec());
        }
    }
    bytes.into()
}

/// Reads `tg_echo`. `None` where it is no such text.
pub fn unpack(bytes: &[u8]) -> Option<Vec<Echo>> {
    let mut echoes = Vec::new();
    let mut rest = Unpack(bytes);
    while !rest.0.is_empty() && echoes.len() < ENTRIES_MAX {
        let (hash, after) = rest.0.split_first_chunk::<4>()?;
        let (flags, after) = after.split_first()?;
        rest = Unpack(after);
        let seen = Beat { run: rest.number()?, seq: rest.number()? };
        let apparent = match flags & HAS_LAG {
            0 => None,
            _ => {
                let millis: i64 = rest.number()?;
                Some(Span::from_millis((millis.unsigned_abs() < 3_155_760_000_000).then_some(millis)?))
            }
        };
        echoes.push(Echo { source: u32::from_le_bytes(*hash), seen, apparent });
    }
    Some(echoes)
}
