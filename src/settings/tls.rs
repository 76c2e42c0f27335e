//! `[server.tls]`: the certificate that listeners show, and those that they know of clients.

use std::path::PathBuf;

use super::access::{Act, path};
use super::section::Section;

/// What listeners show, and whom they know. The files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM: the listener's own certificate, and those up to one that clients know.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// PEM: who signs the certificates of clients that are known. Default: no client is known by a certificate.
    pub client_ca: Option<PathBuf>,
    /// What who shows such a certificate may do. Default scrape and read; empty without `client_ca`.
    pub client_may: Vec<Act>,
    /// Whether listeners that are bound to loopback speak TLS, too. Default no.
    pub loopback: bool,
}

impl TlsSettings {
    pub(super) fn read(mut section: Section<'_>) -> Option<TlsSettings> {
        section.require("certificate", "give the PEM file of the certificate, with its chain");
        section.require("key", "give the PEM file of the certificate's private key");
        let certificate = section.text("certificate", path);
        let key = section.text("key", path);
        let client_ca = section.text("client_ca", path);
        let said = section.texts("client_may", Act::read);
        if section.has("client_may") && !section.has("client_ca") {
            section.problem(
                "client_may",
                "goes with client_ca, the file of who signs clients' certificates; set it, or remove this",
            );
        }
        if said.as_ref().is_some_and(Vec::is_empty) {
            section.problem("client_may", "is empty; say what such a client may, or remove it and client_ca");
        }
        let loopback = section.flag("loopback").unwrap_or(false);
        section.finish();
        let client_may = match &client_ca {
            Some(_) => said.unwrap_or_else(|| vec![Act::Scrape, Act::Read]),
            None => Vec::new(),
        };
        Some(TlsSettings { certificate: certificate?, key: key?, client_ca, client_may, loopback })
    }
}
