//! DynamoDB global tables: each region's replica is reached by a client of its own.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    ConsumedCapacity, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};

use tokio::sync::OnceCell;

use crate::core::advice::Remedies;
use crate::core::heartbeat::Found;
use crate::core::inspection::Inspection;
use crate::core::model::{Consistency, Expect, Failure, Reason, RegionId, Slot, SlotRead, Write, WriteOutcome};
use crate::core::reign;
use crate::settings::{DynamodbSettings, StoreSettings};
use crate::stores::{Answer, Store};

mod batch;
mod check;
mod condition;
pub(crate) mod connect;
mod date;
pub(crate) mod errors;
mod forget;
mod inspect;
mod item;
mod keys;
mod remedies;

use condition::Condition;
use connect::Connector;
use item::{ATTRIBUTES, Item};
use keys::Keys;

/// Pages of one slot's partition that are read at most. A page holds a megabyte, thousands of heartbeats: whoever
/// fills sixteen of them is not a region, and must not keep the reader busy.
const PAGES_MAX: usize = 16;

/// A global table.
pub struct DynamoDbStore {
    /// The table that holds the heartbeats, which may be a companion of the application's.
    table: String,
    keys: Keys,
    settings: StoreSettings,
    connector: Connector,
    /// By the regions' ids. It only grows.
    sites: RwLock<Vec<Arc<Site>>>,
}

/// One region.
struct Site {
    name: Arc<str>,
    /// Made with the first call.
    client: OnceCell<Client>,
}

impl Site {
    fn new(name: &str) -> Arc<Site> {
        Arc::new(Site { name: name.into(), client: OnceCell::new() })
    }
}

impl fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStore").field("table", &self.table).field("regions", &self.known_regions()).finish()
    }
}

impl DynamoDbStore {
    /// A store as the settings say. Reaches nothing yet. No call takes longer than `deadline`.
    pub async fn from_settings(
        settings: &StoreSettings,
        dynamodb: &DynamodbSettings,
        deadline: Duration,
    ) -> DynamoDbStore {
        let first = settings.regions.first().map(|first| first.name.as_str());
        let connector = Connector::new(settings.local_region.as_deref().or(first), deadline).await;
        let mut names: Vec<&str> = settings.regions.iter().map(|region| region.name.as_str()).collect();
        if names.is_empty() {
            names.extend(connector.home());
        }
        DynamoDbStore {
            table: dynamodb.heartbeats.table.clone(),
            keys: Keys::of(&dynamodb.heartbeats),
            sites: RwLock::new(names.into_iter().map(Site::new).collect()),
            settings: settings.clone(),
            connector,
        }
    }

    fn sites(&self) -> RwLockReadGuard<'_, Vec<Arc<Site>>> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn site(&self, region: RegionId) -> Arc<Site> {
        self.sites()[region.index()].clone()
    }

    fn name(&self, region: RegionId) -> Arc<str> {
        self.site(region).name.clone()
    }

    async fn client(&self, region: RegionId) -> Client {
        let site = self.site(region);
        let make = || async { self.connector.client(&self.settings.region(&site.name)).await };
        site.client.get_or_init(make).await.clone()
    }

    async fn put(&self, write: &Write, condition: Condition, mut spent: f64) -> Answer<WriteOutcome> {
        let heartbeat = &write.heartbeat;
        let replaced = if write.want_replaced { ReturnValue::AllOld } else { ReturnValue::None };
        let names = (!condition.names.is_empty()).then_some(condition.names);
        let put = self
            .client(write.source)
            .await
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::encode(heartbeat, &self.keys)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(condition.values)
            .return_values(replaced)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let decode = |item: &Item| item::decode(item, &heartbeat.source, heartbeat.slot);
        let outcome = match put.send().await {
            Ok(output) => {
                spent += units(output.consumed_capacity());
                let replaced = match output.attributes().map(decode) {
                    Some(Found::Heartbeat(replaced)) => Some(replaced.beat),
                    _ => None,
                };
                WriteOutcome::Acknowledged { replaced }
            }
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let stored = match service.err() {
                    PutItemError::ConditionalCheckFailedException(refusal) => refusal.item().map(decode),
                    _ => None,
                };
                WriteOutcome::Refused { stored }
            }
            Err(error) => WriteOutcome::Failed {
                failure: errors::failure(&error),
                maybe_committed: errors::maybe_committed(&error),
            },
        };
        Answer { outcome, capacity_units: spent, server_date: None }
    }

    /// Replaces what is no usable heartbeat, on condition that it is as read just before. Whoever was here first with a
    /// usable one holds the key, and this write is refused.
    async fn replace(&self, write: &Write) -> Answer<WriteOutcome> {
        let heartbeat = &write.heartbeat;
        let get = self
            .client(write.source)
            .await
            .get_item()
            .table_name(&self.table)
            .set_key(Some(self.keys.key(&heartbeat.source, heartbeat.slot)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match get.send().await {
            Ok(output) => {
                let spent = units(output.consumed_capacity());
                let stored = output.item().map(|item| item::decode(item, &heartbeat.source, heartbeat.slot));
                if stored.as_ref().is_some_and(|found| reign::is_usable(found, heartbeat.written_at)) {
                    return Answer {
                        outcome: WriteOutcome::Refused { stored },
                        capacity_units: spent,
                        server_date: None,
                    };
                }
                let condition = condition::as_read(output.item(), &self.keys);
                self.put(write, condition, spent).await
            }
            Err(error) => {
                let failure = errors::failure(&error);
                Answer::free(WriteOutcome::Failed { failure, maybe_committed: false })
            }
        }
    }

    /// Reads a slot's partition, where `sort` is the sort key's name.
    async fn query(
        &self,
        target: RegionId,
        slot: Slot,
        consistency: Consistency,
        sort: &str,
    ) -> (Result<SlotRead, Failure>, f64) {
        let mut read = SlotRead::default();
        let mut spent = 0.0;
        let mut from: Option<Item> = None;
        let (regions, partition) = (self.known_regions(), self.keys.partition(slot));
        for _ in 0..PAGES_MAX {
            let mut query = self
                .client(target)
                .await
                .query()
                .table_name(&self.table)
                .consistent_read(consistency == Consistency::Strong)
                .key_condition_expression("#pk = :partition")
                .expression_attribute_names("#pk", self.keys.partition_name())
                .expression_attribute_names("#sk", sort)
                .expression_attribute_values(":partition", partition.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .set_exclusive_start_key(from.take());
            query = query.projection_expression(format!("#sk, {}", ATTRIBUTES.join(", ")));
            let page = match query.send().await {
                Ok(page) => page,
                Err(error) => return (Err(errors::failure(&error)), spent),
            };
            spent += units(page.consumed_capacity());
            for item in page.items() {
                match self.keys.source_of(item, slot, &regions) {
                    Some(index) => {
                        let found = item::decode(item, &regions[index], slot);
                        read.found.push((RegionId(index as u16), found));
                    }
                    None => read.unknown_sources = read.unknown_sources.saturating_add(1),
                }
            }
            from = page.last_evaluated_key().cloned();
            if from.is_none() {
                return (Ok(read), spent);
            }
        }
        let message = format!("{} holds more than {PAGES_MAX} pages: who writes there?", keys::shown(&partition));
        (Err(Failure { reason: Reason::Other, message }), spent)
    }
}

fn units(consumed: Option<&ConsumedCapacity>) -> f64 {
    consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
}

impl Store for DynamoDbStore {
    async fn write(&self, write: Write) -> Answer<WriteOutcome> {
        let call = async {
            match condition::fence(write.expect, &write.heartbeat, &self.keys) {
                Some(condition) => self.put(&write, condition, 0.0).await,
                None => {
                    debug_assert_eq!(write.expect, Expect::ReplaceInvalid);
                    self.replace(&write).await
                }
            }
        };
        let (answer, server_date) = date::noting(call).await;
        Answer { server_date, ..answer }
    }

    /// Those of the settings, or, where these name none, the SDK's own; and then those that it was told of. Empty where
    /// there is no such region either.
    fn known_regions(&self) -> Vec<Arc<str>> {
        self.sites().iter().map(|site| site.name.clone()).collect()
    }

    fn follow(&self, regions: &[Arc<str>]) {
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        let known = sites.len();
        sites.extend(regions.iter().skip(known).map(|name| Site::new(name)));
    }

    fn remedies(told: Option<&Inspection>) -> Remedies {
        remedies::of(told)
    }

    async fn inspect(&self, region: RegionId) -> Answer<Result<Inspection, Failure>> {
        let (outcome, server_date) = date::noting(inspect::inspect(self, region)).await;
        Answer { outcome, capacity_units: 0.0, server_date }
    }

    async fn read(&self, target: RegionId, slot: Slot, consistency: Consistency) -> Answer<Result<SlotRead, Failure>> {
        let look = async {
            match self.keys.sort_name() {
                Some(sort) => self.query(target, slot, consistency, sort).await,
                None => self.batch(target, slot, consistency).await,
            }
        };
        let ((outcome, capacity_units), server_date) = date::noting(look).await;
        Answer { outcome, capacity_units, server_date }
    }
}
