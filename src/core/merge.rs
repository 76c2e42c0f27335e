//! What the provider says of a pair, weighed against what the heartbeats say.
//!
//! Both stay visible. The provider counts what *arrives*, so a stall shows there as no data, or as 0: neither says
//! anything. What it does say of a period is compared with the heartbeats that arrived in that very period ([`super::compare`]).

pub use super::compare::{ARRIVALS_MIN, Comparison, Off, Period};
use super::compare::{compare, compare_percentiles};
use super::hour::{Hour, KEPT};
use super::model::Reason;
use super::provider::{Polling, Statistic};
use super::time::{Mono, Now, Span, Wall};

/// A provider publishes late, and corrects what it published for some ten minutes: what is of the last quarter of an hour
/// is the best that it has.
const FRESH: Span = Span::from_millis(15 * 60 * 1_000);

/// For so long after the end of its period a value is about now; with long periods the newest one is older than that by
/// itself.
pub fn fresh_for(polling: Polling) -> Span {
    FRESH.max(polling.period.times(3) + polling.delay)
}

/// Whether heartbeats and provider agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The newest period that can be compared is within bounds.
    Agrees,
    /// Twice running the provider said far more than the heartbeats.
    DisagreesProviderHigher,
    /// Twice running the provider said far less than the heartbeats.
    DisagreesProviderLower,
    /// Nothing that could be compared was said, or too long ago.
    Unknown,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 4] =
        [Verdict::Agrees, Verdict::DisagreesProviderHigher, Verdict::DisagreesProviderLower, Verdict::Unknown];

    /// The word used in answers.
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Agrees => "agrees",
            Verdict::DisagreesProviderHigher => "disagrees_provider_higher",
            Verdict::DisagreesProviderLower => "disagrees_provider_lower",
            Verdict::Unknown => "unknown",
        }
    }

    /// Whether they disagree; `None` where that is not known.
    pub fn disagrees(self) -> Option<bool> {
        match self {
            Verdict::Agrees => Some(false),
            Verdict::DisagreesProviderHigher | Verdict::DisagreesProviderLower => Some(true),
            Verdict::Unknown => None,
        }
    }
}

/// What a verdict rests on.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Ground {
    /// No question was answered yet.
    #[default]
    NotAsked,
    /// Nothing of the last hour, or nothing but 0.
    NothingSaid,
    /// What was said is of periods in which too few heartbeats arrived.
    NothingArrived,
    /// What was said are percentiles alone, and none of minutes of which the heartbeats have one.
    NoPercentile,
    /// The newest period that can be compared is off, and the one before is not, or not that way.
    Once(Comparison),
    /// The newest two are off, the same way.
    Twice(Comparison),
    /// The newest is not off.
    Within(Comparison),
}

/// A verdict's ground, and for how long it bears one.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Finding {
    /// What it rests on.
    pub ground: Ground,
    /// From then on it bears none any more.
    pub until: Option<Mono>,
}

impl Finding {
    /// Weighs the hour that is kept of a pair. `now` has the provider's wall clock, and `p99` is that of the heartbeats that
    /// arrived between two moments.
    ///
    /// What says nothing is passed over, so it clears nothing: a provider that falls silent after it disagreed has not come
    /// round.
    pub fn of(hour: &Hour<Period>, polling: Polling, now: Now, p99: impl Fn(Mono, Mono) -> Option<f64>) -> Finding {
        let mut ground = Ground::NothingSaid;
        let mut newest: Option<Comparison> = None;
        for (begin, period) in hour.newest_first(now.wall) {
            let end = begin + hour.length();
            if end > now.wall || !period.says_anything() {
                continue;
            }
            let ended = now.mono - (now.wall - end);
            if newest.is_none() {
                let has_more =
                    [Statistic::Average, Statistic::Maximum].iter().any(|other| period.said(*other).is_some());
                ground = if has_more { Ground::NothingArrived } else { Ground::NoPercentile };
            }
            let before = hour.get(begin - hour.length());
            let percentile = || compare_percentiles(hour, end, ended, &p99);
            let Some(comparison) = compare(period, before, percentile) else { continue };
            match newest {
                None if comparison.off.is_none() => {
                    return Finding { ground: Ground::Within(comparison), until: Some(ended + fresh_for(polling)) };
                }
                None => {
                    newest = Some(comparison);
                    ground = Ground::Once(comparison);
                }
                Some(newest) if newest.off == comparison.off => {
                    return Finding { ground: Ground::Twice(newest), until: Some(ended - hour.length() + KEPT) };
                }
                Some(_) => break,
            }
        }
        Finding { ground, until: None }
    }

    /// The verdict at a moment.
    pub fn verdict(&self, now: Mono) -> Verdict {
        if self.until.is_some_and(|until| now >= until) {
            return Verdict::Unknown;
        }
        match self.ground {
            Ground::Within(_) => Verdict::Agrees,
            Ground::Twice(Comparison { off: Some(Off::Higher), .. }) => Verdict::DisagreesProviderHigher,
            Ground::Twice(Comparison { off: Some(Off::Lower), .. }) => Verdict::DisagreesProviderLower,
            _ => Verdict::Unknown,
        }
    }

    /// The verdict's ground in words, for a person on call.
    pub fn words(&self, now: Mono) -> String {
        if self.until.is_some_and(|until| now >= until) {
            return "what it said that could be compared was too long ago".into();
        }
        match self.ground {
            Ground::NotAsked => "no question was answered yet".into(),
            Ground::NothingSaid => "it says nothing of the last hour, or nothing but 0, which says nothing".into(),
            Ground::NothingArrived => {
                format!("in the periods that it speaks of, fewer than {ARRIVALS_MIN} heartbeats arrived to compare")
            }
            Ground::NoPercentile => "it says 99th percentiles, which can be compared where it says one of each of ten \
                                     minutes in a row in which 100 heartbeats arrived"
                .into(),
            Ground::Within(comparison) => in_words(comparison),
            Ground::Once(comparison) => format!("{}; off once is no finding", in_words(comparison)),
            Ground::Twice(comparison) => format!("{}; and much the same before", in_words(comparison)),
        }
    }
}

fn in_words(Comparison { statistic, provider, own: (least, most), off }: Comparison) -> String {
    match statistic {
        Statistic::Average => format!(
            "its average is {provider:.2} s, that of the heartbeats which arrived in the same period {least:.2} to \
             {most:.2} s"
        ),
        Statistic::Maximum => format!(
            "its maximum is {provider:.2} s, and a heartbeat which arrived in the same period took {least:.2} s at least"
        ),
        Statistic::P99 => {
            let bound = match off {
                Some(Off::Higher) => "at least ",
                Some(Off::Lower) => "at most ",
                None => "",
            };
            format!(
                "its 99th percentile, minute by minute, is {bound}{provider:.2} s, that of the heartbeats which arrived in \
                 ten such minutes {most:.2} s"
            )
        }
    }
}

/// What the provider says of a pair's newest period of which it says anything.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Said {
    /// When the period ended, by the provider's clock.
    pub end: Wall,
    /// The same, on this process's monotonic clock: a wall clock that is set must not make it younger.
    pub ended: Mono,
    /// Seconds.
    pub average: Option<f64>,
    /// Seconds.
    pub maximum: Option<f64>,
    /// Seconds.
    pub p99: Option<f64>,
}

impl Said {
    /// The newest of an hour. `now` has the provider's wall clock.
    pub fn newest(hour: &Hour<Period>, now: Now) -> Option<Said> {
        let (begin, period) = hour.newest_first(now.wall).find(|(_, period)| period.says_anything())?;
        let end = begin + hour.length();
        let said = |statistic| period.said(statistic);
        let (average, maximum, p99) = (said(Statistic::Average), said(Statistic::Maximum), said(Statistic::P99));
        Some(Said { end, ended: now.mono - (now.wall - end), average, maximum, p99 })
    }

    /// One statistic.
    pub fn of(&self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::Average => self.average,
            Statistic::Maximum => self.maximum,
            Statistic::P99 => self.p99,
        }
    }

    /// The one that stands for the pair's lag: a mean or a percentile where there is one, as a maximum is of one write.
    pub fn value(&self) -> Option<(Statistic, f64)> {
        let order = [Statistic::Average, Statistic::P99, Statistic::Maximum];
        order.into_iter().find_map(|statistic| Some((statistic, self.of(statistic)?)))
    }
}

/// The facts about what the provider says of one pair, as of its last answer.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ProviderFacts {
    /// The newest that it says.
    pub newest: Option<Said>,
    /// How that compares.
    pub finding: Finding,
    /// Why the last question failed, if it did.
    pub failing: Option<Reason>,
}

/// What these facts mean at one moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Standing {
    /// The newest that the provider says, while that is within the hour that is kept.
    pub said: Option<Said>,
    /// How long ago its period ended.
    pub age: Option<Span>,
    /// Whether it is about now.
    pub is_fresh: bool,
    /// Whether it agrees with the heartbeats.
    pub verdict: Verdict,
}

impl ProviderFacts {
    /// What they mean at `now`.
    pub fn standing(&self, polling: Polling, now: Mono) -> Standing {
        let said = self.newest.filter(|said| now - said.ended <= KEPT);
        let age = said.map(|said| now - said.ended);
        let is_fresh = age.is_some_and(|age| age <= fresh_for(polling));
        Standing { said, age, is_fresh, verdict: self.finding.verdict(now) }
    }
}

/// Who says how large the merged lag is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MergedOrigin {
    /// The heartbeats.
    Measured,
    /// The provider.
    Provider,
}

impl MergedOrigin {
    /// The word used in labels.
    pub fn label(self) -> &'static str {
        match self {
            MergedOrigin::Measured => "measured",
            MergedOrigin::Provider => "provider",
        }
    }
}

/// The best that is known of a pair's lag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Merged {
    /// How late it is.
    pub lag: Span,
    /// Who says so.
    pub origin: MergedOrigin,
}

/// Measured current lag while there is one; else what the provider says, while that is fresh; else nothing.
///
/// `still_at` is the last look, where at that look the target stood still: what the provider says of a period that began
/// earlier is of what arrived before, and must not talk down a stall that nobody can see any longer.
pub fn merged(
    current_lag: Option<Span>,
    standing: Option<&Standing>,
    polling: Option<Polling>,
    still_at: Option<Mono>,
) -> Option<Merged> {
    if let Some(lag) = current_lag {
        return Some(Merged { lag, origin: MergedOrigin::Measured });
    }
    let said = standing.filter(|standing| standing.is_fresh)?.said?;
    let began = said.ended - polling?.period;
    if still_at.is_some_and(|still_at| began < still_at) {
        return None;
    }
    let (_, seconds) = said.value()?;
    Some(Merged { lag: Span::from_secs_f64(seconds), origin: MergedOrigin::Provider })
}
