//! The layers of a network with members.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use firebrick_core::init::Init;
use firebrick_core::nn::{
    Activation, BatchConv2d, BatchConv2dConfig, BatchLinear, BatchLinearConfig, BatchNorm,
    BatchNormConfig, Conv2d, Conv2dConfig, Linear, LinearConfig, PackedLinear, PackedLinearConfig,
    conv_bn,
};
use firebrick_core::{Classifier, ConfigError};

use super::definition::{BatchEnsemble, Members};
use crate::backbone::Backbone;
use crate::head::Head;
use crate::layers::{Join, Layer, Layers, as_planes};
use crate::model::Model;

/// Where a convolution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It reads the images.
    Images,
    /// The first of a block or stage, which no packed member divides further.
    First,
    /// Any other.
    Inner,
}

/// A convolution of a network that may have members.
#[derive(Module, Debug)]
pub enum MemberConv {
    /// Of one network, or of members side by side.
    Plain(Conv2d),
    /// Shared by the members.
    Shared(BatchConv2d),
}

impl MemberConv {
    /// The convolution, then batch norm, then the residual added where there is one, then the activation, as
    /// [`conv_bn`] has it.
    ///
    /// # Shapes
    /// `[N, in, H, W]` to `[N, out, H', W']`; the residual has the shape of the output.
    #[must_use]
    pub fn with_bn(
        &self,
        bn: &BatchNorm,
        input: Tensor<4>,
        residual: Option<Tensor<4>>,
        activation: Activation,
    ) -> Tensor<4> {
        match self {
            Self::Plain(conv) => conv_bn(conv, bn, input, residual, activation),
            Self::Shared(conv) => bn.forward_activated(conv.forward(input), residual, activation),
        }
    }

    /// The planes that it makes.
    #[must_use]
    pub fn outputs(&self) -> usize {
        let [outputs, ..] = match self {
            Self::Plain(conv) => conv.weight.dims(),
            Self::Shared(conv) => conv.weight.dims(),
        };
        outputs
    }
}

/// The last layer of a network that may have members.
#[derive(Module, Debug)]
pub enum MemberHead {
    /// Of one network; with several inputs, the classes of one after those of the other.
    Plain(Linear),
    /// Shared by the members.
    Shared(BatchLinear),
    /// One for each member, side by side.
    Packed(PackedLinear),
    /// Other layers in its place, or none.
    Layers(Layers),
}

impl MemberHead {
    /// Other layers in place of this one, in a network without members.
    pub(crate) fn replaced(&self, head: Head, classes: usize, seed: u64) -> Self {
        let Self::Plain(linear) = self else {
            return self.clone();
        };
        let mut layers = head.layers(&Layer::Linear(linear.clone()), classes, seed);
        match layers.pop() {
            Some((_, Layer::Linear(linear))) if layers.is_empty() => Self::Plain(linear),
            last => {
                layers.extend(last);
                Self::Layers(Layers {
                    join: Join::Chain,
                    layers,
                })
            }
        }
    }

    /// # Shapes
    /// `[N, features]` to `[N, classes]`, or to `[N, members · classes]` where the rows are not those of single members.
    #[must_use]
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Plain(linear) => linear.forward(features),
            Self::Shared(linear) => linear.forward(features),
            Self::Packed(linear) => linear.forward(features),
            Self::Layers(layers) => layers.forward(as_planes(features)).flatten(1, 3),
        }
    }
}

impl Members {
    /// A convolution between planes of a single network.
    pub(crate) fn conv(self, config: &Conv2dConfig, place: Place, device: &Device) -> MemberConv {
        let [inputs, outputs] = config.channels;
        let inputs = match (self, place) {
            (Self::Mimo(mimo), Place::Images) => inputs * mimo.members,
            (_, Place::Images) => inputs,
            _ => self.width(inputs),
        };
        let groups = match (self, place) {
            (Self::Packed(packed), Place::First) => packed.members,
            (Self::Packed(packed), Place::Inner) => packed.members * packed.gamma,
            _ => 1,
        };
        let config = Conv2dConfig {
            channels: [inputs, self.width(outputs)],
            groups,
            ..config.clone()
        };
        match self {
            Self::BatchEnsemble(BatchEnsemble { members, .. }) => {
                MemberConv::Shared(BatchConv2dConfig::new(config, members).init(device))
            }
            _ => MemberConv::Plain(config.init(device)),
        }
    }

    /// Batch norm of so many planes in a single network. Members that share weights share it as well: it normalizes
    /// over the images of all.
    pub(crate) fn norm(self, planes: usize, device: &Device) -> BatchNorm {
        BatchNormConfig::new(self.width(planes)).init(device)
    }

    /// The last layer, from planes of a single network.
    pub(crate) fn head(
        self,
        planes: usize,
        classes: usize,
        device: &Device,
    ) -> Result<MemberHead, ConfigError> {
        let linear = |outputs| LinearConfig::new(self.width(planes), outputs);
        Ok(match self {
            Self::BatchEnsemble(BatchEnsemble { members, .. }) => {
                MemberHead::Shared(BatchLinearConfig::new(linear(classes), members).init(device))
            }
            Self::Packed(packed) if packed.members > 1 => {
                let config =
                    PackedLinearConfig::new(linear(packed.members * classes), packed.members);
                MemberHead::Packed(config.init(device)?)
            }
            Self::Mimo(mimo) => MemberHead::Plain(linear(mimo.members * classes).init(device)),
            Self::Packed(_) | Self::One => MemberHead::Plain(linear(classes).init(device)),
        })
    }

    /// Draws the weights of a network with members.
    pub(crate) fn draw<M: Module>(self, init: Init, model: M, seed: u64) -> M {
        let model = init.apply(model, seed);
        match self {
            Self::BatchEnsemble(config) => config.fast_weights.draw(model, seed),
            _ => model,
        }
    }

    /// The network as one of any type; the features of one without members can be taken.
    pub(crate) fn model<M: Classifier + Backbone + ModuleDisplay + 'static>(
        self,
        network: M,
    ) -> Model {
        if self == Self::One {
            Model::of_backbone(network)
        } else {
            Model::new(network)
        }
    }

    /// Members whose channels lie side by side.
    pub(crate) fn side_by_side(self) -> usize {
        match self {
            Self::Packed(packed) => packed.members,
            _ => 1,
        }
    }
}
