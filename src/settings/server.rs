//! `[server]`: where this process listens, to whom, and how long it takes to stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::access::{AccessSettings, Act, Policy, TokenSettings};
use super::section::Section;
use super::tls::TlsSettings;

/// Where everything is served unless settings say otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9746);

/// The longest grace: SIGTERM to exit takes 2 s at most, whatever hangs.
const GRACE_MAX: Duration = Duration::from_secs(2);

/// Where this process listens, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Everything: page, API, metrics, health. Default `127.0.0.1:9746`. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Only `/metrics`, `/-/healthy` and `/-/ready`, for a Prometheus on another host. Default: not served.
    pub metrics_listen: Option<SocketAddr>,
    /// How long requests under way and the heartbeats' resignations may take after SIGTERM. 100 ms to 2 s, default 2 s.
    pub shutdown_grace: Duration,
    /// What listeners show of themselves. Default: they speak plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Whom what is open to.
    pub access: AccessSettings,
    /// Who is known by a token. At most 64.
    pub tokens: Vec<TokenSettings>,
}

impl ServerSettings {
    /// Whether the listener that is bound to `address` speaks TLS.
    pub fn speaks_tls(&self, address: SocketAddr) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.loopback || !address.ip().is_loopback())
    }

    /// Whom an act is open to at the listener that is bound to `address`. What is not said is open on loopback; elsewhere it is
    /// guarded if anybody is named who may, and what changes something is in any case.
    pub fn policy(&self, address: SocketAddr, act: Act) -> Policy {
        if let Some(said) = self.access.said(act) {
            return said;
        }
        let is_guarded = act == Act::Operate || self.access.shut || self.names_somebody_for(act);
        if is_guarded && !address.ip().is_loopback() { Policy::Guarded } else { Policy::Open }
    }

    /// The same settings, where nothing can be had of their files or of what they say of access: plain, and away from loopback
    /// nobody may anything but ask for health.
    pub fn shut(self) -> ServerSettings {
        let access = AccessSettings { shut: true, ..AccessSettings::default() };
        ServerSettings { tls: None, access, tokens: Vec::new(), ..self }
    }

    /// The listeners: by which key, where, and what can be done there.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (&'static str, SocketAddr, &'static [Act])> {
        let all = Some(("server.listen", self.listen, Act::ALL.as_slice()));
        let metrics = self.metrics_listen.map(|address| ("server.metrics_listen", address, [Act::Scrape].as_slice()));
        all.into_iter().chain(metrics)
    }

    fn token_for(&self, act: Act) -> bool {
        self.tokens.iter().any(|token| token.may.contains(&act))
    }

    fn names_somebody_for(&self, act: Act) -> bool {
        self.token_for(act) || self.tls.as_ref().is_some_and(|tls| tls.client_may.contains(&act))
    }

    pub(super) fn read(mut section: Section<'_>) -> ServerSettings {
        let mut server = ServerSettings {
            listen: section.text("listen", address).unwrap_or(LISTEN),
            metrics_listen: section.text("metrics_listen", address),
            shutdown_grace: section
                .duration("shutdown_grace", Duration::from_millis(100)..=GRACE_MAX)
                .unwrap_or(GRACE_MAX),
            tls: None,
            access: AccessSettings::default(),
            tokens: Vec::new(),
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
        let count_before = section.problem_count();
        server.tls = section.section("tls").and_then(TlsSettings::read);
        server.access = AccessSettings::read(section.section_or_empty("access"));
        server.tokens = TokenSettings::read_all(&mut section);
        if section.problem_count() == count_before {
            server.check_that_somebody_may(&section);
        }
        section.finish();
        if section.problem_count() > count_before {
            // Of these settings no more is used than where to say that they were refused: nobody who was to be kept out is to
            // get in by that.
            server = server.shut();
        }
        server
    }

    /// What is guarded is of use to somebody, or it is a mistake that shows when it is too late.
    fn check_that_somebody_may(&self, section: &Section<'_>) {
        for act in Act::ALL.into_iter().filter(|act| self.access.said(*act) == Some(Policy::Guarded)) {
            let (key, label) = (format!("access.{}", act.label()), act.label());
            if !self.names_somebody_for(act) {
                let message = format!(
                    "is \"guarded\", and no token and no client certificate may {label}; name it in `may` of one of \
                     [[server.tokens]] or in server.tls.client_may, or remove this"
                );
                section.problem(&key, message);
                continue;
            }
            // A certificate is of no use where there is no TLS.
            let lost = |(_, address, acts): &(_, SocketAddr, &[Act])| {
                acts.contains(&act) && !self.token_for(act) && !self.speaks_tls(*address)
            };
            if let Some((listener, address, _)) = self.listeners().find(lost) {
                let message = format!(
                    "is \"guarded\", which holds at {listener} = \"{address}\" as well, and there nobody can show a \
                     certificate; set server.tls.loopback = true, or add a token that may {label}"
                );
                section.problem(&key, message);
            }
        }
    }

    /// What an operator should know of them, though they are right.
    pub(super) fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if !self.listen.ip().is_loopback() && self.policy(self.listen, Act::Read) == Policy::Open {
            notices.push(format!(
                "server.listen = \"{}\" is not loopback: whoever reaches it can use the whole API; for Prometheus, \
                 server.metrics_listen serves the metrics alone",
                self.listen
            ));
        }
        if !self.listen.ip().is_loopback() && self.access.operate == Some(Policy::Open) {
            notices.push(format!(
                "server.access.operate = \"open\": whoever reaches server.listen = \"{}\" can make this process read its \
                 settings again",
                self.listen
            ));
        }
        for (key, address, acts) in self.listeners() {
            let asks = |act: &Act| self.token_for(*act) && self.policy(address, *act) == Policy::Guarded;
            if !address.ip().is_loopback() && !self.speaks_tls(address) && acts.iter().any(asks) {
                notices.push(format!(
                    "{key} = \"{address}\" is plain HTTP: anybody on the way can read the tokens; set [server.tls]"
                ));
            }
        }
        if self.tls.is_some() && !self.listeners().any(|(_, address, _)| self.speaks_tls(address)) {
            notices.push(
                "[server.tls] is used by no listener, as all of them are bound to loopback; where it is meant for those, \
                 set server.tls.loopback = true"
                    .to_owned(),
            );
        }
        notices
    }

    /// The keys that are not what they are in the other: none of them can change while a process runs.
    pub fn differences(&self, other: &ServerSettings) -> Vec<&'static str> {
        // Every key, or this does not compile.
        let ServerSettings { listen, metrics_listen, tls, access, tokens, shutdown_grace } = self;
        let keys = [
            ("server.listen", *listen == other.listen),
            ("server.metrics_listen", *metrics_listen == other.metrics_listen),
            ("server.tls", *tls == other.tls),
            ("server.access", *access == other.access),
            ("server.tokens", *tokens == other.tokens),
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
