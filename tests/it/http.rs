//! What the gauge answers over HTTP, asked of its routers while a simulated store is measured in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::Value as Json;
use tidegauge::core::model::Failure;
use tidegauge::core::provider::{Polling, Question, Reading, Series, Statistic};
use tidegauge::core::time::Span;
use tidegauge::http;
use tidegauge::metrics::declare;
use tidegauge::providers::Provider;

use crate::gauge::{Gauge, LAG_SECONDS, ask, comments, family, pair_names, series};

/// Long enough for numbers everywhere but in quantiles that need more.
const A_WHILE: Duration = Duration::from_secs(90);

/// Every field of a pair that the API promises.
const PAIR_FIELDS: [&str; 18] = [
    "store",
    "source_region",
    "target_region",
    "clock",
    "placement",
    "state",
    "since",
    "reason",
    "current_lag_seconds",
    "overdue_seconds",
    "staleness_seconds",
    "watermark",
    "last_sample",
    "windows",
    "offset",
    "provider",
    "merged_lag_seconds",
    "slots",
];

/// A provider that says the same of every period: twenty times the truth.
pub struct Exaggerates;

impl Provider for Exaggerates {
    async fn ask(&self, question: Question) -> Result<Vec<Reading>, Failure> {
        let mut readings = Vec::new();
        let Question { region: source, period, mut begin, end, .. } = question;
        while begin < end {
            for target in question.targets.iter().copied() {
                for (statistic, value) in [(Statistic::Average, 16.0), (Statistic::Maximum, 32.0)] {
                    readings.push(Reading { series: Series::Lag { source, target, statistic }, begin, period, value });
                }
            }
            begin = begin + period;
        }
        Ok(readings)
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_come_in_the_text_format_that_every_prometheus_reads() {
    let answer = Gauge::after(A_WHILE, 1).await.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.kind.starts_with("text/plain; version=0.0.4"), "{}", answer.kind);
    let found = series(&answer.body);
    let unique: BTreeSet<(&str, &str)> = found.iter().map(|(name, labels, _)| (*name, *labels)).collect();
    assert_eq!(unique.len(), found.len(), "a series is there once");
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_declared_and_explained() {
    let exposition = Gauge::after(A_WHILE, 1).await.metrics().await;
    let (types, helps) = (comments(&exposition, "TYPE"), comments(&exposition, "HELP"));
    let declared: BTreeMap<&str, &declare::Metric> = declare::ALL.iter().map(|metric| (metric.name, metric)).collect();
    assert_eq!(declared.len(), declare::ALL.len(), "a metric is declared once");
    let names: BTreeSet<&str> = series(&exposition).iter().map(|(name, ..)| family(name, &types)).collect();
    for name in names.iter().filter(|name| name.starts_with("tidegauge_")) {
        let metric = declared.get(name).unwrap_or_else(|| panic!("{name} is not declared"));
        assert_eq!(helps.get(name), Some(&metric.help.trim()), "{name}");
        assert_eq!(types[name], format!("{:?}", metric.kind).to_lowercase(), "{name}");
    }
    for (name, metric) in &declared {
        let help = metric.help.trim();
        assert!(help.len() >= 15 && help.ends_with('.'), "{name} is not explained: {help:?}");
        assert!(name.starts_with("tidegauge_"), "{name}");
        assert_eq!(name.ends_with("_total"), format!("{:?}", metric.kind) == "COUNTER", "{name}");
        // Alerts appear with what is wrong, and advice with a policy; the others are for pairs of two clocks, for several slots,
        // and for stores that say something of themselves, or of which a provider does.
        let rare = [
            declare::ALERT_ACTIVE,
            declare::ADVICE_DECISION,
            declare::ADVICE_EXCLUDED,
            declare::ADVICE_OVERRIDE_UNTIL,
            declare::NOTIFICATIONS,
            declare::CLOCK_OFFSET,
            declare::OVERDUE,
            declare::SLOT_SPREAD,
            declare::REPLICA_STATUS,
            declare::AUDIT_FINDING,
            declare::PROVIDER_LAG,
            declare::PROVIDER_TIMESTAMP,
            declare::PROVIDER_DISAGREES,
        ];
        assert!(
            names.contains(name) || rare.iter().any(|metric| metric.name == *name),
            "{name} is declared and not there"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_bursts_is_0_before_its_first_error_for_each_kind_of_call_that_is_made_and_nothing_else_is() {
    for after in [Duration::ZERO, A_WHILE] {
        let exposition = Gauge::after(after, 1).await.metrics().await;
        let errors: Vec<_> =
            series(&exposition).into_iter().filter(|(name, ..)| *name == "tidegauge_errors_total").collect();
        assert!(errors.iter().all(|(_, labels, count)| {
            let is_burst = ["reason=\"throttled\"", "reason=\"timeout\""].iter().any(|reason| labels.contains(reason));
            is_burst && *count == 0.0
        }));
        // Of three regions, two kinds of call and two reasons.
        assert_eq!(errors.len(), 12, "{errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_well_costs_at_most_40_series() {
    let exposition = Gauge::after(A_WHILE, 2).await.metrics().await;
    for (source, target) in pair_names() {
        let (source, target) = (format!("source_region=\"{source}\""), format!("target_region=\"{target}\""));
        let of_pair =
            |labels: &str| labels.contains("store=\"orders\"") && labels.contains(&source) && labels.contains(&target);
        let count = series(&exposition).iter().filter(|(_, labels, _)| of_pair(labels)).count();
        assert!((20..=40).contains(&count), "{count} series from {source} to {target}");
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_say_what_was_measured() {
    let exposition = Gauge::after(A_WHILE, 1).await.metrics().await;
    let found = series(&exposition);
    let value = |name: &str, labels: &[&str]| {
        let mut fitting = found.iter().filter(|(of, has, _)| *of == name && labels.iter().all(|one| has.contains(one)));
        let value = fitting.next().unwrap_or_else(|| panic!("there is no {name} of {labels:?}")).2;
        assert!(fitting.next().is_none(), "{name} of {labels:?} is ambiguous");
        value
    };
    for (source, target) in pair_names() {
        let pair = [format!("source_region=\"{source}\""), format!("target_region=\"{target}\"")];
        let pair = [pair[0].as_str(), pair[1].as_str()];
        let count = value("tidegauge_replication_lag_seconds_count", &pair);
        assert!((80.0..=92.0).contains(&count), "{count}");
        let mean = value("tidegauge_replication_lag_seconds_sum", &pair) / count;
        assert!((mean - LAG_SECONDS).abs() < 0.1, "{mean}");
        assert!(value("tidegauge_replication_lag_error_seconds", &pair) < 0.2);
        assert!((LAG_SECONDS - 0.01..2.5).contains(&value("tidegauge_current_lag_seconds", &pair)));
        assert!((LAG_SECONDS - 0.01..2.5).contains(&value("tidegauge_staleness_seconds", &pair)));
        let is = |state: &str| value("tidegauge_pair_state", &[pair[0], pair[1], &format!("state=\"{state}\"")]);
        assert_eq!((is("ok"), is("unknown"), is("stalled")), (1.0, 0.0, 0.0));
    }
    let region = "region=\"us-east-1\"";
    assert!(value("tidegauge_heartbeats_total", &[region, "result=\"acknowledged\""]) > 85.0);
    assert!(value("tidegauge_consumed_capacity_units_total", &[region, "operation=\"write\""]) > 85.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_has_no_series() {
    let exposition = Gauge::after(Duration::ZERO, 1).await.metrics().await;
    let found = series(&exposition);
    for metric in [declare::CURRENT_LAG, declare::STALENESS, declare::WATERMARK, declare::REPLICATION_LAG_ERROR] {
        assert!(!found.iter().any(|(name, ..)| *name == metric.name), "{} before anything is known", metric.name);
    }
    let unknown = found.iter().filter(|(name, labels, value)| {
        *name == "tidegauge_pair_state" && labels.contains("state=\"unknown\"") && *value == 1.0
    });
    assert_eq!(unknown.count(), 6);
    assert!(found.iter().all(|(_, _, value)| !value.is_nan()));
}

#[tokio::test(start_paused = true)]
async fn a_pair_has_every_field_whether_it_is_known_or_not() {
    for (elapsed, slots) in [(Duration::ZERO, 1), (A_WHILE, 1), (A_WHILE, 2)] {
        let pairs = Gauge::after(elapsed, slots).await.pairs("").await;
        let names: Vec<(&str, &str)> = pairs
            .iter()
            .map(|pair| (pair["source_region"].as_str().unwrap(), pair["target_region"].as_str().unwrap()))
            .collect();
        assert_eq!(names, pair_names());
        for pair in &pairs {
            let fields: BTreeSet<&str> = pair.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(fields, BTreeSet::from(PAIR_FIELDS));
            for window in ["1m", "10m", "60m"] {
                let window = pair["windows"][window].as_object().unwrap();
                let fields: BTreeSet<&str> = window.keys().map(String::as_str).collect();
                let expected = ["count", "p50_seconds", "p90_seconds", "p99_seconds", "max_seconds"];
                assert_eq!(fields, BTreeSet::from(expected));
            }
            let words = ["store", "clock", "placement"].map(|field| pair[field].as_str().unwrap());
            assert_eq!(words, ["orders", "one", "inline"]);
            match pair["slots"].as_array() {
                None => assert_eq!((slots, &pair["slots"]), (1, &Json::Null)),
                Some(of) => assert_eq!(of.len(), usize::from(slots)),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_unknown_reads_as_a_number() {
    for pair in Gauge::after(Duration::ZERO, 1).await.pairs("").await {
        assert_eq!((pair["state"].as_str(), pair["reason"].as_str()), (Some("unknown"), Some("not measured yet")));
        let null = PAIR_FIELDS[8..].iter().filter(|field| **field != "windows");
        for field in null {
            assert_eq!(pair[field], Json::Null, "{field}");
        }
        for window in ["1m", "10m", "60m"] {
            let window = &pair["windows"][window];
            assert_eq!(window["count"], 0);
            for field in ["p50_seconds", "p90_seconds", "p99_seconds", "max_seconds"] {
                assert_eq!(window[field], Json::Null, "{field}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_says_what_was_measured() {
    for pair in Gauge::after(A_WHILE, 1).await.pairs("").await {
        assert_eq!((pair["state"].as_str(), pair["reason"].as_str()), (Some("ok"), Some("")), "{pair}");
        let seconds = |field: &str| pair[field].as_f64().unwrap_or_else(|| panic!("{field}: {pair}"));
        assert!((LAG_SECONDS - 0.01..2.5).contains(&seconds("current_lag_seconds")), "{pair}");
        assert!((LAG_SECONDS - 0.01..2.5).contains(&seconds("staleness_seconds")), "{pair}");
        assert!(pair["since"].as_str().unwrap().starts_with("2026-01-01T00:01:"), "{pair}");
        assert!(pair["watermark"]["written_at"].as_str().unwrap().ends_with('Z'), "{pair}");
        assert!(pair["watermark"]["seq"].as_u64().unwrap() > 80, "{pair}");
        let window = &pair["windows"]["1m"];
        assert!(window["count"].as_u64().unwrap() > 50, "{pair}");
        assert!((window["p50_seconds"].as_f64().unwrap() - LAG_SECONDS).abs() < 0.1, "{pair}");
        for other in ["overdue_seconds", "offset", "provider"] {
            assert_eq!(pair[other], Json::Null, "{other}");
        }
        assert_eq!(pair["merged_lag_seconds"], pair["current_lag_seconds"], "nobody else knows");
    }
}

pub const POLLING: Polling =
    Polling { every: Span::from_millis(60_000), period: Span::from_millis(60_000), delay: Span::from_millis(60_000) };

#[tokio::test(start_paused = true)]
async fn a_pair_says_what_its_provider_says_and_how_that_compares() {
    let gauge = Gauge::asking(Duration::from_secs(600), 1, Some(POLLING), Exaggerates).await;
    for pair in gauge.pairs("").await {
        let provider = &pair["provider"];
        for (field, value) in [("value_seconds", 16.0), ("maximum_seconds", 32.0), ("period_seconds", 60.0)] {
            assert_eq!(provider[field], value, "{field}: {pair}");
        }
        assert_eq!((&provider["statistic"], &provider["failing"]), (&Json::from("average"), &Json::Null));
        assert_eq!(provider["verdict"], "disagrees_provider_higher", "{pair}");
        let says = provider["reason"].as_str().unwrap();
        assert!(says.starts_with("its average is 16.00 s, that of the heartbeats"), "{says}");
        assert!(provider["as_of"].as_str().unwrap().ends_with(":00.000000Z"), "{pair}");
        assert!((60.0..=180.0).contains(&provider["age_seconds"].as_f64().unwrap()), "{pair}");
        assert_eq!((&pair["state"], &pair["merged_lag_seconds"]), (&Json::from("ok"), &pair["current_lag_seconds"]));
    }
    let exposition = gauge.metrics().await;
    let found = series(&exposition);
    for (source, target) in pair_names() {
        let pair = [format!("source_region=\"{source}\""), format!("target_region=\"{target}\"")];
        let of_pair: Vec<_> = found.iter().filter(|(_, has, _)| pair.iter().all(|label| has.contains(label))).collect();
        let value = |name: &str, label: &str| {
            let of = of_pair.iter().find(|(of, has, _)| *of == name && has.contains(label));
            of.unwrap_or_else(|| panic!("there is no {name} with {label}")).2
        };
        assert_eq!(value("tidegauge_provider_lag_seconds", "statistic=\"average\""), 16.0);
        assert_eq!(value("tidegauge_provider_lag_seconds", "statistic=\"maximum\""), 32.0);
        assert_eq!(value("tidegauge_provider_disagrees", ""), 1.0);
        assert_eq!(value("tidegauge_provider_timestamp_seconds", "") % 60.0, 0.0);
        assert_eq!(value("tidegauge_merged_lag_origin", "origin=\"measured\""), 1.0);
        assert_eq!(value("tidegauge_merged_lag_seconds", ""), value("tidegauge_current_lag_seconds", ""));
        assert!((30..=45).contains(&of_pair.len()), "{} series from {source} to {target}", of_pair.len());
    }
}

#[tokio::test(start_paused = true)]
async fn pairs_can_be_narrowed_down() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    assert_eq!(gauge.pairs("?store=orders").await.len(), 6);
    assert_eq!(gauge.pairs("?source_region=us-east-1").await.len(), 2);
    assert_eq!(gauge.pairs("?store=orders&source_region=us-east-1&target_region=eu-west-1").await.len(), 1);
    // An empty list would look like a store without pairs.
    assert_eq!(gauge.get("/api/v1/pairs?store=nosuch").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn samples_bracket_the_truth_newest_first() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    let pair = "/api/v1/samples?store=orders&source_region=us-east-1&target_region=eu-west-1";
    let body = gauge.get(pair).await.json();
    let samples = body["data"]["samples"].as_array().unwrap();
    assert!((80..=92).contains(&samples.len()), "{}", samples.len());
    for sample in samples {
        let ends = ["lower_seconds", "upper_seconds"].map(|end| sample[end].as_f64().unwrap());
        assert!(ends[0] <= LAG_SECONDS && LAG_SECONDS <= ends[1], "{sample}");
        assert_eq!((&sample["slot"], &sample["presumed"]), (&Json::from(0), &Json::from(false)));
        for instant in ["written_at", "seen_at"] {
            let instant = sample[instant].as_str().unwrap();
            assert!(instant.starts_with("2026-01-01T00:0") && instant.ends_with('Z'), "{sample}");
        }
    }
    assert!(samples.is_sorted_by_key(|sample| std::cmp::Reverse(sample["seq"].as_u64().unwrap())));
    let few = gauge.get(&format!("{pair}&limit=3")).await.json();
    assert_eq!(few["data"]["samples"].as_array().unwrap()[..], samples[..3]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_pair_is_not_found() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    for (query, name) in [
        ("store=nosuch&source_region=us-east-1&target_region=eu-west-1", "nosuch"),
        ("store=orders&source_region=nowhere&target_region=eu-west-1", "nowhere"),
        ("store=orders&source_region=us-east-1&target_region=us-east-1", "us-east-1"),
    ] {
        let answer = gauge.get(&format!("/api/v1/samples?{query}")).await;
        let says = answer.problem(StatusCode::NOT_FOUND, "not_found");
        assert!(says.contains(name), "{says}");
    }
    for path in ["/nowhere", "/api/v1/", "/api/v2/pairs", "/metrics/", "/-/reloads"] {
        gauge.get(path).await.problem(StatusCode::NOT_FOUND, "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_wrong_is_named() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let pair = "store=orders&source_region=us-east-1&target_region=eu-west-1";
    for (query, named) in [
        ("/api/v1/pairs?sourceregion=us-east-1".to_owned(), "\"sourceregion\""),
        ("/api/v1/pairs?store=orders&store=orders".to_owned(), "\"store\""),
        ("/api/v1/pairs?limit=3".to_owned(), "\"limit\""),
        ("/api/v1/samples".to_owned(), "\"store\""),
        ("/api/v1/samples?store=orders&source_region=us-east-1".to_owned(), "\"target_region\""),
        (format!("/api/v1/samples?{pair}&limit=0"), "limit"),
        (format!("/api/v1/samples?{pair}&limit=129"), "limit"),
        (format!("/api/v1/samples?{pair}&limit=-1"), "limit"),
        (format!("/api/v1/samples?{pair}&limit=many"), "limit"),
        (format!("/api/v1/samples?{pair}&format=csv"), "\"format\""),
    ] {
        let says = gauge.get(&query).await.problem(StatusCode::BAD_REQUEST, "bad_data");
        assert!(says.contains(named), "{query}: {says}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_here_can_be_written() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let api = ["/api/v1/pairs", "/api/v1/samples", "/api/v1/visibility", "/api/v1/alerts", "/api/v1/events"];
    for path in ["/", "/metrics", "/-/healthy", "/-/ready"].into_iter().chain(api) {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = ask(gauge.full(), method, path).await;
            answer.problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
        }
        assert!(ask(gauge.full(), Method::HEAD, path).await.body.is_empty(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_healthy_and_ready_before_anything_is_known() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    for router in [gauge.full(), http::metrics_only(gauge.shared.clone())] {
        for path in ["/-/healthy", "/-/ready"] {
            let answer = ask(router.clone(), Method::GET, path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert!(answer.kind.starts_with("text/plain"), "{answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_listener_for_metrics_shows_nothing_else() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    let outside = || http::metrics_only(gauge.shared.clone());
    assert_eq!(ask(outside(), Method::GET, "/metrics").await.status, StatusCode::OK);
    let samples = "/api/v1/samples?store=orders&source_region=us-east-1&target_region=eu-west-1";
    let visibility = "/api/v1/visibility?store=orders&source_region=us-east-1&target_region=eu-west-1&age=1";
    for path in ["/", "/api/v1/pairs", samples, visibility, "/api/v1/alerts", "/api/v1/events"] {
        ask(outside(), Method::GET, path).await.problem(StatusCode::NOT_FOUND, "not_found");
        assert_eq!(gauge.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_front_page_lists_every_pair() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    let page = gauge.get("/").await.body;
    for (source, target) in pair_names() {
        let row = ["orders", source, target, "ok"];
        let is_row = |line: &&str| line.split_whitespace().take(4).eq(row);
        assert_eq!(page.lines().filter(is_row).count(), 1, "{source} to {target}:\n{page}");
    }
}
