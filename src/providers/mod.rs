//! The seam behind which what a provider says of its own replication is fetched.
//!
//! As with stores: no timing, no retrying, no scheduling. The ledger says what to ask and when, the driver puts a deadline
//! on it.

use std::future::Future;
use std::sync::Arc;

use crate::core::model::Failure;
use crate::core::provider::{Question, Reading};

#[cfg(feature = "cosmos")]
pub mod azure_monitor;
#[cfg(feature = "dynamodb")]
pub mod cloudwatch;

/// Somebody who publishes metrics about a store.
pub trait Provider: Send + Sync + 'static {
    /// The regions by their ids, where they have become more: said before the first question to a new one.
    fn follow(&self, _regions: &[Arc<str>]) {}

    /// Asks one region's endpoint. Periods of which nothing is known have no reading; what is not finite or below 0 is
    /// left out.
    fn ask(&self, question: Question) -> impl Future<Output = Result<Vec<Reading>, Failure>> + Send;
}

/// Somebody who is not to be asked says nothing.
impl<P: Provider> Provider for Option<P> {
    fn follow(&self, regions: &[Arc<str>]) {
        if let Some(provider) = self {
            provider.follow(regions);
        }
    }

    async fn ask(&self, question: Question) -> Result<Vec<Reading>, Failure> {
        match self {
            Some(provider) => provider.ask(question).await,
            None => Nobody.ask(question).await,
        }
    }
}

/// Of a store about which nobody publishes anything.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Provider for Nobody {
    async fn ask(&self, _question: Question) -> Result<Vec<Reading>, Failure> {
        Ok(Vec::new())
    }
}
