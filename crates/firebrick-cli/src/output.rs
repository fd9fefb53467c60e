//! Writing to the terminal. A reader that went away (`firebrick … | head`) is no error; results that
//! cannot be written for another reason, such as a full disk, make the command fail.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use serde::Serialize;

use crate::failure::Failure;

/// Why the first lost line of results could not be written.
static LOST: OnceLock<String> = OnceLock::new();

/// One line of results on stdout. Whether it arrived is asked once, by [`delivered`].
pub(crate) fn say(line: &str) {
    note(writeln!(io::stdout().lock(), "{line}"));
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
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The one JSON document of a command with `--json`.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::Work(format!("the result cannot be written as JSON: {error}")))?;
    say(&text);
    Ok(())
}

/// Rows as columns of equal width; the last column is left as it is.
pub(crate) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| {
                if at + 1 == row.len() {
                    cell.clone()
                } else {
                    format!("{cell:<width$}")
                }
            });
        say(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A fraction as a percentage with two decimals.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// 1234567 as 1 234 567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}
