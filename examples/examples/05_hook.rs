//! A hook of your own: it sees every step and epoch, may change the model, and may stop training.

use firebrick::prelude::*;
use firebrick_examples::size;

/// Stops once the smoothed loss is low enough, and tells how it got there.
struct UntilLoss {
    target: f64,
    smoothed: Option<f64>,
}

impl<M> Hook<M> for UntilLoss {
    fn name(&self) -> &str {
        "until_loss"
    }

    fn after_step(&mut self, _model: &M, moment: &Moment, loss: f64) -> Result<Flow, TrainError> {
        let smoothed = self.smoothed.map_or(loss, |old| 0.9 * old + 0.1 * loss);
        self.smoothed = Some(smoothed);
        if moment.step.is_multiple_of(20) {
            println!(
                "update {:4}: loss {smoothed:.3}, rate {:.1e}",
                moment.step, moment.lr
            );
        }
        Ok(if smoothed < self.target {
            Flow::Stop
        } else {
            Flow::Continue
        })
    }
}

fn main() -> anyhow::Result<()> {
    let data = firebrick::datasets::open(
        size("glyphs", "glyphs(train=320, test=50)"),
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
        LoaderConfig {
            batch_size: 16,
            ..LoaderConfig::default()
        },
    )?;
    let config = TrainConfig {
        epochs: size(10, 2),
        ..TrainConfig::default()
    };
    let plan = plan(
        &"adam".parse()?,
        &"constant".parse()?,
        None,
        RunLength::new(config.epochs, train.samples() as u64, 16, 1),
    )?;
    let shape = Input {
        channels: 1,
        height: 32,
        width: 32,
        classes: data.train.classes().len(),
    };
    let model = firebrick::zoo::build(&"lenet5".parse()?, &shape, 0, &device("flex")?.autodiff())?;
    let loss = CrossEntropy::default();
    let mut training = Training::new(model, plan.update, plan.schedule, &loss, &mut train);
    training.hooks.push(Box::new(UntilLoss {
        target: 1.0,
        smoothed: None,
    }));
    let outcome = fit(training, &config)?;
    println!("ended after {} updates", outcome.progress.step);
    Ok(())
}
