//! What `firebrick train` does, through the library.
//!
//! `cargo run --release --example 01_train -p firebrick-examples`

use firebrick::prelude::*;
use firebrick_examples::size;

fn main() -> anyhow::Result<()> {
    // Data, and how its images become numbers.
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
    let loader = |dataset| {
        Loader::new(
            dataset,
            input.clone(),
            Default::default(),
            Vec::new(),
            LoaderConfig::default(),
        )
    };
    let mut train = loader(data.train.clone())?;
    let mut valid = loader(data.valid.expect("glyphs have a validation split"))?;
    let mut test = loader(data.test.expect("glyphs have a test split"))?;

    // A model on a device that can differentiate, and an optimizer with its schedule.
    let config = TrainConfig {
        epochs: size(5, 1),
        ..TrainConfig::default()
    };
    let shape = Input {
        channels: 1,
        height: 32,
        width: 32,
        classes: data.train.classes().len(),
    };
    let model = firebrick::zoo::build(
        &"small_cnn".parse()?,
        &shape,
        0,
        &device("flex")?.autodiff(),
    )?;
    let run = RunLength::new(config.epochs, train.samples() as u64, 64, 1);
    let plan = plan(&"adam(lr=2e-3)".parse()?, &"one_cycle".parse()?, None, run)?;

    // Train, then look at images the model has never seen.
    let loss = CrossEntropy::default();
    let mut training = Training::new(model, plan.update, plan.schedule, &loss, &mut train);
    training.valid = Some(&mut valid);
    let outcome = fit(training, &config)?;
    let scores = evaluate(&outcome.model, &mut test, &loss, &mut |_| {})?.scores;
    println!(
        "test: {:.2} % right of {} images",
        100.0 * scores.top1,
        scores.count
    );
    Ok(())
}
