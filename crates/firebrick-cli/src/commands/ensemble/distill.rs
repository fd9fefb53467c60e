//! `firebrick ensemble distill`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::core::run::ensemble::MemberFigures;
use firebrick::ensembles::{self, Ensemble};
use firebrick::{Job, Models, RunPlace};

use crate::failure::Failure;
use crate::figures::{counted, percent};
use crate::number::real;
use crate::progress::{Header, Progress};
use crate::shell::{program, quoted_path};
use crate::signals::on_interrupt;
use crate::terminal;
use crate::train_flags::TrainFlags;

/// What the flags alone do not explain.
const DETAILS: &str = "\
The loss:
  (1 - ALPHA) * the recipe's own loss on the labels + ALPHA * T^2 * KL(teacher || student), both at temperature T.
  The teacher is the prediction of all members together; see --teacher-combine.

What the teacher sees:
  By default, the augmented and mixed images that the student sees. All members are then in memory. With
  --teacher-views plain, and where nothing is augmented or mixed, each member predicts every training image once,
  one member in memory at a time.

The student:
  An ordinary run: `predict`, `eval` and `report` work on it. Repeat the command to continue after an
  interruption, or `train --resume RUN`.";

/// Train one model, the student, that learns from what the members of an ensemble predict together
#[derive(Args)]
#[command(args_override_self = true, after_help = DETAILS)]
pub(crate) struct Distill {
    /// The directory of the ensemble; a run or a model file is a teacher too
    directory: PathBuf,
    /// Recipe of the student: a built-in one by name (see `firebrick recipes`) or a TOML file; by default that of the
    /// first member. Images and validation split are those of the members in any case; flags override both
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// What the logits of teacher and student are divided by [default: 4]
    #[arg(long, value_name = "T", value_parser = real)]
    temperature: Option<f64>,
    /// Share of the teacher in the loss, in [0, 1]; the labels have the rest [default: 0.9]
    #[arg(long, value_name = "ALPHA", value_parser = real)]
    alpha: Option<f64>,
    #[command(flatten)]
    flags: TrainFlags,
    /// Directory for the run of the student
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    out: PathBuf,
    /// Print one JSON document: {run, images, student: {name, top1, nll, brier, ece}, teacher, best_member, agreement}
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Do not print progress
    #[arg(long, help_heading = "Run")]
    quiet: bool,
}

impl Distill {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let recipe = self.student()?;
        self.train(&recipe)?;
        let out = &self.out;
        let device = firebrick::core::device(&recipe.device)?;
        let models = Models::default();
        let compared = Ensemble::of(&self.directory, models, device)
            .and_then(|teacher| ensembles::compare(out, &teacher, super::super::data_cache()));
        match compared {
            Ok(found) if self.json => return terminal::json(&found),
            Ok(found) => {
                terminal::say(&format!("validation, {} images:", found.images));
                let mut rows = vec![
                    ["", "top-1", "nll", "brier", "ece"]
                        .map(String::from)
                        .to_vec(),
                ];
                rows.push(row("student", &found.student));
                rows.push(row("teacher", &found.teacher));
                let best = format!("best member ({})", found.best_member.name);
                rows.push(row(&best, &found.best_member));
                terminal::table(&rows);
                terminal::say(&format!(
                    "student and teacher agree on {} of them",
                    percent(found.agreement)
                ));
            }
            Err(error) if self.json => return Err(error.into()),
            Err(error) => terminal::notice(&format!(
                "the student was not compared with its teacher: {error}"
            )),
        }
        let (program, run) = (program(), quoted_path(out));
        terminal::say(&format!("run directory: {}", out.display()));
        terminal::say(&format!("next: {program} eval {run}"));
        Ok(())
    }

    /// The recipe of the student.
    fn student(&self) -> Result<Recipe, Failure> {
        if let Some(other) = self.flags.get("teacher") {
            return Err(Failure::Usage(format!(
                "--teacher {other}: the teacher is {}, which is given first",
                self.directory.display()
            )));
        }
        // The device is the student's, and the weights are not read yet.
        let device = firebrick::core::device("flex")?;
        let teacher = Ensemble::of(&self.directory, Models::default(), device)?;
        let of_member = teacher.run().map(|run| firebrick::run_recipe(&run));
        let mut recipe = match (&self.recipe, of_member.transpose()?) {
            (None, Some(of_member)) => ensembles::like_a_member(&of_member),
            (Some(name), Some(of_member)) => {
                let mut recipe = super::super::recipe(name)?;
                ensembles::same_images(&mut recipe, &of_member);
                recipe
            }
            (Some(name), None) => super::super::recipe(name)?,
            (None, None) => {
                return Err(Failure::Usage(format!(
                    "{} lies in no run directory, whose recipe would name the images: give --recipe",
                    self.directory.display()
                )));
            }
        };
        self.flags.apply(&mut recipe)?;
        let student = ensembles::student(recipe, &self.directory, self.temperature, self.alpha);
        Ok(student?)
    }

    /// Trains the student to its end, unless it is there.
    fn train(&self, recipe: &Recipe) -> Result<(), Failure> {
        let Some(start) = ensembles::student_start(&self.out) else {
            if !self.quiet {
                terminal::log(&format!("{}: the student is trained", self.out.display()));
            }
            return Ok(());
        };
        let interrupted = Arc::new(AtomicBool::new(false));
        on_interrupt(interrupted.clone())?;
        let progress = Progress::new(self.quiet, recipe.epochs, Header::default());
        let report = firebrick::train(Job {
            sources: super::super::sources(),
            start,
            out: RunPlace::At(self.out.clone()),
            hooks: vec![Box::new(progress)],
            interrupted,
            notice: Box::new(terminal::notice),
            program: crate::program::own().map(|program| program.name.into()),
            clock: Some(std::time::SystemTime::now),
            ..Job::new(recipe.clone(), "")
        })?;
        if report.ended == "interrupted" {
            return Err(Failure::Interrupted(format!(
                "interrupted after {}; to continue, repeat the command",
                counted(report.steps, "update", "updates")
            )));
        }
        if !self.quiet
            && let Some(test) = &report.test
        {
            let file = Path::new(&report.run_dir).join("report.html");
            terminal::log(&format!(
                "test top-1 {}; report: {}",
                percent(test.top1),
                file.display()
            ));
        }
        Ok(())
    }
}

fn row(name: &str, figures: &MemberFigures) -> Vec<String> {
    let numbers = [figures.nll, figures.brier, figures.ece];
    let numbers = numbers.map(|value| format!("{value:.4}"));
    [name.to_string(), percent(figures.top1)]
        .into_iter()
        .chain(numbers)
        .collect()
}
