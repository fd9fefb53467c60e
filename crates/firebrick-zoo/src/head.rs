//! Other last layers for a network.

use firebrick_core::init::Init;
use firebrick_core::nn::{Activation, Conv2dConfig, LinearConfig};

use crate::Model;
use crate::layers::{Layer, Operation};
use crate::network::Network;

/// What stands at the end of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Head {
    /// One layer like the published one, under its name.
    #[default]
    Linear,
    /// Two layers with a ReLU between them: `NAME.0` and `NAME.2`, if the published one is `NAME`.
    Mlp {
        /// Features between the two.
        hidden: usize,
    },
    /// None: the network puts out its features.
    None,
}

impl Head {
    /// The layers in place of `published`, whose name is `name`, drawn from `seed` as PyTorch draws layers.
    fn layers(
        self,
        name: &str,
        published: &Layer,
        classes: usize,
        seed: u64,
    ) -> Vec<(String, Layer)> {
        let layers = match self {
            Self::Linear => vec![(name.to_string(), resized(published, None, classes))],
            Self::Mlp { hidden } => vec![
                (format!("{name}.0"), resized(published, None, hidden)),
                (String::new(), Layer::activation(Activation::Relu)),
                (
                    format!("{name}.2"),
                    resized(published, Some(hidden), classes),
                ),
            ],
            // The mean of planes; of features without sides it is those themselves.
            Self::None => vec![(String::new(), Layer::plain(Operation::GlobalAvgPool))],
        };
        let layers = layers.into_iter().enumerate();
        let drawn = layers.map(|(at, (name, layer))| {
            let layer = Init::PYTORCH.apply(layer, seed.wrapping_add(at as u64));
            (name, layer)
        });
        drawn.collect()
    }
}

/// A layer like this one, with other numbers of inputs and outputs.
fn resized(layer: &Layer, inputs: Option<usize>, outputs: usize) -> Layer {
    match layer {
        Layer::Conv(conv) => {
            let [_, of, _, _] = conv.weight.lazy_shape().dims();
            let config = Conv2dConfig::new([inputs.unwrap_or(of), outputs], 1);
            Layer::Conv(config.init(&conv.weight.lazy_device()))
        }
        Layer::Linear(linear) => {
            let [of, _] = linear.weight.lazy_shape().dims();
            let config = LinearConfig::new(inputs.unwrap_or(of), outputs);
            Layer::Linear(config.init(&linear.weight.lazy_device()))
        }
        layer => layer.clone(),
    }
}

impl Network {
    /// The same network with another last layer for this many classes, drawn from `seed`; everything in front of it keeps its weights.
    /// What follows the published last layer, such as SqueezeNet's mean over the image, follows the new one too.
    #[must_use]
    pub fn with_head(self, head: Head, classes: usize, seed: u64) -> Self {
        let position = self.head();
        let Some((name, published)) = self.layers().get(position) else {
            return self;
        };
        let new = head.layers(name, published, classes, seed);
        let behind = match head {
            Head::None => Vec::new(),
            _ => self.layers()[position + 1..].to_vec(),
        };
        self.with_end(new, behind)
    }
}

impl Model {
    /// The model with another last layer, as [`Network::with_head`] makes it; `None` for a model that is no [`Network`]. It shares the
    /// weights in front of the last layer with this one.
    #[must_use]
    pub fn with_head(&self, head: Head, classes: usize, seed: u64) -> Option<Self> {
        let network = self.downcast_ref::<Network>()?.clone();
        Some(Self::of_backbone(network.with_head(head, classes, seed)))
    }
}
