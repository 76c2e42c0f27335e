//! Who may do what at a listener. It is asked before anything else is done for a request.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, Request};
use rustls::pki_types::CertificateDer;

use super::answer::Problem;
use super::keys::Keys;
use crate::settings::{Act, Policy, ServerSettings};
use host::Hosts;

mod host;
#[cfg(test)]
mod tests;

/// Bytes of a request's body. What is longer is refused unread.
pub const BODY_MAX: usize = 4 * 1_024;
/// What a browser says of where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// And of what for.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What is known of whoever is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The beginning of the SHA-256 of the client certificate that was shown and is known.
    certificate: Option<Arc<str>>,
}

impl Caller {
    /// By the certificates that the handshake has accepted.
    pub fn of(shown: Option<&[CertificateDer<'_>]>) -> Caller {
        let certificate = shown.and_then(<[_]>::first).map(|certificate| {
            let digest = digest::digest(&digest::SHA256, certificate);
            digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
        });
        Caller { certificate }
    }
}

/// Who may do what at one listener.
#[derive(Debug)]
pub struct Guard {
    policies: [(Act, Policy); 3],
    hosts: Hosts,
    keys: Arc<Keys>,
}

impl Guard {
    /// At the listener that is bound to `address`.
    pub fn of(server: &ServerSettings, address: SocketAddr, keys: Arc<Keys>) -> Guard {
        let policies = Act::ALL.map(|act| (act, server.policy(address, act)));
        Guard { policies, hosts: Hosts::of(&server.access.hosts), keys }
    }

    /// Whether a request is to be answered as it asks.
    ///
    /// # Errors
    ///
    /// What is answered in place of that.
    pub(super) fn check<B>(&self, caller: &Caller, request: &Request<B>) -> Result<(), Problem> {
        self.check_for(super::act_at(request.uri().path()), caller, request)
    }

    fn check_for<B>(&self, act: Option<Act>, caller: &Caller, request: &Request<B>) -> Result<(), Problem> {
        if let Some(act) = act {
            self.admits(caller, act, request)?;
        }
        let headers = request.headers();
        // A page of somebody else's can have a browser ask in its user's place, and rebind a name of its own to our address.
        // Metrics and health are left out: they change nothing, scrapers address them by names of all kinds, and whatever a
        // browser could be made to read there, metrics are guarded by a token where that matters.
        if matches!(act, Some(Act::Read | Act::Operate)) {
            self.is_meant(request)?;
            is_no_page_of_others(headers)?;
        }
        if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
            is_from_here(headers)?;
            if act == Some(Act::Operate) {
                is_json(headers)?;
            }
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        match length.is_some_and(|length| length > BODY_MAX as u64) {
            true => Err(Problem::payload_too_large(BODY_MAX)),
            false => Ok(()),
        }
    }

    /// Whether whoever asks may.
    fn admits<B>(&self, caller: &Caller, act: Act, request: &Request<B>) -> Result<(), Problem> {
        let is_open = self.policies.contains(&(act, Policy::Open));
        if is_open {
            return Ok(());
        }
        let label = act.label();
        let (tokens, client_may) = (self.keys.tokens(), self.keys.client_may());
        let certificate = caller.certificate.as_deref().filter(|_| !client_may.is_empty());
        let token = match bearer(request.headers()) {
            Shown::Nothing => None,
            Shown::Token(shown) => {
                let shown = digest::digest(&digest::SHA256, shown);
                let found = tokens.iter().find(|token| token.is(&shown));
                Some(found.ok_or_else(|| Problem::unauthorized("the token is not known here"))?)
            }
            Shown::SomethingElse => {
                let message = "the header Authorization is to hold one token: Authorization: Bearer TOKEN";
                return Err(Problem::unauthorized(message));
            }
        };
        let by_token = token.filter(|token| token.may.contains(&act)).map(|token| &*token.name);
        let by_certificate = certificate.filter(|_| client_may.contains(&act));
        if let Some(who) = by_token.or(by_certificate) {
            if act == Act::Operate {
                let kind = if by_token.is_some() { "token" } else { "certificate" };
                tracing::info!(kind, who, method = %request.method(), path = request.uri().path(), "asked to operate");
            }
            return Ok(());
        }
        let nobody = !client_may.contains(&act) && tokens.iter().all(|token| !token.may.contains(&act));
        let remedy = if nobody {
            format!(
                "nobody may {label} at this listener yet: name \"{label}\" in `may` of one of [[server.tokens]], or in \
                 server.tls.client_may"
            )
        } else {
            format!("this needs a token or a client certificate that may {label}")
        };
        match (token, certificate) {
            (None, None) => Err(Problem::unauthorized(remedy)),
            (Some(token), _) => {
                Err(Problem::forbidden(format!("the token {:?} may not {label}; {remedy}", token.name)))
            }
            (None, Some(_)) => Err(Problem::forbidden(format!("the client certificate may not {label}; {remedy}"))),
        }
    }

    /// Whether all names that the request is addressed to are ours.
    fn is_meant<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let said = request.headers().get_all(HOST).iter().map(|host| host.to_str().ok());
        let mut names =
            request.uri().authority().map(|authority| Some(authority.as_str())).into_iter().chain(said).peekable();
        if names.peek().is_none() {
            return Err(Problem::misdirected("the header Host is missing"));
        }
        match names.all(|name| name.is_some_and(|name| self.hosts.take(name))) {
            true => Ok(()),
            false => Err(Problem::misdirected(
                "this listener does not go by that name; ask for its IP address or localhost, or name the host in \
                 server.access.hosts",
            )),
        }
    }
}

/// What the header `Authorization` holds.
enum Shown<'a> {
    Nothing,
    Token(&'a [u8]),
    SomethingElse,
}

fn bearer(headers: &HeaderMap) -> Shown<'_> {
    let mut said = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (said.next(), said.next()) else {
        return if headers.contains_key(AUTHORIZATION) { Shown::SomethingElse } else { Shown::Nothing };
    };
    let value = value.as_bytes().trim_ascii();
    match value.split_at_checked("bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") && !token.trim_ascii().is_empty() => {
            Shown::Token(token.trim_ascii())
        }
        _ => Shown::SomethingElse,
    }
}

/// A link may lead here; what another site's page has a browser fetch on the side is of no use to anybody, and may take the
/// places of those who listen to events.
fn is_no_page_of_others(headers: &HeaderMap) -> Result<(), Problem> {
    let says = |name: &HeaderName, word: &str| headers.get_all(name).iter().any(|value| value == word);
    match says(&SEC_FETCH_SITE, "cross-site") && !says(&SEC_FETCH_MODE, "navigate") {
        true => Err(Problem::forbidden("this comes from a page of another site, which may not read here")),
        false => Ok(()),
    }
}

/// Whether what changes something was not sent by another site's page.
fn is_from_here(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none");
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_ours = |origin: &str| origin.split_once("://").is_some_and(|(_, origin)| Some(origin) == host);
    let origin = headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(is_ours));
    match site && origin {
        true => Ok(()),
        false => Err(Problem::forbidden("this comes from a page of another site, which may not do that here")),
    }
}

/// A form of a page cannot be sent so without its browser asking first.
fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Problem::unsupported_media_type("say that it is JSON: Content-Type: application/json")),
    }
}
