//! What a model reads and what it tells apart.

use firebrick_core::ConfigError;
use serde::{Deserialize, Serialize};

/// The shape of the images that a model reads, and the number of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// 1 (grey), 3 (RGB), or any other number of planes.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Classes to tell apart, at least 2.
    pub classes: usize,
}

impl Input {
    /// Refuses what no model can use, and images with a side below `least_side` pixels.
    pub(crate) fn check(&self, model: &str, least_side: usize) -> Result<(), ConfigError> {
        let least = [
            ("input channels", self.channels, 1),
            ("input height", self.height, least_side),
            ("input width", self.width, least_side),
            ("classes", self.classes, 2),
        ];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((field, value, least)) => Err(ConfigError::out_of_range(
                model,
                field,
                value,
                format!("at least {least}"),
            )),
            None => Ok(()),
        }
    }
}
