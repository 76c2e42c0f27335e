//! `[log]`: what is logged to standard error, and in which form.

use tracing_subscriber::EnvFilter;

use super::section::Section;

/// What is logged, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A level, or levels per module: `info`, `warn,tidegauge=debug`. Default `info`.
    pub filter: String,
    /// One line of text or one JSON object per event. Default `text`.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For a log collector: one JSON object per line.
    Json,
}

impl LogSettings {
    pub(super) fn read(mut section: Section<'_>) -> LogSettings {
        let log = LogSettings {
            filter: section.text("filter", filter).unwrap_or_else(|| "info".to_owned()),
            format: section
                .choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                .unwrap_or(LogFormat::Text),
        };
        section.finish();
        log
    }
}

fn filter(text: &str) -> Result<String, String> {
    // A single word that is no level would pass as a module's name and silence everything else.
    let is_level = |word: &str| matches!(word, "error" | "warn" | "info" | "debug" | "trace" | "off");
    let lone_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if lone_word && !is_level(&text.to_lowercase()) {
        return Err(format!("{text:?} is not a level; use error, warn, info, debug or trace"));
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{text:?} is not a log filter ({error}); use \"info\" or \"warn,tidegauge=debug\"")),
    }
}
