//! The manifest of a checkpoint: its files with their checksums, which are verified on reading.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::TensorData;
use firebrick_core::checksum;
use firebrick_core::error::excerpt;
use firebrick_core::state_dict::{StateDict, read_safetensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// Raised when older versions can no longer read what is written. Format 1 had other names for the
/// parameters of norms; it is still read.
pub(super) const FORMAT: u32 = 2;

/// `manifest.json`: what the set consists of.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    firebrick: String,
    files: BTreeMap<String, String>,
    /// Over the fields above, so that a flipped byte in this file shows too.
    checksum: String,
}

impl Manifest {
    pub(super) fn new(files: BTreeMap<String, String>) -> Self {
        Self::of_format(FORMAT, files)
    }

    pub(super) fn of_format(format: u32, files: BTreeMap<String, String>) -> Self {
        let mut manifest = Self {
            format,
            firebrick: env!("CARGO_PKG_VERSION").into(),
            files,
            checksum: String::new(),
        };
        manifest.checksum = manifest.sum();
        manifest
    }

    fn sum(&self) -> String {
        checksum::of(format!("{} {} {:?}", self.format, self.firebrick, self.files).as_bytes())
    }
}

/// Files of a set whose checksums fit.
pub(super) struct SoundFiles<'a> {
    path: &'a Path,
    /// The format that they were written in.
    pub(super) format: u32,
    files: BTreeMap<String, Vec<u8>>,
}

impl<'a> SoundFiles<'a> {
    /// Reads those files of a set that `wanted` names.
    pub(super) fn read(path: &'a Path, wanted: impl Fn(&str) -> bool) -> Result<Self, TrainError> {
        let bad = |problem: String| TrainError::checkpoint(path, problem);
        let read =
            |name: &str| fs::read(path.join(name)).map_err(|error| bad(format!("{name}: {error}")));
        let manifest: Manifest = serde_json::from_slice(&read("manifest.json")?)
            .map_err(|error| bad(format!("manifest.json is damaged: {error}")))?;
        if manifest.checksum != manifest.sum() {
            return Err(bad(
                "manifest.json is damaged: its checksum does not match".into()
            ));
        }
        if !(1..=FORMAT).contains(&manifest.format) {
            return Err(bad(format!(
                "written in format {} by firebrick {}; this version reads formats 1 to {FORMAT}",
                manifest.format, manifest.firebrick
            )));
        }
        let format = manifest.format;
        let mut files = BTreeMap::new();
        for (name, sum) in manifest.files.into_iter().filter(|(name, _)| wanted(name)) {
            if Path::new(&name).file_name() != Some(name.as_ref()) {
                let shown = excerpt(&name);
                return Err(bad(format!(
                    "manifest.json lists `{shown}`, which does not belong to a checkpoint"
                )));
            }
            let bytes = read(&name)?;
            if checksum::of(&bytes) != sum {
                return Err(bad(format!(
                    "{name} is damaged: its checksum does not match"
                )));
            }
            files.insert(name, bytes);
        }
        Ok(Self {
            path,
            format,
            files,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    fn file(&self, name: &str) -> Result<&[u8], TrainError> {
        let missing = || TrainError::checkpoint(self.path, format!("{name} is missing"));
        self.files.get(name).map(Vec::as_slice).ok_or_else(missing)
    }

    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, TrainError> {
        serde_json::from_slice(self.file(name)?)
            .map_err(|error| TrainError::checkpoint(self.path, format!("{name}: {error}")))
    }

    /// The tensors of a file, whose bytes are given up.
    pub(super) fn take_tensors(&mut self, name: &str) -> Result<StateDict, TrainError> {
        let tensors = StateDict::from_safetensors(self.file(name)?)
            .map_err(|error| TrainError::checkpoint(self.path, format!("{name}: {error}")))?;
        self.files.remove(name);
        Ok(tensors)
    }

    pub(super) fn tensors_of_any_type(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, TensorData>, TrainError> {
        read_safetensors(self.file(name)?)
            .map_err(|error| TrainError::checkpoint(self.path, format!("{name}: {error}")))
    }
}
