//! `long_valley`: steep walls, and a floor that gets flatter away from the minimum.
//!
//! ```text
//! f(x, y) = x²/(x² + 10) + 5y²
//! ```
//!
//! Minimum 0 at (0, 0). Along the floor the gradient dies with the cube of the distance: rules that
//! divide by its size walk on, the others hardly move.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LongValley {}

impl SurfaceConfig for LongValley {
    const ABOUT: About = About::new(
        "long_valley",
        "steep walls and a floor that is flat far from the minimum",
        &[],
    );
}

impl Surface for LongValley {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let square = x.clone() * x;
        square.clone() / (square + 10.0) + y.clone() * y * 5.0
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "x²/(x² + 10) + 5y²".into(),
            minima: vec![[0.0, 0.0]],
            lowest: 0.0,
            domain: Window::new([-20.0, 20.0], [-5.0, 5.0]),
            view: Window::new([-9.0, 3.0], [-1.5, 1.5]),
            start: [-8.0, 1.0],
            lr: 0.05,
            pace: 0.2,
        }
    }
}
