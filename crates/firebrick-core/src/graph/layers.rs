//! The layers of [`nn`](crate::nn) as operations.

use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};

use super::{Graph, Operator, Sides, Value};
use crate::ConfigError;
use crate::nn::{
    Activation, AvgPool2d, BatchConv2d, BatchLinear, BatchNorm, Conv2d, LayerNorm2d, Linear,
    LocalResponseNorm, MaxPool2d, PackedLinear,
};

/// A tensor on the host, f32.
fn host<const D: usize>(tensor: Tensor<D>) -> TensorData {
    tensor.into_data().convert_dtype(DType::F32)
}

fn of_param<const D: usize>(param: &Param<Tensor<D>>) -> TensorData {
    host(param.val())
}

/// Scale and shift of a norm layer; 1 and 0 for each channel of a layer without.
fn affine(params: [&Option<Param<Tensor<1>>>; 2], channels: usize) -> [TensorData; 2] {
    let [scale, shift] = params.map(|param| param.as_ref().map(of_param));
    let constant = |value: f32| TensorData::new(vec![value; channels], [channels]);
    [
        scale.unwrap_or_else(|| constant(1.0)),
        shift.unwrap_or_else(|| constant(0.0)),
    ]
}

/// The border of a layer of [`nn`](crate::nn).
fn sides([(top, bottom), (left, right)]: [(usize, usize); 2]) -> Sides {
    Sides {
        top,
        left,
        bottom,
        right,
    }
}

impl Graph {
    /// A convolution.
    pub fn conv(&mut self, path: &str, conv: &Conv2d, input: Value) -> Value {
        let operator = Operator::Conv {
            weight: of_param(&conv.weight),
            bias: conv.bias.as_ref().map(of_param),
            stride: conv.stride,
            padding: sides(conv.padding),
            dilation: conv.dilation,
            groups: conv.groups,
        };
        self.push(path, operator, &[input])
    }

    /// A convolution that members share. The members lie side by side: the input has the channels of all members one behind the other, or
    /// those of one, which all read then.
    pub fn batch_conv(&mut self, path: &str, conv: &BatchConv2d, input: Value) -> Value {
        let weight = conv.weights();
        let [members, outputs, inputs, height, width] = weight.dims();
        let apart = self.shape(input)[0] > inputs * conv.groups;
        let operator = Operator::Conv {
            weight: host(weight.reshape([members * outputs, inputs, height, width])),
            bias: conv
                .bias
                .as_ref()
                .map(|bias| host(bias.val().reshape([members * outputs]))),
            stride: conv.stride,
            padding: sides(conv.padding),
            dilation: conv.dilation,
            groups: if apart {
                members * conv.groups
            } else {
                conv.groups
            },
        };
        self.push(path, operator, &[input])
    }

    /// Batch norm. Of members side by side that share it, each is normalized alike.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for a layer without running statistics, which normalizes by the batch in evaluation as well.
    pub fn batch_norm(
        &mut self,
        path: &str,
        norm: &BatchNorm,
        input: Value,
    ) -> Result<Value, ConfigError> {
        let (Some(mean), Some(variance)) = (&norm.running_mean, &norm.running_var) else {
            return Err(ConfigError::Conflict(format!(
                "`{path}`: a batch norm without running statistics normalizes by the batch in evaluation as well, which no graph of single images can hold"
            )));
        };
        let [own] = mean.value().dims();
        let times = (self.shape(input)[0] / own.max(1)).max(1);
        let repeated = |data: TensorData| {
            if times == 1 {
                return data;
            }
            let values: Vec<f32> = data.iter::<f32>().collect();
            TensorData::new(values.repeat(times), [own * times])
        };
        let [scale, shift] = affine([&norm.gamma, &norm.beta], own).map(repeated);
        let operator = Operator::BatchNorm {
            scale,
            shift,
            mean: repeated(host(mean.value())),
            variance: repeated(host(variance.value())),
            epsilon: norm.epsilon,
        };
        Ok(self.push(path, operator, &[input]))
    }

    /// Layer norm of the channels of each pixel.
    pub fn layer_norm(&mut self, path: &str, norm: &LayerNorm2d, input: Value) -> Value {
        let [channels, ..] = self.shape(input);
        let [scale, shift] = affine([&norm.weight, &norm.bias], channels);
        let operator = Operator::LayerNorm {
            scale,
            shift,
            epsilon: norm.epsilon,
        };
        self.push(path, operator, &[input])
    }

    /// A linear layer on all values of an image.
    pub fn linear(&mut self, path: &str, linear: &Linear, input: Value) -> Value {
        let operator = Operator::Linear {
            weight: host(linear.weight.val().transpose()),
            bias: linear.bias.as_ref().map(of_param),
        };
        self.push(path, operator, &[input])
    }

    /// A linear layer on the channels of each pixel, which is a 1×1 convolution.
    pub fn pointwise(&mut self, path: &str, linear: &Linear, input: Value) -> Value {
        let [inputs, outputs] = linear.weight.dims();
        let weight = linear.weight.val().transpose();
        let weight = host(weight.reshape([outputs, inputs, 1, 1]));
        self.grouped(path, weight, linear.bias.as_ref().map(of_param), 1, input)
    }

    /// A linear layer of members side by side, each on its own features.
    pub fn packed_linear(&mut self, path: &str, linear: &PackedLinear, input: Value) -> Value {
        let [groups, outputs, inputs] = linear.weight.dims();
        let weight = linear.weight.val();
        let weight = host(weight.reshape([groups * outputs, inputs, 1, 1]));
        let bias = linear.bias.as_ref().map(of_param);
        self.grouped(path, weight, bias, groups, input)
    }

    /// A linear layer that members share, which lie side by side: each on its own features.
    pub fn batch_linear(&mut self, path: &str, linear: &BatchLinear, input: Value) -> Value {
        let [members, outputs] = linear.s_group.dims();
        let [_, inputs] = linear.r_group.dims();
        let weight = linear
            .weight
            .val()
            .transpose()
            .reshape([1, outputs, inputs]);
        let inside = linear.r_group.val().reshape([members, 1, inputs]);
        let outside = linear.s_group.val().reshape([members, outputs, 1]);
        let weight = weight * inside * outside;
        let weight = host(weight.reshape([members * outputs, inputs, 1, 1]));
        let bias = linear.bias.as_ref();
        let bias = bias.map(|bias| host(bias.val().reshape([members * outputs])));
        self.grouped(path, weight, bias, members, input)
    }

    /// A 1×1 convolution.
    fn grouped(
        &mut self,
        path: &str,
        weight: TensorData,
        bias: Option<TensorData>,
        groups: usize,
        input: Value,
    ) -> Value {
        let operator = Operator::Conv {
            weight,
            bias,
            stride: [1; 2],
            padding: Sides::default(),
            dilation: [1; 2],
            groups,
        };
        self.push(path, operator, &[input])
    }

    /// Each channel times a number, of as many values as there are channels.
    pub fn scale<const D: usize>(&mut self, path: &str, by: &Tensor<D>, input: Value) -> Value {
        let by = by.clone().flatten::<1>(0, D - 1);
        self.push(path, Operator::Scale(host(by)), &[input])
    }

    /// A function of each value.
    pub fn activation(&mut self, path: &str, activation: Activation, input: Value) -> Value {
        if activation == Activation::Identity {
            return input;
        }
        self.push(path, Operator::Activation(activation), &[input])
    }

    /// The largest value of each window. What a window in ceil mode needs beyond the far edge is in the border.
    pub fn max_pool(&mut self, path: &str, pool: &MaxPool2d, input: Value) -> Value {
        let [_, height, width] = self.shape(input);
        let (kernel, stride, padding) = (pool.kernel_size, pool.stride, pool.padding);
        let beyond = |length: usize| {
            let all = length + 2 * padding;
            if !pool.ceil_mode {
                return padding;
            }
            let steps = all.saturating_sub(kernel).div_ceil(stride);
            // As PyTorch has it, no window begins in the border beyond the far edge.
            let steps = if steps * stride >= length + padding {
                steps.saturating_sub(1)
            } else {
                steps
            };
            padding + (steps * stride + kernel).saturating_sub(all)
        };
        let padding = Sides {
            top: padding,
            left: padding,
            bottom: beyond(height),
            right: beyond(width),
        };
        let operator = Operator::MaxPool {
            kernel,
            stride,
            padding,
        };
        self.push(path, operator, &[input])
    }

    /// The mean of each window.
    pub fn avg_pool(&mut self, path: &str, pool: &AvgPool2d, input: Value) -> Value {
        let operator = Operator::AvgPool {
            kernel: pool.kernel_size,
            stride: pool.stride,
            padding: Sides::all(pool.padding),
            border_counts: pool.count_include_pad,
        };
        self.push(path, operator, &[input])
    }

    /// The mean of 2×2 pixels, of fewer at the far edge of an odd side.
    pub fn halve(&mut self, path: &str, input: Value) -> Value {
        let [_, height, width] = self.shape(input);
        let operator = Operator::AvgPool {
            kernel: 2,
            stride: 2,
            padding: Sides {
                bottom: height % 2,
                right: width % 2,
                ..Sides::default()
            },
            border_counts: false,
        };
        self.push(path, operator, &[input])
    }

    /// The mean of as many windows as the output has pixels.
    pub fn adaptive_avg_pool(&mut self, path: &str, size: [usize; 2], input: Value) -> Value {
        let [_, height, width] = self.shape(input);
        let divides = |length: usize, parts: usize| length.is_multiple_of(parts.max(1));
        let kernel = height / size[0].max(1);
        let operator = match size {
            size if size == [height, width] => return input,
            [1, 1] => Operator::GlobalAvgPool,
            [rows, columns]
                if divides(height, rows)
                    && divides(width, columns)
                    && kernel == width / columns.max(1) =>
            {
                Operator::AvgPool {
                    kernel,
                    stride: kernel,
                    padding: Sides::default(),
                    border_counts: false,
                }
            }
            to => Operator::AdaptiveAvgPool {
                from: [height, width],
                to,
            },
        };
        self.push(path, operator, &[input])
    }

    /// Local response normalization.
    pub fn local_response_norm(
        &mut self,
        path: &str,
        norm: &LocalResponseNorm,
        input: Value,
    ) -> Value {
        let operator = Operator::LocalResponseNorm {
            size: norm.size,
            alpha: norm.alpha,
            beta: norm.beta,
            k: norm.k,
        };
        self.push(path, operator, &[input])
    }

    /// A row of zeros above and a column of zeros to the left of an image whose side is odd.
    pub fn pad_odd(&mut self, path: &str, input: Value) -> Value {
        let [_, height, width] = self.shape(input);
        let sides = Sides {
            top: height % 2,
            left: width % 2,
            ..Sides::default()
        };
        if sides == Sides::default() {
            return input;
        }
        let channels = [0; 2];
        self.push(path, Operator::Pad { sides, channels }, &[input])
    }

    /// The sum of two values.
    pub fn add(&mut self, path: &str, [left, right]: [Value; 2]) -> Value {
        self.push(path, Operator::Add, &[left, right])
    }

    /// Values behind each other, along the channels.
    pub fn concat(&mut self, path: &str, values: &[Value]) -> Value {
        match values {
            [single] => *single,
            values => self.push(path, Operator::Concat, values),
        }
    }

    /// The channels of a value in so many equal parts.
    pub fn split(&mut self, path: &str, parts: usize, input: Value) -> Vec<Value> {
        if parts == 1 {
            return vec![input];
        }
        let each = self.shape(input)[0] / parts;
        let parts = (0..parts).map(|part| {
            let channels = [part * each, (part + 1) * each];
            self.push(path, Operator::Channels(channels), &[input])
        });
        parts.collect()
    }

    /// Every n-th row and column, with channels of zeros before and behind.
    pub fn subsample(
        &mut self,
        path: &str,
        step: usize,
        (before, behind): (usize, usize),
        input: Value,
    ) -> Value {
        let sampled = match step {
            1 => input,
            step => self.push(path, Operator::Subsample(step), &[input]),
        };
        let operator = Operator::Pad {
            sides: Sides::default(),
            channels: [before, behind],
        };
        match (before, behind) {
            (0, 0) => sampled,
            _ => self.push(path, operator, &[sampled]),
        }
    }
}
