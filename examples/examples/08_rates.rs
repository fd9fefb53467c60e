//! Is the learning rate that the range test advises a good one? For each data set: the test as
//! `firebrick lr-find` runs it, short trainings at rates a factor of two apart, and how each suggestion
//! compares with the best of these rates by validation loss. Writes `rates.md`.
//!
//! `cargo run --release --example 08_rates -- --mnist DIR --cifar10 DIR --photos DIR --out DIR`

use std::path::PathBuf;

use anyhow::Context;
use firebrick::prelude::*;
use firebrick::training::lr_find::Sweep;
use firebrick_examples::size;

/// Images to train on, and trainings at each rate.
const IMAGES: usize = 2000;
const SEEDS: u64 = 2;
/// The lowest rate, and how often it is doubled.
const LOWEST: f64 = 1e-4;
const DOUBLINGS: i32 = 11;

struct Task {
    name: &'static str,
    /// What the range test runs on: all training images.
    recipe: Recipe,
    /// Share of the training images kept for validation, where the data set has no such split.
    valid_fraction: f64,
}

impl Task {
    fn new(
        name: &'static str,
        dataset: &str,
        data_dir: Option<String>,
        valid_fraction: f64,
        epochs: u64,
    ) -> anyhow::Result<Self> {
        let recipe = Recipe {
            dataset: dataset.into(),
            data_dir,
            model: size("small_cnn", "small_cnn(width=2)").parse()?,
            epochs,
            ..Recipe::default()
        };
        Ok(Self {
            name,
            recipe,
            valid_fraction,
        })
    }

    /// The lowest validation loss of any epoch; infinite where the training diverges.
    fn train(&self, lr: f64, seed: u64) -> anyhow::Result<f64> {
        let recipe = Recipe {
            lr: Some(lr),
            seed,
            limit_train: Some(size(IMAGES, 64)),
            valid_fraction: self.valid_fraction,
            ..self.recipe.clone()
        };
        match Session::open(&recipe)?.train() {
            Ok(outcome) => {
                let rows = outcome.progress.rows.iter();
                let losses = rows.filter_map(|row| Some(row.valid?.loss));
                Ok(losses.fold(f64::INFINITY, f64::min))
            }
            Err(firebrick::Error::Train(TrainError::NonFinite { .. })) => Ok(f64::INFINITY),
            Err(error) => Err(error.into()),
        }
    }

    /// The mean of [`Self::train`] over the seeds.
    fn loss(&self, lr: f64) -> anyhow::Result<f64> {
        let seeds = size(SEEDS, 1);
        let mut sum = 0.0;
        for seed in 0..seeds {
            sum += self.train(lr, seed)?;
        }
        let mean = sum / seeds as f64;
        println!(
            "{}: rate {lr:.1e}, validation loss {}",
            self.name,
            shown(mean)
        );
        Ok(mean)
    }

    /// The task's row of the table.
    fn row(&self) -> anyhow::Result<String> {
        let sweep = Sweep {
            num_iter: size(Sweep::default().num_iter, 30),
            ..Sweep::default()
        };
        let curve = firebrick::lr_find(&self.recipe, Sources::default(), sweep, &mut |_| {})?;
        let found = curve.suggestions;
        let mut losses = Vec::new();
        for power in 0..=size(DOUBLINGS, 1) {
            let lr = LOWEST * 2f64.powi(power);
            losses.push((lr, self.loss(lr)?));
        }
        let best = losses.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (best, least) = *best.context("there are rates")?;
        let at_advised = found.advised.map(|lr| self.loss(lr)).transpose()?;
        let rate =
            |lr: Option<f64>| lr.map_or("–".into(), |lr| format!("{lr:.1e} ({:.2})", lr / best));
        let cells = [
            self.name.to_string(),
            format!("{best:.1e}"),
            shown(least),
            rate(found.advised),
            at_advised.map_or("–".into(), shown),
            rate(found.steepest),
            rate(found.valley),
            rate(found.minimum_over_10),
        ];
        let by_rate = losses.iter();
        let by_rate = by_rate.map(|(lr, loss)| format!("{lr:.1e}: {}", shown(*loss)));
        let by_rate: Vec<String> = by_rate.collect();
        Ok(format!(
            "| {} | {} |\n",
            cells.join(" | "),
            by_rate.join(" · ")
        ))
    }
}

/// A loss in words: none where it is not finite.
fn shown(loss: f64) -> String {
    if loss.is_finite() {
        format!("{loss:.3}")
    } else {
        "diverged".into()
    }
}

/// The value after a flag.
fn flag(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}

fn main() -> anyhow::Result<()> {
    let glyphs = size("glyphs", "glyphs(train=100, test=10)");
    let mut tasks = vec![Task::new(
        "glyphs",
        glyphs,
        None,
        size(0.1, 0.2),
        size(3, 1),
    )?];
    if let Some(place) = flag("--mnist") {
        tasks.push(Task::new("MNIST", "mnist", Some(place), 0.02, 3)?);
    }
    if let Some(place) = flag("--cifar10") {
        tasks.push(Task::new("CIFAR-10", "cifar10", Some(place), 0.02, 3)?);
    }
    if let Some(place) = flag("--photos") {
        let dataset = format!("folder:{place}");
        tasks.push(Task::new("ants and bees", &dataset, None, 0.1, 10)?);
    }
    let Recipe {
        optimizer, model, ..
    } = &tasks[0].recipe;
    let mut page = format!(
        "`{optimizer}`, `{model}`; in brackets, the rate as a multiple of the best one.\n\n\
         | data | best rate | loss | advised | loss | steepest | valley | minimum / 10 | validation loss by rate |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for task in &tasks {
        page += &task.row()?;
    }
    if let Some(out) = flag("--out").map(PathBuf::from) {
        std::fs::create_dir_all(&out)?;
        std::fs::write(out.join("rates.md"), &page)?;
    }
    println!("\n{page}");
    Ok(())
}
