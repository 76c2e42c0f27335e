//! What CloudWatch says of a global table of DynamoDB: how late its writes arrive, what replication wrote, what was
//! throttled.
//!
//! Lag is stored in the region where the items were written, and computed from those that arrive: where nothing
//! arrives there is nothing, or 0. Neither is judged here.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{MetricDataResult, ScanBy, StatusCode};
use tokio::sync::Mutex;

use self::query::Metric;
use super::Provider;
use crate::core::model::{Failure, Reason, RegionId};
use crate::core::provider::{Question, Reading, Series};
use crate::core::time::Wall;
use crate::settings::{DynamodbSettings, StoreSettings};
use crate::stores::dynamodb::connect::Connector;
use crate::stores::dynamodb::errors;
use crate::stores::text;

mod query;

/// Queries in one call, at most. It is even, so that both statistics of a pair are in the same call and billed as one
/// metric.
const QUERIES_MAX: usize = 500;

/// Pages of one call that are read at most. A page holds 100,800 values, and no question comes near that.
const PAGES_MAX: usize = 16;

/// CloudWatch, asked about one global table.
pub struct CloudWatch {
    table: String,
    /// Where clients come from that are not made yet.
    reach: Option<(StoreSettings, Connector)>,
    /// By region, made as they are needed: regions may come later.
    clients: Mutex<HashMap<Arc<str>, Client>>,
    /// By [`RegionId`].
    regions: RwLock<Arc<[Arc<str>]>>,
}

impl fmt::Debug for CloudWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudWatch").field("table", &self.table).field("regions", &self.names()).finish()
    }
}

impl CloudWatch {
    /// As the settings say, about the application's table, wherever the heartbeats are, in these regions by their ids.
    /// Reaches nothing yet. No call takes longer than `deadline`.
    pub async fn from_settings(
        settings: &StoreSettings,
        dynamodb: &DynamodbSettings,
        regions: &[Arc<str>],
        deadline: Duration,
    ) -> CloudWatch {
        let home = settings.local_region.as_deref().or(regions.first().map(Arc::as_ref));
        CloudWatch {
            table: dynamodb.table.clone(),
            reach: Some((settings.clone(), Connector::new(home, deadline).await)),
            clients: Mutex::default(),
            regions: RwLock::new(regions.into()),
        }
    }

    /// With clients made elsewhere, one for each region and in their order.
    pub fn with_clients(table: &str, clients: impl IntoIterator<Item = (Arc<str>, Client)>) -> CloudWatch {
        let clients: Vec<(Arc<str>, Client)> = clients.into_iter().collect();
        CloudWatch {
            table: table.to_owned(),
            reach: None,
            regions: RwLock::new(clients.iter().map(|(region, _)| region.clone()).collect()),
            clients: Mutex::new(clients.into_iter().collect()),
        }
    }

    fn names(&self) -> Arc<[Arc<str>]> {
        self.regions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn client(&self, region: &Arc<str>) -> Result<Client, Failure> {
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(region) {
            return Ok(client.clone());
        }
        let Some((settings, connector)) = &self.reach else {
            return Err(other(format!("there is no client for {region}")));
        };
        let settings = settings.region(region);
        let config = connector.config(&settings).await;
        let mut config = aws_sdk_cloudwatch::Config::from(&config).to_builder();
        config.set_endpoint_url(settings.cloudwatch_endpoint);
        let client = Client::from_conf(config.build());
        clients.insert(region.clone(), client.clone());
        Ok(client)
    }

    /// Asks for metrics that fit into one call, page by page.
    async fn get(
        &self,
        client: &Client,
        metrics: &[Metric],
        question: &Question,
        readings: &mut Readings,
    ) -> Result<(), Failure> {
        let queries: Vec<_> = metrics.iter().enumerate().map(|(id, metric)| metric.query(&self.table, id)).collect();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let call = client
                .get_metric_data()
                .set_metric_data_queries(Some(queries.clone()))
                .start_time(date_time(question.begin))
                .end_time(date_time(question.end))
                .scan_by(ScanBy::TimestampDescending)
                .set_next_token(token.take());
            let page: GetMetricDataOutput = call.send().await.map_err(|error| errors::failure(&error))?;
            for result in page.metric_data_results() {
                readings.take(result, metrics, question);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(());
            }
        }
        Err(other(format!("CloudWatch's answer has more than {PAGES_MAX} pages; ask for less with provider.period")))
    }
}

impl Provider for CloudWatch {
    fn follow(&self, regions: &[Arc<str>]) {
        *self.regions.write().unwrap_or_else(PoisonError::into_inner) = regions.into();
    }

    async fn ask(&self, question: Question) -> Result<Vec<Reading>, Failure> {
        let names = self.names();
        let name = |region: RegionId| names.get(region.index()).cloned();
        let unknown = || other(format!("asked about a region that is not among {}", names.join(", ")));
        let region = name(question.region).ok_or_else(unknown)?;
        let metrics = query::metrics(&question, name).ok_or_else(unknown)?;
        let client = self.client(&region).await?;
        let mut readings = Readings::default();
        for metrics in metrics.chunks(QUERIES_MAX) {
            self.get(&client, metrics, &question, &mut readings).await?;
        }
        readings.result()
    }
}

/// What has been read so far.
#[derive(Default)]
struct Readings {
    values: BTreeMap<(Series, Wall), Reading>,
    /// The first metric that could not be answered, whatever the call said.
    refused: Option<Failure>,
}

impl Readings {
    /// Takes what one page says of one metric. That it is not all there is, or cannot be, is no reason to leave out
    /// what is there: each value is of a period of its own.
    fn take(&mut self, result: &MetricDataResult, metrics: &[Metric], question: &Question) {
        let Some(metric) = result.id().and_then(query::index).and_then(|index| metrics.get(index)) else { return };
        let reason = match result.status_code() {
            Some(StatusCode::Forbidden) => Some(Reason::Denied),
            Some(StatusCode::InternalError) => Some(Reason::Other),
            _ => None,
        };
        if let Some(reason) = reason {
            self.refused.get_or_insert_with(|| Failure { reason, message: complaint(result) });
        }
        for (at, value) in result.timestamps().iter().zip(result.values()) {
            let Some(reading) = metric.reading(at, *value) else { continue };
            if !(question.begin..question.end).contains(&reading.begin) {
                continue;
            }
            // What is counted in two ways was at least the larger.
            let known = self.values.entry((reading.series, reading.begin)).or_insert(reading);
            if reading.value > known.value {
                *known = reading;
            }
        }
    }

    /// All of it. Where there is nothing, because nothing could be answered, that is a failure and not no data.
    fn result(self) -> Result<Vec<Reading>, Failure> {
        match self.refused {
            Some(refused) if self.values.is_empty() => Err(refused),
            _ => Ok(self.values.into_values().collect()),
        }
    }
}

/// What CloudWatch says of a metric that it did not answer.
fn complaint(result: &MetricDataResult) -> String {
    let said = result.messages().iter().filter_map(|message| message.value().or(message.code()));
    let said = said.collect::<Vec<_>>().join("; ");
    let status = result.status_code().map_or("", StatusCode::as_str);
    text::line(format_args!("CloudWatch answers {status} for a metric: {said}"))
}

fn other(message: String) -> Failure {
    Failure { reason: Reason::Other, message }
}

fn date_time(at: Wall) -> DateTime {
    DateTime::from_nanos(i128::from(at.as_micros()) * 1_000).unwrap_or_else(|_| DateTime::from_secs(0))
}
