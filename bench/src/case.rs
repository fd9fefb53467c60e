//! A benchmark case, as the worker reads it: one JSON object per line. `xtask/src/bench/cases.rs` writes them,
//! and `peer.py` reads the same lines.

use std::path::PathBuf;

use serde::Deserialize;

/// A line of input.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Command {
    /// Say who you are.
    Hello,
    /// Prepare a case and run it twice.
    Open {
        /// The case.
        case: Case,
    },
    /// Time some repetitions of the open case.
    Burst {
        /// How many.
        steps: usize,
    },
    /// Let the open case go.
    Close,
}

/// What is measured.
#[derive(Debug, Deserialize)]
#[serde(tag = "suite", rename_all = "snake_case")]
pub(crate) enum Case {
    /// One pass of a convolution.
    Conv(Convolution),
    /// Batch norm and elementwise work.
    Norm(Elementwise),
    /// An optimizer step over the parameters of ResNet-18.
    Optim(Optimizer),
    /// A whole training step.
    Step(Network),
    /// Evaluation.
    Infer(Network),
    /// Image augmentation.
    Augment(Augmentation),
    /// Features of a frozen network from JPEG files.
    Transfer(Frozen),
    /// What the machine can do at most.
    Peak(Peak),
}

/// A square convolution without bias.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Convolution {
    /// Images.
    pub(crate) batch: usize,
    /// Channels that it reads.
    pub(crate) inputs: usize,
    /// Channels that it makes.
    pub(crate) outputs: usize,
    /// Rows and columns of the images.
    pub(crate) side: usize,
    /// Rows and columns of the kernel.
    pub(crate) kernel: usize,
    /// Step between windows.
    pub(crate) stride: usize,
    /// Rows of zeros on each side.
    pub(crate) padding: usize,
    /// Groups of channels.
    pub(crate) groups: usize,
    /// Which of the passes.
    pub(crate) pass: Pass,
}

/// The passes of a convolution.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pass {
    /// The result.
    Forward,
    /// The gradient by the input.
    InputGrad,
    /// The gradient by the weight.
    WeightGrad,
    /// All of them, as a layer with automatic differentiation runs them.
    ForwardBackward,
}

/// An operation on images of one shape.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Elementwise {
    /// The operation.
    pub(crate) operation: Operation,
    /// `[N, C, H, W]`.
    pub(crate) shape: [usize; 4],
}

/// Operations that are bound by memory.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// Training forward, with ReLU.
    BatchNormRelu,
    /// Training backward, with ReLU.
    BatchNormReluGrad,
    /// Both, as layers with automatic differentiation run them.
    BatchNormReluBoth,
    /// max(0, x), with what its gradient needs.
    Relu,
    /// Its gradient.
    ReluGrad,
    /// 2×2, with what its gradient needs.
    MaxPool,
    /// Its gradient.
    MaxPoolGrad,
    /// x + y.
    Add,
}

/// A step over all parameters of ResNet-18 (CIFAR stem, 10 classes).
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Optimizer {
    /// Which.
    pub(crate) operation: Update,
}

/// What is done with the gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Update {
    /// Adam.
    Adam,
    /// SGD with momentum 0.9.
    Sgd,
    /// Their global norm is taken, and they are scaled to a limit.
    Clip,
}

/// A network and its fixed input.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Network {
    /// The model's name.
    pub(crate) network: String,
    /// Its stem, where it has a choice.
    pub(crate) stem: Option<String>,
    /// Images.
    pub(crate) batch: usize,
    /// Channels of the images.
    pub(crate) channels: usize,
    /// Rows and columns of the images.
    pub(crate) side: usize,
    /// Classes.
    pub(crate) classes: usize,
    /// Learning rate.
    #[serde(default)]
    pub(crate) lr: f64,
    /// The file that carries the weights from one contender to the next: whoever finds none writes it.
    pub(crate) weights: PathBuf,
}

/// A network that does not change, and the photos whose features it gives.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Frozen {
    /// The network and what it reads.
    #[serde(flatten)]
    pub(crate) network: Network,
    /// The data set of the photos, JPEG files.
    pub(crate) photos: PathBuf,
    /// Threads that decode.
    pub(crate) workers: usize,
    /// How pixels become values of a tensor.
    pub(crate) normalize: Normalize,
    /// The share of each side that the centre crop keeps.
    pub(crate) crop: f64,
}

/// A pipeline and the images that it changes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Augmentation {
    /// What is done to each image.
    pub(crate) pipeline: String,
    /// Rows and columns of the images.
    pub(crate) side: usize,
    /// Rows and columns afterwards.
    pub(crate) output: usize,
    /// Images.
    pub(crate) batch: u32,
    /// How pixels become values of a tensor; where there is nothing, the result is an image.
    pub(crate) normalize: Option<Normalize>,
    /// The folder with the images as JPEG files, which are decoded each time; where there is none, pixels are given.
    pub(crate) jpegs: Option<PathBuf>,
    /// The data set of these photos, which is packed and read from the pack each time.
    pub(crate) pack: Option<PathBuf>,
    /// Whether everyone should get the same result, but for rounding.
    pub(crate) fixed: bool,
}

/// The statistics that a tensor is normalized with.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Normalize {
    /// Mean of each channel, of values in [0, 1].
    pub(crate) mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub(crate) std: Vec<f32>,
}

/// A loop that shows what the machine can do.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Peak {
    /// Which.
    pub(crate) operation: Loop,
}

/// Loops at the limit of the machine.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Loop {
    /// Multiply-adds in registers.
    Fma,
    /// a = b + 3 c over arrays larger than the caches.
    Triad,
}
