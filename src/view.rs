//! What the faces of the gauge (metrics, API) are handed: the newest snapshots and verdicts, and who is asking.

use std::sync::Arc;

use tokio::sync::watch;

use crate::advised::Advised;
use crate::clock::Clock;
use crate::core::advice::Policy;
use crate::core::alert::Rule;
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

/// What is measured, and what holds for it: as the settings have it, until they are read anew.
#[derive(Clone, Debug)]
pub struct Scene {
    /// One channel per store.
    pub snapshots: Vec<watch::Receiver<Arc<StoreSnapshot>>>,
    /// What holds for reads, in the stores' order.
    pub policies: Arc<[Policy]>,
    /// What people are told of.
    pub rules: Arc<[Rule]>,
    /// What readers were advised.
    pub advised: Arc<Advised>,
    /// Who this is.
    pub identity: Arc<Identity>,
    /// One per Alertmanager that is told.
    pub notifications: Arc<[Arc<Notifications>]>,
}

/// What the judge says, and of what: they change together, so that nobody holds verdicts against stores that they are not
/// about.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What is measured.
    pub scene: Arc<Scene>,
    /// What the judge says, store by store as they stand in the scene; may be a step behind the snapshots.
    pub verdicts: Arc<Verdicts>,
}

/// Where the newest of everything is to be had.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What the judge says, and of what.
    pub judged: Judged,
    /// For the ages.
    pub clock: Clock,
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
    /// What the judge says, and of what.
    pub fn seen(&self) -> Seen {
        self.judged.seen.borrow().clone()
    }

    /// Looks now.
    pub fn view(&self) -> View {
        View::of(&self.seen(), self.clock.now())
    }
}

impl View {
    /// What there is to see at `now`.
    pub fn of(seen: &Seen, now: Now) -> View {
        let scene = &seen.scene;
        View {
            stores: scene.snapshots.iter().map(|snapshot| snapshot.borrow().clone()).collect(),
            verdicts: seen.verdicts.clone(),
            policies: scene.policies.clone(),
            advised: scene.advised.clone(),
            now,
            identity: scene.identity.clone(),
            notifications: scene.notifications.clone(),
        }
    }

    /// The judge's verdict on a pair, where it has one.
    pub fn verdict(&self, store: usize, pair: &PairSnapshot) -> Option<Verdict> {
        self.verdicts.states.get(store)?.get(&(pair.source, pair.target)).copied()
    }

    /// How a pair was in the last hour, where the judge has looked at it.
    pub fn trace(&self, store: usize, pair: &PairSnapshot) -> Option<&Trace> {
        self.verdicts.traces.get(store)?.get(&(pair.source, pair.target))
    }
}
