//! Trains the same small network with every optimizer, each at a rate that the range test finds. It writes the curves to
//! `curves.svg`, and the results beside the claims of the lecture to `optimizers.md`.
//!
//! `cargo run --release --example 07_optimizers -- --mnist DIR --cifar10 DIR --out DIR`

#[path = "07_optimizers/lecture.rs"]
mod lecture;
#[path = "07_optimizers/sparse.rs"]
mod sparse;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use firebrick::core::penalty::Penalties;
use firebrick::optim::optimizer;
use firebrick::prelude::*;
use firebrick::report::{Axis, Chart, Scale, Series, Unit, charts_svg};
use firebrick::training::lr_find::{Sweep, lr_find};
use firebrick_examples::size;

/// Optimizers whose defaults need a word more to be themselves.
const SPECS: [(&str, &str); 4] = [
    ("centralize", "centralize(base=momentum)"),
    ("sam", "sam(base=momentum)"),
    ("asam", "asam(base=momentum)"),
    ("lookahead", "lookahead(base=adam)"),
];

/// Methods of second order: a mini-batch's curvature is noise. They are in the other table.
const FULL_BATCH: [&str; 3] = ["lbfgs", "newton", "hessian_free"];

/// Runs beside the registry's: label, optimizer, schedule, and the run whose rate they share.
const BESIDE: [(&str, &str, &str, Option<&str>); 5] = [
    ("sgd, cosine", "sgd", "cosine", Some("sgd")),
    ("momentum, cosine", "momentum", "cosine", Some("momentum")),
    ("adam, cosine", "adam", "cosine", Some("adam")),
    (
        "adam(bias_correction=false)",
        "adam(bias_correction=false)",
        "constant",
        Some("adam"),
    ),
    ("adam(lr=0.001)", "adam(lr=0.001)", "constant", None),
];

/// One optimizer on one data set.
pub struct Run {
    /// How it is called in the tables.
    pub label: String,
    /// Its rate.
    pub lr: f64,
    /// Updates made, and the training loss: the mean of the latest [`Run::WINDOW`].
    pub curve: Vec<(f64, f64)>,
    /// Validation accuracy; none when it diverged.
    pub valid_top1: Option<f64>,
    /// Validation loss.
    pub valid_loss: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
}

impl Run {
    /// Updates over whose losses is averaged.
    const WINDOW: usize = 25;

    /// Training loss at the end.
    pub fn end(&self) -> Option<f64> {
        self.curve.last().map(|(_, loss)| *loss)
    }

    /// Mean training loss of the first ten updates.
    pub fn early(&self) -> Option<f64> {
        self.curve.get(9).map(|(_, loss)| *loss)
    }

    /// The share of the way from the first loss to the last that was made in the last half.
    pub fn late(&self) -> Option<f64> {
        let middle = self.curve.get(self.curve.len() / 2)?.1;
        let (first, last) = (self.early()?, self.end()?);
        Some((middle - last) / (first - last))
    }
}

/// All runs on one data set.
pub struct Set {
    name: String,
    runs: Vec<Run>,
}

impl Set {
    /// The run with this label.
    pub fn run(&self, label: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.label == label)
    }
}

/// The network, the images and how long it trains.
struct Task {
    name: String,
    recipe: Recipe,
    prepared: Prepared,
    updates: u64,
}

impl Task {
    fn new(
        name: &str,
        dataset: &str,
        data_dir: Option<PathBuf>,
        epochs: u64,
    ) -> anyhow::Result<Self> {
        let recipe = Recipe {
            dataset: dataset.into(),
            data_dir: data_dir.map(|path| path.display().to_string()),
            limit_train: Some(size(3000, 64)),
            valid_fraction: size(0.02, 0.2),
            model: size("small_cnn(width=8)", "small_cnn(width=2)").parse()?,
            batch_size: size(32, 16),
            epochs,
            ..Recipe::default()
        };
        let prepared = Prepared::open(&recipe, Path::new("data"))?;
        let updates = epochs * prepared.train_loader(&recipe)?.batches() as u64;
        Ok(Self {
            name: name.into(),
            recipe,
            prepared,
            updates,
        })
    }

    /// The model, with the same weights every time.
    fn model(&self) -> anyhow::Result<Model> {
        Ok(firebrick::zoo::build(
            &self.recipe.model,
            &self.prepared.input(),
            0,
            &device("flex")?.autodiff(),
        )?)
    }

    fn plan(&self, optimizer: &str, schedule: &str, lr: Option<f64>) -> anyhow::Result<Plan> {
        let run = RunLength {
            updates: self.updates,
            updates_per_epoch: self.updates / self.recipe.epochs,
        };
        Ok(plan(&optimizer.parse()?, &schedule.parse()?, lr, run)?)
    }

    /// The rates to try: those that the range test suggests and a third of the least, since a momentum
    /// that is still building up lets the test see too late that a rate is too high. The optimizer's
    /// own where the curve suggests none.
    fn rates(&self, optimizer: &str) -> anyhow::Result<Vec<f64>> {
        let plan = self.plan(optimizer, "constant", None)?;
        let sweep = Sweep {
            start_lr: 1e-5,
            num_iter: size(100, 6),
            ..Sweep::default()
        };
        let (loss, config) = (CrossEntropy::default(), TrainConfig::default());
        let mut loader = self.prepared.train_loader(&self.recipe)?;
        let (curve, _) = lr_find(
            &self.model()?,
            plan.update,
            &loss,
            &Penalties::default(),
            &mut loader,
            &config,
            sweep,
        )?;
        let found = curve.suggestions;
        let found = [
            found.advised,
            found.valley,
            found.steepest,
            found.minimum_over_10,
        ];
        let mut rates: Vec<f64> = found.into_iter().flatten().collect();
        rates.sort_by(f64::total_cmp);
        rates.insert(0, rates.first().map_or(plan.lr, |least| least / 3.0));
        rates.dedup_by(|next, kept| *next < 1.2 * *kept);
        Ok(rates)
    }

    /// The run at the rate whose validation loss is least at the end; the training loss favours rates so
    /// high that batch norm's running statistics lag behind.
    fn tuned(&self, label: &str, optimizer: &str) -> anyhow::Result<Run> {
        let mut best: Option<Run> = None;
        for lr in self.rates(optimizer)? {
            let run = self.run(label, optimizer, "constant", Some(lr))?;
            let loss = |run: &Run| run.valid_loss.unwrap_or(f64::INFINITY);
            if best.as_ref().is_none_or(|best| loss(&run) < loss(best)) {
                best = Some(run);
            }
        }
        best.context("the range test gives a rate to try")
    }

    fn run(
        &self,
        label: &str,
        optimizer: &str,
        schedule: &str,
        lr: Option<f64>,
    ) -> anyhow::Result<Run> {
        let plan = self.plan(optimizer, schedule, lr)?;
        let valid = self.prepared.splits.valid.clone();
        let (mut train, mut valid) = (
            self.prepared.train_loader(&self.recipe)?,
            valid
                .map(|valid| self.prepared.evaluation_loader(&self.recipe, valid))
                .transpose()?,
        );
        let loss = CrossEntropy::default();
        let config = TrainConfig {
            epochs: self.recipe.epochs,
            ..TrainConfig::default()
        };
        let mut training =
            Training::new(self.model()?, plan.update, plan.schedule, &loss, &mut train);
        training.valid = valid.as_mut().map(|valid| valid as &mut dyn BatchSource);
        let mut run = Run {
            label: label.into(),
            lr: plan.lr,
            curve: Vec::new(),
            valid_top1: None,
            valid_loss: None,
            seconds: 0.0,
        };
        match fit(training, &config) {
            Ok(outcome) => {
                let points = outcome.progress.curve.points;
                let mean = |at: usize| {
                    let window = &points[at.saturating_sub(Run::WINDOW - 1)..=at];
                    let sum: f64 = window.iter().map(|(_, _, loss)| loss).sum();
                    (points[at].0 as f64 + 1.0, sum / window.len() as f64)
                };
                run.curve = (0..points.len()).map(mean).collect();
                let last = outcome.progress.rows.last().and_then(|row| row.valid);
                run.valid_top1 = last.map(|scores| scores.top1);
                run.valid_loss = last
                    .map(|scores| scores.loss)
                    .filter(|loss| loss.is_finite());
                run.seconds = outcome.progress.seconds;
            }
            Err(error @ (TrainError::NonFinite { .. } | TrainError::Update(_))) => {
                println!("  {label} diverged: {error}")
            }
            Err(error) => return Err(error.into()),
        }
        Ok(run)
    }

    /// Every optimizer of the registry that takes mini-batches, and the runs beside.
    fn all(&self) -> anyhow::Result<Set> {
        let mut set = Set {
            name: self.name.clone(),
            runs: Vec::new(),
        };
        let names: Vec<&str> = optimizer::REGISTRY
            .entries()
            .iter()
            .map(|entry| entry.about.name)
            .collect();
        for name in names.into_iter().filter(|name| !FULL_BATCH.contains(name)) {
            let spec = SPECS
                .iter()
                .find(|(short, _)| *short == name)
                .map_or(name, |(_, spec)| spec);
            // Prodigy finds its rate itself; what it is given is a factor.
            set.tell(if name == "prodigy" {
                self.run(name, spec, "constant", None)?
            } else {
                self.tuned(name, spec)?
            });
        }
        for (label, optimizer, schedule, like) in BESIDE {
            let lr = like.and_then(|like| Some(set.run(like)?.lr));
            set.tell(self.run(label, optimizer, schedule, lr)?);
        }
        Ok(set)
    }
}

impl Set {
    fn tell(&mut self, run: Run) {
        let score = run
            .valid_top1
            .map_or("diverged".into(), |top1| format!("{:.1} %", 100.0 * top1));
        println!(
            "{} {}: rate {:.1e}, {score} in {:.1} s",
            self.name, run.label, run.lr, run.seconds
        );
        self.runs.push(run);
    }

    fn chart(&self) -> Chart {
        let series = self.runs.iter().enumerate().map(|(colour, run)| Series {
            label: run.label.clone(),
            points: run.curve.clone(),
            colour,
            ..Series::default()
        });
        Chart {
            title: format!("Training loss, {}", self.name),
            x: Axis::new("update", Unit::Whole),
            y: Axis::new("loss", Unit::Number).scale(Scale::Log),
            series: series.collect(),
            marks: vec![],
        }
    }
}

/// The table of all runs: a row for each, columns for each data set, the lecture's word beside.
fn table(sets: &[Set]) -> String {
    let mut text = "| optimizer |".to_string();
    for Set { name, .. } in sets {
        let _ = write!(text, " {name}: rate | valid top-1 | valid loss |");
    }
    text += " seconds | the lecture says | seen |\n|---|";
    text += &"---:|---:|---:|".repeat(sets.len());
    text += "---:|---|---|\n";
    for Run { label, .. } in &sets[0].runs {
        let runs: Vec<&Run> = sets.iter().filter_map(|set| set.run(label)).collect();
        let _ = write!(text, "| `{label}` |");
        for run in &runs {
            let scores = run.valid_top1.zip(run.valid_loss);
            let scores = scores.map_or("diverged | –".into(), |(top1, loss)| {
                format!("{:.1} % | {loss:.3}", 100.0 * top1)
            });
            let _ = write!(text, " {:.1e} | {scores} |", run.lr);
        }
        let seconds: f64 = runs.iter().map(|run| run.seconds).sum();
        let claim = lecture::CLAIMS.iter().find(|claim| claim.run == label);
        let _ = write!(
            text,
            " {seconds:.1} | {} |",
            claim.map_or("–", |claim| claim.says)
        );
        let seen = claim.map(|claim| {
            sets.iter()
                .filter_map(|set| {
                    let (seen, numbers) = (claim.seen)(set)?;
                    Some(format!(
                        "{}: {}, {numbers}",
                        set.name,
                        if seen { "yes" } else { "no" }
                    ))
                })
                .collect::<Vec<_>>()
                .join("; ")
        });
        let _ = writeln!(
            text,
            " {} |",
            seen.filter(|seen| !seen.is_empty()).unwrap_or("–".into())
        );
    }
    for name in FULL_BATCH {
        let empty = " – | – | – |".repeat(sets.len());
        let _ = writeln!(
            text,
            "| `{name}` |{empty} – | for full batches, not for mini-batches | left out here; see the next table |"
        );
    }
    text
}

/// The value after a flag.
fn flag(name: &str) -> Option<PathBuf> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
        .map(PathBuf::from)
}

fn main() -> anyhow::Result<()> {
    let smoke = size(false, true);
    let clock = std::time::Instant::now();
    let tasks = if smoke {
        vec![Task::new("glyphs", "glyphs(train=100, test=10)", None, 1)?]
    } else {
        // Both where their files are, or those whose place is given.
        let (mnist, cifar) = (flag("--mnist"), flag("--cifar10"));
        let both = mnist.is_none() && cifar.is_none();
        let mut tasks = Vec::new();
        if both || mnist.is_some() {
            tasks.push(Task::new("MNIST", "mnist", mnist, 3)?);
        }
        if both || cifar.is_some() {
            tasks.push(Task::new("CIFAR-10", "cifar10", cifar, 4)?);
        }
        tasks
    };
    let sets = tasks
        .iter()
        .map(Task::all)
        .collect::<anyhow::Result<Vec<Set>>>()?;
    let mut page = String::new();
    for Task {
        name,
        recipe,
        updates,
        ..
    } in &tasks
    {
        let (images, epochs, batch) = (
            recipe.limit_train.unwrap_or(0),
            recipe.epochs,
            recipe.batch_size,
        );
        let _ = writeln!(
            page,
            "{name}: `{}`, {images} images, {epochs} epochs in batches of {batch}, {updates} updates.",
            recipe.model
        );
    }
    let _ = writeln!(
        page,
        "\n{}\nLogistic regression on sparse features, some of them rare. The last column is the accuracy on the samples whose \
         class depends on a rare feature:\n\n{}",
        table(&sets),
        sparse::table(smoke)?
    );
    let out = flag("--out").unwrap_or_else(|| "optimizers".into());
    std::fs::create_dir_all(&out)?;
    std::fs::write(out.join("optimizers.md"), &page)?;
    let charts: Vec<Chart> = sets.iter().map(Set::chart).collect();
    std::fs::write(
        out.join("curves.svg"),
        charts_svg("Training loss of every optimizer", &charts),
    )?;
    println!(
        "\n{page}\n{} and curves.svg written in {:.0} s",
        out.join("optimizers.md").display(),
        clock.elapsed().as_secs_f64()
    );
    Ok(())
}
