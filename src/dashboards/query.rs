//! What a dashboard asks of Prometheus.
//!
//! Several gauges of several cells measure the same pair. What is shown of it is the most that any of them says, as in the
//! rules. Observers speak for their own pods and are not asked. The cell is a gauge's own word, joined by `job` and `instance`:
//! whether or not a scrape adds a label of that name makes no difference.

use crate::core::assess::State;
use crate::core::pair::BUCKETS;
use crate::metrics::declare::{self, Metric};
use crate::rules::states::{self, URGENCY};
use crate::rules::{call, indented, quoted};
use crate::settings::AlertSettings;

pub(super) use crate::rules::states::{codes, urgency};

/// The labels of a region pair.
pub(super) const PAIR: &str = "store, source_region, target_region";

/// As many lines as can be told apart.
const LINES: u8 = 20;

/// What is taken to be soon, in seconds: an end of the histogram's buckets, so that nothing is interpolated.
pub(super) const SOON_SECONDS: f64 = BUCKETS[6];

/// Which series of a store are meant: one or any number of the dashboard's choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stores {
    /// The one that is chosen.
    One,
    /// All that are chosen.
    Chosen,
}

impl Stores {
    /// What tells its series from others.
    pub(super) fn matcher(self) -> &'static str {
        match self {
            Stores::One => r#"store="$store""#,
            Stores::Chosen => r#"store=~"$store""#,
        }
    }

    /// A metric of pairs, as each gauge has it; `more` are matchers besides.
    pub(super) fn pairs(self, metric: Metric, more: &[&str]) -> String {
        self.pairs_named(metric.name, more)
    }

    /// A series of pairs that has a name of its own: a part of a histogram, or a record of the rules.
    pub(super) fn pairs_named(self, name: &str, more: &[&str]) -> String {
        let of_pair = [self.matcher(), r#"source_region=~"$source_region""#, r#"target_region=~"$target_region""#];
        series(name, &[&of_pair, more].concat())
    }

    /// A metric of a store, or of its regions.
    pub(super) fn of(self, metric: Metric, more: &[&str]) -> String {
        series(metric.name, &[&[self.matcher()], more].concat())
    }

    /// The most that any gauge says of each pair.
    pub(super) fn most(self, metric: Metric, more: &[&str]) -> String {
        by_pair(&of_gauges(&self.pairs(metric, more)))
    }

    /// The state of each pair as a number, by [`urgency`]: the most urgent that any gauge sees.
    pub(super) fn state(self) -> String {
        by_pair(&states::coded(&self.pairs(declare::PAIR_STATE, &[]), &gauges()))
    }

    /// The same as the rules recorded it: over time a small part of what it takes to read all gauges' states.
    pub(super) fn state_recorded(self) -> String {
        by_pair(&self.pairs_named(URGENCY, &[r#"cell=~"$cell""#]))
    }

    /// The pairs that any gauge measured within the last hour, be that gauge there or not.
    pub(super) fn measured_lately(self) -> String {
        let over = |series: &str| format!("max_over_time({series}[1h])");
        // An address may have been another process's, of another cell, within the hour: one series for each all the same.
        let gauges = call("group by (job, instance)", &over(&gauges()));
        let pairs = over(&self.pairs(declare::PAIR_INFO, &[]));
        by_pair(&format!("{pairs}\n* on (job, instance) group_left ()\n{gauges}"))
    }

    /// The pairs of these of which nobody knows how late they are.
    pub(super) fn unknown(self) -> String {
        format!("{}\nunless on ({PAIR})\n{}", self.measured_lately(), self.most(declare::CURRENT_LAG, &[]))
    }

    /// The states of these, as of those that have no gauge any more: unknown.
    pub(super) fn states_of_unknown(self) -> String {
        let states = format!("{}\nor\n{}", self.state(), self.measured_lately());
        format!("(\n{}\n)\nunless on ({PAIR})\n{}", indented(&states), self.most(declare::CURRENT_LAG, &[]))
    }

    /// How bad it is: by state first, and by current lag among those of one state. Of a pair that nobody knows it may be the
    /// worst, so that it comes before those that are well.
    pub(super) fn badness(self) -> String {
        let (lately, lag) = (self.measured_lately(), self.most(declare::CURRENT_LAG, &[]));
        let unknown = f64::from(urgency(State::Unknown));
        let after_ok = f64::from(urgency(State::Ok)) + 0.5;
        let states = format!("{} > {unknown}\nor\n{after_ok} * {lately}", self.state());
        let lags = format!("{lag}\nor\n0 * {lately}");
        // No lag is as long.
        format!("1e9 * (\n{}\n)\n+ (\n{}\n)", indented(&states), indented(&lags))
    }

    /// The buckets of the lag's histogram as they grew in a window, summed by `by` and `le`.
    pub(super) fn buckets(self, function: &str, window: &str, by: &str) -> String {
        let grew =
            format!("{function}({}[{window}])", self.pairs_named(&part(declare::REPLICATION_LAG, "bucket"), &[]));
        let by = if by.is_empty() { "le".to_owned() } else { format!("le, {by}") };
        call(&format!("sum by ({by})"), &of_gauges(&grew))
    }

    /// The share of each pair's samples that were visible within [`SOON_SECONDS`]; none where there are no samples.
    pub(super) fn share_soon(self, window: &str, by: &str) -> String {
        let within = format!("le={}", quoted(&SOON_SECONDS.to_string()));
        let grew = |name: &str, more: &[&str]| {
            let series = self.pairs_named(&part(declare::REPLICATION_LAG, name), more);
            let by = if by.is_empty() { "sum".to_owned() } else { format!("sum by ({by})") };
            call(&by, &of_gauges(&format!("increase({series}[{window}])")))
        };
        format!("{}\n/\n({} > 0)", grew("bucket", &[&within]), grew("count", &[]))
    }
}

/// A part of a histogram: `bucket`, `count` or `sum`.
pub(super) fn part(metric: Metric, part: &str) -> String {
    format!("{}_{part}", metric.name)
}

/// The series of gauges in the chosen cells, each with its cell.
pub(super) fn of_gauges(series: &str) -> String {
    format!("{series}\n* on (job, instance) group_left (cell)\n{}", gauges())
}

/// The gauges of the chosen cells.
pub(super) fn gauges() -> String {
    series(declare::CELL_INFO.name, &[r#"role="gauge""#, r#"cell=~"$cell""#])
}

/// One value a pair: the largest.
pub(super) fn by_pair(vector: &str) -> String {
    call(&format!("max by ({PAIR})"), vector)
}

/// Over time, the [`LINES`] series that were largest at some time of the range: the same ones all along.
pub(super) fn largest(vector: &str) -> String {
    format!("{vector}\nand\n{}", foremost("topk", &over_range("max_over_time", vector)))
}

/// The same, of those that were smallest.
pub(super) fn smallest(vector: &str) -> String {
    format!("{vector}\nand\n{}", foremost("bottomk", &over_range("min_over_time", vector)))
}

/// As many as can be told apart, by `topk` or `bottomk`.
pub(super) fn foremost(function: &str, vector: &str) -> String {
    call(function, &format!("{LINES},\n{vector}"))
}

/// What comes of a function over all of the range, at each of its moments.
pub(super) fn over_range(function: &str, vector: &str) -> String {
    call(function, &format!("(\n{}\n)[$__range:$__interval] @ end()", indented(vector)))
}

/// How many there are: 0 if none of `those` is there while some of `all` are, and nothing while there is nothing at all.
pub(super) fn count_among(those: &str, all: &str) -> String {
    format!("{}\nor\n0 * {}", call("count", those), call("count", all))
}

/// The alerts of Prometheus' own, but for the one that always fires. Those about no store are among those of any number.
pub(super) fn alerts(settings: &AlertSettings, stores: Stores, more: &[&str]) -> String {
    alerts_named("ALERTS", settings, stores, more)
}

/// Since when each of them has been pending, as the time in seconds.
pub(super) fn alerts_since(settings: &AlertSettings, stores: Stores) -> String {
    alerts_named("ALERTS_FOR_STATE", settings, stores, &[])
}

fn alerts_named(name: &str, settings: &AlertSettings, stores: Stores, more: &[&str]) -> String {
    let mut names = vec!["Tidegauge.*"];
    names.extend(settings.rules.iter().map(|rule| &*rule.name).filter(|name| !name.starts_with("Tidegauge")));
    let names = format!("alertname=~{}", quoted(&names.join("|")));
    let store = match stores {
        Stores::One => stores.matcher(),
        Stores::Chosen => r#"store=~"$store|""#,
    };
    let matchers = [&names, r#"alertname!="TidegaugeWatchdog""#, store];
    series(name, &[&matchers, more].concat())
}

/// That the rules are loaded, and find what they look for.
pub(super) fn watchdog() -> String {
    series("ALERTS", &[r#"alertname="TidegaugeWatchdog""#, r#"alertstate="firing""#])
}

/// Series by name and matchers.
pub(super) fn series(name: &str, matchers: &[&str]) -> String {
    match matchers {
        [] => name.to_owned(),
        _ => format!("{name}{{{}}}", matchers.join(", ")),
    }
}

/// A quantile of buckets; without samples none.
pub(super) fn quantile(quantile: f64, buckets: &str) -> String {
    format!("{} >= 0", call("histogram_quantile", &format!("{quantile},\n{buckets}")))
}
