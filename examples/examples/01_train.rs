//! What `firebrick train` does, through the library:
//! `cargo run --release -p firebrick-examples --example 01_train`

use firebrick::prelude::*;
use firebrick_examples::size;

fn main() -> anyhow::Result<()> {
    // Data: read, split, normalized by the mean and deviation of the training images.
    let dataset = size("glyphs", "glyphs(train=300, test=50)");
    let recipe = Recipe {
        dataset: dataset.into(),
        epochs: size(5, 1),
        ..Recipe::default()
    };
    let data = Prepared::open(&recipe, "data".as_ref())?;
    let mut train = data.train_loader(&recipe)?;
    let mut valid =
        data.evaluation_loader(&recipe, data.splits.valid.clone().expect("glyphs have it"))?;
    let mut test =
        data.evaluation_loader(&recipe, data.splits.test.clone().expect("glyphs have it"))?;

    // A model on a device that differentiates, an optimizer and its schedule, by name.
    let device = device("flex")?.autodiff();
    let model = firebrick::zoo::build(&"small_cnn".parse()?, &data.input(), 0, &device)?;
    let run = RunLength::new(recipe.epochs, train.samples() as u64, 64, 1);
    let plan = plan(&"adam(lr=2e-3)".parse()?, &"one_cycle".parse()?, None, run)?;

    // Train, then look at images the model has never seen.
    let config = TrainConfig {
        epochs: recipe.epochs,
        ..TrainConfig::default()
    };
    let loss = CrossEntropy::default();
    let mut training = Training::new(model, plan.update, plan.schedule, &loss, &mut train);
    training.valid = Some(&mut valid);
    let outcome = fit(training, &config)?;
    let scores = evaluate(&outcome.model, &mut test, &loss, &mut |_| {})?.scores;
    println!(
        "test: {:.2} % of {} images right",
        100.0 * scores.top1,
        scores.count
    );
    Ok(())
}
