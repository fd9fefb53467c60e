//! A case that is ready to run.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value};

/// How to run the case once, and what it says.
pub(crate) struct Opened {
    /// One repetition, and how long it took.
    pub(crate) time: Box<dyn FnMut() -> Result<Duration>>,
    /// What the case says besides its time.
    pub(crate) report: Map<String, Value>,
}

impl Opened {
    pub(crate) fn new(mut step: impl FnMut() -> Result<()> + 'static) -> Self {
        Self::on(|| (), move |()| step())
    }

    /// A step that uses up its input, which is made anew for each repetition outside of its time.
    pub(crate) fn on<T>(
        mut input: impl FnMut() -> T + 'static,
        mut step: impl FnMut(T) -> Result<()> + 'static,
    ) -> Self {
        let time = move || {
            let input = input();
            let begun = Instant::now();
            step(input)?;
            Ok(begun.elapsed())
        };
        Self {
            time: Box::new(time),
            report: Map::new(),
        }
    }

    pub(crate) fn report(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.report.insert(key.into(), value.into());
        self
    }
}
