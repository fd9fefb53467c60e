//! Batch normalization with PyTorch's running statistics.

use std::cell::Cell;

use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

use super::Activation;
use crate::kernels::{batch_norm, batch_norm_train};
use crate::probe;

thread_local! {
    static MOMENTUM: Cell<Option<f64>> = const { Cell::new(None) };
    /// The fewest values per channel so far, inside [`fewest_values_per_channel`].
    static FEWEST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs `forward` with another momentum in every [`BatchNorm`] on this thread: with 1 for a first batch,
/// 1/2 for a second, 1/3 for a third, … the running statistics become the mean of theirs, as with
/// PyTorch's `momentum=None`.
pub fn with_batch_norm_momentum<T>(momentum: f64, forward: impl FnOnce() -> T) -> T {
    struct Restore(Option<f64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            MOMENTUM.set(self.0);
        }
    }
    let _restore = Restore(MOMENTUM.replace(Some(momentum)));
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
/// Clones share the running statistics; take a snapshot with `.valid()`.
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
        let unbiased = count as f64 / (count - 1) as f64;
        self.move_running(&self.running_mean, batch.mean);
        self.move_running(&self.running_var, batch.variance * unbiased);
        batch.output
    }

    fn move_running(&self, running: &RunningState<Tensor<1>>, batch: Tensor<1>) {
        let momentum = MOMENTUM.get().unwrap_or(self.momentum);
        let moved = running.value_sync() * (1.0 - momentum) + batch.detach() * momentum;
        running.update(moved.detach());
        // Without this a checkpoint would read the value of one batch before.
        let _ = running.value_sync();
    }
}
