//! The weights that a recipe begins with.

use std::collections::BTreeSet;

use burn::module::Module;
use burn::tensor::Device;
use firebrick_core::Recipe;
use firebrick_core::data::Preprocessing;
use firebrick_core::state_dict::WeightsError;
use firebrick_core::weights_file::{Rules, WeightsFile};
use firebrick_zoo::{Architecture, Input, Model, rules_for_training};

use crate::prepared::AUTO;
use crate::weights::{Expected, FoundWeights, WeightsPlace};
use crate::{Error, ModelInfo, TrainedModel, model_file};

/// Where the weights of a recipe come from.
pub(crate) struct Pretrained {
    place: WeightsPlace,
}

impl Pretrained {
    pub(crate) fn of(recipe: &Recipe, place: &WeightsPlace) -> Self {
        let own = recipe.weights_dir.as_ref().map(Into::into);
        Self {
            place: WeightsPlace {
                directory: own.unwrap_or_else(|| place.directory.clone()),
                offline: place.offline || recipe.offline,
                ..place.clone()
            },
        }
    }

    /// How the weights read images, if the recipe names weights and does not say how images are normalized. The recipe is told which weights
    /// they are.
    pub(crate) fn expected(
        &self,
        recipe: &mut Recipe,
        native: &Input,
    ) -> Result<Option<Expected>, Error> {
        let Some(text) = recipe.weights.as_ref().filter(|_| recipe.normalize == AUTO) else {
            return Ok(None);
        };
        let found = self.place.find(text, &recipe.model)?;
        let file = WeightsFile::open(&found.path)?;
        let expected = found.expected(&file, &recipe.model, native);
        recipe.weights = Some(found.name);
        Ok(expected)
    }

    /// The model with the weights that the recipe names, if it names some, and what to know about them. They may be for other classes
    /// and another number of channels.
    pub(crate) fn load<M: Module>(
        &self,
        recipe: &Recipe,
        architecture: &dyn Architecture<M>,
        channels: usize,
        model: M,
    ) -> Result<(M, Vec<String>), Error> {
        let Some(text) = &recipe.weights else {
            return Ok((model, Vec::new()));
        };
        let found = self.found(text, recipe)?;
        let rules = rules(recipe, architecture, channels);
        let (model, notes) = firebrick_zoo::load_with(model, &found.path, &rules)?;
        Ok((model, told(&found, &notes)))
    }

    fn found(&self, text: &str, recipe: &Recipe) -> Result<FoundWeights, Error> {
        let found = self.place.find(text, &recipe.model)?;
        model_file::verify(&found.path)?;
        Ok(found)
    }

    /// The network that the weights of a recipe were trained as, with the classes that it knows and what to know about the file. It
    /// reads images as `preprocessing` says.
    pub(crate) fn source(
        &self,
        text: &str,
        recipe: &Recipe,
        architecture: &dyn Architecture,
        preprocessing: &Preprocessing,
        device: &Device,
    ) -> Result<Source, Error> {
        let found = self.found(text, recipe)?;
        let file = WeightsFile::open(&found.path)?;
        let said = file.metadata().get("firebrick.classes");
        let said = said.and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
        let native = found.published.map(|published| published.classes);
        let native = native.unwrap_or(architecture.native_input().classes);
        let classes = said.unwrap_or_else(|| (0..native).map(|at| at.to_string()).collect());
        let info = ModelInfo {
            model: architecture.spec(),
            classes,
            preprocessing: preprocessing.clone(),
        };
        let input = info.input();
        let for_training = rules(recipe, architecture, input.channels);
        let with_head = Rules {
            head: None,
            ..for_training.clone()
        };
        let drawn = || architecture.model(&input, recipe.seed, device);
        let whole = match recipe.weights_except {
            None => architecture.undrawn(&input, device)?,
            Some(_) => drawn()?,
        };
        let ((network, notes), knows_classes) = match file.load_into(whole, &with_head) {
            // Another last layer, or none.
            Err(WeightsError::Mismatch(_)) => {
                let file = WeightsFile::open(&found.path)?;
                (file.load_into(drawn()?, &for_training)?, false)
            }
            loaded => (loaded?, recipe.weights_except.is_none()),
        };
        Ok(Source {
            model: TrainedModel {
                info,
                network,
                device: device.clone(),
            },
            knows_classes,
            notes: told(&found, &notes),
        })
    }

    /// The keys of the model that [`Self::load`] does not find in the weights of the recipe; none without weights.
    pub(crate) fn fresh<M: Module>(
        &self,
        recipe: &Recipe,
        architecture: &dyn Architecture<M>,
        channels: usize,
        model: &M,
    ) -> Result<BTreeSet<String>, Error> {
        let Some(text) = &recipe.weights else {
            return Ok(BTreeSet::new());
        };
        let found = self.place.find(text, &recipe.model)?;
        let rules = rules(recipe, architecture, channels);
        let fresh = WeightsFile::open(&found.path)?.left_out(model, &rules)?;
        Ok(fresh.into_iter().collect())
    }
}

/// What of the weights of a recipe is loaded into its model.
fn rules<M>(recipe: &Recipe, architecture: &dyn Architecture<M>, channels: usize) -> Rules {
    rules_for_training(architecture, channels, except(recipe))
}

/// A pretrained network as it is.
pub(crate) struct Source {
    pub(crate) model: TrainedModel<Model>,
    /// Whether its last layer is that of the weights.
    pub(crate) knows_classes: bool,
    pub(crate) notes: Vec<String>,
}

/// The keys that are not loaded.
fn except(recipe: &Recipe) -> Vec<String> {
    let except = recipe.weights_except.iter().flat_map(|all| all.split(','));
    let except = except.map(str::trim).filter(|key| !key.is_empty());
    except.map(String::from).collect()
}

/// The notes about a file, with its name.
fn told(found: &FoundWeights, notes: &[String]) -> Vec<String> {
    let notes = notes.iter();
    notes
        .map(|note| format!("{}: {note}", found.name))
        .collect()
}
