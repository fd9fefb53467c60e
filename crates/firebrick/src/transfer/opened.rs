//! The data and the pretrained network of a job, and its features.

use firebrick_core::spec::{Spec, Value};
use firebrick_core::{ConfigError, Recipe};
use firebrick_datasets::OnBadImage;
use firebrick_zoo::{Backbone, Model, Stage};

use crate::eval::unreadable;
use crate::features::Extractor;
use crate::pretrained::Pretrained;
use crate::{Error, Models, Session, Sources, TrainedModel};

/// A job's data and its pretrained network.
pub(super) struct Opened {
    /// The data, and what fine-tuning needs; its model ends in a linear layer on the pooled features.
    pub(super) session: Session<'static>,
    /// Where the parts of the session came from, for sessions of other stages.
    pub(super) sources: Sources,
    /// The network as its weights were trained.
    pub(super) source: TrainedModel,
    pub(super) extractor: Extractor,
    /// What the user should know, one sentence each.
    pub(super) notes: Vec<String>,
}

impl Opened {
    pub(super) fn open(recipe: &Recipe, sources: &Sources) -> Result<Self, Error> {
        let published = recipe.model.clone();
        let recipe = Recipe {
            model: with_linear_head(&published)?,
            // It is for the rounds of fine-tuning.
            fine_tune: None,
            ..recipe.clone()
        };
        // Before anything is read: without weights there is nothing to transfer.
        let Some(weights) = recipe.weights.clone() else {
            return Err(ConfigError::Conflict(format!(
                "transfer learning begins with pretrained weights: give those of {} with --weights FILE, or --weights pretrained for published ones",
                recipe.model.name
            ))
            .into());
        };
        let pretrained = Pretrained::of(&recipe, &sources.weights);
        let session = Session::open_with(&recipe, sources.clone())?;
        let architecture = Models::default().architecture(&published)?;
        let device = session.device.clone().inner();
        let preprocessing = &session.data.preprocessing;
        let recipe = Recipe {
            model: architecture.spec(),
            ..session.recipe.clone()
        };
        let source =
            pretrained.source(&weights, &recipe, &*architecture, preprocessing, &device)?;
        let extractor = Extractor::all(&source.model)?;
        let extractor = match source.knows_classes {
            true => extractor.with_logits(),
            false => extractor,
        };
        let splits = &session.data.splits;
        if splits.test.is_some() && session.data.on_bad == OnBadImage::Fail {
            splits.check_held_out()?;
        }
        let mut notes = splits.notes.clone();
        notes.extend(unreadable(&splits.skipped));
        notes.extend(session.notes.iter().cloned());
        notes.extend(source.notes);
        let mut sources = sources.clone();
        sources.data = Some(session.data.splits.clone());
        Ok(Self {
            session,
            sources,
            source: source.model,
            extractor,
            notes,
        })
    }

    /// A job's recipe with the model and the preprocessing that were found; its schedules are for as many epochs as it says.
    pub(super) fn recipe_to_train(&self, asked: &Recipe) -> Recipe {
        let found = self.session.recipe.clone();
        Recipe {
            model: found.model,
            weights: found.weights,
            image_size: found.image_size,
            crop_pct: found.crop_pct,
            interpolation: found.interpolation,
            normalize: found.normalize,
            ..asked.clone()
        }
    }

    /// The stages of the network.
    pub(super) fn stages(&self) -> Vec<Stage> {
        let backbone = self.source.network.backbone();
        backbone.map_or(Vec::new(), Backbone::stages)
    }
}

/// The same model with a last layer that is linear on the pooled features, where that is an option.
fn with_linear_head(spec: &Spec) -> Result<Spec, ConfigError> {
    let mut spec = Models::<Model>::default().canonical(spec)?;
    if spec.get("head").is_some() {
        spec.set("head", Value::Spec(Spec::new("linear")));
    }
    Ok(spec)
}
