//! A panel of a dashboard: what it asks, how it shows that, and what it says to who looks at it.

use serde_json::{Map, Value, json};

use super::look::links;
use crate::core::alert::runbook;

/// Where the data comes from: whatever the dashboard's variable says.
pub(super) fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Where the runbooks are: what the dashboard's variable says.
pub(super) const RUNBOOKS: &str = "${runbooks:raw}";

/// How a panel shows what it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Lines,
    Stat,
    Bars,
    Table,
    Timeline,
    Heatmap,
}

impl Kind {
    /// Grafana's word for it.
    fn label(self) -> &'static str {
        match self {
            Kind::Lines => "timeseries",
            Kind::Stat => "stat",
            Kind::Bars => "bargauge",
            Kind::Table => "table",
            Kind::Timeline => "state-timeline",
            Kind::Heatmap => "heatmap",
        }
    }

    /// Whether it shows one moment, or all of the time range.
    fn is_of_now(self) -> bool {
        matches!(self, Kind::Stat | Kind::Bars | Kind::Table)
    }

    fn format(self) -> &'static str {
        match self {
            Kind::Table => "table",
            Kind::Heatmap => "heatmap",
            Kind::Lines | Kind::Stat | Kind::Bars | Kind::Timeline => "time_series",
        }
    }

    fn options(self) -> Value {
        let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
        let no_legend = json!({ "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false });
        match self {
            Kind::Lines => json!({
                "legend": { "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Kind::Stat => json!({
                "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
                "percentChangeColorMode": "standard", "reduceOptions": last, "showPercentChange": false,
                "textMode": "auto", "wideLayout": true,
            }),
            Kind::Bars => json!({
                "displayMode": "basic", "legend": no_legend, "maxVizHeight": 300, "minVizHeight": 16, "minVizWidth": 8,
                "namePlacement": "top", "orientation": "horizontal", "reduceOptions": last, "showUnfilled": true,
                "sizing": "auto", "valueMode": "color",
            }),
            Kind::Table => json!({ "cellHeight": "sm", "frameIndex": 0, "showHeader": true }),
            Kind::Timeline => json!({
                "alignValue": "left", "legend": no_legend, "mergeValues": true, "perPage": 20, "rowHeight": 0.9,
                "showValue": "auto", "tooltip": { "mode": "single", "sort": "none" },
            }),
            Kind::Heatmap => json!({
                "calculate": false, "cellGap": 1, "cellValues": { "unit": "short" },
                "color": {
                    "exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": false, "scale": "exponential",
                    "scheme": "Viridis", "steps": 64,
                },
                "exemplars": { "color": "rgba(255,0,255,0.7)" }, "filterValues": { "le": 1e-9 },
                "legend": { "show": true }, "rowsFrame": { "layout": "auto" }, "showValue": "never",
                "tooltip": { "mode": "single", "showColorScale": true, "yHistogram": false },
                "yAxis": { "axisPlacement": "left", "reverse": false, "unit": "s" },
            }),
        }
    }

    /// What its fields have that other kinds' have not.
    fn custom(self) -> Value {
        match self {
            // A gap is a time of which nobody knows: no line leads over it.
            Kind::Lines => json!({
                "drawStyle": "line", "fillOpacity": 0, "lineInterpolation": "linear", "lineWidth": 1, "showPoints": "auto",
                "pointSize": 4, "spanNulls": false,
            }),
            Kind::Table => {
                json!({ "align": "auto", "cellOptions": { "type": "auto" }, "inspect": false, "minWidth": 70 })
            }
            Kind::Timeline => json!({ "fillOpacity": 75, "lineWidth": 0 }),
            Kind::Heatmap => json!({ "scaleDistribution": { "type": "linear" } }),
            Kind::Stat | Kind::Bars => json!({}),
        }
    }
}

/// A panel, as it is being put together.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    kind: Kind,
    title: String,
    description: String,
    unit: &'static str,
    /// Expression and legend.
    targets: Vec<(String, String)>,
    /// From which value on which colour; the first from anywhere.
    steps: Vec<(f64, &'static str)>,
    options: Value,
    custom: Value,
    /// What the fields' defaults have besides.
    defaults: Map<String, Value>,
    overrides: Vec<Value>,
    transformations: Vec<Value>,
    /// The alert whose runbook says what to do about what the panel shows.
    runbook: Option<&'static str>,
    /// How many points in time are asked for at most; as many as there are dots in a line, unless it is said here.
    points: Option<u32>,
}

impl Panel {
    fn new(kind: Kind, title: &str, description: &str) -> Panel {
        Panel {
            kind,
            title: title.to_owned(),
            description: description.to_owned(),
            unit: "short",
            targets: Vec::new(),
            steps: vec![(f64::NEG_INFINITY, "text")],
            options: kind.options(),
            custom: kind.custom(),
            defaults: Map::new(),
            overrides: Vec::new(),
            transformations: Vec::new(),
            runbook: None,
            points: None,
        }
    }

    /// Values over time, a line each.
    pub(super) fn lines(title: &str, description: &str) -> Panel {
        Panel::new(Kind::Lines, title, description).default("color", json!({ "mode": "palette-classic" }))
    }

    /// A few numbers, large.
    pub(super) fn stat(title: &str, description: &str) -> Panel {
        Panel::new(Kind::Stat, title, description).default("color", json!({ "mode": "thresholds" }))
    }

    /// Numbers as bars.
    pub(super) fn bars(title: &str, description: &str) -> Panel {
        Panel::new(Kind::Bars, title, description).default("color", json!({ "mode": "thresholds" }))
    }

    /// Rows and columns.
    pub(super) fn table(title: &str, description: &str) -> Panel {
        let panel = Panel::new(Kind::Table, title, description).default("color", json!({ "mode": "thresholds" }));
        // What a table says where nothing comes is not for single cells.
        panel.set("byRegexp", "/.*/", &[("noValue", json!(""))])
    }

    /// Words over time, a band each.
    pub(super) fn timeline(title: &str, description: &str) -> Panel {
        Panel::new(Kind::Timeline, title, description).default("color", json!({ "mode": "thresholds" }))
    }

    /// How many samples fell into which bucket, over time.
    pub(super) fn heatmap(title: &str, description: &str) -> Panel {
        Panel::new(Kind::Heatmap, title, description)
    }

    /// Asks for this, and calls what comes so.
    pub(super) fn ask(mut self, expression: String, legend: &str) -> Panel {
        self.targets.push((expression, legend.to_owned()));
        self
    }

    /// What the values are in.
    pub(super) fn unit(mut self, unit: &'static str) -> Panel {
        self.unit = unit;
        self
    }

    /// From which values on which colours; `base` below.
    pub(super) fn steps(mut self, base: &'static str, steps: &[(f64, &'static str)]) -> Panel {
        self.steps = [&[(f64::NEG_INFINITY, base)], steps].concat();
        self
    }

    /// Draws the steps as lines, too.
    pub(super) fn with_lines_at_steps(self) -> Panel {
        self.custom("thresholdsStyle", json!({ "mode": "dashed" }))
    }

    /// What it says where nothing comes.
    pub(super) fn no_value(self, words: &str) -> Panel {
        self.default("noValue", json!(words))
    }

    /// The alert whose runbook belongs to it.
    pub(super) fn runbook(mut self, rule: &'static str) -> Panel {
        self.runbook = Some(rule);
        self
    }

    /// Asks for so many points in time at most, where what is asked for has many series.
    pub(super) fn points_at_most(mut self, points: u32) -> Panel {
        self.points = Some(points);
        self
    }

    /// Sets one of the fields' defaults.
    pub(super) fn default(mut self, key: &str, value: Value) -> Panel {
        self.defaults.insert(key.to_owned(), value);
        self
    }

    /// Sets one of the fields' defaults that only such panels have.
    pub(super) fn custom(mut self, key: &str, value: Value) -> Panel {
        self.custom[key] = value;
        self
    }

    /// Sets one of the panel's options.
    pub(super) fn option(mut self, key: &str, value: Value) -> Panel {
        self.options[key] = value;
        self
    }

    /// Sorts a table's rows by columns, the first before the others: Prometheus gives them in no order.
    pub(super) fn sorted_by(self, columns: &[&str]) -> Panel {
        let columns: Vec<Value> = columns.iter().map(|name| json!({ "desc": false, "displayName": name })).collect();
        self.option("sortBy", json!(columns))
    }

    /// Sorts rows by a column, too, the largest first, where those of before leave it open.
    pub(super) fn then_largest_first(mut self, column: &str) -> Panel {
        if let Some(columns) = self.options["sortBy"].as_array_mut() {
            columns.push(json!({ "desc": true, "displayName": column }));
        }
        self
    }

    /// Shows the names of numbers, of a single one as well.
    pub(super) fn with_names(self) -> Panel {
        self.option("textMode", json!("value_and_name"))
    }

    /// Shows the newest and the largest value beside each name, those with the largest first: where not all have room, the rest
    /// is a turn of the wheel away.
    pub(super) fn with_figures(self) -> Panel {
        let calculated = ["lastNotNull", "max"];
        self.option(
            "legend",
            json!({
                "calcs": calculated, "displayMode": "table", "placement": "bottom", "showLegend": true, "sortBy": "Max",
                "sortDesc": true,
            }),
        )
    }

    /// Of what hardly ever happens: an axis that does not end at a hundred while it is none.
    pub(super) fn seldom(self) -> Panel {
        self.default("min", json!(0)).custom("axisSoftMax", json!(0.1))
    }

    /// Lines on top of each other.
    pub(super) fn stacked(self) -> Panel {
        self.custom("stacking", json!({ "group": "A", "mode": "normal" })).custom("fillOpacity", json!(40))
    }

    /// Where a click on a value leads, in the same tab.
    pub(super) fn link(self, title: &str, url: String) -> Panel {
        self.default("links", links(title, url))
    }

    /// Properties of the fields that a matcher finds.
    pub(super) fn set(mut self, matcher: &str, option: &str, properties: &[(&str, Value)]) -> Panel {
        let properties: Vec<Value> = properties.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
        self.overrides.push(json!({ "matcher": { "id": matcher, "options": option }, "properties": properties }));
        self
    }

    /// Does this to what came before it is shown.
    pub(super) fn transform(mut self, id: &str, options: Value) -> Panel {
        self.transformations.push(json!({ "id": id, "options": options }));
        self
    }

    /// The columns of a table, in order and by their new names; those named in `hidden` are left out.
    pub(super) fn columns(self, columns: &[(&str, &str)], hidden: &[&str]) -> Panel {
        let order: Map<String, Value> =
            columns.iter().enumerate().map(|(index, (name, _))| ((*name).to_owned(), json!(index))).collect();
        let names: Map<String, Value> = columns
            .iter()
            .filter(|(name, new)| name != new)
            .map(|(name, new)| ((*name).to_owned(), json!(new)))
            .collect();
        let hidden: Map<String, Value> =
            ["Time"].iter().chain(hidden).map(|name| ((*name).to_owned(), json!(true))).collect();
        let options = json!({
            "excludeByName": hidden, "includeByName": {}, "indexByName": order, "renameByName": names,
        });
        self.transform("organize", options)
    }

    /// The panel as Grafana reads it.
    pub(super) fn json(self, id: usize, place: Place) -> Value {
        let is_of_now = self.kind.is_of_now();
        let target = |(index, (expression, legend)): (usize, (String, String))| {
            let letter = char::from(b'A' + u8::try_from(index).unwrap_or_default());
            json!({
                "datasource": datasource(), "editorMode": "code", "expr": expression, "format": self.kind.format(),
                "instant": is_of_now, "legendFormat": legend, "range": !is_of_now, "refId": letter.to_string(),
            })
        };
        let targets: Vec<Value> = self.targets.into_iter().enumerate().map(target).collect();
        let step =
            |(value, color): &(f64, &str)| json!({ "color": color, "value": value.is_finite().then_some(value) });
        let mut defaults = self.defaults;
        defaults.insert("unit".to_owned(), json!(self.unit));
        defaults.insert("custom".to_owned(), self.custom);
        defaults.insert(
            "thresholds".to_owned(),
            json!({ "mode": "absolute", "steps": self.steps.iter().map(step).collect::<Vec<_>>() }),
        );
        let mut panel = json!({
            "datasource": datasource(),
            "description": self.description,
            "fieldConfig": { "defaults": defaults, "overrides": self.overrides },
            "gridPos": place.json(),
            "id": id,
            "options": self.options,
            "targets": targets,
            "title": self.title,
            "transformations": self.transformations,
            "type": self.kind.label(),
        });
        if let Some(points) = self.points {
            panel["maxDataPoints"] = json!(points);
        }
        if let Some(rule) = self.runbook {
            let url = runbook(RUNBOOKS, rule);
            panel["links"] = json!([link(&format!("What to do: {rule}"), &url)]);
        }
        panel
    }
}

/// A link of a panel or of a dashboard to an address.
fn link(title: &str, url: &str) -> Value {
    json!({
        "asDropdown": false, "icon": "doc", "includeVars": false, "keepTime": false, "tags": [], "targetBlank": true,
        "title": title, "tooltip": "", "type": "link", "url": url,
    })
}

/// Where on the grid of 24 columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Place {
    pub(super) fn json(self) -> Value {
        json!({ "h": self.height, "w": self.width, "x": self.x, "y": self.y })
    }
}
