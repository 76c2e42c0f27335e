//! Who may do what: held against every path that there is, so that a new one is among them by itself.

use std::time::Duration;

use tidegauge::http;
use tidegauge::settings::Act;

use super::client::{Answer, request, send};
use super::{ANYWHERE, LOOPBACK, Served, until};
use crate::gauge::Gauge;

/// SHA-256 of the names of the acts: each token is called by what it may.
const TOKENS: [(&str, &str); 3] = [
    ("scrape", "174591972de079bef8971d5fedc541bc537fef2640c29b956dae76e5176f044e"),
    ("read", "3316348dbadfb7b11c7c2ea235949419e23f9fa898ad2c198f999617912a9925"),
    ("operate", "2c29d39181de8f853de5e48ba983a5c88612b9dbaa5ab32c7748800a0840aeb8"),
];

fn tokens() -> String {
    let token = |(name, digest): (&str, &str)| {
        format!("[[server.tokens]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nmay = [\"{name}\"]\n")
    };
    TOKENS.map(token).concat()
}

/// Every path and its act; one that is not there is among what is read.
fn paths() -> impl Iterator<Item = (&'static str, Option<Act>)> {
    http::acts().chain([("/nosuch", Some(Act::Read)), ("/metrics/", Some(Act::Read)), ("//metrics", Some(Act::Read))])
}

async fn asks(served: &Served, path: &str, act: Option<Act>, headers: &[&str]) -> Answer {
    let method = if act == Some(Act::Operate) { "POST" } else { "GET" };
    let headers = [&["Content-Type: application/json"], headers].concat();
    let asked = async { send(&mut served.connect().await, &request(method, path, &headers)).await.unwrap() };
    tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap_or_else(|_| panic!("{path} does not answer"))
}

#[tokio::test]
async fn every_guarded_path_wants_a_token_that_may() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(ANYWHERE, &tokens(), gauge.full()).await;
    let mut guarded = 0;
    for (path, act) in paths() {
        let Some(act) = act else {
            assert_eq!(asks(&served, path, None, &[]).await.status, 200, "{path}");
            continue;
        };
        guarded += 1;
        for header in ["X: y", "Authorization: Bearer wrong", "Authorization: Basic eDp5", "Authorization: Bearer"] {
            let answer = asks(&served, path, Some(act), &[header]).await;
            assert_eq!((answer.status, answer.kind().as_str()), (401, "unauthorized"), "{path} with {header}");
            assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer realm=\"tidegauge\""), "{path} with {header}");
        }
        for (name, _) in TOKENS {
            let answer = asks(&served, path, Some(act), &[&format!("Authorization: Bearer {name}")]).await;
            if name == act.label() {
                assert!(![401, 403, 421].contains(&answer.status), "{path} with {name}: {answer:?}");
            } else {
                assert_eq!((answer.status, answer.kind().as_str()), (403, "forbidden"), "{path} with {name}");
                assert!(answer.says().contains(act.label()), "{}", answer.says());
            }
        }
    }
    assert!(guarded > 10, "{guarded}");
}

#[tokio::test]
async fn who_may_not_read_is_not_told_which_paths_there_are() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(ANYWHERE, &tokens(), gauge.full()).await;
    let (there, nowhere) = (served.get("/api/v1/pairs", &[]).await, served.get("/nosuch", &[]).await);
    assert_eq!((there.status, &there.body), (nowhere.status, &nowhere.body));
    let outside = Served::at(ANYWHERE, &tokens(), http::metrics_only(gauge.shared.clone())).await;
    assert_eq!(outside.get("/api/v1/pairs", &[]).await.body, there.body);
}

#[tokio::test]
async fn loopback_is_open_unless_settings_say_otherwise() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(LOOPBACK, &tokens(), gauge.full()).await;
    for (path, act) in http::acts() {
        assert!(![401, 403].contains(&asks(&served, path, act, &[]).await.status), "{path}");
    }
    let served =
        Served::at(LOOPBACK, &format!("[server.access]\nread = \"guarded\"\n{}", tokens()), gauge.full()).await;
    assert_eq!(served.get("/", &[]).await.status, 401);
    assert_eq!(served.get("/metrics", &[]).await.status, 200);
    assert_eq!(served.get("/", &["Authorization: Bearer read"]).await.status, 200);
}

#[tokio::test]
async fn a_name_that_was_rebound_reads_nothing_and_prometheus_may_use_any() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(LOOPBACK, "[server.access]\nhosts = [\"*.svc\"]\n", gauge.full()).await;
    for (path, act) in paths() {
        let rebound = asks(&served, path, act, &["Host: rebound.example:9746"]).await;
        let is_free = matches!(act, None | Some(Act::Scrape));
        assert_eq!(rebound.status == 421, !is_free, "{path}: {rebound:?}");
        if !is_free {
            assert_eq!(rebound.kind(), "misdirected");
            assert!(rebound.says().contains("server.access.hosts"));
        }
    }
    assert_eq!(served.get("/api/v1/pairs", &["Host: tidegauge.cells.svc:9746"]).await.status, 200);
    assert_eq!(served.get("/api/v1/pairs", &["Host: localhost:18080"]).await.status, 200);
    let without = send(&mut served.connect().await, "GET /api/v1/pairs HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(without.status, 421);
}

#[tokio::test]
async fn a_tokens_file_is_read_anew_and_a_token_without_its_file_is_no_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus");
    std::fs::write(&file, format!("{}  -\n", TOKENS[0].1)).unwrap();
    let server =
        format!("[[server.tokens]]\nname = \"prometheus\"\nsha256_file = \"{}\"\nmay = [\"scrape\"]\n", file.display());
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let served = Served::at(ANYWHERE, &server, gauge.full()).await.renewing();
    let status = async |token: &str| served.get("/metrics", &[&format!("Authorization: Bearer {token}")]).await.status;
    assert_eq!((status("scrape").await, status("read").await), (200, 401));

    std::fs::write(&file, TOKENS[1].1).unwrap();
    until("the new token is good", async || status("read").await == 200).await;
    assert_eq!(status("scrape").await, 401);

    std::fs::write(&file, "half a dig").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(status("read").await, 200, "a file that is no good changes nothing");

    std::fs::remove_file(&file).unwrap();
    until("it is gone", async || status("read").await == 401).await;
    std::fs::write(&file, TOKENS[0].1).unwrap();
    until("it is back", async || status("scrape").await == 200).await;
}
