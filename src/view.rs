//! What the faces of the gauge (metrics, API) are handed: the newest snapshots and verdicts, and who is asking.

use std::sync::Arc;

use tokio::sync::watch;

use crate::advised::Advised;
use crate::clock::Clock;
use crate::core::advice::Policy;
use crate::core::judge::{Verdict, Verdicts};
use crate::core::snapshot::{PairSnapshot, StoreSnapshot};
use crate::core::time::Now;
use crate::core::trace::Trace;
use crate::judging::Judged;
use crate::notify::Notifications;

/// Who this gauge is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cell's name, empty where it has none.
    pub cell: String,
    /// `gauge` or `observer`.
    pub role: &'static str,
    /// Where the runbooks of its alerts are.
    pub runbooks: String,
}

/// Where the newest of everything is to be had.
#[derive(Clone, Debug)]
pub struct Sources {
    /// One channel per store.
    pub snapshots: Vec<watch::Receiver<Arc<StoreSnapshot>>>,
    /// What the judge says.
    pub judged: Judged,
    /// What holds for reads, in the stores' order.
    pub policies: Arc<[Policy]>,
    /// What readers were advised.
    pub advised: Arc<Advised>,
    /// For the ages.
    pub clock: Clock,
    /// Who this is.
    pub identity: Arc<Identity>,
    /// One per Alertmanager that is told.
    pub notifications: Arc<[Arc<Notifications>]>,
}

/// Everything there is to see at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// One per store.
    pub stores: Vec<Arc<StoreSnapshot>>,
    /// As in `stores`; may be a step behind them.
    pub verdicts: Arc<Verdicts>,
    /// As in `stores`.
    pub policies: Arc<[Policy]>,
    /// What readers were advised.
    pub advised: Arc<Advised>,
    /// The moment.
    pub now: Now,
    /// Who this is.
    pub identity: Arc<Identity>,
    /// One per Alertmanager that is told.
    pub notifications: Arc<[Arc<Notifications>]>,
}

impl Sources {
    /// Looks now.
    pub fn view(&self) -> View {
        View {
            stores: self.snapshots.iter().map(|snapshot| snapshot.borrow().clone()).collect(),
            verdicts: self.judged.verdicts.borrow().clone(),
            policies: self.policies.clone(),
            advised: self.advised.clone(),
            now: self.clock.now(),
            identity: self.identity.clone(),
            notifications: self.notifications.clone(),
        }
    }
}

impl View {
    /// The judge's verdict on a pair, where it has one.
    pub fn verdict(&self, store: usize, pair: &PairSnapshot) -> Option<Verdict> {
        self.verdicts.states.get(store)?.get(&(pair.source, pair.target)).copied()
    }

    /// How a pair was in the last hour, where the judge has looked at it.
    pub fn trace(&self, store: usize, pair: &PairSnapshot) -> Option<&Trace> {
        self.verdicts.traces.get(store)?.get(&(pair.source, pair.target))
    }
}
