//! What crops have in common: the part that is cut out, and what becomes of a crop that is larger than the image.

use firebrick_core::ConfigError;
use firebrick_core::data::Image;
use firebrick_core::image::Size;
use serde::{Deserialize, Serialize};

use super::warp::{Homography, Outside, Warp};

/// The part of an image that a crop cuts out. It may begin before the image and end beyond it, in a border of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The first row; negative in the border.
    pub top: i64,
    /// The first column; negative in the border.
    pub left: i64,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Cut {
    /// Its size.
    #[must_use]
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// The part of the image, with a border of `fill`, a share of full intensity, where it reaches beyond.
    #[must_use]
    pub fn of(&self, image: Image, fill: f64) -> Image {
        let inside = |first: i64, length: usize, all: usize| {
            usize::try_from(first)
                .ok()
                .filter(|first| first + length <= all)
        };
        let top = inside(self.top, self.height, image.height);
        let left = inside(self.left, self.width, image.width);
        match (left, top) {
            (Some(left), Some(top)) => image.crop(left, top, self.size()),
            _ => self.warp(fill).apply(&image),
        }
    }

    /// How pixels move.
    #[must_use]
    pub fn warp(&self, fill: f64) -> Warp {
        let map = Homography::shift([self.left as f64, self.top as f64]);
        Warp::moves(self.size(), map).outside(Outside::fill(fill))
    }
}

/// Refuses a crop that is larger than the image.
///
/// # Errors
/// [`ConfigError::Conflict`] with both sizes and the ways out.
pub fn check_larger(unit: &str, crop: Size, input: Option<Size>) -> Result<(), ConfigError> {
    match input {
        Some(input) if crop.width > input.width || crop.height > input.height => {
            Err(ConfigError::Conflict(format!(
                "{unit}: the crop of {crop} is larger than the image of {input}: make it smaller, resize first, or pad with \
                 pad_if_needed=true"
            )))
        }
        _ => Ok(()),
    }
}
