//! What holds the panels of a dashboard: the grid, the variables above it, links and annotations.

use serde_json::{Value, json};

use super::panel::{Panel, Place, datasource};
use super::query::{self, Stores};
use crate::metrics::declare;
use crate::settings::AlertSettings;

/// The newest that Grafana 11 reads, and that later ones bring up to date by themselves.
const SCHEMA_VERSION: u32 = 39;

/// By which the dashboards find each other.
const TAG: &str = "tidegauge";

const COLUMNS: u32 = 24;

/// A dashboard, as it is being put together: panels go from left to right, and in a new line where one does not fit.
pub(super) struct Frame<'a> {
    alerts: &'a AlertSettings,
    panels: Vec<Value>,
    x: u32,
    y: u32,
    line_height: u32,
}

impl<'a> Frame<'a> {
    pub(super) fn new(alerts: &'a AlertSettings) -> Frame<'a> {
        Frame { alerts, panels: Vec::new(), x: 0, y: 0, line_height: 0 }
    }

    /// Begins a section.
    pub(super) fn section(&mut self, title: &str) {
        let place = self.place(COLUMNS, 1);
        let id = self.panels.len() + 1;
        self.panels.push(json!({
            "collapsed": false, "gridPos": place.json(), "id": id, "panels": [], "title": title, "type": "row",
        }));
    }

    /// Adds a panel.
    pub(super) fn add(&mut self, width: u32, height: u32, panel: Panel) {
        self.add_as(self.panels.len() + 1, width, height, panel);
    }

    /// Adds a panel to which links lead, under a number of its own above those of the others.
    pub(super) fn add_as(&mut self, id: usize, width: u32, height: u32, panel: Panel) {
        let place = self.place(width, height);
        self.panels.push(panel.json(id, place));
    }

    fn place(&mut self, width: u32, height: u32) -> Place {
        if self.x + width > COLUMNS {
            self.x = 0;
            self.y += self.line_height;
            self.line_height = 0;
        }
        let place = Place { x: self.x, y: self.y, width, height };
        self.x += width;
        self.line_height = self.line_height.max(height);
        place
    }

    /// The whole of it.
    pub(super) fn json(self, head: Head) -> Value {
        let mut variables = vec![json!({
            "hide": 0, "includeAll": false, "label": "Data source", "multi": false, "name": "datasource", "options": [],
            "query": "prometheus", "refresh": 1, "regex": "", "skipUrlSync": false, "type": "datasource",
        })];
        variables.extend(head.variables);
        variables.push(runbooks(&self.alerts.runbooks));
        json!({
            "annotations": { "list": [annotation(self.alerts, head.stores)] },
            "description": head.description,
            "editable": true,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "id": null,
            "links": [{
                "asDropdown": false, "icon": "external link", "includeVars": true, "keepTime": true, "tags": [TAG],
                "targetBlank": false, "title": "Tidegauge", "tooltip": "", "type": "dashboards", "url": "",
            }],
            "panels": self.panels,
            "refresh": "30s",
            "schemaVersion": SCHEMA_VERSION,
            "tags": [TAG],
            "templating": { "list": variables },
            "time": { "from": "now-1h", "to": "now" },
            "timepicker": {},
            "timezone": "",
            "title": head.title,
            "uid": head.uid,
            "version": 1,
            "weekStart": "",
        })
    }
}

/// What a dashboard says of itself, and what can be chosen in it.
pub(super) struct Head {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) stores: Stores,
    pub(super) variables: Vec<Value>,
}

/// Pages, drawn over every panel that has a time axis.
fn annotation(alerts: &AlertSettings, stores: Stores) -> Value {
    json!({
        "datasource": datasource(), "enable": true, "hide": false, "iconColor": "red", "name": "Pages",
        "target": { "expr": query::alerts(alerts, stores, &[r#"alertstate="firing""#, r#"severity="page""#]), "interval": "", "refId": "Pages" },
        "titleFormat": "{{alertname}}",
        "textFormat": "{{store}} {{source_region}} {{target_region}} {{region}}",
        "tagKeys": "severity",
    })
}

/// A variable: what of `label` is to be shown.
fn variable(name: &str, label: &str, of: &str, is_one: bool) -> Value {
    let asked = format!("label_values({of}, {name})");
    let mut variable = json!({
        "datasource": datasource(), "hide": 0, "includeAll": !is_one, "label": label, "multi": !is_one, "name": name,
        "options": [], "query": { "qryType": 1, "query": asked, "refId": "PrometheusVariableQueryEditor-VariableQuery" },
        "refresh": 2, "regex": "", "skipUrlSync": false, "sort": 1, "type": "query",
    });
    if !is_one {
        // Gauges of which the settings name no cell have no such label, and are meant, too.
        variable["allValue"] = json!(".*");
        variable["current"] = json!({ "selected": true, "text": ["All"], "value": ["$__all"] });
    }
    variable
}

/// Where the runbooks are. What stands for it is a path beside the program, unless the settings say otherwise: here whoever looks
/// can say where a browser finds them.
fn runbooks(base: &str) -> Value {
    let chosen = json!({ "selected": true, "text": base, "value": base });
    json!({
        "current": chosen, "hide": 0, "label": "Runbooks", "name": "runbooks", "options": [chosen], "query": base,
        "skipUrlSync": false, "type": "textbox",
    })
}

/// Which cells.
pub(super) fn cell() -> Value {
    variable("cell", "Cell", declare::CELL_INFO.name, false)
}

/// Which stores, or which one.
pub(super) fn store(stores: Stores) -> Value {
    variable("store", "Store", declare::PAIR_INFO.name, stores == Stores::One)
}

/// Which regions, of the stores that are chosen.
pub(super) fn regions(stores: Stores) -> [Value; 2] {
    let of = |matchers: &[&str]| query::series(declare::PAIR_INFO.name, matchers);
    let store = stores.matcher();
    [
        variable("source_region", "Source region", &of(&[store]), false),
        variable("target_region", "Target region", &of(&[store, r#"source_region=~"$source_region""#]), false),
    ]
}

/// Which processes.
pub(super) fn processes() -> [Value; 2] {
    let of = |matchers: &[&str]| query::series(declare::CELL_INFO.name, matchers);
    [
        variable("role", "Role", &of(&[r#"cell=~"$cell""#]), false),
        variable("instance", "Instance", &of(&[r#"cell=~"$cell""#, r#"role=~"$role""#]), false),
    ]
}
