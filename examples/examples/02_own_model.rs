//! A model of your own: any Burn module with a `forward`, made of our layers, Burn's, or both.

use firebrick::core::init::Init;
use firebrick::core::nn::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool, Linear,
    LinearConfig,
};
use firebrick::prelude::*;
use firebrick_examples::size;

/// Two convolutions with a shortcut.
#[derive(Module, Debug)]
struct TwoLayers {
    first: Conv2d,
    norm: BatchNorm,
    second: Conv2d,
    dropout: Dropout,
    pool: GlobalAvgPool,
    head: Linear,
}

impl TwoLayers {
    fn new(input: &Input, seed: u64, device: &Device) -> Result<Self, ConfigError> {
        let model = Self {
            first: Conv2dConfig::new([input.channels, 24], 5)
                .with_stride(2)
                .with_padding(2)
                .init(device),
            norm: BatchNormConfig::new(24).init(device),
            second: Conv2dConfig::new([24, 24], 3).with_padding(1).init(device),
            dropout: DropoutConfig::new(0.1).init()?,
            pool: GlobalAvgPool::default(),
            head: LinearConfig::new(24, input.classes).init(device),
        };
        // Drawn from a seed on the host: equal on every device.
        Ok(Init::PYTORCH.apply(model, seed))
    }
}

/// All that Firebrick asks of a model.
impl Classifier for TwoLayers {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = Activation::Relu.forward(self.norm.forward(self.first.forward(images)));
        let x = Activation::Relu.forward(self.second.forward(x.clone()) + x);
        self.head
            .forward(self.dropout.forward(self.pool.forward(x)))
    }
}

fn main() -> anyhow::Result<()> {
    let native = Input {
        channels: 1,
        height: 32,
        width: 32,
        classes: 27,
    };
    let models = Models::own("two_layers", native, TwoLayers::new);
    let recipe = Recipe {
        dataset: size("glyphs", "glyphs(train=300, test=50)").into(),
        model: "two_layers".parse()?,
        optimizer: "adamw(lr=3e-3)".parse()?,
        schedule: "warmup(10%, then=cosine)".parse()?,
        epochs: size(4, 1),
        ..Recipe::default()
    };
    // From here on it is a model as any other: `firebrick::train` makes a run directory with it, which can
    // be resumed, and `TrainedModel::read_with` reads it.
    let outcome = Session::open_with(&recipe, Sources::of_models(models))?.train()?;
    for row in &outcome.progress.rows {
        println!(
            "epoch {}: loss {:.3}, {:.1} % right",
            row.epoch,
            row.train_loss,
            100.0 * row.train_top1
        );
    }
    Ok(())
}
