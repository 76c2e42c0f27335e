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
use super::time::{Now, Wall};

pub use course::{Course, GAP, Patience, Phase, RESOLVED_KEPT, Sight};
pub use pattern::Patterns;
pub use rule::{NoData, Over, Per, Quantile, Rule, Severity, Signal, Threshold};

use signal::{Reading, Together};

mod course;
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
    /// Why, as far as that is known.
    pub cause: Arc<str>,
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
pub struct Alerts(BTreeMap<Key, Alert>);

/// An alert that somebody else remembers: its labels, and since when it has been firing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// As [`Alert::labels`]; others among them do not matter.
    pub labels: BTreeMap<String, String>,
    /// Since when, by the clock of whoever remembers.
    pub fired_at: Wall,
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
        self.0.iter()
    }

    /// One of them.
    pub fn get(&self, key: &Key) -> Option<&Alert> {
        self.0.get(key)
    }

    /// Whether nothing is pending, fires or was resolved a while ago.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Brings one store's alerts up to date with what its pairs' facts mean at `now`.
    pub fn step(
        &mut self,
        rules: &[Rule],
        (place, store): (usize, &StoreSnapshot),
        assessed: &[(&PairSnapshot, Assessment)],
        now: Now,
    ) -> Vec<AlertTransition> {
        let mut before = self.0.split_off(&Key::first_of(place));
        let mut others = before.split_off(&Key::first_of(place + 1));
        let mut step =
            Step { rules, place, store, now, findings: None, transitions: Vec::new(), before, after: &mut self.0 };
        for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.stores.fit(&store.plan.store)) {
            match (&rule.signal, rule.per) {
                (Signal::Audit(kinds), _) => step.findings(number, rule, kinds),
                (_, Per::Pair) => step.pairs(number, rule, assessed),
                _ => step.regions(number, rule, assessed),
            }
        }
        let transitions = step.finish();
        self.0.append(&mut others);
        transitions
    }

    /// Takes over an alert that somebody else remembers as firing, so that a restart neither forgets it nor tells it anew.
    /// `false` where that changes nothing: no rule or pair that is watched here is meant, it has been firing for as long
    /// anyway, or it was resolved since. One that did not fire here is added to the transitions.
    pub fn adopt<'a>(
        &mut self,
        rules: &[Rule],
        stores: impl Iterator<Item = &'a StoreSnapshot>,
        remembered: &Remembered,
        now: Now,
        transitions: &mut Vec<AlertTransition>,
    ) -> bool {
        let Some((key, store)) = words::key_of(rules, stores, &remembered.labels) else { return false };
        let rule = &rules[key.rule];
        // What is not watched would be resolved at once, and may well be somebody else's.
        if !is_watched(rule, store, &key.subject) {
            return false;
        }
        // Whoever remembers may have a clock that is ahead.
        let fired_at = remembered.fired_at.min(now.wall);
        match self.0.get_mut(&key) {
            Some(alert) if alert.phase() == Phase::Firing => {
                let is_older = alert.fired_at.is_none_or(|known| fired_at < known);
                if is_older {
                    (alert.active_at, alert.fired_at) = (alert.active_at.min(fired_at), Some(fired_at));
                }
                return is_older;
            }
            // Whoever remembers was not told yet.
            Some(alert) if alert.resolved_at.is_some_and(|resolved_at| fired_at <= resolved_at) => return false,
            _ => {}
        }
        let before = self.0.get(&key);
        let alert = Alert {
            course: Course::firing(now.mono),
            labels: words::labels(rule, key.severity, store, &key.subject),
            active_at: fired_at,
            fired_at: Some(fired_at),
            resolved_at: None,
            value: before.map_or(0.0, |alert| alert.value),
            summary: words::summary(rule, store, &key.subject),
            cause: before.map_or_else(|| "it was firing before this gauge started".into(), |alert| alert.cause.clone()),
        };
        let from = before.map(Alert::phase);
        transitions.push(AlertTransition { from, to: Some(Phase::Firing), alert: alert.clone() });
        self.0.insert(key, alert);
        true
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
        let is_anew = from.is_none() || (from == Some(Phase::Resolved) && course.phase != Phase::Resolved);
        let mut alert = match before {
            Some(alert) if !is_anew => alert,
            _ => Alert {
                course,
                labels: words::labels(rule, key.severity, self.store, &key.subject),
                active_at: self.now.wall,
                fired_at: None,
                resolved_at: None,
                value: 0.0,
                summary: words::summary(rule, self.store, &key.subject),
                cause: "".into(),
            },
        };
        alert.course = course;
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

    fn gone(&mut self, key: Key, mut alert: Alert) {
        let from = Some(alert.phase());
        match alert.phase() {
            Phase::Pending => self.transitions.push(AlertTransition { from, to: None, alert }),
            Phase::Firing => {
                alert.course = Course::resolved(self.now.mono);
                alert.resolved_at = Some(self.now.wall);
                alert.cause = "this is not measured any more".into();
                self.transitions.push(AlertTransition { from, to: Some(Phase::Resolved), alert: alert.clone() });
                self.after.insert(key, alert);
            }
            Phase::Resolved => {
                // Under, as nothing comes of it any more.
                let patience = Patience {
                    pending_for: Default::default(),
                    keep_firing_for: Default::default(),
                    no_data: NoData::Keep,
                };
                if let Some(course) = Course::step(Some(alert.course), Sight::Under, patience, self.now.mono) {
                    alert.course = course;
                    self.after.insert(key, alert);
                }
            }
        }
    }
}
