//! What CloudWatch is asked, and what is made of its answers, in the shapes in which they come.

mod answers;
mod questions;
mod wire;

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::config::{BehaviorVersion, Region};
use aws_sdk_cloudwatch::operation::get_metric_data::{GetMetricDataInput, GetMetricDataOutput};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{MetricDataResult, MetricStat, StatusCode};
use aws_smithy_mocks::{MockResponseInterceptor, Rule, RuleMode, create_mock_http_client};
use tidegauge::core::model::RegionId;
use tidegauge::core::provider::{Question, Reading, Series, Statistic};
use tidegauge::core::time::{Span, Wall};
use tidegauge::providers::cloudwatch::CloudWatch;

const TABLE: &str = "GlobalCellState";
const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
const US: RegionId = RegionId(0);
const EU: RegionId = RegionId(1);
const AP: RegionId = RegionId(2);

/// 2026-11-25T12:00:00Z, and the quarter of an hour that is asked for.
const BEGIN: i64 = 1_795_608_000;
const END: i64 = BEGIN + 900;

/// How late writes of the United States arrive in Europe and Australia, in periods of five minutes.
fn question() -> Question {
    Question {
        region: US,
        targets: vec![EU, AP],
        companions: true,
        period: Span::from_millis(300_000),
        begin: at(0),
        end: at(END - BEGIN),
    }
}

/// So many seconds after the first that is asked for.
fn at(seconds: i64) -> Wall {
    Wall::from_micros((BEGIN + seconds) * 1_000_000)
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// CloudWatch, with the same client for all three regions.
fn cloudwatch(rule: &Rule) -> CloudWatch {
    CloudWatch::with_clients(TABLE, names(&REGIONS).into_iter().map(|region| (region, client(rule))))
}

/// A client that reaches nobody, and gets its answers from the rule.
fn client(rule: &Rule) -> Client {
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(create_mock_http_client())
        .interceptor(MockResponseInterceptor::new().rule_mode(RuleMode::MatchAny).with_rule(rule));
    Client::from_conf(config.build())
}

/// An answer to the query of this metric, dimension and statistic, if the call has one: seconds after the beginning,
/// and values.
fn result(
    input: &GetMetricDataInput,
    metric: (&str, &str, &str),
    status: StatusCode,
    points: &[(i64, f64)],
) -> Option<MetricDataResult> {
    let query = input.metric_data_queries().iter().find(|query| is_of(query.metric_stat().unwrap(), metric))?;
    let result = MetricDataResult::builder()
        .id(query.id().unwrap())
        .label("eu-west-1 Average")
        .status_code(status)
        .set_timestamps(Some(points.iter().map(|(at, _)| DateTime::from_secs(BEGIN + at)).collect()))
        .set_values(Some(points.iter().map(|(_, value)| *value).collect()));
    Some(result.build())
}

fn is_of(stat: &MetricStat, (name, dimension, statistic): (&str, &str, &str)) -> bool {
    let metric = stat.metric().unwrap();
    let more = metric.dimensions().get(1).map_or("", |dimension| dimension.value().unwrap());
    (metric.metric_name(), more, stat.stat()) == (Some(name), dimension, Some(statistic))
}

fn page(results: impl IntoIterator<Item = Option<MetricDataResult>>, token: Option<&str>) -> GetMetricDataOutput {
    let results = results.into_iter().flatten().collect();
    let output = GetMetricDataOutput::builder().set_metric_data_results(Some(results));
    output.set_next_token(token.map(str::to_owned)).build()
}

const AVERAGE_TO_EU: (&str, &str, &str) = ("ReplicationLatency", "eu-west-1", "Average");
const MAXIMUM_TO_EU: (&str, &str, &str) = ("ReplicationLatency", "eu-west-1", "Maximum");

fn lag(target: RegionId, statistic: Statistic, seconds: i64, value: f64) -> Reading {
    let series = Series::Lag { source: US, target, statistic };
    Reading { series, begin: at(seconds), period: Span::from_millis(300_000), value }
}

fn companion(series: Series, seconds: i64, value: f64) -> Reading {
    Reading { series, begin: at(seconds), period: Span::from_millis(60_000), value }
}
