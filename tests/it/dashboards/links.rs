//! Where links lead: to runbooks, to dashboards that know what they are handed, to tables.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{dashboards, defaults, list, panels, project, text};

/// Every address that something in a dashboard leads to.
fn addresses(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().flat_map(addresses).collect(),
        Value::Object(fields) => {
            let own = fields.get("url").and_then(Value::as_str).filter(|url| !url.is_empty());
            own.into_iter().chain(fields.values().flat_map(addresses)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_link_leads_to_a_runbook_or_to_a_dashboard_that_knows_what_it_is_handed() {
    let dashboards = dashboards(&defaults());
    let mut runbooks = BTreeSet::new();
    for url in dashboards.values().flat_map(addresses) {
        if let Some(of_dashboard) = url.strip_prefix("/d/") {
            let (path, query) = of_dashboard.split_once('?').unwrap();
            let (uid, _) = path.split_once('/').unwrap();
            let target = dashboards.get(uid).unwrap_or_else(|| panic!("{url}: there is no {uid}"));
            assert!(query.contains("${__url_time_range}"), "{url} keeps the time");
            let known: BTreeSet<&str> =
                list(&target["templating"]["list"]).iter().map(|one| text(&one["name"])).collect();
            for part in query.split('&') {
                let name = part.strip_prefix("var-").map(|part| part.split_once('=').unwrap().0);
                let whole = part.strip_prefix("${").and_then(|part| part.strip_suffix(":queryparam}"));
                for name in name.into_iter().chain(whole) {
                    assert!(known.contains(name), "{url}: {uid} knows no {name}");
                }
            }
        } else {
            let page = url.strip_prefix("${runbooks:raw}/").unwrap_or_else(|| panic!("{url} is where it is for ever"));
            if page != "${__value.raw}.md" {
                assert!(project("docs/runbooks").join(page).is_file(), "{url} leads nowhere");
                runbooks.insert(page);
            }
        }
    }
    assert!(runbooks.len() > 10, "{runbooks:?}");
}

#[test]
fn a_link_to_a_table_of_the_same_dashboard_leads_to_a_table() {
    let mut found = 0;
    for (uid, dashboard) in dashboards(&defaults()) {
        for url in addresses(&dashboard) {
            let Some((_, id)) = url.split_once("&viewPanel=") else { continue };
            assert!(url.starts_with(&format!("/d/{uid}/")), "{url}");
            let panel = panels(&dashboard).find(|panel| panel["id"].as_u64() == id.parse().ok());
            assert_eq!(panel.unwrap_or_else(|| panic!("{url}: there is no such panel"))["type"], "table", "{url}");
            found += 1;
        }
    }
    assert!(found > 3, "the counts of Fleet lead to what they count");
}
