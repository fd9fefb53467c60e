//! `saddle`: a saddle point, down in both directions along y and up along x.
//!
//! ```text
//! f(x, y) = x² − y²
//! ```
//!
//! No minimum: it falls without end along y. The saddle, height 0, is at (0, 0); the start lies a hair
//! beside the line that leads into it.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Saddle {}

impl SurfaceConfig for Saddle {
    const ABOUT: About = About::new(
        "saddle",
        "a saddle point: down along y, up along x, no minimum",
        &[],
    );
}

impl Surface for Saddle {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        x.clone() * x - y.clone() * y
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "x² − y²".into(),
            minima: vec![],
            lowest: 0.0,
            domain: Window::new([-10.0, 10.0], [-10.0, 10.0]),
            view: Window::new([-2.0, 2.0], [-2.0, 2.0]),
            start: [-1.5, 0.01],
            lr: 0.02,
            pace: 0.1,
        }
    }
}
