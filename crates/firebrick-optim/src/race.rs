//! Compares optimizers on a test surface, with the same update rules and autodiff as in training.
//!
//! ```
//! use firebrick_optim::race::RaceConfig;
//! # // This crate names no backend; the program that uses it does.
//! # let Ok(device) = firebrick_core::device("flex") else { return Ok(()) };
//! let race = RaceConfig {
//!     surface: "quadratic(condition=50)".parse()?,
//!     steps: 20,
//!     optimizers: vec!["sgd(lr=0.03)".parse()?, "adam(lr=0.1)".parse()?],
//!     ..RaceConfig::default()
//! }
//! .run(&device)?;
//! assert_eq!(race.trajectories[0].points.len(), 21);
//! # Ok::<(), firebrick_optim::race::RaceError>(())
//! ```

mod track;
mod trajectory;

use burn::tensor::{DType, Device};
use firebrick_core::ConfigError;
use firebrick_core::contour::{ContourMap, Path};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::spec::Spec;
use firebrick_core::update::UpdateError;
use serde::Serialize;

use crate::optimizer;
use crate::rates::optimizer_rate;
use crate::surface::{self, Facts};
use track::Track;

pub use track::heights;
pub use trajectory::Trajectory;

/// A race before it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct RaceConfig {
    /// The surface.
    pub surface: Spec,
    /// Where all begin; the surface's own start where it is left out.
    pub start: Option<[f64; 2]>,
    /// Updates, at least 1.
    pub steps: usize,
    /// The optimizers, each at its own rate; the lecture's seven ([`racers`]) where there are none.
    pub optimizers: Vec<Spec>,
    /// Standard deviation of the noise on every entry of every gradient, as that of a mini-batch; the
    /// same for all optimizers.
    pub noise: f64,
    /// Seed of the noise.
    pub seed: u64,
}

impl Default for RaceConfig {
    fn default() -> Self {
        Self {
            surface: Spec::new("beale"),
            start: None,
            steps: 100,
            optimizers: Vec::new(),
            noise: 0.0,
            seed: 0,
        }
    }
}

/// What came of a race.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Race {
    /// The surface as it was named.
    pub surface: Spec,
    /// Where all began.
    pub start: [f64; 2],
    /// `float64` where the device has it, else `float32`.
    pub dtype: &'static str,
    /// One for each optimizer, in order.
    pub trajectories: Vec<Trajectory>,
}

/// Why a race could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RaceError {
    /// A surface, an optimizer or a number that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An optimizer gave up.
    #[error("{optimizer} on {surface}, update {update}: {error}")]
    Update {
        /// The optimizer as it was named.
        optimizer: String,
        /// The surface as it was named.
        surface: String,
        /// The update, from 0.
        update: usize,
        /// Why.
        error: UpdateError,
    },
}

/// The lecture's racers with rates that suit a surface.
///
/// Rules that follow the gradient take the surface's `lr`; rules that divide by its size take
/// multiples of its `pace`, so that their first steps are of about one length.
#[must_use]
pub fn racers(facts: &Facts) -> Vec<Spec> {
    let Facts { lr, pace, .. } = *facts;
    let rates = [
        ("sgd", lr),
        ("momentum", lr),
        ("nesterov", lr),
        ("adagrad", 5.0 * pace),
        ("adadelta", 50.0 * pace),
        ("rmsprop", 0.5 * pace),
        ("adam", pace),
    ];
    let spec = |(name, lr): (&str, f64)| Spec::new(name).with("lr", lr);
    rates.map(spec).into()
}

/// How many optimizers a race takes.
const MOST: usize = 64;
/// How many updates a race takes.
const LONGEST: usize = 1_000_000;

impl RaceConfig {
    /// Runs it on a device.
    ///
    /// # Errors
    /// [`ConfigError`] naming the surface, the optimizer, or what is out of range of start, steps and
    /// noise; [`RaceError::Update`] when an optimizer gives up.
    pub fn run(&self, device: &Device) -> Result<Race, RaceError> {
        let surface = surface::build(&self.surface)?;
        let facts = surface.facts();
        let start = self.start.unwrap_or(facts.start);
        let domain = facts.domain;
        check("race", "start x", start[0], domain.x[0]..=domain.x[1])?;
        check("race", "start y", start[1], domain.y[0]..=domain.y[1])?;
        check("race", "steps", self.steps, 1..=LONGEST)?;
        check_not_negative("race", "noise", self.noise)?;
        let optimizers = if self.optimizers.is_empty() {
            racers(&facts)
        } else {
            self.optimizers.clone()
        };
        check("race", "number of optimizers", optimizers.len(), 1..=MOST)?;
        // All of them, before the first step.
        let built: Vec<_> = optimizers
            .iter()
            .map(optimizer::build)
            .collect::<Result<_, _>>()?;
        let track = Track::new(&*surface, device, self.noise, self.seed);
        let mut trajectories = Vec::new();
        for (spec, built) in optimizers.into_iter().zip(built) {
            // Where a rule has no rate, a whole step.
            let lr = optimizer_rate(&built.spec)?.map_or(1.0, |(lr, _)| lr);
            let run = track.run(built.update, lr, start, self.steps);
            let run = run.map_err(|(update, error)| RaceError::Update {
                optimizer: spec.to_string(),
                surface: self.surface.to_string(),
                update,
                error,
            })?;
            trajectories.push(Trajectory {
                optimizer: spec,
                ..run
            });
        }
        let dtype = match track.dtype {
            DType::F64 => "float64",
            _ => "float32",
        };
        Ok(Race {
            surface: self.surface.clone(),
            start,
            dtype,
            trajectories,
        })
    }
}

impl Race {
    /// The surface from above with the paths over it, on a grid of `columns` by `rows` heights.
    ///
    /// # Errors
    /// [`ConfigError`] when [`Self::surface`] names none.
    pub fn map(
        &self,
        columns: usize,
        rows: usize,
        device: &Device,
    ) -> Result<ContourMap, ConfigError> {
        let surface = surface::build(&self.surface)?;
        let facts = surface.facts();
        let window = facts.view.around(self.start);
        let heights = heights(&*surface, &window.grid(columns, rows), device);
        let path = |trajectory: &Trajectory| Path {
            label: trajectory.optimizer.to_string(),
            points: trajectory.points.iter().map(|[x, y, _]| [*x, *y]).collect(),
        };
        Ok(ContourMap {
            title: format!("{}: {}", self.surface, facts.formula),
            window,
            columns,
            heights,
            crosses: facts.minima,
            paths: self.trajectories.iter().map(path).collect(),
        })
    }
}
