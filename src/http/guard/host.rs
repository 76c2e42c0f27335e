//! The names that a listener goes by.

use std::net::IpAddr;

use axum::http::uri::Authority;

/// Names of loopback, beside `localhost` and what ends so.
const LOOPBACK: [&str; 2] = ["ip6-localhost", "ip6-loopback"];

/// Which names are ours.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// The host's own, in lower case; in a pod that is the pod's.
    own: Option<String>,
    /// Those of the settings.
    said: Vec<String>,
}

impl Hosts {
    /// Ours, and these.
    pub fn of(said: &[String]) -> Hosts {
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let own = Some(own.trim().to_ascii_lowercase()).filter(|own| !own.is_empty());
        Hosts { own, said: said.to_vec() }
    }

    /// Whether an authority, as in the header `Host`, is one of ours. No name on the internet leads to an IP address but the
    /// address itself, and to `localhost` none at all: with these a browser was sent here on purpose.
    pub fn take(&self, authority: &str) -> bool {
        if authority.contains('@') {
            return false;
        }
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let host = authority.host();
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if literal.parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_said = |said: &String| match said.strip_prefix('*') {
            Some(end) => name.len() > end.len() && name.ends_with(end),
            None => name == *said,
        };
        name == "localhost"
            || name.ends_with(".localhost")
            || LOOPBACK.contains(&name.as_str())
            || self.own.as_ref() == Some(&name)
            || self.said.iter().any(is_said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ours_that_nobody_else_can_have_and_those_of_the_settings() {
        let said = ["tidegauge.example.com", "*.svc.cluster.local"].map(str::to_owned);
        let hosts = Hosts { own: Some("tidegauge-0".to_owned()), said: said.to_vec() };
        for ours in [
            "127.0.0.1",
            "127.0.0.1:9746",
            "[::1]:9746",
            "10.1.2.3:9747",
            "localhost",
            "LocalHost.:9746",
            "gauge.localhost:80",
            "tidegauge-0:9746",
            "tidegauge.example.com",
            "Tidegauge.Example.com.:443",
            "tidegauge.cells.svc.cluster.local:9746",
        ] {
            assert!(hosts.take(ours), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "evil@localhost",
            "sub.tidegauge.example.com",
            "svc.cluster.local",
            "evilsvc.cluster.local",
            "tidegauge-0.evil.example",
            "localhost/evil",
            "[::1",
            "a b",
        ] {
            assert!(!hosts.take(other), "{other}");
        }
    }
}
