//! CPU per interval of the driver with its calls, against a bare loop of as many of the same SDK calls.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use tidegauge::clock::Clock;
use tidegauge::core::model::Plan;
use tidegauge::core::time::Span;
use tidegauge::driver;
use tidegauge::providers::Nobody;
use tidegauge::settings::{Settings, StoreKind};
use tidegauge::stores::dynamodb::DynamoDbStore;
use tokio_util::sync::CancellationToken;

use crate::lab::Lab;
use crate::process::cpu_seconds;
use crate::sim::plan;

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
const INTERVAL: Duration = Duration::from_millis(100);
const INTERVALS: u32 = 300;

/// The other process: so that the servers' CPU is not counted.
pub fn serve_lab() {
    runtime().block_on(async {
        let lab = Lab::builder().regions(REGIONS).start().await;
        println!("{}", REGIONS.map(|region| lab.endpoint(region)).join(" "));
        // Until the parent closes our standard input.
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Prints the ratio, from a process of its own: the SDK takes its credentials from the environment.
pub fn against_a_bare_loop() {
    let measured = Command::new(std::env::current_exe().unwrap())
        .arg("cpu-within")
        .env("AWS_ACCESS_KEY_ID", "lab")
        .env("AWS_SECRET_ACCESS_KEY", "lab")
        .status();
    assert!(measured.unwrap().success());
}

/// What that process does.
pub fn within() {
    println!(
        "# CPU per interval: 3 regions, 3 heartbeats and some 15 polls each, {INTERVALS} intervals of {INTERVAL:?}"
    );
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("serve-lab")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let endpoints: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    runtime().block_on(async {
        let (driver, writes, reads) = driver_cpu(&endpoints).await;
        let bare = bare_cpu(&endpoints, writes, reads).await;
        let per = |seconds: f64| seconds * 1e3 / f64::from(INTERVALS);
        println!("driver: {:.3} ms an interval ({writes} writes, {reads} reads in all)", per(driver));
        println!("bare loop of as many calls: {:.3} ms an interval", per(bare));
        println!("ratio: {:.2} (budget ≤ 1.5)", driver / bare);
        println!();
    });
    drop(server.stdin.take());
    server.wait().unwrap();
}

async fn driver_cpu(endpoints: &[String]) -> (f64, u64, u64) {
    let regions: Vec<String> = REGIONS
        .iter()
        .zip(endpoints)
        .map(|(region, endpoint)| format!("{{ name = \"{region}\", endpoint = \"{endpoint}\" }}"))
        .collect();
    let toml = format!(
        "[cell]\ncentral = true\n[[stores]]\nname = \"bench\"\nheartbeat = {{ interval = \"100ms\" }}\nregions = [{}]\n\
         [stores.dynamodb]\ntable = \"GlobalCellState\"\npartition_key = \"PK\"\nsort_key = \"SK\"\n",
        regions.join(", ")
    );
    let settings = Settings::from_toml(&toml).unwrap();
    let store = &settings.stores[0];
    let StoreKind::Dynamodb(dynamodb) = &store.kind else { panic!("not DynamoDB") };
    let plan = Plan {
        regions: REGIONS.iter().map(|region| (*region).into()).collect(),
        interval: Span::from(INTERVAL),
        ..plan(3)
    };
    let adapter = DynamoDbStore::from_settings(store, dynamodb, Duration::from_millis(500)).await;
    let stop = CancellationToken::new();
    let running = driver::start(adapter, Nobody, plan, Clock::start(), stop.clone(), Duration::from_secs(1));
    // Connections and the learning of the lag are not the question here.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let counts = || {
        let snapshot = running.snapshots.borrow();
        let writes: u64 = snapshot.regions.iter().map(|region| region.heartbeats[0]).sum();
        let reads: u64 = snapshot.regions.iter().map(|region| region.reads_answered).sum();
        (writes, reads)
    };
    let (before, counted) = (cpu_seconds("self"), counts());
    tokio::time::sleep(INTERVAL * INTERVALS).await;
    let (cpu, after) = (cpu_seconds("self") - before, counts());
    stop.cancel();
    running.task.await.unwrap();
    (cpu, after.0 - counted.0, after.1 - counted.1)
}

async fn bare_cpu(endpoints: &[String], writes: u64, reads: u64) -> f64 {
    let clients: Vec<Client> = endpoints
        .iter()
        .map(|endpoint| {
            let config = aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("lab", "lab", None, None, "bench"))
                .retry_config(RetryConfig::standard().with_max_attempts(1))
                .endpoint_url(endpoint)
                .build();
            Client::from_conf(config)
        })
        .collect();
    let each = |total: u64| total as f64 / f64::from(INTERVALS) / clients.len() as f64;
    let (writes, reads) = (each(writes), each(reads));
    let (mut written, mut read) = (0.0, 0.0);
    let mut ticks = tokio::time::interval(INTERVAL);
    for client in &clients {
        put(client, 0).await;
        query(client).await;
    }
    let before = cpu_seconds("self");
    for interval in 1..=INTERVALS {
        ticks.tick().await;
        written += writes;
        read += reads;
        for client in &clients {
            for _ in 0..written as u32 {
                put(client, interval).await;
            }
            for _ in 0..read as u32 {
                query(client).await;
            }
        }
        written = written.fract();
        read = read.fract();
    }
    cpu_seconds("self") - before
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
