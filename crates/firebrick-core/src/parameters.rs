//! The parameters of a module by path, in order, and their gradients.
//!
//! A parameter has the same name everywhere, the one in weight files; `Path::key` returns it.

mod gradients;

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use firebrick_types::groups::module_of;

use crate::independent_copy;
use crate::kernels::step::{self, Formula, Real, Tensors};
use crate::weights_error::WeightsError;

pub use gradients::Gradients;

/// One trainable parameter, taken out of its module.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name in weight files, such as `layer1.0.conv1.weight`.
    pub path: String,
    /// Its shape in the module.
    pub shape: Vec<usize>,
    /// Its values, flattened, without autodiff. The buffer belongs to this alone, so that an
    /// update can work in place.
    pub value: Tensor<1>,
}

impl Parameter {
    /// The path of the module that holds it: all of its own but the last name.
    #[must_use]
    pub fn module(&self) -> &str {
        module_of(&self.path)
    }

    /// The matrix `[rows, columns]` in which it lies by units, and the axis along which a unit's
    /// entries lie. A unit is what makes one output: a column of a linear layer's `[in, out]`, a
    /// kernel of a convolution's `[out, in, height, width]`; a tensor of rank 1 is one unit.
    #[must_use]
    pub fn units(&self) -> ([usize; 2], usize) {
        units(&self.shape)
    }
}

/// See [`Parameter::units`].
#[must_use]
pub fn units(shape: &[usize]) -> ([usize; 2], usize) {
    match *shape {
        [] => ([1, 1], 1),
        [count] => ([1, count], 1),
        [inputs, outputs] => ([inputs, outputs], 0),
        [outputs, ref rest @ ..] => ([outputs, rest.iter().product()], 1),
    }
}

/// The trainable parameters of a module, in the module's order.
///
/// Parameters without `require_grad`, and running statistics, stay in the module.
#[derive(Debug, Clone, Default)]
pub struct Parameters(pub Vec<Parameter>);

/// Follows the path of module fields, leaving out the names of enum variants.
#[derive(Debug, Default)]
pub(crate) struct Path {
    segments: Vec<Option<String>>,
    containers: Vec<String>,
}

impl Path {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.segments
            .push((!container.starts_with("Enum:")).then(|| name.to_string()));
        self.containers.push(container.to_string());
    }

    pub(crate) fn exit(&mut self) {
        self.segments.pop();
        self.containers.pop();
    }

    pub(crate) fn join(&self) -> String {
        self.segments
            .iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(".")
    }

    /// The name of the tensor in weight files, which is PyTorch's. Burn's norm layers call their
    /// parameters `gamma` and `beta`; PyTorch calls them `weight` and `bias`.
    pub(crate) fn key(&self) -> String {
        let path = self.join();
        if !self.container().ends_with("Norm") {
            return path;
        }
        let (module, field) = path
            .rsplit_once('.')
            .map_or((None, path.as_str()), |(module, field)| {
                (Some(module), field)
            });
        let field = match field {
            "gamma" => "weight",
            "beta" => "bias",
            field => field,
        };
        module.map_or_else(|| field.into(), |module| format!("{module}.{field}"))
    }

    /// Whether the tensor is a running statistic of a norm layer, and no parameter.
    pub(crate) fn is_statistic(&self) -> bool {
        let field = self.segments.last().and_then(Option::as_deref);
        let statistic = |name: &str| name.starts_with("running_") || name == "num_batches_tracked";
        self.container().ends_with("Norm") && field.is_some_and(statistic)
    }

    /// The type that holds the field, such as `Struct:Linear`.
    pub(crate) fn container(&self) -> &str {
        self.containers.last().map_or("", String::as_str)
    }
}

impl Parameters {
    /// Moves the trainable parameters out of the module. Until [`Self::put`] the module holds
    /// empty tensors in their place and cannot be used.
    pub fn take<M: Module>(module: M) -> (M, Self) {
        struct Take {
            path: Path,
            taken: Vec<Parameter>,
        }
        impl ModuleMapper for Take {
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
                let (id, tensor, mapper) = param.consume();
                let (shape, device) = (tensor.dims(), tensor.device());
                let value = tensor.inner().reshape([shape.iter().product::<usize>()]);
                self.taken.push(Parameter {
                    path: self.path.key(),
                    shape: shape.to_vec(),
                    value,
                });
                let empty = Tensor::<D>::empty([0; D], &device).require_grad();
                Param::from_mapped_value(id, empty, mapper)
            }
        }
        let mut take = Take {
            path: Path::default(),
            taken: Vec::new(),
        };
        let module = module.map(&mut take);
        (module, Self(take.taken))
    }

    /// Moves the parameters back into the module they came from.
    ///
    /// # Panics
    /// When the module is not the one that [`Self::take`] returned.
    pub fn put<M: Module>(self, module: M) -> M {
        struct Put(std::vec::IntoIter<Parameter>);
        impl ModuleMapper for Put {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if !param.is_require_grad() {
                    return param;
                }
                let (id, _, mapper) = param.consume();
                let Some(Parameter { shape, value, .. }) = self.0.next() else {
                    panic!("the module has more parameters than were taken from it");
                };
                let shape: [usize; D] = shape
                    .try_into()
                    .unwrap_or_else(|shape| panic!("rank {D} is not {shape:?}"));
                let value = Tensor::from_inner(value.reshape(shape)).require_grad();
                Param::from_mapped_value(id, value, mapper)
            }
        }
        module.map(&mut Put(self.0.into_iter()))
    }

    /// The paths, as in weight files, and shapes of a module's trainable parameters, in order.
    pub fn list<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
        let all = Listed::of(module).into_iter();
        all.filter(|one| one.trainable)
            .map(|one| (one.path, one.shape))
            .collect()
    }

    /// As [`Self::list`], with the parameters that are frozen; running statistics are no parameters.
    pub fn list_all<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
        let all = Listed::of(module).into_iter();
        all.map(|one| (one.path, one.shape)).collect()
    }

    /// Every parameter of the module, trainable or frozen, which keeps them: their memory is shared until
    /// one of the two changes. While these are kept, an update cannot work in place.
    pub fn of<M: Module>(module: &M) -> Self {
        struct Share(Path, Vec<Parameter>);
        impl ModuleVisitor for Share {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.0.enter(name, container);
            }

            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.0.exit();
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if self.0.is_statistic() {
                    return;
                }
                let tensor = param.val().without_autodiff();
                let shape = tensor.dims().to_vec();
                self.1.push(Parameter {
                    path: self.0.key(),
                    value: tensor.reshape([shape.iter().product::<usize>()]),
                    shape,
                });
            }
        }
        let mut share = Share(Path::default(), Vec::new());
        module.visit(&mut share);
        Self(share.1)
    }

    /// A copy of the module with these values in place of its own, each at its path; other parameters stay.
    /// It shares nothing with the module.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] for a path that the module does not have, or has in another shape.
    pub fn load_into<M: Module>(self, module: &M) -> Result<M, WeightsError> {
        struct Load {
            path: Path,
            values: BTreeMap<String, Tensor<1>>,
        }
        impl ModuleMapper for Load {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }

            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.path.exit();
            }

            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let Some(value) = self.values.remove(&self.path.key()) else {
                    return param;
                };
                let trains = param.is_require_grad();
                param.map(|old| {
                    let device = old.device();
                    let value = value.to_device(&device.clone().without_autodiff());
                    let value = value.reshape(old.dims());
                    if device.is_autodiff() {
                        Tensor::from_inner(value).set_require_grad(trains)
                    } else {
                        value
                    }
                })
            }
        }
        let shapes: BTreeMap<_, _> = Self::list_all(module).into_iter().collect();
        let misfit = self.0.iter().find_map(|one| match shapes.get(&one.path) {
            None => Some(format!("the model has no parameter `{}`", one.path)),
            Some(shape) if *shape != one.shape => Some(format!(
                "`{}` is {:?}, but {shape:?} in the model",
                one.path, one.shape
            )),
            Some(_) => None,
        });
        if let Some(misfit) = misfit {
            return Err(WeightsError::Mismatch(misfit));
        }
        let values = self.0.into_iter().map(|one| (one.path, one.value));
        let mut load = Load {
            path: Path::default(),
            values: values.collect(),
        };
        Ok(independent_copy(module).map(&mut load))
    }

    /// Moves each value `share` of the way to that of `other`, in place: the step of an average. With a
    /// share of `1 / (n + 1)` the mean of `n` values becomes that of `n + 1`.
    ///
    /// # Panics
    /// When the two are not of the same parameters.
    #[must_use]
    pub fn moved_towards(self, other: &Self, share: f64) -> Self {
        assert_eq!(self.0.len(), other.0.len(), "parameters of two averages");
        let mut named = Vec::new();
        let tensors = self.0.into_iter().zip(&other.0).map(|(one, other)| {
            named.push((one.path, one.shape));
            Tensors {
                formula: MoveTowards(share),
                written: [one.value],
                read: [other.value.clone()],
            }
        });
        let moved = step::apply(tensors.collect());
        let moved = named.into_iter().zip(moved);
        Self(
            moved
                .map(|((path, shape), [value])| Parameter { path, shape, value })
                .collect(),
        )
    }

    /// Copies the values to the host, by path.
    #[must_use]
    pub fn to_data(&self) -> BTreeMap<String, TensorData> {
        let values = self.0.iter();
        values
            .map(|one| {
                let shaped = reshaped(one.value.to_data(), &one.shape);
                (one.path.clone(), shaped)
            })
            .collect()
    }

    /// The parameters that [`Self::of`] gives for the module, with values from the host, in its memory.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] for a parameter that `data` does not have, or has in another shape.
    pub fn from_data<M: Module>(
        mut data: BTreeMap<String, TensorData>,
        module: &M,
    ) -> Result<Self, WeightsError> {
        let parameters = Self::of(module).0.into_iter().map(|one| {
            let Some(data) = data.remove(&one.path) else {
                return Err(WeightsError::Mismatch(format!("`{}` is missing", one.path)));
            };
            if data.shape().to_vec() != one.shape {
                return Err(WeightsError::Mismatch(format!(
                    "`{}` is {:?}, but {:?} in the model",
                    one.path,
                    data.shape().to_vec(),
                    one.shape
                )));
            }
            let count = one.shape.iter().product::<usize>();
            let (device, dtype) = (one.value.device(), one.value.dtype());
            let value = Tensor::from_data(reshaped(data, &[count]), (&device, dtype));
            Ok(Parameter { value, ..one })
        });
        parameters.collect::<Result<_, _>>().map(Self)
    }
}

fn reshaped(data: TensorData, shape: &[usize]) -> TensorData {
    let dtype = data.dtype();
    TensorData::from_bytes(data.into_bytes(), shape, dtype)
}

/// A parameter as [`Parameters::list_all`] finds it.
struct Listed {
    path: String,
    shape: Vec<usize>,
    trainable: bool,
}

impl Listed {
    fn of<M: Module>(module: &M) -> Vec<Self> {
        struct List(Path, Vec<Listed>);
        impl ModuleVisitor for List {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.0.enter(name, container);
            }

            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.0.exit();
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let trainable = param.is_require_grad();
                if trainable || !self.0.is_statistic() {
                    self.1.push(Listed {
                        path: self.0.key(),
                        shape: param.val().dims().to_vec(),
                        trainable,
                    });
                }
            }
        }
        let mut list = List(Path::default(), Vec::new());
        module.visit(&mut list);
        list.1
    }
}

/// a + share · (b - a)
#[derive(Debug, Clone, Copy)]
struct MoveTowards(f64);

impl Formula<1, 1> for MoveTowards {
    #[inline(always)]
    fn apply<R: Real>(&self, [a]: [R; 1], [b]: [R; 1]) -> [R; 1] {
        [a.clone() + (b - a) * self.0]
    }
}
