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
    fn new(channels: usize, classes: usize, device: &Device) -> Result<Self, ConfigError> {
        let model = Self {
            first: Conv2dConfig::new([channels, 24], 5)
                .with_stride(2)
                .with_padding(2)
                .init(device),
            norm: BatchNormConfig::new(24).init(device),
            second: Conv2dConfig::new([24, 24], 3).with_padding(1).init(device),
            dropout: DropoutConfig { prob: 0.1 }.init()?,
            pool: GlobalAvgPool::default(),
            head: LinearConfig::new(24, classes).init(device),
        };
        // Drawn from a seed on the host: equal on every device.
        Ok(Init::PYTORCH.apply(model, 0))
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
    let data = firebrick::datasets::open(
        size("glyphs", "glyphs(train=300, test=50)"),
        &OpenOptions::default(),
    )?;
    let input = Preprocessing {
        channels: 1,
        height: 32,
        width: 32,
        fit: Fit::Crop,
        mean: vec![0.5],
        std: vec![0.25],
    };
    let mut train = Loader::new(
        data.train.clone(),
        input,
        Default::default(),
        Vec::new(),
        LoaderConfig::default(),
    )?;
    let config = TrainConfig {
        epochs: size(4, 1),
        ..TrainConfig::default()
    };
    let run = RunLength::new(config.epochs, train.samples() as u64, 64, 1);
    let plan = plan(
        &"adamw(lr=3e-3)".parse()?,
        &"warmup(10%, then=cosine)".parse()?,
        None,
        run,
    )?;
    let model = TwoLayers::new(1, data.train.classes().len(), &device("flex")?.autodiff())?;
    let outcome = fit(
        Training::new(
            model,
            plan.update,
            plan.schedule,
            &CrossEntropy::default(),
            &mut train,
        ),
        &config,
    )?;
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
