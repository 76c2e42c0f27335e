//! Which read an application should make: what it finds here may be too old for what it is about to decide.
//!
//! Advice fails closed. What is not known to be young enough is too old, and what helps then is not the same for all
//! stores: each says so itself ([`Remedies`]). A decision is made from what a snapshot holds, for the moment at which
//! somebody asks, and costs next to nothing where the local replica will do; its words are made for those who want them
//! ([`words`]).

mod asked;
pub mod policy;
pub mod region;
pub mod remedies;
pub mod standing;
pub mod visibility;
pub mod words;

pub use policy::{AHEAD, Basis, Forced, LostSource, Override, Policy, RETURN_SHARE};
pub use remedies::Remedies;
pub use standing::{AdviceTransition, Standing, Standings};

use super::model::RegionId;
use super::snapshot::{Inspected, Look, StoreSnapshot};
use super::time::{Mono, Now, Span};
use asked::Asked;
use region::Trouble;

/// A store is still as it was seen to be while fewer looks than this are missing.
const LOOKS_MISSED: i64 = 3;

/// Which read to make.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// The replica of the caller's region.
    ReadLocal,
    /// None yet: ask again after so long.
    Wait(Span),
    /// With the session token of the write that must be seen.
    UseSessionToken,
    /// Strongly, in the caller's region.
    ReadStrong,
    /// In the region that was named as the item's home.
    ReadSourceRegion(RegionId),
    /// In the item's home region, which the caller knows.
    ReadHomeRegion,
    /// None.
    Refuse,
}

impl Decision {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// The words, from the least cautious to the most.
    pub const LABELS: [&'static str; Decision::COUNT] =
        ["read_local", "wait", "use_session_token", "read_strong", "read_source_region", "read_home_region", "refuse"];

    /// Its place in [`Decision::LABELS`]: the higher, the more cautious.
    pub fn caution(self) -> usize {
        match self {
            Decision::ReadLocal => 0,
            Decision::Wait(_) => 1,
            Decision::UseSessionToken => 2,
            Decision::ReadStrong => 3,
            Decision::ReadSourceRegion(_) => 4,
            Decision::ReadHomeRegion => 5,
            Decision::Refuse => 6,
        }
    }

    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        Decision::LABELS[self.caution()]
    }
}

/// What a decision rests on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RestsOn {
    /// Heartbeats.
    Measurement,
    /// The provider's metric.
    Provider,
    /// What the operator or the house rules say of the unknown.
    Policy,
}

impl RestsOn {
    /// All of them.
    pub const ALL: [RestsOn; 3] = [RestsOn::Measurement, RestsOn::Provider, RestsOn::Policy];

    /// The word used in answers.
    pub fn label(self) -> &'static str {
        match self {
            RestsOn::Measurement => "measurement",
            RestsOn::Provider => "provider",
            RestsOn::Policy => "policy",
        }
    }
}

/// What somebody wants to know.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Query {
    /// The item's home, where the caller names it; `None`: it may be any region.
    pub source: Option<RegionId>,
    /// Where the caller reads.
    pub target: RegionId,
    /// What is read is to be younger than this.
    pub max_staleness: Span,
    /// What that is held against.
    pub basis: Basis,
    /// For how long the answer is to hold.
    pub valid_for: Span,
    /// How long the caller can wait.
    pub max_wait: Span,
    /// Whether the caller has the session token of the write that it must see.
    pub session_token: bool,
}

impl Query {
    /// What a store's policy answers where nothing else is said; `None`: the policy has no bound.
    pub fn of_policy(policy: &Policy, source: Option<RegionId>, target: RegionId) -> Option<Query> {
        Some(Query {
            source,
            target,
            max_staleness: policy.max_staleness?,
            basis: policy.basis,
            valid_for: policy.valid_for,
            max_wait: policy.max_wait,
            session_token: policy.session_tokens,
        })
    }
}

/// Why a decision is what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// All is young enough; the oldest that there is, where anything was looked at.
    Fresh(Option<(RegionId, Span)>),
    /// That source's data is too old.
    TooOld(RegionId, Span),
    /// How old that source's data is is not known.
    NotKnown(RegionId),
    /// Which other regions there are is not known.
    NoSources,
    /// The store has a region that the settings do not list, and of which nothing is measured.
    Unlisted,
    /// There are no other regions.
    SingleRegion,
    /// What is asked for is written in the caller's own region.
    HomeIsHere,
    /// Reads would go to a region that is in trouble itself.
    InTrouble(RegionId, Trouble),
    /// That source has been silent for so long that it counts as lost.
    Lost(RegionId, Span),
    /// The operator said so: the override at that place.
    Overridden(usize),
    /// It could be less cautious at the bound: for how long it could at the bound that it takes to come back, if it can.
    Dwells(Option<Span>),
}

/// A decision.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Advice {
    /// Which read to make.
    pub decision: Decision,
    /// Why.
    pub why: Why,
    /// What that rests on.
    pub rests_on: RestsOn,
    /// For how long it holds.
    pub valid_for: Span,
}

/// What a store says helps, as it was last seen to be; what was seen too long ago does not count.
pub fn remedies(store: &StoreSnapshot, target: RegionId, now: Mono) -> Remedies {
    let plan = &store.plan;
    let is_recent =
        |newest: &&Inspected| plan.inspect_every.is_none_or(|every| now - newest.at <= every.times(LOOKS_MISSED));
    let newest = |look: &Look| look.newest.as_ref().filter(is_recent).map(|newest| newest.inspection.clone());
    let here = store.looks.get(target.index()).and_then(newest);
    let told = here.or_else(|| store.looks.iter().find_map(newest));
    (plan.remedies)(told.as_deref())
}

/// Decides.
pub fn advise(store: &StoreSnapshot, policy: &Policy, query: &Query, now: Now) -> Advice {
    forced(store, policy, query, now).unwrap_or_else(|| measured(store, policy, query, now))
}

/// What the operator decided, while that counts.
fn forced(store: &StoreSnapshot, policy: &Policy, query: &Query, now: Now) -> Option<Advice> {
    let place = policy.overriding(now.wall)?;
    let decision = match (policy.overrides[place].decision, query.source) {
        (Forced::ReadLocal, _) => Decision::ReadLocal,
        (Forced::ReadHomeRegion, Some(source)) if source == query.target => at_home(store, source, now.mono),
        (Forced::ReadHomeRegion, Some(source)) => Decision::ReadSourceRegion(source),
        (Forced::ReadHomeRegion, None) => Decision::ReadHomeRegion,
        (Forced::Refuse, _) => Decision::Refuse,
    };
    Some(Advice { decision, why: Why::Overridden(place), rests_on: RestsOn::Policy, valid_for: query.valid_for })
}

/// What the facts come to.
fn measured(store: &StoreSnapshot, policy: &Policy, query: &Query, now: Now) -> Advice {
    // An estimate is of now, and so holds no longer than the operator would have it.
    let valid_for = match query.basis {
        Basis::Bound => query.valid_for,
        Basis::Estimate => query.valid_for.min(policy.valid_for),
    };
    let advice = |decision, why, rests_on| Advice { decision, why, rests_on, valid_for };
    if query.source == Some(query.target) {
        return match region::trouble(store, query.target, now.mono) {
            Some(trouble) => advice(Decision::Refuse, Why::InTrouble(query.target, trouble), RestsOn::Measurement),
            None => advice(at_home(store, query.target, now.mono), Why::HomeIsHere, RestsOn::Policy),
        };
    }
    let asked = Asked { store, policy, query, now };
    let (why, rests_on) = match asked.local() {
        Ok((why, rests_on)) => return advice(Decision::ReadLocal, why, rests_on),
        Err(why) => why,
    };
    if remedies(store, query.target, now.mono).strong_anywhere.is_some() {
        return advice(Decision::ReadStrong, why, rests_on);
    }
    if let Some(wait) = asked.wait() {
        return Advice { valid_for: wait, ..advice(Decision::Wait(wait), why, rests_on) };
    }
    if query.session_token && remedies(store, query.target, now.mono).session_token.is_some() {
        return advice(Decision::UseSessionToken, why, rests_on);
    }
    match asked.no_other() {
        Some(why @ Why::Lost(..)) => advice(Decision::Refuse, why, RestsOn::Policy),
        Some(why) => advice(Decision::Refuse, why, RestsOn::Measurement),
        None => {
            let decision = query.source.map_or(Decision::ReadHomeRegion, Decision::ReadSourceRegion);
            advice(decision, why, rests_on)
        }
    }
}

/// Whether one source's data is young enough at the target for this question.
pub fn is_fresh(store: &StoreSnapshot, policy: &Policy, query: &Query, source: RegionId, now: Now) -> bool {
    Asked { store, policy, query, now }.is_fresh(source)
}

/// How what is written in a region is read there.
fn at_home(store: &StoreSnapshot, region: RegionId, now: Mono) -> Decision {
    match remedies(store, region, now).strong_at_home {
        Some(_) => Decision::ReadStrong,
        None => Decision::ReadLocal,
    }
}
