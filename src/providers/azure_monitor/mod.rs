//! What Azure Monitor says of an account of Cosmos DB: how late its writes arrive, and what its regions throttled.
//!
//! Lag is told for the account as a whole, as a 99th percentile. What replication wrote into a region is told by nobody.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use azure_core::http::Url;
use serde_json::Value as Json;

use self::answer::{Asked, Readings};
use super::Provider;
use crate::core::model::{Failure, Reason, RegionId};
use crate::core::provider::{Question, Reading};
use crate::settings::CosmosSettings;
use crate::stores::cosmos::connect::rest::{Auth, Rest};
use crate::stores::cosmos::regions;
use crate::stores::text;

mod answer;
mod query;

/// Pages of one answer that are read at most. An answer has a few dozen series of a quarter of an hour.
const PAGES_MAX: usize = 16;

/// Azure Monitor, asked about one account.
pub struct AzureMonitor {
    rest: Rest,
    metrics: String,
    scope: String,
    /// The application's database and container.
    container: (String, String),
    /// By [`RegionId`], in short form.
    regions: RwLock<Arc<[Arc<str>]>>,
}

impl fmt::Debug for AzureMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureMonitor").field("metrics", &self.metrics).field("regions", &self.names()).finish()
    }
}

impl AzureMonitor {
    /// As the settings say, about the application's container, wherever the heartbeats are, in these regions by their ids.
    /// Reaches nothing yet. `None` where the settings do not say which resource the account is.
    pub fn from_settings(settings: &CosmosSettings, rest: Rest, regions: &[Arc<str>]) -> Option<AzureMonitor> {
        let manager = settings.resource_manager.trim_end_matches('/');
        let resource_id = settings.resource_id.as_ref()?;
        Some(AzureMonitor {
            rest,
            metrics: format!("{manager}{resource_id}/providers/Microsoft.Insights/metrics"),
            scope: format!("{manager}/.default"),
            container: (settings.database.clone(), settings.container.clone()),
            regions: RwLock::new(regions.into()),
        })
    }

    fn names(&self) -> Arc<[Arc<str>]> {
        self.regions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for metrics, page by page.
    async fn get(&self, query: &str, mut take: impl FnMut(&Json) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut url = format!("{}?{query}", self.metrics);
        for _ in 0..PAGES_MAX {
            let page = self.rest.get(&url, Auth::Bearer(&self.scope)).await?.body;
            take(&page)?;
            match page["nextLink"].as_str().filter(|next| !next.is_empty()) {
                None => return Ok(()),
                Some(next) => url = self.page(next)?,
            }
        }
        Err(other(format_args!("Azure Monitor's answer has more than {PAGES_MAX} pages")))
    }

    /// Where the next page is. The token goes with the question, so it goes nowhere else.
    fn page(&self, next: &str) -> Result<String, Failure> {
        let origin = |url: &str| Url::parse(url).map(|url| url.origin());
        match (origin(next), origin(&self.metrics)) {
            (Ok(there), Ok(here)) if there == here => Ok(next.to_owned()),
            _ => {
                Err(other(format_args!("Azure Monitor's next page is said to be elsewhere, at {next:?}; not followed")))
            }
        }
    }
}

impl Provider for AzureMonitor {
    fn follow(&self, regions: &[Arc<str>]) {
        *self.regions.write().unwrap_or_else(PoisonError::into_inner) = regions.into();
    }

    async fn ask(&self, question: Question) -> Result<Vec<Reading>, Failure> {
        let names = self.names();
        let is_known = |region: &RegionId| names.get(region.index()).is_some();
        let region = names.get(question.region.index()).filter(|_| question.targets.iter().all(is_known));
        let unknown = || other(format_args!("asked about a region that is not among {}", names.join(", ")));
        let region = regions::short(region.ok_or_else(unknown)?);
        let short: Vec<Arc<str>> = names.iter().map(|name| regions::short(name)).collect();
        let id = |name: &str| {
            let place = short.iter().position(|known| **known == *name)?;
            Some(RegionId(u16::try_from(place).ok()?))
        };
        let named = query::named(&region);
        let asked = Asked { question: &question, region: &region, is_anybody: named == "*" };
        let mut readings = Readings::default();
        if !question.targets.is_empty() {
            let query = query::lag(&question, &named)?;
            self.get(&query, |page| readings.take_lag(page, asked, id)).await?;
        }
        if question.companions {
            let container = (self.container.0.as_str(), self.container.1.as_str());
            let query = query::throttled(&question, &named, container)?;
            let mut throttled = Readings::default();
            match self.get(&query, |page| throttled.take_throttled(page, asked)).await {
                Ok(()) => readings.join(throttled),
                // That throttling cannot be told is no reason to leave out the lag; some of it would be too little.
                Err(failure) => {
                    tracing::debug!(%region, reason = failure.reason.label(), failure.message, "no word on throttling");
                    readings.refuse(failure);
                }
            }
        }
        readings.result()
    }
}

fn other(message: fmt::Arguments<'_>) -> Failure {
    Failure { reason: Reason::Other, message: text::line(message) }
}
