//! Is the rate that the range test advises a good one? For each data set the test as `firebrick lr-find`
//! runs it, short trainings at rates a factor of two apart, and how far each suggestion is from the best
//! of them by validation loss. Writes `rates.md`; trainings are kept in `trainings.tsv` and not repeated.
//!
//! `cargo run --release --example 08_rates -- --mnist DIR --cifar10 DIR --photos DIR --out DIR`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use firebrick::prelude::*;
use firebrick::training::lr_find::Sweep;
use firebrick_examples::size;

/// Images to train on, and how the trainings begin.
const IMAGES: usize = 2000;
const SEEDS: u64 = 2;

struct Task {
    name: &'static str,
    dataset: String,
    data_dir: Option<PathBuf>,
    /// Share of the training images that are kept for validation, where the set has none for it.
    valid_fraction: f64,
    epochs: u64,
}

impl Task {
    fn recipe(&self, optimizer: &Spec) -> Recipe {
        let model = size("small_cnn", "small_cnn(width=2)");
        Recipe {
            dataset: self.dataset.clone(),
            data_dir: self
                .data_dir
                .as_ref()
                .map(|path| path.display().to_string()),
            model: model.parse().unwrap_or_else(|_| Spec::new("small_cnn")),
            optimizer: optimizer.clone(),
            epochs: self.epochs,
            ..Recipe::default()
        }
    }

    /// The least validation loss of an epoch, of a training at a rate.
    fn train(&self, optimizer: &Spec, lr: f64, seed: u64) -> anyhow::Result<f64> {
        let recipe = Recipe {
            seed,
            limit_train: Some(size(IMAGES, 64)),
            valid_fraction: self.valid_fraction,
            ..self.recipe(optimizer)
        };
        let prepared = Prepared::open(&recipe, Path::new("data"))?;
        let mut train = prepared.train_loader(&recipe)?;
        let valid = prepared.splits.valid.clone().context("no validation")?;
        let mut valid = prepared.evaluation_loader(&recipe, valid)?;
        let run = RunLength {
            updates: self.epochs * train.batches() as u64,
            updates_per_epoch: train.batches() as u64,
        };
        let plan = plan(optimizer, &recipe.schedule, Some(lr), run)?;
        let device = device("flex")?.autodiff();
        let model = firebrick::zoo::build(&recipe.model, &prepared.input(), seed, &device)?;
        let (loss, config) = (
            CrossEntropy::default(),
            TrainConfig {
                epochs: self.epochs,
                seed,
                ..TrainConfig::default()
            },
        );
        let mut training = Training::new(model, plan.update, plan.schedule, &loss, &mut train);
        training.valid = Some(&mut valid);
        match fit(training, &config) {
            Ok(outcome) => {
                let rows = outcome.progress.rows.iter();
                let losses = rows.filter_map(|row| Some(row.valid?.loss));
                Ok(losses.fold(f64::INFINITY, f64::min))
            }
            Err(TrainError::NonFinite { .. }) => Ok(f64::INFINITY),
            Err(error) => Err(error.into()),
        }
    }
}

/// The losses of trainings by task, optimizer, rate and seed, in a file with a line for each.
struct Trainings {
    file: PathBuf,
    losses: BTreeMap<String, f64>,
}

impl Trainings {
    fn open(file: PathBuf) -> anyhow::Result<Self> {
        let mut losses = BTreeMap::new();
        for line in std::fs::read_to_string(&file).unwrap_or_default().lines() {
            let (key, loss) = line.split_once('\t').context("trainings.tsv")?;
            losses.insert(key.into(), loss.parse()?);
        }
        Ok(Self { file, losses })
    }

    /// The mean loss over the seeds.
    fn mean(&mut self, task: &Task, optimizer: &Spec, lr: f64) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for seed in 0..size(SEEDS, 1) {
            let key = format!("{} {optimizer} {lr:.3e} {seed}", task.name);
            if !self.losses.contains_key(&key) {
                self.losses
                    .insert(key.clone(), task.train(optimizer, lr, seed)?);
                let lines = self.losses.iter();
                let lines = lines.map(|(key, loss)| format!("{key}\t{loss}\n"));
                std::fs::write(&self.file, lines.collect::<String>())?;
            }
            sum += self.losses[&key];
        }
        Ok(sum / size(SEEDS, 1) as f64)
    }
}

/// A loss in words: none where it is not finite.
fn loss(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.3}")
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
    let optimizer: Spec = flag("--optimizer").unwrap_or("adam".into()).parse()?;
    let number = |name: &str, default: f64| {
        flag(name).map_or(Ok(default), |text| {
            text.parse().with_context(|| format!("{name} {text}"))
        })
    };
    let (lowest, highest) = (number("--lowest", 1e-4)?, number("--highest", 0.25)?);
    let mut tasks = vec![Task {
        name: "glyphs",
        dataset: size("glyphs", "glyphs(train=100, test=10)").into(),
        data_dir: None,
        valid_fraction: size(0.1, 0.2),
        epochs: size(3, 1),
    }];
    for (name, dataset, place) in [
        ("MNIST", "mnist", flag("--mnist")),
        ("CIFAR-10", "cifar10", flag("--cifar10")),
    ] {
        tasks.extend(place.map(|place| Task {
            name,
            dataset: dataset.into(),
            data_dir: Some(place.into()),
            valid_fraction: 0.02,
            epochs: 3,
        }));
    }
    tasks.extend(flag("--photos").map(|place| Task {
        name: "ants and bees",
        dataset: format!("folder:{place}"),
        data_dir: None,
        valid_fraction: 0.1,
        epochs: 10,
    }));

    let temp = tempfile::tempdir()?;
    let out = flag("--out").map_or_else(|| temp.path().into(), PathBuf::from);
    std::fs::create_dir_all(&out)?;
    let mut trainings = Trainings::open(out.join("trainings.tsv"))?;
    let mut page = String::from(
        "| data | best rate | advised | its ratio | steepest | valley | minimum / 10 | loss at the best | at the advised |\n",
    );
    page += "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    let mut details = String::new();
    for task in &tasks {
        let recipe = task.recipe(&optimizer);
        let sweep = Sweep {
            num_iter: size(Sweep::default().num_iter, 30),
            ..Sweep::default()
        };
        let curve = firebrick::lr_find(&recipe, Path::new("data"), sweep, &mut |_| {})?;
        let mut at = |lr: f64| -> anyhow::Result<f64> {
            let mean = trainings.mean(task, &optimizer, lr)?;
            println!(
                "{}: rate {lr:.2e}, validation loss {}",
                task.name,
                loss(mean)
            );
            Ok(mean)
        };
        let doublings = (highest / lowest).log2().round() as i32;
        let rates = (0..=size(doublings, 1)).map(|power| lowest * 2f64.powi(power));
        let mut grid = Vec::new();
        for lr in rates {
            grid.push((lr, at(lr)?));
        }
        let best = grid.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (best, least) = *best.context("there are rates")?;
        let found = curve.suggestions;
        let ratio = |lr: Option<f64>| {
            lr.map_or("–".into(), |lr| {
                let factor = if lr > best { lr / best } else { best / lr };
                let sign = if lr > best { "×" } else { "÷" };
                format!("{lr:.1e} ({sign} {factor:.1})")
            })
        };
        let advised = found.best();
        let loss_at = advised.map_or(Ok(f64::INFINITY), &mut at)?;
        let _ = writeln!(
            page,
            "| {} | {best:.1e} | {} | {} | {} | {} | {} | {} | {} |",
            task.name,
            advised.map_or("–".into(), |lr| format!("{lr:.1e}")),
            advised.map_or("–".into(), |lr| format!("{:.2}", lr / best)),
            ratio(found.steepest),
            ratio(found.valley),
            ratio(found.minimum_over_10),
            loss(least),
            loss(loss_at),
        );
        let row = grid
            .iter()
            .map(|(lr, mean)| format!("{lr:.1e}: {}", loss(*mean)));
        let _ = writeln!(
            details,
            "- {}: {}",
            task.name,
            row.collect::<Vec<_>>().join(", ")
        );
    }
    let text = format!(
        "`{optimizer}`, {}\n\n{page}\nValidation loss by rate:\n\n{details}",
        tasks[0].recipe(&optimizer).model
    );
    std::fs::write(out.join("rates.md"), &text)?;
    println!("\n{text}");
    Ok(())
}
