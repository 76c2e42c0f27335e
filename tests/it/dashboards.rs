//! The dashboards that are shipped are those that the program writes, they ask for what there is, and Grafana can show them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tidegauge::core::alert::LABELS;
use tidegauge::core::pair::BUCKETS;
use tidegauge::dashboards::files;
use tidegauge::metrics::declare;
use tidegauge::rules::rule_file;
use tidegauge::settings::Settings;

mod limits;
mod links;
mod promql;

use promql::{Asked, asked};

const ANEW: &str = "make it anew: cargo run --locked -- dashboards dashboards";

/// What Prometheus and the process add to the gauge's own metrics.
const OF_OTHERS: [&str; 6] = [
    "ALERTS",
    "ALERTS_FOR_STATE",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn defaults() -> Settings {
    Settings::from_sources(None, HashMap::new()).unwrap()
}

/// The dashboards of these settings, by uid.
fn dashboards(settings: &Settings) -> BTreeMap<String, Value> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    files(settings).iter().map(|file| read(&file.text)).map(|one| (text(&one["uid"]).to_owned(), one)).collect()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The panels of a dashboard, without what only separates them.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row")
}

/// Every panel of every dashboard, with what to call it.
fn every_panel(dashboards: &BTreeMap<String, Value>) -> impl Iterator<Item = (String, &Value)> {
    dashboards.iter().flat_map(|(uid, one)| {
        panels(one).map(move |panel| (format!("{uid}, {:?}", panel["title"].as_str().unwrap_or_default()), panel))
    })
}

/// Everything that a dashboard asks of Prometheus, with what to call it.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in list(&panel["targets"]) {
            found.push((text(&panel["title"]).to_owned(), text(&target["expr"]).to_owned()));
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        found.push((text(&annotation["name"]).to_owned(), text(&annotation["target"]["expr"]).to_owned()));
    }
    for variable in list(&dashboard["templating"]["list"]).iter().filter(|variable| variable["type"] == "query") {
        let query = text(&variable["query"]["query"]);
        let (of, _) = query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap();
        found.push((text(&variable["name"]).to_owned(), of.to_owned()));
    }
    found
}

/// Every text within a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A metric's own name, of a part of a histogram as well.
fn metric(series: &str) -> &str {
    let histograms = declare::ALL.iter().map(|metric| metric.name);
    let mut whole = histograms
        .filter(|name| series.strip_prefix(name).is_some_and(|rest| matches!(rest, "_bucket" | "_count" | "_sum")));
    whole.next().unwrap_or(series)
}

/// The labels of each metric, as its description says.
fn described() -> HashMap<String, BTreeSet<String>> {
    let document = std::fs::read_to_string(project("docs/metrics.md")).unwrap();
    let mut labels = HashMap::new();
    for part in document.split("\n### `").skip(1) {
        let (name, rest) = part.split_once('`').unwrap();
        // Up to the first sentence's end: what kind it is, and its labels.
        let (head, _) = rest.trim_start().split_once(". ").or_else(|| rest.trim_start().split_once('.')).unwrap();
        let quoted = head.split('`').skip(1).step_by(2).flat_map(|labels| labels.split(','));
        labels.insert(name.to_owned(), quoted.map(|label| label.trim().to_owned()).collect());
    }
    labels
}

/// The records of the rules, which Prometheus keeps for the dashboards, too.
fn recorded() -> BTreeSet<String> {
    let file = rule_file(&defaults());
    file.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned).collect()
}

/// The labels that a series can have.
fn labels_of(series: &str, described: &HashMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut labels: BTreeSet<String> = ["job", "instance"].map(str::to_owned).into();
    if series.starts_with("ALERTS") {
        // What the rules give, and Prometheus.
        labels.extend(LABELS.iter().chain(&["alertstate", "rule", "window"]).map(|label| (*label).to_owned()));
    } else if let Some((level @ ("pair" | "cell_pair"), _)) = series.split_once(':') {
        labels.extend(["store", "source_region", "target_region"].map(str::to_owned));
        labels.extend((level == "cell_pair").then(|| "cell".to_owned()));
    } else if let Some(own) = described.get(metric(series)) {
        labels.extend(own.iter().cloned());
    }
    if series.ends_with("_bucket") {
        labels.insert("le".to_owned());
    }
    labels
}

#[test]
fn the_shipped_dashboards_are_those_of_the_defaults() {
    for file in files(&defaults()) {
        let shipped = std::fs::read_to_string(project("dashboards").join(file.name)).unwrap();
        let differs = shipped.lines().zip(file.text.lines()).find(|(shipped, made)| shipped != made);
        assert!(
            shipped == file.text,
            "dashboards/{} is not what is made of the defaults, first at {differs:?}; {ANEW}",
            file.name
        );
    }
    let json = |path: PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let there = std::fs::read_dir(project("dashboards")).unwrap().filter(|entry| json(entry.as_ref().unwrap().path()));
    assert_eq!(there.count(), files(&defaults()).len(), "what nobody makes does not belong there");
}

#[test]
fn each_has_an_address_that_stays() {
    let uids: Vec<String> = dashboards(&defaults()).into_keys().collect();
    assert_eq!(uids, ["tidegauge-fleet", "tidegauge-gauge", "tidegauge-store"]);
}

#[test]
fn every_series_that_is_asked_for_is_declared_and_every_declared_metric_is_shown() {
    let dashboards = dashboards(&defaults());
    let (declared, recorded) = (declare::ALL.iter().map(|metric| metric.name), recorded());
    let declared: BTreeSet<&str> = declared.collect();
    let mut shown = BTreeSet::new();
    for (uid, dashboard) in &dashboards {
        for (what, expression) in expressions(dashboard) {
            let Asked { series, .. } = asked(&expression);
            assert!(!series.is_empty(), "{uid}, {what}: nothing is asked for in {expression}");
            for (name, _) in series {
                let is_known = declared.contains(metric(&name)) || recorded.contains(&name);
                assert!(is_known || OF_OTHERS.contains(&&*name), "{uid}, {what}: there is no {name}");
                shown.insert(metric(&name).to_owned());
            }
        }
    }
    let missing: Vec<&&str> = declared.iter().filter(|name| !shown.contains(**name)).collect();
    assert!(missing.is_empty(), "no dashboard shows {missing:?}: put it on one, in src/dashboards");
}

#[test]
fn labels_are_those_that_the_metrics_are_described_with() {
    let described = described();
    for metric in declare::ALL {
        assert!(described.contains_key(metric.name), "{} is not described", metric.name);
    }
    assert!(described["tidegauge_errors_total"].contains("reason"), "{:?}", described["tidegauge_errors_total"]);
    let dashboards = dashboards(&defaults());
    for (uid, dashboard) in &dashboards {
        for (what, expression) in expressions(dashboard) {
            let Asked { series, grouped } = asked(&expression);
            let mut together = BTreeSet::new();
            for (name, matched) in series {
                let own = labels_of(&name, &described);
                for label in matched {
                    assert!(own.contains(&label), "{uid}, {what}: {name} has no label {label}");
                }
                together.extend(own);
            }
            for label in grouped {
                assert!(together.contains(&label), "{uid}, {what}: {label} is no label of what is asked for");
            }
        }
    }
    for (what, panel) in every_panel(&dashboards) {
        for target in list(&panel["targets"]) {
            let series = asked(text(&target["expr"])).series;
            let known: BTreeSet<String> = series.iter().flat_map(|(name, _)| labels_of(name, &described)).collect();
            for named in text(&target["legendFormat"]).split("{{").skip(1) {
                let label = named.split_once("}}").unwrap().0;
                assert!(known.contains(label) || label == "code", "{what}: the legend names {label}");
            }
        }
    }
}

#[test]
fn what_is_called_soon_is_an_end_of_the_histograms_buckets() {
    let dashboards = dashboards(&defaults());
    let mut found = 0;
    for (_, expression) in dashboards.values().flat_map(expressions) {
        for matched in expression.split(" le=\"").skip(1) {
            let end: f64 = matched.split_once('"').unwrap().0.parse().unwrap();
            assert!(BUCKETS.contains(&end) && end.fract() > 0.0, "{end}: Prometheus 3 writes whole numbers otherwise");
            found += 1;
        }
    }
    assert!(found > 0, "nothing asks for one bucket alone any more");
}

#[test]
fn every_panel_says_what_it_shows_where_from_and_in_what() {
    for (what, panel) in every_panel(&dashboards(&defaults())) {
        assert!(text(&panel["title"]).len() > 2, "{what}: a title");
        let description = text(&panel["description"]);
        assert!(
            description.len() > 20 && description.ends_with('.'),
            "{what}: a description in words, not {description:?}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{what}");
        let defaults = &panel["fieldConfig"]["defaults"];
        let unit = text(&defaults["unit"]);
        let is_of_words = ["table", "state-timeline"].contains(&text(&panel["type"]));
        assert!(!unit.is_empty() && (unit != "none" || is_of_words), "{what}: a unit, not {unit:?}");
        let steps = list(&defaults["thresholds"]["steps"]);
        assert!(steps[0]["value"].is_null(), "{what}: the first step is from anywhere: {steps:?}");
        let values: Vec<f64> = steps[1..].iter().map(|step| step["value"].as_f64().unwrap()).collect();
        assert!(values.is_sorted_by(|one, next| one < next), "{what}: steps in order: {values:?}");
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{what}: something to ask");
        let names: BTreeSet<&str> = targets.iter().map(|target| text(&target["refId"])).collect();
        assert_eq!(names.len(), targets.len(), "{what}: its targets are told apart");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{what}");
        }
        if panel["type"] == "timeseries" {
            assert_eq!(defaults["custom"]["spanNulls"], false, "{what}: no line leads over what nobody knows");
        }
    }
}

#[test]
fn no_zero_stands_for_what_is_unknown() {
    for dashboard in dashboards(&defaults()).values() {
        for (what, expression) in expressions(dashboard) {
            assert!(!expression.contains("or vector(") && !expression.contains("absent("), "{what}: {expression}");
        }
    }
}

#[test]
fn panels_have_numbers_of_their_own_and_do_not_overlap() {
    for (uid, dashboard) in dashboards(&defaults()) {
        let all = list(&dashboard["panels"]);
        let ids: BTreeSet<u64> = all.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), all.len(), "{uid}");
        let mut taken = BTreeMap::new();
        for panel in all {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= 24, "{uid}: {}", panel["gridPos"]);
            for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                if let Some(other) = taken.insert(place, &panel["title"]) {
                    panic!("{uid}: {} lies over {other}", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn every_panel_goes_by_what_is_chosen_and_every_variable_is_used() {
    for (uid, dashboard) in dashboards(&defaults()) {
        let variables = list(&dashboard["templating"]["list"]);
        let declared: BTreeSet<&str> = variables.iter().map(|variable| text(&variable["name"])).collect();
        let mut used = BTreeSet::new();
        for text in texts(&dashboard) {
            used.extend(promql::variables(text));
        }
        used.retain(|name| !name.starts_with("__"));
        assert_eq!(used.iter().map(String::as_str).collect::<BTreeSet<_>>(), declared, "{uid}");
        for panel in panels(&dashboard) {
            let chosen = list(&panel["targets"]).iter().flat_map(|target| promql::variables(text(&target["expr"])));
            assert!(
                chosen.into_iter().any(|name| declared.contains(&*name)),
                "{uid}: {} shows the same always",
                panel["title"]
            );
        }
        for variable in variables.iter().filter(|variable| variable["multi"] == true) {
            assert_eq!(variable["allValue"], ".*", "{uid}: what has no such label is among all: {variable}");
        }
    }
}

#[test]
fn runbooks_and_rules_are_those_of_the_settings() {
    let own = r#"
        [cell]
        central = true

        [[stores]]
        name = "orders"
        regions = [{ name = "us-east-1" }, { name = "eu-west-1" }]
        simulated = {}

        [alerts]
        runbooks = "https://wiki.example.org/gauge"
        objective = { lag = "4s", share = 0.95 }

        [[alerts.rules]]
        name = "OrdersLate"
        signal = "current_lag"
        page = { above = "7s" }
    "#;
    let made = dashboards(&Settings::from_sources(Some(("own.toml", own)), HashMap::new()).unwrap());
    for (uid, dashboard) in &made {
        let found = list(&dashboard["templating"]["list"]).iter().find(|variable| variable["name"] == "runbooks");
        let variable = found.unwrap_or_else(|| panic!("{uid}: nobody can say where the runbooks are"));
        for value in [&variable["query"], &variable["current"]["value"]] {
            assert_eq!(value, "https://wiki.example.org/gauge", "{uid}");
        }
    }
    let fleet = made["tidegauge-fleet"].to_string();
    assert!(fleet.contains(r#"alertname=~\"Tidegauge.*|OrdersLate\""#), "{fleet}");
    let panel = |title: &str| {
        let found = panels(&made["tidegauge-fleet"]).find(|panel| panel["title"] == title);
        found.unwrap_or_else(|| panic!("there is no {title:?}"))
    };
    let steps = |panel: &Value| -> Vec<f64> {
        list(&panel["fieldConfig"]["defaults"]["thresholds"]["steps"])
            .iter()
            .filter_map(|step| step["value"].as_f64())
            .collect()
    };
    assert_eq!(
        steps(panel("Worst current lag")),
        [2.5, 7.0],
        "a ticket from 10 s on says nothing that a page has not said"
    );
    assert_eq!(steps(panel("Within 4s, worst pairs")), [0.5, 0.95]);
}

/// The program, with none of this machine's settings.
fn tidegauge(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegauge")).args(arguments).env_clear().output().unwrap()
}

#[test]
fn they_are_written_into_a_folder_that_is_there_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let written = tidegauge(&["dashboards", path]);
    assert!(written.status.success(), "{written:?}");
    let told = String::from_utf8(written.stdout).unwrap();
    for file in files(&defaults()) {
        let path = folder.path().join(file.name);
        assert!(told.contains(path.to_str().unwrap()), "{told}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), file.text);
    }

    let missing = format!("{path}/missing");
    let refused = tidegauge(&["dashboards", &missing]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains(&missing) && told.contains("no such folder"), "{told}");
    assert!(!Path::new(&missing).exists());

    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, "[alerts]\nrunbook = \"x\"\n").unwrap();
    let refused = tidegauge(&["--config", settings.to_str().unwrap(), "dashboards", path]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
}
