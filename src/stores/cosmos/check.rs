//! What `tidegauge check` asks of a container, and what is to be known of Cosmos DB.

use std::sync::PoisonError;

use azure_data_cosmos::options::ItemWriteOptions;

use super::{CosmosStore, errors, item};
use crate::core::inspection::{AccountConsistency, Conflicts, Expiry, Inspection, Setup};
use crate::core::model::{Failure, RegionId, Slot};
use crate::core::time::Wall;
use crate::stores::{Answer, Check};

impl Check for CosmosStore {
    async fn try_write(&self, region: RegionId, now: Wall) -> Answer<Result<(), Failure>> {
        let container = match self.container(region).await {
            Ok(container) => container,
            Err(failure) => return Answer::free(Err(failure)),
        };
        let name = self.name(region);
        let (key, id) = container.keys.probe(name);
        let document = item::probe(&container.keys, name, now);
        let options = ItemWriteOptions::default().with_operation_options(container.writing());
        match container.client.upsert_item(key, &id, document, Some(options)).await {
            Ok(response) => {
                let (document, capacity_units) = super::taken(response, &container);
                let server_date = document.as_ref().ok().and_then(|(document, _)| item::committed_at(document));
                Answer { outcome: document.map(drop), capacity_units, server_date }
            }
            Err(error) => {
                let elsewhere = errors::elsewhere_of(&error, &container.region);
                Answer::free(Err(elsewhere.unwrap_or_else(|| errors::failure(&error))))
            }
        }
    }

    fn holder(&self) -> &'static str {
        "container"
    }

    fn remarks(&self, told: Option<&Inspection>, _slots: Slot) -> Vec<(&'static str, String)> {
        let setup = told.and_then(|told| told.setup.clone()).unwrap_or_default();
        let mut remarks = vec![("conflicts", conflicts(&setup)), ("consistency", consistency(setup.consistency))];
        remarks.extend(self.unmanaged().map(|says| ("azure", says)));
        remarks.extend(setup.expiry.map(|expiry| ("expiry", of_expiry(expiry))));
        if let Some(spread) = setup.spread {
            let says = format!("{} of {} partitions hold a slot", spread.with_slots, spread.partitions);
            remarks.push(("slots", format!("{says}: what happens to the others alone is not seen")));
        }
        remarks
    }
}

impl CosmosStore {
    /// What is not known because Azure itself is not asked, or does not answer.
    fn unmanaged(&self) -> Option<String> {
        const UNKNOWN: &str =
            "what the container can take is not known, nor how its regions are beside that they can be read";
        if !self.connector.account().is_managed() {
            return Some(format!("cosmos.resource_id is not set: {UNKNOWN}, nor what Azure says of the replication"));
        }
        let refused = self.unmanaged.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().map(|failure| {
            format!("the resource manager does not say all it knows, so {UNKNOWN} ({})", failure.message)
        })
    }
}

fn conflicts(setup: &Setup) -> String {
    let what = match &setup.conflicts {
        Some(Conflicts::HighestWins { path }) => format!(
            "of two writes of one item in two regions the one stays that is higher at {path}; the other is lost and \
             reported nowhere, and a removal beats both"
        ),
        Some(Conflicts::Custom) => {
            "a stored procedure decides between two writes of one item in two regions; where it does \
                                    not, they wait in the feed of conflicts for somebody to read it"
                .to_owned()
        }
        None => "what becomes of two writes of one item in two regions is not known".to_owned(),
    };
    format!("{what}. Heartbeats never conflict, so `ok` says nothing about that")
}

fn consistency(consistency: Option<AccountConsistency>) -> String {
    let means = match consistency {
        None => return "the account's is not known".to_owned(),
        Some(AccountConsistency::Strong) => "a read anywhere sees the newest write, which no region takes but one",
        Some(AccountConsistency::BoundedStaleness) => {
            "reads elsewhere are late by no more than the bound, and writes are refused where that could not be kept; \
             between regions that all take writes it is not advised"
        }
        Some(AccountConsistency::Session) => {
            "a client sees its own writes where it hands on its session's token; everybody else's may be late"
        }
        Some(AccountConsistency::ConsistentPrefix) => "writes are seen in their order, however late",
        Some(AccountConsistency::Eventual) => "writes are seen at some time, in any order",
    };
    let label = consistency.map_or("", AccountConsistency::label);
    format!(
        "{label}: {means}. A read that is too old is mended by the writer's session token, or in the item's home region"
    )
}

fn of_expiry(expiry: Expiry) -> String {
    match expiry {
        Expiry::Off => "items never expire".to_owned(),
        Expiry::OfItems => "items expire where they say so; heartbeats do not".to_owned(),
        Expiry::After(seconds) => {
            format!("items expire {seconds} s after their last write; heartbeats say that they do not")
        }
    }
}
