//! What `[alerts]` promises the operator.

use super::*;
use crate::core::alert::{NoData, Over, Per, Quantile, Rule, Severity, Signal, Threshold};
use crate::core::assess::State;
use crate::core::audit::Kind;
use crate::core::time::Span;

#[test]
fn the_shipped_rules_are_active_without_a_word() {
    let alerts = Settings::from_toml(STORE).unwrap().alerts;
    let names: Vec<&str> = alerts.rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names.len(), 15, "{names:?}");
    let pages = |name: &str| {
        let rule = alerts.rules.iter().find(|rule| *rule.name == *name).unwrap();
        rule.thresholds[0].severity == Severity::Page
    };
    for name in ["TidegaugeStalled", "TidegaugeWriteFailing", "TidegaugeCurrentLagHigh", "TidegaugeSourceUnknown"] {
        assert!(pages(name), "{name}");
    }
    assert_eq!(alerts.push, None);
}

fn rules(toml: &str) -> Vec<Rule> {
    Settings::from_toml(&format!("{STORE}{toml}")).unwrap().alerts.rules.to_vec()
}

fn rule(rules: &[Rule], name: &str) -> Rule {
    rules.iter().find(|rule| *rule.name == *name).unwrap().clone()
}

fn refused(toml: &str) -> String {
    complaints(&format!("{STORE}{toml}")).join("\n")
}

#[test]
fn a_rule_of_a_shipped_name_changes_what_it_names_alone() {
    let before = rule(&rules(""), "TidegaugeCurrentLagHigh");
    let changed = rules("[[alerts.rules]]\nname = \"TidegaugeCurrentLagHigh\"\npage = { above = \"90s\" }");
    assert_eq!(changed.len(), 15);
    let after = rule(&changed, "TidegaugeCurrentLagHigh");
    let page = Threshold { above: Span::from_millis(90_000), clear: Span::from_millis(45_000), ..before.thresholds[0] };
    assert_eq!(after, Rule { thresholds: vec![page, before.thresholds[1]], ..before.clone() });
    let scoped = rules("[[alerts.rules]]\nname = \"TidegaugeStalled\"\nstores = [\"ord*\"]\npage = { for = \"5m\" }");
    let stalled = rule(&scoped, "TidegaugeStalled");
    assert_eq!(stalled.signal, Signal::State(vec![State::Stalled]));
    assert!(stalled.stores.fit("orders") && !stalled.stores.fit("carts"));
    assert_eq!(stalled.thresholds[0].pending_for, Span::from_millis(300_000));
}

#[test]
fn shipped_rules_can_be_left_out_one_by_one_or_all_together() {
    let some = rules("[alerts]\nwithout = [\"TidegaugeThrottled\", \"TidegaugeUnknown\"]");
    assert_eq!(some.len(), 13);
    assert!(some.iter().all(|rule| &*rule.name != "TidegaugeThrottled" && &*rule.name != "TidegaugeUnknown"));
    assert_eq!(rules("[alerts]\ndefaults = false"), Vec::new());
    let message = refused("[alerts]\nwithout = [\"TidegaugeThrotled\"]");
    assert!(
        message.contains("alerts.without: \"TidegaugeThrotled\" is no shipped rule; these are Tidegauge"),
        "{message}"
    );
}

#[test]
fn a_rule_of_ones_own_may_watch_anything() {
    let own = rules(
        r#"
        [alerts]
        defaults = false
        [[alerts.rules]]
        name = "OrdersSlow"
        signal = "lag_quantile"
        quantile = "p90"
        window = "60m"
        source_regions = ["us-*"]
        per = "source_region"
        pairs_min = 2
        ticket = { above = "2s", for = "10m" }
        no_data = "fire"
        [[alerts.rules]]
        name = "Slots"
        signal = "audit"
        findings = ["slots_share_a_partition"]
        regions = ["us-east-1"]
        ticket = {}
        "#,
    );
    let slow = &own[0];
    assert_eq!(slow.signal, Signal::LagQuantile { quantile: Quantile::P90, over: Over::Hour });
    assert_eq!((slow.per, slow.pairs_min, slow.no_data), (Per::SourceRegion, 2, NoData::Fire));
    assert_eq!(slow.thresholds[0].clear, Span::from_millis(1_000), "half of the threshold, unless it is said");
    assert_eq!(slow.keep_firing_for, Span::from_millis(600_000));
    assert!(slow.source_regions.fit("us-east-1") && !slow.source_regions.fit("eu-west-1"));
    let slots = &own[1];
    assert_eq!(slots.signal, Signal::Audit(vec![Kind::SlotsShareAPartition]));
    assert!(slots.source_regions.fit("us-east-1") && !slots.source_regions.fit("eu-west-1"));
    assert_eq!(
        slots.thresholds,
        [Threshold { severity: Severity::Ticket, above: Span::ZERO, clear: Span::ZERO, pending_for: Span::ZERO }]
    );
}

#[test]
fn what_is_wrong_with_a_rule_is_said_by_its_name_with_the_way_out() {
    for (keys, expected) in [
        ("signal = \"lag\"", "alerts.rules[0] (\"R\").signal: \"lag\" is not known here; use \"current_lag\" or"),
        ("page = { above = \"1s\" }", "alerts.rules[0] (\"R\").signal: is missing; say what is watched"),
        (
            "signal = \"current_lag\"",
            "alerts.rules[0] (\"R\"): has no severity; give it page = { above = \"10s\", for = \"5m\" }",
        ),
        (
            "signal = \"current_lag\"\npage = { for = \"1m\" }",
            "(\"R\").page.above: is missing; say from where on, such as \"10s\"",
        ),
        (
            "signal = \"current_lag\"\npage = { above = \"1s\", clear = \"2s\" }",
            "(\"R\").page.clear: is above the threshold itself",
        ),
        ("signal = \"current_lag\"\npage = { above = 5 }", "(\"R\").page.above: 5 is a bare number"),
        ("signal = \"state\"\npage = {}", "(\"R\").states: say which, such as states = [\"stalled\"]"),
        (
            "signal = \"state\"\nstates = [\"stale\"]\npage = {}",
            "(\"R\").states: \"stale\" is not a state of a pair; these are unknown, ",
        ),
        (
            "signal = \"state\"\nstates = \"stalled\"\npage = {}",
            "(\"R\").states: expected a list of strings such as [\"a\", \"b\"], found the string",
        ),
        (
            "signal = \"state\"\nstates = [\"stalled\"]\npage = { above = \"1s\" }",
            "(\"R\").page.above: the signal of this rule is so or not",
        ),
        (
            "signal = \"audit\"\nfindings = [\"nothing\"]\nticket = {}",
            "(\"R\").findings: \"nothing\" is not a finding; these are table_missing, ",
        ),
        (
            "signal = \"audit\"\nfindings = [\"clock_off\"]\nticket = {}\nper = \"region\"",
            "(\"R\").per: findings are about a region each; remove it",
        ),
        (
            "signal = \"audit\"\nfindings = [\"clock_off\"]\nticket = {}\nsource_regions = [\"a\"]",
            "(\"R\").source_regions: a rule of this signal has regions in its place",
        ),
        (
            "signal = \"clock\"\npage = { above = \"1s\" }\nregions = [\"a\"]",
            "(\"R\").regions: a rule of this signal has source_regions and target_regions in its place",
        ),
        (
            "signal = \"clock\"\npage = { above = \"1s\" }\nquantile = \"p99\"",
            "(\"R\").quantile: is for rules whose signal is \"lag_quantile\"; remove it",
        ),
        (
            "signal = \"clock\"\npage = { above = \"1s\" }\npairs_min = 2",
            "(\"R\").pairs_min: is for rules whose `per` is a region; remove it",
        ),
        ("signal = \"clock\"\npage = { above = \"1s\" }\nstores = [\"\"]", "(\"R\").stores: \"\" fits no name"),
        (
            "signal = \"clock\"\npage = { above = \"1s\" }\nkeep_firing_fro = \"1m\"",
            "(\"R\"): unknown key `keep_firing_fro`; did you mean `keep_firing_for`?",
        ),
    ] {
        let message = refused(&format!("[[alerts.rules]]\nname = \"R\"\n{keys}"));
        assert!(message.contains(expected), "{keys}\n{message}");
        assert_eq!(message.lines().count(), 1, "{keys}\n{message}");
    }
    let other =
        refused("[[alerts.rules]]\nname = \"TidegaugeStalled\"\nsignal = \"overdue\"\npage = { above = \"1s\" }");
    assert!(other.contains("the shipped rule of this name watches \"state\"; name yours differently"), "{other}");
    let reserved =
        refused("[[alerts.rules]]\nname = \"TidegaugeWatchdog\"\nsignal = \"clock\"\npage = { above = \"1s\" }");
    assert!(reserved.contains("is an alert that `tidegauge rules` adds; call it something else"), "{reserved}");
    let unnamed = refused("[[alerts.rules]]\nsignal = \"clock\"");
    assert!(unnamed.contains("alerts.rules[0].name: is missing; give the rule a name"), "{unnamed}");
    let misnamed = refused("[[alerts.rules]]\nname = \"1 x\"");
    assert!(misnamed.contains("is no rule's name; use 1 to 63 letters"), "{misnamed}");
    let own = "[[alerts.rules]]\nname = \"R\"\nsignal = \"clock\"\npage = { above = \"1s\" }\n";
    let twice = refused(&format!("{own}{own}"));
    assert!(twice.contains("alerts.rules[1].name: there is another rule \"R\""), "{twice}");
}

#[test]
fn the_objective_and_the_runbooks_are_checked() {
    let alerts = |toml: &str| Settings::from_toml(&format!("{STORE}[alerts]\n{toml}")).unwrap().alerts;
    let usual = alerts("");
    assert_eq!((usual.objective.lag, usual.objective.share), (Duration::from_secs(10), 0.99));
    assert_eq!(usual.runbooks, "docs/runbooks");
    assert_eq!(alerts("runbooks = \"https://wiki.example.org/tide/\"").runbooks, "https://wiki.example.org/tide");
    let message = refused("[alerts]\nobjective = { lag = \"10s\", share = 99 }");
    assert!(message.contains("alerts.objective.share: 99 is out of range; use 0.5 to 0.9999"), "{message}");
    let message = refused("[alerts]\nrunbooks = \"a b\"");
    assert!(message.contains("alerts.runbooks: \"a b\" holds spaces"), "{message}");
}
