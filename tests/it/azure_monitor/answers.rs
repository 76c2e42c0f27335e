//! What is made of the answers.

use serde_json::{Value as Json, json};
use tidegauge::core::model::{Failure, Reason};
use tidegauge::providers::Provider;

use super::*;
use crate::azure::{Reply, metric_of};

/// A series of the lag of a pair: minutes after the first that is asked for, and milliseconds.
fn series(dimensions: &[(&str, &str)], key: &str, points: &[(i64, Json)]) -> Json {
    let dimensions = dimensions.iter().map(|(name, value)| json!({ "name": { "value": name }, "value": value }));
    let points = points.iter().map(|(minute, value)| {
        json!({ "timeStamp": format!("2026-11-25T{:02}:{:02}:00Z", 12 + minute.div_euclid(60), minute.rem_euclid(60)), key: value })
    });
    json!({ "metadatavalues": dimensions.collect::<Vec<_>>(), "data": points.collect::<Vec<_>>() })
}

const TO_EU: [(&str, &str); 2] = [("sourceregion", "East US"), ("targetregion", "West Europe")];

fn answer(metric: Json) -> Json {
    json!({ "interval": "PT1M", "value": [metric] })
}

fn lags(series: Vec<Json>) -> Json {
    answer(metric_of("ReplicationLatency", "MilliSeconds", series))
}

/// What is made of an answer to the question about the lag.
async fn told(answer: Json) -> Result<Vec<Reading>, Failure> {
    let azure = azure().await;
    azure.fail(METRICS, Reply::Json(200, answer));
    monitor(&azure).ask(Question { companions: false, ..question() }).await
}

#[tokio::test]
async fn the_lag_of_each_target_is_a_99th_percentile_in_seconds() {
    let azure = azure().await;
    for (source, target, lag) in [
        ("East US", "West Europe", Some(812.5)),
        ("East US", "Australia East", Some(2_340.0)),
        ("East US", "Atlantis North", Some(9.0)),
        ("West Europe", "East US", Some(9.0)),
    ] {
        azure.world().lags.insert((source.into(), target.into()), lag);
    }
    let readings = monitor(&azure).ask(question()).await.unwrap();
    let minutes = |target, value| (0..15).map(move |minute| lag(target, 60 * minute, value));
    let expected: Vec<Reading> = minutes(EU, 0.8125).chain(minutes(AU, 2.34)).collect();
    assert_eq!(readings, expected, "of the targets that were asked for, and of nothing else");
}

#[tokio::test]
async fn gaps_nulls_and_zeros_are_no_readings() {
    let points = [(0, json!(700)), (1, json!(null)), (3, json!(0)), (4, json!(0.0)), (5, json!(350.5))];
    let readings = told(lags(vec![series(&TO_EU, "average", &points)])).await.unwrap();
    assert_eq!(readings, [lag(EU, 0, 0.7), lag(EU, 300, 0.3505)]);
    let trailing = [(0, json!(700)), (1, json!(0)), (2, json!(null))];
    let readings = told(lags(vec![series(&TO_EU, "average", &trailing)])).await.unwrap();
    assert_eq!(readings, [lag(EU, 0, 0.7)]);
}

#[tokio::test]
async fn an_account_of_which_nothing_is_said_has_no_readings_and_that_is_no_failure() {
    for answer in [
        lags(Vec::new()),
        json!({ "interval": "PT1M", "value": [] }),
        json!({ "value": [] }),
        lags(vec![json!({})]),
        lags(vec![json!({ "metadatavalues": [], "data": [] })]),
        answer(metric_of("SomethingElse", "Count", vec![series(&TO_EU, "average", &[(0, json!(700))])])),
    ] {
        assert_eq!(told(answer.clone()).await.unwrap(), [], "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_lag_or_was_not_asked_for_is_left_out() {
    let points = [
        (0, json!(-1)),
        (1, json!("700")),
        (2, json!([])),
        (-1, json!(700)),
        (15, json!(700)),
        (16, json!(700)),
        (4, json!(5)),
    ];
    let ours = series(&TO_EU, "average", &points);
    let other =
        |source, target| series(&[("SourceRegion", source), ("TargetRegion", target)], "average", &[(0, json!(700))]);
    let others =
        vec![other("West Europe", "West Europe"), other("East US", "Atlantis North"), other("East US", "Mars")];
    let readings = told(lags(others.into_iter().chain([ours]).collect())).await.unwrap();
    assert_eq!(readings, [lag(EU, 240, 0.005)]);
}

#[tokio::test]
async fn a_moment_that_is_none_or_is_no_beginning_of_a_minute_is_left_out() {
    let moments = [
        "2026-11-25T12:01:00Z",
        "2026-11-25T13:02:00+01:00",
        "2026-11-25T12:03:00.000Z",
        "2026-11-25T12:04:30Z",
        "2026-11-25 12:05",
        "2026-11-25T12:06:00",
        "2026-02-30T12:07:00Z",
        "yesterday",
        "",
    ];
    let mut data: Vec<Json> = moments.iter().map(|at| json!({ "timeStamp": at, "average": 700 })).collect();
    data.extend([json!({ "average": 700 }), json!({ "timeStamp": 7, "average": 700 }), json!(7)]);
    let mut series = series(&TO_EU, "average", &[]);
    series["data"] = data.into();
    assert_eq!(told(lags(vec![series])).await.unwrap(), [lag(EU, 60, 0.7), lag(EU, 120, 0.7), lag(EU, 180, 0.7)]);
}

#[tokio::test]
async fn a_region_is_known_by_either_of_its_names() {
    for (source, target) in [("East US", "West Europe"), ("eastus", "westeurope"), ("EASTUS", "west europe")] {
        for (one, other) in [("SourceRegion", "TargetRegion"), ("sourceregion", "targetregion")] {
            let series = series(&[(one, source), (other, target)], "average", &[(0, json!(700))]);
            assert_eq!(told(lags(vec![series])).await.unwrap(), [lag(EU, 0, 0.7)], "{source} {one}");
        }
    }
    let unsaid = series(&[("TargetRegion", "West Europe")], "average", &[(0, json!(700))]);
    assert_eq!(told(lags(vec![unsaid])).await.unwrap(), [lag(EU, 0, 0.7)], "nobody else was asked about");
}

#[tokio::test]
async fn of_a_source_that_could_not_be_named_only_its_own_series_are_taken() {
    let azure = azure().await;
    for source in ["Atlantis North", "East US"] {
        let milliseconds = if source == "East US" { 9.0 } else { 700.0 };
        azure.world().lags.insert((source.into(), "West Europe".into()), Some(milliseconds));
        azure.world().throttled.insert((source.into(), "Create".into()), milliseconds);
    }
    let question = Question { region: ATLANTIS, targets: vec![EU], end: at(60), ..question() };
    let readings = monitor(&azure).ask(question.clone()).await.unwrap();
    let series = Series::Lag { source: ATLANTIS, target: EU, statistic: Statistic::P99 };
    let expected = [Reading { series, ..lag(EU, 0, 0.7) }, companion(Series::ThrottledWrites(ATLANTIS), 0, 700.0)];
    assert_eq!(readings, expected);
    // One that does not say whose it is might be anybody's.
    let unsaid = series_to_eu_of_nobody();
    azure.fail(METRICS, Reply::Json(200, lags(vec![unsaid])));
    assert_eq!(monitor(&azure).ask(Question { companions: false, ..question }).await.unwrap(), []);
}

fn series_to_eu_of_nobody() -> Json {
    series(&[("TargetRegion", "West Europe")], "average", &[(0, json!(700))])
}

#[tokio::test]
async fn a_lag_in_other_units_is_converted_or_refused_and_never_taken_for_milliseconds() {
    let of = |unit: Json| {
        let mut metric = metric_of("ReplicationLatency", "", vec![series(&TO_EU, "average", &[(0, json!(2))])]);
        metric["unit"] = unit;
        told(answer(metric))
    };
    for (unit, seconds) in [(json!("MilliSeconds"), 0.002), (json!("Milliseconds"), 0.002), (json!("Seconds"), 2.0)] {
        assert_eq!(of(unit).await.unwrap(), [lag(EU, 0, seconds)]);
    }
    assert_eq!(of(json!(null)).await.unwrap(), [lag(EU, 0, 0.002)], "as it is documented");
    let failure = of(json!("Fortnights")).await.unwrap_err();
    assert!(failure.message.contains("Fortnights"), "{failure:?}");
}

#[tokio::test]
async fn an_answer_in_other_periods_is_not_taken_for_one_in_ours() {
    let mut answer = lags(vec![series(&TO_EU, "average", &[(0, json!(700))])]);
    answer["interval"] = json!("PT5M");
    let failure = told(answer).await.unwrap_err();
    assert!(failure.reason == Reason::Other && failure.message.contains("PT5M"), "{failure:?}");
}

#[tokio::test]
async fn what_was_throttled_is_summed_up_by_reads_and_writes() {
    let azure = azure().await;
    for (operation, count) in [
        ("Create", 3.0),
        ("Upsert", 2.0),
        ("Replace", 1.0),
        ("Read", 10.0),
        ("Query", 20.0),
        ("ReadFeed", 30.0),
        // Not known here: it counts as what may hold replication up.
        ("Sing", 100.0),
    ] {
        azure.world().throttled.insert(("East US".into(), operation.into()), count);
    }
    azure.world().throttled.insert(("West Europe".into(), "Create".into()), 1_000.0);
    let readings = monitor(&azure).ask(Question { targets: Vec::new(), end: at(120), ..question() }).await.unwrap();
    let expected = [
        companion(Series::ThrottledWrites(US), 0, 106.0),
        companion(Series::ThrottledWrites(US), 60, 106.0),
        companion(Series::ThrottledReads(US), 0, 60.0),
        companion(Series::ThrottledReads(US), 60, 60.0),
    ];
    assert_eq!(readings, expected);
}

#[tokio::test]
async fn minutes_in_which_nothing_was_throttled_are_readings_and_those_that_are_not_told_are_none() {
    let azure = azure().await;
    let dimensions = [("Region", "East US"), ("OperationType", "Create")];
    let points = [(0, json!(0)), (1, json!(null)), (2, json!(4)), (3, json!(-4))];
    let answer = answer(metric_of("TotalRequests", "Count", vec![series(&dimensions, "count", &points)]));
    azure.fail(METRICS, Reply::Json(200, answer));
    let readings = monitor(&azure).ask(Question { targets: Vec::new(), ..question() }).await.unwrap();
    let expected = [companion(Series::ThrottledWrites(US), 0, 0.0), companion(Series::ThrottledWrites(US), 120, 4.0)];
    assert_eq!(readings, expected);
}
