//! `ackley`: a funnel in a rippled plain.
//!
//! ```text
//! f(x, y) = 20 + e − 20 exp(−0.2 √(½(x² + y²))) − exp(½(cos 2πx + cos 2πy))
//! ```
//!
//! Minimum 0 at (0, 0), where it comes to a point; the gradient there is taken as 0. Source: Ackley, "A
//! connectionist machine for genetic hillclimbing", 1987.

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Surface, SurfaceConfig};

/// The surface; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ackley {}

impl SurfaceConfig for Ackley {
    const ABOUT: About = About::new("ackley", "a funnel in a rippled plain", &[]);
}

impl Surface for Ackley {
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        use std::f64::consts::{E, TAU};
        let square = (x.clone() * x.clone() + y.clone() * y.clone()) * 0.5;
        // The slope of a root at 0 is infinite. The bound is far below what either type tells from 0.
        let distance = square.clamp_min(f64::from(f32::MIN_POSITIVE)).sqrt();
        let ripple = ((x * TAU).cos() + (y * TAU).cos()) * 0.5;
        (distance * -0.2).exp() * -20.0 - ripple.exp() + (20.0 + E)
    }

    fn facts(&self) -> Facts {
        Facts {
            formula: "20 + e − 20 exp(−0.2 √(½(x² + y²))) − exp(½(cos 2πx + cos 2πy))".into(),
            minima: vec![[0.0, 0.0]],
            lowest: 0.0,
            domain: Window::new([-32.768, 32.768], [-32.768, 32.768]),
            view: Window::new([-4.0, 4.0], [-4.0, 4.0]),
            start: [-3.3, 2.4],
            lr: 0.02,
            pace: 0.1,
        }
    }
}
