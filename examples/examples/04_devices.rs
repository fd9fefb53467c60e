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
        let Ok(device) = device(name) else { continue };
        let data = firebrick::datasets::open(
            size("glyphs(train=2000)", "glyphs(train=128, test=20)"),
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
            epochs: 1,
            ..TrainConfig::default()
        };
        let plan = plan(
            &"sgd(lr=0.01)".parse()?,
            &"constant".parse()?,
            None,
            RunLength::new(1, train.samples() as u64, 64, 1),
        )?;
        let shape = Input {
            channels: 1,
            height: 32,
            width: 32,
            classes: data.train.classes().len(),
        };
        let model = firebrick::zoo::build(&"lenet5".parse()?, &shape, 0, &device.autodiff())?;
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
        println!(
            "{name}: loss {:.5} after {} updates",
            outcome.progress.rows[0].train_loss, outcome.progress.step
        );
    }
    Ok(())
}
