//! `tidegauge forget`: removes the keys of a source that was retired, and never those of one that is still written.
//!
//! A heartbeat that moves has a writer, so each key is looked at twice, three of its own intervals apart, and removed on
//! condition that it is as it was seen first. The removal replicates like any other write.

use std::sync::Arc;

use tokio::time::sleep;

#[cfg(feature = "cosmos")]
use crate::clock::Clock;
use crate::core::assess::PATIENCE_INTERVALS;
use crate::core::heartbeat::{Found, Heartbeat};
use crate::core::model::{Failure, RegionId, Slot};
use crate::settings::{HeartbeatSettings, Settings, StoreKind, StoreSettings};
#[cfg(feature = "cosmos")]
use crate::stores::cosmos::{Access, CosmosStore};
#[cfg(feature = "dynamodb")]
use crate::stores::dynamodb::DynamoDbStore;
use crate::stores::{Forget, PATIENT_DEADLINE, Store};

/// What is to be forgotten.
#[derive(Clone, Debug)]
pub struct Request {
    /// The source's region name.
    pub source_region: String,
    /// Which store; may be left out where there is one.
    pub store: Option<String>,
    /// The replica to ask. Left out: the source's own where it is one of the store's regions, else the local region, else
    /// the first.
    pub replica: Option<String>,
    /// Look, and remove nothing.
    pub dry_run: bool,
}

/// Why nothing, or not everything, was removed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The request fits no store or region of the settings.
    #[error("{0}")]
    Request(String),
    /// The replica could not be asked.
    #[error("{what} in {replica}: {}: {}", failure.reason.words(), failure.message)]
    Call {
        /// What was tried.
        what: String,
        /// Where.
        replica: String,
        /// What came of it.
        failure: Failure,
    },
    /// Somebody writes them.
    #[error(
        "the heartbeats of {source_region} are still written, in slots {slots}: stop the gauges of that region, or take \
         the region out of their settings, first"
    )]
    Alive {
        /// The source.
        source_region: String,
        /// Where it moved.
        slots: String,
    },
    /// What is stored is not to be judged by this release.
    #[error("slots {slots} of {source_region} hold {what}; nothing was removed there")]
    Unreadable {
        /// The source.
        source_region: String,
        /// Where.
        slots: String,
        /// What.
        what: &'static str,
    },
}

/// Does as asked; `say` is told what is done, a line at a time.
///
/// # Errors
///
/// Where the request fits nothing, a call fails, somebody still writes the keys, or what is stored is no heartbeat that
/// this release can read. What was removed before that stays removed, and was said.
pub async fn run(settings: &Settings, request: &Request, say: &mut dyn FnMut(&str)) -> Result<(), ForgetError> {
    let store = store_of(settings, request)?;
    let request = &Request {
        source_region: store.region_name(&request.source_region),
        replica: request.replica.as_ref().map(|replica| store.region_name(replica)),
        ..request.clone()
    };
    match &store.kind {
        StoreKind::Simulated(_) => Err(ForgetError::Request(format!(
            "store {:?} is simulated: nothing of it outlives the process",
            store.name
        ))),
        #[cfg(feature = "cosmos")]
        StoreKind::Cosmos(cosmos) => {
            let access = Access::from_settings(cosmos, Clock::start(), PATIENT_DEADLINE);
            let keeper = CosmosStore::from_settings(store, cosmos, access, PATIENT_DEADLINE);
            let replica = replica_of(&keeper, store, request)?;
            forget(&keeper, store, replica, request, say).await
        }
        #[cfg(not(feature = "cosmos"))]
        StoreKind::Cosmos(_) => unreachable!("the settings refuse a store that this build leaves out"),
        #[cfg(feature = "dynamodb")]
        StoreKind::Dynamodb(dynamodb) => {
            let keeper = DynamoDbStore::from_settings(store, dynamodb, PATIENT_DEADLINE).await;
            let replica = replica_of(&keeper, store, request)?;
            forget(&keeper, store, replica, request, say).await
        }
        #[cfg(not(feature = "dynamodb"))]
        StoreKind::Dynamodb(_) => unreachable!("the settings refuse a store that this build leaves out"),
    }
}

fn store_of<'a>(settings: &'a Settings, request: &Request) -> Result<&'a StoreSettings, ForgetError> {
    let names: Vec<&str> = settings.stores.iter().map(|store| store.name.as_str()).collect();
    let known = names.join(", ");
    match (&request.store, settings.stores.as_slice()) {
        (_, []) => {
            Err(ForgetError::Request("no stores configured: pass --config FILE with the store's settings".into()))
        }
        (None, [only]) => Ok(only),
        (None, _) => {
            Err(ForgetError::Request(format!("there are several stores; say which: --store with one of {known}")))
        }
        (Some(wanted), stores) => stores
            .iter()
            .find(|store| store.name == *wanted)
            .ok_or_else(|| ForgetError::Request(format!("there is no store {wanted:?}; there are {known}"))),
    }
}

/// The replica to ask, and its name.
fn replica_of(
    keeper: &impl Store,
    store: &StoreSettings,
    request: &Request,
) -> Result<(RegionId, Arc<str>), ForgetError> {
    let mut known = keeper.known_regions();
    let place = |known: &[Arc<str>], name: &str| known.iter().position(|region| **region == *name);
    let found = match &request.replica {
        Some(wanted) => match place(&known, wanted) {
            Some(found) => found,
            // Which others there are is the store's to say.
            None if store.follows_replicas => {
                known.push(wanted.as_str().into());
                keeper.follow(&known);
                known.len() - 1
            }
            None => {
                let problem = format!("{wanted:?} is none of the store's regions; there are {}", known.join(", "));
                return Err(ForgetError::Request(problem));
            }
        },
        None => place(&known, &request.source_region)
            .or(store.local_region.as_deref().and_then(|local| place(&known, local)))
            .unwrap_or_default(),
    };
    let Some(name) = known.get(found) else {
        return Err(ForgetError::Request("there is no region to ask in; name one with --replica".to_owned()));
    };
    Ok((RegionId(found as u16), name.clone()))
}

async fn forget(
    keeper: &impl Forget,
    store: &StoreSettings,
    (replica, asked): (RegionId, Arc<str>),
    request: &Request,
    say: &mut dyn FnMut(&str),
) -> Result<(), ForgetError> {
    let source: Arc<str> = request.source_region.as_str().into();
    let failed = |what: &str, slot: Slot| {
        let what = format!("slot {slot} of {source} could not be {what}");
        let replica = asked.to_string();
        move |failure| ForgetError::Call { what, replica, failure }
    };
    let unreadable = |slots: &[Slot], what| ForgetError::Unreadable {
        source_region: source.to_string(),
        slots: listed(slots),
        what,
    };
    let mut stored: Vec<(Slot, Heartbeat)> = Vec::new();
    let (mut rubbish, mut newer) = (Vec::new(), Vec::new());
    // Also those beyond the settings' own: there may have been more slots once.
    for slot in 0..HeartbeatSettings::SLOTS_MAX {
        match keeper.look(replica, &source, slot).await.map_err(failed("read", slot))? {
            None => {}
            Some(Found::Heartbeat(heartbeat)) => stored.push((slot, heartbeat)),
            Some(Found::Invalid(_)) => rubbish.push(slot),
            Some(Found::NewerFormat { .. }) => newer.push(slot),
        }
    }
    if !newer.is_empty() {
        return Err(unreadable(&newer, "heartbeats of a newer release: use that one to forget them"));
    }
    if stored.is_empty() {
        say(&format!("{asked} holds no heartbeat of {source} in store {}", store.name));
    } else {
        let slots: Vec<Slot> = stored.iter().map(|(slot, _)| *slot).collect();
        say(&format!("{asked} holds heartbeats of {source} in store {}: slots {}", store.name, listed(&slots)));
    }
    if let Some(patience) = stored.iter().map(|(_, heartbeat)| heartbeat.interval).max() {
        if asked != source {
            say(&format!(
                "they are seen from {asked}: while nothing is replicated from {source}, a writer there looks as if it had \
                 stopped"
            ));
        }
        let patience = patience.times(PATIENCE_INTERVALS).to_duration();
        say(&format!("waiting {} to see whether somebody writes them", humantime::format_duration(patience)));
        sleep(patience).await;
    }
    let mut alive = Vec::new();
    for (slot, heartbeat) in &stored {
        let now = keeper.look(replica, &source, *slot).await.map_err(failed("read", *slot))?;
        if matches!(&now, Some(Found::Heartbeat(now)) if now.beat != heartbeat.beat) {
            alive.push(*slot);
        }
    }
    if alive.is_empty() && !request.dry_run {
        for (slot, heartbeat) in &stored {
            let removed = keeper.remove(replica, &source, *slot, heartbeat.beat).await;
            match removed.map_err(failed("removed", *slot))? {
                true => say(&format!("slot {slot}: removed")),
                false => alive.push(*slot),
            }
        }
    }
    if !alive.is_empty() {
        return Err(ForgetError::Alive { source_region: source.to_string(), slots: listed(&alive) });
    }
    if !rubbish.is_empty() {
        return Err(unreadable(&rubbish, "what is no heartbeat: look at it, and delete it by hand"));
    }
    if !request.dry_run {
        let swept = keeper.sweep(replica, &source).await;
        swept.map_err(|failure| ForgetError::Call {
            what: format!("what `tidegauge check` wrote of {source} could not be removed"),
            replica: asked.to_string(),
            failure,
        })?;
    }
    if request.dry_run && !stored.is_empty() {
        say("nobody writes them; without --dry-run they are removed");
    }
    Ok(())
}

fn listed(slots: &[Slot]) -> String {
    let slots: Vec<String> = slots.iter().map(Slot::to_string).collect();
    slots.join(", ")
}
