//! Checkpoints: directories that are written as one set of files, each with a checksum.
//!
//! A set is written to a temporary directory, synced, and renamed, so a directory that bears a
//! checkpoint's name is complete unless the disk failed; what the disk did to it later shows in the
//! checksums.

mod format_1;
mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use firebrick_core::state_dict::{StateDict, write_safetensors};
use firebrick_core::update::{ParameterState, UpdateState};
use firebrick_core::{Recipe, checksum, json_number};

use crate::error::TrainError;
use crate::hook::{HookState, check_names};
use crate::progress::Progress;
use crate::run_dir::{REPLACED, RunDir, TEMPORARY, checkpoint_dirs, step_of, sync_dir};
use manifest::{Manifest, SoundFiles};

/// What a checkpoint belongs to: a resume on another model or other data is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The model's spec.
    pub model: String,
    /// Fingerprint of the training data.
    pub data: String,
    /// The resolved recipe, TOML.
    pub recipe: String,
}

/// One moment of a run, on the host.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What it belongs to.
    pub identity: Identity,
    /// How far the run is.
    pub progress: Progress,
    /// The model being trained.
    pub model: StateDict,
    /// The model that was evaluated here, where it is another one.
    pub evaluated: Option<StateDict>,
    /// The optimizer's state.
    pub optimizer: UpdateState,
    /// What hooks keep, by name.
    pub hooks: BTreeMap<String, HookState>,
}

/// `state.json`: everything but tensors.
#[derive(Serialize, Deserialize)]
struct State {
    identity: Identity,
    progress: Progress,
    optimizer: String,
    #[serde(with = "json_number")]
    optimizer_numbers: BTreeMap<String, BTreeMap<String, f64>>,
    #[serde(with = "json_number", default)]
    optimizer_shared: BTreeMap<String, f64>,
    hooks: BTreeMap<String, serde_json::Value>,
}

/// What this version takes for the identity of a recipe that another version may have written: one
/// with fewer fields, or with places in it.
fn identity_of(recipe: &str) -> String {
    Recipe::from_toml(recipe, "checkpoint")
        .and_then(|recipe| recipe.identity().to_toml())
        .unwrap_or_else(|_| recipe.into())
}

impl Checkpoint {
    /// Writes the set into the run directory.
    ///
    /// # Errors
    /// [`TrainError::RunDir`]; the run directory then holds what it held before.
    pub fn save(&self, run: &RunDir) -> Result<(), TrainError> {
        let parent = run.path().join("checkpoints");
        let target = run.checkpoint(self.progress.step);
        let failed = |error: std::io::Error| {
            TrainError::run_dir(&target, format!("cannot write the checkpoint: {error}"))
        };
        let temp = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(&parent)
            .map_err(failed)?;
        let mut sums = BTreeMap::new();
        for (name, bytes) in self.files()? {
            write_synced(&temp.path().join(&name), &bytes).map_err(failed)?;
            sums.insert(name, checksum::of(&bytes));
        }
        let manifest = serde_json::to_vec_pretty(&Manifest::new(sums))
            .map_err(|error| TrainError::run_dir(&target, error.to_string()))?;
        write_synced(&temp.path().join("manifest.json"), &manifest).map_err(failed)?;
        sync_dir(temp.path()).map_err(failed)?;
        // The same step is saved again after a resume, or at the end of an epoch: the new set wins.
        if target.exists() {
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            let aside = parent.join(format!("{REPLACED}{name}"));
            let _ = fs::remove_dir_all(&aside);
            fs::rename(&target, &aside).map_err(failed)?;
            if let Err(error) = fs::rename(temp.keep(), &target) {
                let _ = fs::rename(&aside, &target);
                return Err(failed(error));
            }
            let _ = fs::remove_dir_all(&aside);
        } else {
            fs::rename(temp.keep(), &target).map_err(failed)?;
        }
        sync_dir(&parent).map_err(failed)
    }

    fn files(&self) -> Result<Vec<(String, Vec<u8>)>, TrainError> {
        let encode = |dict: &StateDict| {
            dict.to_safetensors()
                .map_err(|error| TrainError::checkpoint("model", error))
        };
        let mut optimizer = StateDict::default();
        let mut optimizer_numbers = BTreeMap::new();
        for (path, state) in &self.optimizer.parameters {
            optimizer.tensors.extend(
                state
                    .to_data()
                    .into_iter()
                    .map(|(name, data)| (format!("{path}/{name}"), data.convert::<f32>())),
            );
            optimizer_numbers.insert(path.clone(), state.numbers.clone());
        }
        let state = State {
            identity: self.identity.clone(),
            progress: self.progress.clone(),
            optimizer: self.optimizer.name.clone(),
            optimizer_numbers,
            optimizer_shared: self.optimizer.numbers.clone(),
            hooks: self
                .hooks
                .iter()
                .map(|(name, state)| (name.clone(), state.data.clone()))
                .collect(),
        };
        let json = serde_json::to_vec_pretty(&state)
            .map_err(|error| TrainError::checkpoint("state.json", error.to_string()))?;
        let mut files = vec![
            ("model.safetensors".to_string(), encode(&self.model)?),
            ("optimizer.safetensors".to_string(), encode(&optimizer)?),
            ("state.json".to_string(), json),
        ];
        if let Some(evaluated) = &self.evaluated {
            files.push(("evaluated.safetensors".into(), encode(evaluated)?));
        }
        check_names(self.hooks.keys().map(String::as_str))?;
        for (name, state) in &self.hooks {
            let bytes = write_safetensors(&state.tensors, &BTreeMap::new())
                .map_err(|error| TrainError::hook(name, format!("its state: {error}")))?;
            files.push((format!("hook-{name}.safetensors"), bytes));
        }
        Ok(files)
    }

    /// Reads a set, checking every byte. Optimizer tensors are put on `device`.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] naming the file that is missing or was changed.
    pub fn load(path: &Path, device: &Device) -> Result<Self, TrainError> {
        let bad = |problem: String| TrainError::checkpoint(path, problem);
        let mut files = SoundFiles::read(path, |_| true)?;
        let state: State = files.json("state.json")?;
        let (format, has_evaluated) = (files.format, files.has("evaluated.safetensors"));
        let mut optimizer = UpdateState {
            name: state.optimizer,
            parameters: BTreeMap::new(),
            numbers: state.optimizer_shared,
        };
        for (path, numbers) in state.optimizer_numbers {
            optimizer.parameters.insert(
                path,
                ParameterState {
                    tensors: BTreeMap::new(),
                    numbers,
                },
            );
        }
        for (key, data) in files.take_tensors("optimizer.safetensors")?.tensors {
            let Some((path, name)) = key.rsplit_once('/') else {
                return Err(bad(format!(
                    "optimizer.safetensors: `{key}` is not the path of a parameter"
                )));
            };
            if data.shape().to_vec().len() != 1 {
                return Err(bad(format!(
                    "optimizer.safetensors: `{key}` has the shape {:?}, but the state of a parameter is flat",
                    data.shape().to_vec()
                )));
            }
            optimizer
                .parameters
                .entry(path.into())
                .or_default()
                .tensors
                .insert(name.into(), Tensor::from_data(data, device));
        }
        let mut hooks = BTreeMap::new();
        for (name, data) in state.hooks {
            let tensors = files.tensors_of_any_type(&format!("hook-{name}.safetensors"))?;
            hooks.insert(name, HookState { tensors, data });
        }
        let mut checkpoint = Self {
            identity: state.identity,
            progress: state.progress,
            model: files.take_tensors("model.safetensors")?,
            evaluated: has_evaluated
                .then(|| files.take_tensors("evaluated.safetensors"))
                .transpose()?,
            optimizer,
            hooks,
        };
        if format == 1 {
            let Self {
                optimizer,
                identity,
                model,
                ..
            } = &mut checkpoint;
            format_1::rename_norms(optimizer, &identity.recipe, model).map_err(bad)?;
        }
        Ok(checkpoint)
    }

    /// The newest sound checkpoint below `run`, and what is wrong with those newer than it; `None`
    /// before the first one was finished. With `identity`, checkpoints of anything else are refused.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when there are checkpoints but none can be used.
    pub fn newest(
        run: &Path,
        identity: Option<&Identity>,
        device: &Device,
    ) -> Result<Option<(Self, Vec<TrainError>)>, TrainError> {
        let mut refused = Vec::new();
        for path in checkpoint_dirs(run).into_iter().rev() {
            let loaded = Self::load(&path, device).and_then(|checkpoint| match identity {
                Some(expected) => checkpoint.belongs_to(expected, &path),
                None => Ok(checkpoint),
            });
            match loaded {
                Ok(checkpoint) => return Ok(Some((checkpoint, refused))),
                Err(error) => refused.push(error),
            }
        }
        match refused.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// The weights to use of the checkpoint after `step` updates; the optimizer's state is not read.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when they are damaged or belong to something else.
    pub(crate) fn weights(
        run: &RunDir,
        step: u64,
        identity: &Identity,
    ) -> Result<StateDict, TrainError> {
        let path = run.checkpoint(step);
        let used = ["evaluated.safetensors", "model.safetensors", "state.json"];
        let mut files = SoundFiles::read(&path, |name| used.contains(&name))?;
        let state: State = files.json("state.json")?;
        identity.check(&state.identity, &path)?;
        let weights = used.iter().find(|name| files.has(name));
        files.take_tensors(weights.unwrap_or(&"model.safetensors"))
    }

    /// What the newest checkpoint below `run` belongs to, of those whose description is sound; the
    /// tensors are not read.
    #[must_use]
    pub fn identity(run: &Path) -> Option<Identity> {
        let described = |path: PathBuf| {
            let files = SoundFiles::read(&path, |name| name == "state.json").ok()?;
            let state: State = files.json("state.json").ok()?;
            Some(state.identity)
        };
        checkpoint_dirs(run).into_iter().rev().find_map(described)
    }

    fn belongs_to(self, expected: &Identity, path: &Path) -> Result<Self, TrainError> {
        expected.check(&self.identity, path)?;
        Ok(self)
    }

    /// Removes checkpoints of at most `step` updates that are neither the last two of them nor in
    /// `keep`, and what interrupted writes left behind. The last but one stays in case the last is
    /// damaged. Whatever bears a greater number counts for nothing, so that it cannot push out what
    /// this run has just written.
    pub fn prune(run: &RunDir, step: u64, keep: &[u64]) {
        let steps = run.checkpoints().into_iter().rev();
        let found = steps.filter_map(|path| Some((step_of(&path)?, path)));
        let own = found.filter(|(found, _)| *found <= step);
        for (_, path) in own.skip(2).filter(|(found, _)| !keep.contains(found)) {
            let _ = fs::remove_dir_all(path);
        }
        for entry in fs::read_dir(run.path().join("checkpoints"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Identity {
    /// Refuses a checkpoint at `path` that belongs to something else.
    fn check(&self, found: &Self, path: &Path) -> Result<(), TrainError> {
        let expected = self;
        let problem = if found.model != expected.model {
            format!(
                "it belongs to another model: {}, but this run has {}",
                found.model, expected.model
            )
        } else if found.data != expected.data {
            format!(
                "it was trained on other data (fingerprint {}) than the run would now read ({}); restore the data, or start a new run",
                found.data, expected.data
            )
        } else if identity_of(&found.recipe) != identity_of(&expected.recipe) {
            let lines = found
                .recipe
                .lines()
                .zip(expected.recipe.lines())
                .find(|(a, b)| a != b);
            let difference = lines.map_or(String::new(), |(a, b)| {
                format!(": it has `{a}`, this run has `{b}`")
            });
            format!("it belongs to another recipe{difference}")
        } else {
            return Ok(());
        };
        Err(TrainError::checkpoint(path, problem))
    }
}

impl Checkpoint {
    /// How far the newest checkpoint below `run` is, where one can be read. For a glance: neither its
    /// tensors nor its checksums are looked at.
    #[must_use]
    pub fn glance(run: &Path) -> Option<Progress> {
        checkpoint_dirs(run).into_iter().rev().find_map(|path| {
            let bytes = fs::read(path.join("state.json")).ok()?;
            serde_json::from_slice::<State>(&bytes)
                .ok()
                .map(|state| state.progress)
        })
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
