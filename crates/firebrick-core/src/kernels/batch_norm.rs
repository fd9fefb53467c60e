//! Batch norm, with the sum and the activation that follow it.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use firebrick_kernels::activation::Activation;
use firebrick_kernels::batch_norm::{self as kernel, Fused};
use firebrick_kernels::elementwise;

use super::activation;
use super::host::{Host, Images, dense, from_values, values};
use super::operation::{Operation, run, run_single};
use super::take;

/// What batch norm gives in training.
pub struct BatchNormTrained<const D: usize> {
    /// Of the input's shape.
    pub output: Tensor<D>,
    /// Mean of each channel of the batch, `[C]`; a constant.
    pub mean: Tensor<1>,
    /// Biased variance of each channel of the batch, `[C]`; a constant.
    pub variance: Tensor<1>,
}

/// Normalizes each channel by the statistics of the batch, scales and shifts it, adds the residual where there is one, and applies the activation. The rectifier, and without a residual ReLU6,
/// hard swish and SiLU, are part of the same pass.
///
/// # Shapes
/// `x` and `residual` `[N, C, …]`; `gamma` and `beta` `[C]`.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn batch_norm_train<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    residual: Option<Tensor<D>>,
    activation: Option<Activation>,
) -> BatchNormTrained<D> {
    let (activation, behind) = divided(activation, residual.is_some());
    if !fits(&x, &[&gamma, &beta], residual.as_ref()) {
        let trained = burn::tensor::module::batch_norm_train(x, gamma, beta, epsilon);
        return BatchNormTrained {
            output: finish(finish(trained.output, residual, activation), None, behind),
            mean: trained.mean.detach(),
            variance: trained.variance.detach(),
        };
    }
    let shape = x.dims();
    let inputs = inputs(x, gamma, beta, residual);
    let outputs = run(
        Train {
            epsilon: epsilon as f32,
            activation,
        },
        inputs,
    );
    let [output, mean, variance] = match <[_; 3]>::try_from(outputs) {
        Ok(outputs) => outputs,
        Err(_) => unreachable!("the operation has three outputs"),
    };
    let output = back(Tensor::from_dispatch(output), shape);
    BatchNormTrained {
        output: finish(output, None, behind),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// Normalizes each channel by given statistics, otherwise as [`batch_norm_train`]. The statistics
/// are constants.
///
/// # Shapes
/// `x` and `residual` `[N, C, …]`; the others `[C]`.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    [gamma, beta]: [Tensor<1>; 2],
    [mean, variance]: [Tensor<1>; 2],
    epsilon: f64,
    residual: Option<Tensor<D>>,
    activation: Option<Activation>,
) -> Tensor<D> {
    // Its gradient knows no other activation.
    let (activation, behind) = divided(activation, x.is_autodiff());
    let vectors = [&gamma, &beta, &mean, &variance];
    if !fits(&x, &vectors, residual.as_ref()) {
        let output = burn::tensor::module::batch_norm(x, gamma, beta, mean, variance, epsilon);
        return finish(finish(output, residual, activation), None, behind);
    }
    let shape = x.dims();
    let operation = Apply {
        mean: mean.into_data().iter::<f32>().collect(),
        variance: variance.into_data().iter::<f32>().collect(),
        epsilon: epsilon as f32,
        activation,
    };
    let output = run_single(operation, inputs(x, gamma, beta, residual));
    finish(back(Tensor::from_dispatch(output), shape), None, behind)
}

fn fits<const D: usize>(
    x: &Tensor<D>,
    vectors: &[&Tensor<1>],
    residual: Option<&Tensor<D>>,
) -> bool {
    D >= 2
        && take(x)
        && vectors
            .iter()
            .all(|vector| take(*vector) && vector.dims() == [x.dims()[1]])
        && residual.is_none_or(|residual| take(residual) && residual.dims() == x.dims())
}

/// What is fused, and what comes behind; beside others, no activation but the rectifier is fused.
fn divided(
    activation: Option<Activation>,
    others: bool,
) -> (Option<Activation>, Option<Activation>) {
    let fused = |activation: Activation| {
        activation == Activation::Relu || !others && kernel::fuses(activation)
    };
    if activation.is_none_or(fused) {
        (activation, None)
    } else {
        (None, activation)
    }
}

/// The sum and the activation, on their own.
fn finish<const D: usize>(
    output: Tensor<D>,
    residual: Option<Tensor<D>>,
    activation: Option<Activation>,
) -> Tensor<D> {
    let output = match residual {
        Some(residual) => output + residual,
        None => output,
    };
    match activation {
        Some(activation) => activation::apply(activation, output),
        None => output,
    }
}

fn inputs<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<D>>,
) -> Vec<burn::backend::DispatchTensor> {
    let mut inputs = vec![
        images(x).into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
    ];
    inputs.extend(residual.map(|residual| images(residual).into_dispatch()));
    inputs
}

/// Of any rank from 2 on, as images.
fn images<const D: usize>(x: Tensor<D>) -> Tensor<4> {
    if D == 4 {
        return Tensor::from_dispatch(x.into_dispatch());
    }
    let shape = x.dims();
    let rest = shape[2..].iter().product();
    x.reshape([shape[0], shape[1], 1, rest])
}

/// The way back from [`images`].
fn back<const D: usize>(output: Tensor<4>, shape: [usize; D]) -> Tensor<D> {
    if D == 4 {
        return Tensor::from_dispatch(output.into_dispatch());
    }
    output.reshape(shape)
}

/// The inputs of both operations, as the kernels take them.
struct Given<B: Host> {
    x: Images<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    residual: Option<Images<B>>,
}

impl<B: Host> Given<B> {
    fn new(inputs: Vec<FloatTensor<B>>) -> Self {
        let mut inputs = inputs.into_iter();
        let [x, gamma, beta, residual] = std::array::from_fn(|_| inputs.next());
        let (Some(x), Some(gamma), Some(beta)) = (x, gamma, beta) else {
            unreachable!("batch norm has at least three inputs")
        };
        Self {
            x: Images::new(x),
            gamma: dense::<B>(gamma),
            beta: dense::<B>(beta),
            residual: residual.map(Images::new),
        }
    }

    fn fused(&self, activation: Option<Activation>) -> Fused<'_> {
        Fused {
            residual: self.residual.as_ref().map(Images::values),
            activation,
        }
    }
}

#[derive(Debug)]
struct Train {
    epsilon: f32,
    activation: Option<Activation>,
}

/// What the backward pass of [`Train`] needs.
#[derive(Debug, Clone)]
struct Trained<B: Host> {
    x: Images<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// Where there was a residual and a rectifier.
    output: Option<Images<B>>,
}

impl Operation for Train {
    type Saved<B: Host> = Trained<B>;

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Trained<B>) {
        let given = Given::<B>::new(inputs);
        let image = given.x.image;
        let trained = kernel::forward_train(
            given.x.values(),
            image.c,
            values::<B>(&given.gamma),
            values::<B>(&given.beta),
            self.epsilon,
            given.fused(self.activation),
        );
        let output = Images::<B>::from_values(trained.output, image);
        let outputs = vec![
            output.clone().into_tensor(),
            from_values::<B>(trained.mean.clone(), &[image.c]),
            from_values::<B>(trained.variance.clone(), &[image.c]),
        ];
        let saved = Trained {
            x: given.x,
            gamma: given.gamma,
            beta: given.beta,
            mean: trained.mean,
            variance: trained.variance,
            output: (self.activation.is_some() && given.residual.is_some()).then_some(output),
        };
        (outputs, saved)
    }

    fn backward<B: Host>(
        &self,
        saved: Trained<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let residual = wanted.get(3) == Some(&true);
        let image = saved.x.image;
        let gradients = kernel::backward(
            &kernel::Saved {
                x: saved.x.values(),
                gamma: values::<B>(&saved.gamma),
                beta: values::<B>(&saved.beta),
                mean: &saved.mean,
                variance: &saved.variance,
                eps: self.epsilon,
                activation: self.activation,
                output: saved.output.as_ref().map(Images::values),
            },
            dy.values(),
            residual && self.activation.is_some(),
        );
        let residual = residual.then(|| match gradients.residual {
            Some(values) => Images::<B>::from_values(values, image).into_tensor(),
            None => dy.into_tensor(),
        });
        let vector = |values| from_values::<B>(values, &[image.c]);
        vec![
            wanted[0].then(|| Images::<B>::from_values(gradients.x, image).into_tensor()),
            wanted[1].then(|| vector(gradients.gamma)),
            wanted[2].then(|| vector(gradients.beta)),
            residual,
        ]
    }
}

#[derive(Debug)]
struct Apply {
    mean: Vec<f32>,
    variance: Vec<f32>,
    epsilon: f32,
    activation: Option<Activation>,
}

/// What the backward pass of [`Apply`] needs.
#[derive(Debug, Clone)]
struct Applied<B: Host> {
    /// Where a gradient of the scale is wanted.
    x: Option<Images<B>>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    /// Where there is a rectifier.
    output: Option<Images<B>>,
}

impl Apply {
    /// Scale and shift of each channel.
    fn folded(&self, gamma: &[f32], beta: &[f32]) -> (Vec<f32>, Vec<f32>) {
        fold(gamma, beta, &self.mean, &self.variance, self.epsilon.into())
    }
}

/// What batch norm with given statistics multiplies each channel by and then adds to it.
pub(crate) fn fold(
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    variance: &[f32],
    epsilon: f64,
) -> (Vec<f32>, Vec<f32>) {
    let affine = gamma.iter().zip(beta);
    let statistics = mean.iter().zip(variance);
    affine
        .zip(statistics)
        .map(|((gamma, beta), (mean, variance))| {
            let scale = f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt();
            let shift = f64::from(*beta) - f64::from(*mean) * scale;
            (scale as f32, shift as f32)
        })
        .unzip()
}

impl Operation for Apply {
    type Saved<B: Host> = Applied<B>;

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Applied<B>) {
        let given = Given::<B>::new(inputs);
        let (scale, shift) = self.folded(values::<B>(&given.gamma), values::<B>(&given.beta));
        let image = given.x.image;
        let output = kernel::apply(
            given.x.values(),
            &scale,
            &shift,
            given.fused(self.activation),
        );
        let output = Images::<B>::from_values(output, image);
        let affine = wanted[1] || wanted[2];
        let saved = Applied {
            x: affine.then_some(given.x),
            gamma: given.gamma,
            beta: given.beta,
            output: self.activation.map(|_| output.clone()),
        };
        (vec![output.into_tensor()], saved)
    }

    fn backward<B: Host>(
        &self,
        saved: Applied<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let mut dy = Images::<B>::new(gradient);
        let image = dy.image;
        if let Some(output) = &saved.output {
            let (_, bits) = elementwise::relu(output.values());
            dy = Images::from_values(elementwise::relu_grad(dy.values(), &bits), image);
        }
        let (gamma, beta) = (values::<B>(&saved.gamma), values::<B>(&saved.beta));
        let affine = saved.x.map(|x| {
            let saved = kernel::Saved {
                x: x.values(),
                gamma,
                beta,
                mean: &self.mean,
                variance: &self.variance,
                eps: self.epsilon,
                activation: None,
                output: None,
            };
            let gradients = kernel::backward(&saved, dy.values(), false);
            [gradients.gamma, gradients.beta].map(|values| from_values::<B>(values, &[image.c]))
        });
        let [gamma_gradient, beta_gradient] = match affine {
            Some([gamma, beta]) => [wanted[1].then_some(gamma), wanted[2].then_some(beta)],
            None => [None, None],
        };
        let x = wanted[0].then(|| {
            let (scale, _) = self.folded(gamma, beta);
            let zero = vec![0.0; image.c];
            let dx = kernel::apply(dy.values(), &scale, &zero, Fused::default());
            Images::<B>::from_values(dx, image).into_tensor()
        });
        let residual = (wanted.get(3) == Some(&true)).then(|| dy.into_tensor());
        vec![x, gamma_gradient, beta_gradient, residual]
    }
}
