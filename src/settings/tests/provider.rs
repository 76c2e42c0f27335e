//! What settings promise about asking the provider.

use super::*;

/// A table, with these keys for its first region and its store.
fn table(region: &str, keys: &str) -> String {
    let regions = format!("{keys}\nregions = [{{ name = \"us-east-1\"{region} }}, {{ name = \"eu-west-1\" }}]");
    store(&regions, "[stores.dynamodb]\ntable = \"Cells\"\npartition_key = \"PK\"\nsort_key = \"SK\"")
}

fn provider(toml: &str) -> Option<ProviderSettings> {
    load(toml, &[]).unwrap().stores.remove(0).provider
}

fn of_seconds(every: u64, period: u64, delay: u64) -> ProviderSettings {
    let [every, period, delay] = [every, period, delay].map(Duration::from_secs);
    ProviderSettings { every, period, delay }
}

#[test]
fn a_gauge_asks_about_its_tables_unless_it_is_told_not_to() {
    assert_eq!(provider(&table("", "")), Some(of_seconds(300, 300, 120)));
    assert_eq!(provider(&table("", "provider = { poll = true }")), Some(of_seconds(300, 300, 120)));
    let all = table("", "provider = { every = \"1m\", period = \"2m\", delay = \"0s\" }");
    assert_eq!(provider(&all), Some(of_seconds(60, 120, 0)));
    assert_eq!(provider(&table("", "provider = { poll = false, every = \"1m\" }")), None);
}

#[test]
fn nobody_is_asked_about_a_replica_on_this_host_unless_it_is_said_who() {
    let here = ", endpoint = \"http://127.0.0.1:8000\"";
    assert_eq!(provider(&table(here, "")), None);
    let found = complaints(&table(here, "provider = { poll = true }"));
    assert!(found.len() == 1 && found[0].contains("provider.poll: the replica in \"us-east-1\" stands"), "{found:?}");
    let both = format!("{here}, cloudwatch_endpoint = \"http://127.0.0.1:8000\"");
    assert!(provider(&table(&both, "")).is_some());
    // Replicas that the store names itself are reached as their overrides say.
    let of_all = |keys: &str| {
        let toml = table("", &format!("region_overrides = [{{ name = \"*\"{keys} }}]"));
        let (before, rest) = toml.split_once("regions = [{").unwrap();
        format!("{before}regions = \"auto\"{}", rest.split_once(" }]").unwrap().1)
    };
    assert_eq!(provider(&of_all(here)), None);
    assert!(provider(&of_all(&both)).is_some());
    // An interface endpoint is no other table.
    assert!(provider(&table(", endpoint = \"https://vpce.example.com\"", "")).is_some());
}

#[test]
fn an_observer_asks_nobody() {
    let observer = |keys: &str| {
        let toml = table("", keys).replace("central = true", "aws_region = \"us-east-1\"");
        format!("role = \"observer\"\n{toml}")
    };
    assert_eq!(provider(&observer("")), None);
    assert_eq!(provider(&observer("provider = { poll = false }")), None);
    for keys in ["provider = { poll = true }", "provider = { every = \"1m\" }"] {
        let found = complaints(&observer(keys));
        assert!(found.len() == 1 && found[0].contains("asks no provider; remove it"), "{found:?}");
    }
}

#[test]
fn nobody_publishes_anything_about_a_simulated_store() {
    assert_eq!(provider(STORE), None);
    let with = |keys: &str| STORE.replace("name = \"orders\"", &format!("name = \"orders\"\n{keys}"));
    assert_eq!(provider(&with("provider = { poll = false }")), None);
    let found = complaints(&with("provider = { poll = true }"));
    assert!(found.len() == 1 && found[0].contains("about a simulated store; remove it"), "{found:?}");
    let region = STORE.replace("\"us-east-1\" }", "\"us-east-1\", cloudwatch_endpoint = \"https://x\" }");
    assert!(complaints(&region)[0].contains("means nothing to a simulated store"));
}

#[test]
fn what_cloudwatch_cannot_be_asked_is_refused() {
    let cases = [
        ("every = \"30s\"", "is too short; use 1m to 1h"),
        ("every = \"2h\"", "is too long; use 1m to 1h"),
        ("period = \"90s\"", "1m 30s is no whole number of minutes; use \"5m\""),
        ("period = \"1s\"", "is too short; use 1m to 15m"),
        ("period = \"16m\"", "is too long; use 1m to 15m"),
        ("delay = \"31m\"", "is too long; use 0s to 30m"),
        ("poll = \"yes\"", "expected true or false"),
        ("evry = \"1m\"", "did you mean `every`?"),
    ];
    for (keys, answer) in cases {
        let found = complaints(&table("", &format!("provider = {{ {keys} }}")));
        assert!(found.len() == 1 && found[0].contains(answer), "{keys}: {found:?}");
    }
}
