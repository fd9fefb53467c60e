//! Test surfaces by name: functions of two variables that optimizers [`race`](crate::race) on.
//!
//! | name | formula | minimum | file |
//! |---|---|---|---|
//! | `quadratic` | ½(x² + condition · y²) | 0 at (0, 0) | [`quadratic`] |
//! | `ravine` | ¼((x + y)² + 50(y − x)²) | 0 at (0, 0) | [`ravine`] |
//! | `saddle` | x² − y² | none; a saddle, 0, at (0, 0) | [`saddle`] |
//! | `beale` | (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)² | 0 at (3, 0.5) | [`beale`] |
//! | `rosenbrock` | (1 − x)² + 100(y − x²)² | 0 at (1, 1) | [`rosenbrock`] |
//! | `himmelblau` | (x² + y − 11)² + (x + y² − 7)² | 0 at four places | [`himmelblau`] |
//! | `rastrigin` | 20 + x² + y² − 10 cos 2πx − 10 cos 2πy | 0 at (0, 0) | [`rastrigin`] |
//! | `ackley` | 20 + e − 20 exp(−0.2 √(½(x² + y²))) − exp(½(cos 2πx + cos 2πy)) | 0 at (0, 0) | [`ackley`] |
//! | `long_valley` | x²/(x² + 10) + 5y² | 0 at (0, 0) | [`long_valley`] |
//!
//! A surface is written once, on burn's tensors, so that its gradient comes from the same autograd as
//! a network's.

pub mod ackley;
pub mod beale;
pub mod himmelblau;
pub mod long_valley;
pub mod quadratic;
pub mod rastrigin;
pub mod ravine;
pub mod rosenbrock;
pub mod saddle;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::contour::Window;
use firebrick_core::registry::{BuildOf, Entry, Registry};
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
/// it in [`REGISTRY`]; a crate outside hands the entry to [`Registry::register`].
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

/// All surfaces.
pub static REGISTRY: Registry<Build> = Registry::new(
    "surface",
    &[
        Entry::of::<quadratic::Quadratic>(),
        Entry::of::<ravine::Ravine>(),
        Entry::of::<saddle::Saddle>(),
        Entry::of::<beale::Beale>(),
        Entry::of::<rosenbrock::Rosenbrock>(),
        Entry::of::<himmelblau::Himmelblau>(),
        Entry::of::<rastrigin::Rastrigin>(),
        Entry::of::<ackley::Ackley>(),
        Entry::of::<long_valley::LongValley>(),
    ],
);

/// The surface of a spec.
///
/// ```
/// let surface = firebrick_optim::surface::build(&"quadratic(condition=50)".parse()?)?;
/// assert_eq!(surface.facts().minima, [[0.0, 0.0]]);
/// # Ok::<(), firebrick_core::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError`] naming the surface, the field and the value.
pub fn build(spec: &Spec) -> Result<Box<dyn Surface>, ConfigError> {
    (REGISTRY.find(spec)?.build.surface)(spec)
}
