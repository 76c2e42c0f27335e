//! What the gauge says of itself: tracing to stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings};

/// What SDKs tell of each request that went wrong, which is told of here already, and not each time.
const SDKS: [&str; 8] = [
    "azure_core",
    "azure_data_cosmos",
    "azure_data_cosmos_driver",
    "azure_identity",
    "hyper",
    "reqwest",
    "rustls",
    "rustls_platform_verifier",
];

/// A filter in which the SDKs are silent unless it names them, or asks for everything.
fn quiet(filter: &str) -> String {
    match filter {
        "debug" | "trace" | "off" => filter.to_owned(),
        _ => SDKS.map(|sdk| format!("{sdk}=error,")).concat() + filter,
    }
}

/// Installs the subscriber. Once per process.
pub fn init(settings: &LogSettings) {
    // The settings have been validated: what does not parse here cannot come from them.
    let filter = EnvFilter::try_new(quiet(&settings.filter)).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match settings.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    if let Err(error) = installed {
        eprintln!("tidegauge: no log: {error}");
    }
}
