//! One table of the settings, read key by key.
//!
//! Whoever reads a section asks for each key that it knows, and calls [`Section::finish`]; what nobody asked for is
//! unknown and refused. A value that is wrong is noted as a problem and comes back as `None`, so that the reader
//! carries on with its default and finds the next problem: the result is thrown away then.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Value, ValueKind};

use super::error::Problems;
use super::sources::{FROM_ENVIRONMENT, PREFIX};
use super::suggest;

/// A table of the settings, and the keys that were asked for so far.
pub(super) struct Section<'p> {
    problems: &'p Problems,
    path: String,
    values: BTreeMap<String, Value>,
    known: Vec<&'static str>,
}

impl<'p> Section<'p> {
    /// The whole settings.
    pub(super) fn root(value: Value, problems: &'p Problems) -> Section<'p> {
        Section::of(value, String::new(), problems).unwrap_or_else(|| Section {
            problems,
            path: String::new(),
            values: BTreeMap::new(),
            known: Vec::new(),
        })
    }

    /// The table at `path`, if it is one. A value that is none is a problem.
    fn of(value: Value, path: String, problems: &'p Problems) -> Option<Section<'p>> {
        match value.kind {
            ValueKind::Table(table) => {
                let values = table.into_iter().collect();
                Some(Section { problems, path, values, known: Vec::new() })
            }
            _ => {
                let message = format!("expected a table of keys, found {}", describe(&value));
                note(problems, &path, Some(&value), &message);
                None
            }
        }
    }

    /// Adds the operator's own name for this section to the path in its messages: `stores[1] ("orders")`.
    pub(super) fn call_it(&mut self, name: &str) {
        self.path = format!("{} ({name:?})", self.path);
    }

    /// Whether the key is set, to whatever.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A string as it stands, for looking over sections before they are read.
    pub(super) fn peek(&self, key: &str) -> Option<&str> {
        match &self.values.get(key)?.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// Makes a key known without reading it.
    pub(super) fn allow(&mut self, key: &'static str) {
        self.known.push(key);
    }

    /// The path of a key of this section.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a problem with a key of this section.
    pub(super) fn problem(&self, key: &str, message: impl AsRef<str>) {
        note(self.problems, &self.path_of(key), self.values.get(key), message.as_ref());
    }

    /// Notes a problem with the section as a whole.
    pub(super) fn problem_here(&self, message: impl AsRef<str>) {
        note(self.problems, &self.path, None, message.as_ref());
    }

    /// How many problems all sections have by now.
    pub(super) fn problem_count(&self) -> usize {
        self.problems.count()
    }

    /// Notes a problem if the key is not set. `hint` says what to set it to.
    pub(super) fn require(&self, key: &str, hint: &str) {
        if !self.has(key) {
            self.problem(key, format!("is missing; {hint}"));
        }
    }

    /// A string that `parse` makes something of; its error is the message.
    pub(super) fn text<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.read(key, |value| match &value.kind {
            ValueKind::String(text) => parse(text),
            _ => Err(format!("expected a string in quotes, found {}", describe(value))),
        })
    }

    /// A list of strings, of each of which `parse` makes something.
    pub(super) fn texts<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        self.read(key, |value| {
            let expected =
                |value: &Value| format!("expected a list of strings such as [\"a\", \"b\"], found {}", describe(value));
            let ValueKind::Array(entries) = &value.kind else { return Err(expected(value)) };
            let each = entries.iter().map(|entry| match &entry.kind {
                ValueKind::String(text) => parse(text),
                _ => Err(format!("expected a list of strings, and one of them is {}", describe(entry))),
            });
            each.collect()
        })
    }

    /// A table of strings, whatever its keys; `parse` is handed both.
    pub(super) fn texts_by_key(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str, &str) -> Result<(), String>,
    ) -> Option<BTreeMap<String, String>> {
        self.read(key, |value| {
            let ValueKind::Table(table) = &value.kind else {
                return Err(format!("expected a table of strings such as {{ a = \"b\" }}, found {}", describe(value)));
            };
            let each = table.iter().map(|(key, entry)| match &entry.kind {
                ValueKind::String(text) => parse(key, text).map(|()| (key.clone(), text.clone())),
                _ => Err(format!("{key:?} is to be a string, and is {}", describe(entry))),
            });
            each.collect()
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        self.text(key, |text| match choices.iter().find(|(word, _)| *word == text) {
            Some(&(_, chosen)) => Ok(chosen),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                let meant = suggest::nearest(text, &words);
                let meant = meant.map(|word| format!("; did you mean {word:?}?")).unwrap_or_default();
                Err(format!("{text:?} is not known here; use {}{meant}", quoted.join(" or ")))
            }
        })
    }

    /// A duration such as `"250ms"`, within bounds.
    pub(super) fn duration(&mut self, key: &'static str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        self.read(key, |value| {
            let text = match &value.kind {
                ValueKind::String(text) if text.trim().parse::<f64>().is_err() => text,
                ValueKind::String(_) | ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::Float(_) => {
                    return Err(format!(
                        "{} is a bare number; write a duration with its unit, such as \"1s\" or \"250ms\"",
                        value.kind
                    ));
                }
                _ => return Err(format!("expected a duration such as \"1s\", found {}", describe(value))),
            };
            let duration = humantime::parse_duration(text)
                .map_err(|error| format!("{text:?} is not a duration ({error}); write \"1s\", \"250ms\" or \"5m\""))?;
            let (min, max) = (*bounds.start(), *bounds.end());
            let fault = if duration < min {
                "short"
            } else if duration > max {
                "long"
            } else {
                return Ok(duration);
            };
            let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
            Err(format!("{text:?} is too {fault}; use {min} to {max}"))
        })
    }

    /// A whole number within bounds.
    pub(super) fn integer<T>(&mut self, key: &'static str, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display + Copy,
    {
        self.read(key, |value| {
            let found = match &value.kind {
                ValueKind::I64(number) => Some(i128::from(*number)),
                ValueKind::U64(number) => Some(i128::from(*number)),
                ValueKind::String(text) if is_from_environment(value) => text.trim().parse().ok(),
                _ => None,
            };
            let (min, max) = (bounds.start(), bounds.end());
            let found = found.ok_or_else(|| {
                format!("expected a whole number from {min} to {max}, without quotes, found {}", describe(value))
            })?;
            match T::try_from(found) {
                Ok(number) if bounds.contains(&number) => Ok(number),
                _ => Err(format!("{found} is out of range; use {min} to {max}")),
            }
        })
    }

    /// A number within bounds.
    pub(super) fn number(&mut self, key: &'static str, bounds: RangeInclusive<f64>) -> Option<f64> {
        self.read(key, |value| {
            let found = match &value.kind {
                ValueKind::I64(number) => Some(*number as f64),
                ValueKind::Float(number) => Some(*number),
                ValueKind::String(text) if is_from_environment(value) => text.trim().parse().ok(),
                _ => None,
            };
            let (min, max) = (bounds.start(), bounds.end());
            match found {
                Some(number) if bounds.contains(&number) => Ok(number),
                Some(number) => Err(format!("{number} is out of range; use {min} to {max}")),
                None => Err(format!("expected a number from {min} to {max}, found {}", describe(value))),
            }
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, |value| match &value.kind {
            ValueKind::Boolean(flag) => Ok(*flag),
            ValueKind::String(text) if is_from_environment(value) && text == "true" => Ok(true),
            ValueKind::String(text) if is_from_environment(value) && text == "false" => Ok(false),
            _ => Err(format!("expected true or false, without quotes, found {}", describe(value))),
        })
    }

    /// Whether the key is set to a table rather than to a plain value.
    pub(super) fn is_table(&self, key: &str) -> bool {
        matches!(self.values.get(key).map(|value| &value.kind), Some(ValueKind::Table(_)))
    }

    /// A table under this one.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'p>> {
        let path = self.path_of(key);
        let value = self.ask_for(key)?.clone();
        Section::of(value, path, self.problems)
    }

    /// A table under this one, or an empty one where it is absent or no table.
    pub(super) fn section_or_empty(&mut self, key: &'static str) -> Section<'p> {
        let (problems, path) = (self.problems, self.path_of(key));
        self.section(key).unwrap_or_else(|| Section { problems, path, values: BTreeMap::new(), known: Vec::new() })
    }

    /// A list of tables under this one. Entries that are no table are problems, and left out.
    pub(super) fn sections(&mut self, key: &'static str, example: &str) -> Vec<Section<'p>> {
        let (problems, path) = (self.problems, self.path_of(key));
        let Some(value) = self.ask_for(key).cloned() else { return Vec::new() };
        let ValueKind::Array(entries) = value.kind else {
            note(
                problems,
                &path,
                Some(&value),
                &format!("expected a list such as {example}, found {}", describe(&value)),
            );
            return Vec::new();
        };
        let entries = entries.into_iter().enumerate();
        entries.filter_map(|(index, entry)| Section::of(entry, format!("{path}[{index}]"), problems)).collect()
    }

    /// Refuses the keys that nobody asked for.
    pub(super) fn finish(&self) {
        for (key, value) in self.values.iter().filter(|(key, _)| !self.known.contains(&key.as_str())) {
            let help = match suggest::nearest(key, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here are {}", self.known.join(", ")),
            };
            let message = format!("unknown key `{key}`; {help}");
            match set_by(value, &self.path_of(key)) {
                Some(variable) => self.problems.in_environment(&variable, self.path.as_str(), message),
                None => self.problems.in_file(self.path.as_str(), message),
            }
        }
    }

    /// The value of a key, which is known from now on.
    fn ask_for(&mut self, key: &'static str) -> Option<&Value> {
        self.known.push(key);
        self.values.get(key)
    }

    fn read<T>(&mut self, key: &'static str, parse: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        match parse(self.ask_for(key)?) {
            Ok(read) => Some(read),
            Err(message) => {
                self.problem(key, message);
                None
            }
        }
    }
}

/// Notes a problem where the value was set: in the file, or by a variable of the environment.
fn note(problems: &Problems, path: &str, value: Option<&Value>, message: &str) {
    match value.and_then(|value| set_by(value, path)) {
        Some(variable) => problems.in_environment(&variable, path, message),
        None => problems.in_file(path, message),
    }
}

/// The variable that set this value, or the first key under it; `None` where the file did.
fn set_by(value: &Value, path: &str) -> Option<String> {
    if let ValueKind::Table(table) = &value.kind {
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by(|a, b| a.0.cmp(b.0));
        // A table that the file has a hand in is the file's.
        let variables: Option<Vec<_>> =
            keys.iter().map(|(key, value)| set_by(value, &format!("{path}.{key}"))).collect();
        return variables?.into_iter().next();
    }
    is_from_environment(value).then(|| format!("{PREFIX}{}", path.replace('.', "__").to_uppercase()))
}

fn is_from_environment(value: &Value) -> bool {
    value.origin() == Some(FROM_ENVIRONMENT)
}

/// A value in a sentence.
fn describe(value: &Value) -> String {
    match &value.kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::String(text) => format!("the string {text:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Boolean(flag) => flag.to_string(),
        _ => format!("the number {}", value.kind),
    }
}
