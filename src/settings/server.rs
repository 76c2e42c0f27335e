//! `[server]`: where this process listens, and how long it takes to stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::section::Section;

/// Where everything is served unless settings say otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9746);

/// The longest grace: SIGTERM to exit takes 2 s at most, whatever hangs.
const GRACE_MAX: Duration = Duration::from_secs(2);

/// Where this process listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Everything: page, API, metrics, health. Default `127.0.0.1:9746`. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Only `/metrics`, `/-/healthy` and `/-/ready`, for a Prometheus on another host. Default: not served.
    pub metrics_listen: Option<SocketAddr>,
    /// How long requests under way and the heartbeats' resignations may take after SIGTERM. 100 ms to 2 s, default 2 s.
    pub shutdown_grace: Duration,
}

impl ServerSettings {
    pub(super) fn read(mut section: Section<'_>) -> ServerSettings {
        let server = ServerSettings {
            listen: section.text("listen", address).unwrap_or(LISTEN),
            metrics_listen: section.text("metrics_listen", address),
            shutdown_grace: section
                .duration("shutdown_grace", Duration::from_millis(100)..=GRACE_MAX)
                .unwrap_or(GRACE_MAX),
        };
        if server.metrics_listen == Some(server.listen) && server.listen.port() != 0 {
            section.problem(
                "metrics_listen",
                format!(
                    "{} is server.listen too, which serves the metrics already; use another port or remove it",
                    server.listen
                ),
            );
        }
        section.finish();
        server
    }

    /// The keys that are not what they are in the other: none of them can change while a process runs.
    pub fn differences(&self, other: &ServerSettings) -> Vec<&'static str> {
        // Every key, or this does not compile.
        let ServerSettings { listen, metrics_listen, shutdown_grace } = self;
        let keys = [
            ("server.listen", *listen == other.listen),
            ("server.metrics_listen", *metrics_listen == other.metrics_listen),
            ("server.shutdown_grace", *shutdown_grace == other.shutdown_grace),
        ];
        keys.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect()
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let name = if text.starts_with("localhost") { " (names are not looked up)" } else { "" };
        format!("{text:?} is not an address{name}; use IP:PORT such as \"127.0.0.1:9746\" or \"0.0.0.0:9747\"")
    })
}
