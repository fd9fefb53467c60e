//! What `firebrick train` does, through the library:
//! `cargo run --release -p firebrick-examples --example 01_train`

use anyhow::Context;
use firebrick::prelude::*;
use firebrick_examples::size;

fn main() -> anyhow::Result<()> {
    // What to train on which images, by name.
    let recipe = Recipe {
        dataset: size("glyphs", "glyphs(train=300, test=50)").into(),
        model: "small_cnn".parse()?,
        optimizer: "adam(lr=2e-3)".parse()?,
        schedule: "one_cycle".parse()?,
        epochs: size(5, 1),
        ..Recipe::default()
    };
    // Data, model, optimizer and schedule, open and checked.
    let session = Session::open(&recipe)?;
    let mut test = session.test_loader()?.context("glyphs have a test split")?;

    // Train, then look at images the model has never seen.
    let outcome = session.train()?;
    let loss = CrossEntropy::default();
    let scores = evaluate(&outcome.model, &mut test, &loss, &mut |_| {})?.scores;
    println!(
        "test: {:.2} % of {} images right",
        100.0 * scores.top1,
        scores.count
    );
    Ok(())
}
