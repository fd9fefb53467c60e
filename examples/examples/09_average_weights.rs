//! A hook that trains one model and evaluates and saves another: the exponential moving average of its
//! weights. The run is cut off in the middle and resumed; the average goes on, bit for bit.

use std::path::Path;

use firebrick::core::parameters::Parameters;
use firebrick::prelude::*;
use firebrick_examples::size;

/// Averages the weights after each update: `average ← average + (1 - decay) · (weights - average)`.
struct Average {
    decay: f64,
    average: Parameters,
}

impl Average {
    fn new(decay: f64) -> Self {
        Self {
            decay,
            average: Parameters::default(),
        }
    }
}

impl<M: Module> Hook<M> for Average {
    fn name(&self) -> &str {
        "average"
    }

    fn begin(
        &mut self,
        model: M,
        _context: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        self.average = match kept {
            Some(kept) => Parameters::from_data(kept.tensors, &model)?,
            None => Parameters::of(&model),
        };
        Ok(model)
    }

    fn after_step(
        &mut self,
        model: &M,
        _context: &mut HookContext<'_>,
        _loss: f64,
    ) -> Result<Flow, TrainError> {
        let average = std::mem::take(&mut self.average);
        self.average = average.moved_towards(&Parameters::of(model), 1.0 - self.decay);
        Ok(Flow::Continue)
    }

    fn evaluated(&mut self, model: &M) -> Result<Option<EvaluationModel<M>>, TrainError> {
        Ok(Some(EvaluationModel {
            model: self.average.clone().load_into(model)?,
            // The batch norm statistics that the model has belong to other weights.
            recount_batches: 50,
        }))
    }

    fn save(&self) -> Option<HookState> {
        Some(HookState {
            tensors: self.average.to_data(),
            ..HookState::default()
        })
    }
}

fn recipe() -> anyhow::Result<Recipe> {
    Ok(Recipe {
        dataset: size("glyphs(train=2000)", "glyphs(train=200, test=20)").into(),
        model: "small_cnn(width=4)".parse()?,
        epochs: 2,
        batch_size: 32,
        ..Recipe::default()
    })
}

fn train(recipe: Recipe, run: &Path, start: Start) -> anyhow::Result<TrainReport> {
    let mut job = Job {
        start,
        ..Job::new(recipe, run)
    };
    job.hooks.push(Box::new(Average::new(0.9)));
    Ok(firebrick::train(job)?)
}

fn main() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    let report = train(recipe()?, &whole, Start::Fresh)?;
    if let Some(valid) = report.valid {
        println!("top-1 of the averaged weights: {:.3}", valid.top1);
    }

    let first = Recipe {
        max_updates: Some(9),
        ..recipe()?
    };
    train(first, &cut, Start::Fresh)?;
    let rest = Recipe {
        max_updates: None,
        ..Recipe::read(&cut.join("recipe.toml"))?
    };
    train(rest, &cut, Start::Resume)?;
    let model = |run: &Path| std::fs::read(run.join("model.safetensors"));
    anyhow::ensure!(model(&whole)? == model(&cut)?, "a resume must be exact");
    println!("cut off after 9 updates and resumed: the same model file, byte for byte");
    Ok(())
}
