//! Fine-tuning after the linear classifier: the last stages first, more of them as long as that pays off on validation.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use firebrick_core::Recipe;
use firebrick_core::data::BatchSource;
use firebrick_core::groups::GroupRule;
use firebrick_core::state_dict::StateDict;
use firebrick_train::{TrainError, Training, fit};
use firebrick_transfer::advisor::Strategy;
use firebrick_zoo::{Model, Stage};

use super::candidate::Candidate;
use super::job::TransferJob;
use super::opened::Opened;
use super::report::FineTuned;
use super::strategy::Wanted;
use crate::{Error, Session, Sources};

/// Fine-tunes more and more stages of the network with the linear classifier `probe` within the budget. `best` becomes the best network;
/// what is returned tells of the best fine-tuned one, if any was.
pub(super) fn rounds(
    job: &mut TransferJob<'_>,
    opened: &Opened,
    began: Instant,
    probe: &Candidate,
    best: &mut Candidate,
) -> Result<Option<FineTuned>, Error> {
    let stages = opened.stages();
    let rounds = job.wanted.rounds(stages.len());
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
        let epoch = cost.epoch(last, stages.len());
        // What is left is divided among the rounds, but an epoch that fits is made.
        let share = (left / (rounds.len() - number) as f64).max(epoch.min(left));
        let epochs = (share / epoch).floor();
        if epochs < 1.0 {
            (job.notice)(&format!(
                "fine-tuning ends before {}: an epoch takes about {epoch:.0} s, and {:.0} s are left of the budget; --budget gives more",
                named(last, stages.len()),
                share.max(0.0)
            ));
            break;
        }
        let recipe = opened.recipe_to_train(&job.recipe);
        let recipe = recipe_of(recipe, &stages, last, epochs as u64, share);
        (job.notice)(&format!(
            "fine-tuning {}: {} epochs at most",
            named(last, stages.len()),
            recipe.epochs
        ));
        let Some(found) = round(job, opened, &recipe, &start, strategy(last, stages.len()))? else {
            break;
        };
        let better = found.is_better_than(&start);
        if better {
            start = found.clone();
        }
        if fine_tuned
            .as_ref()
            .is_none_or(|(other, _)| found.is_better_than(other))
        {
            fine_tuned = Some((found, last));
        }
        if !better {
            break;
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
    strategy(last, stages)
        .to_string()
        .replace("fine-tuning of ", "")
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

/// The recipe of a round: stages before the last ones are frozen.
fn recipe_of(
    mut recipe: Recipe,
    stages: &[Stage],
    last: usize,
    epochs: u64,
    seconds: f64,
) -> Recipe {
    let frozen = &stages[..stages.len() - last];
    let rules = frozen
        .iter()
        .flat_map(|stage| &stage.modules)
        .map(|module| GroupRule {
            lr: 0.0,
            ..GroupRule::new(&format!("{module}.*"))
        });
    recipe.groups.extend(rules);
    recipe.epochs = recipe.epochs.min(epochs);
    // The estimate may be too low.
    recipe.max_seconds = Some(recipe.max_seconds.map_or(seconds, |most| most.min(seconds)));
    recipe
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
    let hooks = (job.hooks)(session.recipe.epochs);
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
