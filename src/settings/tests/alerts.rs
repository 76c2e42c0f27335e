//! What `[alerts]` promises the operator.

use super::*;
use crate::core::alert::Severity;

#[test]
fn the_shipped_rules_are_active_without_a_word() {
    let alerts = Settings::from_toml(STORE).unwrap().alerts;
    let names: Vec<&str> = alerts.rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names.len(), 14, "{names:?}");
    let pages = |name: &str| {
        let rule = alerts.rules.iter().find(|rule| *rule.name == *name).unwrap();
        rule.thresholds[0].severity == Severity::Page
    };
    for name in ["TidegaugeStalled", "TidegaugeWriteFailing", "TidegaugeCurrentLagHigh", "TidegaugeSourceUnknown"] {
        assert!(pages(name), "{name}");
    }
    assert_eq!(alerts.push, None);
}
