//! `beale`: a flat floor between steep corners, as in the lecture's figures.
//!
//! ```text
//! f(x, y) = (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²
//! ```
//!
//! Minimum 0 at (3, 0.5). Source: Beale, "On an iterative method for finding a local minimum of a
//! function of more than one variable", 1958.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Beale {}

impl SurfaceConfig for Beale {
    const ABOUT: About = About::new("beale", "a flat floor between steep corners", &[]);
}

impl Surface for Beale {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let mut power = y.clone();
        let mut sum = x.zeros_like();
        for constant in [1.5, 2.25, 2.625] {
            let term = x.clone() * (power.clone() - 1.0) + constant;
            sum = sum + term.clone() * term;
            power = power * y.clone();
        }
        sum
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²".into(),
            minima: vec![[3.0, 0.5]],
            lowest: 0.0,
            domain: Window::new([-4.5, 4.5], [-4.5, 4.5]),
            view: Window::new([-0.5, 4.0], [-1.5, 2.0]),
            start: [1.0, 1.5],
            lr: 0.005,
            pace: 0.1,
        }
    }
}
