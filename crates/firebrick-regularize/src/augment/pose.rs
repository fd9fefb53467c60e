//! Rotation, shift, scale and shear about the centre of the image, put together as torchvision does: [`Pose`].

use firebrick_core::about::{Field, Range};
use firebrick_core::data::Image;
use firebrick_core::image::Size;
use serde::{Deserialize, Serialize};

use super::warp::{Homography, Interpolation, Outside, Warp};

/// An affine change about the centre of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pose {
    /// Rotation in degrees, clockwise: torchvision's `affine` turns in this direction, and its `rotate` in the other one.
    pub degrees: f64,
    /// Shift to the right and down, in whole pixels.
    pub translate: [f64; 2],
    /// Factor of the size.
    pub scale: f64,
    /// Shear along x and along y, in degrees.
    pub shear: [f64; 2],
}

/// Changes nothing.
impl Default for Pose {
    fn default() -> Self {
        Self {
            degrees: 0.0,
            translate: [0.0; 2],
            scale: 1.0,
            shear: [0.0; 2],
        }
    }
}

impl Pose {
    /// From the result back to the image: torchvision's `_get_inverse_affine_matrix` with the centre of the image.
    #[must_use]
    pub fn map(&self, size: Size) -> Homography {
        let [centre_x, centre_y] = [size.width, size.height].map(|side| side as f64 * 0.5);
        let (rotation, [shear_x, shear_y]) =
            (self.degrees.to_radians(), self.shear.map(f64::to_radians));
        // Rotation, scale and shear without the scale.
        let a = (rotation - shear_y).cos() / shear_y.cos();
        let b = -(rotation - shear_y).cos() * shear_x.tan() / shear_y.cos() - rotation.sin();
        let c = (rotation - shear_y).sin() / shear_y.cos();
        let d = -(rotation - shear_y).sin() * shear_x.tan() / shear_y.cos() + rotation.cos();
        let [d, b, c, a] = [d, -b, -c, a].map(|value| value / self.scale);
        let [x, y] = [-centre_x - self.translate[0], -centre_y - self.translate[1]];
        Homography::affine([
            d,
            b,
            d * x + b * y + centre_x,
            c,
            a,
            c * x + a * y + centre_y,
        ])
    }

    /// The warp that changes an image of this size.
    #[must_use]
    pub fn warp(&self, size: Size, filter: Interpolation, fill: f64) -> Warp {
        let only_shifts = *self
            == Self {
                translate: self.translate,
                ..Self::default()
            };
        let warp = if only_shifts {
            Warp::moves(size, Homography::shift(self.translate.map(|shift| -shift)))
        } else {
            Warp::homography(size, self.map(size), filter)
        };
        warp.outside(Outside::fill(fill))
    }

    /// The changed image.
    #[must_use]
    pub fn apply(&self, image: Image, filter: Interpolation, fill: f64) -> Image {
        if *self == Self::default() {
            return image;
        }
        self.warp(image.size(), filter, fill).apply(&image)
    }
}

/// The field `filter` of augmentations that warp.
pub(super) const FILTER: Field = Field::new("filter", Range::Choice(Interpolation::NAMES));

/// The field `fill` of augmentations that warp: a share of full intensity.
pub(super) const FILL: Field = Field::new("fill", Range::Within(0.0, 1.0));
