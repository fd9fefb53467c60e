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

use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::contour::{ContourMap, Path};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::random::rng;
use firebrick_core::spec::Spec;
use firebrick_core::update::{Step, Update, UpdateError};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::Serialize;

use crate::optimizer;
use crate::rates::optimizer_rate;
use crate::surface::{self, Facts, Surface};

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

/// The way of one optimizer. Numbers that are not finite are null in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trajectory {
    /// The optimizer as it was named.
    pub optimizer: Spec,
    /// `[x, y, height]` at the start and after each update. From [`Self::diverged_at`] on there is
    /// nothing but NaN.
    pub points: Vec<[f64; 3]>,
    /// The length of each update.
    pub step_length: Vec<f64>,
    /// |change| / |gradient| of each coordinate at each update: the learning rate that plain gradient
    /// descent would have needed. None where the gradient is 0.
    pub effective_rate: Vec<[Option<f64>; 2]>,
    /// `[x, y, height]` of the averaged parameters, for optimizers that are evaluated there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub averaged: Option<Vec<[f64; 3]>>,
    /// The first point that is not finite; the optimizer is stopped there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverged_at: Option<usize>,
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
        let track = Track::new(&*surface, device, self);
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

/// The heights of a surface at points, in double precision where the device has it.
#[must_use]
pub fn heights(surface: &dyn Surface, points: &[[f64; 2]], device: &Device) -> Vec<f64> {
    let (device, dtype) = precise(device);
    let axis = |axis: usize| {
        let values: Vec<f64> = points.iter().map(|point| point[axis]).collect();
        Tensor::<1>::from_data(TensorData::new(values, [points.len()]), (&device, dtype))
    };
    let heights = surface.height(axis(0), axis(1));
    heights.into_data().iter::<f64>().collect()
}

/// The device without autodiff and its best type.
fn precise(device: &Device) -> (Device, DType) {
    let device = device.clone().without_autodiff();
    let dtype = if firebrick_core::computes_in_f64(&device) {
        DType::F64
    } else {
        DType::F32
    };
    (device, dtype)
}

/// The path of the one parameter.
const POINT: &str = "point";

/// What every optimizer of a race meets.
struct Track<'a> {
    surface: &'a dyn Surface,
    device: Device,
    dtype: DType,
    noise: f64,
    seed: u64,
}

impl<'a> Track<'a> {
    fn new(surface: &'a dyn Surface, device: &Device, config: &RaceConfig) -> Self {
        let (device, dtype) = precise(device);
        Self {
            surface,
            device,
            dtype,
            noise: config.noise,
            seed: config.seed,
        }
    }

    fn tensor(&self, values: [f64; 2]) -> Tensor<1> {
        Tensor::from_data(TensorData::from(values), (&self.device, self.dtype))
    }

    /// The slope that the mini-batch of an update adds to the surface.
    fn tilt(&self, update: usize) -> [f64; 2] {
        let mut rng = rng(self.seed, "race noise", update as u64, 0);
        [0, 1].map(|_| self.noise * rng.sample::<f64, _>(StandardNormal))
    }

    /// The height of the surface at a point, and of the tilted surface with its gradient.
    fn evaluate(&self, point: &Tensor<1>, tilt: [f64; 2]) -> (f64, f64, Tensor<1>) {
        let tracked = point.clone().autodiff().require_grad();
        let height = self
            .surface
            .height(tracked.clone().slice(0..1), tracked.clone().slice(1..2));
        let mut gradients = height.backward();
        let gradient = tracked
            .grad_remove(&mut gradients)
            .unwrap_or_else(|| point.zeros_like());
        let height = height.into_scalar::<f64>();
        if self.noise == 0.0 {
            return (height, height, gradient);
        }
        let [x, y] = pair(point);
        let loss = height + tilt[0] * x + tilt[1] * y;
        (height, loss, gradient + self.tensor(tilt))
    }

    fn place(&self, point: &Tensor<1>) -> [f64; 3] {
        let [x, y] = pair(point);
        let height = heights(self.surface, &[[x, y]], &self.device);
        [x, y, height[0]]
    }

    fn run(
        &self,
        mut update: Box<dyn Update>,
        lr: f64,
        start: [f64; 2],
        steps: usize,
    ) -> Result<Trajectory, (usize, UpdateError)> {
        let mut parameters = Parameters(vec![Parameter {
            path: POINT.into(),
            shape: vec![2],
            value: self.tensor(start),
        }]);
        let first = self.place(&parameters.0[0].value);
        let mut way = Trajectory {
            optimizer: Spec::new(update.name()),
            points: vec![first],
            step_length: Vec::with_capacity(steps),
            effective_rate: Vec::with_capacity(steps),
            averaged: None,
            diverged_at: None,
        };
        for index in 0..steps {
            let step = Step::new(index as u64, lr);
            let tilt = self.tilt(index);
            let ahead = update.gradient_point(&step, &parameters);
            let at = ahead.as_ref().unwrap_or(&parameters);
            let (_, _, gradient) = self.evaluate(&at.0[0].value, tilt);
            drop(ahead);
            let slope = pair(&gradient);
            if !slope.iter().all(|slope| slope.is_finite()) {
                way.stop(index + 1, steps);
                break;
            }
            let mut again = |parameters: &Parameters| {
                let (_, loss, gradient) = self.evaluate(&parameters.0[0].value, tilt);
                Ok((loss, Gradients(vec![Some(gradient)])))
            };
            let gradients = Gradients(vec![Some(gradient)]);
            parameters = match update.step(&step, parameters, gradients, &mut again) {
                Ok(parameters) => parameters,
                Err(UpdateError::NotFinite { .. }) => {
                    way.stop(index + 1, steps);
                    break;
                }
                Err(error) => return Err((index, error)),
            };
            let place = self.place(&parameters.0[0].value);
            if !place.iter().all(|number| number.is_finite()) {
                way.stop(index + 1, steps);
                break;
            }
            way.push(place, slope);
            let view = update.evaluation_view(&parameters);
            if view.is_some() || way.averaged.is_some() {
                let point = view.map_or(place, |view| self.place(&view.0[0].value));
                // Until there is an average, it is the point itself.
                let before = &way.points[..=index];
                way.averaged
                    .get_or_insert_with(|| before.to_vec())
                    .push(point);
            }
        }
        Ok(way)
    }
}

fn pair(tensor: &Tensor<1>) -> [f64; 2] {
    let data = tensor.to_data();
    let mut values = data.iter::<f64>();
    [0, 1].map(|_| values.next().unwrap_or(f64::NAN))
}

impl Trajectory {
    /// One more point, which a gradient led to.
    fn push(&mut self, place: [f64; 3], slope: [f64; 2]) {
        let from = self.points.last().copied().unwrap_or(place);
        let moved = [place[0] - from[0], place[1] - from[1]];
        self.step_length.push(moved[0].hypot(moved[1]));
        let rate = |axis: usize| (slope[axis] != 0.0).then(|| (moved[axis] / slope[axis]).abs());
        self.effective_rate.push([rate(0), rate(1)]);
        self.points.push(place);
    }

    /// Nothing but NaN from a point on.
    fn stop(&mut self, at: usize, steps: usize) {
        self.diverged_at = Some(at);
        self.points.resize(steps + 1, [f64::NAN; 3]);
        self.step_length.resize(steps, f64::NAN);
        self.effective_rate.resize(steps, [None; 2]);
        if let Some(averaged) = &mut self.averaged {
            averaged.resize(steps + 1, [f64::NAN; 3]);
        }
    }

    /// The last point that is finite: `[x, y, height]`.
    #[must_use]
    pub fn last(&self) -> [f64; 3] {
        let finite = |point: &&[f64; 3]| point.iter().all(|number| number.is_finite());
        self.points
            .iter()
            .rfind(finite)
            .copied()
            .unwrap_or([f64::NAN; 3])
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::update::{Reevaluate, UpdateState};

    use super::*;

    /// Takes its gradient one to the right, evaluates again where it is, moves by the difference,
    /// and is evaluated half-way to the origin.
    struct Probe;

    impl Update for Probe {
        fn name(&self) -> &str {
            "probe"
        }

        fn gradient_point(&self, _: &Step<'_>, parameters: &Parameters) -> Option<Parameters> {
            let one = &parameters.0[0];
            let right = Tensor::from_data(
                TensorData::from([1.0, 0.0]),
                (&one.value.device(), one.value.dtype()),
            );
            Some(Parameters(vec![Parameter {
                value: one.value.clone() + right,
                ..one.clone()
            }]))
        }

        fn step(
            &mut self,
            step: &Step<'_>,
            mut parameters: Parameters,
            gradients: Gradients,
            reevaluate: &mut Reevaluate<'_>,
        ) -> Result<Parameters, UpdateError> {
            let (loss, Gradients(again)) = reevaluate(&parameters)?;
            let ([Some(gradient)], [Some(here)]) = (&gradients.0[..], &again[..]) else {
                panic!("one parameter has one gradient");
            };
            let (gradient, here) = (gradient.clone(), here.clone());
            if step.lr == 0.0 {
                return Err(UpdateError::NotFinite {
                    name: "probe".into(),
                });
            }
            if step.index == 2 {
                let reason = format!("{loss}");
                return Err(UpdateError::Failed {
                    name: "probe".into(),
                    reason,
                });
            }
            let one = &mut parameters.0[0];
            one.value = one.value.clone() - (gradient - here) * step.lr;
            Ok(parameters)
        }

        fn evaluation_view(&self, parameters: &Parameters) -> Option<Parameters> {
            let one = &parameters.0[0];
            Some(Parameters(vec![Parameter {
                value: one.value.clone() * 0.5,
                ..one.clone()
            }]))
        }

        fn state(&self) -> UpdateState {
            UpdateState::default()
        }

        fn load_state(
            &mut self,
            _: UpdateState,
            _: &[String],
            _: &Device,
        ) -> Result<(), UpdateError> {
            Ok(())
        }
    }

    fn run(noise: f64, steps: usize, lr: f64) -> Result<Trajectory, (usize, UpdateError)> {
        let surface = surface::build(&"quadratic(condition=2)".parse().unwrap()).unwrap();
        let device = firebrick_core::device("flex").unwrap();
        let config = RaceConfig {
            noise,
            ..RaceConfig::default()
        };
        let track = Track::new(&*surface, &device, &config);
        track.run(Box::new(Probe), lr, [2.0, 1.0], steps)
    }

    #[test]
    fn the_whole_seam_is_raced() {
        // The gradient one to the right is larger by (1, 0), whatever noise both share.
        for noise in [0.0, 0.7] {
            let way = run(noise, 2, 0.5).unwrap();
            let expected = [[2.0, 1.0, 3.0], [1.5, 1.0, 2.125], [1.0, 1.0, 1.5]];
            for (found, expected) in way.points.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < 1e-12, "{:?}", way.points);
            }
            let averaged = way.averaged.unwrap();
            assert_eq!(averaged.len(), 3);
            assert_eq!(averaged[0], [2.0, 1.0, 3.0]);
            for (found, expected) in averaged[2].iter().zip([0.5, 0.5, 0.375]) {
                assert!((found - expected).abs() < 1e-12, "{averaged:?}");
            }
            // Against the gradient where it was taken: (3, 2) without noise.
            if noise == 0.0 {
                assert!((way.effective_rate[0][0].unwrap() - 0.5 / 3.0).abs() < 1e-12);
                assert_eq!(way.effective_rate[0][1], Some(0.0));
            }
        }
    }

    #[test]
    fn a_second_look_that_is_not_finite_ends_the_path() {
        let way = run(0.0, 3, 0.0).unwrap();
        assert_eq!((way.diverged_at, way.points.len()), (Some(1), 4));
        assert!(way.points[1][2].is_nan() && way.last() == [2.0, 1.0, 3.0]);
    }

    #[test]
    fn noise_tilts_the_loss_as_it_tilts_the_gradient() {
        let (update, error) = run(0.0, 3, 0.5).unwrap_err();
        assert_eq!(
            (update, error.to_string().as_str()),
            (2, "the optimizer probe failed: 1.5")
        );
        let surface = surface::build(&Spec::new("quadratic")).unwrap();
        let device = firebrick_core::device("flex").unwrap();
        let config = RaceConfig {
            noise: 1.0,
            ..RaceConfig::default()
        };
        let track = Track::new(&*surface, &device, &config);
        let tilt = track.tilt(5);
        let (height, loss, gradient) = track.evaluate(&track.tensor([1.0, 0.5]), tilt);
        assert!((loss - height - tilt[0] - 0.5 * tilt[1]).abs() < 1e-12);
        let [x, y] = pair(&gradient);
        assert!((x - 1.0 - tilt[0]).abs() < 1e-12 && (y - 5.0 - tilt[1]).abs() < 1e-12);
    }
}
