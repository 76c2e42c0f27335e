//! What went wrong, as one of the closed reasons, and whether a write may have been committed all the same.

use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;
use azure_data_cosmos::CosmosError;
use azure_data_cosmos::diagnostics::DiagnosticsContext;
use azure_data_cosmos::options::Region;

use crate::core::model::{Failure, Reason};
use crate::stores::text;

/// 429: replication cannot keep up with writes, which is no lack of request units.
const QUEUE_FULL: u16 = 3075;

/// 404: the replica has not got as far as a session's token.
const SESSION_NOT_AVAILABLE: u16 = 1002;

/// 403: there is no such account, or not in this region.
const ACCOUNT_NOT_FOUND: u16 = 1008;

/// What an error means.
pub fn failure(error: &CosmosError) -> Failure {
    Failure { reason: reason(error), message: text::line(format_args!("{error}")) }
}

/// Whether it says that there is no such document, where there could be one.
pub fn is_absent(error: &CosmosError) -> bool {
    error.is_from_wire() && status(error) == 404 && sub_status(error) == 0
}

/// Whether somebody else was faster: the document has come, gone or changed since it was looked at.
pub fn is_overtaken(error: &CosmosError) -> bool {
    error.is_from_wire() && (matches!(status(error), 409 | 412) || is_absent(error))
}

/// Whether the write behind this error may have reached the container: not if the store refused it, nor if it never left.
pub fn maybe_committed(error: &CosmosError) -> bool {
    if error.is_from_wire() {
        // It refuses with a 4xx; who says 408 gave up waiting.
        return !(400..500).contains(&status(error)) || status(error) == 408;
    }
    !matches!(kind(error), ErrorKind::Connection | ErrorKind::Credential | ErrorKind::Other)
}

/// Why an answer counts for nothing: it came from another region, or nobody knows from where. `None`: it is from `wanted`
/// alone.
pub fn elsewhere(diagnostics: &DiagnosticsContext, wanted: &Region) -> Option<Failure> {
    let responded = diagnostics.responded_regions();
    if !responded.is_empty() && responded.iter().all(|region| *region == wanted) {
        return None;
    }
    let others: Vec<&str> = responded.iter().map(|region| region.as_str()).collect();
    let message = match others.as_slice() {
        [] => format!("the answer bears no region, and {wanted} was asked"),
        others => text::line(format_args!("{} answered, and {wanted} was asked", others.join(" and "))),
    };
    Some(Failure { reason: Reason::OtherRegion, message })
}

/// The same of an error, where it is an answer.
pub fn elsewhere_of(error: &CosmosError, wanted: &Region) -> Option<Failure> {
    let diagnostics = error.diagnostics().filter(|_| error.is_from_wire())?;
    elsewhere(&diagnostics, wanted)
}

fn reason(error: &CosmosError) -> Reason {
    if !error.is_from_wire() {
        return of_kind(error);
    }
    match (status(error), sub_status(error)) {
        (429, QUEUE_FULL) => Reason::QueueFull,
        (429, _) => Reason::Throttled,
        (401, _) => Reason::Credentials,
        (403, ACCOUNT_NOT_FOUND) => Reason::NotFound,
        (403, _) => Reason::Denied,
        (404, SESSION_NOT_AVAILABLE) => Reason::Unavailable,
        (404, _) => Reason::NotFound,
        (408, _) => Reason::Timeout,
        (410 | 449 | 503, _) => Reason::Unavailable,
        _ => Reason::Other,
    }
}

/// What never became an answer. The SDK tells what kept it apart in its own codes.
fn of_kind(error: &CosmosError) -> Reason {
    let name = error.status().name().unwrap_or_default().to_ascii_lowercase();
    match kind(error) {
        ErrorKind::Credential => Reason::Credentials,
        _ if name.contains("dns") => Reason::Dns,
        _ if name.contains("timeout") || status(error) == 408 => Reason::Timeout,
        ErrorKind::Connection | ErrorKind::Io => Reason::Connect,
        // A document that is asked for through a container that is gone is told of like this, too.
        _ if status(error) == 404 => Reason::NotFound,
        _ => Reason::Other,
    }
}

fn kind(error: &CosmosError) -> ErrorKind {
    azure_core::Error::from(error.clone()).kind().clone()
}

fn status(error: &CosmosError) -> u16 {
    u16::from(StatusCode::from(error.status()))
}

fn sub_status(error: &CosmosError) -> u16 {
    error.status().sub_status().map_or(0, |code| code.value())
}
