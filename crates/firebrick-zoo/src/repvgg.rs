//! RepVGG-A0, which is trained as three branches for each block and folds to plain 3×3 convolutions.
//!
//! Source: Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", CVPR 2021; keys and layouts are those of timm's `repvgg_a0`. As
//! there, scales of batch norms begin at N(0.1, 0.1²), and their shifts at N(0, 0.1²).

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::init::{Init, WeightInit};
use firebrick_core::nn::Activation::Relu;
use firebrick_core::nn::{BatchNorm, Conv2d, Conv2dConfig, fold};
use firebrick_core::random;
use rand::RngExt;
use rand_distr::StandardNormal;

use crate::Model;
use crate::builder::{Chain, Window};
use crate::family::{Family, Published};
use crate::layers::{Join, Layer, Layers};
use crate::network::Network;
use crate::options::{CLASSIFIER, ClassifierOptions, classifier};

pub(crate) struct RepVgg;

/// Blocks and width of each stage; the width of the stem is that of the first.
pub(crate) type Stages = [(usize, usize); 4];

const fn repvgg(name: &'static str, stages: Stages) -> Published<RepVgg> {
    Published::new(
        name,
        "RepVGG for photos; its blocks fold to single convolutions",
        "Ding et al. 2021; timm",
        CLASSIFIER,
        stages,
    )
}

impl Family for RepVgg {
    type Options = ClassifierOptions;
    type Size = Stages;

    const NETWORKS: &'static [Published<Self>] = &[
        repvgg("repvgg_a0", [(2, 48), (4, 96), (14, 192), (1, 1280)]),
        Published {
            side: 64,
            classes: 10,
            ..repvgg("test_repvgg", [(2, 8), (2, 16), (1, 16), (1, 24)])
        },
    ];
    const REFERENCE: Init = Init {
        conv: WeightInit::KaimingNormalFanOut,
        linear: WeightInit::Normal(0.01),
        random_bias: false,
    };
    const HEAD: &'static str = "head.fc";

    fn build(
        stages: &Stages,
        options: &ClassifierOptions,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError> {
        block(chain, "stem".into(), stages[0].1, 2);
        chain.stage("stem");
        for (stage, (blocks, width)) in stages.iter().enumerate() {
            for number in 0..*blocks {
                let stride = if number == 0 { 2 } else { 1 };
                block(chain, format!("stages.{stage}.{number}"), *width, stride);
            }
            chain.stage(format!("stages.{stage}"));
        }
        classifier(chain, ["head.drop", "head.fc"], options.dropout(), classes)
    }

    fn drawn(network: Network, seed: u64) -> Network {
        let mut tensor = 0;
        let mut normal = |mean: f64, param: Param<Tensor<1>>| {
            let mut rng = random::rng(seed, "init norm", tensor, 0);
            tensor += 1;
            let count = param.val().dims()[0];
            let entry = |_| (mean + 0.1 * rng.sample::<f64, _>(StandardNormal)) as f32;
            let entries: Vec<f32> = (0..count).map(entry).collect();
            let (tracked, device) = (param.is_require_grad(), param.val().device());
            let tensor = Tensor::from_data(TensorData::new(entries, [count]), &device);
            param.map(|_| tensor.set_require_grad(tracked))
        };
        network.each_layer(&mut |_, layer| {
            let Layer::Norm(mut norm) = layer else {
                return layer;
            };
            norm.gamma = norm.gamma.map(|gamma| normal(0.1, gamma));
            norm.beta = norm.beta.map(|beta| normal(0.0, beta));
            Layer::Norm(norm)
        })
    }
}

/// A 3×3 and a 1×1 convolution, each with its batch norm, and where the shape stays the same a batch norm alone.
fn block(chain: &mut Chain<'_>, name: String, width: usize, stride: usize) {
    let keeps = stride == 1 && chain.channels == width;
    let mut branches = [(); 3].map(|()| chain.branch());
    let [large, small, identity] = &mut branches;
    let window = Window::new(3).stride(stride);
    large.conv_norm(["conv_kxk.conv", "conv_kxk.bn"], width, window, None);
    let window = Window::new(1).stride(stride);
    small.conv_norm(["conv_1x1.conv", "conv_1x1.bn"], width, window, None);
    identity.norm("identity");
    let kept = if keeps { 3 } else { 2 };
    let branches = branches.into_iter().take(kept).collect();
    chain.branches(name, Join::Add(Relu), branches);
}

/// The model with each block of three branches as the one convolution that gives the same in evaluation; its keys are those of timm's
/// reparameterized network. It is for inference.
///
/// # Errors
/// [`ConfigError::Conflict`] for a model without such blocks.
pub fn reparameterized(model: &Model) -> Result<Model, ConfigError> {
    let refused = || {
        let text = "only networks of RepVGG's blocks, such as `repvgg_a0`, can be reparameterized";
        ConfigError::Conflict(text.into())
    };
    let network = model.downcast_ref::<Network>().ok_or_else(refused)?.clone();
    let mut folded = 0;
    let mut failed = None;
    let network = network.each_group(&mut |group| match fold_block(&group) {
        Some(Ok(block)) => {
            folded += 1;
            Layer::Layers(block)
        }
        Some(Err(error)) => {
            failed = Some(error);
            Layer::Layers(group)
        }
        None => Layer::Layers(group),
    });
    match failed {
        Some(error) => Err(error),
        None if folded == 0 => Err(refused()),
        None => Ok(Model::of_backbone(network)),
    }
}

/// A block as one convolution and its activation; `None` for any other group of layers.
fn fold_block(group: &Layers) -> Option<Result<Layers, ConfigError>> {
    let Join::Add(activation) = group.join else {
        return None;
    };
    let chains: Option<Vec<&[(String, Layer)]>> = group
        .layers
        .iter()
        .map(|(_, layer)| match layer {
            Layer::Layers(chain) => Some(chain.layers.as_slice()),
            _ => None,
        })
        .collect();
    let chains = chains?;
    let (large, others) = chains.split_first()?;
    let [(name, Layer::Conv(conv)), (_, Layer::Norm(bn))] = large else {
        return None;
    };
    if name != "conv_kxk.conv" {
        return None;
    }
    let smaller: Option<Vec<(Option<&Conv2d>, &BatchNorm)>> = others
        .iter()
        .map(|chain| match chain {
            [(_, Layer::Conv(conv)), (_, Layer::Norm(bn))] => Some((Some(conv), bn)),
            [(_, Layer::Norm(bn))] => Some((None, bn)),
            _ => None,
        })
        .collect();
    Some(sum(conv, bn, &smaller?).map(|conv| Layers {
        join: Join::Chain,
        layers: vec![
            ("reparam_conv".into(), Layer::Conv(conv)),
            (String::new(), Layer::activation(activation)),
        ],
    }))
}

/// The 3×3 convolution that gives the sum of one, and of convolutions of 1×1 or none at all, with their batch norms.
fn sum(
    conv: &Conv2d,
    bn: &BatchNorm,
    smaller: &[(Option<&Conv2d>, &BatchNorm)],
) -> Result<Conv2d, ConfigError> {
    let mut all = fold(conv, bn)?;
    let shape = all.weight.dims();
    let device = all.weight.device();
    let host = |data: TensorData| data.iter::<f32>().collect::<Vec<f32>>();
    let biases = |conv: &Conv2d| conv.bias.as_ref().map(|bias| host(bias.val().into_data()));
    let mut weights = host(all.weight.val().into_data());
    let mut bias = biases(&all).unwrap_or_default();
    for (conv, bn) in smaller {
        let small = match conv {
            Some(conv) => fold(conv, bn)?,
            None => fold(&identity(shape[0], &device), bn)?,
        };
        // To the centre of the window.
        for (window, weight) in weights
            .chunks_mut(9)
            .zip(host(small.weight.val().into_data()))
        {
            window[4] += weight;
        }
        for (sum, bias) in bias.iter_mut().zip(biases(&small).unwrap_or_default()) {
            *sum += bias;
        }
    }
    let count = bias.len();
    let weights = Tensor::from_data(TensorData::new(weights, shape), &device);
    all.weight = Param::from_tensor(weights);
    let bias = Tensor::from_data(TensorData::new(bias, [count]), &device);
    all.bias = Some(Param::from_tensor(bias));
    Ok(all)
}

/// A convolution that changes nothing.
fn identity(channels: usize, device: &burn::tensor::Device) -> Conv2d {
    let mut conv = Conv2dConfig::new([channels; 2], 1)
        .with_bias(false)
        .init(device);
    let weight = Tensor::<2>::eye(channels, device).reshape([channels, channels, 1, 1]);
    conv.weight = Param::from_tensor(weight);
    conv
}
