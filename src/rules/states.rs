//! What is the matter with each pair as a number, recorded: to draw it over time from a series a pair, and not from one for each
//! gauge and state.

use crate::core::assess::State;

use super::expression::{GAUGES, PAIR, call, indented};
use super::file::{Entry, Group, quoted};

/// The most urgent state that any gauge of a cell sees of a pair, by [`urgency`].
pub(crate) const URGENCY: &str = "cell_pair:tidegauge_pair_state:urgency";

pub(super) fn group() -> Group {
    let states = coded("tidegauge_pair_state", GAUGES);
    let entry = Entry::record(URGENCY.to_owned(), call(&format!("max by (cell, {PAIR})"), &states));
    let words = by_urgency().map(|state| format!("{} {}", urgency(state), state.label())).join(", ");
    Group {
        name: "tidegauge-states",
        comment: format!("The most urgent state that any gauge of a cell sees of a pair, for the dashboards: {words}."),
        interval: None,
        entries: vec![entry],
    }
}

/// How much a state wakes people. A pair of which gauges differ is shown by the largest. So who cannot look outvotes nobody
/// who sees trouble, and a pair is unknown only where no gauge knows.
pub(crate) fn urgency(state: State) -> u8 {
    match state {
        State::Unknown => 1,
        State::Ok => 2,
        State::ReadFailing => 3,
        State::Lagging => 4,
        State::Throttled => 5,
        State::WriterSilent => 6,
        State::Stalled => 7,
        State::WriteFailing => 8,
    }
}

fn by_urgency() -> [State; State::ALL.len()] {
    let mut all = State::ALL;
    all.sort_by_key(|state| urgency(*state));
    all
}

/// The states that gauges see, each as its [`urgency`] and with its gauge's cell, of these series of states and of gauges.
pub(crate) fn coded(states: &str, gauges: &str) -> String {
    let codes = codes("state", by_urgency().map(|state| (state.label(), urgency(state))));
    format!("({states} == 1)\n* on (job, instance) group_left (cell)\n{gauges}\n* on (state) group_left ()\n{codes}")
}

/// A number for each value of a label, to multiply with: a series has no other way to say a word.
pub(crate) fn codes<const N: usize>(label: &str, codes: [(&str, u8); N]) -> String {
    let each =
        codes.map(|(value, code)| format!("label_replace(vector({code}), \"{label}\", {}, \"\", \"\")", quoted(value)));
    format!("(\n{}\n)", indented(&each.join("\nor\n")))
}
