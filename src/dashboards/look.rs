//! Colours and words that mean the same on every dashboard. Colour never says anything alone: a word or a number is beside it.

use serde_json::{Map, Value, json};

use super::panel::Panel;
use super::query::{SOON_SECONDS, Stores, urgency};
use crate::core::advice::Decision;
use crate::core::alert::{Severity, Signal};
use crate::core::assess::State;
use crate::core::pair::BUCKETS;
use crate::rules::call;
use crate::rules::objective::budget;
use crate::settings::{AlertSettings, ObjectiveSettings};

pub(super) const GOOD: &str = "green";
pub(super) const NOTICE: &str = "yellow";
pub(super) const TICKET: &str = "orange";
pub(super) const PAGE: &str = "red";
const UNKNOWN: &str = "#8e8e8e";

/// From which width on a bucket of the lag says too little for a number within it to be shown as one.
const WIDE_SECONDS: f64 = 5.0;

/// How a pair is called in legends.
pub(super) const PAIR: &str = "{{source_region}} → {{target_region}}";
/// The same, where there is more than one store.
pub(super) const PAIR_OF_STORE: &str = "{{store}}: {{source_region}} → {{target_region}}";

/// What a rate of errors by reason cannot show.
pub(super) const FIRST_ERRORS: &str = "Of throttling and timeouts every one counts. Any other reason begins with its first error, \
                                       and what there was of it until the first scrape after that is in no rate.";

fn color(state: State) -> &'static str {
    match state {
        State::Unknown => UNKNOWN,
        State::Ok => GOOD,
        State::ReadFailing => "blue",
        State::Lagging => NOTICE,
        State::Throttled => TICKET,
        State::WriterSilent => "purple",
        State::Stalled => PAGE,
        State::WriteFailing => "dark-red",
    }
}

/// Words and colours in place of the numbers that stand for states.
pub(super) fn states() -> Value {
    mapping(State::ALL.map(|state| (urgency(state), state.label(), color(state))))
}

/// The same where some have none, as there is no gauge any more.
pub(super) fn states_if_any() -> Value {
    with_nothing(states(), "no gauge", UNKNOWN)
}

/// The same as numbers below zero, which no lag is. Where there is nothing at all there is no colour either: it would be the
/// lowest threshold's, and that is the colour of what is well.
pub(super) fn states_below_zero() -> Value {
    let states = State::ALL.map(|state| (-i16::from(urgency(state)), state.label(), color(state)));
    with_nothing(mapping(states), "", "transparent")
}

/// A word in place of a lag that is not known.
pub(super) fn lag_if_known() -> Value {
    with_nothing(json!([]), "not known", UNKNOWN)
}

/// The same for advice, by its place from the least cautious on.
pub(super) fn decisions() -> Value {
    // From what costs nothing to what gives nothing.
    const COLORS: [&str; Decision::COUNT] = [GOOD, "light-blue", "blue", "dark-blue", NOTICE, TICKET, PAGE];
    mapping(std::array::from_fn::<_, { Decision::COUNT }, _>(|caution| {
        (u8::try_from(caution).unwrap_or(u8::MAX), Decision::LABELS[caution], COLORS[caution])
    }))
}

/// Words and colours in place of numbers.
pub(super) fn mapping<C: ToString, const N: usize>(words: [(C, &str, &str); N]) -> Value {
    let options: Map<String, Value> = words
        .into_iter()
        .enumerate()
        .map(|(index, (code, text, color))| (code.to_string(), json!({ "color": color, "index": index, "text": text })))
        .collect();
    json!([{ "type": "value", "options": options }])
}

/// The ends of the histogram's buckets, in seconds, between which and above which its quantiles are guesses: some wide ranges.
fn wide_buckets() -> &'static [f64] {
    let first = BUCKETS.windows(2).position(|ends| ends[1] - ends[0] > WIDE_SECONDS);
    first.map_or(&[], |first| &BUCKETS[first..])
}

/// Ranges in place of quantiles of the lag that are guesses.
pub(super) fn ranges() -> Value {
    let ends = wide_buckets();
    // The first that fits counts. What is above the last bucket's end is told as that end.
    let above = ends.last().map(|last| (*last, *last, format!("over {last} s")));
    let between = ends.windows(2).map(|ends| (ends[0], ends[1], format!("{} to {} s", ends[0], ends[1])));
    let each = above.into_iter().chain(between).enumerate().map(|(index, (from, to, text))| {
        let said = json!({ "index": index, "text": text });
        json!({ "type": "range", "options": { "from": from, "to": to, "result": said } })
    });
    each.collect()
}

/// The same in words, for where a number is shown all the same.
pub(super) fn ranges_in_words() -> String {
    let ends: Vec<String> = wide_buckets().iter().map(f64::to_string).collect();
    match ends.split_last() {
        None => String::new(),
        Some((last, ends)) => format!(
            "Between {} and {last} s, where buckets end, it is a guess that may be well above every lag that there was, and it never \
             says more than {last} s.",
            ends.join(", ")
        ),
    }
}

/// These, and a word and a colour in place of nothing.
fn with_nothing(mut mappings: Value, word: &str, color: &str) -> Value {
    let result = json!({ "color": color, "index": State::ALL.len(), "text": word });
    let nothing = json!({ "type": "special", "options": { "match": "null", "result": result } });
    if let Some(mappings) = mappings.as_array_mut() {
        mappings.push(nothing);
    }
    mappings
}

/// Colours for words.
pub(super) fn words(words: &[(&str, &str)]) -> [(&'static str, Value); 2] {
    let options: Map<String, Value> =
        words.iter().map(|(word, color)| ((*word).to_owned(), json!({ "color": color }))).collect();
    [
        ("mappings", json!([{ "type": "value", "options": options }])),
        ("custom.cellOptions", json!({ "type": "color-text" })),
    ]
}

/// Asks how many pairs are in each state, the most first, and gives each state its name and colour.
pub(super) fn counted_by_state(panel: Panel, stores: Stores) -> Panel {
    named_by_state(panel.ask(call("sort_desc", &count_by_state(&stores.state())), "{{code}}"))
}

/// The same over time.
pub(super) fn counted_by_state_over_time(panel: Panel, stores: Stores) -> Panel {
    named_by_state(panel.ask(count_by_state(&stores.state_recorded()), "{{code}}"))
}

fn count_by_state(states: &str) -> String {
    call("count_values", &format!("\"code\",\n{states}"))
}

fn named_by_state(panel: Panel) -> Panel {
    State::ALL.into_iter().fold(panel, |panel, state| {
        let fixed = json!({ "fixedColor": color(state), "mode": "fixed" });
        panel.set("byName", &urgency(state).to_string(), &[("displayName", json!(state.label())), ("color", fixed)])
    })
}

/// From which lag on who is told: what the rules say of current lag, where they do.
pub(super) fn lag_steps(alerts: &AlertSettings) -> Vec<(f64, &'static str)> {
    let over = alerts.rules.iter().filter(|rule| matches!(rule.signal, Signal::CurrentLag));
    let over = over.flat_map(|rule| rule.thresholds.iter());
    let least = |severity| {
        let over = over.clone().filter(|threshold| threshold.severity == severity);
        over.map(|threshold| threshold.above.as_secs_f64()).min_by(f64::total_cmp)
    };
    let steps = [(Some(SOON_SECONDS), NOTICE), (least(Severity::Ticket), TICKET), (least(Severity::Page), PAGE)];
    let mut steps: Vec<_> = steps.into_iter().filter_map(|(above, color)| Some((above?, color))).collect();
    // Grafana wants them in order; of two that are told of at once, the worse.
    steps.reverse();
    let mut kept: Vec<(f64, &'static str)> = Vec::new();
    for (above, color) in steps {
        if kept.last().is_none_or(|(next, _)| above < *next) {
            kept.push((above, color));
        }
    }
    kept.reverse();
    kept
}

/// What share of the time is as promised, and what would use up the budget ten times as fast.
pub(super) fn share_steps(objective: ObjectiveSettings) -> [(f64, &'static str); 2] {
    let share = objective.share;
    // What is left where ten times as much is used.
    [(budget(10.0 * budget(share)), TICKET), (share, GOOD)]
}

/// Where a click leads, in the same tab.
pub(super) fn links(title: &str, url: String) -> Value {
    json!([{ "title": title, "url": url, "targetBlank": false }])
}

/// The Store dashboard for one pair, over the same time; `field` is where its labels are, from `__field.labels` or `__data.fields`.
pub(super) fn store_link(field: &str) -> String {
    format!(
        "/d/tidegauge-store/tidegauge-store?${{datasource:queryparam}}&${{cell:queryparam}}&var-store=${{{field}.store}}\
         &var-source_region=${{{field}.source_region}}&var-target_region=${{{field}.target_region}}&${{runbooks:queryparam}}\
         &${{__url_time_range}}"
    )
}

/// The Store dashboard for the store of a table's row, with all pairs, over the same time.
pub(super) fn whole_store_link() -> String {
    "/d/tidegauge-store/tidegauge-store?${datasource:queryparam}&${cell:queryparam}&var-store=${__data.fields.store}\
     &${runbooks:queryparam}&${__url_time_range}"
        .to_owned()
}

/// The Gauge dashboard for the cell of a table's row, over the same time.
pub(super) fn gauge_link() -> String {
    "/d/tidegauge-gauge/tidegauge-gauge?${datasource:queryparam}&var-cell=${__data.fields.cell}&${runbooks:queryparam}\
     &${__url_time_range}"
        .to_owned()
}

/// A column whose cells are coloured all over by what is in them.
pub(super) fn filled() -> Value {
    json!({ "mode": "basic", "type": "color-background" })
}
