//! Other last layers for a network.

use firebrick_core::init::Init;
use firebrick_core::nn::{Activation, Conv2dConfig, LinearConfig};

use crate::layers::{Layer, Operation};

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
    /// The layers in place of `published`, by their names below its own, drawn from `seed` as PyTorch draws layers.
    pub(crate) fn layers(
        self,
        published: &Layer,
        classes: usize,
        seed: u64,
    ) -> Vec<(String, Layer)> {
        let layers = match self {
            Self::Linear => vec![(String::new(), resized(published, None, classes))],
            Self::Mlp { hidden } => vec![
                ("0".into(), resized(published, None, hidden)),
                (String::new(), Layer::activation(Activation::Relu)),
                ("2".into(), resized(published, Some(hidden), classes)),
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
