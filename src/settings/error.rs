//! What is wrong with settings: every problem at once, each with where it stands and what would be right.
//!
//! An operator who is told of one mistake per restart fixes five mistakes in five restarts. So nothing here stops
//! at the first: the sections note what they find in [`Problems`], and the loader refuses once, at the end.

use std::cell::RefCell;
use std::fmt;

/// Why settings were refused. Its text has one line per problem.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    /// Every problem found, in the order of the settings.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The error for something that left nothing to look further at.
    pub(super) fn single(origin: impl Into<String>, message: impl Into<String>) -> SettingsError {
        let problem = Problem { origin: origin.into(), path: String::new(), message: message.into() };
        SettingsError { problems: vec![problem] }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was set: the file's name, or `environment variable TIDEGAUGE__…`.
    pub origin: String,
    /// The key, such as `stores[1] ("orders").heartbeat.interval`; empty where it is about the whole file.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The list that all sections of one load write their problems to.
pub(super) struct Problems {
    file: String,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    /// An empty list; what was not set by the environment is laid at the door of `file`.
    pub(super) fn of_file(file: &str) -> Problems {
        Problems { file: file.to_owned(), found: RefCell::default() }
    }

    /// Notes a problem of the file.
    pub(super) fn in_file(&self, path: impl Into<String>, message: impl Into<String>) {
        self.push(self.file.clone(), path.into(), message.into());
    }

    /// Notes a problem of an environment variable.
    pub(super) fn in_environment(&self, variable: &str, path: impl Into<String>, message: impl Into<String>) {
        self.push(format!("environment variable {variable}"), path.into(), message.into());
    }

    fn push(&self, origin: String, path: String, message: String) {
        self.found.borrow_mut().push(Problem { origin, path, message });
    }

    /// How many there are by now.
    pub(super) fn count(&self) -> usize {
        self.found.borrow().len()
    }

    /// The error that has them all.
    pub(super) fn refused(self) -> SettingsError {
        SettingsError { problems: self.found.into_inner() }
    }

    /// The value, or everything that is wrong with it.
    pub(super) fn unless_any<T>(self, value: T) -> Result<T, SettingsError> {
        if self.count() == 0 { Ok(value) } else { Err(self.refused()) }
    }
}
