//! The weights that a recipe begins with.

use std::collections::BTreeSet;

use burn::module::Module;
use firebrick_core::Recipe;
use firebrick_core::weights_file::{Rules, WeightsFile};
use firebrick_zoo::{Architecture, Input, rules_for_training};

use crate::prepared::AUTO;
use crate::weights::{Expected, WeightsPlace};
use crate::{Error, model_file};

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
        let found = self.place.find(text, &recipe.model)?;
        model_file::verify(&found.path)?;
        let rules = rules(recipe, architecture, channels);
        let (model, notes) = firebrick_zoo::load_with(model, &found.path, &rules)?;
        let notes = notes.iter().map(|note| format!("{}: {note}", found.name));
        Ok((model, notes.collect()))
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
    let except = recipe.weights_except.iter().flat_map(|all| all.split(','));
    let except = except.map(str::trim).filter(|key| !key.is_empty());
    rules_for_training(architecture, channels, except.map(String::from).collect())
}
