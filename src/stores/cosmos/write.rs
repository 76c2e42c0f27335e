//! Writes of heartbeats, each on its condition.

use std::sync::PoisonError;

use azure_core::http::Etag;
use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};

use super::fence::{self, Step, Stored};
use super::{Container, CosmosStore, charge_of, errors, failure_of, item, keys, taken};
use crate::core::heartbeat::{Found, Heartbeat};
use crate::core::model::{Consistency, Expect, Failure, Reason, Write, WriteOutcome};
use crate::stores::Answer;

/// How often a write looks again at what came in its way, before it is given up.
const ROUNDS_MAX: usize = 3;

/// What is known of a document before it is written.
enum Known {
    Nothing,
    Absent,
    There(Stored),
}

impl CosmosStore {
    /// Writes a heartbeat where the fence lets it. What is known of the document from our own last write saves looking; where
    /// that is not so any more, nothing was written, and it is looked at.
    pub(super) async fn fenced(&self, container: &Container, write: &Write) -> Answer<WriteOutcome> {
        let mut spent = 0.0;
        let answer = |outcome, capacity_units, server_date| Answer { outcome, capacity_units, server_date };
        let failed =
            |failure, maybe_committed, spent| answer(WriteOutcome::Failed { failure, maybe_committed }, spent, None);
        if !container.takes_writes() {
            // The SDK would take it to the region that does, where it would be another one's heartbeat.
            let message = format!("the account takes no writes in {}", container.region);
            return failed(Failure { reason: Reason::ReadOnly, message }, false, spent);
        }
        let heartbeat = &write.heartbeat;
        let (source, slot) = (&heartbeat.source, heartbeat.slot);
        let (mut known, mut was_tried) = (self.known(write), false);
        for _ in 0..ROUNDS_MAX {
            let stored = match std::mem::replace(&mut known, Known::Nothing) {
                Known::There(stored) => Some(stored),
                Known::Absent => None,
                Known::Nothing => {
                    let (read, charge) = self.point(container, source, slot, Consistency::Strong).await;
                    spent += charge;
                    match read {
                        Ok(stored) => stored,
                        Err(failure) => return failed(failure, false, spent),
                    }
                }
            };
            if was_tried && is_this(stored.as_ref(), heartbeat) {
                // The SDK tried it twice: only the first answer was lost.
                self.remember(write, stored);
                return answer(WriteOutcome::Acknowledged { replaced: None }, spent, None);
            }
            was_tried = true;
            let step = fence::decide(write.expect, heartbeat, stored.as_ref().map(|stored| &stored.found));
            if step == Step::Refuse {
                let stored = stored.map(|stored| stored.found);
                return answer(WriteOutcome::Refused { stored }, spent, None);
            }
            let etag = stored.as_ref().map(|stored| stored.etag.clone());
            let etag_was_sent = etag.is_some();
            match self.put(container, heartbeat, etag).await {
                Ok(response) => {
                    let (document, charge) = taken(response, container);
                    spent += charge;
                    let (document, etag) = match document {
                        Ok(document) => document,
                        // If it is anywhere, it is not where it counts: wherever it is seen, it did not come from here.
                        Err(failure) if failure.reason == Reason::OtherRegion => return failed(failure, false, spent),
                        Err(failure) => return failed(failure, true, spent),
                    };
                    let found = Found::Heartbeat(heartbeat.clone());
                    self.remember(write, etag.map(|etag| Stored { found, etag: etag.into() }));
                    let replaced = stored.filter(|_| write.want_replaced).and_then(|stored| match stored.found {
                        Found::Heartbeat(replaced) => Some(replaced.beat),
                        _ => None,
                    });
                    return answer(WriteOutcome::Acknowledged { replaced }, spent, item::committed_at(&document));
                }
                Err(error) => {
                    let elsewhere = errors::elsewhere_of(&error, &container.region);
                    let is_gone = etag_was_sent && errors::is_absent(&error);
                    if elsewhere.is_none() && (is_gone || errors::is_overtaken(&error)) {
                        self.remember(write, None);
                        spent += charge_of(&error);
                        continue;
                    }
                    let maybe_committed = elsewhere.is_none() && errors::maybe_committed(&error);
                    let mut failure = failure_of(&error, container, &mut spent);
                    if elsewhere.is_none() && errors::is_misfit(&error) {
                        failure.reason = Reason::NotFound;
                    }
                    return failed(failure, maybe_committed, spent);
                }
            }
        }
        let message = format!("slot {slot} of {source} was changed by somebody else {ROUNDS_MAX} times at once");
        failed(Failure { reason: Reason::Other, message }, false, spent)
    }

    /// What our own last write left, as far as it helps.
    fn known(&self, write: &Write) -> Known {
        match write.expect {
            Expect::Takeover { seen: None } => Known::Absent,
            Expect::Steady | Expect::Follow => {
                let written = self.site(write.source).written.lock().unwrap_or_else(PoisonError::into_inner);
                written.get(&write.heartbeat.slot).cloned().map_or(Known::Nothing, Known::There)
            }
            Expect::Takeover { seen: Some(_) } | Expect::ReplaceInvalid => Known::Nothing,
        }
    }

    fn remember(&self, write: &Write, left: Option<Stored>) {
        let mut written = self.site(write.source).written.lock().unwrap_or_else(PoisonError::into_inner);
        match left {
            Some(left) => drop(written.insert(write.heartbeat.slot, left)),
            None => drop(written.remove(&write.heartbeat.slot)),
        }
    }

    async fn put(
        &self,
        container: &Container,
        heartbeat: &Heartbeat,
        etag: Option<Etag>,
    ) -> Result<ItemResponse, CosmosError> {
        let (source, slot) = (&heartbeat.source, heartbeat.slot);
        let (key, id) = (container.keys.heartbeat(source, slot), keys::id(slot, source));
        let document = item::encode(heartbeat, &container.keys);
        let options = ItemWriteOptions::default().with_operation_options(container.writing());
        match etag {
            None => container.client.create_item(key, &id, document, Some(options)).await,
            Some(etag) => {
                let options = options.with_precondition(Precondition::IfMatch(etag));
                container.client.replace_item(key, &id, document, Some(options)).await
            }
        }
    }
}

/// Whether this very heartbeat is what is stored.
fn is_this(stored: Option<&Stored>, heartbeat: &Heartbeat) -> bool {
    let found = stored.map(|stored| &stored.found);
    matches!(found, Some(Found::Heartbeat(found)) if found.beat == heartbeat.beat && found.writer == heartbeat.writer)
}
