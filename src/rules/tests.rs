//! What the generator promises. What its expressions do is told by promtool, over `tests/rules/`.

use super::*;
use crate::core::alert::Patterns;

const STORE: &str = r#"
[cell]
central = true

[[stores]]
name = "orders"
regions = [{ name = "us-east-1" }, { name = "eu-west-1" }]

[stores.simulated]
"#;

/// The file for a store and these alerts, without those that are shipped.
fn file_of(alerts: &str) -> String {
    rule_file(&Settings::from_toml(&format!("{STORE}\n[alerts]\ndefaults = false\n{alerts}")).unwrap())
}

/// The part of a file that is about one alert, up to the next rule; the first of several.
fn alert<'a>(file: &'a str, name: &str) -> &'a str {
    let begins = format!("- alert: {name}\n");
    let (_, rest) = file.split_once(&begins).unwrap_or_else(|| panic!("there is no {name} in\n{file}"));
    rest.split("\n\n").next().unwrap()
}

/// Everything on one line, so that tests do not depend on where lines break.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn has(text: &str, wanted: &str) {
    assert!(flat(text).contains(wanted), "{wanted:?} is not in\n{text}");
}

#[test]
fn patterns_become_anchored_expressions_in_which_only_the_star_is_special() {
    let matcher = |patterns: &[&str]| {
        expression::matcher("store", &Patterns::of(patterns.iter().map(|&pattern| pattern.to_owned()).collect()))
    };
    assert_eq!(matcher(&[]), None);
    assert_eq!(matcher(&["*"]), None);
    assert_eq!(matcher(&["orders", "*"]), None);
    assert_eq!(matcher(&["orders"]).unwrap(), r#"store="orders""#);
    assert_eq!(matcher(&["a.b"]).unwrap(), r#"store="a.b""#);
    assert_eq!(matcher(&["us-*"]).unwrap(), r#"store=~"us-.*""#);
    assert_eq!(matcher(&["a.b*", "c|d", "e"]).unwrap(), r#"store=~"a\\.b.*|c\\|d|e""#);
    assert_eq!(matcher(&["q\"*"]).unwrap(), r#"store=~"q\".*""#);
    assert_eq!(matcher(&["{}[]()^$?+\\*"]).unwrap(), r#"store=~"\\{\\}\\[\\]\\(\\)\\^\\$\\?\\+\\\\.*""#);
}

#[test]
fn each_signal_asks_for_the_metric_that_has_it() {
    for (signal, wanted) in [
        ("signal = \"current_lag\"", "tidegauge_current_lag_seconds * on (job, instance)"),
        ("signal = \"overdue\"", "tidegauge_overdue_seconds * on (job, instance)"),
        ("signal = \"staleness\"", "tidegauge_staleness_seconds * on (job, instance)"),
        ("signal = \"merged_lag\"", "tidegauge_merged_lag_seconds * on (job, instance)"),
        (
            "signal = \"lag_quantile\"\nquantile = \"p90\"\nwindow = \"60m\"",
            "histogram_quantile( 0.9, sum by (le, job, instance, store, source_region, target_region) ( \
             rate(tidegauge_replication_lag_seconds_bucket[60m]) ) ) >= 0",
        ),
        ("signal = \"clock\"", "bound=\"min\"} or -tidegauge_clock_offset_seconds{bound=\"max\"} ) > -Inf"),
    ] {
        let rule =
            format!("[[alerts.rules]]\nname = \"Own\"\n{signal}\nticket = {{ above = \"1500ms\", for = \"90s\" }}");
        let file = file_of(&rule);
        let own = alert(&file, "Own");
        has(own, wanted);
        has(own, "> 1.5 for: 90s keep_firing_for: 10m labels: severity: \"ticket\"");
        assert!(own.contains("humanizeDuration"), "{own}");
    }
    for (signal, wanted) in [
        ("signal = \"provider_disagrees\"", "tidegauge_provider_disagrees * on (job, instance)"),
        ("signal = \"state\"\nstates = [\"stalled\", \"lagging\"]", "tidegauge_pair_state{state=~\"stalled|lagging\"}"),
        ("signal = \"audit\"\nfindings = [\"clock_off\"]", "tidegauge_audit_finding{finding=\"clock_off\"} ) == 1"),
    ] {
        let file = file_of(&format!("[[alerts.rules]]\nname = \"Own\"\n{signal}\nticket = {{}}"));
        has(alert(&file, "Own"), wanted);
    }
}

#[test]
fn who_knows_nothing_has_no_vote_unless_that_is_what_is_asked() {
    let of = |states: &str| {
        let rule = format!("[[alerts.rules]]\nname = \"Own\"\nsignal = \"state\"\nstates = [{states}]\npage = {{}}");
        alert(&file_of(&rule), "Own").to_owned()
    };
    has(&of("\"stalled\""), "{state=~\"unknown|read_failing\"} == 1");
    has(&of("\"read_failing\""), "{state=\"unknown\"} == 1");
    let both = of("\"unknown\", \"read_failing\"");
    assert!(!both.contains("unless") && both.contains("topk"), "{both}");
    let unknown = of("\"unknown\"");
    assert!(!unknown.contains("topk"), "{unknown}");
    has(&unknown, "min by (store, source_region, target_region) ( ( tidegauge_pair_state{state=\"unknown\"} unless on");
    has(&unknown, "{state=\"read_failing\"} == 1");
}

#[test]
fn a_page_needs_two_gauges_where_two_are_there_and_a_ticket_one() {
    let file = file_of(
        "[[alerts.rules]]\nname = \"Own\"\nsignal = \"current_lag\"\nticket = { above = \"1s\" }\n\
         [[alerts.rules]]\nname = \"Worse\"\nsignal = \"current_lag\"\npage = { above = \"9s\" }",
    );
    assert!(!alert(&file, "Own").contains("topk"));
    assert!(alert(&file, "Worse").contains("topk"));
    let dissent = alert(&file, "TidegaugeGaugesDisagree");
    has(dissent, "rule: \"Worse\"");
    has(dissent, ") > 9 unless max by");
    assert_eq!(file.matches("TidegaugeGaugesDisagree\n").count(), 1, "only what pages waits for a second gauge");
}

#[test]
fn of_a_region_every_pair_is_meant_and_so_many_there_must_be() {
    let of = |per: &str, more: &str| {
        file_of(&format!(
            "[[alerts.rules]]\nname = \"Own\"\nsignal = \"current_lag\"\nper = \"{per}\"\nstores = [\"or*\"]\n\
             source_regions = [\"us-east-1\"]\nticket = {{ above = \"1s\" }}\n{more}"
        ))
    };
    let source = of("source_region", "");
    let own = alert(&source, "Own");
    has(own, "min by (store, source_region) ( max by (store, source_region, target_region) (");
    has(
        own,
        "or 0 * max by (store, source_region, target_region) ( tidegauge_pair_info{store=~\"or.*\", source_region=\"us-east-1\"}",
    );
    assert!(!own.contains("count by") && !own.contains("side:"), "{own}");
    let target = of("target_region", "pairs_min = 3");
    has(alert(&target, "Own"), "min by (store, target_region)");
    has(alert(&target, "Own"), ") >= 3");
    let both = of("region", "");
    assert_eq!(both.matches("- alert: Own\n").count(), 2, "{both}");
    has(&both, "region: \"{{ $labels.source_region }}\" side: \"source\"");
    has(&both, "region: \"{{ $labels.target_region }}\" side: \"target\"");
    has(alert(&both, "Own"), ") >= 2");
}

#[test]
fn where_no_data_is_to_fire_a_pair_without_a_value_is_over_any_threshold() {
    let of = |no_data: &str| {
        let rule = "[[alerts.rules]]\nname = \"Own\"\nsignal = \"current_lag\"\nticket = { above = \"1s\" }";
        alert(&file_of(&format!("{rule}\nno_data = \"{no_data}\"")), "Own").to_owned()
    };
    has(&of("fire"), "or Inf * max by (store, source_region, target_region) ( tidegauge_pair_info");
    assert!(of("fire").contains("not known to anybody"));
    assert!(!of("keep").contains("tidegauge_pair_info") && !of("ignore").contains("tidegauge_pair_info"));
}

#[test]
fn findings_are_looked_for_in_the_regions_that_are_meant() {
    let file = file_of(
        "[[alerts.rules]]\nname = \"Own\"\nsignal = \"audit\"\nfindings = [\"clock_off\", \"replica_missing\"]\n\
         stores = [\"orders\"]\nregions = [\"eu-*\"]\npage = {}\nno_data = \"fire\"",
    );
    has(alert(&file, "Own"), "{finding=~\"clock_off|replica_missing\", store=\"orders\", region=~\"eu-.*\"}");
    has(&file, "# A finding that nobody knows has no series");
    assert!(!file.contains("GaugesDisagree"), "findings come from one gauge alone");
}

#[test]
fn a_burn_rate_that_would_take_more_than_all_of_the_time_is_left_out_and_the_file_says_so() {
    let windows = |file: &str| ["1h", "6h", "3d"].map(|window| file.contains(&format!("window: \"{window}\"")));
    let tight = file_of("objective = { lag = \"2500ms\", share = 0.999 }");
    assert_eq!(windows(&tight), [true; 3]);
    has(&tight, "<= bool 2.5");
    has(&tight, "avg1h) / 0.001 > 14.4");
    let loose = file_of("objective = { share = 0.9 }");
    assert_eq!(windows(&loose), [false, true, true]);
    has(&loose, "A burn rate of 14.4 over 1h is left out");
    assert_eq!(windows(&file_of("objective = { share = 0.5 }")), [false, false, true]);
}

#[test]
fn runbooks_are_where_the_settings_say() {
    let file = file_of("runbooks = \"https://runbooks.example.org/tidegauge/\"");
    has(&file, "runbook_url: \"https://runbooks.example.org/tidegauge/TidegaugeWatchdog.md\"");
    assert!(!file.contains("docs/runbooks"), "{file}");
}

#[test]
fn durations_are_written_as_prometheus_reads_them() {
    use std::time::Duration;
    for (millis, wanted) in
        [(1_500, "1500ms"), (90_000, "90s"), (720_000, "12m"), (3_600_000, "1h"), (86_400_000, "1d")]
    {
        assert_eq!(file::duration(Duration::from_millis(millis)), wanted);
    }
    assert_eq!(file::duration(Duration::from_micros(1)), "1ms");
}
