//! When and where a run took place, and on what data.

use serde::{Deserialize, Serialize};

/// When and where a run took place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    /// When its first session began, in UTC as RFC 3339; `None` where nobody knew the time.
    pub started: Option<String>,
    /// When its last session ended, likewise.
    pub ended: Option<String>,
    /// Sessions: one, and one more for each resume.
    pub sessions: usize,
    /// Version of Firebrick in the last session.
    pub version: String,
    /// The processor.
    pub processor: Option<String>,
    /// Threads that it runs at a time.
    pub threads: usize,
    /// The instruction set of the CPU kernels.
    pub instruction_set: String,
    /// The graphics adapter, for devices that are one.
    pub adapter: Option<String>,
}

/// The data of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunData {
    /// The data set in full, with every option.
    pub name: String,
    /// What the network reads: channels, height and width in pixels.
    pub input: [usize; 3],
    /// Training images.
    pub train: usize,
    /// Validation images; `None` without that split.
    pub valid: Option<usize>,
    /// Test images; `None` without that split.
    pub test: Option<usize>,
}
