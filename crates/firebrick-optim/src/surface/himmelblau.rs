//! `himmelblau`: four equal minima around a hill.
//!
//! ```text
//! f(x, y) = (x² + y − 11)² + (x + y² − 7)²
//! ```
//!
//! Minimum 0 at (3, 2), (−2.805118, 3.131313), (−3.779310, −3.283186) and (3.584428, −1.848127).
//! Source: Himmelblau, "Applied Nonlinear Programming", 1972.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Himmelblau {}

impl SurfaceConfig for Himmelblau {
    const ABOUT: About = About::new("himmelblau", "four equal minima", &[]);
}

impl Surface for Himmelblau {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let first = x.clone() * x.clone() + y.clone() - 11.0;
        let second = x + y.clone() * y - 7.0;
        first.clone() * first + second.clone() * second
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "(x² + y − 11)² + (x + y² − 7)²".into(),
            minima: vec![
                [3.0, 2.0],
                [-2.805_118_086_952_745, 3.131_312_518_250_573],
                [-3.779_310_253_377_747, -3.283_185_991_286_17],
                [3.584_428_340_330_492, -1.848_126_526_964_404],
            ],
            lowest: 0.0,
            domain: Window::new([-6.0, 6.0], [-6.0, 6.0]),
            view: Window::new([-5.0, 5.0], [-5.0, 5.0]),
            start: [-0.5, -1.0],
            lr: 0.005,
            pace: 0.1,
        }
    }
}
