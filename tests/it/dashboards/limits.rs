//! What keeps a panel readable, and true, where there are many pairs or little is known.

use tidegauge::core::pair::BUCKETS;

use super::{dashboards, defaults, every_panel, list, panels, text};

#[test]
fn over_time_no_panel_has_a_line_for_every_pair_or_process() {
    let mut found = 0;
    for (what, panel) in every_panel(&dashboards(&defaults())).filter(|(what, _)| !what.contains("fleet")) {
        let is_of_one = panel["type"] == "timeseries" || panel["type"] == "state-timeline";
        for target in list(&panel["targets"]).iter().filter(|_| is_of_one) {
            let legend = text(&target["legendFormat"]);
            if legend.contains("{{source_region}}") || legend.contains("{{instance}}") {
                let expression = text(&target["expr"]);
                assert!(expression.contains("topk (") || expression.contains("bottomk ("), "{what}: {expression}");
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found} of pairs and processes");
}

#[test]
fn a_quantile_that_lies_in_a_wide_bucket_is_said_as_a_range() {
    let dashboards = dashboards(&defaults());
    let stat = panels(&dashboards["tidegauge-store"]).find(|panel| panel["title"] == "p99 of this range").unwrap();
    // As Grafana does: the first mapping that fits.
    let said = |seconds: f64| {
        list(&stat["fieldConfig"]["defaults"]["mappings"]).iter().map(|mapping| &mapping["options"]).find_map(|range| {
            let fits = range["from"].as_f64().unwrap() <= seconds && seconds <= range["to"].as_f64().unwrap();
            fits.then(|| text(&range["result"]["text"]))
        })
    };
    let last = BUCKETS[BUCKETS.len() - 1];
    assert_eq!(said(last), Some(&*format!("over {last} s")), "the histogram says so of all that is above");
    for ends in BUCKETS.windows(2) {
        let range = format!("{} to {} s", ends[0], ends[1]);
        let expected = (ends[1] - ends[0] > 5.0).then_some(&*range);
        assert_eq!(said(f64::midpoint(ends[0], ends[1])), expected, "{ends:?}");
    }
}
