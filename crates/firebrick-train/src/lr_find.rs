//! The learning-rate range test: a short run whose rate rises from update to update, [`lr_find()`],
//! and what its curve suggests, [`Suggestions`].
//!
//! Sources: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3;
//! suggestions and smoothing as fastai's `Learner.lr_find`.

use std::cell::RefCell;
use std::rc::Rc;

use firebrick_core::data::BatchSource;
use firebrick_core::error::{check, check_positive};
use firebrick_core::loss::Loss;
use firebrick_core::parameters::Parameters;
use firebrick_core::update::Update;
use firebrick_core::{Classifier, ConfigError, Schedule};
use serde::Serialize;

use crate::config::{OnNonFinite, TrainConfig};
use crate::error::TrainError;
use crate::fit::{Stepped, Training, updates};
use crate::hook::{Flow, Hook, Moment};

/// How the rate rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rise {
    /// By the same factor at each update.
    #[default]
    Exponential,
    /// By the same amount at each update.
    Linear,
}

/// The rates of a range test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sweep {
    /// The rate of the first update, above 0.
    pub start_lr: f64,
    /// The rate of the last update, above `start_lr`.
    pub end_lr: f64,
    /// The number of updates, at least 2.
    pub num_iter: u64,
    /// How the rate rises.
    pub rise: Rise,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            start_lr: 1e-7,
            end_lr: 10.0,
            num_iter: 100,
            rise: Rise::Exponential,
        }
    }
}

impl Sweep {
    /// The share of the smoothed loss that is kept at each update.
    const BETA: f64 = 0.98;
    /// The sweep stops when the smoothed loss is so many times the least one.
    const DIVERGED: f64 = 4.0;

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_positive("lr_find", "start_lr", self.start_lr)?;
        check_positive("lr_find", "end_lr", self.end_lr)?;
        check("lr_find", "num_iter", self.num_iter, 2..)?;
        if self.end_lr <= self.start_lr {
            let range = format!("above start_lr = {}", self.start_lr);
            return Err(ConfigError::out_of_range(
                "lr_find",
                "end_lr",
                self.end_lr,
                range,
            ));
        }
        Ok(())
    }
}

impl Schedule for Sweep {
    fn lr(&self, step: u64) -> f64 {
        let last = self.num_iter.saturating_sub(1).max(1);
        if step >= last {
            return self.end_lr;
        }
        let share = step as f64 / last as f64;
        match self.rise {
            Rise::Exponential => self.start_lr * (self.end_lr / self.start_lr).powf(share),
            Rise::Linear => self.start_lr + (self.end_lr - self.start_lr) * share,
        }
    }
}

/// Why a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// At its last rate.
    End,
    /// The smoothed loss was more than four times the least one.
    Diverged,
    /// The loss or a gradient was not finite; that update is not on the curve.
    NotFinite,
}

/// The loss by learning rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LrCurve {
    /// The rate of each update.
    pub lr: Vec<f64>,
    /// The loss of its batch, before the update.
    pub loss: Vec<f64>,
    /// The exponential mean of the losses so far, 0.98 of it kept at each update, corrected for its
    /// beginning.
    pub smoothed: Vec<f64>,
    /// What it suggests.
    pub suggestions: Suggestions,
    /// Why it ended.
    pub stopped: Stopped,
}

/// Rates to train with; none where the curve does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Suggestions {
    /// Where the loss falls fastest with the logarithm of the rate.
    pub steepest: Option<f64>,
    /// A third to a half of the way down the longest fall.
    pub valley: Option<f64>,
    /// A tenth of the rate with the least loss.
    pub minimum_over_10: Option<f64>,
}

impl Suggestions {
    /// From rates that rise and their smoothed losses. What follows the first value that is not
    /// finite is left out, and so are the first tenth and, at most five, the last tenth of the rest.
    ///
    /// fastai's `steep`, `valley` and `minimum`, which leave out the same of 100 updates; those give a
    /// rate even where the loss only rises.
    #[must_use]
    pub fn of(lr: &[f64], smoothed: &[f64]) -> Self {
        let all = lr.iter().copied().zip(smoothed.iter().copied());
        let all: Vec<(f64, f64)> = all
            .take_while(|(lr, loss)| lr.is_finite() && *lr > 0.0 && loss.is_finite())
            .collect();
        let (skipped, dropped) = (all.len() / 10, (all.len() / 10).min(5));
        let curve = &all[skipped..all.len() - dropped];
        if curve.len() < 3 {
            return Self::default();
        }
        Self {
            steepest: steepest(curve),
            valley: valley(curve),
            minimum_over_10: minimum(curve).map(|lr| lr / 10.0),
        }
    }

    /// The valley, else the steepest, else the tenth of the minimum.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.valley.or(self.steepest).or(self.minimum_over_10)
    }
}

fn steepest(curve: &[(f64, f64)]) -> Option<f64> {
    let slopes = curve.windows(2).filter_map(|pair| {
        let [(lr, loss), (next_lr, next_loss)] = *pair else {
            return None;
        };
        Some((lr, (next_loss - loss) / (next_lr.ln() - lr.ln())))
    });
    let steepest = slopes
        .filter(|(_, slope)| slope.is_finite())
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    (steepest.1 < 0.0).then_some(steepest.0)
}

/// The longest falling subsequence; not of neighbours, so that noise does not end it.
fn valley(curve: &[(f64, f64)]) -> Option<f64> {
    let mut lengths = vec![1_usize; curve.len()];
    let mut end = 0;
    for at in 1..curve.len() {
        for before in 0..at {
            if curve[at].1 < curve[before].1 {
                lengths[at] = lengths[at].max(lengths[before] + 1);
            }
        }
        if lengths[end] < lengths[at] {
            end = at;
        }
    }
    if lengths[end] < 3 {
        return None;
    }
    let start = end as f64 - lengths[end] as f64;
    let third = lengths[end] as f64 / 3.0;
    let index = start + third.floor() + (third / 2.0).floor();
    Some(curve[index.max(0.0) as usize].0)
}

/// The rate of the least loss, unless no rate beats the first.
fn minimum(curve: &[(f64, f64)]) -> Option<f64> {
    let least = curve.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    (least.1 < curve[0].1).then_some(least.0)
}

/// Trains a copy of the model on the real batches with the real optimizer while the rate rises, and
/// notes the loss. It stops early when that diverges.
///
/// The model, its running statistics included, is left as it is, and so is the optimizer's state: the
/// optimizer that comes back has the state it had. Of `config` counts what makes an update:
/// accumulation, clipping, groups, seed.
///
/// # Errors
/// [`TrainError`]; a loss that is not finite is none.
pub fn lr_find<M: Classifier>(
    model: &M,
    update: Box<dyn Update>,
    loss: &dyn Loss,
    train: &mut dyn BatchSource,
    config: &TrainConfig,
    sweep: Sweep,
) -> Result<(LrCurve, Box<dyn Update>), TrainError> {
    sweep.check()?;
    let config = TrainConfig {
        // No fewer than one update in each.
        epochs: sweep.num_iter,
        max_updates: Some(sweep.num_iter),
        max_seconds: None,
        early_stop: None,
        checkpoint_every: None,
        on_non_finite: OnNonFinite::Stop,
        ..config.clone()
    };
    let before = update.state();
    let paths = Parameters::list(model).into_iter().map(|(path, _)| path);
    let paths: Vec<String> = paths.collect();
    let device = model.devices().into_iter().next().unwrap_or_default();
    let watch = Watch::default();
    let noted = watch.noted.clone();
    // A copy with running statistics of its own.
    let copy = model.valid().train();
    let mut training = Training::new(copy, update, Box::new(sweep), loss, train);
    training.hooks.push(Box::new(watch));
    let Stepped { mut update, ended } = updates(training, &config)?;
    update.load_state(before, &paths, &device.inner())?;
    let not_finite = match ended {
        Ok(_) => false,
        Err(TrainError::NonFinite { .. }) => true,
        Err(error) => return Err(error),
    };
    let noted = noted.take();
    let stopped = if not_finite {
        Stopped::NotFinite
    } else if noted.diverged {
        Stopped::Diverged
    } else {
        Stopped::End
    };
    let lr: Vec<f64> = (0..noted.loss.len() as u64)
        .map(|step| sweep.lr(step))
        .collect();
    let suggestions = Suggestions::of(&lr, &noted.smoothed);
    let curve = LrCurve {
        lr,
        loss: noted.loss,
        smoothed: noted.smoothed,
        suggestions,
        stopped,
    };
    Ok((curve, update))
}

/// Notes the losses and stops when they diverge.
#[derive(Default)]
struct Watch {
    noted: Rc<RefCell<Noted>>,
}

#[derive(Default)]
struct Noted {
    loss: Vec<f64>,
    smoothed: Vec<f64>,
    mean: f64,
    diverged: bool,
}

impl Noted {
    /// Whether the sweep goes on.
    fn note(&mut self, loss: f64) -> bool {
        self.loss.push(loss);
        self.mean = Sweep::BETA * self.mean + (1.0 - Sweep::BETA) * loss;
        let corrected = self.mean / (1.0 - Sweep::BETA.powf(self.loss.len() as f64));
        self.smoothed.push(corrected);
        let least = self.smoothed.iter().copied().fold(f64::INFINITY, f64::min);
        self.diverged = corrected > Sweep::DIVERGED * least;
        !self.diverged
    }
}

impl<M> Hook<M> for Watch {
    fn name(&self) -> &str {
        "lr_find"
    }

    fn after_step(&mut self, _model: &M, _moment: &Moment, loss: f64) -> Result<Flow, TrainError> {
        let goes_on = self.noted.borrow_mut().note(loss);
        Ok(if goes_on { Flow::Continue } else { Flow::Stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 rates from 1e-7 to 10 with a loss of each.
    fn curve(loss: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        let rates: Vec<_> = (0..100).map(|step| Sweep::default().lr(step)).collect();
        let losses = rates.iter().map(|lr| loss(lr.log10())).collect();
        (rates, losses)
    }

    fn within(found: Option<f64>, low: f64, high: f64) {
        let found = found.unwrap();
        assert!(low <= found && found <= high, "{found} in [{low}, {high}]");
    }

    /// Flat to 1e-4, down to 1e-1, up after it; steepest in the middle.
    fn usual(log: f64) -> f64 {
        if log < -4.0 {
            2.0
        } else if log < -1.0 {
            1.5 + 0.5 * ((log + 4.0) / 3.0 * std::f64::consts::PI).cos()
        } else {
            1.0 + (log + 1.0).powi(2)
        }
    }

    #[test]
    fn a_sweep_begins_and_ends_where_it_says() {
        let sweep = Sweep::default();
        assert_eq!(sweep.lr(0), 1e-7);
        assert_eq!((sweep.lr(99), sweep.lr(1000)), (10.0, 10.0));
        assert!((sweep.lr(33) / sweep.lr(0) - sweep.lr(99) / sweep.lr(66)).abs() < 1e-6);
        let linear = Sweep {
            start_lr: 1.0,
            end_lr: 3.0,
            num_iter: 5,
            rise: Rise::Linear,
        };
        let rates: Vec<_> = (0..5).map(|step| linear.lr(step)).collect();
        assert_eq!(rates, [1.0, 1.5, 2.0, 2.5, 3.0]);
    }

    #[test]
    fn the_usual_curve_suggests_what_fastai_would() {
        let (lr, loss) = curve(usual);
        let found = Suggestions::of(&lr, &loss);
        // The steepest place is 10^-2.5; the fall begins at 1e-4 and ends at 1e-1.
        within(found.steepest, 2e-3, 5e-3);
        within(found.valley, 5e-4, 5e-3);
        within(found.minimum_over_10, 0.8e-2, 1.2e-2);
        assert_eq!(found.best(), found.valley);
    }

    #[test]
    fn what_is_not_finite_ends_the_curve() {
        let (lr, mut loss) = curve(usual);
        let whole = Suggestions::of(&lr[..95], &loss[..95]);
        loss[95] = f64::NAN;
        loss[96] = -1e9;
        assert_eq!(Suggestions::of(&lr, &loss), whole);
        loss[0] = f64::NAN;
        assert_eq!(Suggestions::of(&lr, &loss), Suggestions::default());
    }

    #[test]
    fn a_curve_that_never_falls_or_is_short_suggests_nothing() {
        for (lr, loss) in [curve(|_| 2.0), curve(|log| 20.0 + log)] {
            assert_eq!(Suggestions::of(&lr, &loss), Suggestions::default());
        }
        for length in 0..3 {
            let (lr, loss) = curve(|log| -log);
            let found = Suggestions::of(&lr[..length], &loss[..length]);
            assert_eq!(found, Suggestions::default());
        }
        let (lr, loss) = curve(|log| -log);
        let short = Suggestions::of(&lr[..3], &loss[..3]);
        assert!(short.steepest.is_some() && short.valley.is_some());
        let falling = Suggestions::of(&lr, &loss);
        // Nothing says where it would end: a tenth of the last rate looked at.
        within(falling.minimum_over_10, 0.3, 0.6);
    }

    #[test]
    fn the_mean_is_corrected_for_its_beginning_and_four_times_the_least_ends_it() {
        let mut noted = Noted::default();
        assert!(noted.note(2.0) && noted.note(2.0));
        assert!(noted.smoothed.iter().all(|mean| (mean - 2.0).abs() < 1e-12));
        // (2 + 2 + x) / 3, nearly.
        assert!(noted.note(8.0));
        assert!(!noted.note(40.0) && noted.diverged);
    }

    #[test]
    fn sweeps_are_checked() {
        for (sweep, needle) in [
            (
                Sweep {
                    start_lr: 0.0,
                    ..Sweep::default()
                },
                "start_lr = 0",
            ),
            (
                Sweep {
                    end_lr: f64::NAN,
                    ..Sweep::default()
                },
                "end_lr = NaN",
            ),
            (
                Sweep {
                    end_lr: 1e-8,
                    ..Sweep::default()
                },
                "above start_lr",
            ),
            (
                Sweep {
                    num_iter: 1,
                    ..Sweep::default()
                },
                "num_iter = 1",
            ),
        ] {
            let error = sweep.check().unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
