//! One region's end of an account: how it is reached, and reached anew where that is of no use any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_core::credentials::Secret;
use azure_data_cosmos::CosmosRuntime;
use azure_data_cosmos::options::Region;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connect::clients::{Connector, Container};
use super::fence::Stored;
use crate::clock::Clock;
use crate::core::model::{Failure, Reason, Slot};
use crate::core::time::{Mono, Span};
use crate::stores::PATIENT_DEADLINE;

/// A client that is answered from elsewhere is kept for so long before it is made anew: there may be no such region.
const RENEW_AFTER: Span = Span::from_millis(5_000);

/// One region.
pub struct Site {
    region: Region,
    others: Vec<Region>,
    clock: Clock,
    reached: Arc<Mutex<Reached>>,
    /// To reach it takes several round trips, which a heartbeat's deadline may be too short for: that goes on when a call has
    /// given up, one at a time.
    reaching: tokio::sync::Mutex<Option<Reaching>>,
    /// What our own writes left there, by slot: it saves looking before the next one.
    pub(super) written: Mutex<HashMap<Slot, Stored>>,
}

/// The way there.
type Reaching = JoinHandle<Result<Arc<Container>, Failure>>;

/// What is kept of it.
#[derive(Default)]
struct Reached {
    /// The container as reached through the region, and since when.
    container: Option<(Arc<Container>, Mono)>,
    /// What the SDK keeps of the account. It remembers for five minutes which regions there are.
    runtime: Option<CosmosRuntime>,
    /// A key that lets nobody in any more.
    refused: Option<Secret>,
}

impl Site {
    /// Reaches nothing yet. `others` are not to answer in its place.
    pub fn new(region: Region, others: Vec<Region>, clock: Clock) -> Site {
        let (reached, reaching, written) = Default::default();
        Site { region, others, clock, reached, reaching, written }
    }

    /// The container.
    ///
    /// # Errors
    ///
    /// Where the account or the container cannot be had, or nobody lets us in.
    pub async fn container(&self, connector: &Arc<Connector>) -> Result<Arc<Container>, Failure> {
        let known = || lock(&self.reached).container.as_ref().map(|(container, _)| container.clone());
        if let Some(container) = known() {
            return Ok(container);
        }
        let mut reaching = self.reaching.lock().await;
        if let Some(container) = known() {
            return Ok(container);
        }
        let start = || {
            let (region, others, clock) = (self.region.clone(), self.others.clone(), self.clock);
            let (connector, reached) = (connector.clone(), self.reached.clone());
            tokio::spawn(async move {
                let reaching = reach(&connector, region, &others, &reached);
                let container = Arc::new(timeout(PATIENT_DEADLINE, reaching).await.unwrap_or_else(|_| Err(late()))?);
                lock(&reached).container = Some((container.clone(), clock.mono()));
                Ok(container)
            })
        };
        let found = reaching.get_or_insert_with(start).await;
        *reaching = None;
        found.unwrap_or_else(|_| Err(late()))
    }

    /// A container that is gone may come again as another one, a key that is refused may have been renewed, and a region that
    /// the account did not name may be back: what was made for the old ones is of no use.
    pub fn note(&self, used: &Arc<Container>, failure: &Failure) {
        let mut reached = lock(&self.reached);
        let Some((container, since)) = &reached.container else { return };
        if !Arc::ptr_eq(container, used) {
            return;
        }
        match failure.reason {
            Reason::Credentials => reached.refused.clone_from(&used.key),
            Reason::NotFound => {}
            Reason::OtherRegion if self.clock.mono() - *since >= RENEW_AFTER => reached.runtime = None,
            _ => return,
        }
        reached.container = None;
    }
}

async fn reach(
    connector: &Connector,
    region: Region,
    others: &[Region],
    reached: &Mutex<Reached>,
) -> Result<Container, Failure> {
    let (kept, refused) = {
        let mut reached = lock(reached);
        (reached.runtime.clone(), reached.refused.take())
    };
    let runtime = match kept {
        Some(runtime) => runtime,
        None => {
            let runtime = connector.runtime().await?;
            lock(reached).runtime = Some(runtime.clone());
            runtime
        }
    };
    connector.container(region, others, refused, runtime).await
}

fn lock(reached: &Mutex<Reached>) -> MutexGuard<'_, Reached> {
    reached.lock().unwrap_or_else(PoisonError::into_inner)
}

fn late() -> Failure {
    let message = format!("the account did not answer within {}", humantime::format_duration(PATIENT_DEADLINE));
    Failure { reason: Reason::Timeout, message }
}
