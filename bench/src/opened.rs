//! A case that is ready to run.

use anyhow::Result;
use serde_json::{Map, Value};

/// How to run the case once, and what it says.
pub(crate) struct Opened {
    /// One repetition.
    pub(crate) step: Box<dyn FnMut() -> Result<()>>,
    /// What the case says besides its time.
    pub(crate) report: Map<String, Value>,
}

impl Opened {
    pub(crate) fn new(step: impl FnMut() -> Result<()> + 'static) -> Self {
        Self {
            step: Box::new(step),
            report: Map::new(),
        }
    }

    pub(crate) fn report(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.report.insert(key.into(), value.into());
        self
    }
}
