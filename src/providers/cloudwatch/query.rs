//! What CloudWatch is asked for, and what its answers are of.

use std::sync::Arc;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric as Name, MetricDataQuery, MetricStat};

use crate::core::model::RegionId;
use crate::core::provider::{Question, Reading, Series, Statistic};
use crate::core::time::{Span, Wall};

const NAMESPACE: &str = "AWS/DynamoDB";

/// Companions are counted by the minute, whatever the period of lag is.
const MINUTE: Span = Span::from_millis(60_000);

/// A companion's metric, its dimension beside the table's name, and what it tells of the region that is asked.
type Companion = (&'static str, Option<(&'static str, &'static str)>, fn(RegionId) -> Series);

/// Refused requests are counted a second time by operation: what an index throttles is an event of the index, and a
/// refused request of the table all the same. Asked for are the two operations that Tidegauge itself calls all the
/// time; which others there are nobody could say without listing metrics.
const COMPANIONS: [Companion; 5] = [
    ("ConsumedWriteCapacityUnits", Some(("Source", "GlobalTable")), Series::ReplicatedWrites),
    ("WriteThrottleEvents", None, Series::ThrottledWrites),
    ("ThrottledRequests", Some(("Operation", "PutItem")), Series::ThrottledWrites),
    ("ReadThrottleEvents", None, Series::ThrottledReads),
    ("ThrottledRequests", Some(("Operation", "Query")), Series::ThrottledReads),
];

/// One statistic of one metric, to be asked for in the region that the question goes to.
#[derive(Debug)]
pub struct Metric {
    name: &'static str,
    dimension: Option<(&'static str, Arc<str>)>,
    statistic: &'static str,
    period: Span,
    /// So many of the metric's units make one of the series.
    units: f64,
    series: Series,
}

impl Metric {
    /// The query for it, under an id that is its own in one call.
    pub fn query(&self, table: &str, id: usize) -> MetricDataQuery {
        let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let more = self.dimension.as_ref().map(|(name, value)| dimension(name, value));
        let dimensions: Vec<Dimension> = [dimension("TableName", table)].into_iter().chain(more).collect();
        let metric =
            Name::builder().namespace(NAMESPACE).metric_name(self.name).set_dimensions(Some(dimensions)).build();
        let seconds = i32::try_from(self.period.as_micros() / 1_000_000).unwrap_or(i32::MAX);
        let stat = MetricStat::builder().metric(metric).period(seconds).stat(self.statistic).build();
        MetricDataQuery::builder().id(format!("m{id}")).metric_stat(stat).build()
    }

    /// What a value says of the period that begins with `at`. `None` where it says nothing.
    pub fn reading(&self, at: &DateTime, value: f64) -> Option<Reading> {
        let begin = Wall::from_micros(i64::try_from(at.as_nanos() / 1_000).ok()?);
        let value = value / self.units;
        (value.is_finite() && value >= 0.0).then_some(Reading {
            series: self.series,
            begin,
            period: self.period,
            value,
        })
    }
}

/// Which of a call's metrics an id stands for.
pub fn index(id: &str) -> Option<usize> {
    id.strip_prefix('m')?.parse().ok()
}

/// What a question comes to; both statistics of a pair side by side. `name` knows the regions' names. `None` where it
/// does not know one.
pub fn metrics(question: &Question, name: impl Fn(RegionId) -> Option<Arc<str>>) -> Option<Vec<Metric>> {
    let mut metrics = Vec::with_capacity(2 * question.targets.len() + COMPANIONS.len());
    for target in &question.targets {
        let receiver = name(*target)?;
        for (statistic, stat) in [(Statistic::Average, "Average"), (Statistic::Maximum, "Maximum")] {
            metrics.push(Metric {
                name: "ReplicationLatency",
                dimension: Some(("ReceivingRegion", receiver.clone())),
                statistic: stat,
                period: question.period,
                // It comes in milliseconds.
                units: 1e3,
                series: Series::Lag { source: question.region, target: *target, statistic },
            });
        }
    }
    if question.companions {
        metrics.extend(COMPANIONS.into_iter().map(|(name, dimension, series)| Metric {
            name,
            dimension: dimension.map(|(name, value)| (name, value.into())),
            statistic: "Sum",
            period: MINUTE,
            units: 1.0,
            series: series(question.region),
        }));
    }
    Some(metrics)
}
