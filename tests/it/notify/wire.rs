//! An Alertmanager's API as it is spoken to, over loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tidegauge::core::time::Wall;
use tidegauge::notify::{Alertmanager, Message, Receiver, Trouble};
use tidegauge::settings::AlertmanagerSettings;

use crate::alone::alone;

/// What was asked: method with path and query, the token, the body.
type Asked = (String, Option<String>, Json);

/// A server that gives one answer to everything and keeps what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Shared = (Arc<Mutex<Vec<Asked>>>, StatusCode, String);

async fn answer(State((asked, status, body)): State<Shared>, request: Request) -> Response {
    let (head, sent) = request.into_parts();
    let token = head.headers.get(AUTHORIZATION).map(|token| token.to_str().unwrap().to_owned());
    let sent = axum::body::to_bytes(sent, usize::MAX).await.unwrap();
    let sent = serde_json::from_slice(&sent).unwrap_or_default();
    asked.lock().unwrap().push((format!("{} {}", head.method, head.uri), token, sent));
    (status, [(LOCATION, "/elsewhere")], body).into_response()
}

impl Server {
    async fn start(status: StatusCode, body: Json) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/under", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let body = if body.is_string() { body.as_str().unwrap().to_owned() } else { body.to_string() };
        let router = Router::new().fallback(answer).with_state((asked.clone(), status, body));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Server { url, asked }
    }

    fn alertmanager(&self, bearer_token_file: Option<&Path>) -> Alertmanager {
        let bearer_token_file = bearer_token_file.map(Path::to_owned);
        Alertmanager::new(&AlertmanagerSettings { url: self.url.clone(), bearer_token_file }).unwrap()
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn message() -> Message {
    Message {
        labels: BTreeMap::from([("alertname".to_owned(), "Stalled".to_owned())]),
        annotations: BTreeMap::from([("summary", "it is".to_owned())]),
        starts_at: Wall::from_micros(1_767_225_600_123_000),
        ends_at: Wall::from_micros(1_767_225_840_000_000),
    }
}

#[tokio::test]
async fn an_alert_is_told_in_the_words_of_the_api() {
    let server = Server::start(StatusCode::OK, json!("")).await;
    server.alertmanager(None).tell(&[message()]).await.unwrap();
    let told = json!([{
        "labels": { "alertname": "Stalled" },
        "annotations": { "summary": "it is" },
        "startsAt": "2026-01-01T00:00:00.123Z",
        "endsAt": "2026-01-01T00:04:00.000Z",
    }]);
    assert_eq!(server.asked(), [("POST /under/api/v2/alerts".to_owned(), None, told)]);
}

#[tokio::test]
async fn own_alerts_are_asked_for_and_understood() {
    let known = json!([{
        "labels": { "alertname": "Stalled" },
        "annotations": {},
        "fingerprint": "1",
        "status": { "state": "suppressed", "silencedBy": ["x"], "inhibitedBy": [] },
        "startsAt": "2026-01-01T00:00:00.123Z",
        "endsAt": "2026-01-01T00:04:00.000Z",
    }]);
    let server = Server::start(StatusCode::OK, known).await;
    let known = server.alertmanager(None).remembered("here").await.unwrap();
    assert_eq!((known.len(), known[0].starts_at, known[0].ends_at), (1, message().starts_at, message().ends_at));
    let query = "filter=cell%3D%22here%22&active=true&silenced=true&inhibited=true&unprocessed=true";
    assert_eq!(server.asked()[0].0, format!("GET /under/api/v2/alerts?{query}"));
}

#[tokio::test]
async fn the_token_is_read_anew_for_each_request() {
    let server = Server::start(StatusCode::OK, json!("")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let alertmanager = server.alertmanager(Some(&file));
    let missing = alertmanager.tell(&[message()]).await.unwrap_err().to_string();
    assert!(missing.contains("bearer_token_file") && missing.contains("/token"), "{missing}");
    for token in ["first\n", "second\n"] {
        std::fs::write(&file, token).unwrap();
        alertmanager.tell(&[message()]).await.unwrap();
    }
    std::fs::write(&file, "two words\n").unwrap();
    let wrong = alertmanager.tell(&[message()]).await.unwrap_err().to_string();
    assert!(!wrong.contains("words"), "a token is no business of the log's: {wrong}");
    let tokens: Vec<Option<String>> = server.asked().into_iter().map(|(_, token, _)| token).collect();
    assert_eq!(tokens, [Some("Bearer first".to_owned()), Some("Bearer second".to_owned())]);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = Server::start(StatusCode::INTERNAL_SERVER_ERROR, json!("out of\nmemory")).await;
    let refused = server.alertmanager(None).tell(&[message()]).await.unwrap_err();
    assert_eq!(refused, Trouble::Refused("it answers 500 Internal Server Error: out ofmemory".to_owned()));
    let server = Server::start(StatusCode::OK, json!("<html>")).await;
    let other = server.alertmanager(None).remembered("here").await.unwrap_err();
    assert!(matches!(&other, Trouble::Refused(why) if why.contains("no Alertmanager's")), "{other:?}");
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = AlertmanagerSettings { url: format!("http://{address}"), bearer_token_file: None };
    let gone = Alertmanager::new(&nobody).unwrap().tell(&[message()]).await.unwrap_err();
    assert!(matches!(&gone, Trouble::NoAnswer(why) if why.contains("refused")), "{gone:?}");
}

#[tokio::test]
async fn nobody_is_followed_elsewhere() {
    let server = Server::start(StatusCode::TEMPORARY_REDIRECT, json!("")).await;
    let refused = server.alertmanager(None).tell(&[message()]).await.unwrap_err();
    assert!(matches!(&refused, Trouble::Refused(why) if why.contains("307")), "{refused:?}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn no_proxy_of_the_environments_is_asked_and_plain_http_needs_no_certificates() {
    let mut variables =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:1")).to_vec();
    variables.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, "/nonexistent")));
    alone(&variables, async || {
        let settings = AlertmanagerSettings { url: "https://127.0.0.1:1".to_owned(), bearer_token_file: None };
        let error = format!("{:#}", Alertmanager::new(&settings).unwrap_err());
        assert!(error.contains("certificates of authorities"), "{error}");
        let server = Server::start(StatusCode::OK, json!("")).await;
        server.alertmanager(None).tell(&[message()]).await.unwrap();
        assert_eq!(server.asked().len(), 1);
    });
}
