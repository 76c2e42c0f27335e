//! Settings: one TOML file, then the environment, read into plain types that hold only what was checked.
//!
//! `TIDEGAUGE__SECTION__KEY` overrides `key` of `[section]`; it cannot reach into the list of stores, hence `[cell]`:
//! one file serves all cells, and the environment says which one this is. Unknown keys are refused. Whatever is
//! wrong is reported in one go, by key, with what would be right ([`SettingsError`]).
//!
//! One file per concern: `cell`, `clock`, `server` and below it `tls` and `access`, `log`, `prices`, `alerts`, `store` and below it `region`, `heartbeat`,
//! `provider`, `advice`, `local` and a file for each kind of store. `sources` merges, `section` reads key by key, `words` knows what names look like.

use std::collections::HashMap;
use std::path::Path;

mod access;
mod advice;
mod alerts;
mod bare;
mod cell;
mod clock;
mod cosmos;
mod dynamodb;
mod error;
pub mod file;
mod heartbeat;
mod local;
mod log;
mod prices;
mod provider;
mod region;
mod section;
mod server;
mod simulated;
mod sources;
mod store;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod words;

pub use access::{AccessSettings, Act, Digest, Policy, TokenDigest, TokenSettings};
pub use alerts::{AlertSettings, AlertmanagerSettings, ObjectiveSettings, PushSettings};
pub use cell::CellSettings;
pub use clock::ClockSettings;
pub use cosmos::{CosmosAuth, CosmosSettings};
pub use dynamodb::DynamodbSettings;
pub use error::{Problem, SettingsError};
pub use heartbeat::HeartbeatSettings;
pub use log::{LogFormat, LogSettings};
pub use prices::PriceSettings;
pub use provider::ProviderSettings;
pub use region::{Redacted, RegionSettings};
pub use server::ServerSettings;
pub use simulated::{
    SimulatedEvent, SimulatedEventKind, SimulatedLag, SimulatedPairs, SimulatedSettings, SimulatedSpikes,
};
pub use store::{StoreKind, StoreSettings};
pub use table::{KeySettings, KeyType, TableSettings};
pub use tls::TlsSettings;

use crate::core::alert::Rule;
use crate::core::time::Wall;
use error::Problems;
use section::Section;

/// More region pairs than this in one process are refused.
pub const PAIRS_MAX: usize = 10_000;

/// The settings of `tidegauge demo`.
const DEMO: &str = include_str!("../../config/demo.toml");

/// Everything that an operator can say.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What this process does. Default gauge.
    pub role: Role,
    /// What to do when settings turn out to be wrong. Default exit.
    pub on_bad_settings: OnBadSettings,
    /// Where it runs.
    pub cell: CellSettings,
    /// What is known of clocks.
    pub clock: ClockSettings,
    /// Where it listens.
    pub server: ServerSettings,
    /// What it logs.
    pub log: LogSettings,
    /// What the provider charges, for `tidegauge cost`.
    pub prices: PriceSettings,
    /// What people are told of.
    pub alerts: AlertSettings,
    /// What it measures; names unique. Empty only where there is no file: [`Settings::runnable`] refuses that.
    pub stores: Vec<StoreSettings>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Writes, reads, diagnoses; one or two per cell.
    Gauge,
    /// Reads its local replica only; one per pod of the application.
    Observer,
}

/// What a process does when its settings are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBadSettings {
    /// It says so and ends.
    Exit,
    /// It says so and serves: that nothing is known, and why. For sidecars, which must not take their pod down.
    Serve,
}

impl OnBadSettings {
    const WORDS: [(&'static str, OnBadSettings); 2] = [("exit", OnBadSettings::Exit), ("serve", OnBadSettings::Serve)];
}

impl Role {
    const WORDS: [(&'static str, Role); 2] = [("gauge", Role::Gauge), ("observer", Role::Observer)];

    /// The word for it, as in the settings and in labels.
    pub fn label(self) -> &'static str {
        match self {
            Role::Gauge => "gauge",
            Role::Observer => "observer",
        }
    }
}

/// Why settings that are right cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRunnable {
    /// There is nothing to measure.
    #[error("no stores configured: pass --config FILE with at least one [[stores]], or try `tidegauge demo`")]
    NoStores,
}

impl Settings {
    /// Reads the file, if one is given, and then the environment of this process.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, and for everything in it or in the environment that is not right.
    pub fn load(path: Option<&Path>) -> Result<Settings, SettingsError> {
        let environment = sources::process_environment();
        let Some(path) = path else { return Settings::from_sources(None, environment) };
        let name = path.display().to_string();
        match file::read_text(path) {
            Ok(text) => Settings::from_sources(Some((&name, &text)), environment),
            Err(error) => Err(SettingsError::single(name, unreadable(&error))),
        }
    }

    /// What is left of settings that [`Settings::load`] refused, or that cannot be run, where they say
    /// `on_bad_settings = "serve"`: where to listen, and no stores. `None` where the process is to end.
    pub fn bare(path: Option<&Path>) -> Option<Settings> {
        let text = path.and_then(|path| file::read_text(path).ok());
        bare::bare(text.as_deref(), sources::process_environment())
    }

    /// Where a process with these settings listens, as far as that can be read: for `tidegauge health`, which has to find it
    /// whatever became of the settings since it was started.
    pub fn server_of(path: Option<&Path>) -> ServerSettings {
        let text = path.and_then(|path| file::read_text(path).ok());
        bare::server(text.as_deref(), sources::process_environment())
    }

    /// The settings of the demonstration, which are part of the program, and then the environment of this process.
    ///
    /// # Errors
    ///
    /// For everything in the environment that is not right.
    pub fn demo() -> Result<Settings, SettingsError> {
        Settings::from_sources(Some(("the demonstration's settings", DEMO)), sources::process_environment())
    }

    /// Reads TOML, and no environment.
    ///
    /// # Errors
    ///
    /// For everything in it that is not right.
    pub fn from_toml(text: &str) -> Result<Settings, SettingsError> {
        Settings::from_sources(Some(("settings", text)), HashMap::new())
    }

    /// Reads TOML, given as the name to use in messages and the text, and then the variables. Those of other names
    /// than `TIDEGAUGE__…` are passed over, and so are those that are empty.
    ///
    /// # Errors
    ///
    /// For everything in either that is not right.
    pub fn from_sources(
        toml: Option<(&str, &str)>,
        environment: HashMap<String, String>,
    ) -> Result<Settings, SettingsError> {
        let problems = Problems::of_file(toml.map_or("settings", |(name, _)| name));
        let Some(merged) = sources::merge(toml.map(|(_, text)| text), environment, &problems) else {
            return Err(problems.refused());
        };
        let settings = Settings::read(Section::root(merged, &problems), toml.is_some());
        problems.unless_any(settings)
    }

    /// How many region pairs there are over all stores.
    pub fn pair_count(&self) -> usize {
        self.stores.iter().map(StoreSettings::pair_count).sum()
    }

    /// What they come to, in a line.
    pub fn summary(&self) -> String {
        let asked = self.stores.iter().filter(|store| store.follows_replicas).count();
        let asked = if asked == 0 { String::new() } else { format!(", and those of {asked} that are to be asked") };
        format!("stores: {}, region pairs: {}{asked}", self.stores.len(), self.pair_count())
    }

    /// What an operator should know of settings that are right, at present: some of it expires. `check` prints it.
    pub fn notices(&self, now: Wall) -> Vec<String> {
        let mut notices: Vec<String> = self.runnable().err().iter().map(NotRunnable::to_string).collect();
        if self.role == Role::Gauge && self.cell.name.is_none() && !self.stores.is_empty() {
            notices.push(
                "cell.name is not set: for alerts all gauges without one are of one cell, and nobody is told that this one \
                 is gone while any of them lives"
                    .to_owned(),
            );
        }
        let fits_none =
            |rule: &&Rule| !self.stores.is_empty() && self.stores.iter().all(|store| !rule.stores.fit(&store.name));
        notices.extend(self.alerts.rules.iter().filter(fits_none).map(|rule| {
            let wanted: Vec<&str> = rule.stores.iter().collect();
            format!("the rule {} is about the stores {}, and there is none of these", rule.name, wanted.join(", "))
        }));
        notices.extend(self.server.notices());
        notices.extend(self.stores.iter().flat_map(|store| advice::notices(store, now)));
        notices
    }

    /// Whether `run` can start with these settings.
    ///
    /// # Errors
    ///
    /// What stands in the way.
    pub fn runnable(&self) -> Result<(), NotRunnable> {
        if self.stores.is_empty() { Err(NotRunnable::NoStores) } else { Ok(()) }
    }

    fn read(mut root: Section<'_>, has_file: bool) -> Settings {
        let count_before = root.problem_count();
        let role = root.choice("role", &Role::WORDS).unwrap_or(Role::Gauge);
        let on_bad_settings = root.choice("on_bad_settings", &OnBadSettings::WORDS).unwrap_or(OnBadSettings::Exit);
        let cell = CellSettings::read(root.section_or_empty("cell"));
        if role == Role::Observer && cell.central {
            root.problem("role", "an observer reads its local replica only; remove cell.central, or use \"gauge\"");
        }
        let place = Place { role, cell: &cell, is_known: root.problem_count() == count_before };
        let server = ServerSettings::read(root.section_or_empty("server"));
        let clock = ClockSettings::read(root.section_or_empty("clock"));
        let log = LogSettings::read(root.section_or_empty("log"));
        let prices = PriceSettings::read(root.section_or_empty("prices"));
        let alerts = AlertSettings::read(root.section_or_empty("alerts"));
        if role == Role::Observer && alerts.push.is_some() {
            root.problem("alerts", "an observer tells nobody, its cell's gauge does; remove alerts.push");
        }
        if alerts.push.is_some() && cell.name.is_none() {
            let message = "alerts of cells without a name cannot be told apart; set cell.name, to a name of its own";
            root.problem("alerts.push", message);
        }
        let count_before = root.problem_count();
        let sections = root.sections("stores", "[[stores]]");
        if sections.is_empty() && has_file && root.problem_count() == count_before {
            root.problem("stores", "no stores configured: add at least one [[stores]]");
        }
        check_names(&sections);
        let stores: Vec<StoreSettings> =
            sections.into_iter().filter_map(|section| StoreSettings::read(section, &place)).collect();
        check_places(&root, role, &stores);
        let settings = Settings { role, on_bad_settings, clock, cell, server, log, prices, alerts, stores };
        let pairs = settings.pair_count();
        if pairs > PAIRS_MAX {
            let message = format!("{pairs} region pairs are too many for one process; use at most {PAIRS_MAX}");
            root.problem("stores", message);
        }
        root.finish();
        settings
    }
}

/// What a store has to know of the process that measures it.
struct Place<'a> {
    role: Role,
    cell: &'a CellSettings,
    /// Whether the two above are what the operator said. Where they were wrong, and so are defaults, complaints
    /// that follow from them would only mislead.
    is_known: bool,
}

/// What no store can know on its own: that its name is its own.
fn check_names(stores: &[Section<'_>]) {
    for (index, store) in stores.iter().enumerate() {
        let Some(name) = store.peek("name") else { continue };
        if let Some(earlier) = stores[..index].iter().position(|earlier| earlier.peek("name") == Some(name)) {
            store.problem("name", format!("{name:?} is the name of stores[{earlier}] too; give each store its own"));
        }
    }
}

/// Two stores of a process that writes must not share heartbeats: each would take the other's for its own.
fn check_places(root: &Section<'_>, role: Role, stores: &[StoreSettings]) {
    if role == Role::Observer {
        return;
    }
    for (index, store) in stores.iter().enumerate() {
        if let Some(earlier) = stores[..index].iter().find(|earlier| earlier.overlaps(store)) {
            let message = format!(
                "{:?} and {:?} would write the same heartbeats; remove one of them, or give one a companion of its own",
                earlier.name, store.name
            );
            root.problem("stores", message);
        }
    }
}

/// What to do about a file that cannot be read.
fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            "there is no such file; pass --config FILE with the path of your settings, or try `tidegauge demo`"
                .to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("cannot be read ({error}); let the user that tidegauge runs as read it")
        }
        std::io::ErrorKind::InvalidData => "is not UTF-8 text; settings are TOML, as in config/central.toml".to_owned(),
        std::io::ErrorKind::IsADirectory => {
            "is a directory; pass --config FILE with the path of the file in it".to_owned()
        }
        _ => format!("cannot be read ({error}); pass --config FILE with the path of your settings"),
    }
}
