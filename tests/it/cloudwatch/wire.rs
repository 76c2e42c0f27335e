//! Clients as the settings make them: where they go, whom they are, and that they go there once.

use std::time::Duration;

use tidegauge::core::model::Reason;
use tidegauge::providers::Provider;
use tidegauge::settings::{Settings, StoreKind};
use tokio::net::TcpListener;

use super::*;
use crate::dynamodb::{CREDENTIALS, alone, answer_all_with, with_credentials};

/// An answer in the protocol's own words: a map with the error's name.
const THROTTLED: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nSmithy-Protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n\
    Content-Length: 28\r\n\r\n\xa1\x66__type\x73ThrottlingException";

const DEADLINE: Duration = Duration::from_secs(20);

/// Two regions, of which the first has this endpoint for CloudWatch.
async fn from_settings(endpoint: &str, deadline: Duration) -> CloudWatch {
    let settings = Settings::from_toml(&format!(
        "cell.central = true\n[[stores]]\nname = \"orders\"\n\
         regions = [{{ name = \"xx-nowhere-1\"{endpoint} }}, {{ name = \"xx-nowhere-2\" }}]\n\
         [stores.dynamodb]\ntable = \"{TABLE}\"\npartition_key = \"PK\"\nsort_key = \"SK\"\n",
    ))
    .unwrap();
    let StoreKind::Dynamodb(dynamodb) = &settings.stores[0].kind else { panic!("not DynamoDB") };
    let regions = names(&["xx-nowhere-1", "xx-nowhere-2"]);
    CloudWatch::from_settings(&settings.stores[0], dynamodb, &regions, deadline).await
}

fn of(region: RegionId) -> Question {
    Question { region, targets: vec![RegionId(1 - region.0)], ..question() }
}

#[test]
fn a_question_goes_once_to_the_region_s_endpoint_signed_for_it() {
    with_credentials(async || {
        let (endpoint, mut requests) = answer_all_with(THROTTLED).await;
        let cloudwatch = from_settings(&format!(", cloudwatch_endpoint = \"{endpoint}\""), DEADLINE).await;
        let failure = cloudwatch.ask(of(RegionId(0))).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Throttled, "{failure:?}");
        let request = requests.recv().await.unwrap();
        assert!(request.starts_with("POST ") && request.contains("/operation/GetMetricData HTTP"), "{request}");
        assert!(request.contains("/xx-nowhere-1/monitoring/aws4_request"), "{request}");
        assert!(request.contains("ReplicationLatency") && request.contains("xx-nowhere-2"), "{request}");
        assert!(requests.try_recv().is_err(), "a refusal is told, not tried again");
    });
}

#[test]
fn an_answer_that_does_not_come_is_a_timeout() {
    with_credentials(async || {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!(", cloudwatch_endpoint = \"http://{}\"", silent.local_addr().unwrap());
        let cloudwatch = from_settings(&endpoint, Duration::from_millis(300)).await;
        assert_eq!(cloudwatch.ask(of(RegionId(0))).await.unwrap_err().reason, Reason::Timeout);
    });
}

#[test]
fn without_credentials_the_answer_says_so() {
    alone(&[], async || {
        let (endpoint, mut requests) = answer_all_with(THROTTLED).await;
        let cloudwatch = from_settings(&format!(", cloudwatch_endpoint = \"{endpoint}\""), DEADLINE).await;
        assert_eq!(cloudwatch.ask(of(RegionId(0))).await.unwrap_err().reason, Reason::Credentials);
        assert!(requests.try_recv().is_err(), "nothing is sent unsigned");
    });
}

/// One address for all regions would answer for one of them, whichever is asked.
#[test]
fn an_endpoint_in_the_environment_is_not_taken_for_every_region() {
    const ENDPOINT: &str = "AWS_ENDPOINT_URL_CLOUDWATCH";
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{free}");
    alone(&[CREDENTIALS[0], CREDENTIALS[1], (ENDPOINT, &endpoint), ("AWS_ENDPOINT_URL", &endpoint)], async || {
        let endpoint = std::env::var(ENDPOINT).unwrap();
        let listener = TcpListener::bind(endpoint.trim_start_matches("http://")).await.unwrap();
        let cloudwatch = from_settings("", Duration::from_millis(500)).await;
        // Regions that do not exist: no request leaves for anybody.
        cloudwatch.ask(of(RegionId(1))).await.unwrap_err();
        let came = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(came.is_err(), "somebody was asked at the environment's address");
    });
}
