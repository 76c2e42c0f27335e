//! Store: one store, its pairs one by one.

use serde_json::{Value, json};

use super::frame::{self, Frame, Head};
use super::look::{self, GOOD, NOTICE, PAGE, TICKET};
use super::panel::Panel;
use super::query::{self, PAIR, SOON_SECONDS, Stores};
use crate::core::advice::Decision;
use crate::core::alert::Phase;
use crate::core::assess::State;
use crate::core::merge::MergedOrigin;
use crate::core::model::Reason;
use crate::metrics::declare::{self, Metric};
use crate::rules::call;
use crate::settings::AlertSettings;

const STORE: Stores = Stores::One;

/// How far back the provider's periods reach that heartbeats are compared with.
const PERIOD: &str = "5m";

pub(super) fn dashboard(alerts: &AlertSettings) -> Value {
    let mut frame = Frame::new(alerts);
    at_a_glance(&mut frame, alerts);
    lag(&mut frame, alerts);
    samples(&mut frame);
    provider(&mut frame);
    requests(&mut frame);
    set_up(&mut frame);
    advice(&mut frame);
    let mut variables = vec![frame::cell(), frame::store(STORE)];
    variables.extend(frame::regions(STORE));
    frame.json(Head {
        uid: "tidegauge-store",
        title: "Tidegauge: Store",
        description: "One store: how late each region pair is and how well that is known, what the provider says beside it, what \
                      throttles, how the store is set up, and which reads are advised.",
        stores: STORE,
        variables,
    })
}

/// What is asked of the regions of the store.
fn of_regions(metric: Metric, more: &[&str]) -> String {
    query::of_gauges(&STORE.of(metric, more))
}

/// How fast a counter of its regions grows, by labels.
fn rate(metric: Metric, more: &[&str], by: &str) -> String {
    let grows = format!("rate({}[$__rate_interval])", STORE.of(metric, more));
    call(&format!("sum by ({by})"), &query::of_gauges(&grows))
}

fn at_a_glance(frame: &mut Frame, alerts: &AlertSettings) {
    let panel = Panel::stat(
        "Pairs by state",
        "Each region pair once, by the most urgent state that any gauge sees. States without a pair are left out.",
    );
    frame.add(8, 4, look::counted_by_state(panel, STORE).with_names().no_value("no gauge"));

    let steps = look::lag_steps(alerts);
    let worst = call("max", &STORE.most(declare::CURRENT_LAG, &[]));
    let panel = Panel::stat("Worst current lag", "How late the latest of the pairs is now.").ask(worst, "current lag");
    let panel = panel.unit("s").steps(GOOD, &steps).no_value("not known");
    frame.add(4, 4, panel.runbook("TidegaugeCurrentLagHigh"));

    let p99 = query::quantile(0.99, &STORE.buckets("increase", "$__range", ""));
    let panel = Panel::stat(
        "p99 of this range",
        "Of a hundred samples of all pairs, ninety-nine were visible at the target within this time. Where the histogram's buckets \
         are wide it is no number but a range. Wide samples, and what has not arrived yet, are not in it.",
    );
    let panel = panel.ask(p99, "p99").unit("s").steps(GOOD, &steps).default("mappings", look::ranges());
    frame.add(4, 4, panel.no_value("no samples"));

    let panel = Panel::stat(
        "Provider disagrees",
        "Pairs of which the provider says twice running something else than the heartbeats. Only the gauge that writes asks it.",
    );
    let panel = panel.ask(call("sum", &STORE.most(declare::PROVIDER_DISAGREES, &[])), "pairs");
    let panel = panel.steps(GOOD, &[(1.0, TICKET)]).no_value("not compared");
    frame.add(4, 4, panel.runbook("TidegaugeProviderDisagrees"));

    let firing = format!("state=\"{}\"", Phase::Firing.label());
    let active = call(
        "max by (rule, severity, source_region, target_region, region, side, finding)",
        &query::of_gauges(&STORE.of(declare::ALERT_ACTIVE, &[&firing])),
    );
    let panel = Panel::stat("Alerts firing", "What the gauges themselves hold to be firing about this store.");
    let measured = query::of_gauges(&STORE.of(declare::PAIR_INFO, &[]));
    let panel = panel.ask(query::count_among(&active, &measured), "alerts").steps(GOOD, &[(1.0, TICKET)]);
    frame.add(4, 4, panel.no_value("no gauge").runbook("TidegaugeRegionImpaired"));
}

/// Seconds of each pair over time: of the pairs that had the most in this range.
fn worst(panel: Panel, seconds: &str) -> Panel {
    panel.ask(query::largest(seconds), look::PAIR).unit("s").default("min", json!(0))
}

fn lag(frame: &mut Frame, alerts: &AlertSettings) {
    frame.section("How late");
    let steps = look::lag_steps(alerts);
    let panel = Panel::lines(
        "Current lag",
        "How late each pair is now. It grows by a second per second while replication is stopped. A gap is a time in which nobody \
         knew. The dashed lines are where tickets and pages begin. As in all panels of pairs over time: the twenty pairs that had \
         the most of it in this range; choose regions to see others.",
    );
    let panel = worst(panel, &STORE.most(declare::CURRENT_LAG, &[])).with_figures();
    let panel = panel.steps("transparent", &steps).with_lines_at_steps().no_value("not known");
    frame.add(12, 11, panel.runbook("TidegaugeCurrentLagHigh"));

    let panel = Panel::timeline(
        "States",
        "Each pair by the most urgent state that any gauge saw at that time: the twenty that were longest other than ok in this \
         range.",
    );
    let state = STORE.state();
    let troubled = query::over_range("avg_over_time", &format!("{state}\n!= bool {}", query::urgency(State::Ok)));
    let panel = panel.ask(format!("{state}\nand\n{}", query::foremost("topk", &troubled)), look::PAIR);
    let panel = panel.unit("none").default("mappings", look::states());
    frame.add(12, 11, panel.no_value("no gauge").runbook("TidegaugeStalled"));

    let buckets = STORE.buckets("rate", "$__rate_interval", PAIR);
    for (fraction, name) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")] {
        let about = format!(
            "From the histogram of all samples that arrived and were not wide. Those of a stall arrive when it is over, and make it \
             show here only then: for now, look at current lag. {}",
            look::ranges_in_words()
        );
        let panel = Panel::lines(&format!("Lag from commit to visibility: {name}"), &about);
        frame.add(8, 9, worst(panel, &query::quantile(fraction, &buckets)).no_value("no samples, or too few scrapes"));
    }

    let panel = Panel::heatmap(
        "Lag from commit to visibility: all samples",
        "How many samples of the chosen pairs, for each second, took how long, by the histogram's buckets.",
    );
    let panel = panel.ask(STORE.buckets("rate", "$__rate_interval", ""), "{{le}}").unit("s");
    let panel = panel.option("cellValues", json!({ "unit": "ops" }));
    frame.add(12, 9, panel.no_value("no samples, or too few scrapes"));

    let panel = Panel::lines(
        "Staleness",
        "Age of the newest heartbeat that a reader at the target sees, by measurement: what advice goes by. A sawtooth one interval \
         high, even when all is well.",
    );
    frame.add(12, 9, worst(panel, &STORE.most(declare::STALENESS, &[])).no_value("not known"));

    let panel = Panel::lines(
        "Age of the watermark",
        "The same by the clocks of the writer and of Prometheus alone, and by the newest heartbeat that any gauge has seen. It \
         survives a change of hosts, and is wrong where these clocks are.",
    );
    let age = format!("time() - {}", STORE.most(declare::WATERMARK, &[]));
    // These clocks may differ, so that it may be below 0.
    let panel = panel.ask(query::largest(&age), look::PAIR).unit("s");
    frame.add(12, 8, panel.no_value("never seen"));

    let panel = Panel::lines(
        "Overdue",
        "Of pairs measured on two clocks: how long the next heartbeat has been due, whether or not it was ever written.",
    );
    let panel = worst(panel, &STORE.most(declare::OVERDUE, &[]));
    frame.add(12, 8, panel.no_value("measured on one clock, or not known").runbook("TidegaugeWriterSilent"));
}

fn samples(frame: &mut Frame) {
    frame.section("How well that is known");
    let panel = Panel::lines(
        "Error of a sample",
        "Half the width of the newest sample's bracket: the truth is at most so far from what is shown as its lag. Where it is \
         large beside the lag, more reads per interval help.",
    );
    let panel = worst(panel, &STORE.most(declare::REPLICATION_LAG_ERROR, &[]));
    frame.add(8, 8, panel.no_value("no samples"));

    let grew = |name: &str| {
        let series = STORE.pairs_named(name, &[]);
        call(&format!("sum by ({PAIR})"), &query::of_gauges(&format!("rate({series}[$__rate_interval])")))
    };
    let (wide, points) = (grew(declare::SAMPLES_WIDE.name), grew(&query::part(declare::REPLICATION_LAG, "count")));
    let panel = Panel::lines(
        "Wide samples",
        "The share of samples whose bracket was too wide to be a point in the histogram, as while reads fail.",
    );
    let share = format!("{wide}\n/\n(\n{wide}\n+\n{points}\n> 0)");
    let panel = worst(panel, &share).unit("percentunit").default("max", json!(1));
    frame.add(8, 8, panel.no_value("no samples, or too few scrapes"));

    let panel = Panel::lines(
        "Spread over the slots",
        "By how much the latest slot of a pair is behind its earliest: one partition is late, and others are not. Only with more \
         than one slot.",
    );
    let panel = worst(panel, &STORE.most(declare::SLOT_SPREAD, &[]));
    frame.add(8, 8, panel.no_value("one slot, or not known"));

    let panel = Panel::bars(
        &format!("Visible within {SOON_SECONDS} s"),
        "Of the samples of this range that were not wide, the share that was visible at the target in time. What has not arrived \
         yet is not in it. The twenty worst pairs.",
    );
    let least = query::foremost("bottomk", &STORE.share_soon("$__range", PAIR));
    let panel = panel.ask(call("sort", &least), look::PAIR).unit("percentunit");
    // Nobody promised this: it has no colours of good and bad.
    let panel = panel.steps("blue", &[]).default("min", json!(0)).default("max", json!(1));
    frame.add(12, 8, panel.no_value("no samples"));

    let panel = Panel::table(
        "How pairs are measured",
        "By one clock or by two, with heartbeats among the application's data or beside it, read strongly or not.",
    );
    let by = format!("max by ({PAIR}, clock, placement, read)");
    let panel = panel.ask(call(&by, &query::of_gauges(&STORE.pairs(declare::PAIR_INFO, &[]))), "").unit("none");
    let columns = ["source_region", "target_region", "clock", "placement", "read"].map(|name| (name, name));
    frame.add(
        12,
        8,
        panel
            .columns(&columns, &["Value", "store"])
            .sorted_by(&["source_region", "target_region"])
            .no_value("no gauge"),
    );
}

fn provider(frame: &mut Frame) {
    frame.section("What the provider says");
    let half = query::quantile(0.5, &STORE.buckets("rate", PERIOD, PAIR));
    let by = format!("max by ({PAIR}, statistic)");
    let said = call(&by, &query::of_gauges(&STORE.pairs(declare::PROVIDER_LAG, &[])));
    let differs = format!("({} == 1)", STORE.most(declare::PROVIDER_DISAGREES, &[]));
    // The same pairs of both: the latest by either.
    let either = query::by_pair(&format!("{half}\nor\n{said}"));
    let chosen = query::foremost("topk", &query::over_range("max_over_time", &either));
    let of_these = |vector: &str| format!("{vector}\nand on ({PAIR})\n{chosen}");
    let panel = Panel::lines(
        "Heartbeats beside the provider",
        "The median of the heartbeats over 5 minutes, and what the provider says of its newest period, some minutes late. Large \
         points are where the two disagree, twice running, by more than a factor of 3 and a second.",
    );
    let panel = panel.ask(of_these(&half), &format!("heartbeats {}", look::PAIR));
    let panel = panel.ask(of_these(&said), &format!("provider {} ({{{{statistic}}}})", look::PAIR));
    let panel = panel.ask(
        of_these(&format!("{said}\nand on ({PAIR})\n{differs}")),
        &format!("disagrees {} ({{{{statistic}}}})", look::PAIR),
    );
    let panel = panel.unit("s").default("min", json!(0)).with_figures().no_value("no samples");
    let dashed = json!({ "dash": [6, 4], "fill": "dash" });
    let panel = panel.set("byFrameRefID", "B", &[("custom.lineStyle", dashed)]).set(
        "byFrameRefID",
        "C",
        &[
            ("custom.drawStyle", json!("points")),
            ("custom.pointSize", json!(10)),
            ("color", json!({ "fixedColor": PAGE, "mode": "fixed" })),
        ],
    );
    frame.add(12, 11, panel.runbook("TidegaugeProviderDisagrees"));

    let panel = Panel::lines(
        "Merged lag",
        "The best that is known: current lag where it is measured, and what the provider says where it is not.",
    );
    let from = |origin: MergedOrigin| {
        let origin = format!("origin=\"{}\"", origin.label());
        let merged = STORE.pairs(declare::MERGED_LAG, &[]);
        let origin = STORE.pairs(declare::MERGED_LAG_ORIGIN, &[&origin]);
        query::by_pair(&query::of_gauges(&format!("({merged}\nand on (job, instance, {PAIR})\n{origin})")))
    };
    let panel = panel.ask(query::largest(&from(MergedOrigin::Measured)), &format!("measured {}", look::PAIR));
    let provider = format!("{}\nunless on ({PAIR})\n{}", from(MergedOrigin::Provider), from(MergedOrigin::Measured));
    let panel = panel.ask(query::largest(&provider), &format!("by the provider {}", look::PAIR)).with_figures();
    let dashed = json!({ "dash": [6, 4], "fill": "dash" });
    let panel = panel.set("byFrameRefID", "B", &[("custom.lineStyle", dashed)]).unit("s").default("min", json!(0));
    frame.add(12, 11, panel.no_value("not known").runbook("TidegaugeUnknown"));

    let panel = Panel::lines(
        "Age of the provider's word",
        "How long ago the newest period ended of which the provider says anything. Above a quarter of an hour it counts for nothing.",
    );
    let age = format!("time() - {}", STORE.most(declare::PROVIDER_TIMESTAMP, &[]));
    let panel = worst(panel, &age).steps("transparent", &[(900.0, TICKET)]).with_lines_at_steps();
    frame.add(12, 8, panel.no_value("not asked").runbook("TidegaugeSetUpTrouble"));

    let panel = Panel::timeline(
        "Agreement",
        "Whether heartbeats and provider agree on a pair. A gap is a time in which that is not known. Twenty pairs, those first \
         taken in that disagreed.",
    );
    let panel = panel.ask(query::largest(&STORE.most(declare::PROVIDER_DISAGREES, &[])), look::PAIR).unit("none");
    let panel = panel.default("mappings", look::mapping([(0, "agree", GOOD), (1, "disagree", TICKET)]));
    frame.add(12, 8, panel.no_value("not compared").runbook("TidegaugeProviderDisagrees"));
}

fn requests(frame: &mut Frame) {
    frame.section("What fails, and what throttles");
    let panel = Panel::lines(
        "Errors by reason",
        &format!(
            "Calls to the store or its provider that failed, for each second: the twenty worst. {}",
            look::FIRST_ERRORS
        ),
    );
    let errors = query::largest(&rate(declare::ERRORS, &[], "region, operation, reason"));
    let panel = panel.ask(errors, "{{region}} {{operation}}: {{reason}}").unit("ops").seldom().with_figures();
    let panel = panel.no_value("no gauge, or too few scrapes");
    frame.add(12, 10, panel.runbook("TidegaugeReadFailing"));

    let reasons: Vec<&str> =
        Reason::ALL.into_iter().filter(|reason| reason.is_throttling()).map(Reason::label).collect();
    let reasons = reasons.join("|");
    let reasons = format!("reason=~\"{reasons}\"");
    let throttled = format!("state=\"{}\"", State::Throttled.label());
    let panel = Panel::lines(
        "Throttling",
        "Calls that were throttled, for each second, and beside them how many pairs are throttled: so many of their heartbeats \
         were turned away that their lag is not replication's doing.",
    );
    let throttling = query::largest(&rate(declare::ERRORS, &[&reasons], "region, operation"));
    let panel = panel.ask(throttling, "{{region}} {{operation}}");
    let panel = panel.ask(call("sum", &STORE.most(declare::PAIR_STATE, &[&throttled])), "throttled pairs");
    let panel = panel.unit("ops").seldom().no_value("no gauge").set(
        "byFrameRefID",
        "B",
        &[
            ("unit", json!("short")),
            ("decimals", json!(0)),
            ("custom.axisSoftMax", json!(2)),
            ("custom.axisPlacement", json!("right")),
            ("custom.drawStyle", json!("bars")),
            ("color", json!({ "fixedColor": TICKET, "mode": "fixed" })),
        ],
    );
    frame.add(12, 10, panel.runbook("TidegaugeThrottled"));
}

fn set_up(frame: &mut Frame) {
    frame.section("How it is set up");
    let panel = Panel::table("Replicas", "What the provider says of each replica, as of the last look at the store.");
    let statuses = call("max by (region, status)", &of_regions(declare::REPLICA_STATUS, &[]));
    let panel = panel.ask(statuses, "").unit("none").columns(&[("region", "region"), ("status", "status")], &["Value"]);
    let panel = panel.sorted_by(&["region"]);
    frame.add(8, 8, panel.no_value("Not looked at").runbook("TidegaugeReplicaTrouble"));

    let panel =
        Panel::table("Findings", "What is wrong with the set-up. `tidegauge check` says what to do about each.");
    let found = format!("{} == 1", call("max by (region, finding)", &of_regions(declare::AUDIT_FINDING, &[])));
    let panel = panel.ask(found, "").unit("none").columns(&[("region", "region"), ("finding", "finding")], &["Value"]);
    let panel = panel.sorted_by(&["region"]);
    frame.add(8, 8, panel.no_value("None, if a gauge that writes has looked").runbook("TidegaugeSetUpTrouble"));

    let panel = Panel::lines(
        "Heartbeats that were left out",
        "What lay under a heartbeat's key and is none that counts, for each second, once for each read. `unknown_source` means \
         that a region has heartbeats and is not among the store's.",
    );
    let panel = panel.ask(rate(declare::IGNORED_HEARTBEATS, &[], "reason"), "{{reason}}").unit("ops");
    frame.add(8, 8, panel.seldom().no_value("no gauge").runbook("TidegaugeUnknown"));
}

fn advice(frame: &mut Frame) {
    frame.section("Which reads are advised");
    let caution: [(&str, u8); Decision::COUNT] =
        std::array::from_fn(|index| (Decision::LABELS[index], u8::try_from(index).unwrap_or(u8::MAX)));
    let standing = format!(
        "{}\n* on (decision) group_left ()\n{}",
        query::of_gauges(&STORE.of(declare::ADVICE_DECISION, &[r#"target_region=~"$target_region""#])),
        query::codes("decision", caution)
    );
    let panel = Panel::timeline(
        "Advice as it stands",
        "What the store's policy advises readers in each region, for items of any region: the most cautious that any gauge says.",
    );
    let panel = panel.ask(call("max by (target_region)", &standing), "readers in {{target_region}}").unit("none");
    frame.add(12, 8, panel.default("mappings", look::decisions()).no_value("The store has no policy"));

    // Observers answer them, too.
    let panel = Panel::lines(
        "Questions by answer",
        "How often applications asked which read to make, for each second, by what they were told.",
    );
    let asked = call(
        "sum by (decision)",
        &format!(
            "rate({}[$__rate_interval])\n* on (job, instance) group_left (cell)\n{}",
            STORE.of(declare::ADVICE, &[]),
            query::series(declare::CELL_INFO.name, &[r#"cell=~"$cell""#])
        ),
    );
    let panel = panel.ask(asked, "{{decision}}").unit("reqps").default("min", json!(0)).stacked();
    frame.add(12, 8, panel.no_value("no gauge"));

    let panel = Panel::table(
        "Sources left out of account",
        "Sources that count as lost: what they wrote last may be missing in what readers are advised to read.",
    );
    let panel = panel.ask(STORE.most(declare::ADVICE_EXCLUDED, &[]), "").unit("none");
    let columns = [("source_region", "source_region"), ("target_region", "target_region")];
    frame.add(
        12,
        6,
        panel
            .columns(&columns, &["Value", "store"])
            .no_value("None, if there are gauges")
            .runbook("TidegaugeSourceUnknown"),
    );

    let panel = Panel::stat(
        "The operator decides for another",
        "How long the operator still decides in the gauge's place, and what.",
    );
    let until = call("max by (decision)", &query::of_gauges(&STORE.of(declare::ADVICE_OVERRIDE_UNTIL, &[])));
    let panel = panel.ask(format!("{until}\n- time()"), "{{decision}}").unit("s").steps(NOTICE, &[]);
    frame.add(12, 6, panel.no_value("The gauge decides, if there is one"));
}
