//! What the policies `auto_augment`, `rand_augment`, `trivial_augment` and `augmix` are made of: fourteen operations
//! with torchvision's v2 names, and how strong each is at a step of a policy's scale.

use firebrick_core::image::{Image, Size};
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::autocontrast::autocontrast;
use super::brightness::brightness;
use super::contrast::contrast;
use super::equalize::equalize;
use super::invert::invert;
use super::posterize::posterize;
use super::saturation::saturation;
use super::sharpness::sharpness;
use super::solarize::solarize;
use super::warp::{Homography, Interpolation, Outside, Warp};

/// An operation of a policy. What its magnitude means is said of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Nothing.
    Identity,
    /// Shears along x: the tangent of the angle.
    ShearX,
    /// Shears along y: the tangent of the angle.
    ShearY,
    /// Moves along x: pixels, the fraction cut off.
    TranslateX,
    /// Moves along y: pixels, the fraction cut off.
    TranslateY,
    /// Turns counter-clockwise: degrees.
    Rotate,
    /// Brightness by a factor of 1 + magnitude.
    Brightness,
    /// Saturation by a factor of 1 + magnitude.
    Color,
    /// Contrast by a factor of 1 + magnitude.
    Contrast,
    /// Sharpness by a factor of 1 + magnitude.
    Sharpness,
    /// Keeps this number of bits.
    Posterize,
    /// Inverts values from this share of 255 on.
    Solarize,
    /// Stretches each channel; no magnitude.
    #[serde(rename = "autocontrast")]
    AutoContrast,
    /// Spreads the values of each channel; no magnitude.
    Equalize,
    /// The negative; no magnitude.
    Invert,
}

use Operation::{
    AutoContrast, Brightness, Color, Contrast, Equalize, Identity, Invert, Posterize, Rotate,
    Sharpness, ShearX, ShearY, Solarize, TranslateX, TranslateY,
};

impl Operation {
    /// Those among which `rand_augment` and `trivial_augment` choose, in torchvision's order.
    pub const ALL_BUT_INVERT: [Self; 14] = [
        Identity, ShearX, ShearY, TranslateX, TranslateY, Rotate, Brightness, Color, Contrast,
        Sharpness, Posterize, Solarize, AutoContrast, Equalize,
    ];

    /// Those among which `augmix` chooses, in torchvision's order. The last four are left out without `all_ops`.
    pub const OF_AUGMIX: [Self; 13] = [
        ShearX, ShearY, TranslateX, TranslateY, Rotate, Posterize, Solarize, AutoContrast,
        Equalize, Brightness, Color, Contrast, Sharpness,
    ];

    /// Whether it moves pixels.
    #[must_use]
    pub fn is_geometric(self) -> bool {
        matches!(self, ShearX | ShearY | TranslateX | TranslateY | Rotate)
    }

    /// Whether its magnitude is negated in half of the cases.
    #[must_use]
    pub fn is_signed(self) -> bool {
        self.is_geometric() || matches!(self, Brightness | Color | Contrast | Sharpness)
    }
}

/// How far `translate_x` and `translate_y` move at the end of a scale.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reach {
    Pixels(f64),
    /// Of the image's width or height.
    Share(f64),
}

/// How strong the operations of a policy are: from nothing at step 0 to the most at the last step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The number of steps.
    pub steps: usize,
    shear: f64,
    translate: Reach,
    degrees: f64,
    enhance: f64,
    /// Bits kept at the first step, and how many fewer at the last one.
    bits: (f64, f64),
}

impl Scale {
    /// Of `auto_augment`.
    pub const AUTO: Self = Self {
        steps: 10,
        shear: 0.3,
        translate: Reach::Share(150.0 / 331.0),
        degrees: 30.0,
        enhance: 0.9,
        bits: (8.0, 4.0),
    };

    /// Of `rand_augment`.
    pub const RAND: Self = Self { steps: 31, ..Self::AUTO };

    /// Of `trivial_augment`: the wide one of the paper.
    pub const WIDE: Self = Self {
        steps: 31,
        shear: 0.99,
        translate: Reach::Pixels(32.0),
        degrees: 135.0,
        enhance: 0.99,
        bits: (8.0, 6.0),
    };

    /// Of `augmix`.
    pub const AUGMIX: Self = Self {
        steps: 10,
        translate: Reach::Share(1.0 / 3.0),
        bits: (4.0, 4.0),
        ..Self::AUTO
    };

    /// How strong an operation is at a step, which may lie between two whole ones, on an image of this size;
    /// `None` for an operation without a magnitude.
    #[must_use]
    pub fn magnitude(
        &self,
        operation: Operation,
        step: f64,
        size: Size,
    ) -> Option<f64> {
        let up_to = |most: f64| Some(self.between(0.0, most, step));
        let reach = |side: usize| match self.translate {
            Reach::Pixels(pixels) => up_to(pixels),
            Reach::Share(share) => up_to(share * side as f64),
        };
        match operation {
            ShearX | ShearY => up_to(self.shear),
            TranslateX => reach(size.width),
            TranslateY => reach(size.height),
            Rotate => up_to(self.degrees),
            Brightness | Color | Contrast | Sharpness => up_to(self.enhance),
            Posterize => {
                let (first, fewer) = self.bits;
                let steps_for_a_bit = (self.steps - 1) as f64 / fewer;
                Some((first - step / steps_for_a_bit).round_ties_even())
            }
            Solarize => Some(self.between(1.0, 0.0, step)),
            Identity | AutoContrast | Equalize | Invert => None,
        }
    }

    /// The value at a step of evenly spaced ones, as `torch.linspace` computes it in single precision: the second half
    /// from the end, so that the end is exact, and rounded once.
    fn between(&self, first: f64, last: f64, step: f64) -> f64 {
        let (first, last, intervals) = (first as f32, last as f32, (self.steps - 1) as f64);
        let width = f64::from((last - first) / intervals as f32);
        let value = if step < (self.steps / 2) as f64 {
            f64::from(first) + width * step
        } else {
            f64::from(last) - width * (intervals - step)
        };
        f64::from(value as f32)
    }

    /// Draws the sign of a magnitude, and gives the operation with its magnitude at a step.
    pub(super) fn drawn(
        &self,
        operation: Operation,
        step: f64,
        size: Size,
        rng: &mut HostRng,
    ) -> Change {
        let magnitude = self.magnitude(operation, step, size);
        let negative = operation.is_signed() && rng.random::<f64>() < 0.5;
        Change {
            operation,
            magnitude: magnitude.map(|magnitude| if negative { -magnitude } else { magnitude }),
        }
    }
}

/// An operation that was drawn, and how strong it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What is done.
    pub operation: Operation,
    /// How strong; what that means depends on the operation. `None` where it has no magnitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magnitude: Option<f64>,
}

impl Change {
    /// Does it.
    pub(super) fn apply(&self, mut image: Image, geometry: Geometry) -> Image {
        let magnitude = self.magnitude.unwrap_or_default();
        match self.operation {
            Identity => {}
            ShearX | ShearY | TranslateX | TranslateY | Rotate => {
                // Each by itself, as in torchvision.
                return geometry.warp(image.size(), self).apply(&image);
            }
            Brightness => brightness(&mut image, 1.0 + magnitude),
            Color => saturation(&mut image, 1.0 + magnitude),
            Contrast => contrast(&mut image, 1.0 + magnitude),
            Sharpness => sharpness(&mut image, 1.0 + magnitude),
            Posterize => posterize(&mut image, magnitude as u32),
            Solarize => solarize(&mut image, 255.0 * magnitude),
            AutoContrast => autocontrast(&mut image),
            Equalize => equalize(&mut image),
            Invert => invert(&mut image),
        }
        image
    }
}

/// How the geometric operations of a policy read the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Geometry {
    interpolation: Interpolation,
    fill: u8,
}

impl Geometry {
    /// `fill` is a share of full intensity.
    pub(super) fn new(interpolation: Interpolation, fill: f64) -> Self {
        Self {
            interpolation,
            fill: (255.0 * fill).round() as u8,
        }
    }

    fn warp(self, size: Size, change: &Change) -> Warp {
        let map = homography(size, change);
        Warp::homography(size, map, self.interpolation).outside(Outside::Fill(self.fill))
    }

    /// What moves masks and boxes along with an image that several operations change. It does not join with other
    /// geometric steps, because the operations between would be lost.
    pub(super) fn alone(self, size: Size, changes: &[Change]) -> Option<Warp> {
        let maps = changes.iter().map(|change| homography(size, change));
        // The last operation is the first that a point of the result goes back through.
        let map = maps.reduce(|before, next| before.after(&next))?;
        (map != Homography::IDENTITY)
            .then(|| Warp::areas(size, map).outside(Outside::Fill(self.fill)))
    }
}

/// Where a point of the result lies in the image.
fn homography(size: Size, change: &Change) -> Homography {
    let magnitude = change.magnitude.unwrap_or_default();
    match change.operation {
        ShearX => Homography::affine([1.0, magnitude, 0.0, 0.0, 1.0, 0.0]),
        ShearY => Homography::affine([1.0, 0.0, 0.0, magnitude, 1.0, 0.0]),
        TranslateX => Homography::shift([-magnitude.trunc(), 0.0]),
        TranslateY => Homography::shift([0.0, -magnitude.trunc()]),
        Rotate => {
            let (sin, cos) = magnitude.to_radians().sin_cos();
            let (x, y) = (size.width as f64 / 2.0, size.height as f64 / 2.0);
            Homography::affine([
                cos,
                -sin,
                x - cos * x + sin * y,
                sin,
                cos,
                y - sin * x - cos * y,
            ])
        }
        _ => Homography::IDENTITY,
    }
}
