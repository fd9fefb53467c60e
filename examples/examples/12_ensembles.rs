//! Compares ways to get more than one model out of a training budget: a single run, five runs, snapshots, averages of
//! weights, a soup, fast geometric ensembling, members in one network. It prints a table of test scores, mean ± standard deviation over seeds.
//!
//! `cargo run --release --example 12_ensembles -- --dataset cifar10 --data-dir DIR --model resnet20 --epochs 20 --seeds 3`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use firebrick::core::spec::Spec;
use firebrick::datasets::Split;
use firebrick::ensemble::manifest::{FILE, Kind, Manifest, Member};
use firebrick::ensemble::score::EnsembleFigures;
use firebrick::ensembles::{Ensemble, EnsembleEval, How, evaluate, soup};
use firebrick::eval::EvalImages;
use firebrick::prelude::*;
use firebrick::{Models, Sources};
use firebrick_examples::size;

/// The members of the ensemble of independent runs, and the cycles of the run with snapshots.
const MEMBERS: usize = 5;

/// The settings of the comparison.
struct Comparison {
    recipe: Recipe,
    lr: f64,
    seeds: u64,
    out: PathBuf,
}

/// What a method reached: one entry for each seed.
#[derive(Default)]
struct Reached {
    runs: f64,
    figures: Vec<EnsembleFigures>,
}

impl Comparison {
    fn from_arguments() -> anyhow::Result<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let given = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1).cloned()
        };
        let number = |name: &str, default: f64| {
            given(name).map_or(Ok(default), |text| {
                text.parse().with_context(|| format!("{name} {text}"))
            })
        };
        let model =
            given("--model").unwrap_or_else(|| size("small_cnn", "small_cnn(width=2)").into());
        let small = size("glyphs", "glyphs(train=270, test=54)").to_string();
        let recipe = Recipe {
            dataset: given("--dataset").unwrap_or(small),
            data_dir: given("--data-dir"),
            limit_train: given("--limit-train")
                .map(|text| text.parse())
                .transpose()?,
            model: model.parse()?,
            optimizer: "sgd(momentum=0.9, nesterov=true, weight_decay=0.0005)".parse()?,
            augment: given("--augment")
                .unwrap_or_else(|| "none".into())
                .parse()?,
            epochs: number("--epochs", size(10, 4) as f64)? as u64,
            batch_size: 64,
            valid_fraction: 0.1,
            split_seed: Some(0),
            ..Recipe::default()
        };
        Ok(Self {
            recipe,
            lr: number("--lr", 0.1)?,
            seeds: number("--seeds", 1.0)? as u64,
            out: given("--out").map_or_else(
                || std::env::temp_dir().join("firebrick-ensembles"),
                PathBuf::from,
            ),
        })
    }

    /// Trains a run, unless that was done before.
    fn train(
        &self,
        name: &str,
        seed: u64,
        change: impl FnOnce(&mut Recipe) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let run = self.out.join(format!("{name}-{seed}"));
        if run.join("run.json").is_file() {
            return Ok(run);
        }
        let mut recipe = Recipe {
            seed,
            ..self.recipe.clone()
        };
        change(&mut recipe)?;
        let start = if run.join("recipe.toml").is_file() {
            Start::Resume
        } else {
            Start::Fresh
        };
        let report = firebrick::train(Job {
            start,
            ..Job::new(recipe, &run)
        })?;
        eprintln!("{}: {:.0} s", run.display(), report.seconds);
        Ok(run)
    }

    /// The scores on test of models together, with a temperature from validation.
    fn scores(&self, name: &str, files: &[PathBuf]) -> anyhow::Result<EnsembleFigures> {
        let directory = self.out.join(format!("ensemble-{name}"));
        std::fs::create_dir_all(&directory)?;
        let mut members = Vec::new();
        for (number, file) in (1..).zip(files) {
            let member = Member {
                name: format!("model-{number}"),
                file: format!("model-{number}.safetensors"),
            };
            std::fs::copy(file, directory.join(&member.file))?;
            members.push(member);
        }
        let manifest = Manifest::new(Kind::Independent, members);
        std::fs::write(directory.join(FILE), manifest.to_bytes())?;
        let device = firebrick::core::device(&self.recipe.device)?;
        let ensemble = Ensemble::open(&directory, Models::default(), device, false)?;
        let job = EnsembleEval {
            ensemble: &ensemble,
            images: EvalImages {
                recipe: self.recipe.clone(),
                held_out: false,
                split: Some(Split::Test),
                run: None,
                cache: "data".into(),
            },
            combine: Spec::new("mean"),
            tta: None,
            fit_on: Split::Valid,
            strict: true,
            orders: 1,
            train_images: false,
            seed: 0,
        };
        Ok(evaluate(&job, &mut |_, _| {})?.report.ensemble)
    }

    /// All methods for one seed.
    fn compare(&self, seed: u64, reached: &mut BTreeMap<&str, Reached>) -> anyhow::Result<()> {
        let lr = self.lr;
        let mut note = |name: &'static str, runs: f64, figures: EnsembleFigures| {
            let entry = reached.entry(name).or_default();
            entry.runs = runs;
            entry.figures.push(figures);
        };
        let cosine = |recipe: &mut Recipe| {
            recipe.schedule = format!("cosine({lr})").parse()?;
            recipe.average = "ema(0.99)".parse()?;
            Ok(())
        };
        let runs: Vec<PathBuf> = (0..MEMBERS as u64)
            .map(|member| self.train("single", seed * MEMBERS as u64 + member, cosine))
            .collect::<anyhow::Result<_>>()?;
        let raw = |run: &PathBuf| run.join("averages/raw.safetensors");
        let all: Vec<PathBuf> = runs.iter().map(raw).collect();
        note(
            "(a) single run",
            1.0,
            self.scores(&format!("single-{seed}"), &all[..1])?,
        );
        note(
            "(b) independent runs",
            MEMBERS as f64,
            self.scores(&format!("runs-{seed}"), &all)?,
        );
        let ema = runs[0].join("averages/ema.safetensors");
        note("(e) EMA", 1.0, self.scores(&format!("ema-{seed}"), &[ema])?);

        let snapshots = self.train("snapshots", seed, |recipe| {
            recipe.schedule = format!("snapshot_cosine({lr}, cycles={MEMBERS})").parse()?;
            recipe.snapshots = Some("all".into());
            Ok(())
        })?;
        let members = members(&snapshots)?;
        note(
            "(c) snapshots",
            1.0,
            self.scores(&format!("snapshots-{seed}"), &members)?,
        );
        let file = self.out.join(format!("soup-{seed}.safetensors"));
        soup(&members, How::Greedy, 100, Sources::in_cache("data"), &file)?;
        note(
            "(f) greedy soup of (c)",
            1.0,
            self.scores(&format!("soup-{seed}"), &[file])?,
        );

        let swa = self.train("swa", seed, |recipe| {
            let end = lr / 4.0;
            recipe.schedule = format!(
                "sequence([cosine({lr}, steps=75%, min_lr={end}), constant({end})], [75%])"
            )
            .parse()?;
            recipe.average = "swa(start=75%)".parse()?;
            Ok(())
        })?;
        let swa = swa.join("averages/swa.safetensors");
        note("(d) SWA", 1.0, self.scores(&format!("swa-{seed}"), &[swa])?);

        let fge = self.train("fge", seed, |recipe| {
            let (low, high) = (lr / 100.0, lr / 4.0);
            let half = (self.recipe.epochs as f64 / 40.0).max(0.5);
            recipe.schedule = format!(
                "sequence([cosine({lr}, steps=75%, min_lr={high}), cyclic(base_lr={low}, max_lr={high}, step_size_up={half}ep, cycle_momentum=false)], [75%])"
            )
            .parse()?;
            recipe.snapshots = Some("all".into());
            Ok(())
        })?;
        let members = self::members(&fge)?;
        // The end of the first part is a cycle's end too, but at a high rate.
        note(
            "(g) FGE",
            1.0,
            self.scores(&format!("fge-{seed}"), &members[1..])?,
        );

        // Members that share all weights compute each image once for each of them.
        for (name, members, runs) in [
            ("(h) packed members", "packed(4)", 1.0),
            ("(h) BatchEnsemble", "batch_ensemble(4)", 4.0),
        ] {
            let members: Spec = members.parse()?;
            let file = self.train(&members.name, seed, |recipe| {
                recipe.schedule = format!("cosine({lr})").parse()?;
                recipe.model = recipe.model.clone().with("members", members.clone());
                Ok(())
            })?;
            let file = file.join("model.safetensors");
            note(
                name,
                runs,
                self.scores(&format!("{}-{seed}", members.name), &[file])?,
            );
        }
        Ok(())
    }
}

/// The members of a run with snapshots.
fn members(run: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let manifest = Manifest::read(run)?;
    let files = manifest.members.iter().map(|member| run.join(&member.file));
    Ok(files.collect())
}

/// `12.34 ± 0.56`.
fn spread(values: &[f64], digits: usize) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = (squares / (count - 1.0).max(1.0)).sqrt();
    format!("{mean:.digits$} ± {sd:.digits$}")
}

fn main() -> anyhow::Result<()> {
    let comparison = Comparison::from_arguments()?;
    let mut reached = BTreeMap::new();
    for seed in 0..comparison.seeds {
        comparison.compare(seed, &mut reached)?;
    }
    println!(
        "| method | runs | test top-1 % | NLL | NLL at temperature | ECE | ECE at temperature |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (name, Reached { runs, figures }) in &reached {
        let column = |value: &dyn Fn(&EnsembleFigures) -> f64, digits: usize| {
            spread(&figures.iter().map(value).collect::<Vec<_>>(), digits)
        };
        println!(
            "| {name} | {runs} | {} | {} | {} | {} | {} |",
            column(&|f| 100.0 * f.top1, 2),
            column(&|f| f.nll, 4),
            column(&|f| f.nll_at_temperature.unwrap_or(f.nll), 4),
            column(&|f| f.ece, 4),
            column(&|f| f.ece_at_temperature.unwrap_or(f.ece), 4),
        );
    }
    Ok(())
}
