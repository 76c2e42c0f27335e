//! Under which keys the heartbeats lie, whatever a container is partitioned by.
//!
//! A document's id is `tidegauge-<slot>-<source>`, in every container: whoever consumes a change feed can tell heartbeats
//! by it. A slot is a logical partition of its own, `tidegauge-<slot>`, with all sources in it, unless the container is
//! partitioned by the id itself: then each heartbeat is one.
//!
//! Slots are placed where the hash of their partition key lies, not where a container's partitions end today: slot after
//! slot halves the largest gaps (0, ½, ¼, ¾, …), by a number behind its name that was tried until the hash fitted. A
//! partition that splits then separates the slots that it held, and no key ever moves, which would make every look at the
//! old place a false miss.

use std::sync::Arc;

use azure_data_cosmos::models::PartitionKeyDefinition;
use azure_data_cosmos::{PartitionKey, feed::FeedRange};
use serde_json::{Map, Value};

use crate::core::model::Slot;

/// Slots that there are at most; as many as a hash's first byte has values, its two highest bits being 0.
const SLOTS: Slot = 64;

/// Numbers that are tried before a slot is left where its bare name puts it. One in 64 fits.
const TRIES: u32 = 4_096;

/// What every key of ours begins with.
const PREFIX: &str = "tidegauge";

/// What lies under keys of a container.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The partition key's paths, each as its segments.
    paths: Vec<Vec<String>>,
    /// The partition keys of the slots, where these are not the documents' own ids.
    slots: Vec<String>,
}

impl Keys {
    /// Those of a container that is partitioned like this.
    pub fn of(definition: &PartitionKeyDefinition) -> Keys {
        let mut keys =
            Keys { paths: definition.paths().iter().map(|path| segments(path)).collect(), slots: Vec::new() };
        keys.slots = (0..SLOTS).map(|slot| keys.place(slot, definition)).collect();
        keys
    }

    /// The first name of a slot whose hash lies where the slot belongs.
    fn place(&self, slot: Slot, definition: &PartitionKeyDefinition) -> String {
        let bare = format!("{PREFIX}-{slot}");
        let wanted = (slot as u8).reverse_bits() >> 2;
        let named = |number| if number == 0 { bare.clone() } else { format!("{bare}-{number}") };
        let fits = |name: &String| {
            let key = self.partition_key(name, &id(slot, ""));
            let hash = FeedRange::for_partition(key, definition).min_inclusive().to_hex();
            // The first version of hashing writes numbers where the second has the hash itself.
            hash.len() >= 32 && hash.get(..2).and_then(|byte| u8::from_str_radix(byte, 16).ok()) == Some(wanted)
        };
        if self.one_each() {
            return bare;
        }
        (0..TRIES).map(named).find(fits).unwrap_or_else(|| bare.clone())
    }

    /// The partition key's paths, for people.
    pub fn describe(&self) -> String {
        let paths: Vec<String> = self.paths.iter().map(|path| format!("/{}", path.join("/"))).collect();
        paths.join(" and ")
    }

    /// Whether each heartbeat is a logical partition of its own, because documents are partitioned by their id.
    pub fn one_each(&self) -> bool {
        self.paths.iter().any(|path| is_id(path))
    }

    /// Where the paths would be of the heartbeats' own attributes, or of what Cosmos DB gives a meaning to.
    pub fn taken(&self) -> Option<String> {
        let is_taken = |path: &&Vec<String>| {
            let is_own = |name: &String| name.starts_with("tg_") || name.starts_with('_') || name == "ttl";
            path.first().is_some_and(is_own) || (path.len() > 1 && path[0] == "id")
        };
        self.paths.iter().find(is_taken).map(|path| format!("/{}", path.join("/")))
    }

    /// The partition key of all heartbeats of a slot; a part of it where each is a logical partition of its own.
    pub fn slot(&self, slot: Slot) -> PartitionKey {
        self.partition_key(self.name(slot), &id(slot, ""))
    }

    /// The partition key of one source's heartbeat.
    pub fn heartbeat(&self, source: &str, slot: Slot) -> PartitionKey {
        self.partition_key(self.name(slot), &id(slot, source))
    }

    /// The partition key and the id of what is no heartbeat: for a write that shows whether a region may write.
    pub fn probe(&self, region: &str) -> (PartitionKey, String) {
        let (name, id) = probe_names(region);
        (self.partition_key(&name, &id), id)
    }

    /// A document under the key of a source and a slot, without anything else in it.
    pub fn document(&self, source: &str, slot: Slot) -> Map<String, Value> {
        self.document_of(self.name(slot), &id(slot, source))
    }

    /// The probe's document, without anything else in it.
    pub fn probe_document(&self, region: &str) -> Map<String, Value> {
        let (name, id) = probe_names(region);
        self.document_of(&name, &id)
    }

    fn name(&self, slot: Slot) -> &str {
        self.slots.get(usize::from(slot)).map_or(PREFIX, String::as_str)
    }

    fn document_of(&self, name: &str, id: &str) -> Map<String, Value> {
        let mut document = Map::new();
        for path in self.paths.iter().filter(|path| !is_id(path)) {
            put(&mut document, path, name);
        }
        document.insert("id".to_owned(), id.into());
        document
    }

    fn partition_key(&self, name: &str, id: &str) -> PartitionKey {
        let value = |path: &Vec<String>| if is_id(path) { id.to_owned() } else { name.to_owned() };
        match self.paths.as_slice() {
            [first] => PartitionKey::from(value(first)),
            [first, second] => PartitionKey::from((value(first), value(second))),
            [first, second, third, ..] => PartitionKey::from((value(first), value(second), value(third))),
            [] => PartitionKey::from(name.to_owned()),
        }
    }
}

/// The id of a source's heartbeat of one slot.
pub fn id(slot: Slot, source: &str) -> String {
    format!("{PREFIX}-{slot}-{source}")
}

/// Whose heartbeat of a slot a document is, as a place in `sources`. `None` if it is none of theirs.
pub fn source_of(id: &str, slot: Slot, sources: &[Arc<str>]) -> Option<usize> {
    let name = id.strip_prefix(&format!("{PREFIX}-{slot}-"))?;
    sources.iter().position(|source| **source == *name)
}

fn probe_names(region: &str) -> (String, String) {
    (format!("{PREFIX}-check"), format!("{PREFIX}-check-{region}"))
}

fn is_id(path: &[String]) -> bool {
    path == ["id"]
}

/// The segments of a path such as `/customer/"a/b"`.
fn segments(path: &str) -> Vec<String> {
    let mut segments = Vec::new();
    let mut rest = path.strip_prefix('/').unwrap_or(path);
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (segment, after) = match quoted {
            Some((segment, after)) => (segment, after.strip_prefix('/').unwrap_or(after)),
            None => rest.split_once('/').unwrap_or((rest, "")),
        };
        segments.push(segment.to_owned());
        rest = after;
    }
    segments
}

/// Puts a text at a path, among whatever is there.
fn put(document: &mut Map<String, Value>, path: &[String], text: &str) {
    match path {
        [] => {}
        [last] => drop(document.insert(last.clone(), text.into())),
        [first, rest @ ..] => {
            let inner = document.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(definition: &PartitionKeyDefinition) -> Keys {
        Keys::of(definition)
    }

    fn first_byte(keys: &Keys, slot: Slot, definition: &PartitionKeyDefinition) -> u8 {
        let hash = FeedRange::for_partition(keys.slot(slot), definition).min_inclusive().to_hex();
        u8::from_str_radix(&hash[..2], 16).unwrap()
    }

    #[test]
    fn slots_halve_the_space_of_hashes_again_and_again() {
        for definition in [PartitionKeyDefinition::from("/pk"), PartitionKeyDefinition::from(("/tenant", "/user"))] {
            let keys = keys(&definition);
            for slots in [1, 2, 4, 8, 16, 32, 64_u16] {
                // As many partitions of one size: each has one slot.
                let width = 64 / slots as u8;
                let partitions: BTreeSet<u8> =
                    (0..slots).map(|slot| first_byte(&keys, slot, &definition) / width).collect();
                assert_eq!(partitions.len(), usize::from(slots), "{slots} {definition:?}");
            }
        }
    }

    #[test]
    fn no_release_puts_a_slot_anywhere_else() {
        let keys = keys(&"/pk".into());
        let names = ["tidegauge-0-15", "tidegauge-1-49", "tidegauge-2-12", "tidegauge-3-17", "tidegauge-63-12"];
        assert_eq!([0, 1, 2, 3, 63].map(|slot| keys.name(slot)), names);
    }

    #[test]
    fn a_heartbeats_key_is_made_for_the_paths_of_its_container() {
        let one = keys(&"/pk".into());
        assert_eq!(one.document("eastus", 3)["id"], "tidegauge-3-eastus");
        let name = one.document("eastus", 3)["pk"].as_str().unwrap().to_owned();
        assert!(name.starts_with("tidegauge-3"), "{name}");
        assert_eq!(one.heartbeat("eastus", 3), PartitionKey::from(name));
        assert_eq!(one.heartbeat("eastus", 3), one.slot(3));
        assert!(!one.one_each());

        let nested = keys(&"/customer/\"a/b\"".into());
        assert!(nested.document("eastus", 0)["customer"]["a/b"].is_string());

        let by_id = keys(&"/id".into());
        assert!(by_id.one_each());
        assert_eq!(by_id.heartbeat("eastus", 3), PartitionKey::from("tidegauge-3-eastus"));
        assert_eq!(by_id.document("eastus", 3).len(), 1);

        let levels = keys(&PartitionKeyDefinition::from(("/tenant", "/id")));
        let document = levels.document("eastus", 0);
        let tenant = document["tenant"].as_str().unwrap().to_owned();
        assert_eq!(levels.heartbeat("eastus", 0), PartitionKey::from((tenant, "tidegauge-0-eastus")));
        assert_eq!(levels.describe(), "/tenant and /id");
    }

    #[test]
    fn an_id_leads_back_to_its_source_and_slot_alone() {
        let sources: Vec<Arc<str>> = ["eastus", "eastus2"].map(Arc::from).into();
        assert_eq!(source_of(&id(1, "eastus2"), 1, &sources), Some(1));
        assert_eq!(source_of(&id(1, "eastus2"), 2, &sources), None);
        assert_eq!(source_of(&id(11, "eastus"), 1, &sources), None);
        for strange in ["", "tidegauge-1-", "tidegauge-1-eastus3", "tidegauge-check-eastus", "TIDEGAUGE-1-eastus"] {
            assert_eq!(source_of(strange, 1, &sources), None, "{strange}");
        }
        assert!(keys(&"/pk".into()).probe("eastus").1.starts_with("tidegauge-check"));
    }

    #[test]
    fn a_path_that_means_something_else_is_told() {
        assert_eq!(keys(&"/ttl".into()).taken(), Some("/ttl".to_owned()));
        assert_eq!(keys(&"/tg_source".into()).taken(), Some("/tg_source".to_owned()));
        assert_eq!(keys(&"/id/part".into()).taken(), Some("/id/part".to_owned()));
        assert_eq!(keys(&"/tenant".into()).taken(), None);
        assert_eq!(keys(&"/id".into()).taken(), None);
    }
}
