//! Which read an application should make: what it finds here may be too old for what it is about to decide.
//!
//! Advice fails closed. What is not known to be young enough is too old, and what helps then is not the same for all
//! stores: each says so itself ([`Remedies`]). A decision is made from what a snapshot holds, for the moment at which
//! somebody asks, and costs next to nothing where the local replica will do; its words are made for those who want them
//! ([`words`]).

pub mod policy;
pub mod region;
pub mod remedies;
pub mod standing;
pub mod visibility;
pub mod words;

pub use policy::{Basis, Forced, LostSource, Override, Policy};
pub use remedies::Remedies;
pub use standing::{AdviceTransition, Standing, Standings};

use super::assess::{self, State, assess};
use super::inspection::Mode;
use super::merge::MergedOrigin;
use super::model::RegionId;
use super::snapshot::{PairSnapshot, StoreSnapshot};
use super::time::{Now, Span};
use region::{Trouble, trouble};

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
    /// It could be less cautious, and has not been able to for long enough.
    Dwells,
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

/// What a store says helps, as it was last seen to be.
pub fn remedies(store: &StoreSnapshot, target: RegionId) -> Remedies {
    let newest = |look: &super::snapshot::Look| look.newest.as_ref().map(|newest| newest.inspection.clone());
    let here = store.looks.get(target.index()).and_then(newest);
    let told = here.or_else(|| store.looks.iter().find_map(newest));
    (store.plan.remedies)(told.as_deref())
}

/// Decides.
pub fn advise(store: &StoreSnapshot, policy: &Policy, query: &Query, now: Now) -> Advice {
    let advice = |decision, why, rests_on| Advice { decision, why, rests_on, valid_for: query.valid_for };
    if let Some(place) = policy.overriding(now.wall) {
        let decision = match (policy.overrides[place].decision, query.source) {
            (Forced::ReadLocal, _) => Decision::ReadLocal,
            (Forced::ReadHomeRegion, Some(source)) if source == query.target => at_home(store, source),
            (Forced::ReadHomeRegion, Some(source)) => Decision::ReadSourceRegion(source),
            (Forced::ReadHomeRegion, None) => Decision::ReadHomeRegion,
            (Forced::Refuse, _) => Decision::Refuse,
        };
        return advice(decision, Why::Overridden(place), RestsOn::Policy);
    }
    if query.source == Some(query.target) {
        return advice(at_home(store, query.target), Why::HomeIsHere, RestsOn::Policy);
    }
    let asked = Asked { store, policy, query, now };
    let (why, rests_on) = match asked.local() {
        Ok((why, rests_on)) => return advice(Decision::ReadLocal, why, rests_on),
        Err(why) => why,
    };
    if remedies(store, query.target).strong_anywhere.is_some() {
        return advice(Decision::ReadStrong, why, rests_on);
    }
    if let Some(wait) = asked.wait() {
        return Advice { valid_for: wait, ..advice(Decision::Wait(wait), why, rests_on) };
    }
    if query.session_token && remedies(store, query.target).session_token.is_some() {
        return advice(Decision::UseSessionToken, why, rests_on);
    }
    match asked.no_other() {
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
fn at_home(store: &StoreSnapshot, region: RegionId) -> Decision {
    match remedies(store, region).strong_at_home {
        Some(_) => Decision::ReadStrong,
        None => Decision::ReadLocal,
    }
}

/// How old what is visible of a source is.
type Age = Option<(Span, RestsOn)>;

/// How the staleness of one source's data goes on: a heartbeat every interval, each here at one age and too old at another.
struct Tooth {
    staleness: Span,
    interval: Span,
    arrives: Span,
    young_until: Span,
}

impl Tooth {
    /// The first moment from `wait` on, counted from now, at which the newest heartbeat here is young.
    fn young_from(&self, wait: Span) -> Span {
        // The first heartbeat that is not too old by then: 0 is the one that is here, and each next one an interval younger.
        let too_old = (self.staleness + wait - self.young_until).as_nanos().max(0) as u64;
        let number = too_old.div_ceil(self.interval.as_nanos() as u64) as i64;
        let comes = if number == 0 { Span::ZERO } else { self.interval.times(number) - self.staleness + self.arrives };
        wait.max(comes)
    }
}

struct Asked<'a> {
    store: &'a StoreSnapshot,
    policy: &'a Policy,
    query: &'a Query,
    now: Now,
}

impl Asked<'_> {
    fn sources(&self) -> impl Iterator<Item = RegionId> {
        let (named, target) = (self.query.source, self.query.target);
        let others = self.store.plan.region_ids();
        others.filter(move |source| *source != target && named.is_none_or(|named| named == *source))
    }

    fn pair(&self, source: RegionId) -> Option<&PairSnapshot> {
        self.store.pair(source, self.query.target)
    }

    fn age(&self, source: RegionId) -> Age {
        let pair = self.pair(source)?;
        match self.query.basis {
            Basis::Bound => assess::staleness(pair, self.now.mono).map(|age| (age, RestsOn::Measurement)),
            Basis::Estimate => {
                let assessment = assess(&self.store.plan, pair, self.now);
                let merged = assessment.merged?;
                let (lag, rests_on) = match merged.origin {
                    MergedOrigin::Measured => (merged.lag, RestsOn::Measurement),
                    // What was so late then is later by all that has passed since, at most.
                    MergedOrigin::Provider => (merged.lag + assessment.provider?.age?, RestsOn::Provider),
                };
                // What is overdue may never have been written. Nobody here knows.
                Some((lag.max(assessment.overdue.unwrap_or(lag)), rests_on))
            }
        }
    }

    fn is_young(&self, age: Span) -> bool {
        match self.query.basis {
            Basis::Bound => age + self.query.valid_for <= self.query.max_staleness,
            Basis::Estimate => age <= self.query.max_staleness,
        }
    }

    fn is_fresh(&self, source: RegionId) -> bool {
        self.age(source).is_some_and(|(age, _)| self.is_young(age))
    }

    fn is_excluded(&self, source: RegionId) -> bool {
        let mut excluded = region::excluded(self.store, self.query.target, self.policy, self.now.mono);
        excluded.any(|(region, _)| region == source)
    }

    /// Whether the local replica will do, and why not.
    fn local(&self) -> Result<(Why, RestsOn), (Why, RestsOn)> {
        let mut oldest: Option<(RegionId, Span, RestsOn)> = None;
        let (mut worst, mut excluded, mut looked_at): (Option<(Why, RestsOn)>, _, _) = (None, false, false);
        for source in self.sources() {
            looked_at = true;
            match self.age(source) {
                Some((age, rests_on)) if self.is_young(age) => {
                    if oldest.is_none_or(|(_, known, _)| age > known) {
                        oldest = Some((source, age, rests_on));
                    }
                }
                _ if self.is_excluded(source) => excluded = true,
                None => {
                    if !matches!(worst, Some((Why::NotKnown(_), _))) {
                        worst = Some((Why::NotKnown(source), RestsOn::Policy));
                    }
                }
                Some((age, rests_on)) => match worst {
                    Some((Why::NotKnown(_), _)) => {}
                    Some((Why::TooOld(_, known), _)) if known >= age => {}
                    _ => worst = Some((Why::TooOld(source, age), rests_on)),
                },
            }
        }
        if let Some(worst) = worst {
            return Err(worst);
        }
        if !looked_at {
            return match self.is_single() {
                true => Ok((Why::SingleRegion, RestsOn::Policy)),
                false => Err((Why::NoSources, RestsOn::Policy)),
            };
        }
        let rests_on = match oldest {
            Some((_, _, rests_on)) if !excluded => rests_on,
            _ => RestsOn::Policy,
        };
        Ok((Why::Fresh(oldest.map(|(source, age, _)| (source, age))), rests_on))
    }

    /// Whether there never was another region. One that is no longer named may live on, and take writes.
    fn is_single(&self) -> bool {
        let look = self.store.looks.get(self.query.target.index());
        let newest = look.and_then(|look| look.newest.as_ref());
        let is_alone = self.query.source.is_none() && self.store.plan.regions.len() == 1;
        is_alone && newest.is_some_and(|newest| newest.inspection.mode == Mode::Single)
    }

    /// After how long the local replica will do, as likely as the policy wants it, where that is worth waiting for.
    ///
    /// Staleness is a sawtooth: it falls to what replication takes whenever a heartbeat arrives, and each source has its own.
    /// The moment to wait for is the first at which all of them are young.
    fn wait(&self) -> Option<Span> {
        if self.query.basis != Basis::Bound || self.query.max_wait <= Span::ZERO {
            return None;
        }
        let sources = self.sources().filter(|source| self.is_fresh(*source) || !self.is_excluded(*source));
        let teeth: Option<Vec<Tooth>> = sources.map(|source| self.tooth(source)).collect();
        let (teeth, mut wait) = (teeth?, Span::ZERO);
        loop {
            let next = teeth.iter().map(|tooth| tooth.young_from(wait)).max()?;
            if next > self.query.max_wait {
                return None;
            }
            if next == wait {
                return Some(wait).filter(|wait| *wait > Span::ZERO);
            }
            wait = next;
        }
    }

    /// A source's sawtooth; `None` where nobody can expect its next heartbeat, or not in time.
    fn tooth(&self, source: RegionId) -> Option<Tooth> {
        let pair = self.pair(source)?;
        let assessment = assess(&self.store.plan, pair, self.now);
        if !matches!(assessment.state, State::Ok | State::Lagging | State::Throttled) {
            return None;
        }
        let tooth = Tooth {
            staleness: assessment.staleness?,
            interval: assessment.watermark?.interval,
            arrives: visibility::visible_within(pair, self.policy.confidence)?,
            young_until: self.query.max_staleness - self.query.valid_for,
        };
        (tooth.arrives <= tooth.young_until && tooth.interval > Span::ZERO).then_some(tooth)
    }

    /// Why a read elsewhere is not to be had either.
    fn no_other(&self) -> Option<Why> {
        let (store, now) = (self.store, self.now.mono);
        if let Some(source) = self.query.source {
            return trouble(store, source, now).map(|trouble| Why::InTrouble(source, trouble));
        }
        if self.policy.lost_source == LostSource::Refuse {
            let lost = |source| Some((source, region::lost(store, self.pair(source)?, self.policy, now)?));
            let longest = self.sources().filter_map(lost).max_by_key(|(_, silent)| *silent);
            if let Some((source, silent)) = longest {
                return Some(Why::Lost(source, silent));
            }
        }
        let mut troubles = self.sources().map(|source| trouble(store, source, now).map(|trouble| (source, trouble)));
        // Each has its own; the first is as good as another.
        let first = troubles.next()??;
        troubles.all(|trouble| trouble.is_some()).then_some(Why::InTrouble(first.0, first.1))
    }
}
