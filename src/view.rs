//! What the faces of the gauge (metrics, API) are handed: the newest snapshots and verdicts, and who is asking.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::core::judge::{Verdict, Verdicts};
use crate::core::snapshot::{PairSnapshot, StoreSnapshot};
use crate::core::time::Now;

/// Who this gauge is, for `tidegauge_cell_info`.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cell's name, empty where it has none.
    pub cell: String,
    /// `gauge` or `observer`.
    pub role: &'static str,
}

/// Where the newest of everything is to be had.
#[derive(Clone, Debug)]
pub struct Sources {
    /// One channel per store.
    pub snapshots: Vec<watch::Receiver<Arc<StoreSnapshot>>>,
    /// The judge's.
    pub verdicts: watch::Receiver<Arc<Verdicts>>,
    /// For the ages.
    pub clock: Clock,
    /// Who this is.
    pub identity: Arc<Identity>,
}

/// Everything there is to see at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// One per store.
    pub stores: Vec<Arc<StoreSnapshot>>,
    /// As in `stores`; may be a step behind them.
    pub verdicts: Arc<Verdicts>,
    /// The moment.
    pub now: Now,
    /// Who this is.
    pub identity: Arc<Identity>,
}

impl Sources {
    /// Looks now.
    pub fn view(&self) -> View {
        View {
            stores: self.snapshots.iter().map(|snapshot| snapshot.borrow().clone()).collect(),
            verdicts: self.verdicts.borrow().clone(),
            now: self.clock.now(),
            identity: self.identity.clone(),
        }
    }
}

impl View {
    /// The judge's verdict on a pair, where it has one.
    pub fn verdict(&self, store: usize, pair: &PairSnapshot) -> Option<Verdict> {
        self.verdicts.get(store)?.get(&(pair.source, pair.target)).copied()
    }
}
