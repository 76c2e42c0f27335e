//! The files of `[server.tls]`, and what is made of them.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::settings::TlsSettings;

/// What is spoken within TLS: nothing but HTTP/1.1.
const PROTOCOL: &[u8] = b"http/1.1";

/// What the files hold at a time. Read together: each is of use with the others only.
pub(super) struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Files {
    /// Reads them all.
    ///
    /// # Errors
    ///
    /// For the first that cannot be read.
    pub fn read(settings: &TlsSettings) -> Result<Files, String> {
        let client_ca = settings.client_ca.as_ref();
        Ok(Files {
            certificate: super::read("server.tls.certificate", &settings.certificate)?,
            key: super::read("server.tls.key", &settings.key)?,
            client_ca: client_ca.map(|path| super::read("server.tls.client_ca", path)).transpose()?,
        })
    }

    /// What tells them from others.
    pub fn seen(&self) -> Vec<u8> {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        files.into_iter().flatten().flat_map(|file| super::fingerprint(file)).collect()
    }

    /// What a listener does with them.
    ///
    /// # Errors
    ///
    /// For what is no certificate or key, and for two that do not go together.
    pub fn config(&self, settings: &TlsSettings) -> Result<Arc<ServerConfig>, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates("server.tls.certificate", &settings.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            let file = settings.key.display();
            format!("server.tls.key: {file} holds no private key ({error}); name the PEM file of the key, without a password")
        })?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match settings.client_ca.as_deref().zip(self.client_ca.as_deref()) {
            Some((path, bytes)) => builder.with_client_cert_verifier(verifier(path, bytes, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let (certificate, key) = (settings.certificate.display(), settings.key.display());
            format!(
                "server.tls.key: {key} and the certificate {certificate} do not go together ({error}); name the key that the \
                 first certificate in that file was made for"
            )
        })?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        if self.client_ca.is_some() {
            // A session that is taken up again is not asked for its certificate, which may have run out since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    }
}

fn certificates(key: &str, path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = path.display();
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("{key}: {path} holds no certificate; name a PEM file with at least one"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{key}: {path} holds no certificates that can be read ({error}); name a PEM file")),
    }
}

/// Knows clients by certificates that one of these has signed; those that show none are let in, as nobody.
fn verifier(path: &Path, bytes: &[u8], provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let key = "server.tls.client_ca";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, path, bytes)? {
        roots.add(certificate).map_err(|error| {
            format!("{key}: {} holds a certificate that can sign none ({error}); remove it", path.display())
        })?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated().build();
    verifier.map_err(|error| format!("{key}: {} is of no use ({error}); name another file", path.display()))
}
