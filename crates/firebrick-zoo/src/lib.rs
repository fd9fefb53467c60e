//! The models of Firebrick and their weights.
//!
//! A spec names a model, and [`build`] makes it for an [`Input`]: the shape of the images and the number of classes.
//! Parameters have the names and layouts of the PyTorch implementation that the model follows, so published weights
//! load unchanged.
//!
//! ```
//! use firebrick_core::Classifier;
//! use firebrick_zoo::{build, default_input, parameters};
//!
//! let device = firebrick_core::device("flex")?;
//! let spec = "resnet20".parse()?;
//! let model = build(&spec, &default_input(&spec)?, 42, &device)?;
//! assert_eq!(parameters(&model), 269_722);
//! let images = burn::tensor::Tensor::zeros([2, 3, 32, 32], &device);
//! assert_eq!(model.forward(images).dims(), [2, 10]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every model takes the options
//!
//! | option | default | values |
//! |---|---|---|
//! | `init` | `pytorch` | `pytorch` (that of the reference implementation), `xavier`, `kaiming`, `orthogonal`, `normal(std=…)` |
//! | `activation` | `relu` | `relu`, `leaky_relu`, `elu`, `gelu`, `silu`, `tanh`, `sigmoid`, `identity` |
//!
//! `lenet5` and `small_cnn` also take `dropout`, the probability of dropping a value before the last layer; residual
//! networks take `drop_path`, the probability of dropping the branch of the last block (stochastic depth). Residual
//! networks and `small_cnn` take `members`, several members in one network ([`Members`]).

mod architecture;
mod describe;
mod input;
mod lenet5;
mod members;
mod model;
mod normalizations;
mod registry;
mod residual;
mod resnet18;
mod resnet_cifar;
mod small_cnn;
mod weights;

pub use architecture::{Architecture, Build, ModelConfig};
pub use describe::{Description, describe};
pub use input::{Input, MAX_CLASSES, MAX_SIDE};
pub use lenet5::{LeNet5, LeNet5Config, Pool};
pub use members::{BatchEnsemble, Conv, Head, Members, Mimo, Packed};
pub use model::Model;
pub use normalizations::{NORMALIZATIONS, Normalization};
pub use registry::{REGISTRY, architecture, build, canonical, default_input, undrawn};
pub use resnet_cifar::{ResNetCifar, ResNetCifarBlock, ResNetCifarConfig, Shortcut};
pub use resnet18::{ResNet18, ResNet18Block, ResNet18Config, Stem};
pub use small_cnn::{SmallCnn, SmallCnnConfig, SmallCnnStage};
pub use weights::{load, load_for_training, parameters};
