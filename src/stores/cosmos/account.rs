//! What an account says of itself, and what Azure's resource manager says of it: regions, writes, consistency, capacity.
//!
//! What could not be asked is `None`, never a default. Either of the two may refuse and leave what the other one says
//! intact.

use std::sync::Arc;

use serde_json::Value as Json;

use super::connect::rest::{Auth, Rest, encode};
use super::regions;
use crate::core::inspection::{AccountConsistency, Capacity, Mode, Replica, ReplicaStatus};
use crate::core::model::{Failure, Reason};
use crate::core::time::Wall;
use crate::settings::CosmosSettings;
use crate::stores::text;

/// The version of the resource manager's protocol for accounts.
const API_VERSION: &str = "api-version=2024-11-15";

/// So much of a state that is not known is repeated, in characters.
const STATE_MAX: usize = 100;

/// An account, to be asked about itself.
#[derive(Clone, Debug)]
pub struct Account {
    rest: Rest,
    endpoint: String,
    /// The heartbeats' database and container.
    container: (String, String),
    manager: Option<Manager>,
}

/// Azure's resource manager, to be asked about one account.
#[derive(Clone, Debug)]
struct Manager {
    scope: String,
    account: String,
}

/// What is known of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountFacts {
    /// Its regions, in short form, by name: those that can be read, and those that the resource manager knows beside them.
    pub replicas: Vec<Replica>,
    /// The regions that take writes, in short form, by name.
    pub writable: Option<Vec<Arc<str>>>,
    /// Whether every region takes writes.
    pub multi_region_writes: Option<bool>,
    /// Its regions in its own words; `None` where it did not say anything itself.
    pub roster: Option<Roster>,
    /// How consistent its reads are unless they ask for less.
    pub consistency: Option<AccountConsistency>,
    /// What the heartbeats' container can take in each region.
    pub capacity: Option<Capacity>,
    /// The account's clock at some moment of the call, cut to whole seconds, where it said.
    pub server_date: Option<Wall>,
    /// Why the account did not say anything itself; the resource manager did, then.
    pub silent: Option<Failure>,
    /// Why the resource manager did not say all that it was asked, where it was asked.
    pub refused: Option<Failure>,
}

/// The regions of an account, in short form, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roster {
    /// Those that can be read.
    pub readable: Vec<Arc<str>>,
    /// Those that take writes; `None` where that was not told.
    pub writable: Option<Vec<Arc<str>>>,
}

impl AccountFacts {
    /// How its regions agree; an account that does not say how consistent it is counts as asynchronous, as all but the
    /// strong ones are.
    pub fn mode(&self) -> Mode {
        match self.consistency {
            _ if self.replicas.len() == 1 => Mode::Single,
            Some(AccountConsistency::Strong) => Mode::Strong,
            _ => Mode::Asynchronous,
        }
    }
}

impl Account {
    /// As the settings say. Reaches nothing yet.
    pub fn from_settings(settings: &CosmosSettings, rest: Rest) -> Account {
        let manager = settings.resource_id.as_ref().map(|resource_id| {
            let manager = settings.resource_manager.trim_end_matches('/');
            Manager { scope: format!("{manager}/.default"), account: format!("{manager}{resource_id}") }
        });
        let endpoint = settings.endpoint.trim_end_matches('/').to_owned();
        Account { rest, endpoint, container: settings.heartbeats.clone(), manager }
    }

    /// Whether the resource manager is asked, too.
    pub fn is_managed(&self) -> bool {
        self.manager.is_some()
    }

    /// Asks the account for its regions, at its own endpoint and at these at once: whichever answers first.
    ///
    /// # Errors
    ///
    /// Where none does: what one of them said.
    pub async fn roster(&self, backups: &[String]) -> Result<Roster, Failure> {
        let endpoints = std::iter::once(&self.endpoint).chain(backups);
        let asked = endpoints.map(|endpoint| Box::pin(self.own(endpoint.trim_end_matches('/'))));
        let ((account, _), _) = futures_util::future::select_ok(asked).await?;
        let readable = names(&account["readableLocations"], "name").unwrap_or_default();
        Ok(Roster { readable, writable: names(&account["writableLocations"], "name") })
    }

    /// Asks the account at `endpoint`, one of its regions' perhaps, else at its own, and the resource manager where the
    /// settings say which resource it is.
    ///
    /// # Errors
    ///
    /// Where neither said anything: what the account's own endpoint said.
    pub async fn look(&self, endpoint: Option<&str>) -> Result<AccountFacts, Failure> {
        let endpoint = endpoint.map_or(self.endpoint.as_str(), |endpoint| endpoint.trim_end_matches('/'));
        let (own, managed) = tokio::join!(self.own(endpoint), self.managed());
        let mut facts = AccountFacts::default();
        let managed = managed.unwrap_or_else(|failure| {
            facts.refused = Some(failure);
            None
        });
        let own = match own {
            Ok((body, date)) => {
                facts.server_date = date;
                Some(body)
            }
            Err(failure) if managed.is_none() => return Err(failure),
            Err(failure) => {
                facts.silent = Some(failure);
                None
            }
        };
        if let Some(own) = &own {
            facts.take_own(own);
        }
        if let Some((managed, capacity)) = managed {
            facts.take_managed(&managed, own.is_some());
            match capacity {
                Ok(capacity) => facts.capacity = capacity,
                Err(failure) => facts.refused = Some(failure),
            }
        }
        facts.replicas.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(facts)
    }

    /// What the account says itself.
    async fn own(&self, endpoint: &str) -> Result<(Json, Option<Wall>), Failure> {
        let got = self.rest.get(&format!("{endpoint}/"), Auth::Account { kind: "", link: "" }).await?;
        if !got.body["readableLocations"].is_array() {
            let message = text::line(format_args!("{endpoint} does not answer as an account of Cosmos DB does"));
            return Err(Failure { reason: Reason::Other, message });
        }
        Ok((got.body, got.date))
    }

    /// What the resource manager says of the account, and of what its container can take. `None` where it is not to be
    /// asked.
    async fn managed(&self) -> Result<Option<(Json, Result<Option<Capacity>, Failure>)>, Failure> {
        let Some(manager) = &self.manager else { return Ok(None) };
        let account = self.ask(manager, "").await?;
        if !account["properties"].is_object() {
            let message = "the resource manager does not describe an account of Cosmos DB".to_owned();
            return Err(Failure { reason: Reason::Other, message });
        }
        // An account on demand refuses to be asked for what it was given.
        let capacity = if is_on_demand(&account) { Ok(Some(Capacity::OnDemand)) } else { self.capacity(manager).await };
        Ok(Some((account, capacity)))
    }

    /// What the container was given, else, as it then has a share of it, its database.
    async fn capacity(&self, manager: &Manager) -> Result<Option<Capacity>, Failure> {
        let (database, container) = (encode(&self.container.0), encode(&self.container.1));
        let database = format!("/sqlDatabases/{database}");
        for path in [format!("{database}/containers/{container}"), database] {
            match self.ask(manager, &format!("{path}/throughputSettings/default")).await {
                Ok(settings) => return Ok(capacity_of(&settings)),
                Err(failure) if failure.reason == Reason::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    async fn ask(&self, manager: &Manager, path: &str) -> Result<Json, Failure> {
        let url = format!("{}{path}?{API_VERSION}", manager.account);
        Ok(self.rest.get(&url, Auth::Bearer(&manager.scope)).await?.body)
    }
}

impl AccountFacts {
    fn take_own(&mut self, account: &Json) {
        let names = |key: &str| names(&account[key], "name");
        let writable = names("writableLocations");
        for name in names("readableLocations").iter().flatten().chain(writable.iter().flatten()) {
            if !self.replicas.iter().any(|known| known.name == *name) {
                let status = ReplicaStatus::Active;
                self.replicas.push(Replica { name: name.clone(), status, description: String::new() });
            }
        }
        let readable = names("readableLocations").unwrap_or_default();
        self.roster = Some(Roster { readable, writable: writable.clone() });
        self.writable = writable;
        self.multi_region_writes = account["enableMultipleWriteLocations"].as_bool();
        self.consistency = consistency(&account["userConsistencyPolicy"]);
    }

    /// Takes in what the account did not say itself: its own word goes first, as clients go by that.
    fn take_managed(&mut self, account: &Json, has_own: bool) {
        let account = &account["properties"];
        for location in account["locations"].as_array().into_iter().flatten() {
            let Some(name) = location["locationName"].as_str().map(regions::short) else { continue };
            let said = location["provisioningState"].as_str().unwrap_or_default();
            let known = self.replicas.iter_mut().find(|known| known.name == name);
            let (status, description) = match (of_state(said), &known) {
                // What can be read has not failed, whatever became of the last change to it.
                (ReplicaStatus::Failed, Some(_)) => (ReplicaStatus::Unknown, said),
                (ReplicaStatus::Active | ReplicaStatus::Updating, None) if has_own => {
                    (ReplicaStatus::Inaccessible, "the account does not name it among those that can be read")
                }
                (ReplicaStatus::Unknown, _) => (ReplicaStatus::Unknown, said),
                (status, _) => (status, ""),
            };
            let description = description.chars().take(STATE_MAX).collect();
            match known {
                Some(known) => (known.status, known.description) = (status, description),
                None => self.replicas.push(Replica { name, status, description }),
            }
        }
        let writable = || names(&account["writeLocations"], "locationName");
        self.writable = self.writable.take().or_else(writable);
        self.multi_region_writes =
            self.multi_region_writes.or_else(|| account["enableMultipleWriteLocations"].as_bool());
        self.consistency = self.consistency.or_else(|| consistency(&account["consistencyPolicy"]));
    }
}

/// The regions in a list, in short form, by name; `None` where there is no list.
fn names(list: &Json, key: &str) -> Option<Vec<Arc<str>>> {
    let mut names: Vec<Arc<str>> =
        list.as_array()?.iter().filter_map(|entry| entry[key].as_str()).map(regions::short).collect();
    names.sort();
    names.dedup();
    Some(names)
}

fn consistency(policy: &Json) -> Option<AccountConsistency> {
    let said = policy["defaultConsistencyLevel"].as_str()?;
    AccountConsistency::ALL.into_iter().find(|consistency| consistency.label().eq_ignore_ascii_case(said))
}

fn of_state(state: &str) -> ReplicaStatus {
    match state {
        "Succeeded" | "Online" => ReplicaStatus::Active,
        "Creating" | "Initializing" | "InternallyReady" | "Uninitialized" => ReplicaStatus::Creating,
        "Updating" => ReplicaStatus::Updating,
        "Deleting" => ReplicaStatus::Deleting,
        "Offline" => ReplicaStatus::Inaccessible,
        "Failed" => ReplicaStatus::Failed,
        _ => ReplicaStatus::Unknown,
    }
}

fn is_on_demand(account: &Json) -> bool {
    let account = &account["properties"];
    let capabilities = account["capabilities"].as_array().into_iter().flatten();
    let mut names = capabilities.filter_map(|capability| capability["name"].as_str());
    account["capacityMode"].as_str() == Some("Serverless") || names.any(|name| name == "EnableServerless")
}

fn capacity_of(settings: &Json) -> Option<Capacity> {
    let settings = &settings["properties"]["resource"];
    let units = |units: &Json| units.as_u64().filter(|units| *units > 0);
    // Where they scale by themselves both are told, and the other one is what they are scaled to now.
    let autoscale = units(&settings["autoscaleSettings"]["maxThroughput"]);
    let per_second = autoscale.or_else(|| units(&settings["throughput"]))?;
    Some(Capacity::RequestUnits { per_second, autoscale: autoscale.is_some() })
}
