//! A run that is interrupted in the middle of an epoch and resumed equals an uninterrupted one, bit for bit.

use firebrick::prelude::*;
use firebrick_examples::size;

fn recipe() -> anyhow::Result<Recipe> {
    Ok(Recipe {
        dataset: size("glyphs(train=2000)", "glyphs(train=200, test=20)").into(),
        model: "lenet5(dropout=0.2)".parse()?,
        augment: "pad_crop(2)".parse()?,
        epochs: 2,
        batch_size: 32,
        ..Recipe::default()
    })
}

fn main() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    firebrick::train(Job::new(recipe()?, &whole))?;

    // The same, but it ends after 5 updates, as if the machine had been switched off.
    firebrick::train(Job::new(
        Recipe {
            max_updates: Some(5),
            ..recipe()?
        },
        &cut,
    ))?;
    let resumed = Recipe {
        max_updates: None,
        ..Recipe::read(&cut.join("recipe.toml"))?
    };
    let report = firebrick::train(Job {
        start: Start::Resume,
        ..Job::new(resumed, &cut)
    })?;

    let model = |run: &std::path::Path| std::fs::read(run.join("model.safetensors"));
    println!(
        "resumed from {}: {} updates",
        report.resumed_from.unwrap_or_default(),
        report.steps
    );
    println!(
        "the two model files are {}",
        if model(&whole)? == model(&cut)? {
            "equal, byte for byte"
        } else {
            "different"
        }
    );
    anyhow::ensure!(model(&whole)? == model(&cut)?, "a resume must be exact");
    Ok(())
}
