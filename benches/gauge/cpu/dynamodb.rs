//! DynamoDB: the adapter, and the bare calls.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use tidegauge::settings::{Settings, StoreKind};
use tidegauge::stores::dynamodb::DynamoDbStore;

use super::{Bare, settings};
use crate::lab::Lab;

pub const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];

/// Where the regions are served, until the lab is dropped.
pub async fn serve() -> (Lab, Vec<String>) {
    let lab = Lab::builder().regions(REGIONS).start().await;
    let endpoints = REGIONS.map(|region| lab.endpoint(region)).into();
    (lab, endpoints)
}

pub async fn store(endpoints: &[String], deadline: Duration) -> DynamoDbStore {
    let regions = REGIONS.iter().zip(endpoints);
    let regions = regions.map(|(region, endpoint)| format!("{{ name = \"{region}\", endpoint = \"{endpoint}\" }}"));
    let kind = "[stores.dynamodb]\ntable = \"GlobalCellState\"\npartition_key = \"PK\"\nsort_key = \"SK\"\n";
    let settings: Settings = settings(regions, kind);
    let store = &settings.stores[0];
    let StoreKind::Dynamodb(dynamodb) = &store.kind else { panic!("not DynamoDB") };
    DynamoDbStore::from_settings(store, dynamodb, deadline).await
}

/// One region's client.
pub struct Calls(Client);

pub async fn bare(endpoints: &[String]) -> Vec<Calls> {
    let client = |endpoint: &String| {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("lab", "lab", None, None, "bench"))
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .endpoint_url(endpoint)
            .build();
        Calls(Client::from_conf(config))
    };
    endpoints.iter().map(client).collect()
}

impl Bare for Calls {
    async fn write(&mut self, seq: u32) {
        put(&self.0, seq).await;
    }

    async fn read(&self) {
        query(&self.0).await;
    }
}

async fn put(client: &Client, seq: u32) {
    let text = |text: &str| AttributeValue::S(text.into());
    let number = |number: u32| AttributeValue::N(number.to_string());
    client
        .put_item()
        .table_name("GlobalCellState")
        .item("PK", text("bare-0"))
        .item("SK", text("us-east-1"))
        .item("tg_v", number(0))
        .item("tg_source", text("us-east-1"))
        .item("tg_slot", number(0))
        .item("tg_writer", text("0123456789abcdef0123456789abcdef"))
        .item("tg_host", text("01234567-89ab-cdef-0123-456789abcdef"))
        .item("tg_run", number(1))
        .item("tg_seq", number(seq))
        .item("tg_written_at", AttributeValue::N("1800000000000000".into()))
        .item("tg_interval", number(100_000))
        .condition_expression(
            "attribute_not_exists(PK) OR (tg_run = :run AND tg_writer = :writer AND tg_seq < :seq) OR tg_seq >= :seq",
        )
        .expression_attribute_values(":run", number(1))
        .expression_attribute_values(":writer", text("0123456789abcdef0123456789abcdef"))
        .expression_attribute_values(":seq", number(seq))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .unwrap();
}

async fn query(client: &Client) {
    let names =
        "SK, tg_v, tg_source, tg_slot, tg_writer, tg_host, tg_run, tg_seq, tg_written_at, tg_interval, tg_resigned";
    client
        .query()
        .table_name("GlobalCellState")
        .consistent_read(true)
        .key_condition_expression("PK = :partition")
        .expression_attribute_values(":partition", AttributeValue::S("tidegauge-0".into()))
        .projection_expression(names)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .unwrap();
}
