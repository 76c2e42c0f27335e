//! Heartbeats of every release, as they lie in tables: what they mean does not change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};
use tidegauge::core::echo::{self, Echo};
use tidegauge::core::heartbeat::{Field, Found, Heartbeat, Invalid, Value, attribute};
use tidegauge::core::history::{self, Diary, Fate};
use tidegauge::core::model::{Beat, WriterId};
use tidegauge::core::time::{Mono, Span, Wall};

const SOURCE: &str = "us-east-1";
const SLOT: u16 = 1;

type Attributes = BTreeMap<String, Json>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden(name: &str) -> Attributes {
    let path = folder().join(format!("heartbeat-{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The bytes among an item's attributes, out of their text.
fn bytes_of(item: &Attributes) -> BTreeMap<String, Vec<u8>> {
    let decode = |value: &Json| BASE64_STANDARD.decode(value.get("B")?.as_str()?).ok();
    item.iter().filter_map(|(name, value)| Some((name.clone(), decode(value)?))).collect()
}

fn field<'a>(value: &'a Json, bytes: Option<&'a Vec<u8>>) -> Field<'a> {
    let (kind, value) = value.as_object().and_then(|value| value.iter().next()).unwrap();
    match (kind.as_str(), value) {
        ("N", Json::String(number)) => Field::Number(number),
        ("S", Json::String(text)) => Field::Text(text),
        ("BOOL", Json::Bool(truth)) => Field::Bool(*truth),
        ("B", _) => Field::Bytes(bytes.unwrap()),
        _ => Field::Other,
    }
}

fn decode(item: &Attributes) -> Found {
    let bytes = bytes_of(item);
    Heartbeat::decode(&Arc::from(SOURCE), SLOT, |name| item.get(name).map(|value| field(value, bytes.get(name))))
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
            Value::Bytes(bytes) => json!({ "B": BASE64_STANDARD.encode(bytes) }),
        };
        (name.to_owned(), value)
    });
    keys.into_iter().chain(attributes).collect()
}

pub fn heartbeat(seq: u64, resigned: bool) -> Heartbeat {
    Heartbeat {
        source: Arc::from(SOURCE),
        slot: SLOT,
        writer: WriterId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        host: Arc::from("5f2c1e0a-9b7d-4c38-8a61-0d3e4f5a6b7c"),
        beat: Beat { run: 1_767_225_600_000, seq },
        written_at: Wall::from_micros(1_767_225_642_000_123),
        interval: Span::from_millis(1_000),
        resigned,
        clock: None,
        recent: Arc::default(),
        echo: Arc::default(),
    }
}

/// One with all that a heartbeat can say: two ticks of its run, one of them void, and one of the run before; and two
/// other sources.
pub fn telling(seq: u64) -> Heartbeat {
    let plain = heartbeat(seq, false);
    let (interval, at) = (plain.interval, Mono::from_nanos(0));
    let before = Beat { run: plain.beat.run - 60_000, seq: 7 };
    let mut diary = Diary::default();
    diary.sent(before, plain.written_at - Span::from_millis(63_250), interval, at);
    diary.acknowledged(before, at + Span::from_millis(31), None);
    for (back, late, took) in [(4, 1_250, 8_730), (2, -300, 212_001), (1, 17, 0)] {
        let beat = Beat { run: plain.beat.run, seq: seq - back };
        let written_at = plain.written_at - interval.times(back as i64) + Span::from_micros(late);
        diary.sent(beat, written_at, interval, at);
        if took > 0 {
            diary.acknowledged(beat, at + Span::from_micros(took), None);
        }
    }
    let echo = |name, run, apparent| Echo { source: echo::name_hash(name), seen: Beat { run, seq: 300_000 }, apparent };
    let echoes = [
        echo("eu-west-1", 1_767_225_500_000, Some(Span::from_micros(842_100))),
        echo("ap-southeast-2", 1_767_225_400_000, None),
    ];
    Heartbeat {
        clock: Some((Span::from_micros(-1_200), Span::from_micros(23_400))),
        recent: diary.pack(plain.beat, plain.written_at, interval).into(),
        echo: echo::pack(echoes.into_iter()),
        ..plain
    }
}

/// What each file must be.
fn meanings() -> Vec<(&'static str, Found)> {
    let missing = |name| Found::Invalid(Invalid::Missing(name));
    let malformed = |name| Found::Invalid(Invalid::Malformed(name));
    vec![
        ("v0-full", Found::Heartbeat(heartbeat(42, false))),
        ("v0-resigned", Found::Heartbeat(heartbeat(43, true))),
        ("v0-unknown-attributes", Found::Heartbeat(heartbeat(44, false))),
        ("v0-newer-format", Found::NewerFormat { version: 9 }),
        ("v0-malformed-missing-seq", missing(attribute::SEQ)),
        ("v0-malformed-missing-version", missing(attribute::VERSION)),
        ("v0-malformed-run-is-text", malformed(attribute::RUN)),
        ("v0-malformed-resigned-is-text", malformed(attribute::RESIGNED)),
        ("v0-malformed-run-out-of-range", malformed(attribute::RUN)),
        ("v0-malformed-seq-below-zero", malformed(attribute::SEQ)),
        ("v0-malformed-interval-over-a-day", malformed(attribute::INTERVAL)),
        ("v0-malformed-interval-of-nothing", malformed(attribute::INTERVAL)),
        ("v0-malformed-writer", malformed(attribute::WRITER)),
        ("v0-malformed-oversized-host", Found::Invalid(Invalid::Oversized(attribute::HOST))),
        ("v0-malformed-misplaced-source", Found::Invalid(Invalid::Misplaced(attribute::SOURCE))),
        ("v0-malformed-misplaced-slot", Found::Invalid(Invalid::Misplaced(attribute::SLOT))),
        ("v1-full", Found::Heartbeat(telling(42))),
        ("v1-resigned", Found::Heartbeat(heartbeat(43, true))),
        ("v1-malformed-clock", malformed(attribute::CLOCK)),
        ("v1-malformed-recent-is-text", malformed(attribute::RECENT)),
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
    let mut known: Vec<String> = meanings().iter().map(|(name, _)| format!("heartbeat-{name}")).collect();
    stored.sort();
    known.sort();
    assert_eq!(stored, known);
}

#[test]
fn what_is_written_today_is_what_was_written_then() {
    assert_eq!(encode(&telling(42)), golden("v1-full"));
    assert_eq!(encode(&heartbeat(43, true)), golden("v1-resigned"));
}

#[test]
fn what_a_heartbeat_tells_of_ticks_and_of_others_is_read_as_it_was_meant() {
    let Found::Heartbeat(found) = decode(&golden("v1-full")) else { panic!("it is a heartbeat") };
    let told: Vec<(Beat, i64, Fate)> = history::ticks_of(&found)
        .unwrap()
        .into_iter()
        .filter(|tick| tick.fate != Fate::Void)
        .map(|tick| (tick.beat, (found.written_at - tick.written_at).as_micros(), tick.fate))
        .collect();
    let run = found.beat.run;
    let took = |micros| Fate::Took(Span::from_micros(micros));
    assert_eq!(
        told,
        [
            (Beat { run: run - 60_000, seq: 7 }, 63_250_000, took(31_000)),
            (Beat { run, seq: 38 }, 3_998_750, took(8_800)),
            (Beat { run, seq: 40 }, 2_000_300, took(212_100)),
            (Beat { run, seq: 41 }, 999_983, Fate::Open),
            (Beat { run, seq: 42 }, 0, Fate::Open),
        ]
    );
    let echoes = echo::unpack(&found.echo).unwrap();
    assert_eq!(echoes[0].source, echo::name_hash("eu-west-1"));
    assert_eq!(echoes[0].apparent, Some(Span::from_millis(843)), "rounded up");
    assert_eq!((echoes[1].seen.seq, echoes[1].apparent), (300_000, None));
}

#[test]
fn with_25_regions_a_heartbeat_fits_in_a_kilobyte() {
    let plain = heartbeat(31_536_000, true);
    let mut diary = Diary::default();
    for back in (1..=64).rev() {
        let beat = Beat { run: plain.beat.run, seq: plain.beat.seq - back };
        let late = Span::from_micros((back as i64 * 7_919) % 8_000);
        let sent = plain.written_at - plain.interval.times(back as i64) + late;
        diary.sent(beat, sent, plain.interval, Mono::from_nanos(0));
        let took = if back % 50 == 0 { 900_000 } else { 4_000 + back as i64 * 100 };
        diary.acknowledged(beat, Mono::from_nanos(took * 1_000), None);
    }
    let echoes = (0..24).map(|region| Echo {
        source: region,
        seen: Beat { run: plain.beat.run, seq: 31_536_000 },
        apparent: Some(Span::from_millis(-7_200)),
    });
    let full = Heartbeat {
        clock: Some((Span::from_micros(-3_021_000), Span::from_micros(-2_996_000))),
        recent: diary.pack(plain.beat, plain.written_at, plain.interval).into(),
        echo: echo::pack(echoes),
        slot: 0,
        ..plain
    };
    // As DynamoDB counts: names and values; a number takes a byte for two digits and one more.
    let size: usize = encode(&full)
        .iter()
        .map(|(name, value)| {
            let (kind, value) = value.as_object().and_then(|value| value.iter().next()).unwrap();
            let text = value.as_str().unwrap_or_default();
            name.len()
                + match kind.as_str() {
                    "N" => text.trim_end_matches('0').len().div_ceil(2) + 1,
                    "S" => text.len(),
                    "B" => BASE64_STANDARD.decode(text).unwrap().len(),
                    _ => 1,
                }
        })
        .sum();
    println!("{size} B: recent {}, echo {}", full.recent.len(), full.echo.len());
    assert!(size <= 1_024, "{size} B");
}

#[test]
fn what_anybody_may_have_written_is_refused_and_never_a_panic() {
    let mut random = 1u64;
    for length in 0..300 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 56) as u8
            })
            .collect();
        let hostile = Heartbeat { recent: bytes.clone().into(), ..heartbeat(42, false) };
        assert!(history::ticks_of(&hostile).is_none_or(|ticks| ticks.len() <= history::TICKS_MAX + 1));
        assert!(echo::unpack(&bytes).is_none_or(|echoes| echoes.len() <= 64));
    }
    for bytes in [vec![200, 1], vec![1], vec![1, 3], vec![0, 0, 0, 0, 0, 0], vec![255; 40]] {
        let hostile = Heartbeat { recent: bytes.into(), ..heartbeat(42, false) };
        assert_eq!(history::ticks_of(&hostile), None, "{:?}", hostile.recent);
    }
}

#[test]
fn attributes_that_are_not_known_are_not_even_asked_for() {
    let item = golden("v0-unknown-attributes");
    let bytes = bytes_of(&item);
    let known = encode(&Heartbeat { resigned: true, ..telling(44) });
    let found = Heartbeat::decode(&Arc::from(SOURCE), SLOT, |name| {
        assert!(known.contains_key(name), "{name} is none of a heartbeat's attributes");
        item.get(name).map(|value| field(value, bytes.get(name)))
    });
    assert_eq!(found, Found::Heartbeat(heartbeat(44, false)));
}
