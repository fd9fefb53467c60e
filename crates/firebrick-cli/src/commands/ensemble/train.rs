//! `firebrick ensemble train`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::ensembles::EnsemblePlan;
use firebrick::training::run_dir::in_use;
use firebrick::{Job, RunPlace};

use crate::failure::Failure;
use crate::figures::percent;
use crate::number::whole;
use crate::progress::{Header, Progress};
use crate::shell::{program, quoted_path};
use crate::signals::on_interrupt;
use crate::terminal;
use crate::train_flags::TrainFlags;

/// What the flags alone do not explain.
const DETAILS: &str = "\
Members:
  Each member is a run of its own in DIR/member-K, with a seed of its own. All share one validation
  split. With several recipes, the members take them in turn.

Several processes:
  The same command may run several times at once on a shared directory. A member that another process is
  training is passed over. Without --member, SLURM_ARRAY_TASK_ID chooses the member (from 1), as in
  `sbatch --array=1-10`. Repeat the command to continue what was interrupted; members that are done stay.";

/// Train the members of an ensemble, or continue training them
#[derive(Args)]
#[command(args_override_self = true, after_help = DETAILS)]
pub(crate) struct Train {
    /// Recipes: built-in ones by name (see `firebrick recipes`) or TOML files. Flags override their settings
    #[arg(required = true, value_name = "RECIPE")]
    recipes: Vec<String>,
    /// Number of members
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<usize>)]
    members: usize,
    /// Train each member on a sample of the training images of its own, drawn with replacement
    #[arg(long)]
    bagging: bool,
    /// Train one member alone: K, or K/N with N as in --members
    #[arg(long, value_name = "K[/N]")]
    member: Option<String>,
    #[command(flatten)]
    flags: TrainFlags,
    /// Directory for the ensemble
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: PathBuf,
    /// Do not print progress
    #[arg(long, help_heading = "Run")]
    quiet: bool,
}

impl Train {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let recipes = self.recipes.iter().map(|name| {
            let mut recipe = super::super::recipe(name)?;
            self.flags.apply(&mut recipe)?;
            Ok::<_, Failure>(recipe)
        });
        let recipes: Vec<Recipe> = recipes.collect::<Result<_, _>>()?;
        let plan = EnsemblePlan::new(&self.out, &recipes, self.members, self.bagging)?;
        let one = self.member()?;
        plan.begin()?;
        let interrupted = Arc::new(AtomicBool::new(false));
        on_interrupt(interrupted.clone())?;
        let numbers = one.map_or(0..plan.len(), |one| one..one + 1);
        for number in numbers {
            self.one(&plan, number, one.is_some(), &interrupted)?;
        }
        if !self.quiet {
            let (program, out) = (program(), quoted_path(&self.out));
            terminal::log(&format!(
                "next: {program} ensemble status {out}, {program} ensemble eval {out}"
            ));
        }
        Ok(())
    }

    /// Trains one member, unless it is done or, when nobody asked for it alone, in the hands of another process.
    fn one(
        &self,
        plan: &EnsemblePlan,
        number: usize,
        alone: bool,
        interrupted: &Arc<AtomicBool>,
    ) -> Result<(), Failure> {
        let name = format!("member {} of {}", number + 1, plan.len());
        let say = |text: &str| {
            if !self.quiet {
                terminal::log(&format!("{name}: {text}"));
            }
        };
        let Some((recipe, run, start)) = plan.job(number) else {
            say("done");
            return Ok(());
        };
        if !alone && in_use(&run) {
            say("another process is training it");
            return Ok(());
        }
        say("training");
        let progress = Progress::new(self.quiet, recipe.epochs, Header::default());
        let report = firebrick::train(Job {
            sources: super::super::sources(),
            start,
            out: RunPlace::At(run),
            hooks: vec![Box::new(progress)],
            interrupted: interrupted.clone(),
            notice: Box::new(terminal::notice),
            program: crate::program::own().map(|program| program.name.into()),
            clock: Some(std::time::SystemTime::now),
            ..Job::new(recipe, "")
        })?;
        if report.ended == "interrupted" {
            return Err(Failure::Interrupted(format!(
                "interrupted in {name} after {} updates; to continue, repeat the command",
                report.steps
            )));
        }
        if let Some(test) = &report.test {
            say(&format!("test top-1 {}", percent(test.top1)));
        }
        Ok(())
    }

    /// The member to train alone, from 0: that of --member, else that of a job array.
    fn member(&self) -> Result<Option<usize>, Failure> {
        const TASK: &str = "SLURM_ARRAY_TASK_ID";
        let task = std::env::var(TASK).ok().filter(|task| !task.is_empty());
        let (text, from) = match (&self.member, &task) {
            (Some(text), _) => (text, "--member"),
            (None, Some(task)) => (task, TASK),
            (None, None) => return Ok(None),
        };
        let refused = || {
            Failure::Usage(format!(
                "{from} is `{text}`; it must be the number of a member, from 1 to {}",
                self.members
            ))
        };
        let (number, of) = text
            .split_once('/')
            .map_or((text.as_str(), None), |(k, n)| (k, Some(n)));
        let number: usize = number.parse().map_err(|_| refused())?;
        let same = |of: &str| of.parse() == Ok(self.members);
        if !(1..=self.members).contains(&number) || !of.is_none_or(same) {
            return Err(refused());
        }
        Ok(Some(number - 1))
    }
}
