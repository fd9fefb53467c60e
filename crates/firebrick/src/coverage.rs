//! Prediction sets: so many classes for each image that one of them is the right one with a given probability.
//!
//! They are calibrated on validation images by a conformal score, see [`firebrick_ensemble::conformal`], and hold for
//! images that are drawn like these.

use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use firebrick_datasets::Split;
use firebrick_ensemble::conformal::{PredictionSets, calibrate};
use firebrick_ensemble::{EnsembleError, LogProbabilities, Member, Members, combine};
use firebrick_train::evaluate::hard_labels;

use crate::classes::matched;
use crate::ensembles::{Ensemble, members};
use crate::eval::EvalImages;
use crate::tta::{TestTime, predict_views};
use crate::{Error, TrainedModel, prepared};

/// How prediction sets are calibrated.
#[derive(Clone)]
pub struct Coverage {
    /// The probability with which a set contains the right class, in (0, 1).
    pub coverage: f64,
    /// The conformal score: `lac`, `aps` or `raps`.
    pub score: Spec,
    /// The images, of which the validation split is taken.
    pub images: EvalImages,
    /// Views of each image: the same ones as for the predictions that the sets are for.
    pub tta: Option<TestTime>,
}

impl Coverage {
    /// Calibrates the sets of a model.
    ///
    /// # Errors
    /// [`Error`] when there is no validation split or it cannot be read, and for a coverage that so few images cannot
    /// promise.
    pub fn of_model<M: Classifier>(
        &self,
        model: &TrainedModel<M>,
    ) -> Result<PredictionSets, Error> {
        let taken = self.valid().take(model.info.preprocessing.channels)?;
        let (dataset, _) = matched(taken.dataset, &model.info.classes, false)?;
        let recipe = &self.images.recipe;
        let mut loader =
            prepared::evaluation_loader(recipe, &model.info.preprocessing, dataset.clone())?;
        let mut found = firebrick_train::predict(&model.network, &mut loader)?;
        if let Some(tta) = &self.tta {
            (found, _) = predict_views(model, recipe, &dataset, &found, tta, &mut |_, _| {})?;
        }
        let one = Members::new(vec![Member::new("model", &found.logits, found.classes)])?;
        one.check_finite()?;
        self.calibrate(&one.prediction(0), &hard_labels(&found.targets))
    }

    /// Calibrates the sets of an ensemble whose members combine by this rule.
    ///
    /// # Errors
    /// As [`Self::of_model`].
    pub fn of_ensemble<M: Classifier>(
        &self,
        ensemble: &Ensemble<M>,
        rule: &Spec,
    ) -> Result<PredictionSets, Error> {
        let taken = self
            .valid()
            .take(ensemble.members[0].info.preprocessing.channels)?;
        let tta = self.tta.as_ref();
        let recipe = &self.images.recipe;
        let predicted = ensemble.predictions(recipe, &taken.dataset, tta, &mut |_, _| {})?;
        let members = members(&predicted)?;
        let pooled = combine::fit(rule, &members, None)?.combine(&members)?;
        self.calibrate(&pooled, &hard_labels(&predicted[0].predictions.targets))
    }

    fn valid(&self) -> EvalImages {
        EvalImages {
            split: Some(Split::Valid),
            ..self.images.clone()
        }
    }

    fn calibrate(
        &self,
        predicted: &LogProbabilities,
        labels: &[usize],
    ) -> Result<PredictionSets, Error> {
        let sets = calibrate(&self.score, predicted, labels, self.coverage);
        Ok(sets.map_err(|error| match error {
            // Another coverage mends it.
            EnsembleError::Fit { .. } => ConfigError::Conflict(error.to_string()).into(),
            error => error,
        })?)
    }
}
