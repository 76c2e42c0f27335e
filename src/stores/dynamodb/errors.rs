//! What went wrong, as one of the closed reasons, and whether a write may have been committed all the same.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::core::model::{Failure, Reason};
use crate::stores::text;

/// What an error means.
pub fn failure<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let reason = match error {
        SdkError::TimeoutError(_) => Reason::Timeout,
        SdkError::ServiceError(service) => service.err().code().map_or(Reason::Other, of_code),
        _ => of_chain(error),
    };
    // Without the debug form that the SDK's own display of an error ends with, which says all of it again.
    Failure { reason, message: text::of(error) }
}

/// Whether the write behind this error may have reached the table: not if the store refused it, nor if it never left.
pub fn maybe_committed<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        // The store refuses with a 4xx. Whatever else cannot be understood, a garbled 200 say, proves nothing; nor does
        // a gateway that gave up waiting for the store (408).
        SdkError::ServiceError(service) => {
            let status = service.raw().status();
            !status.is_client_error() || status.as_u16() == 408
        }
        SdkError::ConstructionFailure(_) => false,
        // It never left without credentials, nor while the connection was being made: name, TCP and TLS.
        SdkError::DispatchFailure(_) => {
            !(of_chain(error) == Reason::Credentials
                || text::chain_in_lower_case(error).contains("client error (connect)"))
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

/// What kept a request from being sent, or its answer from being read.
fn of_chain(error: &(dyn Error + 'static)) -> Reason {
    // Before the others: a service that gives credentials may itself be slow, or out of reach.
    if text::chain(error).any(|error| error.is::<CredentialsError>()) {
        return Reason::Credentials;
    }
    text::out_of_reach(error)
}
