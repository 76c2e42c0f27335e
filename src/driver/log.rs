//! Says in the log when calls of one kind to one region begin to fail, why, and when they work again.
//!
//! One line per change, not per call: a region that is down for an hour must not fill the disk.

use std::sync::Arc;

use crate::core::count::Operation;
use crate::core::model::{Event, EventKind, Failure, Plan, Reason, RegionId, WriteOutcome};

/// What the last call of each kind to each region came to.
pub struct FailureLog {
    plan: Arc<Plan>,
    failing: Vec<[Option<Reason>; Operation::ALL.len()]>,
}

impl FailureLog {
    /// Nothing has failed yet.
    pub fn new(plan: Arc<Plan>) -> FailureLog {
        FailureLog { failing: vec![[None; Operation::ALL.len()]; plan.regions.len()], plan }
    }

    /// The store has other regions now, or is read in another way.
    pub fn follow(&mut self, before: &Plan, plan: Arc<Plan>) {
        let is_in = |plan: &Plan, region: RegionId| plan.region_ids().any(|other| other == region);
        for (region, name) in (0..).map(RegionId).zip(&plan.regions) {
            match (is_in(before, region), is_in(&plan, region)) {
                (false, true) => {
                    tracing::info!(region = %name, "the store has a replica here: it is measured from now on")
                }
                (true, false) => {
                    tracing::warn!(region = %name, "the store has no replica here any more: no longer measured")
                }
                _ => {}
            }
        }
        if plan.consistency != before.consistency {
            tracing::warn!(
                read = plan.consistency.label(),
                "a strong read of this store sees every region's newest write, and measures nothing: it is read otherwise"
            );
        }
        self.failing.resize(plan.regions.len(), [None; Operation::ALL.len()]);
        self.plan = plan;
    }

    /// Takes note of an answer, and logs it where it changes anything.
    pub fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Wrote { source, outcome: WriteOutcome::Failed { failure, .. }, .. } => {
                self.failed(*source, Operation::Write, failure);
            }
            EventKind::Wrote { source, .. } => self.worked(*source, Operation::Write),
            EventKind::Read { target, outcome: Err(failure), .. } => self.failed(*target, Operation::Read, failure),
            EventKind::Read { target, outcome: Ok(_), .. } => self.worked(*target, Operation::Read),
            EventKind::Inspected { region, outcome: Err(failure) } => {
                self.failed(*region, Operation::Inspect, failure);
            }
            EventKind::Inspected { region, outcome: Ok(_) } => self.worked(*region, Operation::Inspect),
            EventKind::Answered { region, outcome: Err(failure) } => self.failed(*region, Operation::Ask, failure),
            EventKind::Answered { region, outcome: Ok(_) } => self.worked(*region, Operation::Ask),
        }
    }

    fn failed(&mut self, region: RegionId, operation: Operation, failure: &Failure) {
        let last = &mut self.failing[region.index()][operation as usize];
        if last.replace(failure.reason) != Some(failure.reason) {
            let region = &self.plan.regions[region.index()];
            let (operation, reason, message) = (operation.label(), failure.reason.label(), &failure.message);
            tracing::warn!(%region, operation, reason, message, "calls fail");
        }
    }

    fn worked(&mut self, region: RegionId, operation: Operation) {
        if self.failing[region.index()][operation as usize].take().is_some() {
            let region = &self.plan.regions[region.index()];
            tracing::info!(%region, operation = operation.label(), "calls work again");
        }
    }
}
