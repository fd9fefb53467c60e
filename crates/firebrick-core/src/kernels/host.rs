//! Tensors of the CPU backends as slices: borrowed and made without copying.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use firebrick_kernels::channels::{self, Channels};
use firebrick_kernels::{Image, layout};

/// A backend whose f32 tensors lie in the CPU's memory.
///
/// Functions panic for tensors of another type; [`crate::kernels`] asks before it calls them.
pub(crate) trait Host: Backend {
    /// The elements that a tensor spans and how they lie.
    fn elements(tensor: &FloatTensor<Self>) -> Elements<'_>;

    /// All elements for writing, in the order of memory; none where the memory is shared with
    /// another tensor or holds more than this one, or is not dense.
    fn elements_mut(tensor: &mut FloatTensor<Self>) -> Option<&mut [f32]>;

    /// A tensor over these values, which are taken over, not copied. The strides are dense: they
    /// are those of a row-major tensor whose axes were permuted.
    fn tensor(values: Vec<f32>, shape: &[usize], strides: &[usize]) -> FloatTensor<Self>;

    /// The values in row-major order: the memory itself where no other tensor shares it.
    fn into_vec(tensor: FloatTensor<Self>) -> Vec<f32>;

    /// The same in row-major order.
    fn row_major(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// What a tensor spans of the CPU's memory.
pub(crate) struct Elements<'a> {
    /// From the first element on; exactly the tensor's own when the layout is dense.
    pub(crate) values: &'a [f32],
    /// Of each axis, in elements; none where the layout is neither dense nor otherwise of use.
    pub(crate) strides: Option<Vec<usize>>,
}

/// Strides of a dense row-major tensor.
pub(crate) fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Strides of `[N, C, H, W]` whose memory is `[N, H, W, C]`.
fn channels_last_strides([_, c, h, w]: [usize; 4]) -> [usize; 4] {
    [h * w * c, 1, w * c, c]
}

/// Whether these strides lie as those ones do: axes of size one may have any.
fn same_layout(shape: &[usize], strides: &[usize], wanted: &[usize]) -> bool {
    let axes = shape.iter().zip(strides).zip(wanted);
    shape.contains(&0)
        || axes
            .filter(|((size, _), _)| **size > 1)
            .all(|((_, stride), wanted)| stride == wanted)
}

/// A tensor that is dense in row-major order; any rank.
pub(crate) fn dense<B: Host>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    let shape = tensor.shape().to_vec();
    let is_dense = B::elements(&tensor)
        .strides
        .is_some_and(|strides| same_layout(&shape, &strides, &row_major_strides(&shape)));
    if is_dense {
        tensor
    } else {
        B::row_major(tensor)
    }
}

/// The values of a tensor that [`dense`] gave, or [`Images`] hold, in the order of memory.
pub(crate) fn values<B: Host>(tensor: &FloatTensor<B>) -> &[f32] {
    &B::elements(tensor).values[..tensor.shape().num_elements()]
}

/// A row-major tensor over these values.
pub(crate) fn from_values<B: Host>(values: Vec<f32>, shape: &[usize]) -> FloatTensor<B> {
    B::tensor(values, shape, &row_major_strides(shape))
}

/// A tensor in the layout that operations hand on: images channels-last, others row-major.
pub(crate) fn arranged<B: Host>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    if tensor.shape().num_dims() == 4 {
        Images::<B>::new(tensor).into_tensor()
    } else {
        dense::<B>(tensor)
    }
}

/// A tensor over values that are in the order of [`arranged`].
pub(crate) fn from_arranged<B: Host>(values: Vec<f32>, shape: &[usize]) -> FloatTensor<B> {
    match *shape {
        [n, c, h, w] => Images::<B>::from_values(values, Image { n, h, w, c }).into_tensor(),
        _ => from_values::<B>(values, shape),
    }
}

/// A tensor of shape `[N, C, H, W]` whose memory is channels-last, as the kernels want it.
#[derive(Debug, Clone)]
pub(crate) struct Images<B: Host> {
    tensor: FloatTensor<B>,
    /// Its shape.
    pub(crate) image: Image,
}

impl<B: Host> Images<B> {
    /// The same tensor if its memory is channels-last, else a copy that is.
    pub(crate) fn new(tensor: FloatTensor<B>) -> Self {
        let pixels = Pixels::<B>::new(tensor);
        if pixels.stride == pixels.image.c {
            let Pixels { tensor, image, .. } = pixels;
            return Self { tensor, image };
        }
        let Image { n, h, w, .. } = pixels.image;
        let own = channels::concat(&[pixels.channels()], n * h * w);
        Self::from_values(own, pixels.image)
    }

    /// As [`Self::new`], of a tensor whose pixels do not have their channels side by side.
    fn converted(tensor: FloatTensor<B>) -> Self {
        let shape = tensor.shape().dims::<4>();
        let [n, c, h, w] = shape;
        let image = Image { n, h, w, c };
        let is_row_major = B::elements(&tensor)
            .strides
            .is_some_and(|strides| same_layout(&shape, &strides, &row_major_strides(&shape)));
        let tensor = if is_row_major {
            tensor
        } else {
            B::row_major(tensor)
        };
        Self::from_values(layout::to_channels_last(values::<B>(&tensor), image), image)
    }

    /// Over values that are channels-last.
    pub(crate) fn from_values(values: Vec<f32>, image: Image) -> Self {
        let shape = [image.n, image.c, image.h, image.w];
        Self {
            tensor: B::tensor(values, &shape, &channels_last_strides(shape)),
            image,
        }
    }

    /// Channels-last.
    pub(crate) fn values(&self) -> &[f32] {
        values::<B>(&self.tensor)
    }

    /// The tensor, `[N, C, H, W]`.
    pub(crate) fn into_tensor(self) -> FloatTensor<B> {
        self.tensor
    }
}

/// A tensor of shape `[N, C, H, W]` whose pixels have their channels side by side, perhaps among those of a wider image that
/// it is a part of.
#[derive(Debug, Clone)]
pub(crate) struct Pixels<B: Host> {
    tensor: FloatTensor<B>,
    /// Its shape.
    pub(crate) image: Image,
    /// Elements from one pixel to the next.
    stride: usize,
}

impl<B: Host> Pixels<B> {
    /// The same tensor if it lies this way, else a copy that is channels-last.
    pub(crate) fn new(tensor: FloatTensor<B>) -> Self {
        let shape = tensor.shape().dims::<4>();
        let [n, c, h, w] = shape;
        let image = Image { n, h, w, c };
        if let Some(strides) = B::elements(&tensor).strides {
            // The first axis of more than one pixel tells how far they are apart.
            let stride = match (w, h, n) {
                (2.., _, _) => strides[3],
                (_, 2.., _) => strides[2],
                (_, _, 2..) => strides[0],
                _ => c,
            };
            let wanted = [h * w * stride, 1, w * stride, stride];
            if stride >= c && same_layout(&shape, &strides, &wanted) {
                return Self {
                    tensor,
                    image,
                    stride,
                };
            }
        }
        let Images { tensor, image } = Images::<B>::converted(tensor);
        Self {
            tensor,
            image,
            stride: c,
        }
    }

    /// As the kernels take them.
    pub(crate) fn channels(&self) -> Channels<'_> {
        Channels {
            values: B::elements(&self.tensor).values,
            count: self.image.c,
            stride: self.stride,
        }
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::Flex;
    use burn::backend::flex::{FlexTensor, Layout};
    use burn::tensor::{Bytes, DType, Shape};

    use super::{Elements, Host, row_major_strides};

    impl Host for Flex {
        fn elements(tensor: &FlexTensor) -> Elements<'_> {
            let layout = tensor.layout();
            let strides = layout
                .strides()
                .iter()
                .map(|&stride| stride.try_into().ok());
            Elements {
                values: &tensor.storage::<f32>()[layout.start_offset()..],
                strides: strides.collect(),
            }
        }

        fn elements_mut(tensor: &mut FlexTensor) -> Option<&mut [f32]> {
            let elements = tensor.layout().num_elements();
            let whole = tensor.bytes().len() == elements * size_of::<f32>() && is_dense(tensor);
            tensor.try_storage_mut::<f32>().filter(|_| whole)
        }

        fn tensor(values: Vec<f32>, shape: &[usize], strides: &[usize]) -> FlexTensor {
            let strides = strides.iter().map(|&stride| stride as isize).collect();
            let layout = Layout::new(Shape::from(shape), strides, 0);
            FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
        }

        fn into_vec(tensor: FlexTensor) -> Vec<f32> {
            let data = tensor.into_data();
            match data.try_into_vec() {
                Ok(values) => values,
                Err(error) => panic!("kernels take f32 tensors: {error:?}"),
            }
        }

        fn row_major(tensor: FlexTensor) -> FlexTensor {
            tensor.to_contiguous()
        }
    }

    /// Whether the elements fill a block of memory without gaps, in any order of axes.
    fn is_dense(tensor: &FlexTensor) -> bool {
        let layout = tensor.layout();
        let shape = layout.shape().to_vec();
        let mut axes: Vec<_> = layout.strides().iter().zip(&shape).collect();
        axes.retain(|(_, size)| **size != 1);
        axes.sort_by_key(|(stride, _)| -**stride);
        let sizes: Vec<usize> = axes.iter().map(|(_, size)| **size).collect();
        let dense = row_major_strides(&sizes);
        axes.iter()
            .zip(dense)
            .all(|((stride, _), dense)| **stride == dense as isize)
    }
}

#[cfg(feature = "ndarray")]
#[allow(deprecated)]
mod ndarray {
    use burn::backend::NdArray;
    use burn::backend::ndarray::NdArrayTensor;
    use ndarray::{ArcArray, ArrayD, IxDyn};

    use super::{Elements, Host};

    impl Host for NdArray {
        fn elements(tensor: &NdArrayTensor) -> Elements<'_> {
            let NdArrayTensor::F32(storage) = tensor else {
                panic!("kernels take f32 tensors")
            };
            let view = storage.view();
            let strides = view.strides().iter().map(|&stride| stride.try_into().ok());
            let strides: Option<Vec<usize>> = strides.collect();
            match (view.to_slice_memory_order(), strides) {
                (Some(values), Some(strides)) => Elements {
                    values,
                    strides: Some(strides),
                },
                _ => Elements {
                    values: &[],
                    strides: None,
                },
            }
        }

        fn elements_mut(tensor: &mut NdArrayTensor) -> Option<&mut [f32]> {
            let NdArrayTensor::F32(storage) = tensor else {
                panic!("kernels take f32 tensors")
            };
            if !storage.is_unique() || storage.view().strides().iter().any(|&stride| stride < 0) {
                return None;
            }
            storage.ensure_owned().as_slice_memory_order_mut()
        }

        fn tensor(values: Vec<f32>, shape: &[usize], strides: &[usize]) -> NdArrayTensor {
            // Axes from the largest stride to the smallest are those of the memory.
            let mut axes: Vec<usize> = (0..shape.len()).collect();
            axes.sort_by_key(|&axis| std::cmp::Reverse((strides[axis], shape[axis])));
            let sizes: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
            let mut back = vec![0; axes.len()];
            for (position, axis) in axes.into_iter().enumerate() {
                back[axis] = position;
            }
            let memory = match ArrayD::from_shape_vec(IxDyn(&sizes), values) {
                Ok(memory) => memory,
                Err(error) => panic!("shape {shape:?} does not fit the values: {error}"),
            };
            let tensor: ArcArray<f32, IxDyn> = memory.permuted_axes(IxDyn(&back)).into_shared();
            tensor.into()
        }

        fn into_vec(tensor: NdArrayTensor) -> Vec<f32> {
            let NdArrayTensor::F32(storage) = tensor else {
                panic!("kernels take f32 tensors")
            };
            let array = storage.into_shared();
            if !array.is_standard_layout() {
                return array.iter().copied().collect();
            }
            let len = array.len();
            match array.try_into_owned_nocopy() {
                Ok(owned) => {
                    let (mut values, offset) = owned.into_raw_vec_and_offset();
                    values.drain(..offset.unwrap_or(0));
                    values.truncate(len);
                    values
                }
                Err(shared) => shared.iter().copied().collect(),
            }
        }

        fn row_major(tensor: NdArrayTensor) -> NdArrayTensor {
            let NdArrayTensor::F32(storage) = tensor else {
                panic!("kernels take f32 tensors")
            };
            let array = storage.into_shared();
            if array.is_standard_layout() {
                return array.into();
            }
            array.as_standard_layout().into_owned().into_shared().into()
        }
    }
}
