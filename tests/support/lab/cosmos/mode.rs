//! The ways in which a region of the account can be out of order.

use std::time::Duration;

use crate::lab::Down;

use super::operation::Operation;

/// How a region is just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosmosMode {
    /// In order.
    Up,
    /// Out of reach; nothing is executed, and what is replicated to it waits until it is back.
    Down(Down),
    /// Taken out of the account: no other region names it any more, and connections to it are refused. The service
    /// withdraws its name, which a port has not got.
    Offline,
    /// Every request waits this long before it is executed.
    Slow(Duration),
    /// A part of the requests is refused.
    Refusing(Part, Refusal),
}

impl CosmosMode {
    /// The way in which connections are dealt with.
    pub(super) fn down(self) -> Option<Down> {
        match self {
            CosmosMode::Down(down) => Some(down),
            CosmosMode::Offline => Some(Down::Refuse),
            CosmosMode::Up | CosmosMode::Slow(_) | CosmosMode::Refusing(..) => None,
        }
    }

    /// What this one is refused with, if it is.
    pub(super) fn refusal(self, operation: Operation) -> Option<Refusal> {
        match self {
            CosmosMode::Refusing(part, refusal) if part.has(operation) => Some(refusal),
            _ => None,
        }
    }
}

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Reads of documents, queries among them.
    Reads,
    /// Writes of documents.
    Writes,
    /// Both. The account, the container and its partition key ranges answer as before.
    Documents,
    /// All requests.
    Everything,
}

impl Part {
    fn has(self, operation: Operation) -> bool {
        match self {
            Part::Reads => operation.is_read(),
            Part::Writes => operation.is_write(),
            Part::Documents => operation.is_read() || operation.is_write(),
            Part::Everything => true,
        }
    }
}

/// An answer in the negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) status: u16,
    pub(super) sub_status: u32,
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    /// Any status; sub-status 0 is left out, as the service leaves it out.
    pub fn new(status: u16, sub_status: u32) -> Refusal {
        Refusal { status, sub_status, retry_after: None }
    }

    /// The same, with the time that the client is asked to wait (`x-ms-retry-after-ms`).
    pub fn retry_after(self, wait: Duration) -> Refusal {
        Refusal { retry_after: Some(wait), ..self }
    }

    /// The container's throughput is used up (429/3200).
    pub fn throttled() -> Refusal {
        Refusal::new(429, 3200).retry_after(Duration::from_millis(25))
    }

    /// The queue of writes to another region is full (429/3075).
    pub fn replication_queue_full() -> Refusal {
        Refusal::new(429, 3075).retry_after(Duration::from_millis(25))
    }

    /// The region has not got as far as the session token says (404/1002).
    pub fn session_not_available() -> Refusal {
        Refusal::new(404, 1002)
    }

    /// The region takes no writes (403/3).
    pub fn write_forbidden() -> Refusal {
        Refusal::new(403, 3)
    }

    /// No permission (403/5300, as for an identity without a role).
    pub fn denied() -> Refusal {
        Refusal::new(403, 5300)
    }

    /// The key or the token is not taken (401).
    pub fn unauthorized() -> Refusal {
        Refusal::new(401, 0)
    }

    /// The service is not available (503).
    pub fn unavailable() -> Refusal {
        Refusal::new(503, 0)
    }

    /// The service is broken (500).
    pub fn internal_error() -> Refusal {
        Refusal::new(500, 0)
    }
}
