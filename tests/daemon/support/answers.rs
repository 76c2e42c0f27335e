//! What a daemon says over HTTP: pairs, samples, the exposition.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) status: String,
    pub(super) data: T,
}

#[derive(Deserialize)]
pub(super) struct Pairs {
    pub(super) pairs: Vec<Pair>,
}

#[derive(Deserialize)]
pub(super) struct Samples {
    pub(super) samples: Vec<Sample>,
}

/// A pair, as `/api/v1/pairs` has it.
#[derive(Debug, Deserialize)]
pub struct Pair {
    pub source_region: String,
    pub target_region: String,
    pub state: String,
    pub reason: String,
    pub current_lag_seconds: Option<f64>,
    pub overdue_seconds: Option<f64>,
    pub staleness_seconds: Option<f64>,
    pub offset: Option<Offset>,
    pub last_sample: Option<Sample>,
    pub windows: BTreeMap<String, Window>,
    /// Where there is more than one.
    pub slots: Option<Vec<SlotLag>>,
}

impl Pair {
    /// Whether it begins and ends there.
    pub fn is(&self, source: &str, target: &str) -> bool {
        self.source_region == source && self.target_region == target
    }

    /// In a line.
    pub fn describe(&self) -> String {
        let (from, to) = (&self.source_region, &self.target_region);
        format!("{from} to {to}: {} ({}), current lag {:?}", self.state, self.reason, self.current_lag_seconds)
    }
}

/// Bounds of the reader's clock − the writer's.
#[derive(Debug, Deserialize)]
pub struct Offset {
    pub min_seconds: Option<f64>,
    pub max_seconds: Option<f64>,
}

/// How late one slot of a pair is.
#[derive(Debug, Deserialize)]
pub struct SlotLag {
    pub slot: u32,
    pub current_lag_seconds: Option<f64>,
}

/// Quantiles of a window.
#[derive(Debug, Deserialize)]
pub struct Window {
    pub count: u64,
    pub p50_seconds: Option<f64>,
    pub p90_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
}

/// A sample, as `/api/v1/samples` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    pub slot: u32,
    pub run: u64,
    pub seq: u64,
    pub lower_seconds: f64,
    pub upper_seconds: f64,
    pub presumed: bool,
}

impl Sample {
    /// `upper - lower`.
    pub fn width(&self) -> f64 {
        self.upper_seconds - self.lower_seconds
    }
}

/// One line of the exposition.
#[derive(Debug)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The exposition.
pub struct Metrics(pub Vec<Series>);

impl Metrics {
    /// Reads one.
    pub fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Metrics(lines.map(series).collect())
    }

    /// The sum of the series of that name which have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |series: &&Series| {
            series.name == name
                && labels.iter().all(|(label, value)| series.labels.get(*label).is_some_and(|own| own == value))
        };
        self.0.iter().filter(fits).map(|series| series.value).fold(0.0, |sum, value| sum + value)
    }
}

fn series(line: &str) -> Series {
    let (left, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
    let (name, labels) = left.split_once('{').map_or((left, ""), |(name, labels)| (name, labels.trim_end_matches('}')));
    // No value in the lab has a comma in it.
    let labels = labels.split(',').filter_map(|label| label.split_once('=')).map(|(label, value)| {
        let value = value.trim_matches('"');
        (label.to_owned(), value.to_owned())
    });
    Series { name: name.to_owned(), labels: labels.collect(), value }
}

/// How late ticks and polls left, between two looks at the exposition.
#[derive(Debug)]
pub struct Jitter {
    pub count: f64,
    /// The share that left within 5 ms.
    pub within_5ms: f64,
    /// The least bucket that holds 99 %, in seconds.
    pub p99_at_most: f64,
}

impl Jitter {
    /// What came between two looks.
    pub fn between(before: &Metrics, after: &Metrics) -> Jitter {
        const NAME: &str = "tidegauge_schedule_jitter_seconds";
        let grown = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
        let count = grown(&format!("{NAME}_count"), &[]);
        let bucket = format!("{NAME}_bucket");
        let mut ends: Vec<&str> =
            after.0.iter().filter(|series| series.name == bucket).map(|series| &*series.labels["le"]).collect();
        ends.sort_by(|left, right| left.parse::<f64>().unwrap().total_cmp(&right.parse().unwrap()));
        let reached = |end: &&&str| grown(&bucket, &[("le", end)]) >= 0.99 * count;
        let p99_at_most = ends.iter().find(reached).map_or(f64::INFINITY, |end| end.parse().unwrap());
        Jitter { count, within_5ms: grown(&bucket, &[("le", "0.005")]) / count, p99_at_most }
    }
}
