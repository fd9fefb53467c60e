//! `rosenbrock`: a bent, narrow valley whose floor hardly falls.
//!
//! ```text
//! f(x, y) = (1 − x)² + 100(y − x²)²
//! ```
//!
//! Minimum 0 at (1, 1). Source: Rosenbrock, "An automatic method for finding the greatest or least
//! value of a function", 1960.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rosenbrock {}

impl SurfaceConfig for Rosenbrock {
    const ABOUT: About = About::new("rosenbrock", "a bent, narrow valley", &[]);
}

impl Surface for Rosenbrock {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let (left, across) = (-x.clone() + 1.0, y - x.clone() * x);
        left.clone() * left + across.clone() * across * 100.0
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "(1 − x)² + 100(y − x²)²".into(),
            minima: vec![[1.0, 1.0]],
            lowest: 0.0,
            domain: Window::new([-5.0, 10.0], [-5.0, 10.0]),
            view: Window::new([-2.0, 2.0], [-1.0, 3.0]),
            start: [-1.5, 2.0],
            lr: 0.001,
            pace: 0.1,
        }
    }
}
