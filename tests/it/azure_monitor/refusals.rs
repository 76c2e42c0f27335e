//! What goes wrong.

use serde_json::{Value as Json, json};
use tidegauge::core::model::Reason;
use tidegauge::providers::Provider;

use super::*;
use crate::azure::{Reply, metric_of};

/// A page with one minute's lag in Europe, and where the next one is.
fn page(minute: i64, next: Option<&str>) -> Json {
    let series = json!({
        "metadatavalues": [
            { "name": { "value": "sourceregion" }, "value": "East US" },
            { "name": { "value": "targetregion" }, "value": "West Europe" },
        ],
        "data": [{ "timeStamp": format!("2026-11-25T12:{minute:02}:00Z"), "average": 700 }],
    });
    json!({ "interval": "PT1M", "value": [metric_of("ReplicationLatency", "MilliSeconds", vec![series])], "nextLink": next })
}

fn lag_alone() -> Question {
    Question { companions: false, ..question() }
}

#[tokio::test]
async fn what_azure_monitor_refuses_is_put_into_the_closed_reasons_and_asked_for_once() {
    let said = json!({ "error": { "code": "TheCode", "message": "what it says" } });
    for (status, reason) in [
        (400, Reason::Other),
        (401, Reason::Credentials),
        (403, Reason::Denied),
        (404, Reason::NotFound),
        (429, Reason::Throttled),
        (500, Reason::Other),
        (503, Reason::Unavailable),
        (529, Reason::Throttled),
    ] {
        let azure = azure().await;
        azure.fail(METRICS, Reply::Json(status, said.clone()));
        let failure = monitor(&azure).ask(question()).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{failure:?}");
        assert!(failure.message.contains("(TheCode): what it says"), "{failure:?}");
        assert_eq!(azure.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn while_it_wants_to_be_left_alone_no_region_s_question_goes_out() {
    let azure = azure().await;
    azure.fail(METRICS, Reply::With(429, vec![("retry-after", "60".into())], json!({})));
    let monitor = monitor(&azure);
    for region in [US, EU, AU] {
        let question = Question { region, targets: vec![ATLANTIS], ..question() };
        assert_eq!(monitor.ask(question).await.unwrap_err().reason, Reason::Throttled);
    }
    assert_eq!(azure.asked().len(), 1);
}

#[tokio::test]
async fn answers_that_are_no_metrics_are_failures_and_not_no_data() {
    let replies = [
        Reply::Text(200, "<html>".into()),
        Reply::Json(200, json!(null)),
        Reply::Json(200, json!({})),
        Reply::Json(200, json!({ "value": "ReplicationLatency" })),
        Reply::Huge(8 << 20),
    ];
    for reply in replies {
        let azure = azure().await;
        azure.fail(METRICS, reply.clone());
        assert_eq!(monitor(&azure).ask(question()).await.unwrap_err().reason, Reason::Other, "{reply:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout() {
    let azure = azure().await;
    azure.fail(METRICS, Reply::Hang);
    let failure = monitor_within(&azure, Duration::from_millis(300)).ask(question()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Timeout, "{failure:?}");
}

#[tokio::test]
async fn a_metric_that_could_not_be_answered_is_not_no_data() {
    for (code, reason) in [
        ("InternalServerError", Reason::Other),
        ("AuthorizationFailed", Reason::Denied),
        ("Throttled", Reason::Throttled),
    ] {
        let azure = azure().await;
        let mut metric = metric_of("ReplicationLatency", "MilliSeconds", Vec::new());
        metric["errorCode"] = json!(code);
        metric["errorMessage"] = json!("later,\nperhaps");
        azure.fail(METRICS, Reply::Json(200, json!({ "interval": "PT1M", "value": [metric] })));
        let failure = monitor(&azure).ask(lag_alone()).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{failure:?}");
        assert!(failure.message.contains("later, perhaps"), "on one line: {failure:?}");
    }
}

#[tokio::test]
async fn pages_are_all_read() {
    let azure = azure().await;
    let (second, third) = (format!("{}/second?skip=1", azure.url), format!("{}/third", azure.url));
    azure.fail(METRICS, Reply::Json(200, page(0, Some(&second))));
    azure.fail("/second", Reply::Json(200, page(1, Some(&third))));
    azure.fail("/third", Reply::Json(200, page(2, Some(""))));
    let readings = monitor(&azure).ask(lag_alone()).await.unwrap();
    assert_eq!(readings, [lag(EU, 0, 0.7), lag(EU, 60, 0.7), lag(EU, 120, 0.7)]);
    let asked = azure.asked();
    assert_eq!((asked[1].path.as_str(), asked[1].raw_query.as_str()), ("/second", "skip=1"));
}

#[tokio::test]
async fn endless_pages_are_a_failure_and_not_an_endless_question() {
    let azure = azure().await;
    let again = format!("{}{METRICS}", azure.url);
    azure.fail(METRICS, Reply::Json(200, page(0, Some(&again))));
    let failure = monitor(&azure).ask(lag_alone()).await.unwrap_err();
    assert!(failure.reason == Reason::Other && failure.message.contains("more than 16 pages"), "{failure:?}");
    assert_eq!(azure.asked().len(), 16);
}

/// What the first pages said would be told as if it were all there is.
#[tokio::test]
async fn a_failure_half_way_is_a_failure() {
    let azure = azure().await;
    azure.fail(METRICS, Reply::Json(200, page(0, Some(&format!("{}/second", azure.url)))));
    azure.fail("/second", Reply::Json(503, json!({})));
    assert_eq!(monitor(&azure).ask(lag_alone()).await.unwrap_err().reason, Reason::Unavailable);
}

#[tokio::test]
async fn a_token_goes_to_nobody_whom_a_next_page_names() {
    let (azure, elsewhere) = (azure().await, azure().await);
    let port = azure.url.rsplit(':').next().unwrap().to_owned();
    let of_elsewhere = format!("{}/second", elsewhere.url);
    for next in [of_elsewhere.as_str(), &format!("https://127.0.0.1:{port}/second"), "/second", "nonsense"] {
        azure.world().faults.clear();
        azure.fail(METRICS, Reply::Json(200, page(0, Some(next))));
        let failure = monitor(&azure).ask(lag_alone()).await.unwrap_err();
        assert!(failure.reason == Reason::Other && failure.message.contains("not followed"), "{failure:?}");
    }
    assert_eq!((elsewhere.asked().len(), azure.asked().len()), (0, 4));
}

#[tokio::test]
async fn that_throttling_is_not_told_is_no_reason_to_leave_out_the_lag_and_some_of_it_is_not_told() {
    let azure = azure().await;
    azure.fail("ReplicationLatency", Reply::Json(200, page(0, None)));
    azure.world().throttled.insert(("East US".into(), "Create".into()), 3.0);
    let monitor = monitor(&azure);
    azure.fail("TotalRequests", Reply::Json(403, json!({})));
    assert_eq!(monitor.ask(question()).await.unwrap(), [lag(EU, 0, 0.7)]);
    let alone = monitor.ask(Question { targets: Vec::new(), ..question() }).await.unwrap_err();
    assert_eq!(alone.reason, Reason::Denied, "where there is nothing else it is a failure");
    let operation = json!({
        "metadatavalues": [{ "name": { "value": "operationtype" }, "value": "Create" }],
        "data": [{ "timeStamp": "2026-11-25T12:00:00Z", "count": 3 }],
    });
    let mut first = json!({ "value": [metric_of("TotalRequests", "Count", vec![operation])] });
    azure.fail("TotalRequests", Reply::Json(200, first.clone()));
    let whole = monitor.ask(question()).await.unwrap();
    assert_eq!(whole, [lag(EU, 0, 0.7), companion(Series::ThrottledWrites(US), 0, 3.0)]);
    first["nextLink"] = json!(format!("{}/second", azure.url));
    azure.fail("TotalRequests", Reply::Json(200, first));
    azure.fail("/second", Reply::Json(500, json!({})));
    assert_eq!(monitor.ask(question()).await.unwrap(), [lag(EU, 0, 0.7)], "the other operations are missing");
}

#[tokio::test]
async fn without_the_lag_nothing_is_told() {
    let azure = azure().await;
    azure.fail("ReplicationLatency", Reply::Json(500, json!({})));
    assert_eq!(monitor(&azure).ask(question()).await.unwrap_err().reason, Reason::Other);
    assert_eq!(azure.asked().len(), 1);
}
