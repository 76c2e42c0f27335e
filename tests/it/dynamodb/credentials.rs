//! Credentials that take their time, and an environment that means well.

#![allow(clippy::disallowed_methods, reason = "a test on real sockets measures real time")]

use std::time::Instant;

use tidegauge::core::model::{Consistency, Reason};

use super::*;

/// A loopback address that nobody listens at, for a child to serve.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Answers every request at this address with these credentials, after 1.5 s. Tells of each.
async fn slow_credentials(address: &str) -> UnboundedReceiver<()> {
    let listener = TcpListener::bind(address).await.unwrap();
    let (asked, questions) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let asked = asked.clone();
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                if socket.read(&mut request).await.is_ok_and(|length| length > 0) {
                    let _ = asked.send(());
                    tokio::time::sleep(Duration::from_millis(1_500)).await;
                    let body = r#"{"AccessKeyId":"lab","SecretAccessKey":"lab","Token":"c","Expiration":"2099-01-01T00:00:00Z"}"#;
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
                    let _ = socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
                }
            });
        }
    });
    questions
}

const URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

#[test]
fn credentials_that_take_longer_than_a_call_arrive_all_the_same_by_one_lookup() {
    let uri = format!("http://{}/credentials", free_address());
    alone(&[(URI, &uri)], async || {
        let uri = std::env::var(URI).unwrap();
        let address = uri.trim_start_matches("http://").trim_end_matches("/credentials");
        let mut asked = slow_credentials(address).await;
        let lab = Lab::builder().regions([SOURCE, TARGET]).lag(Lag::Fixed(Duration::ZERO)).start().await;
        let store = store(&lab, Duration::from_millis(500), |_| {}).await;
        let began = Instant::now();
        let mut refused = 0;
        while let Err(failure) = store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome {
            assert_eq!(failure.reason, Reason::Credentials, "{failure:?}");
            refused += 1;
            assert!(began.elapsed() < Duration::from_secs(15), "they never arrive: {failure:?}");
        }
        assert!(refused > 0, "the lookup took 1.5 s, a call may take half a second");
        asked.recv().await.unwrap();
        assert!(asked.try_recv().is_err(), "one lookup serves all calls that wait for it");
    });
}

const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// One address for all regions would measure one replica against itself.
#[test]
fn an_endpoint_in_the_environment_is_not_taken_for_every_region() {
    let endpoint = format!("http://{}", free_address());
    alone(&[CREDENTIALS[0], CREDENTIALS[1], (ENDPOINT, &endpoint)], async || {
        let endpoint = std::env::var(ENDPOINT).unwrap();
        let listener = TcpListener::bind(endpoint.trim_start_matches("http://")).await.unwrap();
        let settings = Settings::from_toml(
            "cell.central = true\n[[stores]]\nname = \"orders\"\n\
             regions = [{ name = \"xx-nowhere-1\" }, { name = \"xx-nowhere-2\" }]\n\
             [stores.dynamodb]\ntable = \"orders\"\npartition_key = \"PK\"\nsort_key = \"SK\"\n",
        )
        .unwrap();
        let StoreKind::Dynamodb(dynamodb) = &settings.stores[0].kind else { panic!("not DynamoDB") };
        let store = DynamoDbStore::from_settings(&settings.stores[0], dynamodb, Duration::from_millis(500)).await;
        // Regions that do not exist: no request leaves for anybody.
        store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap_err();
        let came = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(came.is_err(), "somebody was asked at the environment's address");
    });
}
