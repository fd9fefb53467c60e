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

    fn after_step(
        &mut self,
        _model: &M,
        context: &mut HookContext<'_>,
        loss: f64,
    ) -> Result<Flow, TrainError> {
        let smoothed = self.smoothed.map_or(loss, |old| 0.9 * old + 0.1 * loss);
        self.smoothed = Some(smoothed);
        if context.step.is_multiple_of(20) {
            println!(
                "update {:4}: loss {smoothed:.3}, rate {:.1e}",
                context.step, context.lr
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
    let recipe = Recipe {
        dataset: size("glyphs", "glyphs(train=320, test=50)").into(),
        model: "lenet5".parse()?,
        optimizer: "adam".parse()?,
        schedule: "constant".parse()?,
        epochs: size(10, 2),
        batch_size: 16,
        ..Recipe::default()
    };
    let hook = UntilLoss {
        target: 1.0,
        smoothed: None,
    };
    let outcome = Session::open(&recipe)?.with_hook(hook).train()?;
    let ended = outcome.ended;
    println!("{ended:?} after {} updates", outcome.progress.step);
    Ok(())
}
