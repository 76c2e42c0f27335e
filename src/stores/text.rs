//! Errors in words: one line for a log, and what nothing but their words tells.

use std::error::Error;
use std::fmt::{self, Write};

use crate::core::model::Reason;

/// Longest message that is kept, in characters.
const MESSAGE_MAX: usize = 300;

/// One line for the log, of words that may be somebody else's: at most 300 characters, none of them a control character.
pub fn line(words: fmt::Arguments<'_>) -> String {
    let mut line = Line { text: String::new(), room: MESSAGE_MAX };
    // The only error is a full line.
    let _ = line.write_fmt(words);
    line.text
}

/// One line for a person: the error, and what caused it, each said once.
pub fn of(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut said = String::new();
    for one in chain(error) {
        let says = one.to_string();
        if says != said {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&says);
        }
        said = says;
    }
    line(format_args!("{text}"))
}

/// What kept a request from being sent, or its answer from being read. The connectors tell these apart by nothing but
/// what they say.
pub fn out_of_reach(error: &(dyn Error + 'static)) -> Reason {
    let text = chain_in_lower_case(error);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["dns error", "failed to lookup address", "no such host"]) {
        Reason::Dns
    } else if says(&["timed out", "timeout"]) {
        Reason::Timeout
    } else if says(&["connect", "reset", "broken pipe", "io error", "closed"]) {
        Reason::Connect
    } else {
        Reason::Other
    }
}

/// An error and what caused it, outermost first.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// All that a chain says, a line each, to be searched for words.
pub fn chain_in_lower_case(error: &(dyn Error + 'static)) -> String {
    chain(error).map(|error| error.to_string().to_lowercase() + "\n").collect()
}

/// Text without control characters, cut where it is full: answers are not to be trusted with a log's layout.
struct Line {
    text: String,
    room: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(if character.is_control() { ' ' } else { character });
        }
        Ok(())
    }
}
