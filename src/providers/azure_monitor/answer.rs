//! What is made of Azure Monitor's answers.

use std::collections::BTreeMap;

use azure_core::time::parse_rfc3339;
use serde_json::Value as Json;

use super::query::{self, MINUTE};
use crate::core::model::{Failure, Reason, RegionId};
use crate::core::provider::{Question, Reading, Series, Statistic};
use crate::core::time::{Span, Wall};
use crate::stores::cosmos::regions;
use crate::stores::text;

/// What an answer is of.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub question: &'a Question,
    /// The short name of the region that was asked about.
    pub region: &'a str,
    /// Whether it could not be named, and so everybody was asked about.
    pub is_anybody: bool,
}

/// What has been read so far.
#[derive(Default)]
pub struct Readings {
    values: BTreeMap<(Series, Wall), Reading>,
    /// The first that could not be answered.
    refused: Option<Failure>,
}

impl Readings {
    /// Takes in how late writes arrive. `id` knows the regions by their short names.
    pub fn take_lag(
        &mut self,
        answer: &Json,
        asked: Asked<'_>,
        id: impl Fn(&str) -> Option<RegionId>,
    ) -> Result<(), Failure> {
        let period = asked.question.period;
        for metric in self.metrics(answer, "ReplicationLatency", period)? {
            let units = units(metric)?;
            for series in array(&metric["timeseries"]).filter(|series| is_of(series, "SourceRegion", asked)) {
                let target = dimension(series, "TargetRegion").and_then(|name| id(&regions::short(name)));
                let Some(target) = target.filter(|target| asked.question.targets.contains(target)) else { continue };
                // The mean of what is a 99th percentile already, of each minute. Its maximum is left out: that of all
                // writes no heartbeat exceeds, but one in a hundred exceeds every percentile in the best of times.
                let lag = Series::Lag { source: asked.question.region, target, statistic: Statistic::P99 };
                for (begin, value) in points(series, "average", period, asked.question) {
                    // Where nothing arrived there is nothing, or 0, until a value comes; 0 says nothing of any lag.
                    if value > 0.0 {
                        let value = value / units;
                        self.add(Reading { series: lag, begin, period, value }, f64::max);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in what was throttled.
    pub fn take_throttled(&mut self, answer: &Json, asked: Asked<'_>) -> Result<(), Failure> {
        for metric in self.metrics(answer, "TotalRequests", MINUTE)? {
            for series in array(&metric["timeseries"]).filter(|series| is_of(series, "Region", asked)) {
                let counted = match dimension(series, "OperationType") {
                    Some(operation) if is_read(operation) => Series::ThrottledReads(asked.question.region),
                    _ => Series::ThrottledWrites(asked.question.region),
                };
                for (begin, value) in points(series, "count", MINUTE, asked.question) {
                    let reading = Reading { series: counted, begin, period: MINUTE, value };
                    // Each operation has a series of its own.
                    self.add(reading, |one, other| one + other);
                }
            }
        }
        Ok(())
    }

    /// Notes that something could not be answered.
    pub fn refuse(&mut self, failure: Failure) {
        self.refused.get_or_insert(failure);
    }

    /// Adds what is of other series.
    pub fn join(&mut self, others: Readings) {
        self.values.extend(others.values);
        self.refused = self.refused.take().or(others.refused);
    }

    /// All of it. Where there is nothing, because nothing could be answered, that is a failure and not no data.
    pub fn result(self) -> Result<Vec<Reading>, Failure> {
        match self.refused {
            Some(refused) if self.values.is_empty() => Err(refused),
            _ => Ok(self.values.into_values().collect()),
        }
    }

    fn add(&mut self, reading: Reading, both: fn(f64, f64) -> f64) {
        let known = self.values.entry((reading.series, reading.begin));
        known.and_modify(|known| known.value = both(known.value, reading.value)).or_insert(reading);
    }

    /// The metrics of this name. One that could not be answered is noted as that.
    fn metrics<'a>(&mut self, answer: &'a Json, name: &str, period: Span) -> Result<Vec<&'a Json>, Failure> {
        let Some(metrics) = answer["value"].as_array() else {
            return Err(other("Azure Monitor answers something other than metrics"));
        };
        let interval = query::interval(period);
        // Values of other periods would be weighed against heartbeats of the wrong ones.
        if let Some(said) = answer["interval"].as_str().filter(|said| *said != interval) {
            return Err(other(&format!("Azure Monitor sums up {said:?} where it was asked for {interval}")));
        }
        let metrics = metrics.iter().filter(|metric| is(&metric["name"]["value"], name));
        let (answered, refused): (Vec<_>, Vec<_>) =
            metrics.partition(|metric| metric["errorCode"].as_str().is_none_or(|code| code == "Success"));
        if let Some(metric) = refused.first() {
            self.refuse(complaint(metric, name));
        }
        Ok(answered)
    }
}

/// What Azure Monitor says of a metric that it did not answer.
fn complaint(metric: &Json, name: &str) -> Failure {
    let code = metric["errorCode"].as_str().unwrap_or_default();
    let reason = match code {
        "Throttled" | "TooManyRequests" | "QueryThrottled" => Reason::Throttled,
        "AuthorizationFailed" | "Forbidden" => Reason::Denied,
        "Timeout" | "QueryTimeout" => Reason::Timeout,
        _ => Reason::Other,
    };
    let said = metric["errorMessage"].as_str().unwrap_or_default();
    Failure { reason, message: text::line(format_args!("Azure Monitor answers {code} for {name}: {said}")) }
}

/// So many of a lag's units make a second.
fn units(metric: &Json) -> Result<f64, Failure> {
    match metric["unit"].as_str() {
        None => Ok(1e3),
        Some(unit) if unit.eq_ignore_ascii_case("MilliSeconds") => Ok(1e3),
        Some(unit) if unit.eq_ignore_ascii_case("Seconds") => Ok(1.0),
        Some(unit) => Err(other(&format!("Azure Monitor measures lag in {unit:?}, which is not known here"))),
    }
}

/// Whether a series is of the region that was asked about. One that does not say is, where nobody else was asked about.
fn is_of(series: &Json, name: &str, asked: Asked<'_>) -> bool {
    dimension(series, name).map_or(!asked.is_anybody, |region| *regions::short(region) == *asked.region)
}

/// Where a series lies in a dimension. The names of dimensions come back in lower case.
fn dimension<'a>(series: &'a Json, name: &str) -> Option<&'a str> {
    array(&series["metadatavalues"]).find(|dimension| is(&dimension["name"]["value"], name))?["value"].as_str()
}

/// The values of whole periods that were asked for: each with its beginning, finite and not below 0.
fn points<'a>(
    series: &'a Json,
    key: &'a str,
    period: Span,
    question: &'a Question,
) -> impl Iterator<Item = (Wall, f64)> + 'a {
    let points = array(&series["data"]).filter_map(move |point| {
        let value = point[key].as_f64().filter(|value| value.is_finite() && *value >= 0.0)?;
        let begin = parse_rfc3339(point["timeStamp"].as_str()?).ok()?;
        let begin = Wall::from_micros(i64::try_from(begin.unix_timestamp_nanos() / 1_000).ok()?);
        Some((begin, value))
    });
    let is_asked_for = move |begin: Wall| (question.begin..question.end).contains(&begin);
    points.filter(move |(begin, _)| is_asked_for(*begin) && begin.floor(period) == *begin)
}

/// Whether an operation reads. One that is not known here counts as a write: in a region that ran out of request units all
/// operations fail alike, replication among them, and only throttled writes are told as what may hold it up. Counted as a
/// read it would be a cause that nobody names; so it is one that has the wrong name.
fn is_read(operation: &str) -> bool {
    const READS: [&str; 9] =
        ["Read", "ReadFeed", "Query", "SqlQuery", "QueryPlan", "Head", "HeadFeed", "MultiGet", "Aggregate"];
    READS.iter().any(|read| read.eq_ignore_ascii_case(operation))
}

fn is(said: &Json, name: &str) -> bool {
    said.as_str().is_some_and(|said| said.eq_ignore_ascii_case(name))
}

fn array(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

fn other(message: &str) -> Failure {
    Failure { reason: Reason::Other, message: text::line(format_args!("{message}")) }
}
