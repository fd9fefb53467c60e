//! [`Track`]: how one optimizer runs over a surface.

use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::random::rng;
use firebrick_core::spec::Spec;
use firebrick_core::update::{Step, Update, UpdateError};
use rand::RngExt;
use rand_distr::StandardNormal;

use super::trajectory::Trajectory;
use crate::surface::Surface;

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
pub(super) struct Track<'a> {
    surface: &'a dyn Surface,
    device: Device,
    /// Of the numbers that it computes with.
    pub(super) dtype: DType,
    noise: f64,
    seed: u64,
}

impl<'a> Track<'a> {
    /// With noise of this deviation on every entry of every gradient.
    pub(super) fn new(surface: &'a dyn Surface, device: &Device, noise: f64, seed: u64) -> Self {
        let (device, dtype) = precise(device);
        Self {
            surface,
            device,
            dtype,
            noise,
            seed,
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

    /// The way of an optimizer, or the update at which it gave up.
    pub(super) fn run(
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

#[cfg(test)]
mod tests {
    use firebrick_core::update::{Reevaluate, UpdateState};

    use super::*;
    use crate::surface;

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
        let track = Track::new(&*surface, &device, noise, 0);
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
        let track = Track::new(&*surface, &device, 1.0, 0);
        let tilt = track.tilt(5);
        let (height, loss, gradient) = track.evaluate(&track.tensor([1.0, 0.5]), tilt);
        assert!((loss - height - tilt[0] - 0.5 * tilt[1]).abs() < 1e-12);
        let [x, y] = pair(&gradient);
        assert!((x - 1.0 - tilt[0]).abs() < 1e-12 && (y - 5.0 - tilt[1]).abs() < 1e-12);
    }
}
