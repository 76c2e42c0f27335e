use std::io::Write;

use tracing_subscriber::layer::SubscriberExt;

use super::*;

const HOUR: i64 = 3_600;
const SECOND: i64 = 1_000_000_000;

fn at(seconds: i64) -> Mono {
    Mono::from_nanos(seconds * SECOND)
}

/// How many of so many lines of one place are admitted, all at one moment.
fn admitted(limit: &mut Limit<u32>, place: u32, level: Level, now: Mono, lines: usize) -> usize {
    (0..lines).filter(|_| limit.admits(&place, level, now, String::new)).count()
}

#[test]
fn a_place_has_a_burst_and_then_a_line_every_two_seconds() {
    let mut limit = Limit::default();
    assert_eq!(admitted(&mut limit, 1, Level::WARN, at(0), 1_000), 100);
    assert_eq!(admitted(&mut limit, 1, Level::WARN, at(1), 1_000), 0);
    assert_eq!(admitted(&mut limit, 1, Level::WARN, at(2), 1_000), 1);
    assert_eq!(admitted(&mut limit, 1, Level::WARN, at(22), 1_000), 10);
    // It saves up no more than a burst.
    assert_eq!(admitted(&mut limit, 1, Level::WARN, at(100_000), 1_000), 100);
}

#[test]
fn all_places_of_a_level_share_an_allowance() {
    let mut limit = Limit::default();
    let all: usize = (0..50).map(|place| admitted(&mut limit, place, Level::INFO, at(0), 100)).sum();
    assert_eq!(all, 500);
    let later: usize = (0..50).map(|place| admitted(&mut limit, place, Level::INFO, at(10), 100)).sum();
    assert_eq!(later, 10);
}

#[test]
fn no_flood_of_a_lower_level_takes_an_errors_place() {
    let mut limit = Limit::default();
    for level in [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN] {
        for place in 0..100 {
            admitted(&mut limit, place, level, at(0), 1_000);
        }
    }
    assert_eq!(admitted(&mut limit, 1_000, Level::ERROR, at(0), 10), 10);
}

#[test]
fn floods_at_all_levels_that_are_on_by_default_come_to_three_lines_a_second() {
    let mut limit = Limit::default();
    let mut lines = 0;
    for second in 0..HOUR {
        for (first, level) in (0..).step_by(10).zip([Level::ERROR, Level::WARN, Level::INFO]) {
            let places = first..first + 5;
            lines += places.map(|place| admitted(&mut limit, place, level, at(second), 3)).sum::<usize>();
        }
    }
    // And the bursts.
    assert!((10_800..=10_800 + 3 * 500).contains(&lines), "{lines}");
}

#[test]
fn what_was_left_out_is_told_once_with_the_first_ones_message() {
    let mut limit = Limit::default();
    for line in 0..107 {
        limit.admits(&"here", Level::WARN, at(0), || format!("line {line}"));
    }
    limit.admits(&"there", Level::WARN, at(0), || "another".to_owned());
    let told = LeftOut { place: "here", count: 7, message: "line 100".to_owned() };
    assert_eq!(limit.take_left_out(), [told]);
    assert_eq!(limit.take_left_out(), []);
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_says_what_is_missing_and_counts_it() {
    let (written, limit) = (Written::default(), LogLimit::new(Clock::start()));
    let into = written.clone();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(move || into.clone());
    let before = lines_left_out();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(limit.clone()).with(lines), || {
        for number in 0..150 {
            tracing::warn!(number, "a fault that comes and comes");
        }
        tracing::error!("and another one");
        limit.tell();
        limit.tell();
    });
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let told: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // More than a hundred only where this took seconds.
    let left_out = told.last().unwrap();
    let fields = &left_out["fields"];
    assert_eq!(
        (left_out["level"].as_str(), fields["message"].as_str()),
        (Some("WARN"), Some("lines like this were left out"))
    );
    assert_eq!(fields["message_of_first"], "a fault that comes and comes");
    assert_eq!(fields["of"], module_path!());
    let count = fields["count"].as_u64().unwrap();
    assert!((1..=50).contains(&count), "{count}");
    assert_eq!(told.len() as u64, 150 - count + 2, "{text}");
    assert_eq!(told[told.len() - 2]["level"], "ERROR");
    assert!(lines_left_out() - before >= count);
}
