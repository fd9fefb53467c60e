//! Model files: weights under PyTorch's names, with everything needed to use them.
//!
//! A safetensors file whose metadata holds the model's spec, the class names and the preprocessing.
//! It holds no times and no paths, so equal runs give equal bytes.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firebrick_core::data::Preprocessing;
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use firebrick_zoo::{Input, Model};

use crate::Error;

/// A trained model on paper: what to build, what to put in, and how to feed it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The model's spec.
    pub model: Spec,
    /// Class names; an output of the model indexes them.
    pub classes: Vec<String>,
    /// How raw images become input.
    pub preprocessing: Preprocessing,
    /// The weights.
    pub weights: StateDict,
}

impl ModelFile {
    /// The bytes of the file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for weights that the format cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let problem = |problem: String| Error::ModelFile {
            path: "model.safetensors".into(),
            problem,
        };
        let json =
            |value: serde_json::Result<String>| value.map_err(|error| problem(error.to_string()));
        let mut dict = self.weights.clone();
        dict.metadata = [
            // What PyTorch's own reader expects to find.
            ("format".to_string(), "pt".to_string()),
            ("firebrick.model".into(), self.model.to_string()),
            (
                "firebrick.classes".into(),
                json(serde_json::to_string(&self.classes))?,
            ),
            (
                "firebrick.preprocessing".into(),
                json(serde_json::to_string(&self.preprocessing))?,
            ),
        ]
        .into();
        dict.to_safetensors().map_err(problem)
    }

    /// Reads a model file, or that of a run directory.
    ///
    /// # Errors
    /// [`Error::Weights`] when it cannot be read, [`Error::ModelFile`] when it is no model file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = Self::locate(path)?;
        let problem = |problem: String| Error::ModelFile {
            path: file.display().to_string(),
            problem,
        };
        let weights = StateDict::read(&file)?;
        let metadata = |key: &str| {
            let missing = || {
                problem(format!(
                    "it has weights but no `{key}`, so it is not a model file of firebrick; use --model NAME --weights FILE for plain weights"
                ))
            };
            weights.metadata.get(key).ok_or_else(missing)
        };
        let damaged =
            |error: serde_json::Error| problem(format!("its metadata is damaged: {error}"));
        Ok(Self {
            model: metadata("firebrick.model")?.parse()?,
            classes: serde_json::from_str(metadata("firebrick.classes")?).map_err(damaged)?,
            preprocessing: serde_json::from_str(metadata("firebrick.preprocessing")?)
                .map_err(damaged)?,
            weights,
        })
    }

    fn locate(path: &Path) -> Result<PathBuf, Error> {
        if !path.is_dir() {
            return Ok(path.into());
        }
        let file = path.join("model.safetensors");
        if file.is_file() {
            return Ok(file);
        }
        let problem = if path.join("recipe.toml").is_file() {
            "this run has no model.safetensors yet: it is not finished; go on with `firebrick train --resume`"
        } else {
            "this directory is no run: it has no model.safetensors"
        };
        Err(Error::ModelFile {
            path: path.display().to_string(),
            problem: problem.into(),
        })
    }

    /// What the model reads and tells apart.
    #[must_use]
    pub fn input(&self) -> Input {
        let Preprocessing {
            channels,
            height,
            width,
            ..
        } = self.preprocessing;
        Input {
            channels,
            height,
            width,
            classes: self.classes.len(),
        }
    }

    /// Builds the model with its weights.
    ///
    /// # Errors
    /// [`Error::Weights`] when the weights are not the model's.
    pub fn build(&self, device: &Device) -> Result<Model, Error> {
        let model = firebrick_zoo::build(&self.model, &self.input(), 0, device)?;
        Ok(self.weights.load_into(model)?)
    }
}
