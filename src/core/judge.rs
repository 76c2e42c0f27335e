//! Since when each pair has been in its state: what a snapshot cannot tell, as it has no memory.

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

/// The verdicts on all pairs: by store, then as in [`StoreSnapshot::pairs`].
pub type Verdicts = Vec<Vec<Verdict>>;

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

/// Assesses all pairs at `now` and brings the verdicts up to date. Returns what changed.
pub fn step<'a>(
    verdicts: &mut Verdicts,
    snapshots: impl Iterator<Item = &'a StoreSnapshot>,
    now: Now,
) -> Vec<Transition> {
    let mut transitions = Vec::new();
    for (store, snapshot) in snapshots.enumerate() {
        if verdicts.len() == store {
            verdicts.push(Vec::new());
        }
        for (index, pair) in snapshot.pairs.iter().enumerate() {
            let assessment = assess(&snapshot.plan, pair, now);
            let verdict = verdicts[store].get(index).copied();
            let from = verdict.map(|verdict| verdict.state);
            if from == Some(assessment.state) {
                continue;
            }
            let fresh = Verdict { state: assessment.state, since: now.wall };
            match verdicts[store].get_mut(index) {
                Some(verdict) => *verdict = fresh,
                None => verdicts[store].push(fresh),
            }
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
    transitions
}
