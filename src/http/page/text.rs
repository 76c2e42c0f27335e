//! The page for a terminal: a plain table of pairs, and what else there is.

use std::fmt::Write;

use super::shown::Shown;
use super::words::seconds;
use super::{PATH, heartbeats};
use crate::http::resources;
use crate::reload::Loaded;

pub(super) fn page(shown: &Shown<'_>, loaded: &Loaded) -> String {
    let mut text = String::from("Tidegauge: how stale is the data here?\n\n");
    if let Some(problems) = &loaded.refused {
        let _ = writeln!(
            text,
            "The settings that were read last were refused, and those before them are in use:\n{problems}\n"
        );
    }
    let head = ["store", "source region", "target region", "state", "current lag", "p99 (10m)", "reason"];
    let mut line = |row: [&str; 7]| {
        let [store, source, target, state, lag, p99, reason] = row;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{store:<16} {source:<16} {target:<16} {state:<14} {lag:>11} {p99:>10}  {reason}");
    };
    line(head);
    for store in shown.wanted() {
        for one in &store.pairs {
            line([
                store.name(),
                one.source,
                one.target,
                one.now.state.label(),
                &seconds(one.now.current_lag.map(|lag| lag.as_secs_f64())),
                &seconds(one.pair.summary[1].p99),
                &one.now.reason,
            ]);
        }
    }
    text.push('\n');
    for store in shown.wanted() {
        for alike in heartbeats::of(store, shown.view.now.mono) {
            let (store, place, words) = (store.name(), alike.place(), alike.words(shown.view.now));
            let bad = if alike.is_trouble { "! " } else { "" };
            let _ = writeln!(text, "{bad}{store}: heartbeats from here: {place}: {words}");
        }
    }
    text.push('\n');
    for resource in resources().filter(|resource| resource.path != PATH) {
        let _ = writeln!(text, "{:<62} {}", resource.address(), resource.summary);
    }
    text
}
