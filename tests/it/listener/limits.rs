//! Requests that are too large.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::client::{Answer, receive, request, send};
use super::{LOOPBACK, Served};
use crate::gauge::Gauge;

const TEN_MEGABYTES: usize = 10_000_000;

/// Sends all of it, as far as it is taken, and reads the answer meanwhile.
async fn send_all(served: &Served, head: &str, body: &[u8]) -> Answer {
    let (mut read, mut write) = served.connect().await.into_split();
    let sending = async {
        write.write_all(head.as_bytes()).await?;
        write.write_all(body).await
    };
    let both = async { tokio::join!(sending, receive(&mut read)) };
    let (_, answer) = timeout(Duration::from_secs(10), both).await.expect("it is answered");
    answer.expect("the answer is there, and not a connection that was reset")
}

#[tokio::test]
async fn a_large_body_is_refused_wherever_it_is_sent() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(LOOPBACK, "", gauge.full()).await;
    let body = vec![b'x'; TEN_MEGABYTES];
    let length = format!("Content-Length: {TEN_MEGABYTES}");
    for (method, path) in
        [("POST", "/metrics"), ("GET", "/-/healthy"), ("PUT", "/"), ("GET", "/api/v1/pairs"), ("POST", "/nosuch")]
    {
        let answer = send_all(&served, &request(method, path, &[&length]), &body).await;
        assert_eq!((answer.status, answer.kind().as_str()), (413, "payload_too_large"), "{method} {path}");
    }
    let small =
        send(&mut served.connect().await, &(request("GET", "/-/healthy", &["Content-Length: 3"]) + "abc")).await;
    assert_eq!(small.unwrap().status, 200);
}

#[tokio::test]
async fn a_large_body_without_a_length_is_not_read() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(LOOPBACK, "", gauge.full()).await;
    let chunk = format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000)).repeat(100);
    for (method, path, status) in [("GET", "/-/healthy", 200), ("POST", "/metrics", 405)] {
        let head = request(method, path, &["Transfer-Encoding: chunked"]);
        assert_eq!(send_all(&served, &head, chunk.as_bytes()).await.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn large_and_many_headers_are_refused() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(LOOPBACK, "", gauge.full()).await;
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let large = format!("X: {}", "y".repeat(40_000));
    let path = format!("/{}", "y".repeat(40_000));
    for sent in
        [request("GET", "/-/healthy", &many), request("GET", "/-/healthy", &[&large]), request("GET", &path, &[])]
    {
        let answer = send_all(&served, &sent, b"").await;
        assert!([414, 431].contains(&answer.status), "{answer:?}");
    }
}
