//! Batch normalization with PyTorch's running statistics.

use std::cell::Cell;

use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

use super::Activation;
use crate::kernels::{batch_norm, batch_norm_train};
use crate::probe;

/// How a batch changes the running statistics, in place of the layer's own momentum.
#[derive(Clone, Copy)]
enum Running {
    /// They move by this share.
    Moves(f64),
    /// They become the moments of all values of these images, of which the batch has the last.
    Pools { before: usize, images: usize },
}

thread_local! {
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
    /// The fewest values per channel so far, inside [`fewest_values_per_channel`].
    static FEWEST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs `forward` with another momentum in every [`BatchNorm`] on this thread: with 1 for a first batch,
/// 1/2 for a second, 1/3 for a third, … the running statistics become the mean of theirs, as with
/// PyTorch's `momentum=None`.
pub fn with_batch_norm_momentum<T>(momentum: f64, forward: impl FnOnce() -> T) -> T {
    with_running(Running::Moves(momentum), forward)
}

/// Runs `forward` over a batch of `images` images so that the running statistics of every [`BatchNorm`] on
/// this thread become the mean and the unbiased variance of all its values so far: those of the batch, and
/// of the `before` images from which earlier calls took them. With `before` 0 they begin with the batch.
///
/// Unlike the mean of the variances of batches, this counts how far the means of the batches lie apart.
pub fn with_pooled_batch_norm<T>(before: usize, images: usize, forward: impl FnOnce() -> T) -> T {
    with_running(Running::Pools { before, images }, forward)
}

fn with_running<T>(running: Running, forward: impl FnOnce() -> T) -> T {
    struct Restore(Option<Running>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNNING.set(self.0);
        }
    }
    let _restore = Restore(RUNNING.replace(Some(running)));
    forward()
}

/// Runs `forward` and returns the smallest number of values from which a [`BatchNorm`] on
/// this thread took the statistics of a channel; `None` if none took statistics, as in evaluation.
pub fn fewest_values_per_channel(forward: impl FnOnce()) -> Option<usize> {
    struct Restore(Option<usize>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FEWEST.set(self.0);
        }
    }
    let _restore = Restore(FEWEST.replace(Some(usize::MAX)));
    forward();
    FEWEST.get().filter(|fewest| *fewest != usize::MAX)
}

/// Configuration of [`BatchNorm`].
#[derive(Debug, Clone)]
pub struct BatchNormConfig {
    /// The number of channels.
    pub num_features: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Share of the new batch in the running statistics.
    pub momentum: f64,
}

impl BatchNormConfig {
    /// PyTorch's defaults: `eps` 1e-5, `momentum` 0.1.
    #[must_use]
    pub fn new(num_features: usize) -> Self {
        Self {
            num_features,
            epsilon: 1e-5,
            momentum: 0.1,
        }
    }

    /// The layer: weight 1, bias 0, running mean 0, running variance 1.
    #[must_use]
    pub fn init(&self, device: &Device) -> BatchNorm {
        let filled = |value: f64| Tensor::<1>::full([self.num_features], value, device);
        BatchNorm {
            gamma: Param::from_tensor(filled(1.0)),
            beta: Param::from_tensor(filled(0.0)),
            training: Param::from_bool(true),
            running_mean: RunningState::new(filled(0.0)),
            running_var: RunningState::new(filled(1.0)),
            momentum: self.momentum,
            epsilon: self.epsilon,
        }
    }
}

/// Normalizes each channel of `[N, C, …]` over all other axes, then scales and shifts it.
///
/// Training (on an autodiff device, unless the layer is frozen) uses the statistics of the batch
/// and moves the running ones: `running = (1 - momentum) · running + momentum · batch`, with the
/// **unbiased** batch variance, as PyTorch does; burn's own layer takes the biased one. Evaluation
/// uses the running statistics.
///
/// Clones share the running statistics; [`independent_copy`](crate::independent_copy()) shares nothing.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, PyTorch's `weight`, `[C]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, PyTorch's `bias`, `[C]`.
    pub beta: Param<Tensor<1>>,
    /// Whether training behaviour is on; freezing turns it off.
    pub training: Param<Flag>,
    /// Mean for evaluation, `[C]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// Variance for evaluation, `[C]`.
    pub running_var: RunningState<Tensor<1>>,
    /// Share of the new batch in the running statistics.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

impl BatchNorm {
    /// # Shapes
    /// `[N, C, …]` to the same.
    ///
    /// # Panics
    /// When the second axis is not the number of channels, or a training batch has one value for
    /// each channel, whose variance is unknown.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let output = self.normalize(input, None, false);
        probe::record("BatchNorm", Some(self.gamma.id), &output, 0);
        output
    }

    /// Normalizes and rectifies in one pass: `relu(batch_norm(x))`.
    ///
    /// # Shapes
    /// `[N, C, …]` to the same.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_relu<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        self.forward_activated(input, None, Activation::Relu)
    }

    /// Normalizes, adds and rectifies in one pass: `relu(batch_norm(x) + residual)`.
    ///
    /// # Shapes
    /// Both `[N, C, …]`, to the same.
    ///
    /// # Panics
    /// As [`Self::forward`], or when the shapes differ.
    pub fn forward_add_relu<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Tensor<D>,
    ) -> Tensor<D> {
        self.forward_activated(input, Some(residual), Activation::Relu)
    }

    /// Normalizes, adds the residual where there is one, and applies the activation, in one pass
    /// where that is a rectifier or the identity.
    ///
    /// # Shapes
    /// Both `[N, C, …]`, to the same.
    ///
    /// # Panics
    /// As [`Self::forward`], or when the shapes differ.
    pub fn forward_activated<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Option<Tensor<D>>,
        activation: Activation,
    ) -> Tensor<D> {
        // An observer sees what each layer puts out.
        if probe::observing() {
            let output = self.forward(input);
            let output = match residual {
                Some(residual) => output + residual,
                None => output,
            };
            return activation.forward(output);
        }
        if activation == Activation::Relu {
            return self.normalize(input, residual, true);
        }
        activation.forward(self.normalize(input, residual, false))
    }

    /// Whether the statistics of the batch are used, and move the running ones.
    pub(super) fn trains<const D: usize>(&self, input: &Tensor<D>) -> bool {
        input.device().is_autodiff() && self.training.is_enabled()
    }

    fn normalize<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Option<Tensor<D>>,
        relu: bool,
    ) -> Tensor<D> {
        if self.trains(&input) {
            return self.normalize_by_batch(input, residual, relu);
        }
        batch_norm(
            input,
            [self.gamma.val(), self.beta.val()],
            [self.running_mean.value(), self.running_var.value()],
            self.epsilon,
            residual,
            relu,
        )
    }

    fn normalize_by_batch<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Option<Tensor<D>>,
        relu: bool,
    ) -> Tensor<D> {
        let dims = input.dims();
        let count = dims.iter().product::<usize>() / dims[1];
        assert!(
            count > 1,
            "batch norm in training needs more than one value for each channel, got input {dims:?}; use a larger batch"
        );
        FEWEST.set(FEWEST.get().map(|fewest| fewest.min(count)));
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        let batch = batch_norm_train(input, gamma, beta, self.epsilon, residual, relu);
        let (mean, variance) = (batch.mean.detach(), batch.variance.detach());
        match RUNNING.get().unwrap_or(Running::Moves(self.momentum)) {
            Running::Moves(momentum) => {
                let unbiased = count as f64 / (count - 1) as f64;
                move_running(&self.running_mean, mean, momentum);
                move_running(&self.running_var, variance * unbiased, momentum);
            }
            Running::Pools { before, images } => {
                let values_of_image = count as f64 / images as f64;
                self.pool_running(
                    before as f64 * values_of_image,
                    count as f64,
                    mean,
                    variance,
                );
            }
        }
        batch.output
    }

    /// Joins the moments of `count` values of a batch to those of `before` values.
    fn pool_running(&self, before: f64, count: f64, mean: Tensor<1>, variance: Tensor<1>) {
        let all = before + count;
        let unbiased = all / (all - 1.0);
        if before == 0.0 {
            set_running(&self.running_mean, mean);
            set_running(&self.running_var, variance * unbiased);
            return;
        }
        let share = count / all;
        let (old_mean, old_variance) = (
            self.running_mean.value_sync(),
            self.running_var.value_sync() * ((before - 1.0) / before),
        );
        let apart = mean - old_mean.clone();
        let within = old_variance * (1.0 - share) + variance * share;
        let between = apart.clone() * apart.clone() * (share * (1.0 - share));
        set_running(&self.running_mean, old_mean + apart * share);
        set_running(&self.running_var, (within + between) * unbiased);
    }
}

fn move_running(running: &RunningState<Tensor<1>>, batch: Tensor<1>, momentum: f64) {
    let moved = running.value_sync() * (1.0 - momentum) + batch * momentum;
    set_running(running, moved);
}

fn set_running(running: &RunningState<Tensor<1>>, value: Tensor<1>) {
    running.update(value.detach());
    // Without this a checkpoint would read the value of one batch before.
    let _ = running.value_sync();
}
