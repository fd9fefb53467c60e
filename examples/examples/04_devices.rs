//! Swap the device by its name: the same training on each CPU backend that was built in.

use firebrick::prelude::*;
use firebrick_examples::size;

fn main() -> anyhow::Result<()> {
    for found in devices() {
        match found.description {
            Ok(what) => println!("{}: {what}", found.name),
            Err(why) => println!("{}: {why}", found.name),
        }
    }
    // `--features ndarray` adds the second one. For a GPU, build with `wgpu` or `cuda` and add its name.
    for name in ["flex", "ndarray"] {
        let recipe = Recipe {
            dataset: size("glyphs(train=2000)", "glyphs(train=128, test=20)").into(),
            model: "lenet5".parse()?,
            optimizer: "sgd(lr=0.01)".parse()?,
            epochs: 1,
            device: name.into(),
            ..Recipe::default()
        };
        let outcome = Session::open(&recipe)?.train()?;
        println!(
            "{name}: loss {:.5} after {} updates",
            outcome.progress.rows[0].train_loss, outcome.progress.step
        );
    }
    Ok(())
}
