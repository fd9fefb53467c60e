//! Fine-tuning after the linear classifier: the last stages first, then more of them, each time from the best on validation so far.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use firebrick_core::data::BatchSource;
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{ConfigError, Recipe};
use firebrick_train::{TrainError, Training, fit};
use firebrick_transfer::advisor::Strategy;
use firebrick_transfer::unfreezing::{self, Unfreezing};
use firebrick_zoo::Model;

use super::candidate::Candidate;
use super::job::TransferJob;
use super::opened::Opened;
use super::report::FineTuned;
use super::strategy::Wanted;
use crate::session::first_hooks;
use crate::{Error, Session, Sources};

/// Refuses strategies of fine-tuning that say which stages are trained: that is found here.
pub(super) fn check(recipe: &Recipe) -> Result<(), ConfigError> {
    let Some(spec) = &recipe.fine_tune else {
        return Ok(());
    };
    match unfreezing::build(spec)?.plan.unfreezing {
        Unfreezing::All => Ok(()),
        _ => Err(ConfigError::Conflict(format!(
            "fine_tune = {}: which stages are trained is found here, or said with --strategy; only all(discriminative=…, batch_norm=…) is possible, \
             whose options are for every number of stages",
            spec.name
        ))),
    }
}

/// Fine-tunes more and more stages of the network with the linear classifier `probe` within the budget. `best` becomes the best network;
/// what is returned tells of the best fine-tuned one, if any was.
pub(super) fn rounds(
    job: &mut TransferJob<'_>,
    opened: &Opened,
    began: Instant,
    probe: &Candidate,
    best: &mut Candidate,
) -> Result<Option<FineTuned>, Error> {
    let stages = opened.stages().len();
    let rounds = job.wanted.rounds(stages);
    if rounds.is_empty() {
        return Ok(None);
    }
    let Some(cost) = Cost::of(opened) else {
        (job.notice)(
            "nothing is fine-tuned, because no images are held out for validation that could show whether it pays off",
        );
        return Ok(None);
    };
    let mut start = probe.clone();
    let mut fine_tuned: Option<(Candidate, usize)> = None;
    for (number, last) in rounds.iter().copied().enumerate() {
        if job.interrupted.load(Ordering::Relaxed) {
            break;
        }
        let left = job.budget.saturating_sub(began.elapsed()).as_secs_f64() - cost.report;
        let epoch = cost.epoch(last, stages);
        // What is left is divided among the rounds, but an epoch that fits is made.
        let share = (left / (rounds.len() - number) as f64).max(epoch.min(left));
        let epochs = (share / epoch).floor();
        if epochs < 1.0 {
            (job.notice)(&format!(
                "fine-tuning ends before {}: an epoch takes about {epoch:.0} s, and {:.0} s are left of the budget; --budget gives more",
                named(last, stages),
                share.max(0.0)
            ));
            break;
        }
        let recipe = opened.recipe_to_train(&job.recipe);
        let recipe = recipe_of(recipe, last, stages, epochs as u64, share)?;
        (job.notice)(&format!(
            "fine-tuning {}: {} epochs at most",
            named(last, stages),
            recipe.epochs
        ));
        let Some(found) = round(job, opened, &recipe, &start, strategy(last, stages))? else {
            break;
        };
        if found.is_better_than(&start) {
            start = found.clone();
        }
        if fine_tuned
            .as_ref()
            .is_none_or(|(other, _)| found.is_better_than(other))
        {
            fine_tuned = Some((found, last));
        }
    }
    let Some((found, last)) = fine_tuned else {
        return Ok(None);
    };
    let report = FineTuned {
        stages: last,
        top1: found.valid().map_or(0.0, |valid| valid.top1),
        epochs: found.progress.rows.len(),
    };
    if job.wanted != Wanted::Auto || found.is_better_than(best) {
        *best = found;
    }
    Ok(Some(report))
}

fn named(last: usize, stages: usize) -> String {
    match last {
        _ if last == stages => "the whole model".into(),
        1 => "the last stage".into(),
        _ => format!("the last {last} stages"),
    }
}

fn strategy(last: usize, stages: usize) -> Strategy {
    if last == stages {
        Strategy::FineTuneAll
    } else {
        Strategy::FineTuneLast { stages: last }
    }
}

/// What an epoch costs.
struct Cost {
    /// Seconds of the network for an image.
    image: f64,
    train: usize,
    valid: usize,
    /// Seconds of what comes after training: the evaluations of the report.
    report: f64,
}

impl Cost {
    /// None where nothing is held out.
    fn of(opened: &Opened) -> Option<Self> {
        let splits = &opened.session.data.splits;
        let (train, valid) = (splits.train.len(), splits.valid.as_ref()?.len());
        let image = opened.extractor.seconds_per_image();
        let test = splits.test.as_ref().map_or(valid, |test| test.len());
        Some(Self {
            image,
            train,
            valid,
            report: image * (test + train.min(valid.max(1000))) as f64,
        })
    }

    /// Seconds of an epoch in which so many of the stages are trained: forward through all, and twice that backward through their share.
    fn epoch(&self, last: usize, stages: usize) -> f64 {
        let share = last as f64 / stages as f64;
        self.image * (self.train as f64 * (1.0 + 2.0 * share) + self.valid as f64)
    }
}

/// The recipe of a round in which the last stages are trained.
fn recipe_of(
    mut recipe: Recipe,
    last: usize,
    stages: usize,
    epochs: u64,
    seconds: f64,
) -> Result<Recipe, ConfigError> {
    let mut spec = recipe.fine_tune.unwrap_or_else(|| Spec::new("all"));
    if last < stages {
        let of_all = unfreezing::build(&spec)?.spec;
        spec = Spec::new("last").with("stages", last as u64);
        spec.named.extend(of_all.named);
    }
    recipe.fine_tune = Some(spec);
    recipe.epochs = recipe.epochs.min(epochs);
    // The estimate may be too low.
    recipe.max_seconds = Some(recipe.max_seconds.map_or(seconds, |most| most.min(seconds)));
    Ok(recipe)
}

/// Trains from the weights of a candidate; none where no epoch was finished.
fn round(
    job: &mut TransferJob<'_>,
    opened: &Opened,
    recipe: &Recipe,
    start: &Candidate,
    strategy: Strategy,
) -> Result<Option<Candidate>, Error> {
    let sources = Sources {
        // What is in memory now was counted when the first session was opened.
        free_memory: None,
        ..opened.sources.clone()
    };
    let mut session: Session<'_, Model> = Session::open_with(recipe, sources)?;
    let weights = StateDict::clone(&start.weights);
    let model = weights.load_into(session.untrained_model()?)?;
    let mut valid = session.valid_loader()?;
    let fresh = session.fresh_parameters()?;
    let mut hooks = first_hooks(session.fine_tuning.take(), &session.penalties, fresh);
    hooks.extend((job.hooks)(session.recipe.epochs));
    let training = Training {
        penalties: &session.penalties,
        valid: valid.as_mut().map(|valid| valid as &mut dyn BatchSource),
        hooks,
        interrupted: job.interrupted.clone(),
        notice: Box::new(|text| (job.notice)(text)),
        ..Training::new(
            model,
            session.plan.update,
            session.plan.schedule,
            &*session.loss,
            &mut session.train,
        )
    };
    let outcome = match fit(training, &session.config) {
        Ok(outcome) => outcome,
        // Images that are gone are gone for the report too; what diverges is no better than what there is.
        Err(error @ TrainError::Data(_)) => return Err(error.into()),
        Err(error) => {
            (job.notice)(&format!("fine-tuning failed and ends here: {error}"));
            return Ok(None);
        }
    };
    Ok(outcome.progress.best.is_some().then(|| Candidate {
        strategy,
        recipe: session.recipe,
        weights: Arc::new(outcome.best),
        progress: outcome.progress,
    }))
}
