//! The flags of `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::cases::Suite;

/// How it is called.
pub(crate) const USAGE: &str = "cargo xtask bench [conv|norm|optim|step|infer|zoo|augment|transfer]… \
    [--threads N] [--rounds N] [--filter TEXT] [--json FILE] [--worker FILE] [--before FILE]";

/// What to measure and how.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    /// In the order given; all without one.
    pub(super) suites: Vec<Suite>,
    /// Of every contender; `augment` has one.
    pub(super) threads: usize,
    /// Bursts of each contender in each case.
    pub(super) rounds: usize,
    /// Runs only cases whose names contain it.
    pub(super) filter: Option<String>,
    /// Where every figure goes.
    pub(super) json: Option<PathBuf>,
    /// A worker that is built already; without it, it is built.
    pub(super) worker: Option<PathBuf>,
    /// The worker of an earlier version, which runs every case beside the others.
    pub(super) before: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            suites: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            rounds: 15,
            filter: None,
            json: None,
            worker: None,
            before: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if let Some(suite) = Suite::ALL
                .into_iter()
                .find(|suite| suite.name() == argument)
            {
                options.suites.push(suite);
                continue;
            }
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("{argument} needs a value\n{USAGE}"))
            };
            match argument.as_str() {
                "--threads" => options.threads = count(argument, value()?)?,
                "--rounds" => options.rounds = count(argument, value()?)?,
                "--filter" => options.filter = Some(value()?.clone()),
                "--json" => options.json = Some(value()?.into()),
                "--worker" => options.worker = Some(value()?.into()),
                "--before" => options.before = Some(value()?.into()),
                _ => bail!("unknown argument {argument}\n{USAGE}"),
            }
        }
        if options.suites.is_empty() {
            options.suites = Suite::ALL.to_vec();
        }
        Ok(options)
    }
}

fn count(flag: &str, value: &str) -> Result<usize> {
    match value.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => bail!("{flag} {value}: a number of at least 1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(ToString::to_string).collect();
        Options::parse(&words)
    }

    #[test]
    fn flags_and_suites_mix() {
        let options =
            parse("step --threads 1 conv --rounds 3 --json out.json --before old").unwrap();
        assert_eq!(options.suites, [Suite::Step, Suite::Conv]);
        assert_eq!((options.threads, options.rounds), (1, 3));
        assert_eq!(options.json, Some("out.json".into()));
        assert_eq!((options.worker, options.before), (None, Some("old".into())));
        assert_eq!(parse("").unwrap().suites, Suite::ALL);
        assert_eq!(parse("").unwrap().rounds, 15);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, needle) in [
            ("covn", "covn"),
            ("--rounds", "needs a value"),
            ("--threads 0", "--threads 0"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
