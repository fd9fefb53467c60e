//! Predictions by Monte-Carlo dropout, which say how sure the model is.

use firebrick_core::data::DataError;
use firebrick_core::error::check;
use firebrick_core::image::fit;
use firebrick_core::{Classifier, ConfigError};
use firebrick_datasets::image_list::ListedImage;
use firebrick_regularize::dropout::monte_carlo::monte_carlo;
use firebrick_train::metrics::ranked;

use super::{Guess, Logits, Prediction, Uncertainty, batch, decoded, input};
use crate::TrainedModel;

/// How often each image passes through the model, with other values dropped each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutPasses {
    /// The number of passes, at least 2.
    pub count: usize,
    /// The seed of the masks: the same seed, images and order give the same numbers.
    pub seed: u64,
}

/// Predicts the classes of images as [`predict`](super::predict()) does, by the mean over many passes with dropout on, as in training, and
/// batch norm as in evaluation; `top` classes each. See [`monte_carlo`].
///
/// # Errors
/// [`ConfigError`] for fewer than two passes, and for a model that drops nothing.
pub fn predict_with_dropout<M: Classifier>(
    model: &TrainedModel<M>,
    files: Vec<Result<impl Into<ListedImage>, DataError>>,
    passes: DropoutPasses,
    top: usize,
    each: &mut dyn FnMut(Result<Prediction, DataError>),
) -> Result<(), ConfigError> {
    check("predict", "mc_dropout", passes.count, 2..)?;
    let mut files = files.into_iter().enumerate();
    loop {
        let chunk = files.by_ref().take(batch(model));
        let mut found: Vec<(usize, Result<Logits, DataError>)> = chunk
            .map(|(number, listed)| {
                let of_models = Vec::new();
                let listed = listed.map(Into::into);
                (number, listed.map(|listed| Logits { listed, of_models }))
            })
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        let preprocessing = &model.info.preprocessing;
        let images = decoded(&mut found, preprocessing.channels);
        let images = images
            .into_iter()
            .map(|(_, image)| fit(image, preprocessing));
        let images: Vec<_> = images.collect();
        let seen = if images.is_empty() {
            None
        } else {
            let seen = monte_carlo(
                &model.network,
                input(model, &images),
                passes.count,
                passes.seed,
            );
            if !seen.drops {
                return Err(ConfigError::Conflict(format!(
                    "mc_dropout: the model `{}` drops nothing, so all passes are alike. Train it with dropout, such as \
                     `--model '{}(dropout=0.2)'`, if it has that option (`firebrick models describe {}`)",
                    model.info.model, model.info.model.name, model.info.model.name
                )));
            }
            Some(seen)
        };
        let mut images = 0..;
        for (_, file) in found {
            let file = match (file, &seen) {
                (Ok(file), Some(seen)) => {
                    let at = images.next().unwrap_or_default() * seen.classes;
                    let own = |values: &[f64]| values[at..][..seen.classes].to_vec();
                    let at = at / seen.classes;
                    Ok(prediction(
                        &file,
                        top,
                        &model.info.classes,
                        Uncertainty {
                            passes: passes.count,
                            entropy: seen.entropy[at],
                            mutual_information: seen.mutual_information[at],
                            mean: own(&seen.mean),
                            variance: own(&seen.variance),
                        },
                    ))
                }
                (Err(error), _) => Err(error),
                (Ok(_), None) => continue,
            };
            each(file.and_then(|prediction| prediction));
        }
    }
}

fn prediction(
    file: &Logits,
    top: usize,
    classes: &[String],
    uncertainty: Uncertainty,
) -> Result<Prediction, DataError> {
    let path = file.listed.path().display().to_string();
    if !uncertainty.mean.iter().all(|mean| mean.is_finite()) {
        return Err(DataError::Invalid(format!(
            "{path}: the model's scores for this image are not finite numbers, so its class cannot be predicted"
        )));
    }
    let scores: Vec<f32> = uncertainty.mean.iter().map(|mean| *mean as f32).collect();
    let guess = |index: usize| Guess {
        class: classes[index].clone(),
        index,
        probability: uncertainty.mean[index],
    };
    Ok(Prediction {
        top: ranked(&scores).into_iter().take(top).map(guess).collect(),
        path,
        set: None,
        logits: None,
        explanation: None,
        nearest: None,
        mc_dropout: Some(uncertainty),
    })
}
