//! What fires and what is pending, as a table.

use maud::{Markup, html};

use super::shown::Shown;
use super::words;
use crate::core::alert::{self, Alert, Holds, Key, Phase, Severity};
use crate::core::time::{Span, Wall};
use crate::view::View;

/// Rows that are seen at once besides those of what fires now: in a bad hour there are so many that nothing else would be.
const AT_ONCE: usize = 3;

/// In what order they come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Firing,
    Pending,
    /// Fires, and nobody knows whether it is still so.
    Unknown,
    /// Fires on, though it is over.
    Over,
    /// Pending, and nobody knows whether it is still so. Its time does not run: it is nothing to wait for, and is folded.
    Held,
}

impl Rank {
    const ALL: [Rank; 5] = [Rank::Firing, Rank::Pending, Rank::Unknown, Rank::Over, Rank::Held];

    /// `None` of what is over and done with.
    fn of(alert: &Alert) -> Option<Rank> {
        match (alert.phase(), alert.holds) {
            (Phase::Resolved, _) => None,
            (Phase::Firing, Holds::Now) => Some(Rank::Firing),
            (Phase::Firing, Holds::UnknownSince(_)) => Some(Rank::Unknown),
            (Phase::Firing, Holds::OverSince(_)) => Some(Rank::Over),
            (Phase::Pending, Holds::Now) => Some(Rank::Pending),
            (Phase::Pending, Holds::UnknownSince(_) | Holds::OverSince(_)) => Some(Rank::Held),
        }
    }

    /// What so many of them are.
    fn words(self) -> &'static str {
        match self {
            Rank::Firing => "firing",
            Rank::Pending => "pending",
            Rank::Unknown => "firing, not known now",
            Rank::Over => "firing, though over",
            Rank::Held => "pending, not known now",
        }
    }
}

/// Alerts of one rule about one store that have come as far.
struct Alike<'a> {
    /// Its store and its rule, by their places.
    key: (usize, usize),
    severity: Severity,
    rank: Rank,
    name: &'a str,
    store: &'a str,
    /// The oldest first.
    alerts: Vec<&'a Alert>,
}

/// What fires and what is pending of those that fit, the worst first.
fn alike<'a>(shown: &'a Shown<'_>, fits: impl Fn(&Key) -> bool) -> Vec<Alike<'a>> {
    let mut groups: Vec<Alike<'_>> = Vec::new();
    for (key, alert) in shown.view.verdicts.alerts.iter().filter(|(key, _)| fits(key)) {
        let Some(rank) = Rank::of(alert) else { continue };
        let label = |wanted: &str| {
            let found = alert.labels.iter().find(|(name, _)| *name == wanted);
            found.map_or("", |(_, value)| &**value)
        };
        let (severity, name, store) = (key.severity, label("alertname"), label("store"));
        let is_alike = |group: &&mut Alike<'_>| {
            (group.severity, group.rank, group.name, group.store) == (severity, rank, name, store)
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.alerts.push(alert),
            None => groups.push(Alike { key: (key.store, key.rule), severity, rank, name, store, alerts: vec![alert] }),
        }
    }
    for group in &mut groups {
        group.alerts.sort_by_key(|alert| alert.active_at);
    }
    groups.sort_by_key(|group| (group.rank, group.severity, group.alerts[0].active_at));
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

/// Those that fit, as a table, and below it those that are not seen at once.
pub(super) fn table(shown: &Shown<'_>, fits: impl Fn(&Key) -> bool) -> Markup {
    let groups = alike(shown, fits);
    let firing = groups.iter().filter(|group| group.rank == Rank::Firing).count();
    let known = groups.iter().filter(|group| group.rank != Rank::Held).count();
    let at_once = known.min(firing + AT_ONCE);
    let rows = |from: usize, to: usize| html! { @for place in from..to { (row(shown, &groups, place)) } };
    html! {
        @if groups.is_empty() {
            p { "Nothing fires, and nothing is pending." }
        }
        @if at_once > 0 { (rows_in_table(&rows(0, at_once))) }
        @if at_once < groups.len() {
            details #more-alerts {
                summary { (count(&groups[at_once..])) }
                (rows_in_table(&rows(at_once, groups.len())))
            }
        }
    }
}

fn rows_in_table(rows: &Markup) -> Markup {
    html! {
        table.list {
            thead { tr {
                th scope="col" { "Alert" } th scope="col" { "Severity" } th scope="col" { "State" }
                th scope="col" { "For" } th scope="col" { "What and why" }
            } }
            tbody { (rows) }
        }
    }
}

/// How many there are of which kind.
fn count(folded: &[Alike<'_>]) -> String {
    let of =
        |rank: Rank| folded.iter().filter(|group| group.rank == rank).map(|group| group.alerts.len()).sum::<usize>();
    let told = Rank::ALL.into_iter().map(|rank| (rank, of(rank))).filter(|(_, count)| *count > 0);
    let told: Vec<String> = told.map(|(rank, count)| format!("{count} {}", rank.words())).collect();
    format!("More: {}", told.join("; "))
}

fn row(shown: &Shown<'_>, groups: &[Alike<'_>], place: usize) -> Markup {
    let Alike { key, severity, name, alerts, .. } = &groups[place];
    let (view, first) = (shown.view, alerts[0]);
    // One that is pending and begins to fire is the same one for whoever looks at it.
    let before = groups[..place].iter().filter(|other| (other.key, other.severity) == (*key, *severity)).count();
    let again = if before == 0 { String::new() } else { format!("-again-{before}") };
    let runbooks = alert::runbook(&view.identity.runbooks, name);
    let now = view.now.wall;
    html! {
        // What is not so now is not to look as if it were.
        tr.(first.phase().label())[first.holds == Holds::Now] id={ "alert-" (key.0) "-" (key.1) "-" (severity.label()) (again) } {
            th scope="row" { (runbook(name, &runbooks)) }
            td { (severity.label()) }
            td { (state(first, now)) }
            td.number { (words::ago(first.active_at, until(first).unwrap_or(now))) }
            td {
                (told(first, now))
                @if let [_, others @ ..] = &alerts[..] && !others.is_empty() {
                    details {
                        summary { "and " (others.len()) " more" }
                        ul { @for other in others { li { (told(other, now)) } } }
                    }
                }
            }
        }
    }
}

/// Until when it is known to have been so, where that is not now; `None` as well where nobody here saw that.
fn until(alert: &Alert) -> Option<Wall> {
    alert.so_at.filter(|_| alert.holds != Holds::Now)
}

fn state(alert: &Alert, now: Wall) -> String {
    let phase = alert.phase().label();
    match alert.holds {
        Holds::Now => phase.to_owned(),
        Holds::OverSince(at) => format!("{phase}, over since {}", clock(at, now)),
        Holds::UnknownSince(at) => format!("{phase}, not known since {}", clock(at, now)),
    }
}

/// What is the matter and why; of what is not so now, until when that was so.
fn told(alert: &Alert, now: Wall) -> String {
    let (when, cause) = match (alert.holds, alert.so_at) {
        (Holds::Now, _) => (String::new(), &alert.cause),
        // Why nobody knows is told with the pair's state. It is no reason for what is the matter here.
        (_, Some(at)) => (format!("Until {}: ", clock(at, now)), &alert.was),
        (_, None) => ("Before this gauge started: ".to_owned(), &alert.was),
    };
    // A cause often begins with what the summary ends with.
    let is_said = |part: &&str| alert.summary.ends_with(part);
    let parts = cause.split(": ").filter(|part| !part.is_empty() && !is_said(part));
    let cause = parts.map(|part| format!(": {part}")).collect::<String>();
    format!("{when}{}{cause}", alert.summary)
}

/// An instant to the second; with its day, where that is not the last one.
fn clock(at: Wall, now: Wall) -> String {
    const DAY: Span = Span::from_millis(24 * 60 * 60 * 1_000);
    match now - at < DAY {
        true => words::moment(at).get(..8).unwrap_or_default().to_owned(),
        false => words::instant(at),
    }
}

/// An alert's name, which leads to what to do about it where that is an address and not a place in some folder.
fn runbook(name: &str, address: &str) -> Markup {
    html! { @if is_address(address) { a href=(address) { (name) } } @else { (name) } }
}

/// Where it stands what to do about what a rule tells of.
pub(super) fn what_to_do(view: &View, rule: &str) -> Markup {
    let address = alert::runbook(&view.identity.runbooks, rule);
    html! { "Runbook: " @if is_address(&address) { a href=(address) { (rule) } } @else { code { (address) } } "." }
}

fn is_address(runbook: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| runbook.starts_with(scheme))
}
