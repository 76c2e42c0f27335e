//! Alerts that go on elsewhere: from one process to the next by what somebody else remembers, and from settings to others.

use std::collections::BTreeMap;

use super::{Alert, AlertTransition, Alerts, Course, Holds, Key, Phase, Rule, gone, is_watched, words};
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Now, Wall};

/// An alert that somebody else remembers: its labels, and since when it has been firing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// As [`Alert::labels`]; others among them do not matter.
    pub labels: BTreeMap<String, String>,
    /// Since when, by the clock of whoever remembers.
    pub fired_at: Wall,
}

impl Alerts {
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
        let label = |name: &str| remembered.labels.get(name).map(String::as_str);
        let Some((key, store)) = words::key_of(rules, stores, &label) else { return false };
        let rule = &rules[key.rule];
        // What is not watched would be resolved at once, and may well be somebody else's.
        if !is_watched(rule, store, &key.subject) {
            return false;
        }
        // Whoever remembers may have a clock that is ahead.
        let fired_at = remembered.fired_at.min(now.wall);
        match self.by_key.get_mut(&key) {
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
        let before = self.by_key.get(&key);
        let alert = Alert {
            course: Course::firing(now.mono),
            // Until it is looked at.
            holds: before.map_or(Holds::UnknownSince(now.wall), |alert| alert.holds),
            labels: words::labels(rule, key.severity, store, &key.subject),
            active_at: fired_at,
            fired_at: Some(fired_at),
            resolved_at: None,
            value: before.map_or(0.0, |alert| alert.value),
            summary: words::summary(rule, store, &key.subject),
            cause: before.map_or_else(|| "it was firing before this gauge started".into(), |alert| alert.cause.clone()),
            was: before.map_or_else(|| "".into(), |alert| alert.was.clone()),
            so_at: before.and_then(|alert| alert.so_at),
        };
        let from = before.map(Alert::phase);
        transitions.push(AlertTransition { from, to: Some(Phase::Firing), alert: alert.clone() });
        self.by_key.insert(key, alert);
        true
    }

    /// Moves on to other rules and stores. An alert goes on where these still have what its labels say; how far it has come is
    /// then held against the rule as it is now. Others are over.
    pub fn carry(&mut self, rules: &[Rule], stores: &[&StoreSnapshot], now: Now) -> Vec<AlertTransition> {
        let mut transitions = Vec::new();
        for (_, mut alert) in std::mem::take(&mut self.by_key) {
            let label = |name: &str| alert.labels.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value);
            let found = words::key_of(rules, stores.iter().copied(), &label);
            let is_it = |(key, store): &(Key, &StoreSnapshot)| {
                words::labels(&rules[key.rule], key.severity, store, &key.subject) == alert.labels
            };
            match found.filter(is_it) {
                Some((key, store)) => {
                    alert.summary = words::summary(&rules[key.rule], store, &key.subject);
                    self.by_key.insert(key, alert);
                }
                None => self.gone.extend(gone(alert, now, &mut transitions)),
            }
        }
        transitions
    }
}
