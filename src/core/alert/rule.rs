//! What an operator wants to be told of: rules, each a signal, a scope, and a threshold per severity.

use std::sync::Arc;

use super::pattern::Patterns;
use crate::core::assess::State;
use crate::core::audit::Kind;
use crate::core::time::Span;

/// Whom an alert is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it in working hours.
    Ticket,
}

impl Severity {
    /// Both, the worse one first.
    pub const ALL: [Severity; 2] = [Severity::Page, Severity::Ticket];

    /// The label's value, and the key in the settings.
    pub fn label(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

/// What one alert of a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Per {
    /// One region pair.
    Pair,
    /// Every pair that has the region as its source, together.
    SourceRegion,
    /// Every pair that has the region as its target, together.
    TargetRegion,
    /// Both of these, as an alert each.
    Region,
}

impl Per {
    /// The words of the settings.
    pub const WORDS: [(&'static str, Per); 4] = [
        ("pair", Per::Pair),
        ("source_region", Per::SourceRegion),
        ("target_region", Per::TargetRegion),
        ("region", Per::Region),
    ];
}

/// What becomes of an alert while its signal is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoData {
    /// It counts as over the threshold.
    Fire,
    /// Nothing changes: what fires goes on firing, what is pending waits.
    Keep,
    /// It counts as under the threshold.
    Ignore,
}

impl NoData {
    /// The words of the settings.
    pub const WORDS: [(&'static str, NoData); 3] =
        [("fire", NoData::Fire), ("keep", NoData::Keep), ("ignore", NoData::Ignore)];
}

/// Which quantile of lag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantile {
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
}

impl Quantile {
    /// The words of the settings.
    pub const WORDS: [(&'static str, Quantile); 3] =
        [("p50", Quantile::P50), ("p90", Quantile::P90), ("p99", Quantile::P99)];

    /// As a fraction.
    pub fn fraction(self) -> f64 {
        match self {
            Quantile::P50 => 0.5,
            Quantile::P90 => 0.9,
            Quantile::P99 => 0.99,
        }
    }

    /// The word of the settings.
    pub fn label(self) -> &'static str {
        match self {
            Quantile::P50 => "p50",
            Quantile::P90 => "p90",
            Quantile::P99 => "p99",
        }
    }
}

/// Over which window: an index into [`crate::core::window::Summary`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// The last minute.
    OneMinute,
    /// The last ten minutes.
    TenMinutes,
    /// The last hour.
    Hour,
}

impl Over {
    /// The words of the settings.
    pub const WORDS: [(&'static str, Over); 3] =
        [("1m", Over::OneMinute), ("10m", Over::TenMinutes), ("60m", Over::Hour)];

    /// The word of the settings, which is a duration of Prometheus's, too.
    pub fn label(self) -> &'static str {
        match self {
            Over::OneMinute => "1m",
            Over::TenMinutes => "10m",
            Over::Hour => "60m",
        }
    }
}

/// What is watched.
#[derive(Clone, PartialEq, Debug)]
pub enum Signal {
    /// How late the pair is now.
    CurrentLag,
    /// How long the next heartbeat has been due.
    Overdue,
    /// The age of what is visible.
    Staleness,
    /// The best that is known of the lag, by whoever knows it.
    MergedLag,
    /// A quantile of the lag samples of a window.
    LagQuantile {
        /// Which.
        quantile: Quantile,
        /// Of which window.
        over: Over,
    },
    /// The pair is in one of these states.
    State(Vec<State>),
    /// The provider's word does not fit the heartbeats.
    ProviderDisagrees,
    /// By how much this host's clock is certainly off that of the source's writer, either way.
    Clock,
    /// The store's set-up has one of these findings, in a region.
    Audit(Vec<Kind>),
}

impl Signal {
    /// Whether it is so many seconds, rather than so or not.
    pub fn is_duration(&self) -> bool {
        !matches!(self, Signal::State(_) | Signal::ProviderDisagrees | Signal::Audit(_))
    }

    /// The word of the settings.
    pub fn label(&self) -> &'static str {
        match self {
            Signal::CurrentLag => "current_lag",
            Signal::Overdue => "overdue",
            Signal::Staleness => "staleness",
            Signal::MergedLag => "merged_lag",
            Signal::LagQuantile { .. } => "lag_quantile",
            Signal::State(_) => "state",
            Signal::ProviderDisagrees => "provider_disagrees",
            Signal::Clock => "clock",
            Signal::Audit(_) => "audit",
        }
    }
}

/// When a rule is of a severity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Threshold {
    /// Which severity.
    pub severity: Severity,
    /// The signal must be above this. 0 for signals that are no durations.
    pub above: Span,
    /// Once it fires, it goes on until the signal is at this or below; never above `above`.
    pub clear: Span,
    /// For so long without a break before it fires.
    pub pending_for: Span,
}

/// One rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// Its name, which becomes the alert's: `TidegaugeStalled`.
    pub name: Arc<str>,
    /// What is watched.
    pub signal: Signal,
    /// What one alert is about. Findings of the audit are about a region in any case.
    pub per: Per,
    /// Which stores.
    pub stores: Patterns,
    /// Pairs of which sources; of the audit: findings in which regions.
    pub source_regions: Patterns,
    /// Pairs of which targets.
    pub target_regions: Patterns,
    /// So many pairs there must be at least for "every pair" to mean anything. 1 unless `per` is a region.
    pub pairs_min: usize,
    /// One per severity at most, the worse one first; at least one.
    pub thresholds: Vec<Threshold>,
    /// It goes on firing until the signal was clear for so long.
    pub keep_firing_for: Span,
    /// What becomes of it while the signal is not known.
    pub no_data: NoData,
}
