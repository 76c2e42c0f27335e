//! What the cost promises of Cosmos DB, against numbers worked out by hand.

use super::*;
use crate::cost::request_units::{RequestUnits, document_bytes, monthly_usd, per_read, per_write, warnings};
use crate::settings::{CosmosAuth, CosmosSettings};

/// Settings of which `orders` and `carts` are containers, whether or not this build can reach any.
fn settings(toml: &str) -> Settings {
    let mut settings = Settings::from_toml(toml).unwrap();
    for store in settings.stores.iter_mut().filter(|store| store.name != "toy") {
        let container = ("cell-state".to_owned(), "orders".to_owned());
        store.kind = StoreKind::Cosmos(CosmosSettings {
            endpoint: "https://cells.documents.azure.com".to_owned(),
            database: container.0.clone(),
            container: container.1.clone(),
            heartbeats: container,
            resource_id: None,
            resource_manager: "https://management.azure.com".to_owned(),
            auth: CosmosAuth::Entra { client_id: None },
        });
        let (every, period, delay) = (Duration::from_secs(300), Duration::from_secs(60), Duration::from_secs(180));
        store.provider = (store.name == "carts").then_some(ProviderSettings { every, period, delay });
    }
    settings
}

#[track_caller]
fn assert_units(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * expected.max(1.0), "{found} rather than {expected}");
}

#[test]
fn a_write_is_carried_out_in_every_region() {
    // Three documents a second arrive in each region, of more than 1 KB and less than 2.
    assert_eq!([2, 3, 30].map(document_bytes), [1_112, 1_134, 1_728]);
    assert_units(per_write(&THREE), 6.29);
    assert_units(RequestUnits::of(&THREE).writes, 3.0 * 6.29);
    assert_units(RequestUnits::of(&Usage { regions: 5, slots: 4, ..THREE }).writes, 5.0 * 4.0 * 6.29);
    assert_units(RequestUnits::of(&Usage { interval: Duration::from_secs(10), ..THREE }).writes, 0.3 * 6.29);
}

#[test]
fn a_read_of_a_slot_is_one_query_which_has_its_least_and_grows_with_what_it_finds() {
    let eventual = |regions| per_read(&Usage { regions, ..THREE }, false);
    // 2,224 and 3,402 B: as of 4 KB. 6,040 of five: 8 KB. 51,840 of thirty: 64 KB.
    assert_units(eventual(2), 2.3 + 0.14);
    assert_units(eventual(3), 2.3 + 0.14);
    assert_units(eventual(5), 2.3 + 0.33);
    assert_units(eventual(30), 2.3 + 3.76);
    // A strong one costs double, and an observer's is one, too.
    let units = RequestUnits::of(&Usage { observers: 10, ..THREE });
    assert_units(units.gauge_reads, 5.0 * 4.88);
    assert_units(units.observer_reads, 10.0 * 4.88);
    assert_units(units.sum(), 18.87 + 24.4 + 48.8);
    assert_units(RequestUnits::of(&Usage { strong: false, ..THREE }).gauge_reads, 5.0 * 2.44);
    assert_units(RequestUnits::of(&Usage { slots: 4, ..THREE }).gauge_reads, 4.0 * 24.4);
    assert_units(RequestUnits::of(&Usage { remote_reads: true, ..THREE }).gauge_reads, 3.0 * 24.4);
}

#[test]
fn where_documents_are_partitioned_by_their_id_each_is_read_by_itself() {
    let by_id = Usage { one_key: true, ..THREE };
    assert_units(per_read(&by_id, false), 3.0 * 1.04);
    assert_units(RequestUnits::of(&by_id).gauge_reads, 5.0 * 2.0 * 3.0 * 1.04);
    assert_units(RequestUnits::of(&by_id).writes, RequestUnits::of(&THREE).writes);
}

#[test]
fn a_month_is_paid_for_in_each_region_by_the_hour() {
    // 720 hours.
    assert_usd(monthly_usd(100.0, 1, 0.01), 7.2);
    assert_usd(monthly_usd(43.27, 3, 0.02), 0.4327 * 3.0 * 720.0 * 0.02);
}

#[test]
fn what_comes_near_its_limit_is_warned_of() {
    assert_eq!(warnings(&THREE, None), [""; 0]);
    assert_eq!(warnings(&THREE, Some(100)), [""; 0]);
    let container = "heartbeats take up to 43 RU/s in each region, 54 % of the 80 that the container has; make \
                     heartbeat.interval longer, or give it more";
    assert_eq!(warnings(&THREE, Some(80)), [container]);
    // 43.27 and 4.88 for each observer: half of 10,000.
    let crowd = |observers| Usage { observers, ..THREE };
    assert_eq!(warnings(&crowd(1_015), None), [""; 0]);
    let found = warnings(&crowd(1_016), None);
    assert!(found.len() == 1 && found[0].starts_with("each slot takes up to 5001 RU/s"), "{found:?}");
    // Slots lie on partitions of their own.
    assert_eq!(warnings(&Usage { slots: 64, ..crowd(1_015) }, None), [""; 0]);
}

#[test]
fn todays_document_is_within_the_bound() {
    let mut document = serde_json::json!({
        "id": format!("tidegauge-63-{}", "x".repeat(20)),
        "partition_key_16": "tidegauge-63-4095",
        "ttl": -1,
        "_rid": "Hmd1AJ4mkyoBAAAAAAAAAA==",
        "_self": "dbs/Hmd1AA==/colls/Hmd1AJ4mkyo=/docs/Hmd1AJ4mkyoBAAAAAAAAAA==/",
        "_etag": "\"0000d10f-0000-0d00-0000-5e1b2c3d0000\"",
        "_attachments": "attachments/",
        "_ts": 1_764_000_000,
    });
    for (name, value) in largest(24).encode() {
        document[name] = match value {
            Value::Number(number) => number.parse::<u64>().unwrap().into(),
            Value::Text(text) => text.into(),
            Value::Bool(truth) => truth.into(),
            Value::Bytes(bytes) => "x".repeat(bytes.len().div_ceil(3) * 4).into(),
        };
    }
    let bytes = document.to_string().len() as u64;
    assert!(bytes <= document_bytes(25), "{bytes}");
}

/// Without what aligns it.
fn words(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn a_store_is_shown_by_what_it_takes_of_each_region() {
    let expected = "\
What 30 days (2,592,000 s) cost, worked out from the settings, in USD

store   what                      quantity  unit       USD
orders  heartbeat writes         7,776,000  requests     -  of up to 1,134 B, billed as replicated writes
        replicated writes            56.61  RU/s         -  18.87 in each of 3 regions: 6.29 for each write
        reads by the prober          73.20  RU/s         -  24.40 in each of 3 regions: 38,880,000 queries of up to 3,402 B, 4.88 each
        provider polling                 0  questions  0.00  nobody asks
        sum                         129.81  RU/s         -  43.27 in each of 3 regions: 10.8 % of 400, the least that a container can be given; for USD set prices.ru_per_second_hundred_hour
";
    let orders = STORES.split("[[stores]]\nname = \"carts\"").next().unwrap();
    let found = report(&settings(orders), with(0)).unwrap();
    let (lines, wanted) = (words(&found), words(expected));
    assert!(lines.starts_with(&wanted), "\n{found}");
    assert!(found.contains("\ntotal ") && found.contains("-  without orders\n"), "{found}");
    assert!(!found.contains("write_unit") && !found.contains("a million write units"), "{found}");
    assert!(found.contains("- The container of orders is not partitioned by /id: there"), "{found}");
    assert!(found.contains("a read costs 6.24 instead of 4.88 RU."), "{found}");
}

#[test]
fn what_has_no_price_is_not_added_as_nothing() {
    let without = report(&settings(STORES), with(0)).unwrap();
    assert!(without.contains("0.00  without orders, carts\n"), "the toy alone costs nothing:\n{without}");
    let priced = format!("[prices]\nas_of = \"2027-01\"\nru_per_second_hundred_hour = 0.02\n{STORES}");
    let assumed = Assumed { throughput: Some(80), observers: 1, ..with(0) };
    let found = words(&report(&settings(&priced), assumed).unwrap());
    for part in [
        // 43.27 and an observer's 4.88: 48.15 in each of 3 regions, 720 hours at 0.02 a hundred.
        "144.45 RU/s 20.80 48.15 in each of 3 regions: 60.2 % of the 80 that the container has\n",
        // Four slots, every ten seconds, two regions: writes 2 × 0.4 × 6.29 = 5.032 in each.
        "10.06 RU/s 1.45 5.03 in each of 2 regions: 6.29 for each write\n",
        // Asked every 5 minutes in each of two regions.
        "17,280 questions - of each region every 5m; what Azure Monitor charges for them is not counted\n",
        "- 100 RU/s for an hour cost 0.02 in each region, of 2027-01: a share of what is bought in hundreds, used or not.\n",
        "warning: orders: heartbeats take up to 48 RU/s in each region, 60 % of the 80",
    ] {
        assert!(found.contains(part), "{part:?} is not in\n{found}");
    }
    assert!(!found.contains("without "), "{found}");
}
