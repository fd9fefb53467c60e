//! Inference with what follows a convolution as part of it: batch norm folded into its weights, the residual sum and the
//! activation in the same pass.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::tensor::FloatTensor;
use burn::backend::{DispatchDevice, DispatchTensor};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;
use firebrick_kernels::activation::Activation;
use firebrick_kernels::conv2d::{self as kernel, Conv2d, Epilogue, Packed};

use super::batch_norm::fold;
use super::conv2d::{plan, planned};
use super::host::{Host, Images};
use super::operation::{Operation, run_single};
use super::{level, take};

/// Room in a layer for its folded and packed weights. A clone is empty.
#[derive(Default)]
pub(crate) struct Folded(Mutex<Option<Entry>>);

impl Clone for Folded {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Folded")
    }
}

/// What was folded and from what.
struct Entry {
    key: Key,
    /// The tensors themselves: while they are held, none can change in place, so a tensor that
    /// lies where one of these lies has its contents.
    _held: Vec<DispatchTensor>,
    weights: Weights,
}

impl Entry {
    /// Whether it was made from the same tensors and packed for the instruction set in use.
    fn serves(&self, key: &Key) -> bool {
        self.key == *key && self.weights.packed.level() == level()
    }
}

/// A convolution's weights, batch norm's scale among them, and what is added to each channel.
#[derive(Debug, Clone)]
struct Weights {
    packed: Arc<Packed>,
    bias: Option<Arc<Vec<f32>>>,
}

#[derive(PartialEq)]
struct Key {
    places: Vec<Place>,
    options: [[usize; 2]; 4],
    groups: usize,
    epsilon: Option<u64>,
}

/// Where a tensor lies.
#[derive(PartialEq)]
struct Place {
    address: usize,
    shape: Vec<usize>,
    strides: Option<Vec<usize>>,
}

/// A convolution and the batch norm after it, if there is one, in evaluation.
pub(crate) struct FoldedConv<'a> {
    pub(crate) weight: Tensor<4>,
    pub(crate) bias: Option<Tensor<1>>,
    pub(crate) options: ConvOptions<2>,
    pub(crate) norm: Option<Norm>,
    pub(crate) room: &'a Folded,
}

/// Batch norm with running statistics, each `[C]`.
pub(crate) struct Norm {
    pub(crate) gamma: Tensor<1>,
    pub(crate) beta: Tensor<1>,
    pub(crate) mean: Tensor<1>,
    pub(crate) variance: Tensor<1>,
    pub(crate) epsilon: f64,
}

impl FoldedConv<'_> {
    /// What there is for each output channel.
    fn vectors(&self) -> impl Iterator<Item = &Tensor<1>> {
        let norm = self.norm.iter();
        norm.flat_map(|norm| [&norm.gamma, &norm.beta, &norm.mean, &norm.variance])
            .chain(&self.bias)
    }

    /// The convolution in the kernels' terms; none where they do not take it.
    pub(crate) fn plan(&self, x: &Tensor<4>, residual: Option<&Tensor<4>>) -> Option<Conv2d> {
        plan(x.dims(), self.weight.dims(), &self.options).filter(|conv| {
            let output = conv.output();
            take(x)
                && !x.device().is_autodiff()
                && take(&self.weight)
                && (self.vectors()).all(|vector| take(vector) && vector.dims() == [output.c])
                && residual.is_none_or(|residual| {
                    take(residual) && residual.dims() == [output.n, output.c, output.h, output.w]
                })
        })
    }

    /// `activation?(bn?(conv(x)) + residual?)`, for the inputs that it was planned for.
    pub(crate) fn forward(
        &self,
        conv: Conv2d,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        activation: Option<Activation>,
    ) -> Tensor<4> {
        if self.norm.is_none() && residual.is_none() && !kernel::pays_to_pack(&conv) {
            let bias = self.bias.clone();
            return planned(conv, x, self.weight.clone(), bias, activation);
        }
        let operation = Convolve {
            conv,
            weights: self.weights(&conv),
            activation,
        };
        let mut inputs = vec![x.into_dispatch()];
        inputs.extend(residual.map(Tensor::into_dispatch));
        Tensor::from_dispatch(run_single(operation, inputs))
    }

    /// From the room, or folded and packed and put there.
    fn weights(&self, conv: &Conv2d) -> Weights {
        let key = self.key();
        let mut room = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = room.as_ref().filter(|entry| entry.serves(&key));
        if let Some(entry) = kept {
            return entry.weights.clone();
        }
        let weights = self.fold(conv);
        *room = Some(Entry {
            key,
            _held: self.tensors(),
            weights: weights.clone(),
        });
        weights
    }

    fn fold(&self, conv: &Conv2d) -> Weights {
        let host = |tensor: &Tensor<1>| tensor.to_data().iter::<f32>().collect::<Vec<f32>>();
        let mut weight: Vec<f32> = self.weight.to_data().iter::<f32>().collect();
        let Some(norm) = &self.norm else {
            return Weights {
                packed: Arc::new(kernel::pack(conv, &weight)),
                bias: self.bias.as_ref().map(host).map(Arc::new),
            };
        };
        let (gamma, beta) = (host(&norm.gamma), host(&norm.beta));
        let (mean, variance) = (host(&norm.mean), host(&norm.variance));
        let (scale, mut shift) = fold(&gamma, &beta, &mean, &variance, norm.epsilon);
        if let Some(bias) = &self.bias {
            for ((shift, scale), bias) in shift.iter_mut().zip(&scale).zip(host(bias)) {
                *shift += bias * scale;
            }
        }
        let each = weight.len() / scale.len();
        for (weights, scale) in weight.chunks_exact_mut(each).zip(&scale) {
            weights.iter_mut().for_each(|weight| *weight *= scale);
        }
        Weights {
            packed: Arc::new(kernel::pack(conv, &weight)),
            bias: Some(Arc::new(shift)),
        }
    }

    fn key(&self) -> Key {
        let padding = self.options.padding;
        Key {
            places: std::iter::once(place(&self.weight))
                .chain(self.vectors().map(place))
                .collect(),
            options: [
                self.options.stride,
                self.options.dilation,
                padding.map(|(before, _)| before),
                padding.map(|(_, after)| after),
            ],
            groups: self.options.groups,
            epsilon: self.norm.as_ref().map(|norm| norm.epsilon.to_bits()),
        }
    }

    fn tensors(&self) -> Vec<DispatchTensor> {
        let vectors = self.vectors();
        let weight = self.weight.clone().into_dispatch();
        std::iter::once(weight)
            .chain(vectors.map(|vector| vector.clone().into_dispatch()))
            .collect()
    }
}

/// Where an f32 tensor of a CPU backend lies.
#[allow(deprecated)]
fn place<const D: usize>(tensor: &Tensor<D>) -> Place {
    let (address, strides) = match tensor.device().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => tensor
            .clone()
            .try_into_primitive::<burn::backend::Flex>()
            .map_or((0, None), |tensor| lies::<burn::backend::Flex>(&tensor)),
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => tensor
            .clone()
            .try_into_primitive::<burn::backend::NdArray>()
            .map_or((0, None), |tensor| lies::<burn::backend::NdArray>(&tensor)),
        #[allow(unreachable_patterns)]
        _ => (0, None),
    };
    Place {
        address,
        shape: tensor.dims().to_vec(),
        strides,
    }
}

fn lies<B: Host>(tensor: &FloatTensor<B>) -> (usize, Option<Vec<usize>>) {
    let elements = B::elements(tensor);
    (elements.values.as_ptr().addr(), elements.strides)
}

#[derive(Debug)]
struct Convolve {
    conv: Conv2d,
    weights: Weights,
    activation: Option<Activation>,
}

impl Operation for Convolve {
    type Saved<B: Host> = ();

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, ()) {
        let mut inputs = inputs.into_iter().map(Images::<B>::new);
        let Some(x) = inputs.next() else {
            unreachable!("a convolution has images")
        };
        let residual = inputs.next();
        let epilogue = Epilogue {
            bias: self.weights.bias.as_deref().map(Vec::as_slice),
            residual: residual.as_ref().map(Images::values),
            activation: self.activation,
        };
        let y = kernel::forward_packed(&self.conv, x.values(), &self.weights.packed, epilogue);
        let y = Images::<B>::from_values(y, self.conv.output());
        (vec![y.into_tensor()], ())
    }

    fn backward<B: Host>(
        &self,
        (): (),
        _gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        unreachable!("folded weights are for devices without autodiff")
    }
}
