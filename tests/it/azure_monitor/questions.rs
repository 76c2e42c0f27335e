//! What is asked for.

use tidegauge::core::model::Reason;
use tidegauge::providers::Provider;
use tidegauge::settings::CosmosSettings;

use super::*;
use crate::azure::Asked;

/// The two calls of one question.
async fn asked(question: Question) -> Vec<Asked> {
    let azure = azure().await;
    monitor(&azure).ask(question).await.unwrap();
    azure.asked()
}

fn said<'a>(asked: &'a Asked, key: &str) -> &'a str {
    asked.query.get(key).map_or("", String::as_str)
}

#[tokio::test]
async fn a_question_is_one_call_for_the_lag_and_one_for_what_was_throttled() {
    let asked = asked(question()).await;
    let [lag, throttled] = asked.as_slice() else { panic!("{asked:?}") };
    for call in [lag, throttled] {
        assert_eq!(call.path, format!("{RESOURCE_ID}{METRICS}"));
        assert_eq!(call.header("authorization"), "Bearer hush-1", "shown by a token for the resource manager");
        assert_eq!(said(call, "api-version"), "2024-02-01");
        assert_eq!(said(call, "metricnamespace"), "Microsoft.DocumentDB/databaseAccounts");
        assert_eq!(said(call, "timespan"), "2026-11-25T12:00:00Z/2026-11-25T12:15:00Z");
        assert_eq!(said(call, "interval"), "PT1M");
        assert_eq!(said(call, "top"), "1000", "by itself it would leave out all but ten series");
        assert!(call.raw_query.contains("%20eq%20") && !call.raw_query.contains('+'), "{}", call.raw_query);
    }
    assert_eq!((said(lag, "metricnames"), said(lag, "aggregation")), ("ReplicationLatency", "Average"));
    assert_eq!(said(lag, "$filter"), "SourceRegion eq 'East US' and TargetRegion eq '*'");
    assert_eq!((said(throttled, "metricnames"), said(throttled, "aggregation")), ("TotalRequests", "Count"));
    assert_eq!(
        said(throttled, "$filter"),
        "StatusCode eq '429' and Region eq 'East US' and DatabaseName eq 'shop' and CollectionName eq 'orders' and \
         OperationType eq '*'"
    );
}

#[tokio::test]
async fn longer_periods_are_those_of_the_lag_alone() {
    for (minutes, interval) in [(5, "PT5M"), (15, "PT15M")] {
        let asked = asked(Question { period: Span::from_millis(60_000 * minutes), ..question() }).await;
        assert_eq!((said(&asked[0], "interval"), said(&asked[1], "interval")), (interval, "PT1M"));
    }
}

#[tokio::test]
async fn what_nobody_wants_to_know_is_not_asked_for() {
    let lag = asked(Question { companions: false, ..question() }).await;
    assert_eq!((lag.len(), said(&lag[0], "metricnames")), (1, "ReplicationLatency"));
    let throttled = asked(Question { targets: Vec::new(), ..question() }).await;
    assert_eq!((throttled.len(), said(&throttled[0], "metricnames")), (1, "TotalRequests"));
}

#[tokio::test]
async fn a_region_whose_name_for_people_is_not_known_is_asked_for_among_all() {
    let asked = asked(Question { region: ATLANTIS, targets: vec![EU], ..question() }).await;
    assert_eq!(said(&asked[0], "$filter"), "SourceRegion eq '*' and TargetRegion eq '*'");
    assert!(said(&asked[1], "$filter").contains("Region eq '*'"), "{asked:?}");
}

#[tokio::test]
async fn names_with_quotes_do_not_end_the_filter() {
    let azure = azure().await;
    let (database, container) = ("bob's shop".to_owned(), "a' or '1' eq '1&top=1+%".to_owned());
    let settings = CosmosSettings { database, container, ..settings(&azure) };
    let monitor = AzureMonitor::from_settings(&settings, asking(None, DEADLINE), &names()).unwrap();
    monitor.ask(Question { targets: Vec::new(), ..question() }).await.unwrap();
    let asked = azure.asked().remove(0);
    let filter = said(&asked, "$filter");
    assert!(filter.contains("DatabaseName eq 'bob''s shop' and"), "{filter}");
    assert!(filter.contains("CollectionName eq 'a'' or ''1'' eq ''1&top=1+%' and"), "{filter}");
    assert_eq!(said(&asked, "top"), "1000");
}

#[tokio::test]
async fn the_application_s_container_is_asked_about_wherever_the_heartbeats_are() {
    let azure = azure().await;
    let settings = CosmosSettings { heartbeats: ("shop".into(), "tidegauge".into()), ..settings(&azure) };
    let monitor = AzureMonitor::from_settings(&settings, asking(None, DEADLINE), &names()).unwrap();
    monitor.ask(question()).await.unwrap();
    assert!(said(&azure.asked()[1], "$filter").contains("CollectionName eq 'orders'"));
}

#[tokio::test]
async fn without_a_resource_id_there_is_nobody_to_ask() {
    let azure = azure().await;
    let settings = CosmosSettings { resource_id: None, ..settings(&azure) };
    assert!(AzureMonitor::from_settings(&settings, asking(None, DEADLINE), &names()).is_none());
}

#[tokio::test]
async fn a_region_that_nobody_knows_is_refused_and_may_come_later() {
    let azure = azure().await;
    let monitor = AzureMonitor::from_settings(&settings(&azure), asking(None, DEADLINE), &names()[..2]).unwrap();
    for question in [question(), Question { region: ATLANTIS, targets: vec![US], ..question() }] {
        let failure = monitor.ask(question).await.unwrap_err();
        assert!(failure.reason == Reason::Other && failure.message.contains("westeurope"), "{failure:?}");
    }
    assert_eq!(azure.asked().len(), 0);
    monitor.follow(&names());
    monitor.ask(question()).await.unwrap();
}
