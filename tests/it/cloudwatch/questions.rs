//! What is asked for.

use std::sync::Mutex;

use aws_sdk_cloudwatch::types::ScanBy;
use aws_smithy_mocks::mock;
use tidegauge::core::model::Reason;
use tidegauge::cost::{Monthly, Usage};
use tidegauge::providers::Provider;

use super::*;

/// A rule that answers nothing, and the calls that it was asked to answer.
fn listening() -> (Rule, Arc<Mutex<Vec<GetMetricDataInput>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let calls = heard.clone();
    let rule = mock!(Client::get_metric_data).then_compute_output(move |input: &GetMetricDataInput| {
        calls.lock().unwrap().push(input.clone());
        page([], None)
    });
    (rule, heard)
}

/// A query in words: metric, dimensions, statistic, seconds.
fn in_words(input: &GetMetricDataInput) -> Vec<String> {
    let queries = input.metric_data_queries().iter().map(|query| {
        let stat = query.metric_stat().unwrap();
        let metric = stat.metric().unwrap();
        let dimensions = metric.dimensions().iter();
        let dimensions = dimensions.map(|one| format!("{}={}", one.name().unwrap(), one.value().unwrap()));
        assert_eq!(metric.namespace(), Some("AWS/DynamoDB"));
        assert_eq!((stat.unit(), query.expression(), query.return_data()), (None, None, None));
        let (name, stat, period) = (metric.metric_name().unwrap(), stat.stat().unwrap(), stat.period().unwrap());
        format!("{name} {} {stat} {period}", dimensions.collect::<Vec<_>>().join(","))
    });
    queries.collect()
}

#[tokio::test]
async fn the_request_is_what_was_meant() {
    let (rule, heard) = listening();
    assert_eq!(cloudwatch(&rule).ask(question()).await, Ok(vec![]));
    let calls = heard.lock().unwrap();
    let [call] = calls.as_slice() else { panic!("one call will do: {calls:?}") };
    let expected = [
        "ReplicationLatency TableName=GlobalCellState,ReceivingRegion=eu-west-1 Average 300",
        "ReplicationLatency TableName=GlobalCellState,ReceivingRegion=eu-west-1 Maximum 300",
        "ReplicationLatency TableName=GlobalCellState,ReceivingRegion=ap-southeast-2 Average 300",
        "ReplicationLatency TableName=GlobalCellState,ReceivingRegion=ap-southeast-2 Maximum 300",
        "ConsumedWriteCapacityUnits TableName=GlobalCellState,Source=GlobalTable Sum 60",
        "WriteThrottleEvents TableName=GlobalCellState Sum 60",
        "ThrottledRequests TableName=GlobalCellState,Operation=PutItem Sum 60",
        "ReadThrottleEvents TableName=GlobalCellState Sum 60",
        "ThrottledRequests TableName=GlobalCellState,Operation=Query Sum 60",
    ];
    assert_eq!(in_words(call), expected);
    assert_eq!(call.start_time(), Some(&DateTime::from_secs(BEGIN)));
    assert_eq!(call.end_time(), Some(&DateTime::from_secs(END)));
    assert_eq!((call.scan_by(), call.next_token()), (Some(&ScanBy::TimestampDescending), None));
    let mut ids: Vec<&str> = call.metric_data_queries().iter().map(|query| query.id().unwrap()).collect();
    assert!(ids.iter().all(|id| id.starts_with(|first: char| first.is_ascii_lowercase())), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), expected.len());
}

#[tokio::test]
async fn companions_are_asked_for_where_they_are_wanted_and_lag_where_there_are_targets() {
    let (rule, heard) = listening();
    let cloudwatch = cloudwatch(&rule);
    cloudwatch.ask(Question { companions: false, ..question() }).await.unwrap();
    cloudwatch.ask(Question { targets: vec![], ..question() }).await.unwrap();
    cloudwatch.ask(Question { targets: vec![], companions: false, ..question() }).await.unwrap();
    let counts: Vec<usize> = heard.lock().unwrap().iter().map(|call| call.metric_data_queries().len()).collect();
    assert_eq!(counts, [4, 5], "and nothing is asked where nothing is wanted");
}

/// 300 targets come to 605 queries, and a call takes 500.
#[tokio::test]
async fn what_does_not_fit_into_one_call_is_split_between_pairs() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let calls = heard.clone();
    let rule = mock!(Client::get_metric_data).then_compute_output(move |input: &GetMetricDataInput| {
        let words = in_words(input);
        let number =
            |words: &String| words.split_once("Region=r").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let results = words.iter().zip(input.metric_data_queries()).filter_map(|(words, query)| {
            let number: i32 = number(words)?;
            let at = DateTime::from_secs(BEGIN);
            Some(MetricDataResult::builder().id(query.id()?).timestamps(at).values(f64::from(number) * 1e3).build())
        });
        let results = results.map(Some).collect::<Vec<_>>();
        calls.lock().unwrap().push(words);
        page(results, None)
    });
    let cloudwatch = cloudwatch(&rule);
    let many: Vec<String> = (3..303).map(|number| format!("r{number}")).collect();
    let many: Vec<&str> = REGIONS.into_iter().chain(many.iter().map(String::as_str)).collect();
    cloudwatch.follow(&names(&many));
    let targets: Vec<RegionId> = (3..303).map(RegionId).collect();
    let readings = cloudwatch.ask(Question { targets, ..question() }).await.unwrap();
    let calls = heard.lock().unwrap();
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [500, 105]);
    // Two statistics of one metric are billed as one, in the same call.
    let last = calls[0].last().unwrap().replace("Maximum", "Average");
    assert_eq!(calls[0][498], last);
    assert_eq!(readings.len(), 600);
    for reading in readings {
        let Series::Lag { source: US, target, .. } = reading.series else { panic!("{reading:?}") };
        assert_eq!(reading.value, f64::from(target.0), "each answer is of what was asked under its id");
    }
}

#[tokio::test]
async fn regions_may_come_later() {
    let (rule, heard) = listening();
    let cloudwatch = cloudwatch(&rule);
    let later = Question { targets: vec![RegionId(3)], companions: false, ..question() };
    let failure = cloudwatch.ask(later.clone()).await.unwrap_err();
    assert!(failure.reason == Reason::Other && failure.message.contains("ap-southeast-2"), "{failure:?}");
    let four = names(&["us-east-1", "eu-west-1", "ap-southeast-2", "sa-east-1"]);
    cloudwatch.follow(&four);
    cloudwatch.ask(later).await.unwrap();
    assert!(in_words(&heard.lock().unwrap()[0])[0].contains("ReceivingRegion=sa-east-1"));
    // These clients are all that there are.
    let failure = cloudwatch.ask(Question { region: RegionId(3), ..question() }).await.unwrap_err();
    assert!(failure.message.contains("no client for sa-east-1"), "{failure:?}");
}

/// One prober asks every region about all others.
#[tokio::test]
async fn what_is_asked_is_what_the_cost_counts() {
    let (rule, heard) = listening();
    let cloudwatch = cloudwatch(&rule);
    for region in [US, EU, AP] {
        let targets = [US, EU, AP].into_iter().filter(|target| *target != region).collect();
        cloudwatch.ask(Question { region, targets, ..question() }).await.unwrap();
    }
    let calls = heard.lock().unwrap();
    let billed: usize =
        calls.iter().map(|call| in_words(call).iter().filter(|one| !one.contains("Maximum")).count()).sum();
    let usage = Usage {
        regions: 3,
        slots: 1,
        interval: std::time::Duration::from_secs(1),
        reads_per_interval: 5,
        strong: true,
        remote_reads: false,
        one_key: false,
        observers: 0,
        polls_every: Some(std::time::Duration::from_secs(2_592_000)),
    };
    assert_eq!(Monthly::of(&usage).metrics, billed as f64);
}
