//! Grey or RGB.

use serde::{Deserialize, Serialize};

/// What the images are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// One channel: light strokes on dark ground, one image in five the other way round.
    #[default]
    Grey,
    /// Three channels: coloured strokes on coloured ground.
    Rgb,
}

impl Domain {
    /// 1 or 3.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}
