//! What is wrong with a store's set-up, as far as that can be known: pure, so that `tidegauge check` and the running gauge
//! say the same.
//!
//! What could not be looked at is not judged: no finding is not the same as nothing wrong.

use std::sync::Arc;

use super::inspection::{
    AccountConsistency, Capacity, Conflicts, Inspection, Mode, Replica, ReplicaStatus, Setup, Spread,
};
use super::model::{Plan, Reason, RegionId};
use super::provider::failing_words;
use super::snapshot::{Health, PairSnapshot, Seat, StoreSnapshot};
use super::time::{Mono, Span};

pub use kind::{Kind, Level};

mod kind;

/// A clock is off when it is certain that it differs from the provider's by more than this.
const CLOCK_OFF: Span = Span::from_millis(1_000);

/// What was said longer ago than so many looks is not what is said.
const LOOKS_KEPT: i64 = 3;

/// One thing that was judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where.
    pub region: Arc<str>,
    /// What.
    pub kind: Kind,
    /// What is wrong, in words; `None`: nothing is.
    pub wrong: Option<String>,
}

/// What is known of one region. `None` is what was not looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its name.
    pub region: Arc<str>,
    /// What the store says of itself there.
    pub inspection: Option<Result<Arc<Inspection>, Reason>>,
    /// Whether heartbeats can be read.
    pub reads: Option<Result<(), Reason>>,
    /// Whether they can be written.
    pub writes: Option<Result<(), Reason>>,
    /// Whether the provider says what it knows of the replication from here.
    pub provider: Option<Result<(), Reason>>,
    /// This host's clock − the provider's, at least and at most.
    pub clock: Option<(Span, Span)>,
}

/// What the settings say that the facts are held against.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whether the regions are those that the store names.
    pub follows_replicas: bool,
    /// Whether the settings themselves ask for strong reads.
    pub asks_for_strong: bool,
}

/// Judges everything that there are facts about.
pub fn audit(facts: &[Facts], wanted: Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    for fact in facts {
        let mut judge = |kind, wrong| findings.push(Finding { region: fact.region.clone(), kind, wrong });
        match &fact.inspection {
            Some(Ok(inspection)) => {
                judge(Kind::TableMissing, None);
                judge(Kind::InspectFailing, None);
                of_inspection(inspection, wanted, &mut judge);
            }
            Some(Err(Reason::NotFound)) => {
                judge(Kind::TableMissing, Some("there is no such table or container".to_owned()))
            }
            Some(Err(reason)) => judge(Kind::InspectFailing, Some(reason.words().to_owned())),
            None => {}
        }
        type Words = fn(Reason) -> &'static str;
        let calls: [(Kind, _, Words); 3] = [
            (Kind::ReadFailing, fact.reads, Reason::words),
            (Kind::WriteFailing, fact.writes, Reason::words),
            (Kind::ProviderFailing, fact.provider, failing_words),
        ];
        for (kind, works, words) in calls {
            if let Some(works) = works {
                judge(kind, works.err().map(|reason| words(reason).to_owned()));
            }
        }
        if let Some((min, max)) = fact.clock {
            let is_off = min > CLOCK_OFF || max < Span::ZERO - CLOCK_OFF;
            let (min, max) = (min.as_secs_f64(), max.as_secs_f64());
            judge(
                Kind::ClockOff,
                is_off.then(|| format!("it is {min:+.1} to {max:+.1} s off, by the dates in answers")),
            );
        }
    }
    // A set-up is the whole store's, and told once.
    let told = facts.iter().find_map(|fact| Some((fact, inspection(fact)?)));
    if let Some((fact, inspection)) = told
        && let Some(setup) = &inspection.setup
    {
        let mut judge = |kind, wrong| findings.push(Finding { region: fact.region.clone(), kind, wrong });
        of_setup(setup, inspection.mode, &mut judge);
    }
    replicas(facts, wanted, &mut findings);
    capacities(facts, &mut findings);
    findings
}

fn of_inspection(inspection: &Inspection, wanted: Wanted, judge: &mut impl FnMut(Kind, Option<String>)) {
    judge(Kind::SettingsDiffer, inspection.differs.clone());
    let mode = inspection.mode;
    judge(Kind::NotReplicated, (mode == Mode::Single).then(|| "there is no other replica".to_owned()));
    judge(Kind::LegacyVersion, (mode == Mode::Legacy).then(|| "the global table is of version 2017.11.29".to_owned()));
    let strong = (mode == Mode::Strong && wanted.asks_for_strong)
        .then(|| "a strong read sees every region's newest write, so it arrives at once".to_owned());
    judge(Kind::StrongReadsMeasureNothing, strong);
}

/// What nobody told is not judged.
fn of_setup(setup: &Setup, mode: Mode, judge: &mut impl FnMut(Kind, Option<String>)) {
    if let Some(multi) = setup.multi_region_writes {
        let off = !multi && mode != Mode::Single;
        judge(Kind::MultiRegionWritesOff, off.then(|| "only one region of the account takes writes".to_owned()));
    }
    if let Some(consistency) = setup.consistency {
        let is_bounded =
            consistency == AccountConsistency::BoundedStaleness && setup.multi_region_writes != Some(false);
        let wrong = "the account's consistency is bounded staleness, over regions that all take writes".to_owned();
        judge(Kind::BoundedStaleness, is_bounded.then_some(wrong));
    }
    if let Some(conflicts) = &setup.conflicts {
        // Only where two regions take writes is there anything to resolve.
        let by_second = matches!(conflicts, Conflicts::HighestWins { path } if path == "/_ts" || path.is_empty())
            && setup.multi_region_writes != Some(false);
        let wrong =
            "conflicts are resolved by /_ts, which has whole seconds: of two writes within one, either may stay";
        judge(Kind::ConflictsBySecond, by_second.then(|| wrong.to_owned()));
    }
    if let Some(Spread { slots, with_slots, partitions }) = setup.spread {
        let share = with_slots < slots.min(partitions);
        let wrong = || format!("{slots} slots lie on {with_slots} of {partitions} partitions");
        judge(Kind::SlotsShareAPartition, share.then(wrong));
    }
}

/// What any region says of a replica; a region knows its own best.
fn said_of<'a>(facts: &'a [Facts], name: &str) -> Option<&'a Replica> {
    let own_first = facts.iter().filter(|fact| *fact.region == *name).chain(facts);
    own_first.filter_map(inspection).flat_map(|inspection| &inspection.replicas).find(|replica| *replica.name == *name)
}

fn inspection(fact: &Facts) -> Option<&Inspection> {
    fact.inspection.as_ref()?.as_ref().ok().map(Arc::as_ref)
}

fn replicas(facts: &[Facts], wanted: Wanted, findings: &mut Vec<Finding>) {
    // Before anybody has looked nobody can have said anything.
    let is_looked_at = facts.iter().any(|fact| fact.inspection.is_some());
    if let Some(fact) = facts.first().filter(|_| wanted.follows_replicas && is_looked_at) {
        let nobody = facts.iter().all(|fact| inspection(fact).is_none());
        let wrong = nobody.then(|| "no region says what replicas there are".to_owned());
        findings.push(Finding { region: fact.region.clone(), kind: Kind::RegionsUnknown, wrong });
    }
    // Somebody must have said what replicas there are; a table that is not replicated is a finding of its own.
    let mut told = facts.iter().filter_map(inspection).filter(|inspection| inspection.mode != Mode::Single);
    let Some(told) = told.next() else { return };
    for fact in facts {
        // A table that only itself knows of is no replica of the others.
        let is_missing = told.replicas.iter().all(|replica| replica.name != fact.region);
        let missing = "the store has no replica there".to_owned();
        findings.push(Finding {
            region: fact.region.clone(),
            kind: Kind::ReplicaMissing,
            wrong: is_missing.then_some(missing),
        });
        if let Some(replica) = said_of(facts, &fact.region) {
            findings.push(Finding {
                region: fact.region.clone(),
                kind: Kind::ReplicaNotActive,
                wrong: not_active(replica),
            });
        }
    }
    let is_unlisted = |replica: &&Replica| facts.iter().all(|fact| fact.region != replica.name);
    let unlisted = told.replicas.iter().filter(is_unlisted).filter(|replica| replica.status.is_measured());
    findings.extend(unlisted.filter(|_| !wanted.follows_replicas).map(|replica| Finding {
        region: replica.name.clone(),
        kind: Kind::ReplicaUnlisted,
        wrong: Some("the store has a replica there, which nobody measures".to_owned()),
    }));
}

fn not_active(replica: &Replica) -> Option<String> {
    if matches!(replica.status, ReplicaStatus::Active | ReplicaStatus::Updating) {
        return None;
    }
    let status = replica.status.label();
    let separator = if replica.description.is_empty() { "" } else { ": " };
    Some(format!("the replica is {status}{separator}{}", replica.description))
}

/// Replication into a region takes write capacity there, and reading takes what is left to it.
fn capacities(facts: &[Facts], findings: &mut Vec<Finding>) {
    let known: Vec<(&Arc<str>, Capacity)> =
        facts.iter().filter_map(|fact| Some((&fact.region, inspection(fact)?.capacity?))).collect();
    if known.len() < 2 {
        return;
    }
    let most = |of: fn(Capacity) -> u64| known.iter().map(|(_, capacity)| of(*capacity)).max().unwrap_or_default();
    let (reads, writes) = (most(|capacity| units(capacity).0), most(|capacity| units(capacity).1));
    for (region, capacity) in &known {
        let (own_reads, own_writes) = units(*capacity);
        let wrong = (own_reads < reads || own_writes < writes).then(|| {
            let more = |units: u64| if units == u64::MAX { "on demand".to_owned() } else { units.to_string() };
            format!(
                "it takes {own_reads} read and {own_writes} write units a second; elsewhere it is up to {} and {}",
                more(reads),
                more(writes)
            )
        });
        findings.push(Finding { region: (*region).clone(), kind: Kind::CapacityUnequal, wrong });
    }
}

/// Read and write units; as much as comes, on demand.
fn units(capacity: Capacity) -> (u64, u64) {
    match capacity {
        Capacity::OnDemand => (u64::MAX, u64::MAX),
        Capacity::RequestUnits { per_second, .. } => (per_second, per_second),
        Capacity::Provisioned { read_units, write_units } => (read_units, write_units),
    }
}

/// What the store says of itself in a region; `None` where it does not answer, or was not asked for a while: it may say
/// something else by now.
fn said(store: &StoreSnapshot, region: RegionId, now: Mono) -> Option<&Arc<Inspection>> {
    let look = &store.looks[region.index()];
    let newest = look.newest.as_ref().filter(|_| look.failing.is_none())?;
    (now - newest.at <= store.plan.inspect_every?.times(LOOKS_KEPT)).then_some(&newest.inspection)
}

/// How the replicas are, as far as any region says so now; a region knows its own best.
pub fn statuses(store: &StoreSnapshot, now: Mono) -> Vec<(Arc<str>, ReplicaStatus)> {
    let told = |region: RegionId| Some((store.region(region), said(store, region, now)?));
    let told: Vec<(&Arc<str>, &Arc<Inspection>)> = store.plan.region_ids().filter_map(told).collect();
    let own = told
        .iter()
        .flat_map(|(region, inspection)| inspection.replicas.iter().filter(move |replica| replica.name == **region));
    let mut statuses: Vec<(Arc<str>, ReplicaStatus)> = Vec::new();
    for replica in own.chain(told.iter().flat_map(|(_, inspection)| &inspection.replicas)) {
        if statuses.iter().all(|(name, _)| *name != replica.name) {
            statuses.push((replica.name.clone(), replica.status));
        }
    }
    statuses
}

/// What a running gauge knows; empty where somebody else writes, or nothing is to be looked at. Why nobody can write is told, too.
pub fn facts_of(store: &StoreSnapshot, now: Mono) -> Vec<Facts> {
    let plan = &store.plan;
    let is_active = plan.region_ids().any(|region| store.seats[region.index()].is_some_and(Seat::may_be_ours));
    if plan.inspect_every.is_none() || !is_active {
        return Vec::new();
    }
    plan.region_ids().map(|region| facts_of_region(store, plan, region, now)).collect()
}

fn facts_of_region(store: &StoreSnapshot, plan: &Plan, region: RegionId, now: Mono) -> Facts {
    let look = &store.looks[region.index()];
    let health = |health: Health| match health.failing {
        Some(reason) => Some(Err(reason)),
        None => health.answered_at.filter(|at| now - *at <= plan.interval.times(10)).map(|_| Ok(())),
    };
    let pair = |of: &dyn Fn(&PairSnapshot) -> bool| store.pairs.iter().find(|pair| of(pair));
    Facts {
        region: store.region(region).clone(),
        inspection: match look.failing {
            Some(reason) => Some(Err(reason)),
            None => said(store, region, now).cloned().map(Ok),
        },
        reads: pair(&|pair| pair.target == region).and_then(|pair| health(pair.reads)),
        writes: pair(&|pair| pair.source == region && pair.seat == Seat::Ours).and_then(|pair| health(pair.writes)),
        provider: look.provider,
        clock: look.clock,
    }
}

/// What the settings say, of a running gauge.
pub fn wanted_of(plan: &Plan) -> Wanted {
    Wanted { follows_replicas: plan.follows_replicas, asks_for_strong: plan.asks_for_strong }
}
