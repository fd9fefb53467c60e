//! `ravine`: a narrow bowl that lies across the axes.
//!
//! ```text
//! f(x, y) = ¼((x + y)² + 50(y − x)²)
//! ```
//!
//! Minimum 0 at (0, 0). The curvatures are 1 along (1, 1) and 50 across it, so that a rate for each
//! coordinate does not straighten it, as it does `quadratic`.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ravine {}

impl SurfaceConfig for Ravine {
    const ABOUT: About = About::new("ravine", "a narrow bowl, diagonal to the axes", &[]);
}

impl Surface for Ravine {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let (along, across) = (x.clone() + y.clone(), y - x);
        (along.clone() * along + across.clone() * across * 50.0) * 0.25
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "¼((x + y)² + 50(y − x)²)".into(),
            minima: vec![[0.0, 0.0]],
            lowest: 0.0,
            domain: Window::new([-10.0, 10.0], [-10.0, 10.0]),
            view: Window::new([-2.5, 2.5], [-2.5, 2.5]),
            start: [-1.5, 2.0],
            lr: 0.01,
            pace: 0.1,
        }
    }
}
