//! `firebrick transfer train`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use firebrick::transfer::{self, TransferJob, TransferReport, Wanted, train};

use super::begin::Begin;
use super::stages::say_stages;
use crate::failure::Failure;
use crate::figures::{counted, percent};
use crate::progress::{self, Header, Progress};
use crate::run_name::run_place;
use crate::shell::{program, quoted, quoted_path};
use crate::signals::on_enough;
use crate::terminal;

/// What the flags alone do not explain.
const DETAILS: &str = "\
What happens:
  The network computes the features of each image once and keeps them for the next time. One linear classifier is fitted
  to the features of every stage, with a penalty found by cross-validation, and one to selected features of all stages.
  Then the last stage is fine-tuned, then half of the stages, then all of them, each time from the best network so far,
  while the budget lasts. The best on the validation images becomes a run like any other, for predict, eval, export,
  ensemble, report and serve.

Settings of fine-tuning:
  The flags of `firebrick train` keep their defaults, except for --schedule cosine, --batch-size 32, --epochs 20 (at
  most), and for photos --optimizer 'adamw(lr=1e-4)' --augment 'random_resized_crop(scale=0.5) | hflip', for data sets by
  name --optimizer 'adamw(lr=1e-3)' --augment 'random_resized_crop(scale=0.7)'.";

/// Train a classifier from a pretrained network: a linear one in a minute, then as much fine-tuning as pays off
#[derive(Args)]
#[command(args_override_self = true, after_help = DETAILS)]
pub(super) struct Train {
    #[command(flatten)]
    begin: Begin,
    /// How long it may take, such as 60s, 10min or 1h; fine-tuning gets the time that the linear classifiers leave
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = budget, help_heading = "Run")]
    budget: Duration,
    /// What to try: auto (everything; keeps the best on validation), probe (a linear classifier on the last features), all-stages (one on
    /// features of all stages), last=K (fine-tune the last K stages) or all (fine-tune the whole network)
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = strategy, help_heading = "Run")]
    strategy: Wanted,
    /// Directory for the run's files; by default runs/DATA-MODEL-N with the next free number
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Print the results as one JSON document: what train prints, and {strategy, top1, quadrant, stages: [{stage, probe_top1}], head: {l2,
    /// top1, cross_validated_top1}, all_stages: {l2, top1, cross_validated_top1, kept: [{stage, features}]}, fine_tuned: {stages, top1,
    /// epochs}}
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Do not print progress
    #[arg(long, help_heading = "Run")]
    quiet: bool,
}

fn budget(text: &str) -> Result<Duration, String> {
    transfer::budget(text).map_err(|error| error.to_string())
}

fn strategy(text: &str) -> Result<Wanted, String> {
    text.parse::<Wanted>().map_err(|error| error.to_string())
}

impl Train {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let recipe = self.begin.recipe()?;
        let interrupted = Arc::new(AtomicBool::new(false));
        on_enough(interrupted.clone())?;
        let out = run_place(self.out.as_ref(), &recipe);
        let (quiet, header) = (self.quiet, Header::default());
        let found = train(TransferJob {
            sources: super::super::sources(),
            wanted: self.strategy,
            budget: self.budget,
            cache: self.begin.cache(),
            hooks: Box::new(move |epochs| {
                vec![Box::new(Progress::new(quiet, epochs, header.clone()))]
            }),
            interrupted: interrupted.clone(),
            progress: Box::new(progress::images(self.quiet || self.json)),
            notice: Box::new(terminal::notice),
            command: Some(self.command()),
            clock: Some(std::time::SystemTime::now),
            ..TransferJob::new(recipe, out)
        });
        let report = match found {
            Err(error) if interrupted.load(Ordering::Relaxed) => {
                return Err(Failure::Interrupted(error.to_string()));
            }
            found => found?,
        };
        if self.json {
            terminal::json(&report)?;
        } else {
            say(&report);
        }
        if report.train.ended == "interrupted" {
            return Err(Failure::Interrupted(format!(
                "interrupted; the best network until then is in {}",
                report.train.run_dir
            )));
        }
        Ok(())
    }

    /// The command that does the same again.
    fn command(&self) -> String {
        let words: Vec<String> = self.begin.words().iter().map(|word| quoted(word)).collect();
        format!(
            "firebrick transfer train {} --strategy {} --budget {}s",
            words.join(" "),
            self.strategy,
            self.budget.as_secs_f64()
        )
    }
}

fn say(report: &TransferReport) {
    let of = match &report.train.valid {
        Some(valid) => format!("on {} validation images", valid.count),
        None => "in the cross-validation".into(),
    };
    terminal::say(&format!(
        "linear classifiers on the features of each stage, {of}:"
    ));
    let stages = report.stages.iter();
    say_stages(stages.map(|stage| (stage.stage.as_str(), stage.probe_top1)));
    if let Some(all) = &report.all_stages {
        let kept: usize = all.kept.iter().map(|kept| kept.features).sum();
        terminal::say(&format!(
            "linear classifier on {kept} features of all stages: top-1 {}",
            percent(all.top1)
        ));
    }
    if let Some(tuned) = &report.fine_tuned {
        terminal::say(&format!(
            "last {} fine-tuned for {}: top-1 {}",
            counted(tuned.stages as u64, "stage", "stages"),
            counted(tuned.epochs as u64, "epoch", "epochs"),
            percent(tuned.top1)
        ));
    }
    if let Some(quadrant) = &report.quadrant {
        terminal::say(&format!("the data: {quadrant}"));
    }
    terminal::say(&format!(
        "kept: {} with top-1 {} {of}, in {:.0} s",
        kept(&report.strategy),
        percent(report.top1),
        report.train.seconds
    ));
    if let Some(test) = &report.train.test {
        terminal::say(&format!(
            "test: top-1 {}, nll {:.4}",
            percent(test.top1),
            test.nll
        ));
    }
    let run = Path::new(&report.train.run_dir);
    terminal::say(&format!("run directory: {}", report.train.run_dir));
    terminal::say(&format!("report: {}", run.join("report.html").display()));
    terminal::say(&format!(
        "next: {} predict {} PHOTO",
        program(),
        quoted_path(run)
    ));
}

/// What a strategy leaves, in words.
fn kept(strategy: &str) -> String {
    match strategy {
        "probe" => "the linear classifier on the last features".into(),
        "all-stages" => "the linear classifier on features of all stages".into(),
        "all" => "the network that was fine-tuned as a whole".into(),
        "last=1" => "the network whose last stage was fine-tuned".into(),
        last => format!(
            "the network whose last {} stages were fine-tuned",
            last.trim_start_matches("last=")
        ),
    }
}
