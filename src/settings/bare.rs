//! What can be had of settings that were refused, where they are to be served nonetheless (`on_bad_settings = "serve"`).
//!
//! A sidecar that exits because of its own settings takes the application's pod down with it. One that stays up and
//! says that it knows nothing does not.

use std::collections::HashMap;

use super::error::Problems;
use super::section::Section;
use super::{
    AlertSettings, CellSettings, ClockSettings, LogSettings, OnBadSettings, PriceSettings, Role, ServerSettings,
    Settings, sources,
};

/// The section of the server alone.
pub(super) fn server(text: Option<&str>, environment: HashMap<String, String>) -> ServerSettings {
    let problems = Problems::of_file("settings");
    let merged = sources::merge(text, environment.clone(), &problems)
        .or_else(|| sources::merge(None, environment, &problems))
        .unwrap_or_default();
    ServerSettings::read(Section::root(merged, &problems).section_or_empty("server"))
}

/// Where to listen and what to call itself, as far as that can be read; no stores. `None` where bad settings are to
/// end the process.
///
/// Of a file that is no TOML, or is not there, nothing can be read: then the environment alone counts.
pub(super) fn bare(text: Option<&str>, environment: HashMap<String, String>) -> Option<Settings> {
    // They have been reported by whoever refused the settings.
    let problems = Problems::of_file("settings");
    let whole = sources::merge(text, environment.clone(), &problems);
    let is_whole = whole.is_some();
    let merged = whole.or_else(|| sources::merge(None, environment, &problems))?;
    let mut root = Section::root(merged, &problems);
    let on_bad_settings = root.choice("on_bad_settings", &OnBadSettings::WORDS)?;
    if on_bad_settings != OnBadSettings::Serve {
        return None;
    }
    let role = root.choice("role", &Role::WORDS).unwrap_or(Role::Gauge);
    let server = ServerSettings::read(root.section_or_empty("server"));
    Some(Settings {
        role,
        on_bad_settings,
        clock: ClockSettings::read(root.section_or_empty("clock")),
        cell: CellSettings::read(root.section_or_empty("cell")),
        // Whom a file that cannot be read was to keep out nobody knows.
        server: if is_whole { server } else { server.shut() },
        log: LogSettings::read(root.section_or_empty("log")),
        prices: PriceSettings::read(root.section_or_empty("prices")),
        alerts: AlertSettings::read(root.section_or_empty("alerts")),
        stores: Vec::new(),
    })
}
