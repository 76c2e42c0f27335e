//! What the gauge says of itself: tracing to stderr.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::clock::Clock;
use crate::settings::{LogFormat, LogSettings};

pub mod limit;

use limit::LogLimit;

/// How often the log says what was left out of it.
const TELLS_EVERY: Duration = Duration::from_secs(60);

/// What SDKs tell of each request that went wrong, which is told of here already, and not each time.
const SDKS: [&str; 9] = [
    "aws_config",
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

/// The log of this process. All copies are one.
#[derive(Clone, Debug)]
pub struct Log {
    limit: LogLimit,
}

impl Log {
    /// Says what was left out of the log, once a minute and without end.
    pub async fn tell_of_left_out(self) {
        loop {
            tokio::time::sleep(TELLS_EVERY).await;
            self.limit.tell();
        }
    }

    /// Says what was left out since that was last said: before the process ends.
    pub fn end(&self) {
        self.limit.tell();
    }
}

/// What changes the filter of the log that was installed.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// The settings have been validated: what does not parse here cannot come from them.
fn filter(filter: &str) -> EnvFilter {
    EnvFilter::try_new(quiet(filter)).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Installs the subscriber. Once per process.
pub fn init(settings: &LogSettings) -> Log {
    let (filter, handle) = reload::Layer::new(filter(&settings.filter));
    let limit = LogLimit::new(Clock::start());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    if let Err(error) = tracing_subscriber::registry().with(filter).with(limit.clone()).with(lines).try_init() {
        eprintln!("tidegauge: no log: {error}");
    }
    // Once, as is said above.
    let _ = FILTER.set(handle);
    Log { limit }
}

/// Logs by this filter from now on, where a log was installed.
pub fn set_filter(text: &str) {
    let changed = FILTER.get().map_or(Ok(()), |handle| handle.reload(filter(text)));
    if let Err(error) = changed {
        tracing::error!(%error, "the log's filter could not be changed");
    }
}
