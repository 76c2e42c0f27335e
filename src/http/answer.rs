//! The envelope of every JSON answer, and the problems that a request can have.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::resource::Described;
use super::words::Word;
use crate::core::model::RegionId;
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Span, Wall};
use crate::view::View;

/// Longest duration that a parameter can be: ten years.
const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// How who asks is to say who it is.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"tidegauge\"");

/// `{"status":"success","data":…}`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Answer")]
pub struct Success<T> {
    #[schemars(extend("const" = "success"))]
    status: &'static str,
    data: T,
}

impl<T: Serialize> Success<T> {
    /// Wraps the data.
    pub fn of(data: T) -> Json<Success<T>> {
        Json(Success { status: "success", data })
    }
}

/// What can be wrong with a request, or with us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request is not of the form that the resource takes.
    BadData,
    /// Nobody is known who asks.
    Unauthorized,
    /// Who asks may not.
    Forbidden,
    /// What was asked for does not exist.
    NotFound,
    /// The resource is not asked in this way.
    MethodNotAllowed,
    /// What was sent is too long.
    PayloadTooLarge,
    /// What was sent is not of the kind that is taken.
    UnsupportedMediaType,
    /// It is addressed to somebody else.
    Misdirected,
    /// Not now.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::BadData,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::PayloadTooLarge,
        Kind::UnsupportedMediaType,
        Kind::Misdirected,
        Kind::Unavailable,
        Kind::Internal,
    ];

    /// The word in the answer.
    pub fn label(self) -> &'static str {
        match self {
            Kind::BadData => "bad_data",
            Kind::Unauthorized => "unauthorized",
            Kind::Forbidden => "forbidden",
            Kind::NotFound => "not_found",
            Kind::MethodNotAllowed => "method_not_allowed",
            Kind::PayloadTooLarge => "payload_too_large",
            Kind::UnsupportedMediaType => "unsupported_media_type",
            Kind::Misdirected => "misdirected",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }

    /// The answer's status.
    pub fn status(self) -> StatusCode {
        match self {
            Kind::BadData => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Kind::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// When this is the answer, for who reads of it beforehand.
    pub fn about(self) -> &'static str {
        match self {
            Kind::BadData => {
                "A parameter is unknown, missing, given twice, or has a value that it cannot have; or the settings that \
                 were to be read anew are wrong."
            }
            Kind::Unauthorized => {
                "Where the settings guard this: no token and no client certificate was shown, or a token that is not known."
            }
            Kind::Forbidden => "Who asks is known and may not, or the request comes from a page of another site.",
            Kind::NotFound => "What was asked for does not exist.",
            Kind::MethodNotAllowed => "Everything is read with GET, but for the reload, which takes POST.",
            Kind::PayloadTooLarge => "The request's body is longer than 4 KiB.",
            Kind::UnsupportedMediaType => "The request does not have the header `Content-Type: application/json`.",
            Kind::Misdirected => {
                "The request is addressed to a name that is neither loopback's, nor an IP address, nor one of                  `server.access.hosts`."
            }
            Kind::Unavailable => {
                "The settings were refused, and nothing is known; or as much is being done already as may be at once. \
                 Without a body where no answer began in time."
            }
            Kind::Internal => "The gauge could not make this answer; its log says why.",
        }
    }
}

/// A request that is not answered as was asked, and why.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    message: String,
}

/// `{"status":"error","errorType":…,"error":…}`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemBody {
    #[schemars(extend("const" = "error"))]
    status: &'static str,
    #[serde(rename = "errorType")]
    error_type: Word<Kind>,
    /// What is wrong, and what to do about it, for a person.
    error: String,
}

impl Problem {
    /// What it is answered with.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// What is wrong, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Of which kind it is.
    #[cfg(test)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The request is not of the form that the resource takes.
    pub fn bad_data(message: impl Into<String>) -> Problem {
        Problem { kind: Kind::BadData, message: message.into() }
    }

    /// A parameter that must be given was not.
    pub fn missing(name: &str) -> Problem {
        Problem::bad_data(format!("parameter {name:?} is missing"))
    }

    /// What was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Problem {
        Problem { kind: Kind::NotFound, message: message.into() }
    }

    /// Nobody is known who asks.
    pub fn unauthorized(message: impl Into<String>) -> Problem {
        Problem { kind: Kind::Unauthorized, message: message.into() }
    }

    /// Who asks may not.
    pub fn forbidden(message: impl Into<String>) -> Problem {
        Problem { kind: Kind::Forbidden, message: message.into() }
    }

    /// The request is addressed to somebody else.
    pub fn misdirected(message: impl Into<String>) -> Problem {
        Problem { kind: Kind::Misdirected, message: message.into() }
    }

    /// The body is longer than so many bytes.
    pub fn payload_too_large(most: usize) -> Problem {
        let message = format!("the body is too long: {most} bytes are the most that is taken");
        Problem { kind: Kind::PayloadTooLarge, message }
    }

    /// The body is not of the kind that is taken.
    pub fn unsupported_media_type(message: impl Into<String>) -> Problem {
        Problem { kind: Kind::UnsupportedMediaType, message: message.into() }
    }

    /// The resource is not asked in this way.
    pub fn method_not_allowed() -> Problem {
        let message = "this resource is not asked in this way; the header Allow says in which it is".into();
        Problem { kind: Kind::MethodNotAllowed, message }
    }

    /// The settings were refused, and nothing is measured.
    pub fn refused(problems: &str) -> Problem {
        Problem::unavailable(format!("everything is unknown: the settings were refused: {problems}"))
    }

    /// Not now: as much is being done already as may be at once.
    pub fn unavailable(message: impl Into<String>) -> Problem {
        Problem { kind: Kind::Unavailable, message: message.into() }
    }

    /// Our own fault.
    pub fn internal() -> Problem {
        let message = "the gauge could not make this answer; its log says why".into();
        Problem { kind: Kind::Internal, message }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody { status: "error", error_type: Word(self.kind), error: self.message };
        // What was not found now may be there soon.
        let mut response = (self.kind.status(), [(CACHE_CONTROL, "no-store")], Json(body)).into_response();
        if self.kind == Kind::Unauthorized {
            response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}

/// The parameters of a query, each known and given at most once.
#[derive(Debug)]
pub struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Parameters<'_> {
    /// Checks the names against those that the resource takes.
    pub(super) fn of<'a>(uri: &'a Uri, taken: &[Described]) -> Result<Parameters<'a>, Problem> {
        let mut given = Vec::with_capacity(taken.len());
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !taken.iter().any(|parameter| parameter.name == name) {
                let taken: Vec<&str> = taken.iter().map(|parameter| parameter.name).collect();
                let taken = taken.join(", ");
                return Err(Problem::bad_data(format!("unknown parameter {name:?}; this resource takes: {taken}")));
            }
            if given.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::bad_data(format!("parameter {name:?} is given twice")));
            }
            given.push((name, value));
        }
        Ok(Parameters(given))
    }

    /// A parameter's value, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// Whether any was given.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// A parameter that is one of a few words, where it was given.
    pub fn choice<T: Copy>(&self, name: &str, of: &[T], label: fn(T) -> &'static str) -> Result<Option<T>, Problem> {
        let Some(word) = self.get(name) else { return Ok(None) };
        let found = of.iter().copied().find(|one| label(*one) == word);
        found.map(Some).ok_or_else(|| {
            let words: Vec<&str> = of.iter().copied().map(label).collect();
            Problem::bad_data(format!("{name} {word:?} is not known; use {}", words.join(" or ")))
        })
    }

    /// A parameter that is `true` or `false`, where it was given.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.choice(name, &[true, false], |flag| if flag { "true" } else { "false" })
    }

    /// The store that is asked for, by its place among the view's, where one is.
    pub fn store(&self, view: &View) -> Result<Option<usize>, Problem> {
        let Some(name) = self.get("store") else { return Ok(None) };
        let found = view.stores.iter().position(|store| &*store.plan.store == name);
        found.map(Some).ok_or_else(|| {
            let names: Vec<&str> = view.stores.iter().map(|store| &*store.plan.store).collect();
            Problem::not_found(format!("no store {name:?}; there are: {}", names.join(", ")))
        })
    }

    /// A region of a store, where one was given. `East US` is `eastus`, as in the settings.
    pub fn region(&self, name: &str, store: &StoreSnapshot) -> Result<Option<RegionId>, Problem> {
        let Some(wanted) = self.get(name) else { return Ok(None) };
        let mut regions = store.plan.region_ids();
        let short = |name: &str| name.split_whitespace().collect::<String>().to_ascii_lowercase();
        let is_meant = |name: &str| name == wanted || (wanted.contains(' ') && short(name) == short(wanted));
        let found = regions.find(|region| is_meant(store.region(*region)));
        found.map(Some).ok_or_else(|| {
            let names: Vec<&str> = store.plan.region_ids().map(|region| &**store.region(region)).collect();
            let (store, names) = (&store.plan.store, names.join(", "));
            Problem::not_found(format!("{name}: store {store:?} has no region {wanted:?}; there are: {names}"))
        })
    }

    /// A duration with its unit, or a plain number of seconds, where one was given: nothing to ten years.
    pub fn duration(&self, name: &str) -> Result<Option<Span>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let duration = match text.parse::<f64>() {
            Ok(seconds) if seconds < 0.0 => {
                return Err(Problem::bad_data(format!("{name} {text:?} is below zero; a duration is not")));
            }
            Ok(seconds) if seconds.is_nan() => None,
            // Infinity among them.
            Ok(seconds) => Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
            Err(_) => humantime::parse_duration(text).ok(),
        };
        match duration {
            Some(duration) if duration <= DURATION_MAX => Ok(Some(Span::from(duration))),
            Some(_) => {
                Err(Problem::bad_data(format!("{name} {text:?} is longer than ten years, the longest there is")))
            }
            None => {
                let message =
                    "is not a duration; write one with its unit, such as 2s or 1500ms, or seconds, such as 2.5";
                Err(Problem::bad_data(format!("{name} {text:?} {message}")))
            }
        }
    }

    /// An instant, where one was given.
    pub fn instant(&self, name: &str) -> Result<Option<Wall>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        Wall::from_rfc3339(text).map(Some).ok_or_else(|| {
            let message = "is no instant since 1970 as RFC 3339 has it, in UTC, such as 2026-01-31T12:00:00.5Z";
            Problem::bad_data(format!("{name} {text:?} {message}"))
        })
    }

    /// A parameter that must be given.
    pub fn required(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::missing(name))
    }
}

/// RFC 3339 in UTC, to the microsecond.
pub fn rfc3339(at: Wall) -> String {
    let since = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0));
    // The year 9999 is as far as the format goes.
    let since = since.min(Duration::from_secs(253_402_300_799));
    humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}
