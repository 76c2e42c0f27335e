//! The envelope of every JSON answer, and the problems that a request can have.

use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::core::time::{Span, Wall};
use crate::view::View;

/// No question is about longer than this.
const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// `{"status":"success","data":…}`.
#[derive(Debug, Serialize)]
pub struct Success<T> {
    status: &'static str,
    data: T,
}

impl<T: Serialize> Success<T> {
    /// Wraps the data.
    pub fn of(data: T) -> Json<Success<T>> {
        Json(Success { status: "success", data })
    }
}

/// `{"status":"error","errorType":…,"error":…}`.
#[derive(Debug)]
pub struct Problem {
    code: StatusCode,
    kind: &'static str,
    message: String,
}

impl Problem {
    /// The request is not of the form that the resource takes.
    pub fn bad_data(message: impl Into<String>) -> Problem {
        Problem { code: StatusCode::BAD_REQUEST, kind: "bad_data", message: message.into() }
    }

    /// What was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Problem {
        Problem { code: StatusCode::NOT_FOUND, kind: "not_found", message: message.into() }
    }

    /// Everything here is read with GET.
    pub fn method_not_allowed() -> Problem {
        let message = "this resource is read with GET".into();
        Problem { code: StatusCode::METHOD_NOT_ALLOWED, kind: "method_not_allowed", message }
    }

    /// The settings were refused, and nothing is measured.
    pub fn refused(problems: &str) -> Problem {
        Problem::unavailable(format!("everything is unknown: the settings were refused: {problems}"))
    }

    /// Not now: as much is being done already as may be at once.
    pub fn unavailable(message: impl Into<String>) -> Problem {
        Problem { code: StatusCode::SERVICE_UNAVAILABLE, kind: "unavailable", message: message.into() }
    }

    /// Our own fault.
    pub fn internal() -> Problem {
        let message = "the gauge could not make this answer; its log says why".into();
        Problem { code: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", message }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            status: &'static str,
            #[serde(rename = "errorType")]
            error_type: &'static str,
            error: String,
        }
        let body = Body { status: "error", error_type: self.kind, error: self.message };
        (self.code, Json(body)).into_response()
    }
}

/// The parameters of a query, each known and given at most once.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Checks the names against those that the resource knows.
    pub fn of(
        query: Result<axum::extract::Query<Vec<(String, String)>>, QueryRejection>,
        known: &[&str],
    ) -> Result<Parameters, Problem> {
        let axum::extract::Query(given) = query.map_err(|rejection| Problem::bad_data(rejection.body_text()))?;
        for (place, (name, _)) in given.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                return Err(Problem::bad_data(format!("unknown parameter {name:?}; this resource takes: {known}")));
            }
            if given[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_data(format!("parameter {name:?} is given twice")));
            }
        }
        Ok(Parameters(given))
    }

    /// A parameter's value, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
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

    /// A duration, where one was given: `2s`, `1500ms`, or a number of seconds; none below 0 and none above ten years.
    pub fn duration(&self, name: &str) -> Result<Option<Span>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok();
        let duration = match seconds {
            Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
            None => humantime::parse_duration(text).map_err(|error| error.to_string()),
        };
        match duration {
            Ok(duration) if duration <= DURATION_MAX => Ok(Some(Span::from(duration))),
            Ok(_) => Err(Problem::bad_data(format!("{name} {text:?} is longer than ten years"))),
            Err(error) => {
                let message = format!("{name} {text:?} is no duration ({error})");
                Err(Problem::bad_data(format!("{message}; write 2s, 1500ms or a number of seconds")))
            }
        }
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

    /// A parameter that must be given.
    pub fn required(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::bad_data(format!("parameter {name:?} is missing")))
    }
}

/// RFC 3339 in UTC, to the microsecond.
pub fn rfc3339(at: Wall) -> String {
    let since = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0));
    // The year 9999 is as far as the format goes.
    let since = since.min(Duration::from_secs(253_402_300_799));
    humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}
