//! Azure Cosmos DB with multi-region writes: each region is reached by a client that is pinned to it.
//!
//! The store compares no more than a document's etag, so the fence is decided here (`fence`) and an etag carries the
//! decision out: a write replaces exactly the document that was judged, or is refused. Every answer is held against the
//! region that was asked: one from elsewhere is a call that failed.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::Region;
use azure_data_cosmos::{CosmosError, CosmosRuntime};

use crate::clock::Clock;
use crate::core::advice::Remedies;
use crate::core::inspection::Inspection;
use crate::core::model::{Consistency, Failure, Reason, RegionId, Slot, SlotRead, Write, WriteOutcome};
use crate::settings::{CosmosSettings, StoreSettings};
use crate::stores::{Answer, PATIENT_DEADLINE, Store};

pub mod account;
mod check;
pub mod connect;
pub(crate) mod errors;
mod fence;
mod forget;
mod inspect;
pub mod item;
pub mod keys;
mod read;
pub mod regions;
mod remedies;
mod site;
mod write;

use connect::clients::{self, Connector, Container};
use connect::credentials::Credentials;
use connect::http::Http;
use connect::rest::Rest;
use item::Document;
use site::Site;

/// A container with multi-region writes.
pub struct CosmosStore {
    connector: Arc<Connector>,
    /// Why the resource manager does not say what it knows, where it was asked and did not.
    unmanaged: Mutex<Option<Failure>>,
    /// Heartbeat keys per source.
    slots: Slot,
    /// By the regions' ids.
    sites: Vec<Site>,
    names: Vec<Arc<str>>,
}

/// What a store and its provider share: what lets them in, and a way to ask Azure beside the SDK.
#[derive(Clone, Debug)]
pub struct Access {
    clock: Clock,
    credentials: Credentials,
    /// Asks Azure.
    pub rest: Rest,
}

impl Access {
    /// As the settings say. Reaches nothing yet. Heartbeats are not waited for longer than `deadline`.
    pub fn from_settings(cosmos: &CosmosSettings, clock: Clock, deadline: Duration) -> Access {
        let http = Http::default();
        let credentials = Credentials::from_settings(&cosmos.auth, &http, clock, deadline);
        Access { rest: Rest::new(credentials.clone(), http, clock, PATIENT_DEADLINE), credentials, clock }
    }

    /// With what lets one in made elsewhere.
    pub fn with(credentials: Credentials, rest: Rest, clock: Clock) -> Access {
        Access { clock, credentials, rest }
    }
}

impl fmt::Debug for CosmosStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CosmosStore").field("at", &self.connector.describe()).field("regions", &self.names).finish()
    }
}

/// What a call came to, and the request units that it took.
type Charged<T> = (Result<T, Failure>, f64);

impl CosmosStore {
    /// A store as the settings say. Reaches nothing yet. Heartbeats are not waited for longer than `deadline`.
    pub fn from_settings(
        settings: &StoreSettings,
        cosmos: &CosmosSettings,
        access: Access,
        deadline: Duration,
    ) -> CosmosStore {
        for complaint in clients::overrides(|name| std::env::var_os(name).is_some()) {
            tracing::warn!(store = %settings.name, "{complaint}");
        }
        CosmosStore::with_runtime(settings, cosmos, access, deadline, None)
    }

    /// The same, on a runtime of the SDK that was made elsewhere.
    pub fn with_runtime(
        settings: &StoreSettings,
        cosmos: &CosmosSettings,
        access: Access,
        deadline: Duration,
        runtime: Option<CosmosRuntime>,
    ) -> CosmosStore {
        let names: Vec<Arc<str>> = settings.regions.iter().map(|region| region.name.as_str().into()).collect();
        let regions: Vec<Region> = names.iter().map(|name| Region::new(name.to_string())).collect();
        let site = |region: &Region| {
            let others = regions.iter().filter(|other| *other != region).cloned().collect();
            Site::new(region.clone(), others, access.clock)
        };
        let sites = regions.iter().map(site).collect();
        CosmosStore {
            connector: Arc::new(Connector::new(cosmos, &settings.regions, access, deadline, runtime)),
            unmanaged: Mutex::default(),
            slots: settings.heartbeat.slots,
            sites,
            names,
        }
    }

    fn site(&self, region: RegionId) -> &Site {
        &self.sites[region.index()]
    }

    fn name(&self, region: RegionId) -> &Arc<str> {
        &self.names[region.index()]
    }

    /// The container, as a region has it.
    async fn container(&self, region: RegionId) -> Result<Arc<Container>, Failure> {
        self.site(region).container(&self.connector).await
    }
}

/// What an answer bears: the document and its etag, where it is the right region's; and what it took.
fn taken(response: ItemResponse, container: &Container) -> Charged<(Document, Option<String>)> {
    let spent = response.headers().request_charge().map_or(0.0, |charge| charge.value());
    if let Some(failure) = errors::elsewhere(&response.diagnostics(), &container.region) {
        return (Err(failure), spent);
    }
    let etag = response.headers().etag().map(|etag| etag.to_string());
    let document = response.into_model::<Document>();
    let document = document.map_err(|error| errors::failure(&error)).map(|document| {
        let etag = etag.or_else(|| item::etag(&document).map(str::to_owned));
        (document, etag)
    });
    (document, spent)
}

fn charge_of(error: &CosmosError) -> f64 {
    let headers = error.response().map(|response| response.headers());
    headers.and_then(|headers| headers.request_charge.as_ref()).map_or(0.0, |charge| charge.value())
}

fn failure_of(error: &CosmosError, container: &Container, spent: &mut f64) -> Failure {
    *spent += charge_of(error);
    errors::elsewhere_of(error, &container.region).unwrap_or_else(|| errors::failure(error))
}

fn other(message: &str) -> Failure {
    Failure { reason: Reason::Other, message: message.to_owned() }
}

impl Store for CosmosStore {
    async fn write(&self, write: Write) -> Answer<WriteOutcome> {
        let container = match self.container(write.source).await {
            Ok(container) => container,
            Err(failure) => return Answer::free(WriteOutcome::Failed { failure, maybe_committed: false }),
        };
        let answer = self.fenced(&container, &write).await;
        if let WriteOutcome::Failed { failure, .. } = &answer.outcome {
            self.site(write.source).note(&container, failure);
        }
        answer
    }

    async fn read(&self, target: RegionId, slot: Slot, consistency: Consistency) -> Answer<Result<SlotRead, Failure>> {
        let container = match self.container(target).await {
            Ok(container) => container,
            Err(failure) => return Answer::free(Err(failure)),
        };
        let (outcome, capacity_units) = self.slot(&container, slot, consistency).await;
        match &outcome {
            Err(failure) => self.site(target).note(&container, failure),
            Ok(read) if read.found.is_empty() => self.site(target).note_empty(&container),
            Ok(_) => {}
        }
        Answer { outcome, capacity_units, server_date: None }
    }

    fn known_regions(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }

    fn remedies(told: Option<&Inspection>) -> Remedies {
        remedies::of(told)
    }

    async fn inspect(&self, region: RegionId) -> Answer<Result<Inspection, Failure>> {
        let container = match self.container(region).await {
            Ok(container) => container,
            Err(failure) => return Answer::free(Err(failure)),
        };
        match inspect::inspect(self, &container).await {
            Ok(looked) => {
                if looked.is_another {
                    self.site(region).note_another(&container);
                }
                Answer { outcome: Ok(looked.inspection), capacity_units: 0.0, server_date: looked.server_date }
            }
            Err(failure) => {
                self.site(region).note(&container, &failure);
                Answer::free(Err(failure))
            }
        }
    }
}
