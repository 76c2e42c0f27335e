//! What a request asks for, told from its method, its path and its headers.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// The account itself: its regions, its consistency (`GET /`).
    Account,
    /// A database, a container, its partition key ranges, its throughput.
    Metadata,
    /// One document.
    Read,
    /// A query over documents.
    Query,
    /// How a query over several partitions is to be run; the gateway is asked for it before some queries.
    QueryPlan,
    /// Documents without a query: a change feed, or all of them.
    Feed,
    /// A document that must not be there yet.
    Create,
    /// A document, there or not.
    Upsert,
    /// A document that must be there.
    Replace,
    /// The end of a document.
    Delete,
    /// A change inside a document.
    Patch,
    /// Several documents of one partition key at once.
    Batch,
    /// What changes a database, a container or its throughput.
    ControlPlane,
    /// None of these.
    Other,
}

impl Operation {
    pub(super) fn of(parts: &Parts) -> Operation {
        let path: Vec<&str> = parts.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let is_query =
            says_yes(&parts.headers, "x-ms-documentdb-isquery") || says_yes(&parts.headers, "x-ms-documentdb-query");
        let (get, post) = (parts.method == Method::GET, parts.method == Method::POST);
        match path.as_slice() {
            [] if get => Operation::Account,
            ["dbs", _, "colls", _, "docs"] if get => Operation::Feed,
            ["dbs", _, "colls", _, "docs"] if post => {
                if says_yes(&parts.headers, "x-ms-cosmos-is-query-plan-request") {
                    Operation::QueryPlan
                } else if is_query {
                    Operation::Query
                } else if says_yes(&parts.headers, "x-ms-cosmos-is-batch-request") {
                    Operation::Batch
                } else if says_yes(&parts.headers, "x-ms-documentdb-is-upsert") {
                    Operation::Upsert
                } else {
                    Operation::Create
                }
            }
            ["dbs", _, "colls", _, "docs", _] => match parts.method {
                Method::GET => Operation::Read,
                Method::PUT => Operation::Replace,
                Method::DELETE => Operation::Delete,
                Method::PATCH => Operation::Patch,
                _ => Operation::Other,
            },
            ["dbs" | "offers", ..] if get || (post && is_query) => Operation::Metadata,
            ["dbs" | "offers", ..] => Operation::ControlPlane,
            _ => Operation::Other,
        }
    }

    /// Does it read documents?
    pub fn is_read(self) -> bool {
        matches!(self, Operation::Read | Operation::Query | Operation::Feed)
    }

    /// Does it write documents?
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Operation::Create
                | Operation::Upsert
                | Operation::Replace
                | Operation::Delete
                | Operation::Patch
                | Operation::Batch
        )
    }
}

fn says_yes(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}
