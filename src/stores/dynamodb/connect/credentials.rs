//! Credentials that are looked up in a task of their own, so that a lookup outlives the call that asked for it.
//!
//! The SDK looks credentials up inside the call that needs them, and a call that reaches its deadline takes the lookup
//! with it. Where assuming a role takes longer than a call may, no lookup would ever come to its end: every call would
//! start one anew, and fail with a timeout that says nothing of credentials.

use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A lookup that hangs for longer is begun anew.
const LOOKUP_MAX: Duration = Duration::from_secs(30);

/// Another provider's credentials, looked up in the background.
pub struct Background {
    provider: SharedCredentialsProvider,
    /// How long a call waits for them; shorter than its deadline, so that it can say what it lacked.
    patience: Duration,
    /// The lookup under way, or one that ended after everybody had gone.
    lookup: Mutex<Option<JoinHandle<provider::Result>>>,
}

impl Background {
    /// Looks up what `provider` has. A call waits for it no longer than `patience`.
    pub fn of(provider: SharedCredentialsProvider, patience: Duration) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Background { provider, patience, lookup: Mutex::default() })
    }

    async fn wait(&self) -> provider::Result {
        match timeout(self.patience, self.look_up()).await {
            Ok(result) => result,
            // The last ones may still do, says the SDK of an instance's metadata service that is out of reach.
            Err(_) => self.provider.fallback_on_interrupt().ok_or_else(|| {
                CredentialsError::provider_error("not here yet, and still being looked up in the background")
            }),
        }
    }

    /// Joins the lookup under way, or begins one. Dropping this leaves the lookup to whoever asks next.
    async fn look_up(&self) -> provider::Result {
        let mut lookup = self.lookup.lock().await;
        let task = lookup.get_or_insert_with(|| {
            let provider = self.provider.clone();
            tokio::spawn(async move {
                let result = timeout(LOOKUP_MAX, provider.provide_credentials()).await;
                result.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(LOOKUP_MAX)))
            })
        });
        let result = task.await.unwrap_or_else(|failed| Err(CredentialsError::unhandled(failed)));
        *lookup = None;
        result
    }
}

impl ProvideCredentials for Background {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.wait())
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("provider", &self.provider).finish_non_exhaustive()
    }
}
