//! `firebrick ensemble eval`, and what `eval` does with an ensemble.

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::Models;
use firebrick::core::run::ensemble::CalibratedFigures;
use firebrick::core::spec::Spec;
use firebrick::datasets::Split;
use firebrick::datasets::registry::folder_path;
use firebrick::ensemble::score::{EnsembleFigures, EnsembleReport};
use firebrick::ensembles::{self, Calibrate, Ensemble, EnsembleEval, EnsembleEvaluated};
use firebrick::eval::EvalImages;
use firebrick::tta::TestTime;
use firebrick::zoo::Model;

use crate::failure::Failure;
use crate::figures::percent;
use crate::number::whole;
use crate::progress;
use crate::terminal;
use crate::tta_flags::TtaFlags;

/// How the members of an ensemble work together.
#[derive(Args)]
pub(crate) struct EnsembleFlags {
    /// How the members of an ensemble combine: mean (of the probabilities), logits, vote, rank, or weighted and
    /// stacking, which are fitted on validation. `firebrick ensemble describe NAME` explains one
    #[arg(long, value_name = "SPEC", default_value = "mean")]
    combine: Spec,
    /// Go on without members of an ensemble that are missing or damaged
    #[arg(long)]
    allow_missing: bool,
}

impl EnsembleFlags {
    /// The rule that combines the members.
    pub(crate) fn combine(&self) -> Spec {
        self.combine.clone()
    }

    /// Opens an ensemble; what is left out is reported.
    pub(crate) fn open(&self, directory: &Path, device: &str) -> Result<Ensemble, Failure> {
        let device = firebrick::core::device(device)?;
        let models = Models::default();
        let ensemble = Ensemble::open(directory, models, device, self.allow_missing)?;
        ensemble
            .notes
            .iter()
            .for_each(|note| terminal::notice(note));
        Ok(ensemble)
    }
}

/// Evaluate an ensemble and each of its members: accuracy, likelihood, calibration, disagreement
#[derive(Args)]
pub(crate) struct Eval {
    /// The directory of the ensemble
    directory: PathBuf,
    #[command(flatten)]
    ensemble: EnsembleFlags,
    /// Data set to evaluate on; by default the one that the members were trained on
    #[arg(long, value_name = "NAME|folder:PATH")]
    dataset: Option<String>,
    /// Directory that holds the files of the data set
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Split to evaluate: train, valid or test. By default test, or valid if there is no test split
    #[arg(long, value_name = "SPLIT")]
    split: Option<Split>,
    /// Split on which the calibration and a fitted --combine are fitted
    #[arg(long, value_name = "SPLIT", default_value = "valid")]
    fit_on: Split,
    /// How to calibrate on that split: temperature (one for the combined prediction), per_member (one temperature for
    /// each member, before they combine) or vector (a factor and a shift for each class of the combined prediction).
    /// The figures at one temperature are printed in any case
    #[arg(long, value_name = "SPEC", default_value = "temperature")]
    calibrate: Calibrate,
    /// Stop when the predictions of a member are NaN or infinite, instead of leaving the member out
    #[arg(long)]
    strict: bool,
    /// Number of random orders in which members are added, for the mean and spread of smaller ensembles
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole::<usize>)]
    orders: usize,
    /// Device to compute on; `firebrick devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    #[command(flatten)]
    tta: TtaFlags,
    /// Print one JSON document: {members: [{name, top1, nll, brier, ece}], ensemble: {top1, top5, nll, brier, ece,
    /// ece_adaptive, aurc, temperature, nll_at_temperature, ece_at_temperature}, growth: [{members, top1_mean, top1_sd,
    /// nll_mean}], disagreement, entropy: {total, expected, mutual_information}}, and with --calibrate per_member or
    /// vector also calibrated: {by, parameters, top1, nll, brier, ece, ece_adaptive}
    #[arg(long)]
    json: bool,
    /// Write a page with all of it as pictures and tables, and with the images on which the ensemble and its best member
    /// differ. The members are then scored on training images too
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Also show in the report the loss along the straight line from the weights of the first member to those of the
    /// last, at POINTS places. The batch norm statistics of each of these models are recomputed, so it takes a while
    #[arg(long, value_name = "POINTS", requires = "report", value_parser = whole::<usize>)]
    line: Option<usize>,
    /// Do not print progress
    #[arg(long)]
    quiet: bool,
}

impl Eval {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let ensemble = self.ensemble.open(&self.directory, &self.device)?;
        let mut images = images(&ensemble, self.dataset.as_deref(), self.data_dir.as_deref())?;
        images.split = self.split;
        let job = EnsembleEval {
            fit_on: self.fit_on,
            strict: self.strict,
            orders: self.orders,
            train_images: self.report.is_some(),
            calibrate: self.calibrate.clone(),
            line: self.line,
            ..job(
                &ensemble,
                images,
                self.ensemble.combine(),
                self.tta.views()?,
            )
        };
        let mut told = progress::images(self.quiet || self.json);
        let found = ensembles::evaluate(&job, &mut told)?;
        found.notes.iter().for_each(|note| terminal::notice(note));
        if let Some(file) = &self.report {
            let record = ensembles::record(&job, &found);
            super::super::write_file(file, firebrick::report::ensemble_page(&record))?;
        }
        if self.json {
            return terminal::json(&found.report);
        }
        say(&found, &job.images.recipe.dataset);
        if let Some(file) = &self.report {
            terminal::say(&format!("report: {}", file.display()));
        }
        Ok(())
    }
}

/// An evaluation with the usual settings.
fn job(
    ensemble: &Ensemble,
    images: EvalImages,
    combine: Spec,
    tta: Option<TestTime>,
) -> EnsembleEval<'_, Model> {
    EnsembleEval {
        ensemble,
        images,
        combine,
        tta,
        fit_on: Split::Valid,
        strict: false,
        orders: 20,
        seed: 0,
        train_images: false,
        calibrate: Calibrate::default(),
        line: None,
    }
}

/// What `eval` needs of an ensemble.
pub(crate) fn evaluate(
    ensemble: &Ensemble,
    images: EvalImages,
    combine: Spec,
    tta: Option<TestTime>,
    quiet: bool,
) -> Result<EnsembleEvaluated, Failure> {
    let job = job(ensemble, images, combine, tta);
    let found = ensembles::evaluate(&job, &mut progress::images(quiet))?;
    found.notes.iter().for_each(|note| terminal::notice(note));
    Ok(found)
}

/// The images of the run that the members belong to, or of another data set.
pub(super) fn images(
    ensemble: &Ensemble,
    dataset: Option<&str>,
    data_dir: Option<&str>,
) -> Result<EvalImages, Failure> {
    let run = ensemble.run();
    let of_run = run.as_deref().map(firebrick::run_recipe).transpose()?;
    if of_run.is_none() && dataset.is_none() {
        return Err(Failure::Usage(
            "this ensemble does not say which data set its members were trained on; give --dataset NAME or --dataset folder:PATH".into(),
        ));
    }
    let mut recipe = of_run.unwrap_or_default();
    let place = |dataset: &str| folder_path(dataset).map(std::fs::canonicalize);
    let held_out = dataset.is_some_and(|dataset| match (place(dataset), place(&recipe.dataset)) {
        (Some(Ok(given)), Some(Ok(of_run))) => given != of_run,
        _ => dataset != recipe.dataset,
    });
    if let Some(dataset) = dataset {
        recipe.dataset = dataset.into();
        recipe.limit_train = None;
    }
    recipe.data_dir = data_dir.map(String::from).or(recipe.data_dir);
    Ok(EvalImages {
        recipe,
        held_out,
        split: None,
        run,
        cache: super::super::data_cache(),
    })
}

/// The figures of a prediction, one line for each kind.
pub(super) fn figures(found: &EnsembleFigures) -> Vec<String> {
    let mut lines = vec![
        format!(
            "top-1 {}, top-5 {}, nll {:.4}, brier {:.4}",
            percent(found.top1),
            percent(found.top5),
            found.nll,
            found.brier
        ),
        format!(
            "calibration error {:.4} (15 equal bins), {:.4} (bins of equal mass); area under the risk-coverage curve {:.4}",
            found.ece, found.ece_adaptive, found.aurc
        ),
    ];
    let fitted = (
        found.temperature,
        found.nll_at_temperature,
        found.ece_at_temperature,
    );
    if let (Some(temperature), Some(nll), Some(ece)) = fitted {
        lines.push(format!(
            "at temperature {temperature:.3}: nll {nll:.4}, calibration error {ece:.4}"
        ));
    }
    lines
}

/// The figures after another calibration.
fn by_another(found: &CalibratedFigures) -> String {
    let how = match found.by.as_str() {
        "per_member" => {
            let all: Vec<String> = found.parameters.iter().map(|t| format!("{t:.3}")).collect();
            format!("with a temperature for each member ({})", all.join(", "))
        }
        other => format!("calibrated by {other}"),
    };
    format!(
        "{how}: top-1 {}, nll {:.4}, brier {:.4}, calibration error {:.4} (15 equal bins), {:.4} (bins of equal mass)",
        percent(found.top1),
        found.nll,
        found.brier,
        found.ece,
        found.ece_adaptive
    )
}

fn say(found: &EnsembleEvaluated, dataset: &str) {
    let EnsembleReport {
        members,
        ensemble,
        growth,
        disagreement,
        entropy,
        calibrated,
    } = &found.report;
    let cell = |value: f64| format!("{value:.4}");
    let mut rows = vec![
        ["member", "top-1", "nll", "brier", "ece"]
            .map(String::from)
            .to_vec(),
    ];
    rows.extend(members.iter().map(|one| {
        let numbers = [cell(one.nll), cell(one.brier), cell(one.ece)];
        [one.name.clone(), percent(one.top1)]
            .into_iter()
            .chain(numbers)
            .collect()
    }));
    terminal::table(&rows);
    terminal::say(&format!(
        "\n{dataset} {}, the {} members together:",
        found.split,
        members.len()
    ));
    figures(ensemble)
        .iter()
        .for_each(|line| terminal::say(line));
    if let Some(calibrated) = calibrated {
        terminal::say(&by_another(calibrated));
    }
    let best = members.iter().map(|one| one.top1).fold(0.0, f64::max);
    let mean = members.iter().map(|one| one.top1).sum::<f64>() / members.len() as f64;
    terminal::say(&format!(
        "{:+.2} points from the mean of the members, {:+.2} from the best one; predicting took {:.1} s",
        100.0 * (ensemble.top1 - mean),
        100.0 * (ensemble.top1 - best),
        found.seconds
    ));
    if members.len() > 1 {
        let pairs = members.len() * (members.len() - 1);
        let different = disagreement.iter().flatten().sum::<f64>() / pairs as f64;
        terminal::say(&format!(
            "two members disagree on {} of the images; uncertainty {:.4} nats, of which {:.4} from disagreement",
            percent(different),
            entropy.total,
            entropy.mutual_information
        ));
        let mut rows = vec![["members", "top-1", "±", "nll"].map(String::from).to_vec()];
        rows.extend(growth.iter().map(|one| {
            vec![
                one.members.to_string(),
                percent(one.top1_mean),
                format!("{:.2}", 100.0 * one.top1_sd),
                cell(one.nll_mean),
            ]
        }));
        terminal::say("");
        terminal::table(&rows);
    }
}
