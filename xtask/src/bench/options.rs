//! The flags of `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::cases::Suite;

/// How it is called.
pub(crate) const USAGE: &str = "cargo xtask bench [conv|norm|optim|step|infer|augment]… \
    [--threads N] [--rounds N] [--filter TEXT] [--json FILE] [--worker FILE]";

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
    /// A worker that was built before, such as one to compare with.
    pub(super) worker: Option<PathBuf>,
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
            if !["--threads", "--rounds", "--filter", "--json", "--worker"]
                .contains(&argument.as_str())
            {
                bail!("unknown argument {argument}\n{USAGE}");
            }
            let value = arguments
                .next()
                .with_context(|| format!("{argument} needs a value\n{USAGE}"))?;
            match argument.as_str() {
                "--threads" => options.threads = count(argument, value)?,
                "--rounds" => options.rounds = count(argument, value)?,
                "--filter" => options.filter = Some(value.clone()),
                "--worker" => options.worker = Some(value.into()),
                _ => options.json = Some(value.into()),
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
        let options = parse("step --threads 1 conv --rounds 3 --json out.json").unwrap();
        assert_eq!(options.suites, [Suite::Step, Suite::Conv]);
        assert_eq!((options.threads, options.rounds), (1, 3));
        assert_eq!(options.json, Some("out.json".into()));
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
