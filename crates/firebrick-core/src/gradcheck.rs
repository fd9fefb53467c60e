//! Gradient check: autograd against central differences.
//!
//! In f64 where the device has it, else in f32 with a wider step. Along a random direction of each
//! tensor, which sees every entry, and at single entries, which tell where an error is.

use std::fmt;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor, TensorData};
use rand::RngExt;

use crate::parameters::{Parameters, Path};
use crate::random::{self, HostRng};

/// How to check.
#[derive(Debug, Clone)]
pub struct GradCheck {
    /// Half the distance between the two evaluations; `None` picks 1e-5 in f64 and 1e-2 in f32.
    pub step: Option<f64>,
    /// Single entries to look at in each tensor.
    pub entries: usize,
    /// Which entries and directions.
    pub seed: u64,
}

impl Default for GradCheck {
    fn default() -> Self {
        Self {
            step: None,
            entries: 8,
            seed: 0,
        }
    }
}

/// The place where autograd and the difference quotient disagree most.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// Path of the parameter, or the name of the tensor.
    pub path: String,
    /// Index of the entry in each axis; `None` for the random direction.
    pub index: Option<Vec<usize>>,
    /// What autograd says.
    pub autograd: f64,
    /// What the difference quotient says.
    pub difference: f64,
    /// |autograd - difference| / max(1, |autograd|, |difference|).
    pub error: f64,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct GradReport {
    /// The worst place.
    pub worst: Worst,
    /// Comparisons made.
    pub comparisons: usize,
    /// The precision of the check.
    pub dtype: DType,
}

impl fmt::Display for GradReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Worst {
            path,
            index,
            autograd,
            difference,
            error,
        } = &self.worst;
        let place = index.as_ref().map_or_else(
            || "along a random direction".to_string(),
            |index| format!("at {index:?}"),
        );
        write!(
            f,
            "worst of {}: {path} {place}: autograd {autograd:.6e}, differences {difference:.6e}, error {error:.2e} ({:?})",
            self.comparisons, self.dtype
        )
    }
}

impl GradReport {
    /// Panics with the worst place when its error is above `tolerance`: for tests.
    ///
    /// # Panics
    /// When the error is above `tolerance`, or not a number.
    pub fn assert_within(&self, tolerance: f64) {
        assert!(
            self.worst.error <= tolerance,
            "gradient check failed: {self}"
        );
    }
}

impl GradCheck {
    /// Checks a scalar function of one tensor; close over further ones.
    ///
    /// # Shapes
    /// `function` maps `[…]` to `[1]`.
    pub fn tensor<const D: usize>(
        &self,
        name: &str,
        input: &Tensor<D>,
        function: impl Fn(Tensor<D>) -> Tensor<1>,
    ) -> GradReport {
        let single = Single {
            value: Param::from_tensor(input.clone().inner().autodiff()),
        };
        let mut report = self.module(&single, |single| function(single.value.val()));
        report.worst.path = name.to_string();
        report
    }

    /// Checks a scalar function of a module in every trainable parameter.
    ///
    /// # Shapes
    /// `function` returns `[1]`.
    ///
    /// # Panics
    /// When the module has no trainable parameter.
    pub fn module<M: Module>(&self, module: &M, function: impl Fn(&M) -> Tensor<1>) -> GradReport {
        let device = module.devices().into_iter().next();
        let dtype = if device.is_some_and(|device| device.supports_dtype(DType::F64)) {
            DType::F64
        } else {
            DType::F32
        };
        let step = self
            .step
            .unwrap_or(if dtype == DType::F64 { 1e-5 } else { 1e-2 });
        let module = cast(module.valid().train(), dtype);
        let mut gradients = function(&module).backward();
        let gradients = crate::parameters::Gradients::take(&module, &mut gradients);
        let mut rng = random::rng(self.seed, "gradcheck", 0, 0);
        let mut all = Vec::new();
        for (at, (path, shape)) in Parameters::list(&module).into_iter().enumerate() {
            let count: usize = shape.iter().product();
            let gradient = gradients.0[at].as_ref().map_or_else(
                || vec![0.0; count],
                |gradient| gradient.to_data().iter::<f64>().collect(),
            );
            let mut compare = |direction: &[f64], index: Option<Vec<usize>>| {
                let value = |sign: f64| {
                    let moved = shift(module.clone(), at, direction, sign * step);
                    function(&moved)
                        .into_data()
                        .iter::<f64>()
                        .next()
                        .unwrap_or(f64::NAN)
                };
                let difference = (value(1.0) - value(-1.0)) / (2.0 * step);
                let autograd: f64 = gradient.iter().zip(direction).map(|(g, d)| g * d).sum();
                let scale = autograd.abs().max(difference.abs()).max(1.0);
                // NaN counts as the largest error.
                let error = Some((autograd - difference).abs() / scale)
                    .filter(|e| !e.is_nan())
                    .unwrap_or(f64::INFINITY);
                all.push(Worst {
                    path: path.clone(),
                    index,
                    autograd,
                    difference,
                    error,
                });
            };
            compare(&unit_direction(count, &mut rng), None);
            for _ in 0..self.entries.min(count) {
                let entry = rng.random_range(0..count);
                let mut direction = vec![0.0; count];
                direction[entry] = 1.0;
                compare(&direction, Some(unravel(entry, &shape)));
            }
        }
        let comparisons = all.len();
        let Some(worst) = all.into_iter().max_by(|a, b| a.error.total_cmp(&b.error)) else {
            panic!("gradient check: the module has no trainable parameter");
        };
        GradReport {
            worst,
            comparisons,
            dtype,
        }
    }
}

#[derive(Module, Debug)]
struct Single<const D: usize> {
    value: Param<Tensor<D>>,
}

fn unit_direction(count: usize, rng: &mut HostRng) -> Vec<f64> {
    let raw: Vec<f64> = (0..count).map(|_| rng.random::<f64>() - 0.5).collect();
    let norm = raw
        .iter()
        .map(|x| x * x)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE);
    raw.into_iter().map(|x| x / norm).collect()
}

fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, size) in index.iter_mut().zip(shape).rev() {
        *at = flat % size;
        flat /= size;
    }
    index
}

fn cast<M: Module>(module: M, dtype: DType) -> M {
    struct Cast(DType);
    impl ModuleMapper for Cast {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let tracked = param.is_require_grad();
            param.map(|tensor| {
                tensor
                    .inner()
                    .cast(self.0)
                    .autodiff()
                    .set_require_grad(tracked)
            })
        }
    }
    module.map(&mut Cast(dtype))
}

/// Moves trainable parameter `at` by `distance · direction`.
fn shift<M: Module>(module: M, at: usize, direction: &[f64], distance: f64) -> M {
    struct Shift<'a> {
        path: Path,
        left: usize,
        direction: &'a [f64],
        distance: f64,
    }
    impl ModuleMapper for Shift<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !param.is_require_grad() {
                return param;
            }
            let here = self.left == 0;
            self.left = self.left.wrapping_sub(1);
            if !here {
                return param;
            }
            param.map(|tensor| {
                let tensor = tensor.inner();
                let (shape, device, dtype) = (tensor.dims(), tensor.device(), tensor.dtype());
                let offset: Vec<f64> = self.direction.iter().map(|d| d * self.distance).collect();
                let offset =
                    Tensor::<D>::from_data(TensorData::new(offset, shape), (&device, dtype));
                (tensor + offset).autodiff().require_grad()
            })
        }
    }
    module.map(&mut Shift {
        path: Path::default(),
        left: at,
        direction,
        distance,
    })
}
