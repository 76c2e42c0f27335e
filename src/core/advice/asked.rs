//! What the facts come to for one question: whether the local replica will do, when it will, and whether anything else can.

use super::region::{self, trouble};
use super::{Basis, LostSource, Policy, Query, RestsOn, Why, visibility};
use crate::core::assess::{self, State, assess};
use crate::core::inspection::Mode;
use crate::core::merge::MergedOrigin;
use crate::core::model::RegionId;
use crate::core::snapshot::{PairSnapshot, StoreSnapshot};
use crate::core::time::{Now, Span};

/// The two clocks of a host part by more than this only when one of them was set, or the host was asleep.
const ASLEEP: Span = Span::from_millis(1_000);

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

/// A question, and what there is to answer it from.
pub(super) struct Asked<'a> {
    pub store: &'a StoreSnapshot,
    pub policy: &'a Policy,
    pub query: &'a Query,
    pub now: Now,
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
        let (now, taken) = (self.now, self.store.taken);
        // While a host sleeps its monotonic clock stands still, and all that is measured on it with it.
        if (now.wall - taken.wall) - (now.mono - taken.mono) > ASLEEP {
            return None;
        }
        let pair = self.pair(source)?;
        match self.query.basis {
            Basis::Bound => assess::staleness(pair, self.now.mono).map(|age| (age, RestsOn::Measurement)),
            Basis::Estimate => {
                let assessment = assess(&self.store.plan, pair, self.now);
                let merged = assessment.merged?;
                let (lag, rests_on) = match merged.origin {
                    MergedOrigin::Measured => (merged.lag, RestsOn::Measurement),
                    // What was so late at the beginning of the period is later by all that has passed since, at most.
                    MergedOrigin::Provider => {
                        let period = self.store.plan.polling?.period;
                        (merged.lag + period + assessment.provider?.age?, RestsOn::Provider)
                    }
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

    pub fn is_fresh(&self, source: RegionId) -> bool {
        self.age(source).is_some_and(|(age, _)| self.is_young(age))
    }

    /// Whoever names a region asks for what was written there.
    fn is_excluded(&self, source: RegionId) -> bool {
        if self.query.source.is_some() {
            return false;
        }
        let mut excluded = region::excluded(self.store, self.query.target, self.policy, self.now.mono);
        excluded.any(|(region, _)| region == source)
    }

    /// Whether the local replica will do, and why not.
    pub fn local(&self) -> Result<(Why, RestsOn), (Why, RestsOn)> {
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
        if self.query.source.is_none() && region::unlisted(self.store, self.query.target).is_some() {
            return Err((Why::Unlisted, RestsOn::Policy));
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
    pub fn wait(&self) -> Option<Span> {
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
    pub fn no_other(&self) -> Option<Why> {
        let (store, now) = (self.store, self.now.mono);
        if let Some(source) = self.query.source {
            return trouble(store, source, now).map(|trouble| Why::InTrouble(source, trouble));
        }
        if self.policy.lost_source == LostSource::Refuse {
            // Of one that cannot be asked it is not known that its items cannot be read there.
            let lost = |source| {
                let lost = region::lost(store, self.pair(source)?, self.policy, now)?;
                lost.is_asked.then_some((source, lost.silent))
            };
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
