//! Checkpoints: one directory each, written as a set, with checksums over every file.
//!
//! A set is written to a temporary directory, synced, and renamed, so a directory that bears a
//! checkpoint's name is complete unless the disk failed; what the disk did to it later shows in the
//! checksums.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use firebrick_core::state_dict::StateDict;
use firebrick_core::update::{ParameterState, UpdateState};

use crate::error::TrainError;
use crate::hook::HookState;
use crate::progress::Progress;
use crate::run_dir::{RunDir, checkpoint_dirs, sync_dir};

/// Raised when older versions can no longer read what is written.
const FORMAT: u32 = 1;

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
    /// The model to evaluate, where it is another one.
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
    optimizer_numbers: BTreeMap<String, BTreeMap<String, f64>>,
    #[serde(default)]
    optimizer_shared: BTreeMap<String, f64>,
    hooks: BTreeMap<String, serde_json::Value>,
}

/// `manifest.json`: what the set consists of.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    firebrick: String,
    files: BTreeMap<String, String>,
    /// Over the fields above, so that a flipped byte in this file shows too.
    checksum: String,
}

impl Manifest {
    fn new(files: BTreeMap<String, String>) -> Self {
        let mut manifest = Self {
            format: FORMAT,
            firebrick: env!("CARGO_PKG_VERSION").into(),
            files,
            checksum: String::new(),
        };
        manifest.checksum = manifest.sum();
        manifest
    }

    fn sum(&self) -> String {
        sha256(format!("{} {} {:?}", self.format, self.firebrick, self.files).as_bytes())
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The directory name of the checkpoint after `step` updates.
fn directory(step: u64) -> String {
    format!("step-{step:09}")
}

impl Checkpoint {
    /// Writes the set into the run directory.
    ///
    /// # Errors
    /// [`TrainError::RunDir`]; the run directory then holds what it held before.
    pub fn save(&self, run: &RunDir) -> Result<(), TrainError> {
        let parent = run.path().join("checkpoints");
        let target = parent.join(directory(self.progress.step));
        let failed = |error: std::io::Error| {
            TrainError::run_dir(&target, format!("cannot write the checkpoint: {error}"))
        };
        let temp = tempfile::Builder::new()
            .prefix(".tmp-")
            .tempdir_in(&parent)
            .map_err(failed)?;
        let mut sums = BTreeMap::new();
        for (name, bytes) in self.files()? {
            write_synced(&temp.path().join(&name), &bytes).map_err(failed)?;
            sums.insert(name, sha256(&bytes));
        }
        let manifest = serde_json::to_vec_pretty(&Manifest::new(sums))
            .map_err(|error| TrainError::run_dir(&target, error.to_string()))?;
        write_synced(&temp.path().join("manifest.json"), &manifest).map_err(failed)?;
        sync_dir(temp.path()).map_err(failed)?;
        // The same step is saved again after a resume, or at the end of an epoch: the new set wins.
        if target.exists() {
            let aside = parent.join(format!(".tmp-old-{}", directory(self.progress.step)));
            let _ = fs::remove_dir_all(&aside);
            fs::rename(&target, &aside).map_err(failed)?;
            fs::rename(temp.keep(), &target).map_err(failed)?;
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
        for (name, state) in &self.hooks {
            let tensors = StateDict {
                tensors: state.tensors.clone(),
                ..StateDict::default()
            };
            files.push((format!("hook-{name}.safetensors"), encode(&tensors)?));
        }
        Ok(files)
    }

    /// Reads a set, checking every byte. Optimizer tensors are put on `device`.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] naming the file that is missing or was changed.
    pub fn load(path: &Path, device: &Device) -> Result<Self, TrainError> {
        let bad = |problem: String| TrainError::checkpoint(path, problem);
        let read =
            |name: &str| fs::read(path.join(name)).map_err(|error| bad(format!("{name}: {error}")));
        let manifest: Manifest = serde_json::from_slice(&read("manifest.json")?)
            .map_err(|error| bad(format!("manifest.json is damaged: {error}")))?;
        if manifest.checksum != manifest.sum() {
            return Err(bad(
                "manifest.json is damaged: its checksum does not fit".into()
            ));
        }
        if manifest.format != FORMAT {
            return Err(bad(format!(
                "written in format {} by firebrick {}; this version reads format {FORMAT}",
                manifest.format, manifest.firebrick
            )));
        }
        let mut files = BTreeMap::new();
        for (name, sum) in &manifest.files {
            let bytes = read(name)?;
            if sha256(&bytes) != *sum {
                return Err(bad(format!("{name} is damaged: its checksum does not fit")));
            }
            files.insert(name.as_str(), bytes);
        }
        let file = |name: &str| {
            files
                .get(name)
                .ok_or_else(|| bad(format!("{name} is missing from the set")))
        };
        let tensors = |name: &str| {
            StateDict::from_safetensors(file(name)?)
                .map_err(|error| bad(format!("{name}: {error}")))
        };
        let state: State = serde_json::from_slice(file("state.json")?)
            .map_err(|error| bad(format!("state.json: {error}")))?;
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
        for (key, data) in tensors("optimizer.safetensors")?.tensors {
            let Some((path, name)) = key.rsplit_once('/') else {
                return Err(bad(format!(
                    "optimizer.safetensors: `{key}` is no parameter path"
                )));
            };
            optimizer
                .parameters
                .entry(path.into())
                .or_default()
                .tensors
                .insert(name.into(), Tensor::from_data(data, device));
        }
        let mut hooks = BTreeMap::new();
        for (name, data) in state.hooks {
            let tensors = tensors(&format!("hook-{name}.safetensors"))?.tensors;
            hooks.insert(name, HookState { tensors, data });
        }
        Ok(Self {
            identity: state.identity,
            progress: state.progress,
            model: tensors("model.safetensors")?,
            evaluated: if files.contains_key("evaluated.safetensors") {
                Some(tensors("evaluated.safetensors")?)
            } else {
                None
            },
            optimizer,
            hooks,
        })
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

    fn belongs_to(self, expected: &Identity, path: &Path) -> Result<Self, TrainError> {
        let found = &self.identity;
        let problem = if found.model != expected.model {
            format!(
                "it belongs to another model: {}, but this run has {}",
                found.model, expected.model
            )
        } else if found.data != expected.data {
            format!(
                "it was trained on other data: fingerprint {}, but this run reads {}",
                found.data, expected.data
            )
        } else if found.recipe != expected.recipe {
            let lines = found
                .recipe
                .lines()
                .zip(expected.recipe.lines())
                .find(|(a, b)| a != b);
            let difference = lines.map_or(String::new(), |(a, b)| {
                format!(": it says `{a}`, this run says `{b}`")
            });
            format!("it belongs to another recipe{difference}")
        } else {
            return Ok(self);
        };
        Err(TrainError::checkpoint(path, problem))
    }

    /// The checkpoint of a run directory after `step` updates.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when it is not sound.
    pub fn at(run: &RunDir, step: u64, device: &Device) -> Result<Self, TrainError> {
        Self::load(
            &run.path().join("checkpoints").join(directory(step)),
            device,
        )
    }

    /// Removes checkpoints that are neither among the last two nor in `keep`, and what interrupted
    /// writes left behind. The last but one stays in case the last is damaged.
    pub fn prune(run: &RunDir, keep: &[u64]) {
        let found = run.checkpoints();
        let kept: Vec<PathBuf> = keep
            .iter()
            .map(|step| run.path().join("checkpoints").join(directory(*step)))
            .collect();
        for path in found
            .iter()
            .rev()
            .skip(2)
            .filter(|path| !kept.contains(path))
        {
            let _ = fs::remove_dir_all(path);
        }
        for entry in fs::read_dir(run.path().join("checkpoints"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(".tmp-") {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
