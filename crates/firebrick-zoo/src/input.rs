//! The input of a model and its number of classes.

use firebrick_core::ConfigError;
use serde::{Deserialize, Serialize};

/// The longest side of an image that a model reads, in pixels.
pub const MAX_SIDE: usize = 4096;
/// The most classes that a model tells apart.
pub const MAX_CLASSES: usize = 1_000_000;
/// The most values of one image: three channels of the longest sides.
const MAX_VALUES: usize = 3 * MAX_SIDE * MAX_SIDE;

/// The shape of the images that a model reads, and the number of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// 1 (grey), 3 (RGB), or any other number of planes.
    pub channels: usize,
    /// Height in pixels, at most [`MAX_SIDE`].
    pub height: usize,
    /// Width in pixels, at most [`MAX_SIDE`].
    pub width: usize,
    /// Classes to tell apart, from 2 to [`MAX_CLASSES`].
    pub classes: usize,
}

impl Input {
    /// Refuses what no model can use: sides below `least_side` pixels, and sizes that exceed any memory.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the model, the size and the value.
    pub fn check(&self, model: &str, least_side: usize) -> Result<(), ConfigError> {
        let most_channels =
            MAX_VALUES / self.height.clamp(1, MAX_SIDE) / self.width.clamp(1, MAX_SIDE);
        for (field, value, least, most) in [
            ("input height", self.height, least_side, MAX_SIDE),
            ("input width", self.width, least_side, MAX_SIDE),
            ("input channels", self.channels, 1, most_channels),
            ("classes", self.classes, 2, MAX_CLASSES),
        ] {
            let range = if value < least {
                format!("at least {least}")
            } else if value > most {
                format!("at most {most}")
            } else {
                continue;
            };
            return Err(ConfigError::out_of_range(model, field, value, range));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_any_memory_are_refused_for_every_model() {
        let device = firebrick_core::device("flex").unwrap();
        let sizes = |channels, height, width, classes| Input {
            channels,
            height,
            width,
            classes,
        };
        let huge = usize::MAX;
        for entry in crate::REGISTRY.entries() {
            let spec = firebrick_core::spec::Spec::new(entry.about.name);
            for (input, needle) in [
                (sizes(3, 100, 100, huge), "classes = 18446744073709551615"),
                (sizes(3, 100, 100, MAX_CLASSES + 1), "at most 1000000"),
                (sizes(3, 100_000, 100_000, 10), "input height = 100000"),
                (sizes(3, 100, MAX_SIDE + 1, 10), "input width = 4097"),
                (sizes(huge, 100, 100, 10), "input channels"),
                (sizes(4, MAX_SIDE, MAX_SIDE, 10), "at most 3"),
                (sizes(3, 100, 0, 10), "at least"),
            ] {
                let error = crate::build(&spec, &input, 0, &device)
                    .unwrap_err()
                    .to_string();
                assert!(error.contains(needle), "{spec}, {input:?}: {error}");
            }
        }
    }

    #[test]
    fn shapes_are_known_before_anything_is_drawn() {
        let device = firebrick_core::device("flex").unwrap();
        for entry in crate::TINY.entries() {
            let spec = firebrick_core::spec::Spec::new(entry.about.name);
            let input = crate::default_input(&spec).unwrap();
            let undrawn = crate::undrawn(&spec, &input, &device).unwrap();
            let drawn = crate::build(&spec, &input, 0, &device).unwrap();
            let shapes = |model| firebrick_core::state_dict::StateDict::shapes(model);
            assert_eq!(shapes(&undrawn), shapes(&drawn), "{spec}");
        }
        // Drawn, this would take 8 GB.
        let spec = "lenet5".parse().unwrap();
        let input = Input {
            channels: 3,
            height: MAX_SIDE,
            width: MAX_SIDE,
            classes: MAX_CLASSES,
        };
        let model = crate::undrawn(&spec, &input, &device).unwrap();
        assert_eq!(crate::parameters(&model), 2_086_499_876);
    }
}
