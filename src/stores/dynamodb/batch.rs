//! Reads of a table without a sort key: the heartbeats of a slot have a partition each, and are asked for by their keys.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};

use super::item::{self, ATTRIBUTES, Item};
use super::{DynamoDbStore, errors, units};
use crate::core::model::{Consistency, Failure, Reason, RegionId, Slot, SlotRead};
use crate::stores::Store;

/// Keys that one request may ask for.
const KEYS_MAX: usize = 100;

/// Requests of one read, at most. What was left unanswered is asked for again at once, as part of the same read: its
/// sources are looked at later than they seem, which widens samples and falsifies none.
const ROUNDS_MAX: usize = 4;

impl DynamoDbStore {
    /// Reads a slot by its sources' keys. A source that the store did not answer for is not known to be missing, so the
    /// read fails then.
    pub(super) async fn batch(
        &self,
        target: RegionId,
        slot: Slot,
        consistency: Consistency,
    ) -> (Result<SlotRead, Failure>, f64) {
        let mut read = SlotRead::default();
        let mut spent = 0.0;
        let regions = self.known_regions();
        let mut waiting: Vec<Item> = regions.iter().map(|source| self.keys.key(source, slot)).collect();
        for _ in 0..ROUNDS_MAX {
            let later = waiting.split_off(waiting.len().min(KEYS_MAX));
            let asked = KeysAndAttributes::builder()
                .set_keys(Some(waiting))
                .consistent_read(consistency == Consistency::Strong)
                .projection_expression(format!("#pk, {}", ATTRIBUTES.join(", ")))
                .expression_attribute_names("#pk", self.keys.partition_name())
                .build();
            // Nothing but a lack of keys keeps it from being built, and there are some.
            let asked = asked.ok().map(|asked| HashMap::from([(self.table.clone(), asked)]));
            let batch = self
                .client(target)
                .await
                .batch_get_item()
                .set_request_items(asked)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let answer = match batch.send().await {
                Ok(answer) => answer,
                Err(error) => return (Err(errors::failure(&error)), spent),
            };
            spent += answer.consumed_capacity().iter().map(|consumed| units(Some(consumed))).sum::<f64>();
            for item in answer.responses().into_iter().flat_map(HashMap::values).flatten() {
                match self.keys.source_of(item, slot, &regions) {
                    Some(index) => {
                        let found = item::decode(item, &regions[index], slot);
                        read.found.push((RegionId(index as u16), found));
                    }
                    None => read.unknown_sources = read.unknown_sources.saturating_add(1),
                }
            }
            let unprocessed = answer.unprocessed_keys.into_iter().flat_map(HashMap::into_values);
            waiting = unprocessed.flat_map(|left| left.keys).chain(later).collect();
            if waiting.is_empty() {
                return (Ok(read), spent);
            }
        }
        let message = format!(
            "{} of {} keys of slot {slot} in {} were left unanswered {ROUNDS_MAX} times: raise its read capacity",
            waiting.len(),
            regions.len(),
            self.table
        );
        (Err(Failure { reason: Reason::Throttled, message }), spent)
    }
}
