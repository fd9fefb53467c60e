//! Gradient check: autograd against central differences.
//!
//! Each tensor is checked along a random direction, which sees every entry, and at single entries, which
//! show where an error is. Errors are relative to the size of the gradient, so a gradient that is twice
//! what it should be has an error of one half, whatever the scale of the loss.

use std::fmt;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};
use rand::RngExt;

use crate::device::computes_in_f64;
use crate::parameters::{Parameters, Path};
use crate::random::{self, HostRng};

/// How to check.
///
/// The default computes in the type of what is checked. For models that is f32, so the check covers the
/// kernels that train them, within [`TOLERANCE_F32`]. [`GradCheck::in_f64`] is ten thousand times sharper,
/// but it runs burn's operations instead of the kernels, and the tensors that the function closes over
/// must be f64 too.
#[derive(Debug, Clone)]
pub struct GradCheck {
    /// The type to compute in; `None` is that of the tensor, or of the module's parameters.
    pub dtype: Option<DType>,
    /// Half the distance between the two evaluations; `None` picks 1e-5 in f64 and 1e-2 in f32.
    pub step: Option<f64>,
    /// Single entries to look at in each tensor.
    pub entries: usize,
    /// Which entries and directions.
    pub seed: u64,
}

/// The largest error that a correct gradient has in f64.
pub const TOLERANCE_F64: f64 = 1e-6;

/// The largest error that a correct gradient has in f32.
pub const TOLERANCE_F32: f64 = 1e-2;

impl Default for GradCheck {
    fn default() -> Self {
        Self {
            dtype: None,
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
    /// |autograd - difference|, less what rounding the loss can add to the difference, divided by the
    /// largest of |autograd|, |difference|, the root mean square of the tensor's gradient, and a
    /// thousandth (in f32 a tenth) of the largest such root mean square of all tensors. Infinite where
    /// one of the two is not finite.
    pub error: f64,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct GradReport {
    /// The worst place.
    pub worst: Worst,
    /// Comparisons made.
    pub comparisons: usize,
    /// Comparisons that say nothing: the loss is so large beside its changes that its rounding would
    /// hide a gradient that is twice what it should be.
    pub hidden: usize,
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
        )?;
        match self.hidden {
            0 => Ok(()),
            hidden => write!(f, "; {hidden} of them are lost in the rounding of the loss"),
        }
    }
}

impl GradReport {
    /// The largest error that a correct gradient has in the precision of this check.
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        if self.dtype == DType::F64 {
            TOLERANCE_F64
        } else {
            TOLERANCE_F32
        }
    }

    /// Panics with the worst place when its error is above [`Self::tolerance`]: for tests.
    ///
    /// # Panics
    /// When the error is too large, or not a number.
    pub fn assert_right(&self) {
        self.assert_within(self.tolerance());
    }

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
    /// A check in f64 where the device computes in it ([`computes_in_f64`]), else in f32.
    #[must_use]
    pub fn in_f64() -> Self {
        Self {
            dtype: Some(DType::F64),
            ..Self::default()
        }
    }

    /// A check in f32, of the kernels that training uses.
    #[must_use]
    pub fn in_f32() -> Self {
        Self {
            dtype: Some(DType::F32),
            ..Self::default()
        }
    }

    /// Checks a scalar function of one tensor. The function may close over other tensors of the type that
    /// the check computes in.
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
            value: Param::from_tensor(input.clone().without_autodiff().autodiff()),
        };
        let mut report = self.module(&single, |single| function(single.value.val()));
        report.worst.path = name.to_string();
        report
    }

    /// Checks a scalar function of a module in every trainable parameter. The function may close over
    /// tensors of the type that the check computes in.
    ///
    /// # Shapes
    /// `function` returns `[1]`.
    ///
    /// # Panics
    /// When the module has no trainable parameter.
    pub fn module<M: Module>(&self, module: &M, function: impl Fn(&M) -> Tensor<1>) -> GradReport {
        let precision = Precision::new(self.dtype.unwrap_or_else(|| first_type(module)), module);
        let step = self.step.unwrap_or(precision.step);
        let module = cast(module.valid().train(), precision.dtype);
        let parameters = Parameters::list(&module);
        let mut gradients = function(&module).backward();
        let gradients = crate::parameters::Gradients::take(&module, &mut gradients);
        let gradients: Vec<Vec<f64>> = parameters
            .iter()
            .zip(gradients.0)
            .map(|((_, shape), gradient)| {
                gradient.map_or_else(
                    || vec![0.0; shape.iter().product()],
                    |gradient| gradient.to_data().iter::<f64>().collect(),
                )
            })
            .collect();
        let largest = gradients.iter().map(|one| size(one)).fold(0.0, f64::max);
        let mut rng = random::rng(self.seed, "gradcheck", 0, 0);
        let (mut all, mut hidden) = (Vec::new(), 0);
        for (at, (path, shape)) in parameters.into_iter().enumerate() {
            let gradient = &gradients[at];
            let count = gradient.len();
            let floor = size(gradient).max(precision.share * largest);
            let mut compare = |direction: &[f64], index: Option<Vec<usize>>| {
                let value = |sign: f64| {
                    let moved = shift(module.clone(), at, direction, sign * step);
                    function(&moved)
                        .into_data()
                        .iter::<f64>()
                        .next()
                        .unwrap_or(f64::NAN)
                };
                let (after, before) = (value(1.0), value(-1.0));
                let difference = (after - before) / (2.0 * step);
                let rounding = precision.epsilon * after.abs().max(before.abs()) / step;
                let autograd: f64 = gradient.iter().zip(direction).map(|(g, d)| g * d).sum();
                let scale = autograd.abs().max(difference.abs()).max(floor);
                hidden += usize::from(rounding > scale / 2.0);
                all.push(Worst {
                    path: path.clone(),
                    index,
                    autograd,
                    difference,
                    error: error(autograd - difference, rounding, scale),
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
            hidden,
            dtype: precision.dtype,
        }
    }
}

/// What a check in one type can tell.
struct Precision {
    dtype: DType,
    /// Half the distance between two evaluations.
    step: f64,
    /// The distance from one to the next number.
    epsilon: f64,
    /// The smallest gradient worth looking at, as a share of the largest.
    share: f64,
}

impl Precision {
    /// That of f64 if it is asked for and the module's devices have it, else that of f32.
    fn new<M: Module>(dtype: DType, module: &M) -> Self {
        let devices = module.devices();
        if dtype == DType::F64 && devices.iter().all(computes_in_f64) {
            return Self {
                dtype,
                step: 1e-5,
                epsilon: f64::EPSILON,
                share: 1e-3,
            };
        }
        Self {
            dtype: DType::F32,
            step: 1e-2,
            epsilon: f32::EPSILON.into(),
            share: 0.1,
        }
    }
}

/// The type of the first trainable parameter.
fn first_type<M: Module>(module: &M) -> DType {
    struct First(Option<DType>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0.get_or_insert(param.val().dtype());
            }
        }
    }
    let mut first = First(None);
    module.visit(&mut first);
    first.0.unwrap_or(DType::F32)
}

/// The root mean square.
fn size(gradient: &[f64]) -> f64 {
    let squares: f64 = gradient.iter().map(|entry| entry * entry).sum();
    (squares / gradient.len().max(1) as f64).sqrt()
}

/// See [`Worst::error`].
fn error(apart: f64, rounding: f64, scale: f64) -> f64 {
    if !apart.is_finite() {
        return f64::INFINITY;
    }
    if apart.abs() <= rounding {
        return 0.0;
    }
    (apart.abs() - rounding) / scale
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
