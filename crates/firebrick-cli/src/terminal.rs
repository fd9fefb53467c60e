//! Writes to the terminal. It is not an error if the reader is gone (`firebrick … | head`); if results cannot be
//! written for another reason, such as a full disk, the command fails.
//!
//! Names of files and classes come from outside and may contain escape sequences. Of these, only colours reach the
//! terminal; [`name`] spells out even those.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use console::{Alignment, Style};
use firebrick::core::error::visible;
use serde::Serialize;

use crate::columns::columns;
use crate::failure::Failure;

/// Characters of a line of a message. A message never repeats more of what was given.
const MESSAGE_LINE: usize = 1000;

/// Why the first lost line of results could not be written.
static LOST: OnceLock<String> = OnceLock::new();

/// One line of results on stdout. Whether it arrived is asked once, by [`delivered`].
pub(crate) fn say(line: &str) {
    note(writeln!(io::stdout().lock(), "{}", harmless(line)));
}

/// Remembers that results were lost.
pub(crate) fn note(written: io::Result<()>) {
    match written {
        // What nobody reads need not be written.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            LOST.get_or_init(|| error.to_string());
        }
        _ => {}
    }
}

/// Whether all results of the command have reached stdout.
///
/// # Errors
/// [`Failure::Work`] with what the system said.
pub(crate) fn delivered() -> Result<(), Failure> {
    note(io::stdout().lock().flush());
    match LOST.get() {
        Some(problem) => Err(Failure::Work(format!(
            "the result could not be written to standard output: {problem}"
        ))),
        None => Ok(()),
    }
}

/// One line of progress or trouble on stderr.
pub(crate) fn log(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(line));
}

/// The name of a file or class on one line, its control characters spelled out.
pub(crate) fn name(name: &str) -> Cow<'_, str> {
    visible(name)
}

/// A message about what was given, fit to be printed: control characters spelled out, lines of a
/// readable length.
pub(crate) fn message(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let characters = line.chars().count();
        if characters <= MESSAGE_LINE {
            return visible(line).into_owned();
        }
        // What was given usually stands in the middle, and what is wrong with it at the end.
        let part = |from: usize, to: usize| -> String {
            let part: String = line.chars().skip(from).take(to - from).collect();
            visible(&part).into_owned()
        };
        let half = MESSAGE_LINE / 2;
        format!(
            "{} … {}",
            part(0, half),
            part(characters - half, characters)
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A text whose control characters are spelled out, except line ends, tabs and colours.
fn harmless(text: &str) -> Cow<'_, str> {
    let plain = |c: char| matches!(c, '\n' | '\t');
    if text
        .split(plain)
        .all(|part| matches!(visible(part), Cow::Borrowed(_)))
    {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = colour(rest).unwrap_or(c.len_utf8());
        let (part, after) = rest.split_at(length);
        if plain(c) || length > c.len_utf8() {
            safe.push_str(part);
        } else {
            safe.push_str(&visible(part));
        }
        rest = after;
    }
    Cow::Owned(safe)
}

/// The length of the sequence that sets a colour, if the text begins with one: `ESC [ 1 ; 31 m`.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

/// Something a person should know, on stderr.
pub(crate) fn notice(text: &str) {
    let (word, text) = match text.strip_prefix("warning: ") {
        Some(text) => ("warning:", text),
        None => ("note:", text),
    };
    let word = Style::new().for_stderr().yellow().apply_to(word);
    log(&format!("{word} {}", message(text)));
}

/// Why a command failed, on stderr.
pub(crate) fn error(text: &str) {
    let word = Style::new().for_stderr().red().bold().apply_to("error:");
    log(&format!("{word} {}", message(text)));
}

/// Prints how a command failed and gives its exit status.
pub(crate) fn failed(failure: Failure) -> ExitCode {
    match failure {
        Failure::Work(message) => {
            error(&message);
            ExitCode::from(1)
        }
        Failure::Usage(message) => {
            error(&message);
            ExitCode::from(2)
        }
        Failure::Interrupted(text) => {
            log(&message(&text));
            ExitCode::from(130)
        }
    }
}

/// The one JSON document of a command with `--json`.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::Work(format!("the result cannot be written as JSON: {error}")))?;
    say(&json_escaped(&text));
    Ok(())
}

/// JSON leaves some control characters in strings as they are; escaped, they mean the same.
fn json_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let obeyed = c != '\n' && matches!(visible(c.encode_utf8(&mut [0; 4])), Cow::Owned(_));
        if obeyed {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Prints rows as columns of equal width; the last column is left as it is.
pub(crate) fn table(rows: &[Vec<String>]) {
    columns(rows, Alignment::Left)
        .iter()
        .for_each(|line| say(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_elsewhere_commands_a_terminal() {
        // The screen cleared, the title set, a bell, a line rubbed out, C1, the direction turned.
        let evil = "a\u{1b}[2Jb\u{1b}]0;title\u{7}c\rd\u{8}e\u{9b}Hf\u{202e}g";
        let safe = harmless(evil);
        assert!(
            !safe.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{safe:?}"
        );
        for letter in "abcdefg".chars() {
            assert!(safe.contains(letter), "{safe:?}");
        }
        assert_eq!(name("two\nlines\u{1b}[31m"), "two\\nlines\\u{1b}[31m");
        let colours = "\u{1b}[1;31merror:\u{1b}[0m größe\ta\nb";
        assert_eq!(harmless(colours), colours);
        assert_eq!(harmless("\u{1b}[31"), "\\u{1b}[31");
        let json = json_escaped(&serde_json::to_string(evil).unwrap());
        assert!(
            !json.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{json:?}"
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), evil);
    }

    #[test]
    fn messages_are_readable_whatever_they_are_about() {
        let long = message(&format!(
            "first\ncannot read `{}`\nlast",
            "x\u{7}".repeat(100_000)
        ));
        let lines: Vec<_> = long.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[2]), (3, "first", "last"));
        assert!(lines[1].chars().count() < 8 * MESSAGE_LINE && lines[1].contains(" … "));
        assert!(lines[1].starts_with("cannot read `x\\u{7}x") && lines[1].ends_with('`'));
    }
}
