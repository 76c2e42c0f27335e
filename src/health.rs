//! `tidegauge health`: asks the process beside it, which has the same settings, whether it serves. For the health checks of
//! images and units, which have no other program to ask with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, StatusCode};

use crate::settings::ServerSettings;

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// Characters of an answer that are repeated.
const WORDS_MAX: usize = 300;

/// Asks the listener of these settings whether it serves; where `ready`, whether its settings were right, too. Returns what it
/// says, in a line.
///
/// # Errors
///
/// What it says if it is not so, or why it does not answer.
pub async fn ask(server: &ServerSettings, ready: bool) -> Result<String, String> {
    let address = reachable(server.listen);
    if address.port() == 0 {
        return Err("server.listen has port 0, so that nobody knows where it listens; give it a port".to_owned());
    }
    let path = if ready { "/-/ready" } else { "/-/healthy" };
    // It is this host's own: no name is checked, and nothing secret is sent. A process whose settings were refused speaks plain
    // HTTP where it is the files of TLS that are of no use.
    let schemes: &[&str] = if server.speaks_tls(server.listen) { &["https", "http"] } else { &["http"] };
    let client = Client::builder().no_proxy().danger_accept_invalid_certs(true).build();
    let client = client.map_err(|error| format!("cannot ask: {error}"))?;
    let asked = async {
        let mut failure = String::new();
        for scheme in schemes {
            let url = format!("{scheme}://{address}{path}");
            match client.get(&url).send().await {
                Ok(answer) => {
                    let status = answer.status();
                    let words = answer.text().await.unwrap_or_default();
                    return said(&url, status, &words);
                }
                Err(error) if failure.is_empty() => failure = format!("{url} does not answer: {}", root_of(&error)),
                Err(_) => {}
            }
        }
        Err(failure)
    };
    let in_time = tokio::time::timeout(DEADLINE, asked).await;
    in_time.unwrap_or_else(|_| Err(format!("{address} does not answer within {DEADLINE:?}")))
}

fn said(url: &str, status: StatusCode, words: &str) -> Result<String, String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(WORDS_MAX).collect();
    match status {
        StatusCode::OK => Ok(line),
        status => Err(format!("{url} says {status}: {line}")),
    }
}

/// Who listens on every address does so on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// What it came from: the rest says that a request failed.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:9746", "127.0.0.1:9746"),
            ("[::]:9746", "[::1]:9746"),
            ("127.0.0.1:9800", "127.0.0.1:9800"),
            ("10.1.2.3:9746", "10.1.2.3:9746"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn what_it_says_is_a_line() {
        assert_eq!(said("u", StatusCode::OK, "It is\nwell.\n"), Ok("It is well.".to_owned()));
        let refused = said("u", StatusCode::SERVICE_UNAVAILABLE, &"much ".repeat(1_000)).unwrap_err();
        assert!(refused.starts_with("u says 503") && refused.len() < 400, "{refused}");
    }
}
