//! `[stores.simulated]`: a store that exists in this process only, with a lag that is known.
//!
//! It is there to try things out without a cloud: the demo runs on it, and so do tests and benchmarks.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::region::RegionRules;
use super::section::Section;
use super::words;

/// More events than this, and nobody can tell which of them is at work.
const EVENTS_MAX: usize = 64;

const HOUR: Duration = Duration::from_secs(3600);

/// A store in this process, whose lag is known.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedSettings {
    /// Where its randomness starts: the same seed gives the same lags. 0 to 2⁶³ − 1, default 1.
    pub seed: u64,
    /// How long each request takes, within the region: 0 to 10 s, default 5 ms.
    pub latency: Duration,
    /// How long replication takes between any two regions. Default: lognormal, median 800 ms, sigma 0.25.
    pub lag: SimulatedLag,
    /// Now and then a write that takes several times as long. Default: none.
    pub spikes: Option<SimulatedSpikes>,
    /// What happens on schedule. Default: nothing.
    pub events: Vec<SimulatedEvent>,
}

/// How long replication takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SimulatedLag {
    /// Always the same: `lag = { fixed = "800ms" }`.
    Fixed(Duration),
    /// Lognormal: `lag = { median = "800ms", sigma = 0.25 }`.
    LogNormal {
        /// Half of the writes take longer: 0 to 1 h.
        median: Duration,
        /// Standard deviation of the lag's logarithm: 0 to 3.
        sigma: f64,
    },
}

/// Writes that take several times as long as they would have: `{ probability = 0.02, factor_min = 2, factor_max = 5 }`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimulatedSpikes {
    /// Which share of the writes: 0 to 1.
    pub probability: f64,
    /// At least so many times as long: 1 to 1000.
    pub factor_min: f64,
    /// At most so many times as long: `factor_min` to 1000.
    pub factor_max: f64,
}

/// Something that goes wrong on schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedEvent {
    /// What goes wrong, and to whom.
    pub kind: SimulatedEventKind,
    /// When it happens first, counted from the start of the process: 0 to 24 h, default 0.
    pub offset: Duration,
    /// How long it lasts: 100 ms to 1 h, and shorter than `every`.
    pub lasts: Duration,
    /// From one beginning to the next: 1 s to 24 h.
    pub every: Duration,
}

/// What goes wrong, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub enum SimulatedEventKind {
    /// Nothing arrives; all of it arrives when it is over.
    Stall(SimulatedPairs),
    /// Replication takes `factor` times as long.
    Spike {
        /// On these pairs.
        pairs: SimulatedPairs,
        /// So many times as long: 1 to 1000, default 10.
        factor: f64,
    },
    /// No request to this region is answered.
    RegionDown {
        /// One of the store's regions.
        region: String,
    },
    /// Requests to this region are refused as throttled.
    Throttle {
        /// One of the store's regions.
        region: String,
    },
}

/// Some of the region pairs of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedPairs {
    /// Only from this region; `None` is any.
    pub source_region: Option<String>,
    /// Only to this region; `None` is any.
    pub target_region: Option<String>,
}

impl SimulatedEvent {
    /// Whether it is going on, so long after the process started.
    pub fn is_active(&self, since_start: Duration) -> bool {
        since_start
            .checked_sub(self.offset)
            .is_some_and(|elapsed| elapsed.as_nanos() % self.every.as_nanos().max(1) < self.lasts.as_nanos())
    }
}

impl SimulatedPairs {
    /// Whether this region pair is among them.
    pub fn contains(&self, source_region: &str, target_region: &str) -> bool {
        let fits = |filter: &Option<String>, region| filter.as_deref().is_none_or(|wanted| wanted == region);
        fits(&self.source_region, source_region) && fits(&self.target_region, target_region)
    }
}

/// What a simulated store knows of its regions: nothing has to be reached.
pub(super) const REGIONS: RegionRules =
    RegionRules { name: words::region, keys: &[], kind: "simulated", example: "us-east-1" };

impl SimulatedSettings {
    /// `regions` are the store's, whose names the events use; none, where they could not be read.
    pub(super) fn read(mut section: Section<'_>, regions: &[String]) -> SimulatedSettings {
        let simulated = SimulatedSettings {
            seed: section.integer("seed", 0..=i64::MAX as u64).unwrap_or(1),
            latency: section
                .duration("latency", Duration::ZERO..=Duration::from_secs(10))
                .unwrap_or(Duration::from_millis(5)),
            lag: lag(section.section_or_empty("lag")),
            spikes: section.section("spikes").map(spikes),
            events: events(&mut section, regions),
        };
        section.finish();
        simulated
    }
}

fn lag(mut section: Section<'_>) -> SimulatedLag {
    let fixed = section.duration("fixed", Duration::ZERO..=HOUR);
    let median = section.duration("median", Duration::ZERO..=HOUR).unwrap_or(Duration::from_millis(800));
    let sigma = section.number("sigma", 0.0..=3.0).unwrap_or(0.25);
    if section.has("fixed") && (section.has("median") || section.has("sigma")) {
        section.problem("fixed", "a fixed lag has no median and no sigma; use either fixed, or median and sigma");
    }
    section.finish();
    fixed.map_or(SimulatedLag::LogNormal { median, sigma }, SimulatedLag::Fixed)
}

fn spikes(mut section: Section<'_>) -> SimulatedSpikes {
    const FACTORS: RangeInclusive<f64> = 1.0..=1000.0;
    section.require("probability", "say which share of the writes, such as probability = 0.02");
    let spikes = SimulatedSpikes {
        probability: section.number("probability", 0.0..=1.0).unwrap_or(0.0),
        factor_min: section.number("factor_min", FACTORS).unwrap_or(2.0),
        factor_max: section.number("factor_max", FACTORS).unwrap_or(5.0),
    };
    if spikes.factor_max < spikes.factor_min {
        section.problem(
            "factor_max",
            format!("{} is less than factor_min; use {} or more", spikes.factor_max, spikes.factor_min),
        );
    }
    section.finish();
    spikes
}

fn events(section: &mut Section<'_>, regions: &[String]) -> Vec<SimulatedEvent> {
    let example = "[ { kind = \"stall\", every = \"3m\", lasts = \"20s\" } ]";
    let events: Vec<_> =
        section.sections("events", example).into_iter().filter_map(|section| event(section, regions)).collect();
    if events.len() > EVENTS_MAX {
        section.problem("events", format!("{} events are too many; use at most {EVENTS_MAX}", events.len()));
    }
    events
}

/// The words of `kind`, before their particulars are read.
#[derive(Clone, Copy)]
enum Kind {
    Stall,
    Spike,
    RegionDown,
    Throttle,
}

fn event(mut section: Section<'_>, regions: &[String]) -> Option<SimulatedEvent> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    const SECOND: Duration = Duration::from_secs(1);
    section.require("kind", "use \"stall\", \"spike\", \"region_down\" or \"throttle\"");
    section.require("every", "say how often it happens, such as every = \"3m\"");
    section.require("lasts", "say how long it takes, such as lasts = \"20s\"");
    let offset = section.duration("offset", Duration::ZERO..=DAY).unwrap_or(Duration::ZERO);
    let lasts = section.duration("lasts", Duration::from_millis(100)..=HOUR);
    let every = section.duration("every", SECOND..=DAY);
    if let (Some(lasts), Some(every)) = (lasts, every)
        && lasts >= every
    {
        section.problem("lasts", "is as long as every, so it would never be over; make it shorter");
    }
    let words = [
        ("stall", Kind::Stall),
        ("spike", Kind::Spike),
        ("region_down", Kind::RegionDown),
        ("throttle", Kind::Throttle),
    ];
    let one_of = |text: &str| match regions.is_empty() || regions.iter().any(|region| region == text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not one of this store's regions; use {}", regions.join(" or "))),
    };
    let kind = match section.choice("kind", &words) {
        Some(Kind::Stall) => Some(SimulatedEventKind::Stall(pairs(&mut section, one_of))),
        Some(Kind::Spike) => Some(SimulatedEventKind::Spike {
            pairs: pairs(&mut section, one_of),
            factor: section.number("factor", 1.0..=1000.0).unwrap_or(10.0),
        }),
        Some(kind @ (Kind::RegionDown | Kind::Throttle)) => {
            section.require("region", "name the region that it happens to");
            let region = section.text("region", one_of);
            region.map(|region| match kind {
                Kind::Throttle => SimulatedEventKind::Throttle { region },
                _ => SimulatedEventKind::RegionDown { region },
            })
        }
        // Which of the other keys are right is not known either.
        None => {
            for key in ["source_region", "target_region", "region", "factor"] {
                section.allow(key);
            }
            None
        }
    };
    section.finish();
    Some(SimulatedEvent { kind: kind?, offset, lasts: lasts?, every: every? })
}

fn pairs(section: &mut Section<'_>, one_of: impl Fn(&str) -> Result<String, String>) -> SimulatedPairs {
    SimulatedPairs {
        source_region: section.text("source_region", &one_of),
        target_region: section.text("target_region", &one_of),
    }
}
