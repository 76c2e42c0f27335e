//! What went wrong, as one of the closed reasons, and whether a write may have been committed all the same.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::core::model::{Failure, Reason};

/// Longest message that is kept, in characters.
const MESSAGE_MAX: usize = 300;

/// What an error means.
pub fn failure<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let message: String = DisplayErrorContext(error).to_string().chars().take(MESSAGE_MAX).collect();
    let reason = match error {
        SdkError::TimeoutError(_) => Reason::Timeout,
        SdkError::ServiceError(service) => service.err().code().map_or(Reason::Other, of_code),
        _ => of_chain(error),
    };
    Failure { reason, message }
}

/// Whether the write behind this error may have reached the table: not if the store refused it, nor if it never left.
pub fn maybe_committed<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => service.raw().status().is_server_error(),
        SdkError::ConstructionFailure(_) => false,
        SdkError::DispatchFailure(_) => {
            let text = chain_text(error);
            let never_left = matches!(of_chain(error), Reason::Dns | Reason::Credentials)
                || text.contains("tcp connect error")
                || text.contains("connection refused");
            !never_left
        }
        _ => true,
    }
}

fn of_code(code: &str) -> Reason {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "ThrottlingError"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "SlowDown" => Reason::Throttled,
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "KMSAccessDeniedException" | "OptInRequired" => {
            Reason::Denied
        }
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "IncompleteSignatureException"
        | "RequestExpired" => Reason::Credentials,
        "ResourceNotFoundException" => Reason::NotFound,
        "RequestTimeout" | "RequestTimeoutException" => Reason::Timeout,
        _ => Reason::Other,
    }
}

/// The SDK tells these apart by nothing but what its connectors and providers say.
fn of_chain(error: &(dyn Error + 'static)) -> Reason {
    let text = chain_text(error);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["dns error", "failed to lookup address", "no such host"]) {
        Reason::Dns
    } else if says(&["credential", "identity", "token"]) {
        Reason::Credentials
    } else if says(&["timed out", "timeout"]) {
        Reason::Timeout
    } else if says(&["connect", "connection", "reset", "broken pipe", "io error", "closed"]) {
        Reason::Connect
    } else {
        Reason::Other
    }
}

fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&error.to_string().to_lowercase());
        text.push('\n');
        next = error.source();
    }
    text
}
