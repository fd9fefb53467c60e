//! Batch normalization with PyTorch's running statistics.
//!
//! Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015; PyTorch's `BatchNorm1d` to `BatchNorm3d`. Ghost batches: Hoffer, Hubara and
//! Soudry, "Train longer, generalize better", NIPS 2017, algorithm 1.

use std::cell::Cell;

use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::Activation;
use crate::kernels::{Curve, batch_norm, batch_norm_train};
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
    /// Share of the new batch in the running statistics; `None` makes them the mean over all batches so far, PyTorch's
    /// `momentum=None`.
    pub momentum: Option<f64>,
    /// Whether there are a scale and a shift to learn.
    pub affine: bool,
    /// Whether there are running statistics; without, evaluation normalizes by the batch as well, PyTorch's
    /// `track_running_stats=False`.
    pub tracked: bool,
    /// Images of a ghost batch: in training, a larger batch is divided evenly into such parts, each of which is normalized by itself. `None`
    /// normalizes the batch as a whole.
    pub ghost: Option<usize>,
}

impl BatchNormConfig {
    /// PyTorch's defaults: `eps` 1e-5, `momentum` 0.1, with scale, shift and running statistics.
    #[must_use]
    pub fn new(num_features: usize) -> Self {
        Self {
            num_features,
            epsilon: 1e-5,
            momentum: Some(0.1),
            affine: true,
            tracked: true,
            ghost: None,
        }
    }

    /// The layer: weight 1, bias 0, running mean 0, running variance 1.
    #[must_use]
    pub fn init(&self, device: &Device) -> BatchNorm {
        let filled = |value: f64| Tensor::<1>::full([self.num_features], value, device);
        BatchNorm {
            gamma: self.affine.then(|| Param::from_tensor(filled(1.0))),
            beta: self.affine.then(|| Param::from_tensor(filled(0.0))),
            training: Param::from_bool(true),
            running_mean: self.tracked.then(|| RunningState::new(filled(0.0))),
            running_var: self.tracked.then(|| RunningState::new(filled(1.0))),
            num_batches_tracked: (self.tracked && self.momentum.is_none())
                .then(|| RunningState::new(Tensor::zeros([1], device))),
            momentum: self.momentum,
            epsilon: self.epsilon,
            ghost: self.ghost,
        }
    }
}

/// Normalizes each channel of `[N, C, …]` over all other axes, then scales and shifts it.
///
/// Training (on an autodiff device, unless the layer is frozen) uses the statistics of the batch
/// and moves the running ones: `running = (1 - momentum) · running + momentum · batch`, with the
/// **unbiased** batch variance, as PyTorch does; burn's own layer takes the biased one. Evaluation
/// uses the running statistics. [`freeze_statistics`](crate::freeze::freeze_statistics) has training use them as well, while scale and
/// shift are trained, and [`freeze_affine`](crate::freeze::freeze_affine) does the reverse.
///
/// With `momentum: None`, the mean begins anew with the first batch after weights of PyTorch were loaded, whose own count of batches is not
/// taken over; checkpoints and files of Firebrick keep it.
///
/// Clones share the running statistics; [`independent_copy`](crate::independent_copy()) shares nothing.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, PyTorch's `weight`, `[C]`.
    pub gamma: Option<Param<Tensor<1>>>,
    /// Shift, PyTorch's `bias`, `[C]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Whether training behaviour is on; freezing turns it off.
    pub training: Param<Flag>,
    /// Mean for evaluation, `[C]`.
    pub running_mean: Option<RunningState<Tensor<1>>>,
    /// Variance for evaluation, `[C]`.
    pub running_var: Option<RunningState<Tensor<1>>>,
    /// Batches in the running statistics, `[1]`, where they are the mean over all batches.
    pub num_batches_tracked: Option<RunningState<Tensor<1>>>,
    /// Share of the new batch in the running statistics; `None` for the mean over all batches.
    pub momentum: Option<f64>,
    /// Added to the variance.
    pub epsilon: f64,
    /// Images of a ghost batch.
    pub ghost: Option<usize>,
}

impl BatchNorm {
    /// # Shapes
    /// `[N, C, …]` to the same.
    ///
    /// # Panics
    /// When the second axis is not the number of channels, or a training batch has one value for
    /// each channel, whose variance is unknown.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let output = self.normalize(input, None, None);
        let layer = self.gamma.as_ref().map(|gamma| gamma.id);
        probe::record("BatchNorm", layer, &output, 0);
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

    /// Normalizes, adds the residual where there is one, and applies the activation, in one pass where that is a
    /// rectifier or the identity or, without a residual, ReLU6, hard swish or SiLU.
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
        self.normalize(input, residual, activation.curve())
    }

    /// The running statistics, where evaluation and frozen training use them.
    pub(super) fn statistics(&self) -> Option<[Tensor<1>; 2]> {
        let (mean, variance) = (self.running_mean.as_ref()?, self.running_var.as_ref()?);
        Some([mean.value(), variance.value()])
    }

    /// Scale and shift; without them 1 and 0 for each of these channels.
    pub(super) fn affine(&self, channels: usize, device: &Device, dtype: DType) -> [Tensor<1>; 2] {
        let or = |param: &Option<Param<Tensor<1>>>, value: f32| match param {
            Some(param) => param.val(),
            None => {
                let data = TensorData::new(vec![value; channels], [channels]);
                Tensor::from_data(data, (device, dtype))
            }
        };
        [or(&self.gamma, 1.0), or(&self.beta, 0.0)]
    }

    fn normalize<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Option<Tensor<D>>,
        activation: Option<Curve>,
    ) -> Tensor<D> {
        let trains = input.device().is_autodiff() && self.training.is_enabled();
        let statistics = self.statistics().filter(|_| !trains);
        let Some(statistics) = statistics else {
            return self.normalize_by_batch(input, residual, activation);
        };
        let affine = self.affine(input.dims()[1], &input.device(), input.dtype());
        batch_norm(
            input,
            affine,
            statistics,
            self.epsilon,
            residual,
            activation,
        )
    }

    fn normalize_by_batch<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Option<Tensor<D>>,
        activation: Option<Curve>,
    ) -> Tensor<D> {
        let images = input.dims()[0];
        let trains = input.device().is_autodiff() && self.training.is_enabled();
        let ghosts = match self.ghost.filter(|_| trains) {
            Some(ghost) => images.div_ceil(ghost.max(1)),
            None => 1,
        };
        if ghosts <= 1 {
            return self.normalize_part(input, residual, activation, trains.then_some([0, images]));
        }
        // As even as `torch.chunk` makes them.
        let each = images.div_ceil(ghosts);
        let parts = (0..images).step_by(each).map(|first| {
            let count = each.min(images - first);
            let part = input.clone().narrow(0, first, count);
            let residual = residual.clone();
            let residual = residual.map(|residual| residual.narrow(0, first, count));
            self.normalize_part(part, residual, activation, Some([first, images]))
        });
        Tensor::cat(parts.collect(), 0)
    }

    /// Normalizes by the statistics of the input. They move the running ones unless `place` is missing: the number of its first image in the
    /// batch, and the size of the batch.
    fn normalize_part<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Option<Tensor<D>>,
        activation: Option<Curve>,
        place: Option<[usize; 2]>,
    ) -> Tensor<D> {
        let dims = input.dims();
        let count = dims.iter().product::<usize>() / dims[1];
        assert!(
            count > 1,
            "batch norm in training needs more than one value for each channel, got input {dims:?}; use a larger batch"
        );
        FEWEST.set(FEWEST.get().map(|fewest| fewest.min(count)));
        let [gamma, beta] = self.affine(dims[1], &input.device(), input.dtype());
        let batch = batch_norm_train(input, gamma, beta, self.epsilon, residual, activation);
        if let Some(place) = place {
            let statistics = [batch.mean.detach(), batch.variance.detach()];
            self.move_statistics(statistics, count, count / dims[0], place);
        }
        batch.output
    }

    /// Takes in the moments of `count` values, `each` of an image, the first of which has this number in a batch of this size.
    fn move_statistics(
        &self,
        [mean, variance]: [Tensor<1>; 2],
        count: usize,
        each: usize,
        [first, batch]: [usize; 2],
    ) {
        let (Some(running_mean), Some(running_var)) = (&self.running_mean, &self.running_var)
        else {
            return;
        };
        let moves = match RUNNING.get() {
            Some(Running::Pools { before, images }) => {
                let values_of_image = (batch * each) as f64 / images as f64;
                let before = before as f64 * values_of_image + (first * each) as f64;
                return pool_running(
                    [running_mean, running_var],
                    before,
                    count as f64,
                    [mean, variance],
                );
            }
            Some(Running::Moves(momentum)) => momentum,
            None => self.momentum.unwrap_or_else(|| self.count_batch()),
        };
        let unbiased = count as f64 / (count - 1) as f64;
        move_running(running_mean, mean, moves);
        move_running(running_var, variance * unbiased, moves);
    }

    /// Counts a batch, and returns its share in the mean over all of them.
    fn count_batch(&self) -> f64 {
        let Some(counted) = &self.num_batches_tracked else {
            return 1.0;
        };
        let batches = counted.value_sync() + 1.0;
        let number = batches.to_data().iter::<f64>().next().unwrap_or(1.0);
        set_running(counted, batches);
        1.0 / number
    }
}

/// Joins the moments of `count` values of a batch to those of `before` values.
fn pool_running(
    [running_mean, running_var]: [&RunningState<Tensor<1>>; 2],
    before: f64,
    count: f64,
    [mean, variance]: [Tensor<1>; 2],
) {
    let all = before + count;
    let unbiased = all / (all - 1.0);
    if before == 0.0 {
        set_running(running_mean, mean);
        set_running(running_var, variance * unbiased);
        return;
    }
    let share = count / all;
    let (old_mean, old_variance) = (
        running_mean.value_sync(),
        running_var.value_sync() * ((before - 1.0) / before),
    );
    let apart = mean - old_mean.clone();
    let within = old_variance * (1.0 - share) + variance * share;
    let between = apart.clone() * apart.clone() * (share * (1.0 - share));
    set_running(running_mean, old_mean + apart * share);
    set_running(running_var, (within + between) * unbiased);
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
