//! The rule file that is shipped is the one that the program writes.

use std::collections::HashMap;
use std::path::Path;

use tidegauge::rules::rule_file;
use tidegauge::settings::Settings;

#[test]
fn the_shipped_rules_for_prometheus_are_those_of_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/rules.yml");
    let shipped = std::fs::read_to_string(&path).unwrap();
    let made = rule_file(&Settings::from_sources(None, HashMap::new()).unwrap());
    let differs = shipped.lines().zip(made.lines()).find(|(shipped, made)| shipped != made);
    assert!(
        shipped == made,
        "deploy/prometheus/rules.yml is not what the program makes of its defaults, first at {differs:?}; make it anew: \
         cargo run --locked -- rules > deploy/prometheus/rules.yml"
    );
}
