//! Words of somebody else's, made fit for a line of the log.

use std::fmt::{self, Write};

/// Longest message that is kept, in characters.
const MESSAGE_MAX: usize = 300;

/// One line for the log, of words that may be somebody else's.
pub fn line(words: fmt::Arguments<'_>) -> String {
    let mut line = Line { text: String::new(), room: MESSAGE_MAX };
    // The only error is a full line.
    let _ = line.write_fmt(words);
    line.text
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
