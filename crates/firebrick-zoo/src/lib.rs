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
//! Every model takes the option `init`: how weights are drawn. `pytorch` is the way of the reference implementation; the others are `xavier`,
//! `kaiming`, `orthogonal` and `normal(std=…)`. Most networks take `dropout`, the probability of dropping a value in front of the last layers,
//! and residual networks `drop_path`, the probability of dropping the branch of the last block (stochastic depth). The small networks `lenet5`,
//! `small_cnn`, `resnet18` and those for CIFAR take `activation` as well.
//!
//! A network that names its stages is a [`Backbone`]; [`Model::backbone`] returns it. Residual networks for small images, `resnet18` and `small_cnn` take `members`,
//! several members in one network ([`Members`]).

mod alexnet;
mod all_stages;
mod architecture;
mod backbone;
mod builder;
mod convnext;
mod densenet;
mod describe;
mod efficientnet;
mod efficientnet_lite;
mod family;
mod googlenet;
mod head;
mod imagenet;
mod inception_v3;
mod input;
mod layers;
mod lenet5;
mod members;
mod mnasnet;
mod mobilenet_v1;
mod mobilenet_v2;
mod mobilenet_v3;
mod mobilenet_v4;
mod model;
mod network;
mod normalizations;
mod options;
mod published;
mod registry;
mod regnet;
mod repvgg;
mod residual;
mod resnet;
mod resnet18;
mod resnet_cifar;
mod resnet_v2;
mod shufflenet_v2;
mod small_cnn;
mod squeezenet;
mod vgg;
mod weights;
mod wide_resnet_cifar;

pub use alexnet::AlexNetOptions;
pub use all_stages::{AllStages, AllStagesConfig};
pub use architecture::{Architecture, Build, ModelConfig};
pub use backbone::{Backbone, Stage};
pub use convnext::ConvNextOptions;
pub use describe::{Description, describe};
pub use googlenet::InceptionOptions;
pub use head::Head;
pub use imagenet::{IMAGENET, ImagenetClass, are_imagenet_classes, imagenet_classes};
pub use input::{Input, MAX_CLASSES, MAX_SIDE};
pub use layers::{Join, Layer, LayerScale, Layers, Operation, Plain};
pub use lenet5::{LeNet5Config, Pool};
pub use members::{BatchEnsemble, Members, Mimo, Packed};
pub use mobilenet_v1::MobileNetV1Options;
pub use model::Model;
pub use network::Network;
pub use normalizations::{NORMALIZATIONS, Normalization};
pub use options::{ClassifierOptions, ResidualOptions};
pub use published::{PRETRAINED, Weights, find_published, published, published_for};
pub use registry::{REGISTRY, TINY, architecture, build, canonical, default_input, undrawn};
pub use repvgg::reparameterized;
pub use resnet_cifar::{ResNetCifarConfig, Shortcut};
pub use resnet18::{ResNet18Config, Stem};
pub use small_cnn::SmallCnnConfig;
pub use squeezenet::{SqueezeNetHead, SqueezeNetOptions};
pub use weights::{load, load_with, parameters, rules, rules_for_training};
pub use wide_resnet_cifar::WideResNetOptions;
