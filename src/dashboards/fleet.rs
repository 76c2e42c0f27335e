//! Fleet: every cell and store at once, for who has just been woken.

use serde_json::{Value, json};

use super::frame::{self, Frame, Head};
use super::look::{self, GOOD, NOTICE, PAGE, TICKET};
use super::panel::{Panel, RUNBOOKS};
use super::query::{self, PAIR, SOON_SECONDS, Stores};
use crate::core::alert::{Phase, Severity};
use crate::core::assess::State;
use crate::metrics::declare;
use crate::rules::call;
use crate::rules::objective;
use crate::settings::{AlertSettings, ObjectiveSettings};

const STORES: Stores = Stores::Chosen;

/// The numbers of the tables to which the counts on top lead.
const WORST: usize = 101;
const ALERTS: usize = 102;
const NOT_KNOWN: usize = 103;
const CELLS: usize = 104;

/// As many points in time as there is room for where there are thousands of pairs: Prometheus takes 50 million samples a query.
const POINTS: u32 = 400;

pub(super) fn dashboard(alerts: &AlertSettings) -> Value {
    let mut frame = Frame::new(alerts);
    at_a_glance(&mut frame, alerts);
    where_it_is(&mut frame, alerts);
    alerting(&mut frame, alerts);
    promised(&mut frame, alerts.objective);
    not_known(&mut frame);
    let mut variables = vec![frame::cell(), frame::store(STORES)];
    variables.extend(frame::regions(STORES));
    frame.json(Head {
        uid: "tidegauge-fleet",
        title: "Tidegauge: Fleet",
        description: "All cells and stores: which region pairs are late, since when, who has been told, and what was promised.",
        stores: STORES,
        variables,
    })
}

/// The largest for each pair of what its gauges say.
fn current_lag() -> String {
    STORES.most(declare::CURRENT_LAG, &[])
}

/// One of this dashboard's tables alone, of what is chosen.
fn table_link(id: usize) -> String {
    format!(
        "/d/tidegauge-fleet/tidegauge-fleet?${{datasource:queryparam}}&${{cell:queryparam}}&${{store:queryparam}}\
         &${{source_region:queryparam}}&${{target_region:queryparam}}&${{runbooks:queryparam}}&${{__url_time_range}}&viewPanel={id}"
    )
}

fn at_a_glance(frame: &mut Frame, alerts: &AlertSettings) {
    let firing = |severity: &str| {
        let severity = format!("severity=\"{severity}\"");
        query::count_among(&query::alerts(alerts, STORES, &[r#"alertstate="firing""#, &severity]), &query::watchdog())
    };
    let panel = Panel::stat(
        "Alerts firing",
        "What Prometheus' rules have fire. 0 is only said while TidegaugeWatchdog fires: without it the rules are not \
         loaded, or find nothing, and nobody knows. A click shows which.",
    );
    let panel = panel.ask(firing("page"), "pages").ask(firing("ticket"), "tickets");
    let panel = panel.steps(GOOD, &[(1.0, TICKET)]).no_value("nobody knows").runbook("TidegaugeWatchdog");
    let panel = panel.link("Which?", table_link(ALERTS));
    let red = json!({ "mode": "absolute", "steps": [{ "color": GOOD, "value": null }, { "color": PAGE, "value": 1 }] });
    frame.add(4, 5, panel.set("byName", "pages", &[("thresholds", red.clone())]));

    let panel = Panel::stat(
        "Pairs by state",
        "Each region pair once, by the most urgent state that any gauge sees. States without a pair are left out. A pair is \
         unknown only where no gauge knows. A click shows the worst pairs.",
    );
    let panel = look::counted_by_state(panel, STORES).with_names().no_value("no gauge");
    frame.add(8, 5, panel.link("The worst", table_link(WORST)));

    let panel = Panel::stat(
        "Worst current lag",
        "How late the latest is of all pairs of which that is known. It grows by a second per second while replication is stopped.",
    );
    let panel = panel.ask(call("max", &current_lag()), "current lag").unit("s");
    let panel = panel.steps(GOOD, &look::lag_steps(alerts)).no_value("not known");
    frame.add(4, 5, panel.link("The worst", table_link(WORST)).runbook("TidegaugeCurrentLagHigh"));

    let panel = Panel::stat(
        "Lag not known",
        "Pairs that were measured within the last hour, and of which no gauge can say now how late they are. They are in no lag \
         here: unknown is neither 0 nor good. The state says why (unknown, read_failing, write_failing, …), where any gauge is \
         left. A click shows them.",
    );
    let unknown = query::count_among(&STORES.unknown(), &STORES.measured_lately());
    let panel = panel.ask(unknown, "pairs").steps(GOOD, &[(1.0, TICKET)]).no_value("no gauge");
    frame.add(4, 5, panel.link("Which?", table_link(NOT_KNOWN)).runbook("TidegaugeUnknown"));

    let seen = call("max by (cell)", &format!("max_over_time({}[1d])", query::gauges()));
    let there = call("max by (cell)", &query::gauges());
    let silent = call("sum", &format!("({seen}\nunless on (cell)\n{there})\nor\n0 * {seen}"));
    let panel = Panel::stat(
        "Cells",
        "Cells of which a gauge reports now, and cells that reported within the last day and do not any more.",
    );
    let panel = panel.ask(call("count", &there), "report").ask(silent, "silent").steps("text", &[]);
    let panel = panel.set("byName", "silent", &[("thresholds", red)]).no_value("none for a day");
    frame.add(4, 5, panel.link("Which?", table_link(CELLS)).runbook("TidegaugeGaugeAbsent"));
}

/// How a table shows the state of its row's pair.
fn state_of_row() -> [(&'static str, Value); 2] {
    [("mappings", look::states_if_any()), ("custom.cellOptions", json!({ "type": "color-text" }))]
}

fn where_it_is(frame: &mut Frame, alerts: &AlertSettings) {
    frame.section("Where");
    let steps = look::lag_steps(alerts);
    let by = "max by (source_region, target_region)";
    let late = steps.iter().find(|(_, color)| *color != NOTICE).map_or(SOON_SECONDS, |(above, _)| *above);
    let lag = call(by, &current_lag());
    let by_regions = format!("{lag} > {late}\nor\n-1 * {}\nor\n{lag}", call(by, &STORES.states_of_unknown()));
    let panel = Panel::table(
        "Current lag, source × target",
        &format!(
            "Rows are source regions, columns are target regions: how late the latest of the chosen stores is there. Where none is \
             known to be later than {late} s, and nobody knows of one how late it is, its state. An empty cell is no pair. A click \
             shows the pair's stores.",
        ),
    );
    let panel = panel.ask(by_regions, "").unit("s").steps(GOOD, &steps).default("decimals", json!(1));
    let panel = panel.custom("cellOptions", look::filled()).custom("align", json!("center"));
    let panel = panel.default("mappings", look::states_below_zero());
    let sorted_by = |field: &str| json!({ "fields": {}, "sort": [{ "desc": false, "field": field }] });
    let panel = panel.transform("sortBy", sorted_by("target_region"));
    let panel = panel.transform(
        "groupingToMatrix",
        json!({
            "columnField": "target_region", "emptyValue": "null", "rowField": "source_region", "valueField": "Value",
        }),
    );
    let panel = panel.transform("sortBy", sorted_by("source_region\\target_region"));
    let here = "/d/tidegauge-fleet/tidegauge-fleet?${datasource:queryparam}&${cell:queryparam}&${store:queryparam}\
                &var-source_region=${__data.fields[0]}&var-target_region=${__field.name}&${runbooks:queryparam}\
                &${__url_time_range}";
    let panel = panel.link("Which stores?", here.to_owned());
    let panel = panel.set(
        "byType",
        "string",
        &[
            ("custom.cellOptions", json!({ "type": "auto" })),
            ("links", json!([])),
            ("displayName", json!("from ↓ to →")),
        ],
    );
    frame.add(12, 10, panel.runbook("TidegaugeCurrentLagHigh"));

    let worst = call("topk", &format!("100,\n{}", STORES.badness()));
    let of_worst = |what: String| format!("{what}\nand on ({PAIR})\n{worst}");
    let (lag, state) = (of_worst(current_lag()), of_worst(STORES.state()));
    let panel = Panel::table(
        "Pairs, worst first",
        "The hundred worst pairs: by the most urgent state that any gauge sees, and the latest first among those of one state. Pairs \
         that are unknown, or have no gauge any more, come before those that are well. A click on a store leads there.",
    );
    let panel = panel.ask(lag, "").ask(state, "").ask(worst, "").transform("merge", json!({}));
    let panel = panel.transform("sortBy", json!({ "fields": {}, "sort": [{ "desc": true, "field": "Value #C" }] }));
    let panel = panel.columns(
        &[
            ("store", "store"),
            ("source_region", "source_region"),
            ("target_region", "target_region"),
            ("Value #B", "state"),
            ("Value #A", "current lag"),
        ],
        &["Value #C"],
    );
    let panel = panel.unit("s").steps(GOOD, &steps).default("decimals", json!(1));
    let panel = panel.set("byName", "store", &[("links", look::links("The pair", look::store_link("__data.fields")))]);
    let panel = panel
        .set("byName", "current lag", &[("mappings", look::lag_if_known()), ("custom.cellOptions", look::filled())])
        .set("byName", "state", &state_of_row());
    frame.add_as(WORST, 12, 10, panel);

    let state = STORES.state_recorded();
    let ok = query::urgency(State::Ok);
    let sometime = call("max_over_time", &format!("({state} != {ok})[$__range:$__interval] @ end()"));
    let sometime = call("topk", &format!("50,\n{sometime}"));
    let panel = Panel::timeline(
        "States over time",
        "The fifty pairs that were worst, of those that were other than ok at some time in this range, each by the most urgent \
         state at that time. A gap is a time in which no gauge had the pair. Recorded by Prometheus' rules.",
    );
    let panel = panel.ask(
        format!(
            "{state}
and on ({PAIR})
{sometime}"
        ),
        look::PAIR_OF_STORE,
    );
    let panel = panel.unit("none").default("mappings", look::states()).points_at_most(POINTS);
    let panel = panel.no_value("None was recorded that was not ok");
    let panel = panel.link("The store", look::store_link("__field.labels"));
    frame.add(14, 11, panel.runbook("TidegaugeStalled"));

    let panel = Panel::lines(
        "Pairs by state, over time",
        "How many pairs were in which state: the same count as above, as Prometheus' rules recorded it.",
    );
    let panel = look::counted_by_state_over_time(panel, STORES).stacked().no_value("not recorded");
    frame.add(10, 11, panel.points_at_most(POINTS).default("min", json!(0)).runbook("TidegaugeRegionImpaired"));
}

fn alerting(frame: &mut Frame, alerts: &AlertSettings) {
    frame.section("Alerts");
    let mut hidden = vec!["__name__", "job", "instance"];
    let columns = [
        ("store", "store"),
        ("source_region", "source_region"),
        ("target_region", "target_region"),
        ("region", "region"),
        ("side", "side"),
        ("finding", "finding"),
    ];
    let runbook = json!([{
        "title": "What to do", "url": format!("{RUNBOOKS}/${{__value.raw}}.md"), "targetBlank": true,
    }]);
    let panel = Panel::table(
        "Alerts by Prometheus' rules",
        "What is pending and what fires, over all gauges: two of a cell have to agree on a page. Of one severity the oldest comes \
         first; how old it is counts from when it was pending. A click on a name leads to what to do, one on a store or a cell there.",
    );
    let mut named = vec![("alertname", "alert"), ("severity", "severity"), ("alertstate", "course")];
    named.push(("Value", "for"));
    named.extend(columns);
    named.push(("cell", "cell"));
    let since = query::alerts_since(alerts, STORES);
    let all = query::alerts(alerts, STORES, &[]);
    let since = format!("{all}\n* ignoring (alertstate) group_left ()\n(time() - {since})");
    let panel = panel.ask(since, "").unit("none").columns(&named, &hidden);
    let course = look::words(&[(Phase::Firing.label(), PAGE), (Phase::Pending.label(), NOTICE)]);
    let severity = look::words(&[(Severity::Page.label(), PAGE), (Severity::Ticket.label(), TICKET)]);
    let colored = |panel: Panel| {
        panel
            .set("byName", "alert", &[("links", runbook.clone()), ("custom.width", json!(260))])
            .set("byName", "store", &[("links", look::links("The store", look::whole_store_link()))])
            .set("byName", "course", &course)
            .set("byName", "severity", &severity)
    };
    let panel = colored(panel)
        .set("byName", "for", &[("unit", json!("s")), ("decimals", json!(0))])
        .set("byName", "cell", &[("links", look::links("Its processes", look::gauge_link()))])
        .sorted_by(&["course", "severity"])
        .then_largest_first("for");
    frame.add_as(ALERTS, 24, 12, panel.no_value("None, if the watchdog fires").runbook("TidegaugeWatchdog"));

    let active = query::of_gauges(&STORES.of(declare::ALERT_ACTIVE, &[]));
    let by = "max by (rule, severity, state, store, source_region, target_region, region, side, finding)";
    let panel = Panel::table(
        "Alerts by the gauges themselves",
        "What single gauges hold to be pending or firing, from their own measurements: sooner than Prometheus, without a second \
         opinion.",
    );
    let mut named = vec![("rule", "alert"), ("severity", "severity"), ("state", "course")];
    named.extend(columns);
    hidden.push("Value");
    let panel = panel.ask(call(by, &active), "").unit("none").columns(&named, &hidden);
    let panel = colored(panel).sorted_by(&["course", "severity", "alert"]);
    frame.add(24, 10, panel.no_value("None, if there are gauges").runbook("TidegaugeGaugesDisagree"));
}

fn promised(frame: &mut Frame, objective: ObjectiveSettings) {
    let ObjectiveSettings { lag, share } = objective;
    const AGREED: &str = "By the lag that a cell's gauges agree on, the second largest where there are two or more, over all cells. \
                          Recorded by Prometheus' rules.";
    let lag = crate::rules::duration(lag);
    frame.section("What was promised");
    let share_steps = look::share_steps(objective);

    let title = format!("Visible within {SOON_SECONDS} s, worst pairs");
    let panel = Panel::bars(
        &title,
        "The share of heartbeats in this range that were visible at the target in time, by the histogram: those of a stall count \
         when it is over, and those of which it is not known well enough how long they took, do not.",
    );
    let worst = format!("bottomk(10,\n{}\n)", STORES.share_soon("$__range", PAIR));
    // Nobody promised this: it has no colours of good and bad.
    let panel = panel.ask(worst, look::PAIR_OF_STORE).unit("percentunit").steps("blue", &[]);
    let panel = panel.default("min", json!(0)).default("max", json!(1)).no_value("no samples");
    frame.add(6, 12, panel.link("The store", look::store_link("__field.labels")));

    let kept = STORES.pairs_named(objective::WITHIN, &[]);
    let panel = Panel::bars(
        &format!("Within {lag}, worst pairs"),
        &format!(
            "The objective: the share of the time in this range in which a pair's current lag was {lag} at most, of the time in \
             which it was known: a pair that nobody knows is at 100 % if it was well before, see beside. {AGREED}",
        ),
    );
    let panel = panel.ask(format!("bottomk(10,\navg_over_time({kept}[$__range])\n)"), look::PAIR_OF_STORE);
    let panel = panel.unit("percentunit").steps(PAGE, &share_steps).default("min", json!(0)).default("max", json!(1));
    let panel = panel.link("The store", look::store_link("__field.labels")).no_value("not recorded");
    frame.add(6, 12, panel.runbook("TidegaugeObjectiveBurn"));

    let panel = Panel::bars(
        "Time known, worst pairs",
        "The share of the time in this range in which a pair's current lag was known, of that in which Prometheus' rules looked. Of the \
         rest nobody knows whether the promise was kept. A pair that is new was not known before.",
    );
    let looked = call("max", &format!("count_over_time({}[$__range])", objective::LOOKED));
    // One that was not known at all has no record.
    let known = format!("count_over_time({kept}[$__range])\nor\n0 * {}", STORES.measured_lately());
    let known = format!("{}\n/ on () group_left ()\n{looked}", query::by_pair(&known));
    let panel = panel.ask(format!("bottomk(10,\n{known}\n)"), look::PAIR_OF_STORE).unit("percentunit");
    let panel = panel.steps(TICKET, &[(objective.share, GOOD)]).default("min", json!(0)).default("max", json!(1));
    let panel = panel.link("The store", look::store_link("__field.labels")).no_value("not recorded");
    frame.add(6, 12, panel.runbook("TidegaugeUnknown"));

    let record =
        |days: u64| STORES.pairs_named(&objective::name_over(std::time::Duration::from_secs(days * 24 * 3600)), &[]);
    let budget = objective::budget(share);
    let panel = Panel::bars(
        "Budget left of 30 days, worst pairs",
        &format!(
            "How much of the time that the objective leaves for being late is not used up. Below 0 the promise is broken. Time in \
             which nobody knows uses up none of it. {AGREED}",
        ),
    );
    let left = format!("bottomk(10,\n1 - (1 - {}) / {budget}\n)", record(30));
    let panel = panel.ask(left, look::PAIR_OF_STORE).unit("percentunit").steps(PAGE, &[(0.0, TICKET), (0.5, GOOD)]);
    let panel = panel.default("min", json!(-1)).default("max", json!(1)).no_value("not recorded");
    frame.add(6, 12, panel.link("The store", look::store_link("__field.labels")).runbook("TidegaugeObjectiveBurn"));

    let mut factors: Vec<(f64, &str)> = objective::burn_rates()
        .map(|(factor, severity)| (factor, if severity == Severity::Page { PAGE } else { TICKET }))
        .to_vec();
    factors.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let panel = Panel::lines(
        "Burn rate, worst pair of each store",
        &format!(
            "How many times as fast as it may be the budget is used up: at 1 it lasts just as long as it has to. The lines are where \
             tickets and pages begin. Of a pair that nobody knows now, only what was known before counts. {AGREED}",
        ),
    );
    let over = |seconds: u64| {
        let name = objective::name_over(std::time::Duration::from_secs(seconds));
        call("max by (store)", &format!("(1 - {}) / {budget}", STORES.pairs_named(&name, &[])))
    };
    let panel = panel.ask(over(300), "{{store}}, 5 minutes").ask(over(3600), "{{store}}, 1 hour");
    let panel = panel.ask(over(6 * 3600), "{{store}}, 6 hours");
    let panel = panel.steps("transparent", &factors).with_lines_at_steps().default("min", json!(0));
    frame.add(24, 9, panel.no_value("not recorded").runbook("TidegaugeObjectiveBurn"));
}

fn not_known(frame: &mut Frame) {
    frame.section("Who knows nothing");
    let panel = Panel::table(
        "Pairs that nobody knows",
        "Pairs that were measured within the last hour, and of which no gauge can say now how late they are: it cannot read the \
         target, nobody writes at the source, or no gauge is left. What the provider says is beside it, where it says anything.",
    );
    let unknown = STORES.unknown();
    let state = format!("{}\nand on ({PAIR})\n({unknown})", STORES.state());
    let said = format!("{}\nunless on ({PAIR})\n{}", STORES.most(declare::MERGED_LAG, &[]), current_lag());
    let panel = panel.ask(unknown, "").ask(state, "").ask(said, "").transform("merge", json!({}));
    let panel = panel.columns(
        &[
            ("store", "store"),
            ("source_region", "source_region"),
            ("target_region", "target_region"),
            ("Value #B", "state"),
            ("Value #C", "lag by the provider"),
        ],
        &["Value #A"],
    );
    let panel = panel.unit("s").set("byName", "state", &state_of_row());
    let panel = panel.set("byName", "store", &[("links", look::links("The pair", look::store_link("__data.fields")))]);
    let panel = panel.sorted_by(&["store", "source_region", "target_region"]);
    frame.add_as(NOT_KNOWN, 12, 10, panel.no_value("None, if there are gauges").runbook("TidegaugeUnknown"));

    let of_role = |role: &str| {
        let role = format!("role=\"{role}\"");
        call("count by (cell)", &query::series(declare::CELL_INFO.name, &[&role, r#"cell=~"$cell""#]))
    };
    let seen = call("max by (cell)", &format!("max_over_time({}[1d])", query::gauges()));
    let panel = Panel::table(
        "Cells",
        "Cells that had a gauge within the last day, with the processes that report now. Where the gauges' column is empty, the \
         cell is silent: nobody measures from there.",
    );
    let panel = panel.ask(seen, "").ask(of_role("gauge"), "").ask(of_role("observer"), "");
    let panel = panel
        .transform("merge", json!({}))
        .columns(&[("cell", "cell"), ("Value #B", "gauges now"), ("Value #C", "observers now")], &["Value #A"]);
    let panel = panel.set("byName", "cell", &[("links", look::links("Its processes", look::gauge_link()))]);
    frame.add_as(CELLS, 12, 10, panel.sorted_by(&["cell"]).no_value("none for a day").runbook("TidegaugeGaugeAbsent"));
}
