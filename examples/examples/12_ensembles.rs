//! Compares ways to get more than one model out of a training budget: a single run, five runs, snapshots, averages of
//! weights, a soup, fast geometric ensembling, packed members. It prints tables of test scores for the guide, mean ± standard
//! deviation over seeds, and the share of the gain of five runs that each method has.
//!
//! `cargo run --release -p firebrick-examples --example 12_ensembles -- --cifar10 DIR --fashion-mnist DIR --out DIR`
//!
//! At 500 images per second, a run takes about 15 minutes, and there are nine for each data set, model and seed; `--epochs` scales
//! everything. Kill it at any time: the same command goes on. The first seed of every task comes first, and `--table` prints
//! what is known so far.

#[path = "12_ensembles/methods.rs"]
mod methods;
#[path = "12_ensembles/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use firebrick::prelude::*;
use firebrick_examples::{Experiment, Flags, size};

use methods::{METHODS, Task};
use table::{Row, Table};

/// The data sets with the flag of their place, and the models, in the order in which the tasks of a seed train.
const TASKS: [(&str, &str, &str); 4] = [
    ("cifar10", "--cifar10", "resnet20"),
    ("fashion_mnist", "--fashion-mnist", "small_cnn"),
    ("cifar10", "--cifar10", "small_cnn"),
    ("fashion_mnist", "--fashion-mnist", "resnet20"),
];

/// Begins the tasks that the flags name, or goes on with them.
fn begin(flags: &Flags, out: &Path) -> anyhow::Result<Vec<Task>> {
    let models = flags.text("--models").unwrap_or("resnet20,small_cnn");
    let models: Vec<&str> = models.split(',').map(str::trim).collect();
    if let Some(other) = models
        .iter()
        .find(|model| !TASKS.iter().any(|task| task.2 == **model))
    {
        bail!("--models {other}: give resnet20, small_cnn or both with a comma between them");
    }
    let mut chosen: Vec<(String, Option<String>, &str)> = Vec::new();
    for (dataset, place, model) in TASKS.iter().filter(|task| models.contains(&task.2)) {
        if let Some(place) = flags.text(place) {
            chosen.push((dataset.to_string(), Some(place.into()), model));
        }
    }
    if flags.has("--smoke") {
        let glyphs = "glyphs(train=270, test=54)".to_string();
        chosen = vec![(glyphs, None, "small_cnn(width=2)")];
    }
    ensure!(
        !chosen.is_empty(),
        "give --cifar10 DIR, --fashion-mnist DIR or both; `firebrick datasets fetch` downloads them"
    );
    let lr = flags.value("--lr", 0.1)?;
    let mut tasks = Vec::new();
    for (dataset, data_dir, model) in chosen {
        let augment = flags
            .text("--augment")
            .unwrap_or(size("pad_crop(4) | hflip", "none"));
        let recipe = Recipe {
            data_dir,
            limit_train: Some(flags.count("--images", 10_000)? as usize),
            model: model.parse()?,
            optimizer: "sgd(momentum=0.9, nesterov=true, weight_decay=0.0005)".parse()?,
            schedule: format!("cosine({lr})").parse()?,
            augment: augment.parse()?,
            epochs: flags.count("--epochs", size(40, 4))?,
            batch_size: 64,
            valid_fraction: 0.1,
            // The same images for every seed.
            split_seed: Some(0),
            device: flags.text("--device").unwrap_or("flex").into(),
            dataset,
            ..Recipe::default()
        };
        let name = |text: &str| text.split('(').next().unwrap_or_default().to_string();
        let directory = out.join(format!("{}-{}", name(&recipe.dataset), name(model)));
        let experiment = Experiment::begin(directory, recipe)?;
        tasks.push(Task { experiment });
    }
    Ok(tasks)
}

/// The tasks that were begun in a directory, by name.
fn begun(out: &Path) -> anyhow::Result<Vec<Task>> {
    let entries = std::fs::read_dir(out).with_context(|| out.display().to_string())?;
    let mut directories: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    directories.retain(|directory| directory.join("recipe.toml").is_file());
    directories.sort();
    ensure!(
        !directories.is_empty(),
        "{} holds no comparison",
        out.display()
    );
    let experiments = directories.into_iter().map(Experiment::read);
    experiments
        .map(|experiment| {
            Ok(Task {
                experiment: experiment?,
            })
        })
        .collect()
}

fn main() -> anyhow::Result<()> {
    let names = [
        "--cifar10",
        "--fashion-mnist",
        "--models",
        "--images",
        "--epochs",
        "--seeds",
        "--lr",
        "--augment",
        "--device",
        "--out",
    ];
    let flags = Flags::read(&names, &["--table"])?;
    let out = Path::new(flags.text("--out").unwrap_or("ensembles"));
    let tasks = if flags.has("--table") {
        begun(out)?
    } else {
        let tasks = begin(&flags, out)?;
        for seed in 0..flags.count("--seeds", size(3, 1))? {
            for task in &tasks {
                task.compare(seed)?;
            }
        }
        tasks
    };
    let (mut page, mut results) = (String::new(), BTreeMap::new());
    for task in &tasks {
        let experiment = &task.experiment;
        let mut rows = Vec::new();
        for method in &METHODS {
            rows.push(Row {
                title: method.title,
                runs: method.runs,
                figures: task.reached(method)?,
            });
        }
        let name = experiment.directory.file_name().unwrap_or_default();
        let figures = METHODS.iter().zip(&rows);
        let figures: BTreeMap<_, _> = figures
            .map(|(method, row)| (method.key, row.figures.clone()))
            .collect();
        results.insert(name.to_string_lossy().into_owned(), figures);
        page += &Table { rows }.text(&experiment.recipe, experiment.seconds()?);
        page += "\n";
    }
    std::fs::write(
        out.join("results.json"),
        serde_json::to_vec_pretty(&results)?,
    )?;
    std::fs::write(out.join("table.md"), &page)?;
    print!("{page}");
    Ok(())
}
