//! One region's end of an account: how it is reached, and reached anew where that is of no use any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_data_cosmos::options::Region;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connect::clients::{Connector, Container, Ground};
use super::fence::Stored;
use crate::clock::Clock;
use crate::core::model::{Failure, Reason, Slot};
use crate::core::time::{Mono, Span};
use crate::stores::PATIENT_DEADLINE;

/// A client that is answered from elsewhere is kept for so long before it is made anew…
const ANSWERED_ELSEWHERE: Span = Span::from_millis(5_000);

/// …and one that is right as far as anybody knows, for so long.
const LOOK_AGAIN: Span = Span::from_millis(60_000);

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
    /// What it was made on, or would be again.
    ground: Option<Ground>,
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
                let kept = lock(&reached).ground.clone();
                let reaching = timeout(PATIENT_DEADLINE, connector.container(region, &others, kept)).await;
                let container = Arc::new(reaching.unwrap_or_else(|_| Err(late()))?);
                let ground = Some(container.ground.clone());
                *lock(&reached) = Reached { container: Some((container.clone(), clock.mono())), ground };
                Ok(container)
            })
        };
        let found = reaching.get_or_insert_with(start).await;
        *reaching = None;
        found.unwrap_or_else(|error| {
            let message = format!("the way to the account broke down: {error}");
            Err(Failure { reason: Reason::Other, message })
        })
    }

    /// A container that is gone may come again as another one, a key that is refused may have been renewed, and a region that
    /// another one answers for, or that takes no writes, may be in its place again: what was made before is of no use.
    pub fn note(&self, used: &Arc<Container>, failure: &Failure) {
        match failure.reason {
            Reason::NotFound | Reason::Credentials => drop(self.renew(used, Span::ZERO)),
            Reason::ReadOnly => drop(self.renew(used, LOOK_AGAIN)),
            Reason::OtherRegion => {
                if let Some(mut reached) = self.renew(used, ANSWERED_ELSEWHERE) {
                    // The SDK may know the account as it was.
                    reached.ground = None;
                }
            }
            _ => {}
        }
    }

    /// Nothing at all was found. Perhaps this is not the container any more that has the heartbeats.
    pub fn note_empty(&self, used: &Arc<Container>) {
        drop(self.renew(used, LOOK_AGAIN));
    }

    /// The account or the container is not what the client was made for.
    pub fn note_another(&self, used: &Arc<Container>) {
        drop(self.renew(used, Span::ZERO));
    }

    /// Has a client made anew with the next call, unless that was done since, or it is younger than this.
    fn renew(&self, used: &Arc<Container>, age: Span) -> Option<MutexGuard<'_, Reached>> {
        let mut reached = lock(&self.reached);
        let is_due = |(container, since): &(Arc<Container>, Mono)| {
            Arc::ptr_eq(container, used) && self.clock.mono() - *since >= age
        };
        reached.container.as_ref().is_some_and(is_due).then(|| {
            reached.container = None;
            reached
        })
    }
}

fn lock(reached: &Mutex<Reached>) -> MutexGuard<'_, Reached> {
    reached.lock().unwrap_or_else(PoisonError::into_inner)
}

fn late() -> Failure {
    let message = format!("the account did not answer within {}", humantime::format_duration(PATIENT_DEADLINE));
    Failure { reason: Reason::Timeout, message }
}
