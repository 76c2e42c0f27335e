//! What listeners have from files: their certificate, who signs those of clients, the digests of tokens. The files are read
//! again and again, as whoever renews them tells nobody; what is no good then leaves the old in place.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::guard::Guard;
use super::listen::Door;
use crate::settings::file;
use crate::settings::{Act, Digest, ServerSettings, TlsSettings, TokenDigest, TokenSettings};

mod tls;

/// How often the files are looked at. Kubernetes takes a minute or so to renew them, and the old ones are good for longer.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why the files that settings name are of no use: each with its key and what to do, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(String);

impl KeysError {
    /// Each of them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines()
    }
}

/// Somebody who is known by a token.
#[derive(Clone, Debug)]
pub struct Known {
    /// What logs call it.
    pub name: Arc<str>,
    /// What who shows it may do.
    pub may: Vec<Act>,
    /// The SHA-256 of the token; `None` since its file is gone.
    digest: Option<Digest>,
}

impl Known {
    /// Whether this is the SHA-256 of its token. Nobody can choose a token by the digits of its digest, so that to know how
    /// many of them are right would be of no use; the comparison takes the same time all the same.
    pub fn is(&self, shown: &digest::Digest) -> bool {
        self.digest.is_some_and(|digest| verify_slices_are_equal(digest.expose(), shown.as_ref()).is_ok())
    }
}

/// The newest of what files hold.
#[derive(Debug)]
pub struct Keys {
    tls: Option<(TlsSettings, watch::Sender<Arc<ServerConfig>>)>,
    tokens: Vec<TokenSettings>,
    known: watch::Sender<Arc<[Known]>>,
    /// What was in the files when they were last looked at.
    looked_at: Mutex<LookedAt>,
}

/// What was in the files of TLS, and in that of each token, if it has one.
#[derive(Debug)]
struct LookedAt {
    tls: Option<Seen>,
    tokens: Vec<Option<Seen>>,
}

/// What tells one content of files from another: the digest of what is in them, or why they cannot be read.
type Seen = Result<Vec<u8>, String>;

impl Keys {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    ///
    /// For each that cannot be read or used: which, and what to do about it.
    pub fn load(server: &ServerSettings) -> Result<Arc<Keys>, KeysError> {
        let mut problems = Vec::new();
        let mut looked_at = LookedAt { tls: None, tokens: Vec::new() };
        let tls = server.tls.as_ref().and_then(|settings| {
            let files = tls::Files::read(settings);
            looked_at.tls = Some(files.as_ref().map(tls::Files::seen).map_err(Clone::clone));
            match files.and_then(|files| files.config(settings)) {
                Ok(config) => Some((settings.clone(), watch::Sender::new(config))),
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            }
        });
        let mut known = Vec::new();
        for (index, token) in server.tokens.iter().enumerate() {
            let (seen, digest) = match &token.digest {
                TokenDigest::Said(digest) => (None, Some(*digest)),
                TokenDigest::File(path) => {
                    let (seen, digest) = read_digest(&key_of(index, token), path);
                    (Some(seen), digest.map_err(|problem| problems.push(problem)).ok())
                }
            };
            looked_at.tokens.push(seen);
            known.push(Known { name: token.name.as_str().into(), may: token.may.clone(), digest });
        }
        if !problems.is_empty() {
            return Err(KeysError(problems.join("\n")));
        }
        let (tokens, known) = (server.tokens.clone(), watch::Sender::new(known.into()));
        Ok(Arc::new(Keys { tls, tokens, known, looked_at: Mutex::new(looked_at) }))
    }

    /// The listener that is bound to `address` by these settings.
    pub fn door(self: &Arc<Keys>, server: &ServerSettings, address: std::net::SocketAddr) -> Door {
        let tls = self.tls.as_ref().filter(|_| server.speaks_tls(address)).map(|(_, config)| config.subscribe());
        Door { tls, guard: Arc::new(Guard::of(server, address, self.clone())) }
    }

    /// Who is known by a token.
    pub fn tokens(&self) -> Arc<[Known]> {
        self.known.borrow().clone()
    }

    /// What who shows a client certificate may do.
    pub fn client_may(&self) -> &[Act] {
        self.tls.as_ref().map(|(settings, _)| settings.client_may.as_slice()).unwrap_or_default()
    }

    /// Looks at the files so often, until it is to stop. Where there are none it ends at once.
    pub async fn renew(self: Arc<Keys>, every: Duration, stop: CancellationToken) {
        let has_files =
            self.tls.is_some() || self.tokens.iter().any(|token| matches!(token.digest, TokenDigest::File(_)));
        while has_files && stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let keys = self.clone();
            // Files may hang, on a network's file system say: then nothing is renewed, and nothing else waits for that.
            let looked = tokio::task::spawn_blocking(move || keys.look());
            if let Some(Err(error)) = stop.run_until_cancelled(looked).await {
                tracing::error!(%error, "certificates and tokens could not be looked at");
            }
        }
    }

    /// Takes what is new in the files, and says so; what is no good is said once.
    fn look(&self) {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some((settings, config)), Some(before)) = (&self.tls, &mut looked_at.tls) {
            let files = tls::Files::read(settings);
            let now = files.as_ref().map(tls::Files::seen).map_err(Clone::clone);
            if now != *before {
                *before = now;
                match files.and_then(|files| files.config(settings)) {
                    Ok(new) => {
                        config.send_replace(new);
                        tracing::info!("the certificates of listeners are renewed");
                    }
                    Err(problem) => tracing::warn!(%problem, "the old certificates stay in use"),
                }
            }
        }
        let mut known = self.tokens().to_vec();
        let mut is_new = false;
        for (index, (token, before)) in self.tokens.iter().zip(&mut looked_at.tokens).enumerate() {
            let (TokenDigest::File(path), Some(before)) = (&token.digest, before) else { continue };
            let (now, digest) = read_digest(&key_of(index, token), path);
            if now == *before {
                continue;
            }
            *before = now;
            match digest {
                Ok(digest) => {
                    (known[index].digest, is_new) = (Some(digest), true);
                    tracing::info!(token = token.name, "a token is renewed");
                }
                // Who takes it away means to. What cannot be looked at may be back soon.
                Err(_) if path.try_exists().is_ok_and(|is_there| !is_there) => {
                    (known[index].digest, is_new) = (None, true);
                    tracing::warn!(token = token.name, file = %path.display(), "a token's file is gone, and so is the token");
                }
                Err(problem) => tracing::warn!(token = token.name, %problem, "the old token stays good"),
            }
        }
        if is_new {
            self.known.send_replace(known.into());
        }
    }
}

fn key_of(index: usize, token: &TokenSettings) -> String {
    format!("server.tokens[{index}] ({:?}).sha256_file", token.name)
}

/// A token's digest from its file, and what tells that file from another.
fn read_digest(key: &str, path: &Path) -> (Seen, Result<Digest, String>) {
    let read = read(key, path);
    let seen = read.as_deref().map(fingerprint).map_err(Clone::clone);
    let digest = read.and_then(|bytes| {
        let parsed = Digest::parse(&String::from_utf8_lossy(&bytes));
        parsed.map_err(|problem| format!("{key}: {} {problem}", path.display()))
    });
    (seen, digest)
}

/// What is in a file.
fn read(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    file::read(path).map_err(|error| {
        let file = path.display();
        format!(
            "{key}: {file} cannot be read ({error}); put the file there, or let the user that tidegauge runs as read it"
        )
    })
}

fn fingerprint(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}
