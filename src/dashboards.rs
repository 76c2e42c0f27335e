//! `tidegauge dashboards`: what Grafana shows, made from the metrics that there are and the alerts of the settings.
//!
//! Pure text but for writing it down: `query` writes what is asked of Prometheus, `panel` how it is shown, `frame` what holds
//! the panels, `look` gives colours and words one meaning, and `fleet`, `store` and `gauge` are the dashboards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::settings::Settings;

mod fleet;
mod frame;
mod gauge;
mod look;
mod panel;
mod query;
mod store;

/// A dashboard as a file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// What is in it: JSON that Grafana imports.
    pub text: String,
}

/// The dashboards that these settings come to.
pub fn files(settings: &Settings) -> [File; 3] {
    let alerts = &settings.alerts;
    [
        ("fleet.json", fleet::dashboard(alerts)),
        ("store.json", store::dashboard(alerts)),
        ("gauge.json", gauge::dashboard(alerts)),
    ]
    .map(|(name, dashboard)| File { name, text: text(dashboard) })
}

/// In an order that no build changes.
fn text(mut dashboard: Value) -> String {
    dashboard.sort_all_objects();
    format!("{dashboard:#}\n")
}

/// Writes them into a folder, over what is there by these names, and says where.
///
/// # Errors
///
/// Where the folder is not there, or a file cannot be written.
pub fn write(settings: &Settings, folder: &Path) -> Result<[PathBuf; 3], DashboardsError> {
    if !folder.is_dir() {
        return Err(DashboardsError::Folder(folder.to_owned()));
    }
    let files = files(settings);
    for file in &files {
        let path = folder.join(file.name);
        fs::write(&path, &file.text).map_err(|source| DashboardsError::Write { path, source })?;
    }
    Ok(files.map(|file| folder.join(file.name)))
}

/// Why dashboards could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DashboardsError {
    /// There is no such folder.
    #[error("cannot write the dashboards into {}: there is no such folder; create it, or name another", .0.display())]
    Folder(PathBuf),
    /// A file could not be written.
    #[error("cannot write {}: {source}; see to the folder's permissions and space", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
