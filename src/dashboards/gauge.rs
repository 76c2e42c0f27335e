//! Gauge: the processes themselves, gauges and observers.

use serde_json::{Value, json};

use super::frame::{self, Frame, Head};
use super::look::{self, GOOD, PAGE, TICKET};
use super::panel::Panel;
use super::query::{self, Stores};
use crate::metrics::declare::{self, Metric};
use crate::rules::call;
use crate::settings::AlertSettings;

const STORES: Stores = Stores::Chosen;

/// What a panel of rates says when it has none: it cannot tell why.
const NO_RATE: &str = "no process, or too few scrapes";

/// A month, as bills and `tidegauge cost` have it: thirty days.
const MONTH_SECONDS: u32 = 30 * 24 * 3600;

pub(super) fn dashboard(alerts: &AlertSettings) -> Value {
    let mut frame = Frame::new(alerts);
    at_a_glance(&mut frame);
    calls(&mut frame);
    schedule(&mut frame);
    cost(&mut frame);
    clocks(&mut frame);
    advice(&mut frame);
    process(&mut frame);
    let mut variables = vec![frame::cell()];
    variables.extend(frame::processes());
    variables.push(frame::store(STORES));
    frame.json(Head {
        uid: "tidegauge-gauge",
        title: "Tidegauge: Gauge",
        description: "The gauges and observers themselves: what they ask and what fails, whether they keep time, what they cost, \
                      what they know of each other's clocks, and how they answer applications.",
        stores: STORES,
        variables,
    })
}

/// The processes that are chosen.
fn processes() -> String {
    query::series(declare::CELL_INFO.name, &[r#"cell=~"$cell""#, r#"role=~"$role""#, r#"instance=~"$instance""#])
}

/// The series of these processes, each with its cell and role.
fn of_processes(series: &str) -> String {
    format!("{series}\n* on (job, instance) group_left (cell, role)\n{}", processes())
}

/// How fast a counter of stores grows, by labels.
fn rate(name: &str, more: &[&str], by: &str) -> String {
    let matchers = [&[r#"store=~"$store""#], more].concat();
    let grows = format!("rate({}[$__rate_interval])", query::series(name, &matchers));
    call(&format!("sum by ({by})"), &of_processes(&grows))
}

/// A quantile of a histogram of stores, by labels: where it was largest.
fn quantile(panel: Panel, fraction: f64, metric: Metric, by: &str, legend: &str) -> Panel {
    let buckets = rate(&query::part(metric, "bucket"), &[], &format!("le, {by}"));
    panel.ask(query::largest(&query::quantile(fraction, &buckets)), legend).unit("s").default("min", json!(0))
}

fn at_a_glance(frame: &mut Frame) {
    let panel = Panel::stat("Processes", "How many report now, by role.").steps("text", &[]);
    let panel = panel.ask(call("sort_desc", &call("count by (role)", &processes())), "{{role}}").with_names();
    frame.add(6, 4, panel.no_value("none").runbook("TidegaugeGaugeAbsent"));

    let panel = Panel::stat(
        "Settings refused",
        "Processes that go on with the settings of before, or without any, as those that they read last are wrong.",
    );
    let loaded = of_processes(declare::CONFIG_LAST_RELOAD_SUCCESSFUL.name);
    let refused = query::count_among(&format!("({loaded}) == 0"), &loaded);
    let panel = panel.ask(refused, "refused").steps(GOOD, &[(1.0, TICKET)]);
    frame.add(6, 4, panel.no_value("no process").runbook("TidegaugeSettingsRefused"));

    let panel = Panel::stat("Youngest process", "How long ago the newest of these processes started.").unit("s");
    let started = of_processes("process_start_time_seconds");
    let panel = panel.ask(format!("time() - {}", call("max", &started)), "up").steps("text", &[]);
    frame.add(6, 4, panel.default("decimals", json!(1)).no_value("no process"));

    let panel = Panel::stat("Missed heartbeats", "Heartbeats in this range that were due and not written.");
    let missed = format!("increase({}[$__range])", query::series(declare::MISSED_TICKS.name, &[r#"store=~"$store""#]));
    let panel = panel.ask(call("sum", &of_processes(&missed)), "missed").steps(GOOD, &[(1.0, TICKET)]);
    // All of its digits: one more is not to be lost in a rounded thousand.
    let panel = panel.unit("locale").default("decimals", json!(0));
    frame.add(6, 4, panel.no_value("no process").runbook("TidegaugeWriteFailing"));

    let panel = Panel::table("Processes and builds", "Each process, which release it is, its cell and its role.");
    let builds = of_processes(declare::BUILD_INFO.name);
    let panel = panel.ask(call("max by (cell, role, job, instance, version)", &builds), "").unit("none");
    let columns = ["cell", "role", "job", "instance", "version"].map(|name| (name, name));
    frame.add(
        12,
        10,
        panel
            .columns(&columns, &["Value"])
            .sorted_by(&["cell", "role", "instance"])
            .no_value("no process")
            .runbook("TidegaugeGaugeAbsent"),
    );

    let panel = Panel::timeline(
        "Who writes",
        "How many processes write each region's heartbeat. One should; two are about to find out; with none, nobody measures \
         that source.",
    );
    let writing = query::series(declare::WRITER_ACTIVE.name, &[r#"store=~"$store""#]);
    // A region may be written from another cell: of the chosen processes are the regions, and of all of them who writes.
    let writers = format!(
        "{}\nand on (store, region)\n{}",
        call("sum by (store, region)", &writing),
        call("group by (store, region)", &of_processes(&writing))
    );
    let panel = panel.ask(call("clamp_max", &format!("{writers},\n3")), "{{store}}: {{region}}").unit("none");
    let words = [(0, "nobody", PAGE), (1, "one", GOOD), (2, "two", TICKET), (3, "three or more", TICKET)];
    let words = look::mapping(words);
    frame.add(12, 10, panel.default("mappings", words).no_value("no gauge").runbook("TidegaugeWriterSilent"));
}

fn calls(frame: &mut Frame) {
    frame.section("What it asks");
    let panel = Panel::lines("Calls", "Calls to stores and their providers, for each second, by what they are for.");
    let count = query::part(declare::REQUEST_DURATION, "count");
    let panel =
        panel.ask(rate(&count, &[], "store, operation"), "{{store}} {{operation}}").unit("reqps").with_figures();
    frame.add(12, 9, panel.default("min", json!(0)).no_value(NO_RATE));

    let panel = Panel::lines(
        "Errors by reason",
        &format!("Calls that failed, for each second: the twenty worst. {}", look::FIRST_ERRORS),
    );
    let errors = query::largest(&rate(declare::ERRORS.name, &[], "region, operation, reason"));
    let panel = panel.ask(errors, "{{region}} {{operation}}: {{reason}}").unit("ops").seldom().with_figures();
    frame.add(12, 9, panel.no_value(NO_RATE).runbook("TidegaugeReadFailing"));

    for (fraction, name) in [(0.5, "p50"), (0.99, "p99")] {
        let panel = Panel::lines(
            &format!("How long calls take: {name}"),
            "From a call's start to its answer, or to its deadline where there was none. The twenty slowest.",
        );
        let panel =
            quantile(panel, fraction, declare::REQUEST_DURATION, "region, operation", "{{region}} {{operation}}");
        frame.add(12, 9, panel.with_figures().no_value("no calls, or too few scrapes"));
    }

    let panel =
        Panel::lines("Heartbeats by result", "Heartbeats that were due, for each second, by what came of them.");
    let panel = panel.ask(rate(declare::HEARTBEATS.name, &[], "result"), "{{result}}").unit("ops").stacked();
    frame.add(12, 8, panel.default("min", json!(0)).no_value("no process").runbook("TidegaugeWriteFailing"));

    let panel =
        Panel::lines("Reads by result", "Reads of target replicas, for each second, by whether they were answered.");
    let panel = panel.ask(rate(declare::READS.name, &[], "result"), "{{result}}").unit("ops").stacked();
    frame.add(12, 8, panel.default("min", json!(0)).no_value("no process").runbook("TidegaugeReadFailing"));
}

fn schedule(frame: &mut Frame) {
    frame.section("Whether it keeps time");
    let panel = Panel::lines(
        "Schedule jitter: p99",
        "How late ticks and polls left after they were due. The twenty latest processes. More than a few milliseconds means that the process wants for CPU: \
         samples get wider by it, not wrong.",
    );
    let panel = quantile(panel, 0.99, declare::SCHEDULE_JITTER, "instance", "{{instance}}").with_figures();
    let panel = panel.steps("transparent", &[(0.05, TICKET)]).with_lines_at_steps();
    frame.add(12, 9, panel.no_value(NO_RATE));

    let panel = Panel::lines(
        "Missed, and left out",
        "Heartbeats that were due and not written, and what was left out because a limit was reached, for each second: the \
         twenty worst of each.",
    );
    let missed = query::largest(&rate(declare::MISSED_TICKS.name, &[], "instance"));
    let dropped = query::largest(&rate(declare::DROPPED.name, &[], "instance, what"));
    let panel = panel.ask(missed, "missed {{instance}}").ask(dropped, "left out {{instance}}: {{what}}");
    let panel = panel.unit("ops").seldom().with_figures();
    frame.add(12, 9, panel.no_value(NO_RATE).runbook("TidegaugeWriteFailing"));
}

fn cost(frame: &mut Frame) {
    frame.section("What it costs");
    let panel = Panel::lines(
        "Capacity consumed",
        "Capacity units, or request units, that calls consumed each second, as the store says. What replication writes in the \
         other regions is billed beside it.",
    );
    let consumed = rate(declare::CONSUMED_CAPACITY.name, &[], "store, operation");
    let panel = panel.ask(consumed, "{{store}} {{operation}}").default("min", json!(0)).stacked();
    frame.add(12, 8, panel.unit("short").no_value("no process").runbook("TidegaugeThrottled"));

    let panel = Panel::bars(
        "Capacity in a month",
        "What that comes to in thirty days, if they are all like this range. `tidegauge cost` says what it costs in money.",
    );
    let series = query::series(declare::CONSUMED_CAPACITY.name, &[r#"store=~"$store""#]);
    let month = call("sum by (store, operation)", &of_processes(&format!("rate({series}[$__range])")));
    let panel =
        panel.ask(call("sort_desc", &format!("{month}\n* {MONTH_SECONDS}")), "{{store}} {{operation}}").unit("short");
    frame.add(
        12,
        8,
        panel.default("min", json!(0)).option("namePlacement", json!("left")).steps("blue", &[]).no_value("no process"),
    );
}

fn clocks(frame: &mut Frame) {
    frame.section("What it knows of clocks");
    // Of one writer every target's bound holds: the narrowest of them is what is known of it.
    let bound = |bound: &str, narrowest: &str, finite: &str| {
        let bound = format!("bound=\"{bound}\"");
        let series = query::series(declare::CLOCK_OFFSET.name, &[r#"store=~"$store""#, &bound]);
        call(
            &format!("{narrowest} by (instance, store, source_region)"),
            &of_processes(&format!("({series} {finite})")),
        )
    };
    let about = |differs: &str| {
        format!(
            "What is known of pairs measured on two clocks, from one bound here and the other beside it: the truth lies between. \
             {differs} the clocks certainly differ. The twenty that come nearest to that; of a fleet of tens of cells, choose one: all may take Prometheus too \
             long. What is not bounded has no line."
        )
    };
    let lines = |title: &str, differs: &str, bounds: &str| {
        let panel =
            Panel::lines(title, &about(differs)).ask(bounds.to_owned(), "{{instance}}, {{store}} {{source_region}}");
        let panel = panel.unit("s").steps("transparent", &[(0.0, TICKET)]);
        let panel = panel.with_lines_at_steps().no_value("one clock, or not bounded").runbook("TidegaugeClocksDiffer");
        panel.custom("axisSoftMin", json!(0)).custom("axisSoftMax", json!(0))
    };
    let least = query::largest(&bound("min", "max", "> -Inf"));
    frame.add(12, 9, lines("Clock of this host minus the writer's: at least", "Above 0", &least));
    let most = query::smallest(&bound("max", "min", "< Inf"));
    frame.add(12, 9, lines("Clock of this host minus the writer's: at most", "Below 0", &most));

    let panel = Panel::lines(
        "What happened to clocks",
        "Clocks that were set, proofs that became void, and claims that the proofs refute, for each second: where most happened.",
    );
    let events = query::largest(&rate(declare::CLOCK_EVENTS.name, &[], "instance, event"));
    let panel = panel.ask(events, "{{instance}}: {{event}}").unit("ops").seldom().with_figures();
    frame.add(24, 8, panel.no_value(NO_RATE).runbook("TidegaugeClockOff"));
}

fn advice(frame: &mut Frame) {
    frame.section("How it answers");
    let panel = Panel::lines("Advice", "Questions which read to make, for each second, by what was answered.");
    let panel = panel.ask(rate(declare::ADVICE.name, &[], "decision"), "{{decision}}").unit("reqps").stacked();
    frame.add(8, 8, panel.default("min", json!(0)).no_value("no process"));

    let panel = Panel::lines(
        "How long advice takes: p99",
        "From a question's arrival to its answer, which comes from memory. The twenty slowest processes.",
    );
    let grows = |part: &str| format!("rate({}[$__rate_interval])", query::part(declare::ADVICE_DURATION, part));
    let buckets = call("sum by (le, instance)", &of_processes(&grows("bucket")));
    let panel = panel.ask(query::largest(&query::quantile(0.99, &buckets)), "{{instance}}").unit("s");
    let panel = panel.default("min", json!(0)).no_value("Nobody asked, no process, or too few scrapes");
    frame.add(8, 8, panel);

    let panel = Panel::lines(
        "Told to Alertmanagers",
        "Requests to the Alertmanagers that gauges tell themselves, for each second.",
    );
    let told = format!("rate({}[$__rate_interval])", declare::NOTIFICATIONS.name);
    let told = call("sum by (alertmanager, result)", &of_processes(&told));
    let panel = panel.ask(told, "{{alertmanager}}: {{result}}").unit("reqps").default("min", json!(0));
    frame.add(8, 8, panel.no_value("They tell none, no process, or too few scrapes").runbook("TidegaugeWatchdog"));
}

fn process(frame: &mut Frame) {
    frame.section("The process");
    let most = |panel: Panel, series: &str| {
        panel.ask(query::largest(&of_processes(series)), "{{instance}}").default("min", json!(0)).no_value("no process")
    };
    // Its counter counts whole seconds: over less than minutes it is noise.
    let panel = Panel::lines("CPU", "Of one core, by process, averaged over five minutes. The twenty with the most.");
    let panel = most(panel, "rate(process_cpu_seconds_total[5m])").unit("percentunit");
    frame.add(12, 7, panel.no_value("no process, or too few scrapes"));

    let panel = Panel::lines("Memory", "Resident, by process. The twenty with the most.").unit("bytes");
    frame.add(12, 7, most(panel, "process_resident_memory_bytes"));

    let panel = Panel::lines("Open files", "Sockets and files that are open, by process. The twenty with the most.");
    frame.add(12, 7, most(panel, "process_open_fds"));

    let panel = Panel::lines("Age of the settings", "How long ago the settings in use were loaded.").unit("s");
    let loaded = call("max by (instance)", &of_processes(declare::CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP.name));
    let age = query::largest(&format!("time() - {loaded}"));
    let panel = panel.ask(age, "{{instance}}").default("min", json!(0));
    frame.add(12, 7, panel.no_value("none in use").runbook("TidegaugeSettingsRefused"));
}
