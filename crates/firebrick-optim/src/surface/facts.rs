//! What a surface is: a height everywhere, and some facts.

use burn::tensor::Tensor;
use firebrick_core::contour::Window;
use serde::Serialize;

/// A function of two variables.
pub trait Surface: Send + Sync {
    /// The heights at points: `[n]` and `[n]` to `[n]`, in the type and on the device of the points.
    fn height(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1>;

    /// What is known of it.
    fn facts(&self) -> Facts;
}

/// What is known of a surface.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// The formula, for people.
    pub formula: String,
    /// The lowest places; empty where the surface has no bottom.
    pub minima: Vec<[f64; 2]>,
    /// The height at the minima.
    pub lowest: f64,
    /// Where a race may start.
    pub domain: Window,
    /// What a picture shows.
    pub view: Window,
    /// Where a race starts that names no start.
    pub start: [f64; 2],
    /// A learning rate at which plain gradient descent gets down from `start`.
    pub lr: f64,
    /// A length of step that suits rules which divide by the size of the gradient.
    pub pace: f64,
}

impl Facts {
    /// The distance from a point to the nearest minimum; `None` where there is none.
    #[must_use]
    pub fn distance(&self, [x, y]: [f64; 2]) -> Option<f64> {
        let distances = self.minima.iter().map(|at| (x - at[0]).hypot(y - at[1]));
        distances.reduce(f64::min)
    }
}
