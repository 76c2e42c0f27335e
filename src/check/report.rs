//! What `tidegauge check` found, as a table for a person and as JSON for a machine.

use serde::Serialize;
use serde_json::json;

use crate::core::audit::{Finding, Level};
use crate::core::model::Failure;

/// How bad a row is, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    Ok,
    /// Something to know.
    Note,
    /// It works, and something about it should be looked at.
    Warning,
    /// Something does not work, or is not measured.
    Error,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Warning => "WARNING",
            Verdict::Error => "ERROR",
        }
    }
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    /// The store's name; empty where it is about none.
    pub store: String,
    /// The region's; empty where it is about the whole store.
    pub region: String,
    /// What was looked at, or the finding's label.
    pub about: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found.
    pub says: String,
    /// What to do about it.
    pub remedy: Option<&'static str>,
}

/// All lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// In the order of the settings.
    pub rows: Vec<Row>,
}

impl Report {
    /// The worst of all lines.
    pub fn worst(&self) -> Verdict {
        self.rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::Ok)
    }

    pub(super) fn ok(&mut self, store: &str, region: &str, about: &'static str, says: &str) {
        self.add(Verdict::Ok, store, region, about, says, None);
    }

    pub(super) fn note(&mut self, store: &str, region: &str, about: &'static str, says: &str) {
        self.add(Verdict::Note, store, region, about, says, None);
    }

    pub(super) fn error(&mut self, store: &str, region: &str, about: &'static str, says: &str, remedy: &'static str) {
        self.add(Verdict::Error, store, region, about, says, Some(remedy));
    }

    /// A finding, where something is wrong; `failure` is what the store or the SDK said.
    pub(super) fn finding(&mut self, store: &str, finding: &Finding, failure: Option<&Failure>) {
        let Some(wrong) = &finding.wrong else { return };
        let verdict = match finding.kind.level() {
            Level::Warning => Verdict::Warning,
            Level::Error => Verdict::Error,
        };
        let said = failure.map_or(String::new(), |failure| format!(" ({})", failure.message));
        let (about, remedy) = (finding.kind.label(), finding.kind.remedy());
        self.add(verdict, store, &finding.region, about, &format!("{wrong}{said}"), Some(remedy));
    }

    fn add(
        &mut self,
        verdict: Verdict,
        store: &str,
        region: &str,
        about: &'static str,
        says: &str,
        remedy: Option<&'static str>,
    ) {
        let (store, region, says) = (store.to_owned(), region.to_owned(), says.to_owned());
        self.rows.push(Row { store, region, about, verdict, says, remedy });
    }

    /// For a terminal.
    pub fn to_table(&self) -> String {
        let widest = |of: fn(&Row) -> &str, head: &str| {
            self.rows.iter().map(|row| of(row).chars().count()).chain([head.len()]).max().unwrap_or_default()
        };
        let (store, region) = (widest(|row| &row.store, "store"), widest(|row| &row.region, "region"));
        let about = widest(|row| row.about, "looked at");
        let line = |cells: [&str; 4], says: &str| {
            let [a, b, c, d] = cells;
            format!("{a:<store$}  {b:<region$}  {c:<about$}  {d:<7}  {says}\n")
        };
        let mut text = line(["store", "region", "looked at", "result"], "what was found");
        for row in &self.rows {
            text += &line([&row.store, &row.region, row.about, row.verdict.word()], &row.says);
            if let Some(remedy) = row.remedy {
                text += &line(["", "", "", ""], &format!("→ {remedy}"));
            }
        }
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        text + &format!("\nerrors: {}, warnings: {}\n", count(Verdict::Error), count(Verdict::Warning))
    }

    /// For a machine.
    pub fn to_json(&self) -> String {
        json!({ "status": "success", "data": { "worst": self.worst(), "rows": self.rows } }).to_string()
    }
}
