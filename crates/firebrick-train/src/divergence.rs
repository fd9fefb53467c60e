//! Warns about a run that diverges or learns nothing: [`Divergence`].

use firebrick_core::run::{EpochRow, Scores};

use crate::error::TrainError;
use crate::hook::{Flow, Hook, HookContext, HookState};

/// The losses of a model that gives every class the same score, on the training images and on those
/// of validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    /// Classes to guess among.
    pub classes: usize,
    /// The loss on the training images.
    pub train: f64,
    /// The loss on the validation images.
    pub valid: f64,
}

/// Warns once in a run, with what to try next, when the loss is absurd or an epoch was worse than
/// guessing. A resumed run is not warned again.
///
/// A loss is absurd when it is more than 100 times that of guessing. An epoch is only judged after 25
/// updates or, if the loss has not risen, after 100: a model may need that long to begin to learn. Before
/// that, the running statistics of its batch norms have hardly moved, and the validation loss may be
/// millions while the model learns well; only one beyond all measure tells something.
pub struct Divergence<'a> {
    guess: Guess,
    tell: Box<dyn FnMut(&str) + 'a>,
    /// The loss before the first update.
    first: Option<f64>,
    /// The warning, once it was given.
    told: Option<String>,
}

/// A loss is absurd from this multiple of the loss of guessing.
const ABSURD: f64 = 100.0;
/// Before that many updates, the validation loss is absurd from this multiple: a deep network whose running
/// statistics are those of ten updates reaches a million.
const BEYOND_MEASURE: f64 = 1e12;
/// Updates after which an epoch is judged if the loss has risen.
const PATIENCE: u64 = 25;
/// Updates after which it is judged if the loss has hardly moved.
const LONG_PATIENCE: u64 = 100;
/// The loss has risen if it is more than this multiple of the first one.
const RISEN: f64 = 1.2;

impl Divergence<'_> {
    /// Its name in checkpoints; its state there is the text of the warning.
    pub const NAME: &'static str = "divergence";
}

impl<'a> Divergence<'a> {
    /// Calls `tell` with the warning.
    pub fn new(guess: Guess, tell: impl FnMut(&str) + 'a) -> Self {
        Self {
            guess,
            tell: Box::new(tell),
            first: None,
            told: None,
        }
    }

    fn warn(&mut self, text: String) {
        (self.tell)(&text);
        self.told = Some(text);
    }

    /// What is wrong after an epoch.
    fn after_epoch(&self, row: &EpochRow, step: u64) -> Option<String> {
        let Guess { train, valid, .. } = self.guess;
        let most = if step < PATIENCE {
            BEYOND_MEASURE
        } else {
            ABSURD
        };
        let absurd = |scores: &Scores| scores.loss.is_finite() && scores.loss > most * valid;
        if let Some(scores) = row.valid.as_ref().filter(|scores| absurd(scores)) {
            let what = format!(
                "after epoch {} the validation loss is {}",
                row.epoch,
                short(scores.loss)
            );
            return Some(self.diverges(&what, row.lr));
        }
        let also = |scores: &Scores| scores.loss > valid;
        let worse = row.train_loss > train && row.valid.as_ref().is_none_or(also);
        if !worse || step < PATIENCE {
            return None;
        }
        let what = format!(
            "after epoch {} the training loss is {}",
            row.epoch,
            short(row.train_loss)
        );
        let risen = RISEN * self.first.unwrap_or(train);
        if row.train_loss > risen {
            Some(self.diverges(&what, row.lr))
        } else {
            (step >= LONG_PATIENCE).then(|| self.stands_still(&what, row.lr))
        }
    }

    fn guessing(&self) -> String {
        format!(
            "guessing among {} classes gives {}",
            self.guess.classes,
            short(self.guess.train)
        )
    }

    fn diverges(&self, what: &str, lr: f64) -> String {
        format!(
            "{what}; {}: training diverges at a learning rate of {lr:.1e}. Try a lower rate (--lr {:.0e}, \
             or the one that `firebrick lr-find` suggests), a warm-up, or --clip-norm 1",
            self.guessing(),
            lr / 10.0
        )
    }

    fn stands_still(&self, what: &str, lr: f64) -> String {
        let began = self.first.map_or(String::new(), |first| {
            format!(", and was {} before the first update", short(first))
        });
        format!(
            "{what}{began}; {}: the model has learned nothing yet at a learning rate of {lr:.1e}. \
             `firebrick lr-find` suggests a rate; `--overfit-batches 1` shows whether the model can learn at all",
            self.guessing()
        )
    }
}

/// Three digits, with an exponent where that is short.
fn short(loss: f64) -> String {
    if (1e-2..1e4).contains(&loss) {
        format!("{loss:.3}")
    } else {
        format!("{loss:.2e}")
    }
}

impl<M> Hook<M> for Divergence<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn begin(
        &mut self,
        model: M,
        _context: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        if let Some(kept) = kept {
            self.told = kept.data.as_str().map(Into::into);
        }
        Ok(model)
    }

    fn after_step(
        &mut self,
        _model: &M,
        context: &mut HookContext<'_>,
        loss: f64,
    ) -> Result<Flow, TrainError> {
        if context.step == 1 {
            self.first = Some(loss).filter(|loss| loss.is_finite());
        }
        if self.told.is_none() && loss.is_finite() && loss > ABSURD * self.guess.train {
            let what = format!("the loss of update {} is {}", context.step, short(loss));
            let text = self.diverges(&what, context.lr);
            self.warn(text);
        }
        Ok(Flow::Continue)
    }

    fn epoch_end(
        &mut self,
        _model: &M,
        context: &mut HookContext<'_>,
        row: &EpochRow,
    ) -> Result<Flow, TrainError> {
        if self.told.is_none()
            && let Some(text) = self.after_epoch(row, context.step)
        {
            self.warn(text);
        }
        Ok(Flow::Continue)
    }

    fn save(&self) -> Option<HookState> {
        let told = self.told.as_ref()?;
        Some(HookState {
            data: told.as_str().into(),
            ..HookState::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use burn::tensor::Tensor;
    use firebrick_core::data::{Batch, BatchSource, DataError, Targets};
    use firebrick_core::loss::{CrossEntropy, Loss};

    use super::*;

    /// Training images of which there are none.
    struct Nothing;

    impl BatchSource for Nothing {
        fn samples(&self) -> usize {
            0
        }
        fn batches(&self) -> usize {
            0
        }
        fn start(&mut self, _epoch: u64, _batch: usize) {}
        fn next_batch(&mut self) -> Option<Result<Batch, DataError>> {
            None
        }
        fn classes(&self) -> &[String] {
            &[]
        }
        fn fingerprint(&self) -> String {
            String::new()
        }
    }

    /// Calls the hook after so many updates.
    fn at<T>(step: u64, call: impl FnOnce(&mut HookContext<'_>) -> T) -> T {
        let mut nothing = Nothing;
        let device = firebrick_core::device("flex").unwrap();
        let mut context = HookContext {
            step,
            lr: 0.5,
            ..HookContext::new(&device, &mut nothing)
        };
        call(&mut context)
    }

    fn row(train_loss: f64, valid_loss: Option<f64>) -> EpochRow {
        let scores = |loss| Scores {
            loss,
            top1: 0.1,
            top5: 0.5,
            nll: loss,
            ece: 0.0,
            brier: 1.0,
            count: 10,
        };
        EpochRow {
            epoch: 1,
            step: 100,
            lr: 0.5,
            train_loss,
            train_top1: 0.1,
            penalties: Vec::new(),
            valid: valid_loss.map(scores),
            seconds: 1.0,
            images_per_second: 1.0,
        }
    }

    /// What is said over a first loss, then epochs with their training and validation loss.
    fn said(first: f64, epochs: &[(f64, Option<f64>)], step: u64) -> Vec<String> {
        let said = Rc::new(RefCell::new(Vec::new()));
        let into = said.clone();
        let guess = Guess {
            classes: 10,
            train: 2.3,
            valid: 2.4,
        };
        let mut hook = Divergence::new(guess, move |text| into.borrow_mut().push(text.to_string()));
        at(1, |context| {
            Hook::after_step(&mut hook, &(), context, first)
        })
        .unwrap();
        for (train, valid) in epochs {
            let row = row(*train, *valid);
            at(step, |context| {
                Hook::epoch_end(&mut hook, &(), context, &row)
            })
            .unwrap();
        }
        drop(hook);
        Rc::into_inner(said).unwrap().into_inner()
    }

    #[test]
    fn what_is_worse_than_guessing_is_told_once_with_what_to_try() {
        let told = said(2.4, &[(9.0, Some(8.0)), (10.0, Some(9.0))], 100);
        assert_eq!(told.len(), 1, "{told:?}");
        for needle in [
            "training loss is 9.000",
            "guessing among 10 classes gives 2.300",
            "diverges",
            "--lr 5e-2",
        ] {
            assert!(told[0].contains(needle), "{needle}: {told:?}");
        }
        let still = said(2.35, &[(2.34, None)], 100);
        assert!(still[0].contains("learned nothing yet"), "{still:?}");
        assert!(
            still[0].contains("was 2.350 before") && still[0].contains("lr-find"),
            "{still:?}"
        );
        let absurd = said(2.4, &[(1.9, Some(1e18))], 3);
        assert!(
            absurd[0].contains("validation loss is 1.00e18"),
            "{absurd:?}"
        );
        let settled = said(2.4, &[(1.9, Some(300.0))], 25);
        assert!(
            settled[0].contains("validation loss is 300.000"),
            "{settled:?}"
        );
        let at_once = said(1.409_259_9e18, &[(2.5, None)], 3);
        assert!(
            at_once[0].contains("the loss of update 1 is 1.41e18"),
            "{at_once:?}"
        );
    }

    #[test]
    fn what_learns_or_has_hardly_begun_is_left_alone() {
        for (epochs, step) in [
            (&[(2.29, Some(5.0))][..], 100),
            (&[(2.5, Some(2.39))], 100),
            (&[(9.0, Some(9.0))], 24),
            (&[(2.35, Some(2.45))], 99),
            (&[(f64::NAN, None)], 100),
            // `resnet18` after 12 updates of `sgd(lr=0.1, momentum=0.9)`.
            (&[(13.0, Some(68_837.0))], 12),
            (&[(28.4, Some(4.2e6))], 24),
        ] {
            let told = said(2.4, epochs, step);
            assert!(told.is_empty(), "{epochs:?}: {told:?}");
        }
    }

    #[test]
    fn the_loss_of_a_guess_is_that_of_equal_scores() {
        let device = firebrick_core::device("flex").unwrap();
        let labels = vec![0, 2, 0, 1, 2, 0];
        let images = [3, 1, 2];
        let weights = Some(vec![0.5, 3.0, 1.0]);
        for (label_smoothing, class_weights) in [
            (0.0, None),
            (0.1, None),
            (0.0, weights.clone()),
            (0.3, weights),
        ] {
            let loss = CrossEntropy {
                label_smoothing,
                class_weights,
            };
            let guess = loss.of_guess(&images).unwrap();
            let scores = Tensor::<2>::zeros([labels.len(), images.len()], &device);
            let value = loss.loss(scores, &Targets::Classes(labels.clone()));
            let mean = value.sum.into_data().iter::<f64>().sum::<f64>() / value.weight;
            assert!((guess - mean).abs() < 1e-5, "{loss:?}: {guess} and {mean}");
        }
        // A guess costs ln C where all classes weigh alike.
        let plain = CrossEntropy::default().of_guess(&[7, 1]).unwrap();
        assert!((plain - 2.0_f64.ln()).abs() < 1e-12, "{plain}");
        let first_only = CrossEntropy {
            class_weights: Some(vec![1.0, 0.0]),
            ..CrossEntropy::default()
        };
        assert_eq!(first_only.of_guess(&[0, 5]), None, "no image counts");
    }

    #[test]
    fn a_resumed_run_is_not_told_again() {
        let guess = Guess {
            classes: 2,
            train: 0.7,
            valid: 0.7,
        };
        let mut first = Divergence::new(guess, |_| {});
        assert!(Hook::<()>::save(&first).is_none());
        let row = row(9.0, None);
        at(50, |context| {
            Hook::epoch_end(&mut first, &(), context, &row)
        })
        .unwrap();
        let state = Hook::<()>::save(&first).unwrap();
        let mut again = 0;
        let mut resumed = Divergence::new(guess, |_| again += 1);
        at(50, |context| {
            Hook::begin(&mut resumed, (), context, Some(state))
        })
        .unwrap();
        at(60, |context| {
            Hook::epoch_end(&mut resumed, &(), context, &row)
        })
        .unwrap();
        assert!(Hook::<()>::save(&resumed).is_some());
        drop(resumed);
        assert_eq!(again, 0);
    }
}
