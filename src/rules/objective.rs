//! What lag was promised, for which share of the time, and how fast the rest of the time is being used up.

use std::time::Duration;

use crate::core::alert::Severity;
use crate::settings::{AlertSettings, ObjectiveSettings};

use super::file::{Entry, Group, Kind, duration};
use super::{annotations, expression, words};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether a pair is within what was promised.
pub(crate) const WITHIN: &str = "pair:tidegauge_current_lag_within_objective:bool";

/// That it was looked whether it is so: what the time in which it was known is a share of.
pub(crate) const LOOKED: &str = "tidegauge:objective_evaluated:bool";

/// So much faster than would just be right the budget is used up over a long window, and over a short one: that it still is.
struct Burn {
    factor: f64,
    long: Duration,
    short: Duration,
    severity: Severity,
    pending_for: Duration,
    /// Short beside the pages of pairs: the windows have patience of their own, and whatever holds it back must outlast it.
    keep_firing_for: Duration,
}

const BURNS: [Burn; 3] = [
    Burn {
        factor: 14.4,
        long: HOUR,
        short: Duration::from_secs(300),
        severity: Severity::Page,
        pending_for: Duration::from_secs(120),
        keep_firing_for: Duration::from_secs(180),
    },
    Burn {
        factor: 6.0,
        long: Duration::from_secs(6 * 3600),
        short: Duration::from_secs(1800),
        severity: Severity::Ticket,
        pending_for: Duration::from_secs(900),
        keep_firing_for: Duration::from_secs(1800),
    },
    Burn {
        factor: 1.0,
        long: Duration::from_secs(3 * 24 * 3600),
        short: Duration::from_secs(6 * 3600),
        severity: Severity::Ticket,
        pending_for: HOUR,
        keep_firing_for: HOUR,
    },
];

/// Whether it is kept, over which share of several windows, and how fast the budget burns.
pub(super) fn groups(alerts: &AlertSettings) -> [Group; 2] {
    let ObjectiveSettings { lag, share } = alerts.objective;
    let within =
        format!("{} <= bool {}", expression::agreed("tidegauge_current_lag_seconds"), expression::seconds(lag.into()));
    let looked = Entry::record(LOOKED.to_owned(), "vector(1)".to_owned());
    let mut often = vec![Entry::record(WITHIN.to_owned(), within), looked];
    often.extend([5 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR].map(share_over));
    let mut seldom: Vec<Entry> = [3 * DAY, 30 * DAY].map(share_over).into();
    let mut left_out = String::new();
    for burn in BURNS {
        if burn.factor * budget(share) >= 1.0 {
            left_out.push_str(&format!(
                " A burn rate of {} over {} is left out: with such a share it would take more than all of the time.",
                burn.factor,
                duration(burn.long)
            ));
            continue;
        }
        // A series has to be there before it is asked for.
        let group = if burn.long >= DAY { &mut seldom } else { &mut often };
        group.push(alert(alerts, &burn));
    }
    [
        Group {
            name: "tidegauge-objective",
            comment: format!(
                "The objective: a pair's current lag is {} at most for {} of the time. 1 while it is, 0 while it is not, and \
                 absent while nobody knows: unknown is not zero, and not good either. So the shares are of the time in \
                 which it is known, and TidegaugeUnknown and the states tell of the rest.{left_out}",
                duration(lag),
                percent(share)
            ),
            interval: Some(MINUTE),
            entries: often,
        },
        Group {
            name: "tidegauge-objective-long",
            comment:
                "Over days, which are much to add up: less often, and often enough that a series does not go stale."
                    .to_owned(),
            interval: Some(3 * MINUTE),
            entries: seldom,
        },
    ]
}

/// How many times as fast as it may be the budget has to be used up for somebody to be told, and how.
pub(crate) fn burn_rates() -> [(f64, Severity); BURNS.len()] {
    BURNS.map(|burn| (burn.factor, burn.severity))
}

/// The share of the time in which it may be otherwise; rounded, as binary fractions are off at the end.
pub(crate) fn budget(share: f64) -> f64 {
    ((1.0 - share) * 1e9).round() / 1e9
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}

/// The record of the share of a window in which it was kept.
pub(crate) fn name_over(window: Duration) -> String {
    format!("pair:tidegauge_current_lag_within_objective:avg{}", duration(window))
}

fn share_over(window: Duration) -> Entry {
    Entry::record(name_over(window), format!("avg_over_time({WITHIN}[{}])", duration(window)))
}

fn alert(alerts: &AlertSettings, burn: &Burn) -> Entry {
    let name = "TidegaugeObjectiveBurn";
    let ObjectiveSettings { lag, share } = alerts.objective;
    let rate = |window| format!("(1 - {}) / {} > {}", name_over(window), budget(share), burn.factor);
    let window = duration(burn.long);
    Entry {
        comment: None,
        kind: Kind::Alert,
        name: name.to_owned(),
        expr: format!("{}\nand\n{}", rate(burn.long), rate(burn.short)),
        pending_for: burn.pending_for,
        keep_firing_for: burn.keep_firing_for,
        labels: vec![("severity", burn.severity.label().to_owned()), ("window", window.clone())],
        annotations: annotations(
            alerts,
            name,
            format!("{} is late too much of the time", words::PAIR),
            format!(
                "Over the last {window}, and still over the last {}, current lag was above {} for so much of the time that the \
                 objective's budget ({} of the time) is used up {{{{ $value | humanize }}}} times as fast as it may be.",
                duration(burn.short),
                duration(lag),
                percent(budget(share)),
            ),
        ),
    }
}
