//! The layers of a network with members, from those of a single network.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::init::Init;
use firebrick_core::nn::{
    BatchConv2dConfig, BatchLinearConfig, Conv2dConfig, LinearConfig, PackedLinearConfig,
};

use super::definition::{BatchEnsemble, Members};
use crate::layers::Layer;
use crate::network::Network;

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

impl Members {
    /// A convolution, given that of a single network.
    pub(crate) fn conv(self, config: &Conv2dConfig, place: Place, device: &Device) -> Layer {
        let [inputs, outputs] = config.channels;
        let inputs = match (self, place) {
            (Self::Mimo(mimo), Place::Images) => inputs * mimo.members,
            (_, Place::Images) => inputs,
            _ => self.width(inputs),
        };
        let groups = match (self, place) {
            (Self::Packed(packed), Place::First) => packed.members,
            (Self::Packed(packed), Place::Inner) => packed.members * packed.gamma,
            _ => config.groups,
        };
        let config = Conv2dConfig {
            channels: [inputs, self.width(outputs)],
            groups,
            ..config.clone()
        };
        match self {
            Self::BatchEnsemble(BatchEnsemble { members, .. }) => {
                Layer::BatchConv(BatchConv2dConfig::new(config, members).init(device))
            }
            _ => Layer::Conv(config.init(device)),
        }
    }

    /// The last layer, from so many channels of a single network.
    pub(crate) fn head(
        self,
        channels: usize,
        classes: usize,
        device: &Device,
    ) -> Result<Layer, ConfigError> {
        let linear = |outputs| LinearConfig::new(self.width(channels), outputs);
        Ok(match self {
            Self::BatchEnsemble(BatchEnsemble { members, .. }) => {
                Layer::BatchLinear(BatchLinearConfig::new(linear(classes), members).init(device))
            }
            Self::Packed(packed) if packed.members > 1 => {
                let config =
                    PackedLinearConfig::new(linear(packed.members * classes), packed.members);
                Layer::PackedLinear(config.init(device)?)
            }
            Self::Mimo(mimo) => Layer::Linear(linear(mimo.members * classes).init(device)),
            Self::Packed(_) | Self::One => Layer::Linear(linear(classes).init(device)),
        })
    }

    /// Draws the weights of a network with these members.
    pub(crate) fn draw(self, init: Init, network: Network, seed: u64) -> Network {
        let network = init.apply(network, seed);
        match self {
            Self::BatchEnsemble(config) => config.fast_weights.draw(network, seed),
            _ => network,
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
