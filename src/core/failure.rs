//! Why a call failed: in one of few words, for a machine, and in others for people.

/// Why a call failed. Closed, so that it can be a metric label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// The store refused for lack of capacity.
    Throttled,
    /// The store refused because its own replication cannot keep up.
    QueueFull,
    /// The caller may not do this.
    Denied,
    /// No credentials, or they have expired.
    Credentials,
    /// No such table, container or account.
    NotFound,
    /// No answer within the deadline.
    Timeout,
    /// No connection, or it broke.
    Connect,
    /// The name did not resolve.
    Dns,
    /// The region takes no writes.
    ReadOnly,
    /// The region cannot serve it now.
    Unavailable,
    /// Another region answered in its place: nothing that could be measured.
    OtherRegion,
    /// Anything else, server errors among them.
    Other,
}

impl Reason {
    /// Every reason, in the order of [`Reason::index`].
    pub const ALL: [Reason; 12] = [
        Reason::Throttled,
        Reason::QueueFull,
        Reason::Denied,
        Reason::Credentials,
        Reason::NotFound,
        Reason::Timeout,
        Reason::Connect,
        Reason::Dns,
        Reason::ReadOnly,
        Reason::Unavailable,
        Reason::OtherRegion,
        Reason::Other,
    ];

    /// Its place in [`Reason::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether it was a lack of capacity, of whatever.
    pub fn is_throttling(self) -> bool {
        matches!(self, Reason::Throttled | Reason::QueueFull)
    }

    /// Whether the region may be gone: nobody there answers, or it says itself that it cannot. What is refused for another
    /// reason is refused by a region that lives.
    pub fn is_out_of_reach(self) -> bool {
        match self {
            Reason::Timeout | Reason::Connect | Reason::Dns | Reason::Unavailable | Reason::OtherRegion => true,
            Reason::Throttled
            | Reason::QueueFull
            | Reason::Denied
            | Reason::Credentials
            | Reason::NotFound
            | Reason::ReadOnly
            | Reason::Other => false,
        }
    }

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Reason::Throttled => "throttled",
            Reason::QueueFull => "replication_queue_full",
            Reason::Denied => "denied",
            Reason::Credentials => "credentials",
            Reason::NotFound => "not_found",
            Reason::Timeout => "timeout",
            Reason::Connect => "connect",
            Reason::Dns => "dns",
            Reason::ReadOnly => "read_only",
            Reason::Unavailable => "unavailable",
            Reason::OtherRegion => "other_region",
            Reason::Other => "other",
        }
    }

    /// In words, for a person on call.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Throttled => "the store throttles us",
            Reason::QueueFull => "the store refuses writes until its replication has caught up",
            Reason::Denied => "access is denied",
            Reason::Credentials => "credentials are missing or have expired",
            Reason::NotFound => "the table or container is not there",
            Reason::Timeout => "no answer within the deadline",
            Reason::Connect => "no connection",
            Reason::Dns => "the endpoint's name does not resolve",
            Reason::ReadOnly => "the region takes no writes",
            Reason::Unavailable => "the region says that it cannot serve this now",
            Reason::OtherRegion => "only another region answers in its place, which says nothing about this one",
            Reason::Other => "the store answered with an error",
        }
    }
}

/// A call that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The closed reason.
    pub reason: Reason,
    /// What the store or the SDK said, for the log.
    pub message: String,
}
