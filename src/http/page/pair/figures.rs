//! What is known of a pair right now, each figure with what it rests on.

use maud::{Markup, html};

use super::super::shown::{ShownPair, ShownStore};
use super::super::{heartbeats, words};
use crate::core::assess::slot_lag;
use crate::core::merge::MergedOrigin;
use crate::core::model::Consistency;
use crate::core::offset::Offset;
use crate::core::snapshot::{Measured, Seat};
use crate::core::time::{Now, Span};
use crate::core::track::Watermark;

/// A figure's name, it, and what it means or why it is not known.
type Row = (&'static str, String, String);

/// All of them, and those of the slots where there is more than one.
pub(super) fn section(store: &ShownStore<'_>, one: &ShownPair<'_>, now: Now) -> Markup {
    let rows: Vec<Row> = [lags(one), what_is_seen(one, now), how(store, one, now)].concat();
    html! {
        h3 { "Figures now" }
        table.figures {
            caption { "What is known of the pair now" }
            thead { tr { th scope="col" { "Figure" } th scope="col" { "Value" } th scope="col" { "What it is" } } }
            tbody {
                @for (name, value, note) in &rows { tr { th scope="row" { (name) } td { (value) } td.note { (note) } } }
            }
        }
        @if one.pair.slots.len() > 1 { (slots(one, now)) }
    }
}

/// A figure that may not be known, for some reason.
fn figure(name: &'static str, known: Option<Span>, note: &str, because: &str) -> Row {
    match known {
        Some(known) => (name, words::span(known.as_secs_f64()), note.to_owned()),
        None => (name, words::UNKNOWN.into(), because.to_owned()),
    }
}

/// How late it is, by all that say so.
fn lags(one: &ShownPair<'_>) -> Vec<Row> {
    let now = &one.now;
    // Where the state is another finding, it is none of the lag.
    let unknown = if now.reason.is_empty() { "nobody knows" } else { &now.reason };
    let old = why_no_age(one);
    let mut rows = vec![figure("Current lag", now.current_lag, "how late the pair is", unknown)];
    rows.push(figure("Staleness", now.staleness, "the age of the newest heartbeat visible, at most", old));
    if one.pair.clock == Measured::TwoClocks {
        rows.push(figure("Overdue", now.overdue, "how long the next heartbeat has been due", old));
    }
    if one.pair.slots.len() > 1 {
        let because = "not known of every slot";
        rows.push(figure("Slot spread", now.slot_spread, "the latest slot's lag minus the earliest's", because));
    }
    let origin = match now.merged.map(|merged| merged.origin) {
        Some(MergedOrigin::Measured) => "as measured by the heartbeats",
        _ => "as the provider says, while nothing is measured",
    };
    rows.push(figure(
        "Best known lag",
        now.merged.map(|merged| merged.lag),
        origin,
        "neither heartbeats nor provider say",
    ));
    rows.push(figure("Stalled after", Some(now.stalled_after), "so long without anything new counts as a stall", ""));
    rows
}

/// Why the age of what is visible is not known.
fn why_no_age(one: &ShownPair<'_>) -> &'static str {
    match one.pair.seat {
        _ if one.now.watermark.is_none() => "no heartbeat is visible yet, or not in every slot",
        Seat::Ours => "this host's clock was set back",
        _ => "how far the two clocks differ is not bounded",
    }
}

/// The newest that is to be seen, and what was made of it.
fn what_is_seen(one: &ShownPair<'_>, now: Now) -> Vec<Row> {
    let watermark = match one.now.watermark {
        Some(watermark) => {
            let Watermark { beat, written_at, .. } = watermark;
            (
                words::moment(written_at),
                format!("when the newest heartbeat visible was written: run {}, seq {}", beat.run, beat.seq),
            )
        }
        None => (words::UNKNOWN.into(), "no heartbeat is visible yet, or not in every slot".to_owned()),
    };
    let sample = match one.pair.recent.last() {
        Some(sample) => {
            let [lower, upper] = [sample.bracket.lower, sample.bracket.upper].map(|end| words::span(end.as_secs_f64()));
            let seen = words::ago(sample.seen_at, now.wall);
            (format!("{lower} to {upper}"), format!("its lag lies between; seen {seen} ago"))
        }
        None => (words::UNKNOWN.into(), "there is none yet".to_owned()),
    };
    let (wide, all) = (one.pair.wide, one.pair.wide + one.pair.histogram.count);
    let share = match all {
        0 => (words::UNKNOWN.into(), "there are no samples yet".to_owned()),
        _ => {
            let share = wide as f64 * 100.0 / all as f64;
            (format!("{share:.1} %"), format!("{wide} of {all} samples since the start are too wide to be a point"))
        }
    };
    let row = |name, (value, note)| (name, value, note);
    vec![row("Watermark", watermark), row("Last sample", sample), row("Wide samples", share)]
}

/// How it is measured.
fn how(store: &ShownStore<'_>, one: &ShownPair<'_>, now: Now) -> Vec<Row> {
    let plan = &store.store.plan;
    let (clocks, what) = match one.pair.clock {
        Measured::OneClock => ("one clock", "this process writes and reads: no clocks are compared"),
        Measured::TwoClocks => ("two clocks", "another process writes"),
    };
    let reads = match plan.consistency {
        Consistency::Strong => "strongly consistent within the target region",
        Consistency::Eventual => "as an eventual reader sees it",
    };
    let mut rows = vec![
        ("Measured by", clocks.to_owned(), what.to_owned()),
        ("Heartbeats", plan.placement.label().to_owned(), format!("every {}", words::setting(plan.interval))),
        ("Reads", plan.consistency.label().to_owned(), reads.to_owned()),
    ];
    if let Some((who, note)) = heartbeats::in_region(store, one.pair.source, now) {
        rows.insert(1, ("Written by", who.to_owned(), note));
    }
    if one.pair.clock == Measured::TwoClocks {
        let (value, note) = offset(one.pair.offset);
        rows.push(("Clock offset", value, note));
    }
    rows
}

/// The difference of the clocks, and who says so.
fn offset(offset: Offset) -> (String, String) {
    let end = |end: Option<Span>| end.map_or("not bounded".to_owned(), |end| words::span(end.as_secs_f64()));
    let value = match (offset.min, offset.max) {
        (None, None) => words::UNKNOWN.to_owned(),
        (min, max) => format!("{} to {}", end(min.map(|(min, _)| min)), end(max.map(|(max, _)| max))),
    };
    (value, format!("this host's clock minus the writer's, at least and at most: {}", words::bases(offset)))
}

fn slots(one: &ShownPair<'_>, now: Now) -> Markup {
    html! {
        table.figures {
            caption { "Its slots: the pair is as late as the latest of them" }
            thead { tr {
                th scope="col" { "Slot" } th scope="col" { "Current lag" } th scope="col" { "Newest visible was written" }
            } }
            tbody {
                @for slot in one.pair.slots.iter() {
                    tr {
                        th scope="row" { (slot.slot) }
                        td.number { (words::span_or(slot_lag(slot, now.mono))) }
                        td { (slot.watermark.map_or(words::UNKNOWN.into(), |seen| words::moment(seen.written_at))) }
                    }
                }
            }
        }
    }
}
