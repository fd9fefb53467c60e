//! What a surface is: a height everywhere, some facts, and how it is described and built.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};
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

/// A surface with its parameters as plain data. A new surface is one file with such a struct, and an entry of
/// it in [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait SurfaceConfig: Config + Surface + 'static {
    /// What the surface says about itself.
    const ABOUT: About;
}

/// How a surface is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec and checks every field.
    pub surface: fn(&Spec) -> Result<Box<dyn Surface>, ConfigError>,
}

impl<C: SurfaceConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        surface: |spec| Ok(Box::new(C::ABOUT.resolve::<C>(spec)?)),
    };
}
