//! A hook that trains the last layer alone at first, and the layers before it stage by stage. The run is cut
//! off in the middle and resumed: the hook freezes what it had frozen, and the optimizer goes on with what
//! it knew of each parameter.

use std::path::Path;

use firebrick::core::{freeze, unfreeze};
use firebrick::prelude::*;
use firebrick_examples::size;

/// Trains each stage from an epoch on; what is in no stage is always trained.
struct Unfreeze {
    stages: Vec<(u64, &'static str)>,
}

impl<M: Module> Hook<M> for Unfreeze {
    fn name(&self) -> &str {
        "unfreeze"
    }

    /// Which parameters are trained is not in the checkpoint: it follows from the epoch.
    fn begin(
        &mut self,
        model: M,
        context: &mut HookContext<'_>,
        _kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        let epoch = context.epoch;
        let later = |path: &str| {
            let mut stages = self.stages.iter();
            stages.any(|(from, stage)| *from > epoch && path.starts_with(stage))
        };
        Ok(freeze(model, later))
    }

    fn before_step(&mut self, model: M, context: &mut HookContext<'_>) -> Result<M, TrainError> {
        let mut model = model;
        for (_, stage) in self
            .stages
            .iter()
            .filter(|(from, _)| *from == context.epoch)
        {
            if context.step_in_epoch == 0 {
                println!("epoch {}: {stage}* is trained too", context.epoch + 1);
                model = unfreeze(model, |path| path.starts_with(stage));
            }
        }
        Ok(model)
    }
}

fn recipe() -> anyhow::Result<Recipe> {
    Ok(Recipe {
        dataset: size("glyphs(train=2000)", "glyphs(train=200, test=20)").into(),
        model: "lenet5".parse()?,
        optimizer: "adamw(1e-3)".parse()?,
        schedule: "constant".parse()?,
        epochs: 3,
        batch_size: 32,
        ..Recipe::default()
    })
}

fn train(recipe: Recipe, run: &Path, start: Start) -> anyhow::Result<TrainReport> {
    let mut job = Job {
        start,
        ..Job::new(recipe, run)
    };
    let stages = vec![(1, "fc1."), (1, "fc2."), (2, "conv")];
    job.hooks.push(Box::new(Unfreeze { stages }));
    Ok(firebrick::train(job)?)
}

fn main() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    let report = train(recipe()?, &whole, Start::Fresh)?;
    if let Some(valid) = report.valid {
        println!("top-1: {:.3}", valid.top1);
    }

    let half = Recipe {
        max_updates: Some(report.steps / 2),
        ..recipe()?
    };
    train(half, &cut, Start::Fresh)?;
    let rest = Recipe {
        max_updates: None,
        ..Recipe::read(&cut.join("recipe.toml"))?
    };
    train(rest, &cut, Start::Resume)?;
    let model = |run: &Path| std::fs::read(run.join("model.safetensors"));
    anyhow::ensure!(model(&whole)? == model(&cut)?, "a resume must be exact");
    println!("cut off in the middle and resumed: the same model file, byte for byte");
    Ok(())
}
