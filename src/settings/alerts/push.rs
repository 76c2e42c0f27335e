//! `[alerts.push]`: Alertmanagers that this process tells itself, for cells without a Prometheus.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::alert::LABELS;
use crate::settings::section::Section;
use crate::settings::words;

/// Alerts that are not told again expire after four of these, and what is resolved is remembered for a quarter of an hour.
const RESEND: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(180);

/// More Alertmanagers than this are refused.
const ALERTMANAGERS_MAX: usize = 8;

/// Which Alertmanagers are told, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct PushSettings {
    /// Each of them is told everything. 1 to 8.
    pub alertmanagers: Vec<AlertmanagerSettings>,
    /// Time between two times that a firing alert is told: 1 s to 3 m, default 1 m. One that is not told again for four of
    /// them, and at least 30 s, has expired, as far as the Alertmanager is concerned.
    pub resend: Duration,
    /// Labels that every alert has beside its own, such as that of the environment. Default none.
    pub labels: BTreeMap<String, String>,
}

/// One Alertmanager.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertmanagerSettings {
    /// Its URL, up to where `/api/v2` begins.
    pub url: String,
    /// A file that holds a bearer token; read anew for each request, as tokens are renewed. Default none.
    pub bearer_token_file: Option<PathBuf>,
}

impl PushSettings {
    pub(super) fn read(mut section: Section<'_>) -> Option<PushSettings> {
        let count_before = section.problem_count();
        let plain_http = section.flag("plain_http").unwrap_or(false);
        let resend = section.duration("resend", RESEND).unwrap_or(Duration::from_secs(60));
        let labels = section.texts_by_key("labels", label).unwrap_or_default();
        section.require("alertmanagers", "name them, such as alertmanagers = [{ url = \"http://127.0.0.1:9093\" }]");
        let mut alertmanagers: Vec<AlertmanagerSettings> = Vec::new();
        for mut one in section.sections("alertmanagers", "[{ url = \"http://127.0.0.1:9093\" }]") {
            one.require("url", "give the Alertmanager's URL, such as \"http://127.0.0.1:9093\"");
            let url = one.text("url", |text| words::alertmanager(text, plain_http));
            let bearer_token_file = one.text("bearer_token_file", |text| Ok(PathBuf::from(text)));
            one.finish();
            let Some(url) = url else { continue };
            if alertmanagers.iter().any(|other| other.url == url) {
                section.problem("alertmanagers", format!("{url:?} is there twice; name each once"));
            }
            alertmanagers.push(AlertmanagerSettings { url, bearer_token_file });
        }
        let count = alertmanagers.len();
        if section.problem_count() == count_before && !(1..=ALERTMANAGERS_MAX).contains(&count) {
            section.problem("alertmanagers", format!("there are {count}; use 1 to {ALERTMANAGERS_MAX}"));
        }
        section.finish();
        Some(PushSettings { alertmanagers, resend, labels })
    }
}

/// A label's name and value, as Prometheus takes them, and none of an alert's own.
fn label(name: &str, value: &str) -> Result<(), String> {
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !starts_well || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("{name:?} is no label's name; use letters, digits and `_`, such as environment"));
    }
    if LABELS.contains(&name) {
        return Err(format!("alerts have a label {name:?} of their own; call it something else"));
    }
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err(format!("{name:?} is to have a value of a line; give it one, or remove it"));
    }
    Ok(())
}
