//! Asking Azure over HTTP what no SDK asks: one GET each, tried once, within a deadline, with an answer of limited size.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, Method, Request, Url};
use azure_core::time::{OffsetDateTime, parse_rfc7231, to_rfc7231};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::credentials::Credentials;
use super::http::Http;
use crate::clock::Clock;
use crate::core::model::{Failure, Reason};
use crate::core::time::{Mono, Span, Wall};
use crate::stores::text;

/// An answer that is larger is not read to its end. The largest that are asked for have some 100 KiB.
const ANSWER_MAX: usize = 4 << 20;

/// So much of what a refusal says is read.
const REFUSAL_MAX: usize = 16 << 10;

/// Whoever throttles may ask to be left alone for at most so long.
const QUIET_MAX: Span = Span::from_millis(3_600_000);

/// The version of the account's own protocol.
const COSMOS_VERSION: &str = "2020-07-15";

/// What a token for the account's data is for.
pub const COSMOS_SCOPE: &str = "https://cosmos.azure.com/.default";

/// What stays as it is in a part of a URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Text as a part of a URL's path or query: a space is `%20`.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// How a request shows who sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth<'a> {
    /// By a token for this scope.
    Bearer(&'a str),
    /// As Cosmos DB wants it of a request for this kind of resource, with this link: signed with the account's key where
    /// there is one, else by a token. Both are empty for the account itself.
    Account {
        /// `colls`, say.
        kind: &'a str,
        /// Its path without a slash before it.
        link: &'a str,
    },
}

/// What was answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Got {
    /// The answer.
    pub body: Json,
    /// The server's clock, cut to whole seconds, where it said.
    pub date: Option<Wall>,
}

/// Asks Azure. Copies share credentials and connections, and who is to be left alone for a while.
#[derive(Clone)]
pub struct Rest {
    credentials: Credentials,
    http: Http,
    clock: Clock,
    deadline: Duration,
    /// By authority, who throttled: not to be asked before this.
    quiet: Arc<Mutex<HashMap<String, Mono>>>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Rest {
    /// Asks with these credentials. No question takes longer than `deadline`.
    pub fn new(credentials: Credentials, http: Http, clock: Clock, deadline: Duration) -> Rest {
        Rest { credentials, http, clock, deadline, quiet: Arc::default() }
    }

    /// Asks for what is at `url`.
    ///
    /// # Errors
    ///
    /// Where it is not given, cannot be asked for, or is no JSON. Whoever throttled and said for how long is not asked
    /// before that time is over: that fails as the throttling did.
    pub async fn get(&self, url: &str, auth: Auth<'_>) -> Result<Got, Failure> {
        let parsed = Url::parse(url).map_err(|error| other(format_args!("{url:?} is not a URL: {error}")))?;
        let whom = parsed.authority().to_owned();
        self.may_ask(&whom)?;
        let asked = timeout(self.deadline, self.ask(parsed, &whom, auth)).await;
        asked.unwrap_or_else(|_| {
            let message = text::line(format_args!("{whom} did not answer within {} s", self.deadline.as_secs_f64()));
            Err(Failure { reason: Reason::Timeout, message })
        })
    }

    async fn ask(&self, url: Url, whom: &str, auth: Auth<'_>) -> Result<Got, Failure> {
        let where_to = url.to_string();
        let unreached = |error: azure_core::Error| unreached(whom, &where_to, &error);
        let mut request = Request::new(url, Method::Get);
        request.insert_header("accept", "application/json");
        request.insert_header("user-agent", concat!("tidegauge/", env!("CARGO_PKG_VERSION")));
        let secrets = self.sign(&mut request, auth).await?;
        let client = self.http.client().await?;
        let answer = client.execute_request(&request).await.map_err(unreached)?;
        let status = u16::from(answer.status());
        let date = answer.headers().get_optional_str(&HeaderName::from_static("date"));
        let date = date.and_then(|date| parse_rfc7231(date).ok()).map(wall);
        if status == 200 {
            let body = read(answer, ANSWER_MAX).await.map_err(unreached)?;
            let Some(body) = body else {
                return Err(other(format_args!("{whom} answers more than {} MiB", ANSWER_MAX >> 20)));
            };
            let body = serde_json::from_slice(&body);
            return match body {
                Ok(body) => Ok(Got { body, date }),
                Err(error) => Err(other(format_args!("{whom} answers no JSON: {error}"))),
            };
        }
        if status == 401 {
            self.refused(&secrets, auth).await;
        }
        let pause = self.pause(answer.headers()).filter(|_| is_throttling(status));
        if let Some(pause) = pause {
            let until = self.clock.mono() + pause;
            self.quiet.lock().unwrap_or_else(PoisonError::into_inner).insert(whom.to_owned(), until);
        }
        // What cannot be read of it is not said, and it is a refusal all the same.
        let mut said = said(&read(answer, REFUSAL_MAX).await.ok().flatten().unwrap_or_default());
        for secret in secrets.hidden() {
            said = said.replace(secret, "[redacted]");
        }
        let pause = pause.map_or(String::new(), leave_alone);
        let message = text::line(format_args!("{whom} answers {status}{pause}{said}"));
        Err(Failure { reason: of_status(status), message })
    }

    /// Whether whoever throttled has been left alone for long enough.
    fn may_ask(&self, whom: &str) -> Result<(), Failure> {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.mono();
        quiet.retain(|_, until| now < *until);
        let Some(until) = quiet.get(whom) else { return Ok(()) };
        let message = text::line(format_args!("{whom} is not asked{}", leave_alone(*until - now)));
        Err(Failure { reason: Reason::Throttled, message })
    }

    /// For how long whoever answered wants to be left alone, if it says.
    fn pause(&self, headers: &Headers) -> Option<Span> {
        let header = |name: &'static str| headers.get_optional_str(&HeaderName::from_static(name));
        let millis = header("x-ms-retry-after-ms").and_then(|millis| millis.trim().parse().ok());
        let seconds = || {
            let text = header("retry-after")?.trim();
            match text.parse::<u32>() {
                Ok(seconds) => Some(Span::from_millis(i64::from(seconds) * 1_000)),
                Err(_) => Some(wall(parse_rfc7231(text).ok()?) - self.clock.wall()),
            }
        };
        let pause = millis.map(|millis: u32| Span::from_millis(i64::from(millis))).or_else(seconds)?;
        (pause > Span::ZERO).then_some(pause.min(QUIET_MAX))
    }

    /// Puts onto a request what shows who sends it.
    async fn sign(&self, request: &mut Request, auth: Auth<'_>) -> Result<Secrets, Failure> {
        let (secrets, header) = match (auth, self.credentials.key()) {
            (Auth::Bearer(scope), _) => {
                let token = self.credentials.entra().token(scope).await?;
                let header = format!("Bearer {}", token.secret());
                (Secrets { secret: token, signature: None }, header)
            }
            (Auth::Account { kind, link }, Some(key)) => {
                let key = key.get().await?;
                let date = self.date(request)?;
                let signed = format!("get\n{kind}\n{link}\n{}\n\n", date.to_ascii_lowercase());
                let signature = hmac_sha256(&signed, &key);
                let signature = signature.map_err(|_| Failure {
                    reason: Reason::Credentials,
                    message: "the account's key cannot be signed with".to_owned(),
                })?;
                let header = encode(&format!("type=master&ver=1.0&sig={signature}"));
                (Secrets { secret: key, signature: Some(signature) }, header)
            }
            (Auth::Account { .. }, None) => {
                let token = self.credentials.entra().token(COSMOS_SCOPE).await?;
                self.date(request)?;
                let header = encode(&format!("type=aad&ver=1.0&sig={}", token.secret()));
                (Secrets { secret: token, signature: None }, header)
            }
        };
        request.insert_header("authorization", header);
        Ok(secrets)
    }

    /// Puts the date onto a request of the account's own protocol, which signs it.
    fn date(&self, request: &mut Request) -> Result<String, Failure> {
        let nanos = i128::from(self.clock.wall().as_micros()) * 1_000;
        let date = OffsetDateTime::from_unix_timestamp_nanos(nanos);
        let date = date.map_err(|error| other(format_args!("the clock is off: {error}")))?;
        let date = to_rfc7231(&date);
        request.insert_header("x-ms-date", date.clone());
        request.insert_header("x-ms-version", COSMOS_VERSION);
        Ok(date)
    }

    /// A key that was refused may have been changed since it was read: the next question goes with what is there now.
    async fn refused(&self, secrets: &Secrets, auth: Auth<'_>) {
        if let (Auth::Account { .. }, Some(key)) = (auth, self.credentials.key()) {
            // Where it cannot be read the old one is kept, and refused again.
            let _ = key.after_refusal(&secrets.secret).await;
        }
    }
}

/// What a request was signed with.
struct Secrets {
    secret: Secret,
    signature: Option<String>,
}

impl Secrets {
    /// What must not come back in a message: servers may repeat what they were sent.
    fn hidden(&self) -> impl Iterator<Item = &str> {
        [Some(self.secret.secret()), self.signature.as_deref()]
            .into_iter()
            .flatten()
            .filter(|secret| !secret.is_empty())
    }
}

/// An answer's body; `None` where there is more of it than may be.
async fn read(answer: AsyncRawResponse, most: usize) -> azure_core::Result<Option<Vec<u8>>> {
    let mut body = answer.into_body();
    let mut read = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if read.len() + chunk.len() > most {
            return Ok(None);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(Some(read))
}

/// What a refusal says of itself, in the two shapes in which Azure says it.
fn said(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Json>(body) else { return String::new() };
    let error = body.get("error").unwrap_or(&body);
    let word = |key: &str| error.get(key).and_then(Json::as_str).filter(|word| !word.is_empty());
    let code = word("code").map_or(String::new(), |code| format!(" ({code})"));
    let message = word("message").map_or(String::new(), |message| format!(": {message}"));
    code + &message
}

fn leave_alone(pause: Span) -> String {
    format!(", and is to be left alone for {:.0} s", pause.as_secs_f64().ceil())
}

/// Azure throttles by 429, and its resource manager by 529 where it is itself overloaded.
fn is_throttling(status: u16) -> bool {
    matches!(status, 429 | 529)
}

fn of_status(status: u16) -> Reason {
    match status {
        401 => Reason::Credentials,
        403 => Reason::Denied,
        404 => Reason::NotFound,
        408 | 504 => Reason::Timeout,
        503 => Reason::Unavailable,
        status if is_throttling(status) => Reason::Throttled,
        _ => Reason::Other,
    }
}

/// What kept a request from being sent, or its answer from being read. Without the URL, which the client repeats and which
/// may be longer than what is wrong.
fn unreached(whom: &str, url: &str, error: &azure_core::Error) -> Failure {
    let said: Vec<String> =
        text::chain(error).map(|error| error.to_string().replace(&format!(" for url ({url})"), "")).collect();
    let message = text::line(format_args!("{whom} was not reached: {}", said.join(": ")));
    Failure { reason: text::out_of_reach(error), message }
}

fn wall(at: OffsetDateTime) -> Wall {
    Wall::from_micros(i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
}

fn other(message: fmt::Arguments<'_>) -> Failure {
    Failure { reason: Reason::Other, message: text::line(message) }
}
