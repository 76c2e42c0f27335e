//! `[alerts]`: what people are told of, and how, beside what comes with the program.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::error::Problems;
use super::section::Section;
use super::{sources, words};
use crate::core::alert::Rule;

mod push;
mod rule;

pub use push::{AlertmanagerSettings, PushSettings};

/// The rules that come with the program.
const SHIPPED: &str = include_str!("alerts.toml");

/// Where the runbooks are, beside the program.
const RUNBOOKS: &str = "docs/runbooks";

/// What `tidegauge rules` adds: a rule of one's own of such a name would go where these are sent.
const RESERVED: [&str; 5] = [
    "TidegaugeGaugeAbsent",
    "TidegaugeGaugesDisagree",
    "TidegaugeObjectiveBurn",
    "TidegaugeSettingsRefused",
    "TidegaugeWatchdog",
];

/// More rules than this are refused: each is held against every pair.
const RULES_MAX: usize = 100;

const LAG: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// What is an alert, and who is told.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSettings {
    /// All rules: those that are shipped, as changed, and then those of the settings' own; names unique.
    pub rules: Arc<[Rule]>,
    /// Where the runbooks are: a URL or a path, to which `/` and the rule's name with `.md` are added. Default the project's
    /// `docs/runbooks`.
    pub runbooks: String,
    /// What lag is promised, for `tidegauge rules`.
    pub objective: ObjectiveSettings,
    /// Which Alertmanagers are told by this process itself. Default none: Prometheus tells them.
    pub push: Option<PushSettings>,
}

/// A service level objective: for such a share of the time a pair's current lag is at most this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectiveSettings {
    /// The lag: 100 ms to 1 h, default 10 s.
    pub lag: Duration,
    /// The share: 0.5 to 0.9999, default 0.99.
    pub share: f64,
}

impl AlertSettings {
    pub(super) fn read(mut section: Section<'_>) -> AlertSettings {
        let mut rules = if section.flag("defaults").unwrap_or(true) { shipped() } else { Vec::new() };
        let known: Vec<String> = shipped().iter().map(|rule| rule.name.to_string()).collect();
        let without = section.texts("without", |name| match known.iter().any(|known| known == name) {
            true => Ok(name.to_owned()),
            false => Err(format!("{name:?} is no shipped rule; these are {}", known.join(", "))),
        });
        let without = without.unwrap_or_default();
        rules.retain(|rule| !without.iter().any(|name| **name == *rule.name));
        let mut named: Vec<String> = Vec::new();
        for mut one in section.sections("rules", "[[alerts.rules]]") {
            // Without a name nothing else that is wrong with it could be told apart.
            let Some(name) = rule::name(&mut one) else { continue };
            if RESERVED.contains(&name.as_str()) {
                one.problem(
                    "name",
                    format!("{name:?} is an alert that `tidegauge rules` adds; call it something else"),
                );
            }
            if named.contains(&name) {
                one.problem("name", format!("there is another rule {name:?}; give each a name of its own"));
            }
            one.call_it(&name);
            let place = rules.iter().position(|rule| *rule.name == *name);
            let read = rule::read(one, &name, place.map(|place| &rules[place]));
            match (read, place) {
                (Some(rule), Some(place)) => rules[place] = rule,
                (Some(rule), None) => rules.push(rule),
                (None, _) => {}
            }
            named.push(name);
        }
        if rules.len() > RULES_MAX {
            section.problem("rules", format!("{} rules are too many; use at most {RULES_MAX}", rules.len()));
        }
        let runbooks = section.text("runbooks", words::base).unwrap_or_else(|| RUNBOOKS.to_owned());
        let mut objective = section.section_or_empty("objective");
        let settings = AlertSettings {
            rules: rules.into(),
            runbooks,
            objective: ObjectiveSettings {
                lag: objective.duration("lag", LAG).unwrap_or(Duration::from_secs(10)),
                share: objective.number("share", 0.5..=0.9999).unwrap_or(0.99),
            },
            push: section.section("push").and_then(PushSettings::read),
        };
        objective.finish();
        section.finish();
        settings
    }
}

/// The rules that come with the program; they are right, or a test fails.
fn shipped() -> Vec<Rule> {
    let problems = Problems::of_file("the shipped rules");
    let Some(merged) = sources::merge(Some(SHIPPED), Default::default(), &problems) else { return Vec::new() };
    let mut root = Section::root(merged, &problems);
    let read = |mut section: Section<'_>| {
        let name = rule::name(&mut section)?;
        rule::read(section, &name, None)
    };
    root.sections("rules", "[[rules]]").into_iter().filter_map(read).collect()
}
