//! What settings promise the operator, one test per promise.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::core::model::{Consistency, Placement, ReadSchedule};
use crate::core::time::Wall;

mod advice;
mod alerts;
#[cfg(feature = "cosmos")]
mod cosmos;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "dynamodb")]
mod places;
mod prices;
#[cfg(feature = "dynamodb")]
mod provider;
mod push;
mod server;

/// 2026-11-26T00:00:00Z.
const NOW: Wall = Wall::from_micros(1_795_651_200_000_000);

const STORE: &str = r#"
[cell]
name = "here"
central = true
[[stores]]
name = "orders"
regions = [{ name = "us-east-1" }, { name = "eu-west-1" }]
[stores.simulated]
"#;

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Settings::from_sources(Some(("x.toml", toml)), environment.collect())
}

fn complaints(toml: &str) -> Vec<String> {
    complaints_with(toml, &[])
}

fn complaints_with(toml: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = load(toml, environment).expect_err("these settings are wrong");
    error.to_string().lines().map(str::to_owned).collect()
}

/// A store of its own kind and regions, with these keys.
fn store(keys: &str, kind: &str) -> String {
    format!("[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\n{keys}\n{kind}")
}

fn simulated(keys: &str) -> String {
    store(&format!("regions = [{{ name = \"a\" }}, {{ name = \"b\" }}]\n{keys}"), "[stores.simulated]")
}

fn simulated_with(keys: &str) -> String {
    format!("{}\n{keys}", simulated(""))
}

#[test]
fn every_shipped_file_is_right() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text file");
        let left_out =
            [("[stores.cosmos]", cfg!(feature = "cosmos")), ("[stores.dynamodb]", cfg!(feature = "dynamodb"))];
        if left_out.iter().all(|(kind, is_here)| *is_here || !text.contains(kind)) {
            let name = path.display().to_string();
            let loaded = Settings::from_sources(Some((&name, &text)), HashMap::new());
            assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
        }
        seen.push(path.file_name().expect("a name").to_string_lossy().into_owned());
    }
    for expected in ["central.toml", "cosmos.toml", "demo.toml", "gauge.toml", "observer.toml"] {
        assert!(seen.iter().any(|name| name == expected), "{expected} is missing from {seen:?}");
    }
}

#[test]
fn the_demo_runs_and_shows_a_stall_within_the_first_minute() {
    let demo = Settings::from_toml(DEMO).unwrap();
    assert_eq!(demo.runnable(), Ok(()));
    assert!(demo.notices(NOW).is_empty(), "{:?}", demo.notices(NOW));
    assert_eq!(demo.pair_count(), 6 + 2 + 12);
    let StoreKind::Simulated(orders) = &demo.stores[0].kind else { panic!("the demo needs no cloud") };
    let stall = &orders.events[0];
    assert!(matches!(&stall.kind, SimulatedEventKind::Stall(pairs)
        if pairs.contains("us-east-1", "ap-southeast-2") && !pairs.contains("ap-southeast-2", "us-east-1")));
    let at = |seconds| stall.is_active(Duration::from_secs(seconds));
    assert_eq!(
        [at(0), at(19), at(20), at(39), at(40), at(259), at(260)],
        [false, false, true, true, false, false, true]
    );
}

#[test]
fn what_stands_in_a_line_that_is_no_toml_is_not_repeated() {
    let found = complaints("[[stores]]\nexternal_id = \"my-secret\n").join("\n");
    assert!(found.contains("line 2") && !found.contains("my-secret"), "{found}");
}

#[test]
fn all_problems_come_in_one_error_each_with_its_key() {
    let toml = r#"
        rol = "gauge"
        [cell]
        central = "yes"
        aws_region = "nowhere"
        [server]
        listen = "localhost:9746"
        shutdown_grace = 2
        [log]
        format = "jsn"
        [[stores]]
        name = "orders"
        warn_lag = true
        regions = [{ name = "us-east-1", endpoint = "ftp://x" }, "eu-west-1"]
        [stores.heartbeat]
        interval = "0s"
        intervall = "1s"
        [stores.simulated]
        lag = { fixed = 3 }
        [[stores]]
        name = "orders"
        local_region = "b"
        reads_per_interval = 51
        read = "stale"
        regions = [{ name = "b" }, { name = "b" }]
        [stores.simulated]
        events = [{ kind = "stall", every = "3m", offset = "1s", target_region = "c" }]
        [[stores]]
        regions = []
    "#;
    let found = complaints_with(toml, &[("TIDEGAUGE__LOG__FILTER", "loud"), ("TIDEGAUGE__STORES__0__NAME", "x")]);
    let expected = [
        r#"environment variable TIDEGAUGE__STORES__0__NAME: the environment cannot reach into the list of stores; set this in the file, and what differs between cells in [cell]"#,
        r#"x.toml: cell.aws_region: "nowhere" does not look like a region of AWS; use its code, such as "us-east-1""#,
        r#"x.toml: cell.central: expected true or false, without quotes, found the string "yes""#,
        r#"x.toml: server.listen: "localhost:9746" is not an address (names are not looked up); use IP:PORT such as "127.0.0.1:9746" or "0.0.0.0:9747""#,
        r#"x.toml: server.shutdown_grace: 2 is a bare number; write a duration with its unit, such as "1s" or "250ms""#,
        r#"environment variable TIDEGAUGE__LOG__FILTER: log.filter: "loud" is not a level; use error, warn, info, debug or trace"#,
        r#"x.toml: log.format: "jsn" is not known here; use "text" or "json"; did you mean "json"?"#,
        r#"x.toml: stores[1].name: "orders" is the name of stores[0] too; give each store its own"#,
        r#"x.toml: stores[0] ("orders").regions[1]: expected a table of keys, found the string "eu-west-1""#,
        r#"x.toml: stores[0] ("orders").regions[0] ("us-east-1").endpoint: "ftp://x" has the scheme "ftp"; use https, or http on loopback"#,
        r#"x.toml: stores[0] ("orders").regions[0] ("us-east-1").endpoint: means nothing to a simulated store; remove it"#,
        r#"x.toml: stores[0] ("orders").heartbeat.interval: "0s" is too short; use 100ms to 1h"#,
        r#"x.toml: stores[0] ("orders").heartbeat: unknown key `intervall`; did you mean `interval`?"#,
        r#"x.toml: stores[0] ("orders").warn_lag: expected a duration such as "1s", found true"#,
        r#"x.toml: stores[0] ("orders").simulated.lag.fixed: 3 is a bare number; write a duration with its unit, such as "1s" or "250ms""#,
        r#"x.toml: stores[1] ("orders").regions: "b" is there twice; name each region once"#,
        r#"x.toml: stores[1] ("orders").read: "stale" is not known here; use "strong" or "eventual""#,
        r#"x.toml: stores[1] ("orders").reads_per_interval: 51 is out of range; use 1 to 50"#,
        r#"x.toml: stores[1] ("orders").simulated.events[0].lasts: is missing; say how long it takes, such as lasts = "20s""#,
        r#"x.toml: stores[1] ("orders").simulated.events[0].target_region: "c" is not one of this store's regions; use b"#,
        r#"x.toml: stores[2].name: is missing; every store has one, such as name = "orders""#,
        r#"x.toml: stores[2].regions: 0 is not a number of replicas to measure between; use 2 to 30"#,
        r#"x.toml: stores[2]: says nothing of what kind of store it is; add [stores.dynamodb], [stores.cosmos] or [stores.simulated]"#,
        r#"x.toml: unknown key `rol`; did you mean `role`?"#,
    ];
    for line in &found {
        assert!(expected.contains(&line.as_str()), "unexpected: {line}\namong\n{}", found.join("\n"));
    }
    assert_eq!(found.len(), expected.len(), "{}", found.join("\n"));
}

#[test]
fn a_store_says_all_it_needs_by_default() {
    let settings = load(STORE, &[]).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:9746");
    assert_eq!((settings.role, settings.server.shutdown_grace), (Role::Gauge, Duration::from_secs(2)));
    let orders = &settings.stores[0];
    let heartbeat = HeartbeatSettings { interval: Duration::from_secs(1), slots: 1, placement: Placement::Inline };
    assert_eq!((&orders.heartbeat, orders.local_region.as_deref()), (&heartbeat, None));
    assert_eq!((orders.read, orders.read_schedule), (Consistency::Strong, ReadSchedule::Adaptive));
    assert_eq!((orders.reads_per_interval, orders.warn_lag), (5, Duration::from_secs(5)));
    assert_eq!(orders.kind.label(), "simulated");
}

#[test]
fn a_typo_is_answered_with_the_key_that_was_meant() {
    let cases = [
        ("reads_per_intervall = 5", "unknown key `reads_per_intervall`; did you mean `reads_per_interval`?"),
        ("wran_lag = \"5s\"", "unknown key `wran_lag`; did you mean `warn_lag`?"),
        ("Read = \"strong\"", "unknown key `Read`; did you mean `read`?"),
        ("heartbeat = { slot = 2 }", "unknown key `slot`; did you mean `slots`?"),
        ("heartbeat = { colour = 2 }", "unknown key `colour`; known here are interval, slots, placement"),
        ("read = \"eventually\"", "did you mean \"eventual\"?"),
    ];
    for (keys, answer) in cases {
        let found = complaints(&simulated(keys));
        assert!(found.len() == 1 && found[0].ends_with(answer), "{keys}: {found:?}");
    }
}

#[test]
fn the_environment_overrides_the_file_and_is_named_when_it_is_wrong() {
    let settings = load(
        &format!("[server]\nlisten = \"127.0.0.1:1\"\n{}", STORE.replace("central = true", "")),
        &[
            ("TIDEGAUGE__SERVER__LISTEN", "127.0.0.1:2"),
            ("TIDEGAUGE__SERVER__METRICS_LISTEN", ""),
            ("TIDEGAUGE__CELL__CENTRAL", "true"),
            ("TIDEGAUGE__CELL__NAME", "7"),
            ("TIDEGAUGE_OTHER", "is none of ours"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!((settings.server.listen.port(), settings.server.metrics_listen), (2, None));
    assert_eq!((settings.cell.central, settings.cell.name.as_deref()), (true, Some("7")));

    let wrong = [
        ("TIDEGAUGE__SERVER__LISTN", "127.0.0.1:2"),
        ("TIDEGAUGE__SERVR__LISTEN", "127.0.0.1:2"),
        ("TIDEGAUGE__SERVER__SHUTDOWN_GRACE", "2"),
    ];
    let found = complaints_with(STORE, &wrong);
    let expected = [
        "environment variable TIDEGAUGE__SERVER__SHUTDOWN_GRACE: server.shutdown_grace: 2 is a bare number; write a \
         duration with its unit, such as \"1s\" or \"250ms\"",
        "environment variable TIDEGAUGE__SERVER__LISTN: server: unknown key `listn`; did you mean `listen`?",
        "environment variable TIDEGAUGE__SERVR__LISTEN: unknown key `servr`; did you mean `server`?",
    ];
    assert_eq!(found, expected);

    let found =
        complaints_with(STORE, &[("TIDEGAUGE__LOG", "x"), ("TIDEGAUGE__LOG__FORMAT", "json"), ("TIDEGAUGE____X", "y")]);
    let expected = [
        "environment variable TIDEGAUGE__LOG: is a section, as other variables say; set the keys of it, or remove it",
        "environment variable TIDEGAUGE____X: names no key; use TIDEGAUGE__SECTION__KEY",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_number_in_the_file_needs_no_quotes_and_gets_none() {
    let found = complaints(&simulated("reads_per_interval = \"5\""));
    assert!(found[0].ends_with("expected a whole number from 1 to 50, without quotes, found the string \"5\""));
    let found = complaints(&simulated("heartbeat = { interval = \"1\" }"));
    assert!(found[0].contains("1 is a bare number"), "{found:?}");
    let found = complaints(&simulated("warn_lag = \"soon\""));
    assert!(found[0].contains("\"soon\" is not a duration"), "{found:?}");
}

#[test]
fn a_process_is_either_central_or_local_to_one_of_the_regions() {
    let local =
        |cell: &str, keys: &str| load(&STORE.replace("central = true", cell).replace("name = \"orders\"", keys), &[]);
    let found = |cell, keys| local(cell, keys).expect_err("refused").to_string();
    let name = "name = \"orders\"";
    assert!(found("", name).contains("no local region is set; set cell.aws_region or"));
    assert!(found("aws_region = \"eu-west-2\"", name).contains("taken from cell.aws_region = \"eu-west-2\""));
    assert!(found("", "name = \"orders\"\nlocal_region = \"eu-west-2\"").contains("use us-east-1 or eu-west-1"));
    let both = found("central = true\naws_region = \"us-east-1\"", "name = \"orders\"\nlocal_region = \"us-east-1\"");
    assert_eq!(both.matches("a central prober is local to no region").count(), 2, "{both}");

    let settings = local("aws_region = \"eu-west-1\"", name).unwrap();
    assert_eq!(settings.stores[0].local_region.as_deref(), Some("eu-west-1"));
    let settings = local("aws_region = \"eu-west-1\"", "name = \"orders\"\nlocal_region = \"us-east-1\"").unwrap();
    assert_eq!(settings.stores[0].local_region.as_deref(), Some("us-east-1"));
}

#[test]
fn what_follows_from_another_mistake_is_not_complained_of() {
    let wrong_central = STORE.replace("central = true", "central = \"yes\"");
    assert_eq!(complaints(&wrong_central).len(), 1);
    let wrong_region = STORE.replace("central = true", "aws_region = \"us-east-1\"").replace("\"us-east-1\" }", "5 }");
    let found = complaints(&wrong_region);
    assert!(found.len() == 1 && found[0].contains("regions[0].name: expected a string in quotes"), "{found:?}");
}

#[test]
fn azure_regions_may_be_spelt_as_the_portal_does() {
    let regions = "regions = [{ name = \"eastus\" }, { name = \"westeurope\" }]\n[stores.simulated]";
    let toml = format!("[cell]\nazure_region = \"East US\"\n[[stores]]\nname = \"a\"\n{regions}");
    assert_eq!(load(&toml, &[]).unwrap().stores[0].local_region.as_deref(), Some("eastus"));
}

#[test]
fn a_local_region_or_an_observer_needs_no_more_than_that() {
    let gauge = load(&STORE.replace("central = true", "aws_region = \"us-east-1\""), &[]).unwrap();
    assert_eq!((gauge.runnable(), gauge.notices(NOW)), (Ok(()), vec![]));
    assert_eq!(gauge.stores[0].read, Consistency::Strong);
    let observer = STORE.replace("[cell]", "role = \"observer\"\n[cell]");
    let observer = load(&observer.replace("central = true", "aws_region = \"us-east-1\""), &[]).unwrap();
    assert_eq!(observer.runnable(), Ok(()));
    assert_eq!((observer.stores[0].reads_per_interval, observer.stores[0].read), (1, Consistency::Eventual));
    assert!(
        complaints(&STORE.replace("[cell]", "role = \"observer\"\n[cell]"))[0].contains("reads its local replica only")
    );
}

#[test]
fn remote_reads_are_for_gauges_with_a_region_of_their_own() {
    let remote = STORE
        .replace("central = true", "aws_region = \"us-east-1\"")
        .replace("regions =", "remote_reads = true\nregions =");
    let gauge = load(&remote, &[]).unwrap();
    assert!(gauge.stores[0].remote_reads);
    assert_eq!(gauge.pair_count(), 2 * (gauge.stores[0].regions.len() - 1));
    let observer = complaints(&remote.replace("[cell]", "role = \"observer\"\n[cell]"));
    assert!(observer[0].contains("remote_reads") && observer[0].contains("local replica only"), "{observer:?}");
    let central = complaints(&STORE.replace("regions =", "remote_reads = true\nregions ="));
    assert!(central[0].contains("remote_reads") && central[0].contains("central prober"), "{central:?}");
}

#[test]
fn what_comes_with_a_later_release_is_refused_and_says_so() {
    let found = complaints(&STORE.replace("simulated", "redis"));
    assert!(found.len() == 1 && found[0].contains("comes in a later release"), "{found:?}");
}

#[test]
fn there_is_nothing_to_run_without_stores() {
    let none = Settings::from_sources(None, HashMap::new()).unwrap();
    assert_eq!(none.runnable(), Err(NotRunnable::NoStores));
    assert_eq!(complaints("role = \"gauge\""), ["x.toml: stores: no stores configured: add at least one [[stores]]"]);
}

#[test]
fn a_store_is_of_exactly_one_kind() {
    let found = complaints(&format!("{STORE}\n[stores.redis]"));
    assert!(found[0].ends_with("is of simulated and redis at once; keep exactly one of them"), "{found:?}");
}

#[test]
fn a_cell_without_a_name_and_a_rule_that_is_about_no_store_are_noticed() {
    let unnamed = load(&STORE.replace("name = \"here\"\n", ""), &[]).unwrap().notices(NOW);
    assert!(unnamed.len() == 1 && unnamed[0].starts_with("cell.name is not set: for alerts all gauges"), "{unnamed:?}");
    let rule = "[[alerts.rules]]\nname = \"TidegaugeStalled\"\nstores = [\"order\", \"carts*\"]";
    let misspelt = load(&format!("{STORE}{rule}"), &[]).unwrap().notices(NOW);
    let expected = "the rule TidegaugeStalled is about the stores order, carts*, and there is none of these";
    assert_eq!(misspelt, [expected]);
}

#[test]
fn a_listener_for_everybody_is_noticed() {
    let settings = load(STORE, &[("TIDEGAUGE__SERVER__LISTEN", "0.0.0.0:9746")]).unwrap();
    assert!(settings.runnable().is_ok());
    assert!(settings.notices(NOW)[0].contains("is not loopback"));
}

#[test]
fn too_many_regions_or_pairs_are_refused() {
    let regions = |count: usize| {
        let names: Vec<String> = (0..count).map(|index| format!("{{ name = \"r{index}\" }}")).collect();
        format!("regions = [{}]", names.join(", "))
    };
    assert_eq!(load(&store(&regions(30), "[stores.simulated]"), &[]).unwrap().pair_count(), 870);
    assert!(complaints(&store(&regions(31), "[stores.simulated]"))[0].contains("use 2 to 30"));
    assert!(complaints(&store(&regions(1), "[stores.simulated]"))[0].contains("use 2 to 30"));
    let many: String = (0..12)
        .map(|index| format!("[[stores]]\nname = \"s{index}\"\n{}\n[stores.simulated]\n", regions(30)))
        .collect();
    let found = complaints(&format!("[cell]\ncentral = true\n{many}"));
    assert_eq!(found, ["x.toml: stores: 10440 region pairs are too many for one process; use at most 10000"]);
}

#[test]
fn names_are_fit_for_labels_and_keys() {
    for name in ["", "-a", "a b", "a/b", &"a".repeat(64)] {
        let found = complaints(&STORE.replace("\"orders\"", &format!("{name:?}")));
        assert!(found[0].contains("is not a name"), "{found:?}");
    }
    for region in ["a/b", "a\\\\b", "a?b", "a#b", "East US", "", &"a".repeat(41)] {
        let found = complaints(&STORE.replace("\"us-east-1\"", &format!("\"{region}\"")));
        assert!(found.len() == 1 && found[0].contains("is not a region's name"), "{found:?}");
    }
}

#[test]
fn what_a_simulated_store_is_told_has_to_make_sense() {
    let cases = [
        ("seed = -1", "-1 is out of range"),
        ("lag = { fixed = \"1s\", sigma = 0.2 }", "use either fixed, or median and sigma"),
        ("lag = { sigma = 4 }", "4 is out of range; use 0 to 3"),
        ("spikes = { factor_min = 5, factor_max = 2 }", "2 is less than factor_min; use 5 or more"),
        ("events = [{ kind = \"stall\", every = \"10s\", lasts = \"10s\" }]", "would never be over"),
        ("events = [{ kind = \"region_down\", every = \"1m\", lasts = \"10s\" }]", "name the region"),
        ("events = [{ kind = \"stall\", region = \"a\", every = \"1m\", lasts = \"10s\" }]", "unknown key `region`"),
        ("events = [{ knd = \"stall\", every = \"1m\", lasts = \"10s\" }]", "did you mean `kind`?"),
        ("events = { kind = \"stall\" }", "expected a list such as"),
    ];
    for (keys, answer) in cases {
        let found = complaints(&simulated_with(keys));
        assert!(found.iter().any(|line| line.contains(answer)), "{keys}: {found:?}");
    }
    let settings = load(&simulated_with("lag = { fixed = \"1s\" }"), &[]).unwrap();
    let StoreKind::Simulated(kind) = &settings.stores[0].kind else { panic!("it is simulated") };
    assert_eq!(kind.lag, SimulatedLag::Fixed(Duration::from_secs(1)));
}

#[test]
fn a_file_that_is_not_there_or_not_toml_says_what_to_do() {
    let missing = Settings::load(Some(Path::new("no/such.toml"))).expect_err("there is none").to_string();
    assert!(missing.starts_with("no/such.toml: there is no such file; pass --config FILE"), "{missing}");
    let directory = Settings::load(Some(Path::new("."))).expect_err("a directory").to_string();
    assert!(directory.starts_with(".: is a directory"), "{directory}");
    let broken = complaints("[server\nlisten = 1").join("\n");
    assert!(broken.starts_with("x.toml: not TOML that can be read: TOML parse error at line 1"), "{broken}");
    let huge = complaints("seed = 18446744073709551615");
    assert!(huge[0].ends_with("whole numbers go from -9223372036854775808 to 9223372036854775807"), "{huge:?}");
}

#[cfg(not(feature = "cosmos"))]
#[test]
fn a_build_without_cosmos_db_says_so() {
    let found = complaints(&STORE.replace("simulated", "cosmos"));
    assert!(found.iter().any(|line| line.contains("this build leaves Cosmos DB out")), "{found:?}");
}

#[cfg(not(feature = "dynamodb"))]
#[test]
fn a_build_without_dynamodb_says_so() {
    let found = complaints(&STORE.replace("simulated", "dynamodb"));
    assert!(found[0].contains("this build leaves DynamoDB out"), "{found:?}");
}

#[test]
fn settings_that_are_to_be_served_nonetheless_leave_an_address_and_nothing_to_measure() {
    let bare = |toml: Option<&str>, environment: &[(&str, &str)]| {
        let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        super::bare::bare(toml, environment.collect())
    };
    let serve = ("TIDEGAUGE__ON_BAD_SETTINGS", "serve");
    let listen = ("TIDEGAUGE__SERVER__METRICS_LISTEN", "127.0.0.1:9999");
    let wrong = "role = \"observer\"\non_bad_settings = \"serve\"\n[cell]\nname = \"a\"\n[[stores]]\nname = 7\n";
    let by_file = bare(Some(wrong), &[listen]).unwrap();
    assert_eq!((by_file.role, by_file.cell.name.as_deref()), (Role::Observer, Some("a")));
    assert_eq!(by_file.server.metrics_listen, Some("127.0.0.1:9999".parse().unwrap()));
    assert!(by_file.stores.is_empty());
    for text in [None, Some("this is = no [TOML")] {
        assert_eq!(bare(text, &[]), None, "without a word about it the process ends");
        let by_environment = bare(text, &[serve, listen]).unwrap();
        assert_eq!(by_environment.server.metrics_listen, Some("127.0.0.1:9999".parse().unwrap()));
    }
    assert_eq!(bare(Some(&wrong.replace("serve", "exit")), &[]), None);
    assert_eq!(bare(Some(&wrong.replace("serve", "pray")), &[]), None, "what is not understood is not done");
}
