//! The command lines of the README, the guide and the help are ones that the parser accepts.

use clap::FromArgMatches;
use clap::error::ErrorKind;

use crate::shell_blocks::{commands, pages, words};

/// Reads a command line as the program would, without running it.
pub(crate) fn parse(line: &str) -> Result<(), String> {
    let matches = match crate::command().try_get_matches_from(words(line)) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => return Ok(()),
        matches => matches,
    };
    let read = matches.and_then(|matches| crate::Cli::from_arg_matches(&matches));
    read.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn every_command_of_the_guide_is_one() {
    let mut count = 0;
    for (page, text) in pages() {
        for line in commands(&text) {
            // `cargo run --release -- train` is `firebrick train`.
            let line = match line.split_once("cargo run --release -- ") {
                Some((_, rest)) => format!("firebrick {rest}"),
                None => line,
            };
            if line.starts_with("firebrick ") {
                parse(&line).unwrap_or_else(|why| panic!("{page}: {line}\n{why}"));
                count += 1;
            }
        }
    }
    assert!(count > 40, "only {count} commands were found");
    assert!(parse("firebrick train --optimiser adam").is_err());
}
