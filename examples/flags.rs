//! The flags of an experiment.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};

/// Flags: `--name value`, or for switches `--name`. A flag that is not known is an error, since a misspelt one would be
/// noticed only after hours of training.
#[derive(Debug)]
pub struct Flags {
    given: BTreeMap<String, String>,
}

impl Flags {
    /// The flags of this program; `--smoke` is one of every example.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn read(names: &[&str], switches: &[&str]) -> anyhow::Result<Self> {
        let switches = [switches, &["--smoke"]].concat();
        Self::parse(std::env::args().skip(1), names, &switches)
    }

    /// Flags from the arguments of a program.
    ///
    /// # Errors
    /// A flag that is not known, is given twice, or has no value.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        names: &[&str],
        switches: &[&str],
    ) -> anyhow::Result<Self> {
        let mut given = BTreeMap::new();
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let value = if switches.contains(&&*name) {
                String::new()
            } else if names.contains(&&*name) {
                arguments
                    .next()
                    .with_context(|| format!("{name} needs a value"))?
            } else {
                let known = [names, switches].concat().join(", ");
                bail!("there is no flag {name}; the flags are {known}");
            };
            if given.insert(name.clone(), value).is_some() {
                bail!("{name} is given twice");
            }
        }
        Ok(Self { given })
    }

    /// Whether a switch is given.
    pub fn has(&self, switch: &str) -> bool {
        self.given.contains_key(switch)
    }

    /// The value of a flag.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// The value of a flag, read as a number or a spec; `default` where it is not given.
    ///
    /// # Errors
    /// A value that cannot be read.
    pub fn value<T>(&self, name: &str, default: T) -> anyhow::Result<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        text.parse()
            .map_err(|error| anyhow!("{name} {text}: {error}"))
    }

    /// The value of a flag that counts something: a whole number from 1 on.
    ///
    /// # Errors
    /// A value that is none.
    pub fn count(&self, name: &str, default: u64) -> anyhow::Result<u64> {
        let count = self.value(name, default)?;
        if count == 0 {
            bail!("{name} 0: it must be at least 1");
        }
        Ok(count)
    }
}
