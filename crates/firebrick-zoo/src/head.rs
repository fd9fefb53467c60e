//! Other last layers for a network.

use firebrick_core::init::Init;
use firebrick_core::nn::{Activation, Conv2dConfig, LinearConfig};

use crate::Model;
use crate::layers::{Join, Layer, Layers, Operation};
use crate::members::MemberHead;
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
    /// The layers in place of `published`, by their names below its own, drawn from `seed` as PyTorch draws layers.
    fn layers(self, published: &Layer, classes: usize, seed: u64) -> Vec<(String, Layer)> {
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

    /// The layers in place of the last one of a model without members.
    pub(crate) fn in_place_of(
        self,
        published: &MemberHead,
        classes: usize,
        seed: u64,
    ) -> MemberHead {
        let MemberHead::Plain(linear) = published else {
            return published.clone();
        };
        let mut layers = self.layers(&Layer::Linear(linear.clone()), classes, seed);
        match layers.pop() {
            Some((_, Layer::Linear(linear))) if layers.is_empty() => MemberHead::Plain(linear),
            last => {
                layers.extend(last);
                MemberHead::Layers(Layers {
                    join: Join::Chain,
                    layers,
                })
            }
        }
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
        let new = head.layers(published, classes, seed).into_iter();
        let new = new.map(|(own, layer)| match (own.as_str(), &layer) {
            ("", Layer::Plain(_)) => (own, layer),
            ("", _) => (name.clone(), layer),
            _ => (format!("{name}.{own}"), layer),
        });
        let new = new.collect();
        let behind = match head {
            Head::None => Vec::new(),
            _ => self.layers()[position + 1..].to_vec(),
        };
        self.with_end(new, behind)
    }
}

impl Model {
    /// The model with another last layer, as [`Backbone::with_head`](crate::Backbone::with_head) makes it; `None` for a model that is no backbone.
    #[must_use]
    pub fn with_head(&self, head: Head, classes: usize, seed: u64) -> Option<Self> {
        Some(self.backbone()?.with_head(head, classes, seed))
    }
}
