//! The size of a crop or a resize as an argument: [`Sides`].

use firebrick_core::image::Size;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One number for both sides, or `[height, width]` as in torchvision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// A square; of a resize, the shorter side.
    One(usize),
    /// `[height, width]`.
    Both([usize; 2]),
}

impl Sides {
    /// The size of a crop.
    #[must_use]
    pub fn size(self) -> Size {
        match self {
            Self::One(side) => Size::new(side, side),
            Self::Both([height, width]) => Size::new(width, height),
        }
    }
}

impl Serialize for Sides {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(side) => side.serialize(serializer),
            Self::Both(sides) => sides.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected a whole number of pixels, or [height, width]"
        )]
        enum Either {
            One(usize),
            Both([usize; 2]),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::One(side) => Self::One(side),
            Either::Both(sides) => Self::Both(sides),
        })
    }
}
