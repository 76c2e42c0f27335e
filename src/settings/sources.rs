//! Where settings come from: one TOML file, and over it the environment, merged into one tree of values.

use std::collections::HashMap;

use config::{Config, ConfigError, Environment, File, FileFormat, Value};

use super::error::Problems;

/// What the names of our environment variables begin with.
pub(super) const PREFIX: &str = "TIDEGAUGE__";

/// What stands between the parts of a key in such a name.
const SEPARATOR: &str = "__";

/// The origin that `config` notes on a value that came from a variable.
pub(super) const FROM_ENVIRONMENT: &str = "the environment";

/// The variables of this process that are ours. One whose value is not Unicode is passed on with its oddities
/// replaced, so that whoever reads the key refuses it by name.
pub(super) fn process_environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| is_ours(name))
        .collect()
}

/// Merges the file's text and the environment; `None` where the file is not TOML, which is a problem then.
pub(super) fn merge(text: Option<&str>, environment: HashMap<String, String>, problems: &Problems) -> Option<Value> {
    let environment = Environment::with_prefix(PREFIX.trim_end_matches(SEPARATOR))
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        // `NAME=` is what templates leave behind where a value is optional.
        .ignore_empty(true)
        .source(Some(usable(environment, problems)));
    let file = File::from_str(text.unwrap_or_default(), FileFormat::Toml);
    match Config::builder().add_source(file).add_source(environment).build() {
        Ok(merged) => Some(merged.cache),
        Err(error) => {
            problems.in_file("", not_toml(error));
            None
        }
    }
}

/// Whether a variable's name says that it is meant for us.
fn is_ours(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Our variables that name a key of a section; the others are problems, rather than silently without effect.
fn usable(environment: HashMap<String, String>, problems: &Problems) -> HashMap<String, String> {
    let mut ours: Vec<_> = environment.into_iter().filter(|(name, _)| is_ours(name)).collect();
    ours.sort();
    let keys: Vec<String> = ours.iter().map(|(name, _)| name.to_lowercase()).collect();
    ours.retain(|(name, value)| {
        let key = name[PREFIX.len()..].to_lowercase();
        let parts: Vec<&str> = key.split(SEPARATOR).collect();
        let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if value.is_empty() {
            return true;
        }
        if parts[0] == "stores" {
            problems.in_environment(
                name,
                "",
                "the environment cannot reach into the list of stores; set this in the file, and what differs \
                 between cells in [cell]",
            );
            return false;
        }
        // Which of two such would win is left to chance by the merge.
        let below = format!("{}{SEPARATOR}", name.to_lowercase());
        if keys.iter().any(|key| key.starts_with(&below)) {
            problems.in_environment(name, "", "is a section, as other variables say; set the keys of it, or remove it");
            return false;
        }
        if !parts.iter().all(is_word) {
            problems.in_environment(name, "", "names no key; use TIDEGAUGE__SECTION__KEY");
            return false;
        }
        true
    });
    ours.into_iter().collect()
}

/// What the TOML parser says, without the wrapping, and without the line that it shows: there may be a secret in it.
fn not_toml(error: ConfigError) -> String {
    let ConfigError::FileParse { cause, .. } = error else { return error.to_string() };
    // The only complaint that comes without a line and a column, and without the number.
    let hint = match cause.is::<std::num::ParseIntError>() {
        true => format!("; whole numbers go from {} to {}", i64::MIN, i64::MAX),
        false => String::new(),
    };
    let said = cause.to_string();
    let is_shown =
        |line: &&str| line.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ').starts_with('|');
    let said: Vec<&str> = said.lines().filter(|line| !is_shown(line)).map(str::trim).collect();
    format!("not TOML that can be read: {}{hint}", said.join("; "))
}
