//! Asking Azure: once, within a deadline, shown who asks, and every refusal in one of the closed reasons.

#![allow(clippy::disallowed_methods, reason = "a test on real sockets measures real time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::base64;
use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::time::{Duration as Seconds, OffsetDateTime, to_rfc7231};
use serde_json::json;
use tidegauge::clock::Clock;
use tidegauge::core::model::Reason;
use tidegauge::stores::cosmos::connect::credentials::{AccountKey, Credentials};
use tidegauge::stores::cosmos::connect::entra::Entra;
use tidegauge::stores::cosmos::connect::http::Http;
use tidegauge::stores::cosmos::connect::rest::{Auth, Rest, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::azure::{Azure, Reply};
use crate::azure_credentials::Fake;

pub const DEADLINE: Duration = Duration::from_secs(10);
const ACCOUNT: Auth<'_> = Auth::Account { kind: "", link: "" };

/// Whoever asks has a token, and this key.
pub fn asking(key: Option<AccountKey>, deadline: Duration) -> Rest {
    let clock = Clock::start();
    let entra = Entra::with_ways(vec![Fake::well("hush").way()], clock, deadline);
    Rest::new(Credentials::with(entra, key), Http::default(), clock, deadline)
}

fn key(byte: u8) -> (AccountKey, String) {
    let key = base64::encode([byte; 64]);
    let value = key.clone();
    (AccountKey::in_variable("COSMOS_KEY", &(Arc::new(move |_: &str| Some(value.clone())) as _)), key)
}

#[tokio::test]
async fn a_token_is_shown_as_a_bearer_and_the_server_s_date_is_told() {
    let azure = Azure::start(&["East US"]).await;
    let got = asking(None, DEADLINE).get(&format!("{}/", azure.url), Auth::Bearer("scope/.default")).await.unwrap();
    assert_eq!(got.body["id"], "cells");
    let now = OffsetDateTime::now_utc().unix_timestamp();
    assert!((got.date.unwrap().as_micros() / 1_000_000 - now).abs() <= 5, "{got:?}");
    let asked = azure.asked().remove(0);
    assert_eq!(asked.header("authorization"), "Bearer hush-1");
    assert_eq!((asked.header("x-ms-date"), asked.raw_query.as_str()), ("", ""));
}

#[tokio::test]
async fn the_account_s_own_protocol_is_signed_with_the_key() {
    let azure = Azure::start(&["East US"]).await;
    let (account, key) = key(7);
    let auth = Auth::Account { kind: "colls", link: "dbs/shop/colls/Orders" };
    asking(Some(account), DEADLINE).get(&format!("{}/dbs", azure.url), auth).await.unwrap_err();
    let asked = azure.asked().remove(0);
    let date = asked.header("x-ms-date");
    assert!(date.ends_with(" GMT") && !asked.header("x-ms-version").is_empty(), "{asked:?}");
    // As the service's documentation has it: all in lower case but the link.
    let signed = format!("get\ncolls\ndbs/shop/colls/Orders\n{}\n\n", date.to_lowercase());
    let signature = hmac_sha256(&signed, &Secret::new(key)).unwrap();
    assert_eq!(asked.header("authorization"), encode(&format!("type=master&ver=1.0&sig={signature}")));
}

/// The example of the service's documentation, whose date and key are fixed there.
#[test]
fn the_signature_is_that_of_the_documentation_s_example() {
    let key = Secret::new("dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==");
    let signed = "get\ndbs\ndbs/ToDoList\nthu, 27 apr 2017 00:51:12 gmt\n\n";
    let header = encode(&format!("type=master&ver=1.0&sig={}", hmac_sha256(signed, &key).unwrap()));
    assert_eq!(header, "type%3Dmaster%26ver%3D1.0%26sig%3Dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2Bc%2Bc%3D");
}

#[tokio::test]
async fn without_a_key_the_account_s_own_protocol_takes_a_token() {
    let azure = Azure::start(&["East US"]).await;
    asking(None, DEADLINE).get(&format!("{}/", azure.url), ACCOUNT).await.unwrap();
    assert_eq!(azure.asked()[0].header("authorization"), "type%3Daad%26ver%3D1.0%26sig%3Dhush-1");
}

#[tokio::test]
async fn refusals_are_put_into_the_closed_reasons_on_one_line_and_asked_for_once() {
    let azure = Azure::start(&["East US"]).await;
    let reasons = [
        (400, Reason::Other),
        (401, Reason::Credentials),
        (403, Reason::Denied),
        (404, Reason::NotFound),
        (408, Reason::Timeout),
        (429, Reason::Throttled),
        (500, Reason::Other),
        (502, Reason::Other),
        (503, Reason::Unavailable),
        (504, Reason::Timeout),
        (529, Reason::Throttled),
        (301, Reason::Other),
        (204, Reason::Other),
    ];
    let manager = json!({ "error": { "code": "TheCode", "message": "what\nit\tsays" } });
    let account = json!({ "code": "TheCode", "message": "what\r\nit says" });
    for (status, reason) in reasons {
        for body in [&manager, &account] {
            azure.fail("/", Reply::Json(status, body.clone()));
            let rest = asking(None, DEADLINE);
            let failure = rest.get(&format!("{}/", azure.url), Auth::Bearer("scope")).await.unwrap_err();
            assert_eq!(failure.reason, reason, "{status}: {failure:?}");
            assert!(failure.message.contains(&format!("answers {status}")), "{failure:?}");
            assert!(status == 204 || failure.message.contains("(TheCode): what"), "{failure:?}");
            assert!(!failure.message.contains(char::is_control), "{failure:?}");
            assert_eq!(azure.asked().len(), 1, "{status}: once");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_says_much_or_nothing_is_a_refusal_all_the_same() {
    let azure = Azure::start(&["East US"]).await;
    let much = json!({ "error": { "code": "A".repeat(5_000), "message": "b" } }).to_string();
    for body in ["", "<html>no</html>", "[]", "null", r#"{"error":7}"#, &much, &"x".repeat(1 << 20)] {
        azure.fail("/", Reply::Text(403, body.to_owned()));
        let failure = asking(None, DEADLINE).get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Denied, "{failure:?}");
        assert!(failure.message.chars().count() <= 300, "{failure:?}");
    }
}

#[tokio::test]
async fn whoever_throttles_and_says_for_how_long_is_left_alone_for_so_long() {
    let azure = Azure::start(&["East US"]).await;
    let other = Azure::start(&["East US"]).await;
    let soon = || to_rfc7231(&(OffsetDateTime::now_utc() + Seconds::seconds(40)));
    let pauses =
        [("retry-after", "30".to_owned()), ("x-ms-retry-after-ms", "29001".to_owned()), ("retry-after", soon())];
    for (status, (header, value)) in [429, 529].into_iter().zip(pauses.clone()).chain([(429, pauses[2].clone())]) {
        let rest = asking(None, DEADLINE);
        azure.fail("/", Reply::With(status, vec![(header, value)], json!({})));
        let failure = rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Throttled, "{failure:?}");
        let seconds = ["left alone for 30 s", "left alone for 39 s", "left alone for 40 s"];
        assert!(seconds.iter().any(|seconds| failure.message.contains(seconds)), "{failure:?}");
        azure.asked();
        let again = rest.clone().get(&format!("{}/x", azure.url), Auth::Bearer("scope")).await.unwrap_err();
        assert!(again.reason == Reason::Throttled && again.message.contains("is not asked, and"), "{again:?}");
        assert_eq!(azure.asked().len(), 0, "nor by whoever shares the client");
        rest.get(&other.url, Auth::Bearer("scope")).await.unwrap();
    }
}

#[tokio::test]
async fn the_pause_that_was_asked_for_ends_and_one_that_is_none_is_none() {
    let azure = Azure::start(&["East US"]).await;
    let rest = asking(None, DEADLINE);
    let past = to_rfc7231(&(OffsetDateTime::now_utc() - Seconds::seconds(40)));
    for value in ["0", "-1", "soon", "", &past] {
        azure.fail("/", Reply::With(429, vec![("retry-after", value.to_owned())], json!({})));
        let failure = rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
        assert!(!failure.message.contains("left alone"), "{value:?}: {failure:?}");
    }
    assert_eq!(azure.asked().len(), 5);
    azure.fail("/", Reply::With(429, vec![("x-ms-retry-after-ms", "300".to_owned())], json!({})));
    rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
    azure.world().faults.clear();
    assert_eq!(rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap_err().reason, Reason::Throttled);
    tokio::time::sleep(Duration::from_millis(350)).await;
    rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap();
    // Who is merely out of service is asked again as usual.
    azure.fail("/", Reply::With(503, vec![("retry-after", "30".to_owned())], json!({})));
    rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
    assert_eq!(rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap_err().reason, Reason::Unavailable);
}

#[tokio::test]
async fn what_comes_late_or_never_is_a_timeout_within_the_deadline() {
    let azure = Azure::start(&["East US"]).await;
    azure.fail("/", Reply::Hang);
    let began = Instant::now();
    let rest = asking(None, Duration::from_millis(400));
    let failure = rest.get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Timeout, "{failure:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    // Headers come, and the answer does not.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let half = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4_096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[").await.unwrap();
        std::future::pending::<()>().await;
    });
    let failure = rest.get(&url, Auth::Bearer("scope")).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Timeout, "{failure:?}");
    half.abort();
}

#[tokio::test]
async fn a_connection_that_is_refused_or_breaks_and_a_name_that_does_not_resolve_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rest = asking(None, DEADLINE);
    // The cause is told whatever the length of what was asked.
    let long = format!("http://{free}/?filter={}", "x".repeat(1_000));
    let failure = rest.get(&long, Auth::Bearer("scope")).await.unwrap_err();
    assert!(failure.reason == Reason::Connect && failure.message.contains("refused"), "{failure:?}");
    assert!(!failure.message.contains("xxx"), "{failure:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let breaking = tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let failure = rest.get(&url, Auth::Bearer("scope")).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Connect, "{failure:?}");
    breaking.abort();
    // A label of more than 63 characters cannot even be asked for.
    let nowhere = format!("http://{}.invalid/", "x".repeat(70));
    let failure = rest.get(&nowhere, Auth::Bearer("scope")).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Dns, "{failure:?}");
    let failure = rest.get("nowhere", Auth::Bearer("scope")).await.unwrap_err();
    assert!(failure.message.contains("\"nowhere\" is not a URL"), "{failure:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_json_or_has_no_end_is_a_failure() {
    let azure = Azure::start(&["East US"]).await;
    for text in ["", "<html>", "{", "\u{0}"] {
        azure.fail("/", Reply::Text(200, text.to_owned()));
        let failure = asking(None, DEADLINE).get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
        assert!(failure.reason == Reason::Other && failure.message.contains("answers no JSON"), "{failure:?}");
    }
    azure.fail("/", Reply::Huge(64 << 20));
    let failure = asking(None, DEADLINE).get(&azure.url, Auth::Bearer("scope")).await.unwrap_err();
    assert!(failure.reason == Reason::Other && failure.message.contains("more than 4 MiB"), "{failure:?}");
}

#[tokio::test]
async fn without_a_token_or_a_key_nothing_is_sent() {
    let azure = Azure::start(&["East US"]).await;
    let clock = Clock::start();
    let none = Fake::of("none", Duration::ZERO, &[None]);
    let missing = AccountKey::in_variable("COSMOS_KEY", &(Arc::new(|_: &str| None) as _));
    let entra = Entra::with_ways(vec![none.way()], clock, DEADLINE);
    let rest = Rest::new(Credentials::with(entra, Some(missing)), Http::default(), clock, DEADLINE);
    for auth in [Auth::Bearer("scope"), ACCOUNT] {
        let failure = rest.get(&azure.url, auth).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Credentials, "{failure:?}");
    }
    assert_eq!(azure.asked().len(), 0);
}

#[tokio::test]
async fn a_key_that_was_refused_is_read_anew_for_the_next_question() {
    let azure = Azure::start(&["East US"]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, base64::encode([1; 64])).unwrap();
    let rest = asking(Some(AccountKey::in_file(&path)), DEADLINE);
    rest.get(&azure.url, ACCOUNT).await.unwrap();
    std::fs::write(&path, base64::encode([2; 64])).unwrap();
    azure.fail("/", Reply::Json(401, json!({ "code": "Unauthorized" })));
    assert_eq!(rest.get(&azure.url, ACCOUNT).await.unwrap_err().reason, Reason::Credentials);
    azure.world().faults.clear();
    azure.asked();
    rest.get(&azure.url, ACCOUNT).await.unwrap();
    let asked = azure.asked().remove(0);
    let signed = format!("get\n\n\n{}\n\n", asked.header("x-ms-date").to_lowercase());
    let signature = hmac_sha256(&signed, &Secret::new(base64::encode([2; 64]))).unwrap();
    assert_eq!(asked.header("authorization"), encode(&format!("type=master&ver=1.0&sig={signature}")));
}

#[tokio::test]
async fn what_a_server_repeats_of_a_token_or_a_key_is_not_repeated_by_us() {
    let azure = Azure::start(&["East US"]).await;
    let (account, key) = key(9);
    let said = format!("you sent hush-1 and {key}");
    azure.fail("/", Reply::Json(403, json!({ "error": { "code": "hush-1", "message": said } })));
    let rest = asking(Some(account), DEADLINE);
    for auth in [Auth::Bearer("scope"), ACCOUNT] {
        let failure = rest.get(&azure.url, auth).await.unwrap_err();
        let hidden = if auth == ACCOUNT { key.as_str() } else { "hush-1" };
        assert!(failure.message.contains("[redacted]") && !failure.message.contains(hidden), "{failure:?}");
    }
    for asked in azure.asked() {
        assert!(!asked.raw_query.contains("hush") && !asked.path.contains("hush"), "{asked:?}");
    }
}
