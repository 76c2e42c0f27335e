//! What fires and what is pending, as a table.

use maud::{Markup, html};

use super::shown::Shown;
use super::words;
use crate::core::alert::{self, Alert, Key, Phase, Severity};
use crate::http::alerts::PHASES;

/// Alerts of one rule about one store that have come as far.
struct Alike<'a> {
    /// Its store and its rule, by their places.
    key: (usize, usize),
    severity: Severity,
    phase: Phase,
    name: &'a str,
    store: &'a str,
    /// The oldest first.
    alerts: Vec<&'a Alert>,
}

/// What fires and what is pending of those that fit, the worst first.
fn alike<'a>(shown: &'a Shown<'_>, fits: impl Fn(&Key) -> bool) -> Vec<Alike<'a>> {
    let mut groups: Vec<Alike<'_>> = Vec::new();
    for (key, alert) in shown.view.verdicts.alerts.iter().filter(|(key, _)| fits(key)) {
        let label = |wanted: &str| {
            let found = alert.labels.iter().find(|(name, _)| *name == wanted);
            found.map_or("", |(_, value)| &**value)
        };
        let (severity, phase, name, store) = (key.severity, alert.phase(), label("alertname"), label("store"));
        let is_alike = |group: &&mut Alike<'_>| {
            (group.severity, group.phase, group.name, group.store) == (severity, phase, name, store)
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.alerts.push(alert),
            None => {
                groups.push(Alike { key: (key.store, key.rule), severity, phase, name, store, alerts: vec![alert] })
            }
        }
    }
    groups.retain(|group| PHASES.contains(&group.phase));
    for group in &mut groups {
        group.alerts.sort_by_key(|alert| alert.active_at);
    }
    let rank = |phase: Phase| PHASES.iter().position(|one| *one == phase);
    groups.sort_by_key(|group| (rank(group.phase), group.severity, group.alerts[0].active_at));
    groups
}

/// Those of the stores that were asked for.
pub(super) fn section(shown: &Shown<'_>) -> Markup {
    html! {
        section aria-labelledby="alerts" {
            h2 #alerts { "Alerts" }
            (table(shown, |key| shown.wanted().any(|wanted| wanted.place == key.store)))
        }
    }
}

/// Those that fit, as a table.
pub(super) fn table(shown: &Shown<'_>, fits: impl Fn(&Key) -> bool) -> Markup {
    let groups = alike(shown, fits);
    let view = shown.view;
    let told = |alert: &Alert| html! { (alert.summary) @if !alert.cause.is_empty() { ": " (alert.cause) } };
    html! {
        @if groups.is_empty() {
            p { "Nothing fires, and nothing is pending." }
        } @else {
            table.list {
                thead { tr {
                    th scope="col" { "Alert" } th scope="col" { "Severity" } th scope="col" { "State" }
                    th scope="col" { "For" } th scope="col" { "What and why" }
                } }
                tbody {
                    @for (place, Alike { key, severity, phase, name, alerts, .. }) in groups.iter().enumerate() {
                        // One that is pending and begins to fire is the same one for whoever looks at it.
                        @let is_alike = |other: &Alike<'_>| (other.key, other.severity) == (*key, *severity);
                        @let again = if groups[..place].iter().any(is_alike) { "-again" } else { "" };
                        @let id = format!("alert-{}-{}-{}{again}", key.0, key.1, severity.label());
                        @let runbooks = alert::runbook(&view.identity.runbooks, name);
                        tr.(phase.label()) id=(id) {
                            th scope="row" { (runbook(name, &runbooks)) }
                            td { (severity.label()) }
                            td { (phase.label()) }
                            td.number { (words::ago(alerts[0].active_at, view.now.wall)) }
                            td {
                                (told(alerts[0]))
                                @if let [_, others @ ..] = &alerts[..] && !others.is_empty() {
                                    details {
                                        summary { "and " (others.len()) " more" }
                                        ul { @for other in others { li { (told(other)) } } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// An alert's name; what to do about it, where that is an address and not a place in some folder.
pub(super) fn runbook(name: &str, address: &str) -> Markup {
    html! {
        @if ["https://", "http://"].iter().any(|scheme| address.starts_with(scheme)) { a href=(address) { (name) } } @else { (name) }
    }
}
