//! Azure Cosmos DB with multi-region writes: each region is reached by a client that is pinned to it.
//!
//! The store compares no more than a document's etag, so the fence is decided here (`fence`) and an etag carries the
//! decision out: a write replaces exactly the document that was judged, or is refused. Every answer is held against the
//! region that was asked: one from elsewhere is a call that failed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::Region;
use azure_data_cosmos::{CosmosError, CosmosRuntime};
use tokio::task::JoinHandle;

use crate::clock::Clock;
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
mod write;

use account::Account;
use connect::clients::{self, Connector, Container};
use connect::credentials::Credentials;
use connect::http::Http;
use connect::rest::Rest;
use fence::Stored;
use item::Document;

/// A container with multi-region writes.
pub struct CosmosStore {
    connector: Arc<Connector>,
    account: Account,
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
    credentials: Credentials,
    /// Asks Azure.
    pub rest: Rest,
}

impl Access {
    /// As the settings say. Reaches nothing yet. Heartbeats are not waited for longer than `deadline`.
    pub fn from_settings(cosmos: &CosmosSettings, clock: Clock, deadline: Duration) -> Access {
        let http = Http::default();
        let credentials = Credentials::from_settings(&cosmos.auth, &http, clock, deadline);
        Access { rest: Rest::new(credentials.clone(), http, clock, PATIENT_DEADLINE), credentials }
    }

    /// With what lets one in made elsewhere.
    pub fn with(credentials: Credentials, rest: Rest) -> Access {
        Access { credentials, rest }
    }
}

/// One region.
struct Site {
    others: Vec<Region>,
    /// The container as reached through it; made with the first call, and again where it was gone.
    ready: RwLock<Option<Arc<Container>>>,
    /// That takes several round trips, which a heartbeat's deadline may be too short for: it goes on when a call has given
    /// up, and one at a time.
    connecting: tokio::sync::Mutex<Option<JoinHandle<Result<Container, Failure>>>>,
    /// What our own writes left there, by slot: it saves looking before the next one.
    written: Mutex<HashMap<Slot, Stored>>,
    /// A key that lets nobody in any more.
    refused: Mutex<Option<Secret>>,
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
        let site = |region: &Region| Site {
            others: regions.iter().filter(|other| *other != region).cloned().collect(),
            ready: RwLock::default(),
            connecting: tokio::sync::Mutex::default(),
            written: Mutex::default(),
            refused: Mutex::default(),
        };
        CosmosStore {
            connector: Arc::new(Connector::new(cosmos, &settings.regions, access.credentials, deadline, runtime)),
            account: Account::from_settings(cosmos, access.rest),
            unmanaged: Mutex::default(),
            slots: settings.heartbeat.slots,
            sites: regions.iter().map(site).collect(),
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
        let site = self.site(region);
        let ready = || site.ready.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ready) = ready() {
            return Ok(ready);
        }
        let mut connecting = site.connecting.lock().await;
        if let Some(ready) = ready() {
            return Ok(ready);
        }
        let start = || {
            let (connector, name, others) = (self.connector.clone(), self.name(region).clone(), site.others.clone());
            let refused = site.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            tokio::spawn(async move {
                let found = tokio::time::timeout(PATIENT_DEADLINE, connector.container(&name, &others, refused)).await;
                found.unwrap_or_else(|_| Err(late()))
            })
        };
        let found = connecting.get_or_insert_with(start).await;
        *connecting = None;
        let container = Arc::new(found.unwrap_or_else(|_| Err(late()))?);
        *site.ready.write().unwrap_or_else(PoisonError::into_inner) = Some(container.clone());
        Ok(container)
    }

    /// A container that is gone may come again as another one, a key that is refused may have been renewed, and a region that
    /// the account did not name may be back: what was made for the old ones is of no use.
    fn note(&self, region: RegionId, failure: &Failure) {
        if matches!(failure.reason, Reason::NotFound | Reason::Credentials | Reason::OtherRegion) {
            let site = self.site(region);
            let of_no_use = site.ready.write().unwrap_or_else(PoisonError::into_inner).take();
            let refused = of_no_use.filter(|_| failure.reason == Reason::Credentials);
            if let Some(key) = refused.and_then(|container| container.key.clone()) {
                *site.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
            }
        }
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

fn late() -> Failure {
    let message = format!("the account did not answer within {}", humantime::format_duration(PATIENT_DEADLINE));
    Failure { reason: Reason::Timeout, message }
}

impl Store for CosmosStore {
    async fn write(&self, write: Write) -> Answer<WriteOutcome> {
        let (outcome, capacity_units, server_date) = self.fenced(&write).await;
        if let WriteOutcome::Failed { failure, .. } = &outcome {
            self.note(write.source, failure);
        }
        Answer { outcome, capacity_units, server_date }
    }

    async fn read(&self, target: RegionId, slot: Slot, consistency: Consistency) -> Answer<Result<SlotRead, Failure>> {
        let (outcome, capacity_units) = self.slot(target, slot, consistency).await;
        if let Err(failure) = &outcome {
            self.note(target, failure);
        }
        Answer { outcome, capacity_units, server_date: None }
    }

    fn known_regions(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }

    async fn inspect(&self, region: RegionId) -> Answer<Result<Inspection, Failure>> {
        let looked = inspect::inspect(self, region).await;
        match looked {
            Ok((inspection, server_date)) => Answer { outcome: Ok(inspection), capacity_units: 0.0, server_date },
            Err(failure) => {
                self.note(region, &failure);
                Answer::free(Err(failure))
            }
        }
    }
}
