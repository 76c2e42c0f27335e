//! What lets one into an account, and into Azure: an identity of Microsoft Entra, or one of the account's keys.
//!
//! Making them reaches nothing and never fails, as a gauge has to start while they are out of reach. What is wrong with
//! them shows when they are first needed, as a failure that names the variable or the file, never what is in it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use azure_core::base64;
use azure_core::credentials::{Secret, TokenCredential};
use tokio::sync::Mutex;

use super::entra::Entra;
use super::http::Http;
use super::way::Way;
use crate::clock::Clock;
use crate::core::model::{Failure, Reason};
use crate::settings::CosmosAuth;
use crate::stores::text;

/// A key is 88 characters long; a file that holds more than this holds something else.
const KEY_MAX: u64 = 4_096;

/// Where environment variables are looked up.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What lets one in, as the settings say. Copies share tokens and keys.
#[derive(Clone, Debug)]
pub struct Credentials {
    entra: Arc<Entra>,
    key: Option<Arc<AccountKey>>,
}

impl Credentials {
    /// As the settings say. `deadline` is that of the calls that need them: none of them waits so long for a token.
    pub fn from_settings(auth: &CosmosAuth, http: &Http, clock: Clock, deadline: Duration) -> Credentials {
        let environment: Environment = Arc::new(|variable| std::env::var(variable).ok());
        Credentials::with_environment(auth, &environment, http, clock, deadline)
    }

    /// The same, in another environment.
    pub fn with_environment(
        auth: &CosmosAuth,
        environment: &Environment,
        http: &Http,
        clock: Clock,
        deadline: Duration,
    ) -> Credentials {
        let (client_id, key) = match auth {
            CosmosAuth::Entra { client_id } => (client_id.as_deref(), None),
            CosmosAuth::KeyEnv(variable) => (None, Some(Source::Variable(variable.clone(), environment.clone()))),
            CosmosAuth::KeyFile(path) => (None, Some(Source::File(path.clone()))),
        };
        let ways = Way::all(environment, client_id, http);
        Credentials::with(Entra::with_ways(ways, clock, deadline), key.map(AccountKey::of))
    }

    /// These: an identity for Azure itself, and for the account the key, where there is one.
    pub fn with(entra: Entra, key: Option<AccountKey>) -> Credentials {
        Credentials { entra: Arc::new(entra), key: key.map(Arc::new) }
    }

    /// The identity. Azure's resource manager knows no other way in, so there is one beside a key, too.
    pub fn entra(&self) -> &Arc<Entra> {
        &self.entra
    }

    /// The account's key, where that is what lets one in.
    pub fn key(&self) -> Option<&Arc<AccountKey>> {
        self.key.as_ref()
    }

    /// The identity, for an SDK.
    pub fn token_credential(&self) -> Arc<dyn TokenCredential> {
        self.entra.clone()
    }
}

/// One of an account's keys, kept until it is refused.
#[derive(Debug)]
pub struct AccountKey {
    source: Source,
    read: Mutex<Option<Secret>>,
}

impl AccountKey {
    /// The key in this file.
    pub fn in_file(path: &Path) -> AccountKey {
        AccountKey::of(Source::File(path.to_owned()))
    }

    /// The key in this variable of an environment.
    pub fn in_variable(variable: &str, environment: &Environment) -> AccountKey {
        AccountKey::of(Source::Variable(variable.to_owned(), environment.clone()))
    }

    fn of(source: Source) -> AccountKey {
        AccountKey { source, read: Mutex::default() }
    }

    /// The key, read if it was not yet.
    ///
    /// # Errors
    ///
    /// [`Reason::Credentials`], where there is none, or what is there is none.
    pub async fn get(&self) -> Result<Secret, Failure> {
        let mut read = self.read.lock().await;
        if let Some(key) = &*read {
            return Ok(key.clone());
        }
        let key = self.source.read().await?;
        Ok(read.insert(key).clone())
    }

    /// Another key than the one that was refused: the one read since, or read now. `None` where it is still the same.
    ///
    /// # Errors
    ///
    /// As [`AccountKey::get`]; the refused key is kept, as nothing says that the next try fares better without one.
    pub async fn after_refusal(&self, refused: &Secret) -> Result<Option<Secret>, Failure> {
        let mut read = self.read.lock().await;
        if let Some(key) = read.as_ref().filter(|key| *key != refused) {
            return Ok(Some(key.clone()));
        }
        let key = self.source.read().await?;
        let key = read.insert(key).clone();
        Ok((key != *refused).then_some(key))
    }
}

/// Where a key is.
#[derive(Clone)]
enum Source {
    Variable(String, Environment),
    File(PathBuf),
}

impl Source {
    async fn read(&self) -> Result<Secret, Failure> {
        let (place, text) = match self {
            Source::Variable(variable, environment) => {
                let place = format!("the environment variable {variable}");
                let text = environment(variable).ok_or_else(|| missing(&place, "is not set, or not to text"))?;
                (place, text)
            }
            Source::File(path) => {
                let place = format!("the file {}", path.display());
                let path = path.clone();
                // A file may be on a disk that hangs.
                let text = tokio::task::spawn_blocking(move || read(&path)).await;
                let text = text.map_err(|_| missing(&place, "cannot be read"))?;
                let text = text.map_err(|error| missing(&place, &format!("cannot be read: {error}")))?;
                (place, text)
            }
        };
        let key = text.trim();
        if key.is_empty() {
            return Err(missing(&place, "is empty"));
        }
        if base64::decode(key).is_err() {
            return Err(missing(&place, "does not hold one: a key is base64, 88 characters long, and nothing else"));
        }
        Ok(Secret::new(key.to_owned()))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Variable(variable, _) => f.debug_tuple("Variable").field(variable).finish(),
            Source::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(KEY_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn missing(place: &str, what: &str) -> Failure {
    Failure {
        reason: Reason::Credentials,
        message: text::line(format_args!("the account's key should be in {place}, which {what}")),
    }
}
