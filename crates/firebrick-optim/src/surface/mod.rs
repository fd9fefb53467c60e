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

mod facts;

use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

pub use facts::{Build, Facts, Surface, SurfaceConfig};

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
