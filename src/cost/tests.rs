//! What the cost promises, against numbers worked out by hand.

use std::sync::Arc;

use super::table::{Bill, dollars, grouped};
use super::*;
use crate::core::heartbeat::{Heartbeat, Value};
use crate::core::model::{Beat, WriterId};
use crate::core::time::{Span, Wall};
use crate::settings::{
    DynamodbSettings, KeySettings, KeyType, PriceSettings, ProviderSettings, StoreKind, TableSettings,
};

mod cosmos;

/// Three regions, a heartbeat and five strong reads a second in each: the example of the documents.
const THREE: Usage = Usage {
    regions: 3,
    slots: 1,
    interval: Duration::from_secs(1),
    reads_per_interval: 5,
    strong: true,
    remote_reads: false,
    one_key: false,
    observers: 0,
    polls_every: None,
};

const STORES: &str = r#"
[cell]
central = true
[[stores]]
name = "orders"
regions = [{ name = "us-east-1" }, { name = "eu-west-1" }, { name = "ap-southeast-2" }]
[stores.simulated]
[[stores]]
name = "carts"
regions = [{ name = "us-east-1" }, { name = "eu-west-1" }]
reads_per_interval = 2
read = "eventual"
heartbeat = { interval = "10s", slots = 4 }
[stores.simulated]
[[stores]]
name = "toy"
regions = [{ name = "a" }, { name = "b" }]
[stores.simulated]
"#;

/// Settings of which all stores but `toy` are tables, whether or not this build can reach tables. The provider is asked
/// about the carts alone.
fn settings(toml: &str) -> Settings {
    let mut settings = Settings::from_toml(toml).unwrap();
    for store in settings.stores.iter_mut().filter(|store| store.name != "toy") {
        let key = |name: &str| KeySettings { name: name.to_owned(), kind: KeyType::S };
        let (table, partition_key, sort_key) = ("Cells".to_owned(), key("PK"), Some(key("SK")));
        let heartbeats = TableSettings { table: table.clone(), partition_key, sort_key };
        store.kind = StoreKind::Dynamodb(DynamodbSettings { table, heartbeats });
        let (every, period, delay) = (Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(120));
        store.provider = (store.name == "carts").then_some(ProviderSettings { every, period, delay });
    }
    settings
}

fn prices() -> PriceSettings {
    settings(STORES).prices
}

fn bill(usage: &Usage) -> Bill {
    Bill::of(&Monthly::of(usage), &prices())
}

#[track_caller]
fn assert_usd(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * expected.max(1.0), "{found} USD rather than {expected}");
}

/// So many observers in each region.
fn with(observers: u32) -> Assumed {
    Assumed { observers, ..Assumed::default() }
}

#[test]
fn writes_grow_with_the_square_of_the_regions() {
    // 9 write units a second: 3 heartbeats, each billed in 3 regions. 23.328 million at 0.625.
    let monthly = Monthly::of(&THREE);
    assert_eq!((monthly.writes, monthly.write_units), (7_776_000.0, 23_328_000.0));
    assert_usd(bill(&THREE).writes, 14.58);
    for (regions, interval_ms, per_second) in [(2_u32, 1_000, 1.0), (5, 5_000, 0.2), (10, 100, 10.0), (24, 250, 4.0)] {
        let usage = Usage { regions, interval: Duration::from_millis(interval_ms), ..THREE };
        assert_usd(bill(&usage).writes, 1.62 * per_second * f64::from(regions * regions));
    }
    assert_usd(bill(&Usage { slots: 8, ..THREE }).writes, 8.0 * 14.58);
}

#[test]
fn a_heartbeat_over_1_kb_costs_two_units_in_each_region() {
    assert_eq!([2, 3, 24, 25, 30].map(heartbeat_bytes), [666, 682, 1_018, 1_034, 1_114]);
    // 1.62 a unit: 25 regions to 25 regions, two units each.
    assert_usd(bill(&Usage { regions: 25, ..THREE }).writes, 2_025.0);
}

#[test]
fn reads_are_billed_by_4_kb_of_all_regions_heartbeats() {
    // 0.324 for one unit a second. 15 a second: 5 in each of 3 regions, of 3 × 682 B.
    assert_usd(bill(&THREE).gauge_reads, 4.86);
    // Five regions have 5 × 714 = 3,570 B, six 6 × 730 = 4,380 B.
    assert_usd(bill(&Usage { regions: 5, ..THREE }).gauge_reads, 0.324 * 5.0 * 5.0);
    assert_usd(bill(&Usage { regions: 6, ..THREE }).gauge_reads, 0.324 * 5.0 * 6.0 * 2.0);
    // Thirty have 33,420 B: nine units.
    assert_usd(bill(&Usage { regions: 30, ..THREE }).gauge_reads, 0.324 * 5.0 * 30.0 * 9.0);
    // Each slot is read by itself.
    assert_usd(bill(&Usage { slots: 4, ..THREE }).gauge_reads, 4.0 * 4.86);
    let slow = Usage { interval: Duration::from_secs(10), ..THREE };
    assert_usd(bill(&slow).gauge_reads, 0.486);
}

#[test]
fn an_eventual_read_costs_half_of_what_was_rounded_up() {
    let eventual = Usage { strong: false, ..THREE };
    assert_usd(bill(&eventual).gauge_reads, 2.43);
    assert_eq!(Monthly::of(&eventual).gauge_reads, 38_880_000.0);
    assert_usd(bill(&Usage { regions: 6, ..eventual }).gauge_reads, 0.324 * 5.0 * 6.0);
}

#[test]
fn a_gauge_that_reads_all_replicas_multiplies_the_reads_and_nothing_else() {
    let (local, remote) = (Monthly::of(&THREE), Monthly::of(&Usage { remote_reads: true, ..THREE }));
    let reads = (3.0 * local.gauge_reads, 3.0 * local.gauge_read_units);
    assert_eq!((remote.gauge_reads, remote.gauge_read_units), reads);
    assert_eq!(remote, Monthly { gauge_reads: reads.0, gauge_read_units: reads.1, ..local });
}

#[test]
fn an_observer_costs_one_eventual_poll_per_interval() {
    // 300 half units a second.
    let crowd = Usage { observers: 100, remote_reads: true, ..THREE };
    assert_usd(bill(&crowd).observer_reads, 48.6);
    assert_usd(bill(&Usage { slots: 2, ..crowd.clone() }).observer_reads, 97.2);
    assert_usd(bill(&Usage { interval: Duration::from_secs(5), ..crowd }).observer_reads, 9.72);
    assert_usd(bill(&THREE).observer_reads, 0.0);
}

#[test]
fn every_regions_stream_has_every_heartbeat_and_a_price_only_where_one_is_set() {
    let monthly = Monthly::of(&Usage { slots: 2, ..THREE });
    assert_eq!(monthly.stream_records, 46_656_000.0);
    let without = Bill::of(&monthly, &prices());
    assert_eq!(without.stream, None);
    let with = Bill::of(&monthly, &PriceSettings { stream_record_million: Some(0.5), ..prices() });
    assert_eq!(with.stream, Some(23.328));
    assert_usd(with.sum() - without.sum(), 23.328);
    // A record is a record, whatever its size.
    assert_eq!(Monthly::of(&Usage { regions: 25, ..THREE }).stream_records, 625.0 * 2_592_000.0);
}

#[test]
fn asking_the_provider_is_counted_by_pairs_and_regions() {
    let polls = |regions, seconds| Usage { regions, polls_every: Some(Duration::from_secs(seconds)), ..THREE };
    // Once a minute, a metric costs 0.432 a month: one for each pair, five for each region.
    for (regions, metrics) in [(2_u32, 2 + 10), (3, 6 + 15), (10, 90 + 50)] {
        let bill = bill(&polls(regions, 60));
        assert_usd(bill.metrics, 0.432 * f64::from(metrics));
        assert_usd(bill.sum(), bill.writes + bill.gauge_reads + bill.metrics);
    }
    assert_eq!(Monthly::of(&polls(3, 300)).metrics, 21.0 * 8_640.0);
    // Observers, slots and standbys ask nobody.
    let more = Usage { observers: 100, slots: 8, interval: Duration::from_secs(5), ..polls(3, 300) };
    assert_eq!(Monthly::of(&more).metrics, 21.0 * 8_640.0);
    // Both ends of a pair ask about it, and each of three gauges about all three regions.
    assert_eq!(Monthly::of(&Usage { remote_reads: true, ..polls(3, 300) }).metrics, (12.0 + 45.0) * 8_640.0);
    assert_usd(bill(&THREE).metrics, 0.0);
}

#[test]
fn without_a_sort_key_each_heartbeat_is_read_and_billed_by_itself() {
    let one_key = Usage { one_key: true, ..THREE };
    // 15 reads a second, of three units rather than of one.
    assert_usd(bill(&one_key).gauge_reads, 3.0 * 4.86);
    assert_eq!(Monthly::of(&one_key).gauge_reads, Monthly::of(&THREE).gauge_reads, "a batch is one request");
    // Half a unit for each, which is 4.5 a second.
    assert_usd(bill(&Usage { strong: false, ..one_key.clone() }).gauge_reads, 1.5 * 4.86);
    // Thirty heartbeats of 1,114 B: a unit each, where a query of 33,420 B has nine.
    assert_usd(bill(&Usage { regions: 30, ..one_key.clone() }).gauge_reads, 0.324 * 5.0 * 30.0 * 30.0);
    assert_usd(bill(&Usage { observers: 100, ..one_key.clone() }).observer_reads, 3.0 * 48.6);
    // The writes are what they were.
    assert_usd(bill(&one_key).writes, 14.58);
    let warning = "the table has no sort key, so each region's heartbeat is read and billed by itself: a read costs 3 \
                   read units; in a companion table with a sort key it costs 1";
    assert_eq!(one_key.warnings(), [warning]);
    // No region's heartbeats share a partition key.
    assert_eq!((one_key.partition_write_units(), one_key.partition_read_units()), (1.0, 5.0));
    let crowd = Usage { observers: 2_990, ..one_key };
    assert_eq!(crowd.partition_read_units(), 1_500.0);
    assert!(crowd.warnings()[1].starts_with("each heartbeat's partition key takes up to 1500 read units/s"));
}

#[test]
fn what_costs_more_than_one_unit_is_warned_of() {
    assert_eq!(Usage { regions: 5, ..THREE }.warnings(), [""; 0]);
    let read = "a read finds up to 4380 B, more than 4096: it costs 2 instead of 1 read units";
    assert_eq!(Usage { regions: 6, ..THREE }.warnings(), [read]);
    let read = "a read finds up to 4380 B, more than 4096: it costs 1 instead of 0.5 read units";
    assert_eq!(Usage { regions: 6, strong: false, ..THREE }.warnings(), [read]);
    assert_eq!(Usage { regions: 24, ..THREE }.warnings().len(), 1);
    let found = Usage { regions: 25, ..THREE }.warnings();
    let write =
        "a heartbeat has up to 1034 B, more than 1024: each write costs 2 instead of 1 write units in each region";
    assert!(found.len() == 2 && found[0] == write, "{found:?}");
}

#[test]
fn a_partition_is_warned_of_from_half_its_limit_on() {
    // 25 regions, two units each, ten times a second: half of 1,000.
    let fast = |regions, millis| Usage { regions, interval: Duration::from_millis(millis), ..THREE };
    let writes = |usage: &Usage| usage.warnings().iter().filter(|warning| warning.contains("write units/s")).count();
    assert_eq!(fast(25, 100).partition_write_units(), 500.0);
    assert_eq!((writes(&fast(25, 100)), writes(&fast(25, 101)), writes(&fast(24, 100))), (1, 0, 0));

    // 5 strong reads, and half a unit for each observer, in one region: half of 3,000.
    let crowd = |observers| Usage { observers, ..THREE };
    assert_eq!(crowd(2_990).partition_read_units(), 1_500.0);
    assert_eq!(crowd(2_989).warnings(), [""; 0]);
    let near = "each slot's partition key takes up to 1500 read units/s in each region, 50 % of the 3000 that \
                one partition takes; make heartbeat.interval longer, or let fewer read";
    assert_eq!(crowd(2_990).warnings(), [near]);
    // Slots have partitions of their own; gauges of other regions come on top.
    assert_eq!(Usage { slots: 64, ..crowd(2_990) }.partition_read_units(), 1_500.0);
    assert_eq!(Usage { remote_reads: true, ..crowd(2_990) }.partition_read_units(), 1_510.0);
}

/// As large as one gets in a store of so many other regions.
fn largest(others: usize) -> Heartbeat {
    Heartbeat {
        source: Arc::from("x".repeat(20)),
        slot: 63,
        writer: WriterId(u128::MAX),
        host: Arc::from("x".repeat(36)),
        beat: Beat { run: (1 << 53) - 1, seq: (1 << 53) - 1 },
        written_at: Wall::from_micros((1 << 53) - 1),
        interval: Span::from_micros(3_599_999_999),
        resigned: true,
        clock: Some((Span::from_micros(-9_000_000), Span::from_micros(-8_900_000))),
        // 64 ticks at 4 B, and its other regions at 16 B.
        recent: vec![0; 64 * 4].into(),
        echo: vec![0; others * 16].into(),
    }
}

#[test]
fn todays_heartbeat_is_within_the_bound() {
    let heartbeat = largest(24);
    // Names, and values as the provider counts them: numbers two digits a byte and one more, the rest as they are.
    let attributes = heartbeat.encode().into_iter().map(|(name, value)| {
        name.len()
            + match value {
                Value::Number(number) => number.len().div_ceil(2) + 1,
                Value::Text(text) => text.len(),
                Value::Bool(_) => 1,
                Value::Bytes(bytes) => bytes.len(),
            }
    });
    // The longest keys: 38 digits and a sign beside the source's name.
    let keys = 2 * 16 + (38_usize.div_ceil(2) + 2) + heartbeat.source.len();
    let bytes = (attributes.sum::<usize>() + keys) as u64;
    assert!(bytes <= heartbeat_bytes(25), "{bytes}");
}

#[test]
fn usage_is_what_the_settings_say() {
    let stores = settings(STORES).stores;
    assert_eq!(Usage::of(&stores[0], with(0)).unwrap(), THREE);
    let carts = Usage {
        regions: 2,
        slots: 4,
        interval: Duration::from_secs(10),
        reads_per_interval: 2,
        strong: false,
        remote_reads: false,
        one_key: false,
        observers: 7,
        polls_every: Some(Duration::from_secs(60)),
    };
    assert_eq!(Usage::of(&stores[1], with(7)).unwrap(), carts);
    let mut without_sort_key = stores[0].clone();
    let StoreKind::Dynamodb(dynamodb) = &mut without_sort_key.kind else { panic!("it is a table") };
    dynamodb.heartbeats.sort_key = None;
    assert_eq!(Usage::of(&without_sort_key, with(0)).unwrap(), Usage { one_key: true, ..THREE });
}

#[test]
fn the_table_is_aligned_and_says_what_it_assumed() {
    let expected = "\
What 30 days (2,592,000 s) cost, worked out from the settings, in USD

store   what                        quantity  unit           USD
orders  heartbeat writes           7,776,000  requests         -  of up to 682 B, billed as replicated writes
        replicated writes         23,328,000  write units  14.58  1 for each write in each of 3 regions
        reads by the prober       38,880,000  read units    4.86  38,880,000 reads of up to 2,046 B, 1 each
        stream records            23,328,000  records          -  depends on who reads them: prices.stream_record_million
        provider polling                   0  metrics       0.00  nobody asks: provider.poll is off
        sum                                                19.44
carts   heartbeat writes           2,073,600  requests         -  of up to 666 B, billed as replicated writes
        replicated writes          4,147,200  write units   2.59  1 for each write in each of 2 regions
        reads by the prober        2,073,600  read units    0.26  4,147,200 reads of up to 1,332 B, 0.5 each
        stream records             4,147,200  records          -  depends on who reads them: prices.stream_record_million
        provider polling             518,400  metrics       5.18  12 every 1m: 1 for each of 2 pairs, 5 for each region
        sum                                                 8.04
toy     simulated: costs nothing                            0.00
total                                                      27.48

Assumed:
- One central prober writes and reads every region. Another gauge that stands by reads as much again, and asks no provider.
- No observers: --observers N counts N of them in each region.
- Sizes are upper bounds. Nothing fails: what is refused or throttled may be billed, too.
- Prices of 2026-11, on demand, alike in all regions: a million write units 0.625, a million read units 0.125, a thousand metrics 0.01.
- Nobody reads the streams, or the sums are too low.
- Not in it: transfer between regions, storage, backups, exports, indexes, taxes.
";
    let found = report(&settings(STORES), with(0)).unwrap();
    assert_eq!(found, expected, "\n{found}");
}

#[test]
fn a_fleet_its_observers_and_prices_show_in_the_report() {
    let fleet = STORES.replace("central = true", "aws_region = \"us-east-1\"");
    let fleet = fleet.split("[[stores]]\nname = \"toy\"").next().unwrap();
    let prices = "[prices]\nwrite_unit_million = 1.25\nstream_record_million = 0.5";
    let found = report(&settings(&format!("{prices}\n{fleet}")), with(3000)).unwrap();
    for part in [
        "- A fleet: one active gauge in each region",
        "reads by gauges",
        // 9,000 half units a second at 0.125 a million.
        "reads by observers  11,664,000,000  read units   1,458.00  23,328,000,000 reads of up to 2,046 B, 0.5 each\n",
        "- 3000 observers in each region",
        "- Prices as set, on demand, alike in all regions: a million write units 1.25, ",
        "records         11.66  as set in prices.stream_record_million\n",
        "\nwarning: orders: each slot's partition key takes up to 1505 read units/s",
    ] {
        assert!(found.contains(part), "{part:?} is not in\n{found}");
    }
    assert!(!found.contains("Nobody reads the streams"), "{found}");
}

#[test]
fn settings_that_do_not_say_what_is_read_are_refused() {
    let none = Settings::from_sources(None, std::collections::HashMap::new()).unwrap();
    assert_eq!(report(&none, with(0)), Err(NotCounted::NoStores));
    let observer = STORES.replace("central = true", "aws_region = \"us-east-1\"").replace("reads_per_interval = 2", "");
    let toys = observer.find("[[stores]]\nname = \"toy\"").unwrap();
    let observer = format!("role = \"observer\"\n{}", &observer[..toys]);
    assert_eq!(report(&settings(&observer), with(3)), Err(NotCounted::Observer));
}

#[test]
fn amounts_are_readable_and_a_little_is_not_nothing() {
    let found = [0.0, 999.4, 1_000.0, 123_456.0, 1_234_567.8].map(|number| grouped(number, 0));
    assert_eq!(found, ["0", "999", "1,000", "123,456", "1,234,568"]);
    assert_eq!([0.0, 0.004, 0.005, 0.01, 933_120.0].map(dollars), ["0.00", "<0.01", "0.01", "0.01", "933,120.00"]);
}

#[cfg(feature = "dynamodb")]
#[test]
fn where_the_table_names_its_regions_how_many_there_are_has_to_be_said() {
    let auto = settings(
        "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = \"auto\"\n[stores.dynamodb]\ntable = \"Orders\"\n\
         partition_key = \"PK\"\nsort_key = \"SK\"\n",
    );
    let refused = report(&auto, with(0)).unwrap_err();
    assert_eq!(refused, NotCounted::Regions("orders".to_owned()));
    assert!(refused.to_string().contains("--regions N"));
    let three = Assumed { regions: Some(3), ..with(0) };
    assert_eq!(Usage::of(&auto.stores[0], three), Ok(THREE));
    assert!(report(&auto, three).is_ok());
}
