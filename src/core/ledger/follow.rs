//! Looks at the store itself: when, what it said, and which regions follow from that.

use rand::RngExt;

use super::*;
use crate::core::count::Operation;
use crate::core::inspection::{Inspection, Mode};
use crate::core::model::{Action, Consistency, Failure, RegionId, RegionSet};
use crate::core::snapshot::{self, Inspected};

/// A look that failed is tried again after twice this, and after twice as long each further time.
const RETRY: Span = Span::from_millis(1_000);
/// While nothing is known of the regions it is tried at least this often.
const RETRY_MAX: Span = Span::from_millis(60_000);

/// What is known of the store as one region shows it.
#[derive(Debug, Default)]
pub(super) struct Look {
    newest: Option<Inspected>,
    in_flight: bool,
    calls: Calls,
    due: Option<Mono>,
}

impl Look {
    /// The look under way has come to its end.
    pub(super) fn answered(&mut self) {
        self.in_flight = false;
    }
}

impl Ledger {
    /// The region that says which others there are, and how they agree: the local one, else the first.
    fn guide(&self) -> Option<RegionId> {
        self.plan.local.or_else(|| self.plan.region_ids().next())
    }

    /// Whether the store is looked at in this region: by whoever writes there, and by everybody at the guide. An observer
    /// needs it only to know the regions.
    fn inspects(&self, region: RegionId) -> bool {
        if self.guide() == Some(region) {
            return self.plan.follows_replicas || !self.plan.observer;
        }
        let seat = self.plan.local.unwrap_or(region);
        !self.plan.observer && self.plan.polls(region) && self.sources[seat.index()].reign.is_ours()
    }

    /// When the next look is due; `None`: the plan has none.
    pub(super) fn inspect_at(&self) -> Option<Mono> {
        self.plan.inspect_every?;
        let due = |region: RegionId| {
            let look = &self.looks[region.index()];
            (!look.in_flight && self.inspects(region))
                .then(|| look.due.max(look.calls.not_before).unwrap_or(self.started))
        };
        self.plan.region_ids().filter_map(due).min()
    }

    /// Looks that are due.
    pub(super) fn inspect(&mut self, now: Mono, actions: &mut Vec<Action>) {
        let Some(every) = self.plan.inspect_every else { return };
        for region in self.plan.region_ids() {
            let inspects = self.inspects(region);
            let look = &mut self.looks[region.index()];
            if inspects && !look.in_flight && look.due.is_none_or(|due| now >= due) && look.calls.may_call(now) {
                look.in_flight = true;
                look.due = Some(now + every);
                actions.push(Action::Inspect { region });
            }
        }
    }

    /// A look was answered.
    pub(super) fn inspected(&mut self, region: RegionId, outcome: Result<Inspection, Failure>, now: Now) {
        let every = self.plan.inspect_every.unwrap_or_default();
        let is_guide = self.guide() == Some(region);
        let random = self.random.random();
        let look = &mut self.looks[region.index()];
        look.answered();
        match outcome {
            Ok(inspection) => {
                look.calls.succeeded();
                if is_guide {
                    self.follow(region, &inspection, now);
                }
                let before = self.looks[region.index()].newest.take();
                // Nearly always it says what it said before.
                let inspection = match before {
                    Some(before) if *before.inspection == inspection => before.inspection,
                    _ => Arc::new(inspection),
                };
                self.looks[region.index()].newest = Some(Inspected { inspection, at: now.mono });
            }
            Err(failure) => {
                self.regions[region.index()].errors[Operation::Inspect as usize][failure.reason.index()] += 1;
                look.calls.failed(failure.reason, now.mono, RETRY, random);
                // While the regions are not known nothing is measured: worth a look each minute.
                let most = if look.newest.is_none() && is_guide { every.min(RETRY_MAX) } else { every };
                let pause = RETRY.times(1 << look.calls.failures.min(12)).min(most);
                look.calls.not_before = Some(now.mono + pause.mul_f64(0.75 + random / 4.0));
                look.due = None;
            }
        }
    }

    /// Takes over which regions there are, and how they can be read.
    fn follow(&mut self, guide: RegionId, inspection: &Inspection, now: Now) {
        let mut plan = (*self.plan).clone();
        (plan.consistency, plan.polling) = match inspection.mode {
            // A strong read sees the newest write of any region there: it would measure nothing. Nor is there anything that
            // a provider could say of such a table's replication.
            Mode::Strong => (Consistency::Eventual, None),
            _ => self.planned,
        };
        if plan.consistency != self.plan.consistency {
            // What was measured by the other kind of read is of something else.
            for pair in &mut self.pairs {
                pair.stats = PairStats::default();
            }
        }
        if plan.follows_replicas {
            let measured = |name: &str| {
                inspection.replicas.iter().any(|replica| *replica.name == *name && replica.status.is_measured())
            };
            for index in 0..plan.regions.len() {
                let region = RegionId(index as u16);
                if region == guide || measured(&plan.regions[index]) {
                    if plan.retired.contains(region) {
                        plan.retired.remove(region);
                        self.begin(region, now.mono);
                    }
                } else {
                    plan.retired.insert(region);
                }
            }
            for replica in inspection.replicas.iter().filter(|replica| replica.status.is_measured()) {
                if !plan.regions.contains(&replica.name) && plan.regions.len() < RegionSet::REGIONS_MAX {
                    plan.regions.push(replica.name.clone());
                }
            }
        }
        let grown = plan.regions.len() > self.plan.regions.len();
        let before = std::mem::replace(&mut self.plan, Arc::new(plan));
        if grown {
            self.grow(before.regions.len(), now.mono);
        }
    }

    /// Makes room for the regions that came after the first `count`.
    fn grow(&mut self, count: usize, now: Mono) {
        let total = self.plan.regions.len();
        for _ in count..total {
            self.sources.push(Source { joined: Some(now), ..Source::new(&self.plan, now) });
            self.targets.push(Target::new(&self.plan, now));
            self.looks.push(Look::default());
            self.regions.push(RegionCounters::default());
        }
        self.clocks.grow(total);
        let mut old = std::mem::take(&mut self.pairs).into_iter();
        for source in 0..total {
            for target in 0..total {
                let kept = (source < count && target < count).then(|| old.next()).flatten();
                self.pairs.push(kept.unwrap_or_else(|| Pair::new(&self.plan)));
            }
        }
    }

    /// A region is back that had been retired: what was known of it was of another replica.
    fn begin(&mut self, region: RegionId, now: Mono) {
        let count = self.sources.len();
        self.sources[region.index()] = Source { joined: Some(now), ..Source::new(&self.plan, now) };
        let fresh = Target::new(&self.plan, now);
        let target = &mut self.targets[region.index()];
        // Calls from before may still be under way, and what questions may cost holds across the gap.
        let (in_flight, asking) = (target.in_flight, std::mem::take(&mut target.asking));
        *target = Target { in_flight, asking, ..fresh };
        for other in 0..count {
            self.pairs[region.index() * count + other] = Pair::new(&self.plan);
            self.pairs[other * count + region.index()] = Pair::new(&self.plan);
        }
    }

    /// What the store last said of itself there, and why it says nothing now.
    pub(super) fn look_of(&self, region: RegionId, now: Mono) -> snapshot::Look {
        let look = &self.looks[region.index()];
        snapshot::Look {
            newest: look.newest.clone(),
            failing: look.calls.failing,
            provider: self.targets[region.index()].asking.last(),
            clock: self.clocks.against_server(region.index(), now),
        }
    }
}
