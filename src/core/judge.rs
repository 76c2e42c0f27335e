//! Since when each pair has been in its state: what a snapshot cannot tell, as it has no memory.

use std::collections::BTreeMap;

use super::assess::{State, assess};
use super::model::RegionId;
use super::snapshot::StoreSnapshot;
use super::time::{Now, Wall};

/// A pair's state, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// Since when, by this host's wall clock, to within one step of the judge.
    pub since: Wall,
}

/// The verdicts on all pairs: by store, then by source and target. Pairs come and go with the store's regions.
pub type Verdicts = Vec<BTreeMap<(RegionId, RegionId), Verdict>>;

/// A pair that changed its state.
#[derive(Clone, PartialEq, Debug)]
pub struct Transition {
    /// Which store, by its place among the snapshots.
    pub store: usize,
    /// The pair's source.
    pub source: RegionId,
    /// The pair's target.
    pub target: RegionId,
    /// The state it left; `None` at the first look.
    pub from: Option<State>,
    /// The state it is in now.
    pub to: State,
    /// Why.
    pub reason: String,
}

/// Assesses all pairs at `now` and brings the verdicts up to date. Returns what changed; a pair that is gone is forgotten,
/// and begins anew should it come back.
pub fn step<'a>(
    verdicts: &mut Verdicts,
    snapshots: impl Iterator<Item = &'a StoreSnapshot>,
    now: Now,
) -> Vec<Transition> {
    let mut transitions = Vec::new();
    for (store, snapshot) in snapshots.enumerate() {
        if verdicts.len() == store {
            verdicts.push(BTreeMap::new());
        }
        let mut before = std::mem::take(&mut verdicts[store]);
        for pair in &snapshot.pairs {
            let key = (pair.source, pair.target);
            let assessment = assess(&snapshot.plan, pair, now);
            let verdict = before.remove(&key);
            let from = verdict.map(|verdict| verdict.state);
            let fresh = Verdict { state: assessment.state, since: now.wall };
            let verdict = verdict.filter(|verdict| verdict.state == fresh.state).unwrap_or(fresh);
            verdicts[store].insert(key, verdict);
            if from != Some(assessment.state) {
                transitions.push(Transition {
                    store,
                    source: pair.source,
                    target: pair.target,
                    from,
                    to: assessment.state,
                    reason: assessment.reason,
                });
            }
        }
    }
    transitions
}
