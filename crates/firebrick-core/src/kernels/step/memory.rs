//! Lists of tensors from either CPU backend.

use burn::backend::DispatchDevice;
#[cfg(feature = "flex")]
use burn::backend::Flex;
#[cfg(feature = "ndarray")]
#[allow(deprecated)]
use burn::backend::NdArray;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{PrimitiveConversionError, Tensor};

use crate::kernels::{
    self,
    host::{Host, dense, from_values, values},
};

/// A dense f32 tensor in the CPU's memory.
#[allow(deprecated)]
pub(super) enum Memory {
    #[cfg(feature = "flex")]
    Flex(FloatTensor<Flex>),
    #[cfg(feature = "ndarray")]
    NdArray(FloatTensor<NdArray>),
}

#[allow(deprecated)]
impl Memory {
    /// Whether the tensor is for the kernels.
    pub(super) fn can_hold(tensor: &Tensor<1>) -> bool {
        kernels::take(tensor) && !tensor.device().is_autodiff()
    }

    /// For reading. The tensor is one that it [can hold](Self::can_hold).
    pub(super) fn new(tensor: Tensor<1>) -> Self {
        match tensor.device().as_dispatch() {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => {
                Self::Flex(dense::<Flex>(own(tensor.try_into_primitive::<Flex>())))
            }
            #[cfg(feature = "ndarray")]
            DispatchDevice::NdArray(_) => Self::NdArray(dense::<NdArray>(own(
                tensor.try_into_primitive::<NdArray>()
            ))),
            #[allow(unreachable_patterns)]
            other => panic!("{other:?} is not a CPU backend"),
        }
    }

    /// For writing: a copy where another tensor shares the memory.
    pub(super) fn new_unique(tensor: Tensor<1>) -> Self {
        match Self::new(tensor) {
            #[cfg(feature = "flex")]
            Self::Flex(tensor) => Self::Flex(unique::<Flex>(tensor)),
            #[cfg(feature = "ndarray")]
            Self::NdArray(tensor) => Self::NdArray(unique::<NdArray>(tensor)),
        }
    }

    pub(super) fn values(&self) -> &[f32] {
        match *self {
            #[cfg(feature = "flex")]
            Self::Flex(ref tensor) => values::<Flex>(tensor),
            #[cfg(feature = "ndarray")]
            Self::NdArray(ref tensor) => values::<NdArray>(tensor),
        }
    }

    /// Of one that is [unique](Self::new_unique).
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        let values = match *self {
            #[cfg(feature = "flex")]
            Self::Flex(ref mut tensor) => Flex::elements_mut(tensor),
            #[cfg(feature = "ndarray")]
            Self::NdArray(ref mut tensor) => NdArray::elements_mut(tensor),
        };
        match values {
            Some(values) => values,
            None => panic!("a tensor to be written shares its memory with another"),
        }
    }

    pub(super) fn into_tensor(self) -> Tensor<1> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex(tensor) => Tensor::from_primitive::<Flex>(tensor),
            #[cfg(feature = "ndarray")]
            Self::NdArray(tensor) => Tensor::from_primitive::<NdArray>(tensor),
        }
    }
}

/// The tensor of the backend whose device it is on.
fn own<T>(primitive: Result<T, PrimitiveConversionError>) -> T {
    match primitive {
        Ok(primitive) => primitive,
        Err(error) => panic!("a tensor is not on its device: {error:?}"),
    }
}

/// The same tensor, or a copy where another one shares the memory.
fn unique<B: Host>(mut tensor: FloatTensor<B>) -> FloatTensor<B> {
    if B::elements_mut(&mut tensor).is_some() {
        return tensor;
    }
    let copy = values::<B>(&tensor).to_vec();
    from_values::<B>(copy, &tensor.shape())
}
