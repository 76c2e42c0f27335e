//! Threshold alerts: rules held against what every pair's facts mean, with patience on both sides, so that people are told
//! once.
//!
//! `tidegauge rules` writes the same rules for Prometheus, from the same settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assess::Assessment;
use super::audit;
use super::model::RegionId;
use super::snapshot::{PairSnapshot, Seat, StoreSnapshot};
use super::time::{Mono, Now, Span, Wall};

pub use course::{Course, GAP, Patience, Phase, RESOLVED_KEPT, Sight};
pub use handover::Remembered;
pub use holds::Holds;
pub use pattern::Patterns;
pub use rule::{NoData, Over, Per, Quantile, Rule, Severity, Signal, Threshold};

use signal::{Reading, Together};

mod course;
mod handover;
mod holds;
mod pattern;
mod rule;
mod signal;
mod words;

/// What one alert is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// A region pair.
    Pair(RegionId, RegionId),
    /// Every pair that has the region as its source.
    Source(RegionId),
    /// Every pair that has the region as its target.
    Target(RegionId),
    /// A finding of the audit, in a region that need not be among those that are measured.
    Finding(Arc<str>, audit::Kind),
}

/// Which alert.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// The store, by its place among the snapshots.
    pub store: usize,
    /// The rule, by its place among the rules.
    pub rule: usize,
    /// Which of the rule's thresholds.
    pub severity: Severity,
    /// What about.
    pub subject: Subject,
}

/// One alert that is pending, fires, or has been resolved a while ago.
#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    /// How far it has come.
    pub course: Course,
    /// Whether it is so at this moment.
    pub holds: Holds,
    /// Its labels but for the cell's, `alertname` and `severity` first: what tells it from all others, whoever measures it.
    pub labels: Labels,
    /// When the signal went over the threshold, by this host's clock.
    pub active_at: Wall,
    /// When it began to fire.
    pub fired_at: Option<Wall>,
    /// When it was over.
    pub resolved_at: Option<Wall>,
    /// What the signal is, in seconds where it is a duration, else 1 or, of a region, so many pairs; what it last was, where it is
    /// not known.
    pub value: f64,
    /// What is the matter, in a line.
    pub summary: Arc<str>,
    /// Why, as far as that is known; while the signal is not, why that is so.
    pub cause: Arc<str>,
    /// Why, when it was last so. Empty where that was before this process.
    pub was: Arc<str>,
    /// When it was last so, by this host's clock; `None` where that was before this process.
    pub so_at: Option<Wall>,
}

impl Alert {
    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.course.phase
    }

    /// All its labels; `cell` is left out where it has no name.
    pub fn labels_in(&self, cell: &str) -> BTreeMap<&'static str, Arc<str>> {
        let mut labels: BTreeMap<&'static str, Arc<str>> = self.labels.iter().cloned().collect();
        if !cell.is_empty() {
            labels.insert("cell", cell.into());
        }
        labels
    }

    /// What it says to people. `runbooks` is where the runbooks are.
    pub fn annotations(&self, runbooks: &str) -> BTreeMap<&'static str, String> {
        let runbook = runbook(runbooks, &self.labels[0].1);
        let (summary, cause) = (self.summary.to_string(), self.cause.to_string());
        BTreeMap::from([("summary", summary), ("description", cause), ("runbook_url", runbook)])
    }
}

/// Where to read what to do about alerts of a rule.
pub fn runbook(runbooks: &str, rule: &str) -> String {
    format!("{runbooks}/{rule}.md")
}

/// All labels that an alert may have of its own.
pub const LABELS: [&str; 9] =
    ["alertname", "severity", "store", "source_region", "target_region", "region", "side", "finding", "cell"];

/// An alert's labels, in order.
pub type Labels = Arc<[(&'static str, Arc<str>)]>;

/// An alert that took a step.
#[derive(Clone, PartialEq, Debug)]
pub struct AlertTransition {
    /// The phase it left; `None`: it was inactive.
    pub from: Option<Phase>,
    /// The phase it is in now; `None`: it is inactive, and was only pending.
    pub to: Option<Phase>,
    /// It, as it is now, or was last.
    pub alert: Alert,
}

/// All alerts that are not inactive.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Alerts {
    by_key: BTreeMap<Key, Alert>,
    /// Resolved, as what they were about is not there any more, and so without a key.
    gone: Vec<Alert>,
}

/// What one step of one store's alerts looks at.
struct Step<'a> {
    rules: &'a [Rule],
    place: usize,
    store: &'a StoreSnapshot,
    now: Now,
    /// The audit's, once a rule asks for them.
    findings: Option<Arc<[audit::Finding]>>,
    transitions: Vec<AlertTransition>,
    before: BTreeMap<Key, Alert>,
    after: &'a mut BTreeMap<Key, Alert>,
}

impl Alerts {
    /// Each, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Alert)> {
        self.by_key.iter()
    }

    /// Those that are over because settings were changed, and what they were about is not there any more: for whoever was
    /// told that they fire.
    pub fn gone(&self) -> impl Iterator<Item = &Alert> {
        self.gone.iter()
    }

    /// Whether nothing is pending, fires or was resolved a while ago.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty() && self.gone.is_empty()
    }

    /// Brings one store's alerts up to date with what its pairs' facts mean at `now`.
    pub fn step(
        &mut self,
        rules: &[Rule],
        (place, store): (usize, &StoreSnapshot),
        assessed: &[(&PairSnapshot, Assessment)],
        now: Now,
    ) -> Vec<AlertTransition> {
        self.gone.retain_mut(|alert| stays_resolved(alert, now.mono));
        let mut before = self.by_key.split_off(&Key::first_of(place));
        let mut others = before.split_off(&Key::first_of(place + 1));
        let (after, transitions) = (&mut self.by_key, Vec::new());
        let mut step = Step { rules, place, store, now, findings: None, transitions, before, after };
        for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.stores.fit(&store.plan.store)) {
            match (&rule.signal, rule.per) {
                (Signal::Audit(kinds), _) => step.findings(number, rule, kinds),
                (_, Per::Pair) => step.pairs(number, rule, assessed),
                _ => step.regions(number, rule, assessed),
            }
        }
        let transitions = step.finish();
        self.by_key.append(&mut others);
        transitions
    }
}

impl Key {
    /// Less than any key of this store.
    fn first_of(store: usize) -> Key {
        let subject = Subject::Pair(RegionId(0), RegionId(0));
        Key { store, rule: 0, severity: Severity::Page, subject }
    }
}

/// Whether this process is to tell others of an alert: the one that writes where it is measured from, as it alone asks
/// providers. A standby measures the same, and takes over with the seat. Two who tell the same are one alert, and nobody is
/// none: so whoever may be the only one tells.
pub fn is_ours(store: &StoreSnapshot, subject: &Subject) -> bool {
    let speaks = |region: RegionId| store.seats.get(region.index()).copied().flatten().is_some_and(Seat::may_be_ours);
    match (store.plan.local, subject) {
        (Some(local), _) => speaks(local),
        (None, Subject::Pair(region, _) | Subject::Source(region) | Subject::Target(region)) => speaks(*region),
        (None, Subject::Finding(region, _)) => {
            let named = store.plan.region_ids().find(|id| store.region(*id) == region);
            // One that nobody measures is told of by whoever has the first of those that are.
            named.or_else(|| store.plan.region_ids().next()).is_some_and(speaks)
        }
    }
}

fn covers(rule: &Rule, store: &StoreSnapshot, pair: &PairSnapshot) -> bool {
    rule.source_regions.fit(store.region(pair.source)) && rule.target_regions.fit(store.region(pair.target))
}

/// Whether this is a finding that nobody knows anything of at the moment, in a region that was not retired.
fn is_unknown_finding(store: &StoreSnapshot, subject: &Subject) -> bool {
    let Subject::Finding(region, _) = subject else { return false };
    let is_retired =
        store.plan.regions.contains(region) && store.plan.region_ids().all(|id| store.region(id) != region);
    !is_retired
}

/// Whether a rule says anything of this, so that it can fire and be resolved.
fn is_watched(rule: &Rule, store: &StoreSnapshot, subject: &Subject) -> bool {
    let pairs = |fits: &dyn Fn(&PairSnapshot) -> bool| {
        store.pairs.iter().filter(|pair| covers(rule, store, pair) && fits(pair)).count()
    };
    rule.stores.fit(&store.plan.store)
        && match subject {
            Subject::Pair(source, target) => pairs(&|pair| (pair.source, pair.target) == (*source, *target)) > 0,
            Subject::Source(region) => pairs(&|pair| pair.source == *region) >= rule.pairs_min,
            Subject::Target(region) => pairs(&|pair| pair.target == *region) >= rule.pairs_min,
            Subject::Finding(region, _) => rule.source_regions.fit(region),
        }
}

impl Step<'_> {
    fn pairs(&mut self, number: usize, rule: &Rule, assessed: &[(&PairSnapshot, Assessment)]) {
        let store = self.store;
        for (pair, assessment) in assessed.iter().filter(|(pair, _)| covers(rule, store, pair)) {
            let reading = Reading::of(&rule.signal, pair, assessment);
            let subject = || Subject::Pair(pair.source, pair.target);
            self.take(number, rule, &subject, reading, &|| words::cause(rule, reading, &assessment.reason));
        }
    }

    fn regions(&mut self, number: usize, rule: &Rule, assessed: &[(&PairSnapshot, Assessment)]) {
        let mut groups: BTreeMap<Subject, Together<'_>> = BTreeMap::new();
        for (pair, assessment) in assessed.iter().filter(|(pair, _)| covers(rule, self.store, pair)) {
            let reading = Reading::of(&rule.signal, pair, assessment);
            let mut add = |subject| groups.entry(subject).or_default().add(reading, &assessment.reason);
            if matches!(rule.per, Per::SourceRegion | Per::Region) {
                add(Subject::Source(pair.source));
            }
            if matches!(rule.per, Per::TargetRegion | Per::Region) {
                add(Subject::Target(pair.target));
            }
        }
        for (subject, together) in groups.into_iter().filter(|(_, together)| together.pairs() >= rule.pairs_min) {
            let reading = together.reading(rule.signal.is_duration());
            let cause = || words::cause_together(rule, reading, &together);
            self.take(number, rule, &|| subject.clone(), reading, &cause);
        }
    }

    fn findings(&mut self, number: usize, rule: &Rule, kinds: &[audit::Kind]) {
        let findings = self.findings.get_or_insert_with(|| {
            let facts = audit::facts_of(self.store, self.now.mono);
            audit::audit(&facts, audit::wanted_of(&self.store.plan)).into()
        });
        for finding in findings.clone().iter() {
            if !kinds.contains(&finding.kind) || !rule.source_regions.fit(&finding.region) {
                continue;
            }
            let reading = Reading::flag(finding.wrong.is_some());
            let subject = || Subject::Finding(finding.region.clone(), finding.kind);
            let cause = || words::cause_of_finding(finding);
            self.take(number, rule, &subject, reading, &cause);
        }
    }

    /// Holds a reading against every threshold of its rule.
    fn take(
        &mut self,
        number: usize,
        rule: &Rule,
        subject: &dyn Fn() -> Subject,
        reading: Reading,
        cause: &dyn Fn() -> String,
    ) {
        for threshold in &rule.thresholds {
            let sight = reading.against(threshold);
            // Nearly everything is inactive at nearly all times.
            if self.before.is_empty() && sight != Sight::Over && sight != Sight::NoData {
                continue;
            }
            let key = Key { store: self.place, rule: number, severity: threshold.severity, subject: subject() };
            self.advance(key, rule, threshold, sight, reading.value, cause);
        }
    }

    fn advance(
        &mut self,
        key: Key,
        rule: &Rule,
        threshold: &Threshold,
        sight: Sight,
        value: Option<f64>,
        cause: &dyn Fn() -> String,
    ) {
        let before = self.before.remove(&key);
        let patience = Patience {
            pending_for: threshold.pending_for,
            keep_firing_for: rule.keep_firing_for,
            no_data: rule.no_data,
        };
        let from = before.as_ref().map(Alert::phase);
        let course = Course::step(before.as_ref().map(|alert| alert.course), sight, patience, self.now.mono);
        let Some(course) = course else {
            if let Some(alert) = before.filter(|alert| alert.phase() == Phase::Pending) {
                self.transitions.push(AlertTransition { from, to: None, alert });
            }
            return;
        };
        let holds = Holds::step(before.as_ref().map(|alert| alert.holds), sight, rule.no_data, self.now.wall);
        let is_anew = from.is_none() || (from == Some(Phase::Resolved) && course.phase != Phase::Resolved);
        let mut alert = match before {
            Some(alert) if !is_anew => alert,
            _ => Alert {
                course,
                holds,
                labels: words::labels(rule, key.severity, self.store, &key.subject),
                active_at: self.now.wall,
                fired_at: None,
                resolved_at: None,
                value: 0.0,
                summary: words::summary(rule, self.store, &key.subject),
                cause: "".into(),
                was: "".into(),
                so_at: None,
            },
        };
        (alert.course, alert.holds) = (course, holds);
        if course.phase == Phase::Firing {
            alert.fired_at.get_or_insert(self.now.wall);
        }
        if course.phase == Phase::Resolved {
            alert.resolved_at.get_or_insert(self.now.wall);
        } else {
            alert.value = value.unwrap_or(alert.value);
            // Once it is on its way out, what it was about is worth more than that all is well.
            if sight != Sight::Under || alert.cause.is_empty() {
                alert.cause = cause().into();
            }
            if holds == Holds::Now {
                (alert.was, alert.so_at) = (alert.cause.clone(), Some(self.now.wall));
            }
        }
        if from != Some(course.phase) {
            self.transitions.push(AlertTransition { from, to: Some(course.phase), alert: alert.clone() });
        }
        self.after.insert(key, alert);
    }

    /// What was there and nobody looked at: findings that nobody knows any more, and pairs that are gone.
    fn finish(mut self) -> Vec<AlertTransition> {
        for (key, alert) in std::mem::take(&mut self.before) {
            let rule = self.rules.get(key.rule).filter(|_| is_unknown_finding(self.store, &key.subject));
            let threshold = rule.and_then(|rule| rule.thresholds.iter().find(|one| one.severity == key.severity));
            match rule.zip(threshold) {
                Some((rule, threshold)) => {
                    let cause = alert.cause.to_string();
                    self.before.insert(key.clone(), alert);
                    self.advance(key, rule, threshold, Sight::NoData, None, &|| cause.clone());
                }
                None => self.gone(key, alert),
            }
        }
        self.transitions
    }

    fn gone(&mut self, key: Key, alert: Alert) {
        if let Some(alert) = gone(alert, self.now, &mut self.transitions) {
            self.after.insert(key, alert);
        }
    }
}

/// What is left of an alert once nobody looks at what it is about any more.
fn gone(mut alert: Alert, now: Now, transitions: &mut Vec<AlertTransition>) -> Option<Alert> {
    let from = Some(alert.phase());
    match alert.phase() {
        Phase::Pending => {
            transitions.push(AlertTransition { from, to: None, alert });
            None
        }
        Phase::Firing => {
            alert.course = Course::resolved(now.mono);
            alert.resolved_at = Some(now.wall);
            alert.cause = "this is not measured any more".into();
            transitions.push(AlertTransition { from, to: Some(Phase::Resolved), alert: alert.clone() });
            Some(alert)
        }
        Phase::Resolved => stays_resolved(&mut alert, now.mono).then_some(alert),
    }
}

/// Whether one that is resolved is to be remembered for longer, nothing coming of it any more.
fn stays_resolved(alert: &mut Alert, now: Mono) -> bool {
    let patience = Patience { pending_for: Span::ZERO, keep_firing_for: Span::ZERO, no_data: NoData::Keep };
    let course = Course::step(Some(alert.course), Sight::Under, patience, now);
    alert.course = course.unwrap_or(alert.course);
    course.is_some()
}
