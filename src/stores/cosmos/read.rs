//! Reads of a slot: one query, or its documents one by one.

use std::sync::Arc;

use azure_data_cosmos::FeedScope;
use azure_data_cosmos::options::{ItemReadOptions, QueryOptions};
use tokio_stream::StreamExt;

use super::fence::Stored;
use super::item::{self, Document};
use super::{Charged, Container, CosmosStore, charge_of, errors, failure_of, keys, other, taken};
use crate::core::model::{Consistency, Failure, Reason, RegionId, Slot, SlotRead};

/// Pages of one slot's partition that are read at most: whoever fills these is not a region, and must not keep the reader
/// busy.
const PAGES_MAX: usize = 16;

impl CosmosStore {
    /// Reads a slot: the logical partition that holds it, or its heartbeats one by one where each is one.
    pub(super) async fn slot(&self, container: &Container, slot: Slot, consistency: Consistency) -> Charged<SlotRead> {
        match container.keys.one_each() {
            false => self.query(container, slot, consistency).await,
            true => self.points(container, slot, consistency).await,
        }
    }

    async fn query(&self, container: &Container, slot: Slot, consistency: Consistency) -> Charged<SlotRead> {
        let (mut read, mut spent) = (SlotRead::default(), 0.0);
        let options = QueryOptions::default().with_operation_options(container.reading(consistency));
        let scope = FeedScope::partition(container.keys.slot(slot));
        let pages = container.client.query_items::<Document>("SELECT * FROM c", scope, Some(options)).await;
        let mut pages = match pages {
            Ok(pages) => pages.into_pages(),
            Err(error) => return (Err(failure_of(&error, container, &mut spent)), spent),
        };
        for _ in 0..PAGES_MAX {
            let page = match pages.next().await {
                None => return (Ok(read), spent),
                Some(Err(error)) => return (Err(failure_of(&error, container, &mut spent)), spent),
                Some(Ok(page)) => page,
            };
            spent += page.headers().request_charge().map_or(0.0, |charge| charge.value());
            if let Some(failure) = errors::elsewhere(&page.diagnostics(), &container.region) {
                return (Err(failure), spent);
            }
            for document in page.items() {
                let source = item::id(document).and_then(|id| keys::source_of(id, slot, &self.names));
                match source {
                    Some(index) => {
                        let found = item::decode(document, &self.names[index], slot);
                        read.found.push((RegionId(index as u16), found));
                    }
                    None => read.unknown_sources = read.unknown_sources.saturating_add(1),
                }
            }
        }
        let message = format!("slot {slot} holds more than {PAGES_MAX} pages: who writes there?");
        (Err(Failure { reason: Reason::Other, message }), spent)
    }

    /// All sources at once. A source that nobody answered for is not known to be missing, so the read fails then.
    async fn points(&self, container: &Container, slot: Slot, consistency: Consistency) -> Charged<SlotRead> {
        let reads = self.names.iter().map(|source| self.point(container, source, slot, consistency));
        let (mut read, mut spent, mut failed) = (SlotRead::default(), 0.0, None);
        for (index, (found, charge)) in futures_util::future::join_all(reads).await.into_iter().enumerate() {
            spent += charge;
            match found {
                Ok(Some(stored)) => read.found.push((RegionId(index as u16), stored.found)),
                Ok(None) => {}
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        (failed.map_or(Ok(read), Err), spent)
    }

    /// What lies under the key of a source.
    pub(super) async fn point(
        &self,
        container: &Container,
        source: &Arc<str>,
        slot: Slot,
        consistency: Consistency,
    ) -> Charged<Option<Stored>> {
        let options = ItemReadOptions::default().with_operation_options(container.reading(consistency));
        let key = container.keys.heartbeat(source, slot);
        match container.client.read_item(key, &keys::id(slot, source), Some(options)).await {
            Ok(response) => {
                let (document, spent) = taken(response, container);
                let stored = document.and_then(|(document, etag)| {
                    let etag = etag.ok_or_else(|| other("a document came without its etag"))?;
                    Ok(Some(Stored { found: item::decode(&document, source, slot), etag: etag.into() }))
                });
                (stored, spent)
            }
            Err(error) => {
                let mut spent = charge_of(&error);
                match errors::elsewhere_of(&error, &container.region) {
                    Some(failure) => (Err(failure), spent),
                    None if errors::is_absent(&error) => (Ok(None), spent),
                    None => (Err(failure_of(&error, container, &mut spent)), spent),
                }
            }
        }
    }
}
