//! The methods: what each trains, and which models it predicts with.

use std::path::{Path, PathBuf};

use anyhow::bail;
use firebrick::core::spec::Spec;
use firebrick::datasets::Split;
use firebrick::ensemble::manifest::{FILE, Kind, Manifest, Member};
use firebrick::ensemble::score::EnsembleFigures;
use firebrick::ensembles::{Calibrate, Ensemble, EnsembleEval, How, evaluate, soup};
use firebrick::eval::EvalImages;
use firebrick::prelude::*;
use firebrick_examples::{End, Experiment};

/// The members of the ensemble of independent runs, and the cycles of the run with snapshots.
const MEMBERS: u64 = 5;

/// A method of the comparison.
pub struct Method {
    /// Its name in files.
    pub key: &'static str,
    /// Its name in the table.
    pub title: &'static str,
    /// Its budget in runs.
    pub runs: u64,
    /// Trains what it needs for a seed; the models that it predicts with.
    models: fn(&Task, u64) -> anyhow::Result<Vec<PathBuf>>,
}

/// The methods, in the order of the table. `runs`, which takes longest, is the last one to train.
pub static METHODS: [Method; 8] = [
    Method {
        key: "single",
        title: "(a) single run",
        runs: 1,
        models: |task, seed| Ok(vec![task.single(seed, 0)?.join("averages/raw.safetensors")]),
    },
    Method {
        key: "runs",
        title: "(b) independent runs",
        runs: MEMBERS,
        models: |task, seed| {
            let runs = (0..MEMBERS).map(|member| task.single(seed, member));
            runs.map(|run| Ok(run?.join("averages/raw.safetensors")))
                .collect()
        },
    },
    Method {
        key: "snapshots",
        title: "(c) snapshots",
        runs: 1,
        models: Task::snapshots,
    },
    Method {
        key: "swa",
        title: "(d) SWA",
        runs: 1,
        models: |task, seed| Ok(vec![task.swa(seed)?.join("averages/swa.safetensors")]),
    },
    Method {
        key: "ema",
        title: "(e) EMA",
        runs: 1,
        models: |task, seed| Ok(vec![task.single(seed, 0)?.join("averages/ema.safetensors")]),
    },
    Method {
        key: "soup",
        title: "(f) greedy soup of (c)",
        runs: 1,
        models: Task::soup,
    },
    Method {
        key: "fge",
        title: "(g) FGE",
        runs: 1,
        models: Task::fge,
    },
    Method {
        key: "packed",
        title: "(h) packed members",
        runs: 1,
        models: Task::packed,
    },
];

/// A data set, a model and a budget.
pub struct Task {
    /// Its runs and what they reached.
    pub experiment: Experiment,
}

impl Task {
    /// Trains and scores every method with a seed, unless that was done before.
    ///
    /// # Errors
    /// A run that fails, or a model that cannot be read.
    pub fn compare(&self, seed: u64) -> anyhow::Result<()> {
        let (longest, others): (Vec<&Method>, Vec<&Method>) =
            METHODS.iter().partition(|method| method.runs > 1);
        for method in others.into_iter().chain(longest) {
            let name = noted(method, seed);
            if self.experiment.noted::<EnsembleFigures>(&name)?.is_none() {
                let figures = self.scores(&(method.models)(self, seed)?)?;
                self.experiment.note(&name, &figures)?;
            }
        }
        Ok(())
    }

    /// What a method reached, by seed.
    ///
    /// # Errors
    /// Figures that cannot be read.
    pub fn reached(&self, method: &Method) -> anyhow::Result<Vec<EnsembleFigures>> {
        let mut reached = Vec::new();
        for seed in 0.. {
            match self.experiment.noted(&noted(method, seed))? {
                Some(figures) => reached.push(figures),
                None => break,
            }
        }
        Ok(reached)
    }

    /// Trains a run; its directory.
    fn train(
        &self,
        name: &str,
        seed: u64,
        change: impl FnOnce(&mut Recipe) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let name = format!("{name}-{seed}");
        let mut recipe = Recipe {
            seed,
            ..self.experiment.recipe.clone()
        };
        change(&mut recipe)?;
        match self.experiment.train(&name, recipe, Sources::default())? {
            End::Finished(_) => Ok(self.experiment.run(&name)),
            End::Diverged(why) => bail!("{name}: {why}"),
        }
    }

    /// The highest rate: that of the schedule of the single run.
    fn lr(&self) -> anyhow::Result<f64> {
        let schedule = &self.experiment.recipe.schedule;
        let Some(lr) = schedule.positional.first() else {
            bail!("the schedule {schedule} begins with no rate");
        };
        Ok(lr.to_string().parse()?)
    }

    /// One of the independent runs, with an average beside its weights.
    fn single(&self, seed: u64, member: u64) -> anyhow::Result<PathBuf> {
        self.train("single", seed * MEMBERS + member, |recipe| {
            recipe.average = "ema(0.99)".parse()?;
            Ok(())
        })
    }

    fn snapshots(&self, seed: u64) -> anyhow::Result<Vec<PathBuf>> {
        let lr = self.lr()?;
        let run = self.train("snapshots", seed, |recipe| {
            recipe.schedule = format!("snapshot_cosine({lr}, cycles={MEMBERS})").parse()?;
            recipe.snapshots = Some("all".into());
            Ok(())
        })?;
        members(&run)
    }

    fn soup(&self, seed: u64) -> anyhow::Result<Vec<PathBuf>> {
        let file = self.experiment.run(&format!("soup-{seed}.safetensors"));
        let members = self.snapshots(seed)?;
        soup(&members, How::Greedy, 100, Sources::default(), &file)?;
        Ok(vec![file])
    }

    fn swa(&self, seed: u64) -> anyhow::Result<PathBuf> {
        let lr = self.lr()?;
        self.train("swa", seed, |recipe| {
            let end = lr / 4.0;
            recipe.schedule = format!(
                "sequence([cosine({lr}, steps=75%, min_lr={end}), constant({end})], [75%])"
            )
            .parse()?;
            recipe.average = "swa(start=75%)".parse()?;
            Ok(())
        })
    }

    /// Four members in one network of the same cost.
    fn packed(&self, seed: u64) -> anyhow::Result<Vec<PathBuf>> {
        let run = self.train("packed", seed, |recipe| {
            let members: Spec = "packed(4)".parse()?;
            recipe.model = recipe.model.clone().with("members", members);
            Ok(())
        })?;
        Ok(vec![run.join("model.safetensors")])
    }

    /// Fast geometric ensembling: short cycles in the last quarter of the run.
    fn fge(&self, seed: u64) -> anyhow::Result<Vec<PathBuf>> {
        let lr = self.lr()?;
        let run = self.train("fge", seed, |recipe| {
            let (low, high) = (lr / 100.0, lr / 4.0);
            let half = (recipe.epochs as f64 / 40.0).max(0.5);
            recipe.schedule = format!(
                "sequence([cosine({lr}, steps=75%, min_lr={high}), cyclic(base_lr={low}, max_lr={high}, step_size_up={half}ep, cycle_momentum=false)], [75%])"
            )
            .parse()?;
            recipe.snapshots = Some("all".into());
            Ok(())
        })?;
        // The end of the first part is a cycle's end too, but at a high rate.
        Ok(members(&run)?.split_off(1))
    }

    /// The scores on test of models together, with a temperature from validation.
    fn scores(&self, files: &[PathBuf]) -> anyhow::Result<EnsembleFigures> {
        let directory = self.experiment.run("scored");
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
        let recipe = &self.experiment.recipe;
        let device = firebrick::core::device(&recipe.device)?;
        let ensemble = Ensemble::open(&directory, Models::default(), device, false)?;
        let job = EnsembleEval {
            ensemble: &ensemble,
            images: EvalImages {
                recipe: recipe.clone(),
                held_out: false,
                split: Some(Split::Test),
                run: None,
                cache: "data".into(),
            },
            combine: Spec::new("mean"),
            tta: None,
            fit_on: Split::Valid,
            calibrate: Calibrate::default(),
            strict: true,
            orders: 1,
            train_images: false,
            line: None,
            seed: 0,
        };
        Ok(evaluate(&job, &mut |_, _| {})?.report.ensemble)
    }
}

/// Under which name the figures of a method are noted.
fn noted(method: &Method, seed: u64) -> String {
    format!("scores-{}-{seed}", method.key)
}

/// The members of a run with snapshots.
fn members(run: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let manifest = Manifest::read(run)?;
    let files = manifest.members.iter().map(|member| run.join(&member.file));
    Ok(files.collect())
}
