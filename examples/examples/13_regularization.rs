//! What closes the gap between training and test error? Trains ResNet-20 on a part of CIFAR-10 with L2, dropout, batch norm and
//! augmentation, alone and together, and with several learning rates and initial weights with and without batch norm. It prints
//! the tables of the guide, and whether the runs show what a lecture on regularization says.
//!
//! `cargo run --release -p firebrick-examples --example 13_regularization -- --cifar10 DIR --out DIR`
//!
//! At 500 images per second, a run takes about 15 minutes, a seed about four hours; `--epochs` scales everything. Kill it at any time: the
//! same command goes on. The first seed of every run comes first, and `--table` prints what is known so far and writes it to `runs.json`, from
//! which the experiment can go on elsewhere.

#[path = "13_regularization/arms.rs"]
mod arms;
#[path = "13_regularization/lecture.rs"]
mod lecture;
#[path = "13_regularization/network.rs"]
mod network;
#[path = "13_regularization/results.rs"]
mod results;
#[path = "13_regularization/table.rs"]
mod table;

use firebrick::prelude::*;
use firebrick_examples::{Experiment, Flags, size};

use arms::{ARMS, grid};
use network::{NetworkConfig, models};
use results::{Outcome, Results};

/// What all runs share.
fn shared(flags: &Flags) -> anyhow::Result<Recipe> {
    let network = NetworkConfig {
        blocks: size(3, 1),
        width: size(16, 2),
        ..NetworkConfig::default()
    };
    Ok(Recipe {
        dataset: size("cifar10", "glyphs(train=90, test=27)").into(),
        data_dir: flags.text("--cifar10").map(String::from),
        limit_train: Some(flags.count("--images", size(10_000, 64))? as usize),
        valid_fraction: size(0.02, 0.3),
        // The same images for every seed.
        split_seed: Some(0),
        model: network.spec(),
        optimizer: "sgd(momentum=0.9, nesterov=true)".parse()?,
        // Choosing the epoch by the validation images would be one more regularizer.
        monitor: "train_loss".into(),
        epochs: flags.count("--epochs", size(40, 1))?,
        batch_size: size(64, 4),
        device: flags.text("--device").unwrap_or("flex").into(),
        ..Recipe::default()
    })
}

/// Every run of a seed in the order in which they train: what it is called, and its recipe.
fn runs(shared: &Recipe, seed: u64) -> anyhow::Result<Vec<(String, Recipe)>> {
    let arms = ARMS
        .iter()
        .map(|arm| Ok((arm.key.to_string(), arm.recipe(shared, seed)?)));
    let grid = grid().into_iter();
    let grid = grid.map(|cell| Ok((cell.key(), cell.recipe(shared, seed)?)));
    arms.chain(grid).collect()
}

fn main() -> anyhow::Result<()> {
    let names = [
        "--cifar10",
        "--images",
        "--epochs",
        "--seeds",
        "--device",
        "--out",
    ];
    let flags = Flags::read(&names, &["--table"])?;
    let out = flags.text("--out").unwrap_or("regularization");
    let only_table = flags.has("--table");
    let experiment = if only_table {
        Experiment::read(out)?
    } else {
        Experiment::begin(out, shared(&flags)?)?
    };
    let mut results = Results::read(&experiment.directory)?;
    for seed in 1..=flags.count("--seeds", size(3, 1))? {
        for (key, recipe) in runs(&experiment.recipe, seed)? {
            if results.know(&key, seed) {
                continue;
            }
            let name = format!("{key}-{seed}");
            let end = if only_table {
                experiment.ended(&name)?
            } else {
                Some(experiment.train(&name, recipe, Sources::of_models(models()))?)
            };
            results
                .outcomes
                .extend(end.map(|end| Outcome::new(key, seed, end)));
        }
    }
    let page = table::page(&experiment.recipe, &results);
    let write = |name: &str, bytes: &[u8]| std::fs::write(experiment.directory.join(name), bytes);
    write("runs.csv", results.csv().as_bytes())?;
    write(results::FILE, &serde_json::to_vec_pretty(&results)?)?;
    write("curves.svg", table::curves(&results).as_bytes())?;
    write("table.md", page.as_bytes())?;
    println!("{page}");
    Ok(())
}
