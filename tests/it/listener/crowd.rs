//! More connections than there are places, and those that take their time.

use std::time::Duration;

use axum::Router;
use axum::routing;
use tidegauge::clock::Clock;
use tidegauge::core::time::Span;
use tidegauge::http::listen::CONNECTIONS_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::client::{get, receive, request};
use super::{LOOPBACK, Served};

fn router() -> Router {
    let slow = async || {
        sleep(Duration::from_millis(400)).await;
        "at last"
    };
    Router::new().route("/-/healthy", routing::get(async || "well")).route("/slow", routing::get(slow))
}

/// Whether the other side has closed it.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = timeout(Duration::from_millis(1), stream.read_u8()).await;
    matches!(read, Ok(Err(_)))
}

#[tokio::test]
async fn connections_without_a_request_give_way_and_those_with_one_do_not() {
    let served = Served::at(LOOPBACK, "", router()).await;
    let mut busy = served.connect().await;
    busy.write_all(request("GET", "/slow", &[]).as_bytes()).await.unwrap();
    let mut others = Vec::new();
    for number in 0..CONNECTIONS_MAX + 44 {
        let mut one = served.connect().await;
        match number % 3 {
            // It says nothing at all; it has begun to ask; it has asked, and may ask again.
            0 => {}
            1 => one.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: ").await.unwrap(),
            _ => assert_eq!(get(&mut one, "/-/healthy", &[]).await.unwrap().status, 200),
        }
        others.push(one);
    }
    let answer = timeout(Duration::from_secs(5), served.get("/-/healthy", &[])).await;
    assert_eq!(answer.expect("there is room").status, 200);
    assert_eq!(receive(&mut busy).await.unwrap().body, "at last");
    let mut closed = 0;
    for one in &mut others {
        closed += usize::from(is_closed(one).await);
    }
    assert!(closed >= 44, "no more than {CONNECTIONS_MAX} are open: {closed} of {} were closed", others.len());
}

#[tokio::test(start_paused = true)]
async fn a_header_that_drips_is_given_up() {
    let served = Served::at(LOOPBACK, "", router()).await;
    let clock = Clock::start();
    let mut slow = served.connect().await;
    slow.write_all(b"GET /-/healthy HTTP/1.1\r\nX: ").await.unwrap();
    let begun = clock.mono();
    while slow.write_all(b"y").await.is_ok() && !is_closed(&mut slow).await {
        sleep(Duration::from_millis(500)).await;
        assert!(clock.mono() - begun < Span::from_millis(10_000), "it goes on and on");
    }
    assert!(clock.mono() - begun > Span::from_millis(3_000));
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_kept_open_between_two_scrapes() {
    let served = Served::at(LOOPBACK, "", router()).await;
    let mut kept = served.connect().await;
    for _ in 0..3 {
        assert_eq!(get(&mut kept, "/-/healthy", &[]).await.unwrap().status, 200);
        sleep(Duration::from_secs(120)).await;
    }
    sleep(Duration::from_secs(600)).await;
    assert!(is_closed(&mut kept).await, "but not for ever");
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_the_end_and_who_waits_is_sent_away() {
    let mut served = Served::at(LOOPBACK, "", router()).await;
    let (mut kept, mut begun, mut busy) = (served.connect().await, served.connect().await, served.connect().await);
    assert_eq!(get(&mut kept, "/-/healthy", &[]).await.unwrap().status, 200);
    begun.write_all(b"GET /-/healthy HTTP/1.1\r\n").await.unwrap();
    busy.write_all(request("GET", "/slow", &[]).as_bytes()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    served.stop.cancel();
    assert_eq!(receive(&mut busy).await.unwrap().body, "at last");
    timeout(Duration::from_secs(2), &mut served.serving).await.expect("it ends").unwrap();
    assert!(receive(&mut kept).await.is_err() && receive(&mut begun).await.is_err());
    assert!(TcpStream::connect(served.address).await.is_err());
}
