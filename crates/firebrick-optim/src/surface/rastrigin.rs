//! `rastrigin`: a bowl full of local minima, one near every pair of whole numbers.
//!
//! ```text
//! f(x, y) = 20 + x² + y² − 10 cos 2πx − 10 cos 2πy
//! ```
//!
//! Minimum 0 at (0, 0). Source: Rastrigin, "Systems of extremal control", 1974.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rastrigin {}

impl SurfaceConfig for Rastrigin {
    const ABOUT: About = About::new("rastrigin", "a bowl full of local minima", &[]);
}

impl Surface for Rastrigin {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let ripple =
            |t: Tensor<1>| t.clone() * t.clone() - (t * std::f64::consts::TAU).cos() * 10.0;
        ripple(x) + ripple(y) + 20.0
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "20 + x² + y² − 10 cos 2πx − 10 cos 2πy".into(),
            minima: vec![[0.0, 0.0]],
            lowest: 0.0,
            domain: Window::new([-5.12, 5.12], [-5.12, 5.12]),
            view: Window::new([-4.0, 4.0], [-4.0, 4.0]),
            start: [-3.3, 2.7],
            lr: 0.002,
            pace: 0.1,
        }
    }
}
