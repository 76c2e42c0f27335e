//! What Azure Monitor is asked for.

use azure_core::time::{OffsetDateTime, to_rfc3339};

use crate::core::model::{Failure, Reason};
use crate::core::provider::Question;
use crate::core::time::{Span, Wall};
use crate::stores::cosmos::connect::rest::encode;
use crate::stores::cosmos::regions;

const API_VERSION: &str = "2024-02-01";
const NAMESPACE: &str = "Microsoft.DocumentDB/databaseAccounts";

/// Series in one answer, at most. Without it there are ten, and no word about the rest. Where a source cannot be named
/// there is a series for each pair of the account's regions.
const SERIES_MAX: &str = "1000";

/// Companions are counted by the minute, whatever the period of lag is.
pub const MINUTE: Span = Span::from_millis(60_000);

/// A region as Azure Monitor's filters name it. Its values are for people, `East US`; whoever does not know the value asks
/// for all regions, and picks.
pub fn named(region: &str) -> String {
    regions::display(region).unwrap_or_else(|| "*".to_owned())
}

/// How late writes of a region arrive at all others.
pub fn lag(question: &Question, source: &str) -> Result<String, Failure> {
    let filter = format!("SourceRegion eq {} and TargetRegion eq '*'", quoted(source));
    query(question, "ReplicationLatency", "Average", question.period, &filter)
}

/// What a region throttled of the requests for a container, by operation.
pub fn throttled(question: &Question, region: &str, (database, container): (&str, &str)) -> Result<String, Failure> {
    let filter = format!(
        "StatusCode eq '429' and Region eq {} and DatabaseName eq {} and CollectionName eq {} and OperationType eq '*'",
        quoted(region),
        quoted(database),
        quoted(container)
    );
    query(question, "TotalRequests", "Count", MINUTE, &filter)
}

/// A period in the words of ISO 8601.
pub fn interval(period: Span) -> String {
    format!("PT{}M", period.as_nanos() / MINUTE.as_nanos())
}

fn query(question: &Question, metric: &str, aggregation: &str, period: Span, filter: &str) -> Result<String, Failure> {
    let parts = [
        ("api-version", API_VERSION.to_owned()),
        ("metricnamespace", NAMESPACE.to_owned()),
        ("metricnames", metric.to_owned()),
        ("aggregation", aggregation.to_owned()),
        ("interval", interval(period)),
        ("timespan", format!("{}/{}", moment(question.begin)?, moment(question.end)?)),
        ("top", SERIES_MAX.to_owned()),
        ("$filter", filter.to_owned()),
    ];
    let parts = parts.into_iter().map(|(key, value)| format!("{key}={}", encode(&value)));
    Ok(parts.collect::<Vec<_>>().join("&"))
}

/// A value in a filter: names of databases and containers may hold quotes.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn moment(at: Wall) -> Result<String, Failure> {
    let at = OffsetDateTime::from_unix_timestamp(at.as_micros().div_euclid(1_000_000));
    let at = at.map_err(|error| Failure { reason: Reason::Other, message: format!("the clock is off: {error}") })?;
    Ok(to_rfc3339(&at))
}
