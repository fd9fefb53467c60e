//! Your own photos to a classifier, from a pretrained network:
//! `cargo run --release -p firebrick-examples --example 14_transfer -- photos`, where each class has a folder in `photos`.

use std::time::Duration;

use anyhow::Context;
use firebrick::RunPlace;
use firebrick::prelude::*;
use firebrick::transfer::{self, TransferJob};

fn main() -> anyhow::Result<()> {
    let photos = std::env::args()
        .nth(1)
        .context("give a folder: photos/CLASS/IMAGE")?;
    let recipe = match photos.as_str() {
        "--smoke" => without_photos()?,
        photos => {
            let data = format!("folder:{photos}");
            transfer::recipe(&data, "efficientnet_lite0".parse()?, "pretrained")
        }
    };
    let report = transfer::train(TransferJob {
        budget: Duration::from_secs(60),
        notice: Box::new(|text| eprintln!("{text}")),
        ..TransferJob::new(recipe, RunPlace::At("runs/photos".into()))
    })?;
    for stage in &report.stages {
        println!("{}: {:.1} %", stage.stage, 100.0 * stage.probe_top1);
    }
    println!("{}: {:.1} %", report.strategy, 100.0 * report.top1);
    println!("the network is in {}", report.train.run_dir);
    Ok(())
}

/// For `--smoke`, which has neither photos nor published weights: from easy letters to hard ones.
fn without_photos() -> anyhow::Result<Recipe> {
    let easy = Recipe {
        dataset: "glyphs(train=200, test=20, domain=rgb, difficulty=0.5)".into(),
        model: "resnet20".parse()?,
        epochs: 1,
        ..Recipe::default()
    };
    firebrick::train(Job::new(easy, "runs/easy"))?;
    let hard = "glyphs(train=80, test=20, domain=rgb)";
    let weights = "runs/easy/model.safetensors";
    Ok(Recipe {
        epochs: 1,
        ..transfer::recipe(hard, "resnet20".parse()?, weights)
    })
}
