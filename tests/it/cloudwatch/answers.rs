//! What is made of the answers.

use aws_sdk_cloudwatch::error::ErrorMetadata;
use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataError;
use aws_sdk_cloudwatch::types::MessageData;
use aws_smithy_mocks::mock;
use tidegauge::core::model::{Failure, Reason};
use tidegauge::providers::Provider;

use super::*;

/// What CloudWatch says if each call is answered with one of these pages, which go by the call's token: `page-1` is the
/// second.
async fn told(
    pages: impl Fn(&GetMetricDataInput, usize) -> GetMetricDataOutput + Send + Sync + 'static,
) -> Result<Vec<Reading>, Failure> {
    let rule = mock!(Client::get_metric_data).then_compute_output(move |input: &GetMetricDataInput| {
        let number = input.next_token().map_or(0, |token| token.trim_start_matches("page-").parse().unwrap());
        pages(input, number)
    });
    cloudwatch(&rule).ask(question()).await
}

#[tokio::test]
async fn milliseconds_become_seconds_and_counts_stay() {
    let readings = told(|input, _| {
        let average = result(input, AVERAGE_TO_EU, StatusCode::Complete, &[(0, 812.5)]);
        let maximum =
            result(input, ("ReplicationLatency", "ap-southeast-2", "Maximum"), StatusCode::Complete, &[(0, 2_340.0)]);
        let written = ("ConsumedWriteCapacityUnits", "GlobalTable", "Sum");
        page([average, maximum, result(input, written, StatusCode::Complete, &[(60, 180.0)])], None)
    });
    let expected = [
        lag(EU, Statistic::Average, 0, 0.8125),
        lag(AP, Statistic::Maximum, 0, 2.34),
        companion(Series::ReplicatedWrites(US), 60, 180.0),
    ];
    assert_eq!(readings.await.unwrap(), expected);
}

#[tokio::test]
async fn a_gap_has_no_reading_and_a_zero_is_one() {
    let readings = told(|input, _| {
        // Nothing arrived in the second period; in the third there is a 0, as where replication has stopped.
        page([result(input, AVERAGE_TO_EU, StatusCode::Complete, &[(600, 0.0), (0, 700.0)])], None)
    });
    let expected = [lag(EU, Statistic::Average, 0, 0.7), lag(EU, Statistic::Average, 600, 0.0)];
    assert_eq!(readings.await.unwrap(), expected);
}

#[tokio::test]
async fn what_is_no_lag_or_was_not_asked_for_is_left_out() {
    let readings = told(|input, _| {
        let points = [(0, f64::NAN), (0, -1.0), (300, f64::INFINITY), (-300, 5.0), (900, 5.0), (600, 5.0)];
        let of_nobody = MetricDataResult::builder().timestamps(DateTime::from_secs(BEGIN)).values(1.0);
        let of_others = ["m99", "x", "m", "m-1"].map(|id| Some(of_nobody.clone().id(id).build()));
        let ours = result(input, AVERAGE_TO_EU, StatusCode::Complete, &points);
        page(of_others.into_iter().chain([Some(of_nobody.build()), ours]), None)
    });
    assert_eq!(readings.await.unwrap(), [lag(EU, Statistic::Average, 600, 0.005)]);
}

#[tokio::test]
async fn timestamps_without_values_say_nothing() {
    let readings = told(|input, _| {
        let mut result = result(input, AVERAGE_TO_EU, StatusCode::Complete, &[(0, 1.0), (300, 2.0)]).unwrap();
        result.values = Some(vec![1_000.0]);
        page([Some(result)], None)
    });
    assert_eq!(readings.await.unwrap(), [lag(EU, Statistic::Average, 0, 1.0)]);
}

#[tokio::test]
async fn pages_come_in_any_order_and_are_all_read() {
    let readings = told(|input, number| match number {
        0 => page([result(input, AVERAGE_TO_EU, StatusCode::PartialData, &[(300, 2_000.0)])], Some("page-1")),
        // A page may be empty and not the last.
        1 => page([], Some("page-2")),
        2 => {
            let older = result(input, AVERAGE_TO_EU, StatusCode::PartialData, &[(0, 1_000.0)]);
            page([result(input, MAXIMUM_TO_EU, StatusCode::Complete, &[(0, 9_000.0)]), older], Some("page-3"))
        }
        _ => page([result(input, AVERAGE_TO_EU, StatusCode::Complete, &[(600, 3_000.0)])], None),
    });
    let expected = [
        lag(EU, Statistic::Average, 0, 1.0),
        lag(EU, Statistic::Average, 300, 2.0),
        lag(EU, Statistic::Average, 600, 3.0),
        lag(EU, Statistic::Maximum, 0, 9.0),
    ];
    assert_eq!(readings.await.unwrap(), expected);
}

#[tokio::test]
async fn what_arrives_late_is_there_the_next_time() {
    let early = told(|input, _| page([result(input, AVERAGE_TO_EU, StatusCode::Complete, &[(0, 500.0)])], None));
    assert_eq!(early.await.unwrap(), [lag(EU, Statistic::Average, 0, 0.5)]);
    let late =
        told(|input, _| page([result(input, AVERAGE_TO_EU, StatusCode::Complete, &[(0, 900.0), (300, 400.0)])], None));
    let expected = [lag(EU, Statistic::Average, 0, 0.9), lag(EU, Statistic::Average, 300, 0.4)];
    assert_eq!(late.await.unwrap(), expected, "and the period before it, as it was corrected");
}

#[tokio::test]
async fn endless_pages_are_a_failure_and_not_an_endless_question() {
    let rule = mock!(Client::get_metric_data).then_compute_output(|input: &GetMetricDataInput| {
        page([result(input, AVERAGE_TO_EU, StatusCode::PartialData, &[(0, 1.0)])], Some("more"))
    });
    let failure = cloudwatch(&rule).ask(question()).await.unwrap_err();
    assert!(failure.reason == Reason::Other && failure.message.contains("more than 16 pages"), "{failure:?}");
    assert_eq!(rule.num_calls(), 16);
}

#[tokio::test]
async fn part_of_an_answer_is_taken_for_what_it_is() {
    let readings = told(|input, _| {
        let partial = result(input, AVERAGE_TO_EU, StatusCode::PartialData, &[(0, 1_000.0)]);
        page([partial, result(input, MAXIMUM_TO_EU, StatusCode::InternalError, &[])], None)
    });
    assert_eq!(readings.await.unwrap(), [lag(EU, Statistic::Average, 0, 1.0)]);
}

#[tokio::test]
async fn where_nothing_could_be_answered_that_is_not_no_data() {
    for (status, reason) in [(StatusCode::InternalError, Reason::Other), (StatusCode::Forbidden, Reason::Denied)] {
        let readings = told(move |input, _| {
            let message = MessageData::builder().code("Unavailable").value("later,\nperhaps").build();
            let mut result = result(input, AVERAGE_TO_EU, status.clone(), &[]).unwrap();
            result.messages = Some(vec![message]);
            page([Some(result)], None)
        });
        let failure = readings.await.unwrap_err();
        assert_eq!(failure.reason, reason, "{failure:?}");
        assert!(failure.message.contains("later, perhaps"), "on one line: {failure:?}");
    }
}

#[tokio::test]
async fn of_two_counts_of_what_was_throttled_the_larger_counts() {
    let readings = told(|input, _| {
        let events = result(input, ("WriteThrottleEvents", "", "Sum"), StatusCode::Complete, &[(0, 3.0), (60, 7.0)]);
        let refused =
            result(input, ("ThrottledRequests", "PutItem", "Sum"), StatusCode::Complete, &[(0, 5.0), (60, 1.0)]);
        let read = result(input, ("ThrottledRequests", "Query", "Sum"), StatusCode::Complete, &[(60, 2.0)]);
        page([events, refused, read, result(input, ("ReadThrottleEvents", "", "Sum"), StatusCode::Complete, &[])], None)
    });
    let expected = [
        companion(Series::ThrottledWrites(US), 0, 5.0),
        companion(Series::ThrottledWrites(US), 60, 7.0),
        companion(Series::ThrottledReads(US), 60, 2.0),
    ];
    assert_eq!(readings.await.unwrap(), expected);
}

#[tokio::test]
async fn what_cloudwatch_refuses_is_put_into_the_closed_reasons() {
    let codes = [
        ("Throttling", Reason::Throttled),
        ("ThrottlingException", Reason::Throttled),
        ("AccessDenied", Reason::Denied),
        ("AccessDeniedException", Reason::Denied),
        ("ExpiredToken", Reason::Credentials),
        ("InvalidClientTokenId", Reason::Credentials),
        ("InternalFailure", Reason::Other),
        ("InvalidNextToken", Reason::Other),
    ];
    for (code, reason) in codes {
        let rule = mock!(Client::get_metric_data)
            .then_error(move || GetMetricDataError::generic(ErrorMetadata::builder().code(code).message("no").build()));
        let failure = cloudwatch(&rule).ask(question()).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{code}: {failure:?}");
        assert!(failure.message.contains(code), "{failure:?}");
    }
}

/// What the first pages said would be told as if it were all there is.
#[tokio::test]
async fn a_failure_half_way_is_a_failure() {
    let rule =
        mock!(Client::get_metric_data).then_compute_response(|input: &GetMetricDataInput| match input.next_token() {
            None => {
                let first = result(input, AVERAGE_TO_EU, StatusCode::PartialData, &[(0, 1.0)]);
                aws_smithy_mocks::MockResponse::Output(page([first], Some("page-1")))
            }
            Some(_) => {
                let error = ErrorMetadata::builder().code("ThrottlingException").build();
                aws_smithy_mocks::MockResponse::Error(GetMetricDataError::generic(error))
            }
        });
    assert_eq!(cloudwatch(&rule).ask(question()).await.unwrap_err().reason, Reason::Throttled);
}
