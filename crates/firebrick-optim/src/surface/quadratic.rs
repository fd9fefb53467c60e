//! `quadratic`: a bowl along the axes.
//!
//! ```text
//! f(x, y) = ½(x² + condition · y²)
//! ```
//!
//! Minimum 0 at (0, 0). `condition` is the ratio of the curvatures, 10 where it is not given; gradient
//! descent is stable below the rate 2/condition.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quadratic {
    /// How much steeper it is in y than in x.
    pub condition: f64,
}

impl Default for Quadratic {
    fn default() -> Self {
        Self { condition: 10.0 }
    }
}

impl Quadratic {
    /// The surface of a condition in [1, 1e9].
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming `condition`.
    pub fn build(self) -> Result<Self, ConfigError> {
        Self::ABOUT.check(&self)?;
        Ok(self)
    }
}

impl SurfaceConfig for Quadratic {
    const ABOUT: About = About::new(
        "quadratic",
        "a bowl, steeper along y than along x",
        &[Field::new("condition", Range::Within(1.0, 1e9))],
    );
}

impl Surface for Quadratic {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        (x.clone() * x + y.clone() * y * self.condition) * 0.5
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: format!("½(x² + {} · y²)", self.condition),
            minima: vec![[0.0, 0.0]],
            lowest: 0.0,
            domain: Window::new([-10.0, 10.0], [-10.0, 10.0]),
            view: Window::new([-2.5, 1.5], [-1.5, 1.5]),
            start: [-2.0, 1.0],
            lr: 0.5 / self.condition,
            pace: 0.1,
        }
    }
}
