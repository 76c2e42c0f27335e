//! What went wrong, as one of the closed reasons, and whether a write may have been committed all the same.

use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;
use azure_data_cosmos::diagnostics::DiagnosticsContext;
use azure_data_cosmos::options::Region;
use azure_data_cosmos::{CosmosError, CosmosStatus};

use crate::core::model::{Failure, Reason};
use crate::stores::text;

/// 429: replication cannot keep up with writes, which is no lack of request units.
const QUEUE_FULL: u16 = 3075;

/// 404: the replica has not got as far as a session's token.
const SESSION_NOT_AVAILABLE: u16 = 1002;

/// Sub-statuses from here on are not the service's but the SDK's.
const SDK_CODES: u16 = 20_000;

/// 403: there is no such account, or not in this region.
const ACCOUNT_NOT_FOUND: u16 = 1008;

/// What an error means.
pub fn failure(error: &CosmosError) -> Failure {
    Failure { reason: reason(error), message: text::line(format_args!("{error}")) }
}

/// Whether it says that there is no such document, where there could be one.
pub fn is_absent(error: &CosmosError) -> bool {
    error.is_from_wire() && (status(error.status()), sub_status(error.status())) == (404, 0)
}

/// Whether a heartbeat is none that the container can take: it is another one by now, partitioned by something else.
pub fn is_misfit(error: &CosmosError) -> bool {
    error.is_from_wire() && status(error.status()) == 400
}

/// Whether somebody else was faster: the document has come, or changed since it was looked at.
pub fn is_overtaken(error: &CosmosError) -> bool {
    error.is_from_wire() && matches!(status(error.status()), 409 | 412)
}

/// Whether the write behind this error may have reached the container: not if the store refused it, nor if it never left.
pub fn maybe_committed(error: &CosmosError) -> bool {
    match last_answer(error) {
        // It refuses with a 4xx; who says 408 gave up waiting.
        Some((status, _)) => !(400..500).contains(&status) || status == 408,
        None => {
            // Without any it never came to a request: no credentials, or nothing to send.
            let requests = error.diagnostics().map(|diagnostics| diagnostics.requests());
            requests.is_some_and(|requests| requests.iter().any(|request| request.request_sent().may_have_been_sent()))
        }
    }
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
    match last_answer(error) {
        None => of_sdk(error),
        Some((429, QUEUE_FULL)) => Reason::QueueFull,
        Some((429, _)) => Reason::Throttled,
        Some((401, _)) => Reason::Credentials,
        Some((403, ACCOUNT_NOT_FOUND)) => Reason::NotFound,
        Some((403, _)) => Reason::Denied,
        Some((404, SESSION_NOT_AVAILABLE)) => Reason::Unavailable,
        Some((404, _)) => Reason::NotFound,
        Some((408, _)) => Reason::Timeout,
        Some((410 | 449 | 503, _)) => Reason::Unavailable,
        Some(_) => Reason::Other,
    }
}

/// What the service said last, status and sub-status; `None` where it said nothing. The SDK tries some refusals again until
/// its time is over, and then tells of nothing but that.
fn last_answer(error: &CosmosError) -> Option<(u16, u16)> {
    if error.is_from_wire() {
        return Some((status(error.status()), sub_status(error.status())));
    }
    let last = error.diagnostics()?.requests().last().map(|request| *request.status())?;
    let said = (status(last), sub_status(last));
    (said.0 >= 400 && said.1 < SDK_CODES).then_some(said)
}

/// What never became an answer. The SDK tells what kept it apart in its own codes.
fn of_sdk(error: &CosmosError) -> Reason {
    let error = inmost(error);
    let name = error.status().name().unwrap_or_default().to_ascii_lowercase();
    match azure_core::Error::from(error.clone()).kind() {
        ErrorKind::Credential => Reason::Credentials,
        _ if name.contains("dns") => Reason::Dns,
        _ if name.contains("timeout") || status(error.status()) == 408 => Reason::Timeout,
        ErrorKind::Connection | ErrorKind::Io => Reason::Connect,
        _ => Reason::Other,
    }
}

/// What an error is about, where it is about another one.
fn inmost(error: &CosmosError) -> &CosmosError {
    let of_sdk = text::chain(error).filter_map(|error| error.downcast_ref::<CosmosError>());
    of_sdk.last().unwrap_or(error)
}

fn status(status: CosmosStatus) -> u16 {
    u16::from(StatusCode::from(status))
}

fn sub_status(status: CosmosStatus) -> u16 {
    status.sub_status().map_or(0, |code| code.value())
}
