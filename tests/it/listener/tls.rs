//! TLS: what is shown, who is known by a certificate, and what becomes of files that change.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, version};
use tidegauge::http::keys::Keys;
use tidegauge::settings::Settings;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::{get, receive};
use super::{ANYWHERE, LOOPBACK, Served, until};

/// Somebody who signs.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key, in PEM.
    fn pair(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Puts such a pair into a folder, and returns the certificate as a client will see it.
    fn renew(&self, folder: &Path) -> CertificateDer<'static> {
        let (certificate, key) = self.pair();
        std::fs::write(folder.join("tls.crt"), &certificate).unwrap();
        std::fs::write(folder.join("tls.key"), key).unwrap();
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()
    }

    /// Connects as somebody who knows this authority, with a certificate of that one.
    async fn connect(&self, served: &Served, client: Option<&Authority>) -> io::Result<TlsStream<TcpStream>> {
        self.connect_by(served, client, rustls::DEFAULT_VERSIONS).await
    }

    async fn connect_by(
        &self,
        served: &Served,
        client: Option<&Authority>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        let config = match client.map(Authority::pair) {
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, served.connect().await).await
    }
}

fn server(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!("[server.tls]\ncertificate = \"{folder}/tls.crt\"\nkey = \"{folder}/tls.key\"\n{more}\n")
}

fn router() -> Router {
    let says = || routing::get(async || "well");
    Router::new().route("/-/healthy", says()).route("/metrics", says()).route("/", says())
}

/// The status of an answer to somebody with such a certificate; none where no answer came.
async fn status(authority: &Authority, served: &Served, client: Option<&Authority>, path: &str) -> Option<u16> {
    let mut stream = authority.connect(served, client).await.ok()?;
    Some(get(&mut stream, path, &[]).await.ok()?.status)
}

#[tokio::test]
async fn tls_is_spoken_and_plain_http_is_not() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let shown = authority.renew(folder.path());
    let served = Served::at(ANYWHERE, &server(folder.path(), ""), router()).await;
    for (versions, spoken) in [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut stream = authority.connect_by(&served, None, &[versions]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
        assert_eq!(stream.get_ref().1.peer_certificates(), Some([shown.clone()].as_slice()));
        for _ in 0..2 {
            assert_eq!(get(&mut stream, "/-/healthy", &[]).await.unwrap().body, "well", "and it is kept open");
        }
    }
    assert!(get(&mut served.connect().await, "/-/healthy", &[]).await.is_err());
    let served = Served::at(LOOPBACK, &server(folder.path(), ""), router()).await;
    assert_eq!(served.get("/-/healthy", &[]).await.status, 200, "loopback stays plain");
}

#[tokio::test]
async fn a_client_certificate_may_what_the_settings_say_and_one_of_somebody_else_is_refused() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.renew(folder.path());
    let (clients, others) = (Authority::new(), Authority::new());
    std::fs::write(folder.path().join("ca.crt"), &clients.certificate).unwrap();
    let ca = format!("client_ca = \"{}/ca.crt\"\n", folder.path().display());
    let served = Served::at(ANYWHERE, &server(folder.path(), &ca), router()).await;
    for (path, anybody) in [("/-/healthy", 200), ("/metrics", 401), ("/", 401)] {
        assert_eq!(status(&authority, &served, None, path).await, Some(anybody), "{path}");
        assert_eq!(status(&authority, &served, Some(&clients), path).await, Some(200), "{path}");
        assert_eq!(status(&authority, &served, Some(&others), path).await, None, "{path}");
    }
    let server = server(folder.path(), &format!("{ca}client_may = [\"scrape\"]\n[server.access]\nread = \"open\"\n"));
    let served = Served::at(ANYWHERE, &server, router()).await;
    assert_eq!(status(&authority, &served, Some(&clients), "/metrics").await, Some(200));
    assert_eq!(status(&authority, &served, None, "/").await, Some(200));
}

#[tokio::test]
async fn new_files_are_shown_without_a_restart_and_broken_ones_leave_the_old() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let old = authority.renew(folder.path());
    let served = Served::at(ANYWHERE, &server(folder.path(), ""), router()).await.renewing();
    let shown = async || {
        let stream = authority.connect(&served, None).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    assert_eq!(shown().await, old);
    let mut kept = authority.connect(&served, None).await.unwrap();
    assert_eq!(get(&mut kept, "/", &[]).await.unwrap().status, 200);

    let new = authority.renew(folder.path());
    until("the new certificate is shown", async || shown().await == new).await;
    assert!(receive(&mut kept).await.is_err(), "who was let in by the old files is to come again");

    for broken in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"] {
        std::fs::write(folder.path().join("tls.crt"), broken).unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(shown().await, new, "{broken}");
    }
    std::fs::write(folder.path().join("tls.crt"), authority.pair().0).unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(shown().await, new, "a certificate without its key");
    std::fs::remove_file(folder.path().join("tls.crt")).unwrap();
    let newest = authority.renew(folder.path());
    until("the newest certificate is shown", async || shown().await == newest).await;
}

#[tokio::test]
async fn files_that_are_no_good_are_named_with_their_key_and_the_way_out() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.renew(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("text"), "no PEM").unwrap();
    std::fs::write(file("other.key"), authority.pair().1).unwrap();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    let digest = "[[server.tokens]]\nname = \"p\"\nmay = [\"read\"]\nsha256_file = ";
    let tls = |certificate: &str, key: &str, more: &str| {
        format!("[server.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n{more}")
    };
    for (server, words) in [
        (tls(&file("nosuch"), &key, ""), ["server.tls.certificate: ", "nosuch cannot be read"]),
        (tls(&file("text"), &key, ""), ["server.tls.certificate: ", "text holds no certificate; name a PEM file"]),
        (tls(&certificate, &file("text"), ""), ["server.tls.key: ", "holds no private key"]),
        (tls(&certificate, &file("other.key"), ""), ["server.tls.key: ", "do not go together"]),
        (
            tls(&certificate, &key, &format!("client_ca = \"{}\"", file("text"))),
            ["server.tls.client_ca: ", "no certificate"],
        ),
        (format!("{digest}\"{}\"", file("nosuch")), ["server.tokens[0] (\"p\").sha256_file: ", "cannot be read"]),
        (format!("{digest}\"{}\"", file("text")), ["server.tokens[0] (\"p\").sha256_file: ", "make it with"]),
    ] {
        let toml = format!(
            "{server}\n[cell]\ncentral = true\n[[stores]]\nname = \"o\"\nregions = [{{ name = \"a\" }}, {{ name = \"b\" }}]\n[stores.simulated]\n"
        );
        let refused = Keys::load(&Settings::from_toml(&toml).unwrap().server).unwrap_err().to_string();
        assert!(words.iter().all(|word| refused.contains(word)), "{server}: {refused}");
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_the_handshake_shuts_nobody_out() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.renew(folder.path());
    let served = Served::at(ANYWHERE, &server(folder.path(), ""), router()).await;
    let mut hanging = Vec::new();
    for _ in 0..300 {
        hanging.push(served.connect().await);
    }
    assert_eq!(status(&authority, &served, None, "/-/healthy").await, Some(200));
}
