//! The rule file that is shipped is the one that the program writes.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};

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

/// The program, with none of this machine's settings.
fn tidegauge(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegauge")).args(arguments).env_clear().output().unwrap()
}

#[test]
fn rules_are_written_without_settings_and_bad_settings_are_refused_without_a_rule() {
    let written = tidegauge(&["rules"]);
    assert!(written.status.success(), "{written:?}");
    assert!(String::from_utf8(written.stdout).unwrap().contains("- alert: TidegaugeStalled\n"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, "[alerts]\nrunbook = \"x\"\n").unwrap();
    let refused = tidegauge(&["--config", path.to_str().unwrap(), "rules"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    assert!(refused.stdout.is_empty(), "{refused:?}");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("runbook"), "it says which key");
}
