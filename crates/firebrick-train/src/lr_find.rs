//! The learning-rate range test: a short run whose rate rises from update to update, [`lr_find()`],
//! and what its curve suggests, [`Suggestions`].
//!
//! Sources: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3;
//! fastai's `Learner.lr_find`, from which differ the smoothing, which looks both ways, and the rate to
//! take first, which `docs/rates.md` measures.

mod suggestions;

use std::cell::RefCell;
use std::rc::Rc;

use firebrick_core::data::BatchSource;
use firebrick_core::error::{check, check_positive};
use firebrick_core::loss::Loss;
use firebrick_core::parameters::Parameters;
use firebrick_core::penalty::Penalties;
use firebrick_core::update::Update;
use firebrick_core::{Classifier, ConfigError, Schedule, independent_copy};
use serde::Serialize;

use crate::config::{OnNonFinite, TrainConfig};
use crate::error::TrainError;
use crate::fit::{Stepped, Training, updates};
use crate::hook::{Flow, Hook, HookContext};

pub use suggestions::{Suggestions, Unclear, smoothed};

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
            num_iter: 200,
            rise: Rise::Exponential,
        }
    }
}

impl Sweep {
    /// The sweep stops when the running mean of the loss is so many times the least one.
    const DIVERGED: f64 = 4.0;

    /// The standard deviation, in updates, of the weights with which the curve is smoothed: a 50th of
    /// the sweep.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        (self.num_iter as f64 / 50.0).max(1.0)
    }

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
    /// The running mean of the loss was more than four times the least one.
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
    /// The mean of each loss and its neighbours, see [`smoothed()`].
    pub smoothed: Vec<f64>,
    /// What it suggests.
    pub suggestions: Suggestions,
    /// Why it ended.
    pub stopped: Stopped,
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
    penalties: &Penalties,
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
    let paths = Parameters::list_all(model).into_iter();
    let paths: Vec<String> = paths.map(|(path, _)| path).collect();
    let device = model.devices().into_iter().next().unwrap_or_default();
    let watch = Watch::new(sweep);
    let noted = watch.noted.clone();
    let mut training = Training::new(
        independent_copy(model),
        update,
        Box::new(sweep),
        loss,
        train,
    );
    training.penalties = penalties;
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
    let sigma = sweep.sigma();
    let curve = LrCurve {
        suggestions: Suggestions::of(&lr, &noted.loss, sigma),
        smoothed: smoothed(&noted.loss, sigma),
        lr,
        loss: noted.loss,
        stopped,
    };
    Ok((curve, update))
}

/// Notes the losses and stops when they diverge.
struct Watch {
    noted: Rc<RefCell<Noted>>,
}

impl Watch {
    fn new(sweep: Sweep) -> Self {
        let noted = Noted {
            kept: 1.0 - 1.0 / (1.0 + 2.0 * sweep.sigma()),
            ..Noted::default()
        };
        Self {
            noted: Rc::new(RefCell::new(noted)),
        }
    }
}

#[derive(Default)]
struct Noted {
    loss: Vec<f64>,
    /// The share of the running mean that is kept at each update.
    kept: f64,
    mean: f64,
    least: Option<f64>,
    diverged: bool,
}

impl Noted {
    /// Whether the sweep goes on.
    fn note(&mut self, loss: f64) -> bool {
        self.loss.push(loss);
        self.mean = self.kept * self.mean + (1.0 - self.kept) * loss;
        // Corrected for its beginning.
        let mean = self.mean / (1.0 - self.kept.powf(self.loss.len() as f64));
        let least = self.least.map_or(mean, |least| least.min(mean));
        self.least = Some(least);
        self.diverged = mean > Sweep::DIVERGED * least;
        !self.diverged
    }
}

impl<M> Hook<M> for Watch {
    fn name(&self) -> &str {
        "lr_find"
    }

    fn after_step(
        &mut self,
        _model: &M,
        _context: &mut HookContext<'_>,
        loss: f64,
    ) -> Result<Flow, TrainError> {
        let goes_on = self.noted.borrow_mut().note(loss);
        Ok(if goes_on { Flow::Continue } else { Flow::Stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_begins_and_ends_where_it_says() {
        let sweep = Sweep {
            num_iter: 100,
            ..Sweep::default()
        };
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
    fn the_mean_is_corrected_for_its_beginning_and_four_times_the_least_ends_it() {
        let mut noted = Noted {
            kept: 0.98,
            ..Noted::default()
        };
        assert!(noted.note(2.0) && noted.note(2.0));
        assert!((noted.least.unwrap() - 2.0).abs() < 1e-12);
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
