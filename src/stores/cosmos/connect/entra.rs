//! Tokens of Microsoft Entra, looked up in the background and kept while they last.
//!
//! A call that reaches its deadline would take a lookup with it, and where a token takes longer than a call may, none
//! would ever arrive. So each lookup is a task of its own, one for all calls that wait for it; and a token that is about to
//! end is used while the next one is looked up, so that a while without Entra is nothing to those who read and write.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use tokio::sync::watch;
use tokio::time::timeout;

pub use super::way::Way;
use crate::clock::Clock;
use crate::core::model::{Failure, Reason};
use crate::core::time::{Mono, Span};
use crate::stores::text;

/// A token that ends sooner is looked up anew, and used meanwhile. The credentials themselves keep one until it has five
/// minutes left: asked a little earlier, they would give the same again.
const SOON: Span = Span::from_millis(290_000);

/// A token that ends sooner is of no use: it is on its way for a while.
const TOO_SOON: Span = Span::from_millis(10_000);

/// After a lookup that failed the next one waits for so long, however many calls want a token.
const PAUSE: Span = Span::from_millis(5_000);

/// How much of a call's time it waits for a token: it should still be able to say what it lacked.
const PATIENCE: f64 = 0.75;

/// Scopes that are kept. There are two: the account's data, and the resource manager.
const SCOPES_MAX: usize = 16;

/// Of a lookup that ended without having come to anything.
const BROKEN: &str = "the lookup of a token broke down";

/// When a lookup ended, and how; `None` while it goes on.
type Found = Option<(Mono, Result<AccessToken, Arc<str>>)>;

/// An identity of Microsoft Entra.
pub struct Entra {
    ways: Arc<Ways>,
    clock: Clock,
    patience: Duration,
    scopes: Mutex<HashMap<String, Held>>,
}

impl Entra {
    /// One that comes by one of these ways: the first that yields a token is the one from then on, so that nobody goes on
    /// under another identity. `deadline` is that of the calls that need tokens.
    pub fn with_ways(ways: Vec<Way>, clock: Clock, deadline: Duration) -> Entra {
        let ways = Arc::new(Ways { ways, worked: OnceLock::new() });
        Entra { ways, clock, patience: deadline.mul_f64(PATIENCE), scopes: Mutex::default() }
    }

    /// A token for a scope, such as `https://cosmos.azure.com/.default`.
    ///
    /// # Errors
    ///
    /// [`Reason::Credentials`], and what each way said.
    pub async fn token(&self, scope: &str) -> Result<Secret, Failure> {
        Ok(self.access_token(scope).await?.token)
    }

    async fn access_token(&self, scope: &str) -> Result<AccessToken, Failure> {
        let mut lookup = match self.held(scope)? {
            Answer::Token(token) => return Ok(token),
            Answer::Wait(lookup) => lookup,
        };
        let found = match timeout(self.patience, lookup.wait_for(Option::is_some)).await {
            Ok(Ok(found)) => found.clone(),
            Ok(Err(_)) => return Err(failure(BROKEN)),
            Err(_) => None,
        };
        match found {
            Some((_, Ok(token))) => Ok(token),
            Some((_, Err(said))) => Err(failure(&said)),
            None => Err(failure(&format!("no token for {scope} yet; it is still being looked up in the background"))),
        }
    }

    /// What is at hand for a scope. Begins a lookup where one is due.
    fn held(&self, scope: &str) -> Result<Answer, Failure> {
        let (mono, wall) = (self.clock.mono(), self.clock.wall());
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if scopes.len() >= SCOPES_MAX && !scopes.contains_key(scope) {
            return Err(failure("too many scopes"));
        }
        let held = scopes.entry(scope.to_owned()).or_default();
        held.settle(mono);
        let left = |token: &AccessToken| {
            let micros = token.expires_on.unix_timestamp_nanos() / 1_000 - i128::from(wall.as_micros());
            Span::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
        };
        let token = held.token.clone().filter(|token| left(token) > TOO_SOON);
        if let Some(token) = token.as_ref().filter(|token| left(token) > SOON) {
            return Ok(Answer::Token(token.clone()));
        }
        let rests = held.failed.as_ref().filter(|(at, _)| mono - *at < PAUSE);
        match (token, rests) {
            (Some(token), Some(_)) => Ok(Answer::Token(token)),
            (None, Some((_, said))) => Err(failure(said)),
            (token, None) => {
                let lookup =
                    held.lookup.get_or_insert_with(|| self.ways.clone().begin(scope.to_owned(), self.clock)).clone();
                Ok(token.map_or(Answer::Wait(lookup), Answer::Token))
            }
        }
    }
}

#[async_trait::async_trait]
impl TokenCredential for Entra {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let [scope] = scopes else {
            return Err(Error::with_message(ErrorKind::Credential, "a token is for exactly one scope"));
        };
        let token = self.access_token(scope).await;
        token.map_err(|failure| Error::with_message(ErrorKind::Credential, failure.message))
    }
}

impl fmt::Debug for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entra").field("ways", &self.ways.ways).finish_non_exhaustive()
    }
}

enum Answer {
    Token(AccessToken),
    Wait(watch::Receiver<Found>),
}

/// What is known of one scope.
#[derive(Default)]
struct Held {
    token: Option<AccessToken>,
    /// When the last lookup failed, and what it said.
    failed: Option<(Mono, Arc<str>)>,
    lookup: Option<watch::Receiver<Found>>,
}

impl Held {
    /// Takes in what a lookup has come to.
    fn settle(&mut self, now: Mono) {
        let Some(lookup) = &self.lookup else { return };
        let found = lookup.borrow().clone();
        match found {
            Some((_, Ok(token))) => (self.token, self.failed) = (Some(token), None),
            Some((at, Err(said))) => self.failed = Some((at, said)),
            None if lookup.has_changed().is_err() => self.failed = Some((now, BROKEN.into())),
            None => return,
        }
        self.lookup = None;
    }
}

struct Ways {
    ways: Vec<Way>,
    /// The one that yielded a token.
    worked: OnceLock<usize>,
}

impl Ways {
    /// Looks a token up in a task of its own.
    fn begin(self: Arc<Ways>, scope: String, clock: Clock) -> watch::Receiver<Found> {
        let (tell, lookup) = watch::channel(None);
        tokio::spawn(async move {
            let found = self.look_up(&scope).await;
            tell.send_replace(Some((clock.mono(), found)));
        });
        lookup
    }

    async fn look_up(&self, scope: &str) -> Result<AccessToken, Arc<str>> {
        let mut said = Vec::new();
        for (place, way) in self.ways.iter().enumerate() {
            if self.worked.get().is_some_and(|worked| *worked != place) {
                continue;
            }
            match way.token(scope).await {
                Ok(token) => {
                    let _ = self.worked.set(place);
                    return Ok(token);
                }
                Err(one) => said.push(one),
            }
        }
        Err(text::line(format_args!("no token for {scope}: {}", said.join("; "))).into())
    }
}

fn failure(said: &str) -> Failure {
    Failure { reason: Reason::Credentials, message: text::line(format_args!("{said}")) }
}
