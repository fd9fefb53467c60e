//! Reads weights files: safetensors and every format of `torch.save`, recognized by content, not by name.
//!
//! Opening one reads only its index: names, types, shapes, and where the values lie. Names and shapes
//! are compared with the model's before any value is read, and values are read one tensor at a time,
//! so that a file cannot take more memory than the model it is for. Nothing in a file is ever executed.

mod contents;
mod element;
mod fit;
mod pickle;
mod pytorch;
mod pytorch_tar;
mod rules;
mod safetensors_file;
mod sniff;
mod storages;
mod view;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::TensorData;

use crate::listed::printable;
use crate::state_dict::StateDict;
use crate::weights_error::WeightsError;
use contents::{Contents, Entry};
use fit::Fit;
pub use rules::Rules;

/// The longest message on what is wrong with a file.
const LONGEST: usize = 1500;

/// A file of weights whose values are not read yet.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    length: u64,
    contents: Contents,
}

impl WeightsFile {
    /// Reads the index of a file: safetensors, or what `torch.save` writes.
    ///
    /// # Errors
    /// [`WeightsError`] naming the file, and what it is in place of weights.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io {
            path: path.into(),
            source,
        };
        let format = |reason: String| WeightsError::Format {
            path: path.into(),
            reason: printable(&reason, LONGEST),
        };
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(format("it is a directory or a device, not a file".into()));
        }
        let mut file = File::open(path).map_err(io)?;
        let length = metadata.len();
        let mut head = Vec::new();
        (&mut file)
            .take(sniff::LOOK)
            .read_to_end(&mut head)
            .map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let contents = match sniff::kind(&head, length).map_err(format)? {
            sniff::Kind::Safetensors => safetensors_file::open(file, length),
            sniff::Kind::Zip => pytorch::open_zip(file, length),
            sniff::Kind::Legacy => pytorch::open_legacy(file, length),
            sniff::Kind::Tar => pytorch_tar::open(file),
            sniff::Kind::Pickle => pytorch::open_pickle(file),
        };
        Ok(Self {
            path: path.into(),
            length,
            contents: contents.map_err(format)?,
        })
    }

    /// Text that travels with the weights (safetensors metadata).
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.contents.metadata
    }

    /// Loads the weights into a model and returns it with notes for the user. Prefixes and levels that
    /// all of the model's keys share are ignored, and so are tensors that are not floats. Half and double
    /// precision become single precision.
    ///
    /// # Errors
    /// [`WeightsError`] listing what is missing, extra or of another shape, before anything is read;
    /// or that values are damaged, before anything is loaded. A clone of the module, which shares
    /// its running statistics, changes only when the disk itself fails halfway.
    pub fn load_into<M: Module>(
        mut self,
        module: M,
        rules: &Rules,
    ) -> Result<(M, Vec<String>), WeightsError> {
        let shapes = StateDict::shapes(&module);
        let Fit { entries, notes } = self.fit(&shapes, rules)?;
        let places: BTreeMap<&str, (usize, &[usize])> = shapes
            .iter()
            .zip(&entries)
            .filter_map(|((key, shape), at)| Some((key.as_str(), ((*at)?, shape.as_slice()))))
            .collect();
        let module = StateDict::fill(module, |name| {
            let Some(&(at, shape)) = places.get(name.key.as_str()) else {
                return Ok(None);
            };
            let adapts = rules.adapts(&self.contents.entries[at].view.shape, shape);
            let read = self.read(at, name.transposed)?;
            Ok(Some(match adapts {
                true => rules::for_channels(&read, shape[1]),
                false => read,
            }))
        })?;
        Ok((module, notes))
    }

    /// The keys of the module that [`Self::load_into`] would leave as they are, because the file has no tensor for them or has another last
    /// layer.
    ///
    /// # Errors
    /// As [`Self::load_into`].
    pub fn left_out<M: Module>(
        mut self,
        module: &M,
        rules: &Rules,
    ) -> Result<Vec<String>, WeightsError> {
        let shapes = StateDict::shapes(module);
        let Fit { entries, .. } = self.fit(&shapes, rules)?;
        let keys = shapes.into_iter().zip(entries);
        Ok(keys
            .filter_map(|((key, _), entry)| entry.is_none().then_some(key))
            .collect())
    }

    /// Reads every tensor of floats by its full name, without a model to compare them with.
    ///
    /// # Errors
    /// [`WeightsError`] when values are damaged, or would take far more memory than the file.
    pub fn read_all(mut self) -> Result<StateDict, WeightsError> {
        let wanted =
            |entry: &Entry| entry.view.element.float().is_some() && !fit::is_counter(&entry.name);
        let wanted: Vec<usize> = (0..self.contents.entries.len())
            .filter(|at| wanted(&self.contents.entries[*at]))
            .collect();
        let bytes = wanted.iter().try_fold(0u64, |all, at| {
            let elements = self.contents.entries[*at].view.elements()? as u64;
            all.checked_add(elements.checked_mul(4)?)
        });
        // Half precision doubles, and compression may save something.
        if bytes.is_none_or(|bytes| bytes / 8 > self.length) {
            return Err(self.format(&format!(
                "its tensors would take far more memory than its {} bytes",
                self.length
            )));
        }
        let mut tensors = BTreeMap::new();
        for at in wanted {
            self.check(at)?;
            tensors.insert(
                self.contents.entries[at].name.clone(),
                self.read(at, false)?,
            );
        }
        Ok(StateDict {
            tensors,
            metadata: self.contents.metadata,
        })
    }

    /// Compares names and shapes, then values with their checksums.
    fn fit(&mut self, shapes: &[(String, Vec<usize>)], rules: &Rules) -> Result<Fit, WeightsError> {
        let fit = fit::fit(&self.contents.entries, shapes, rules).map_err(|reason| {
            WeightsError::Mismatch(format!("{}: {reason}", self.path.display()))
        })?;
        for at in fit.entries.iter().flatten() {
            self.check(*at)?;
        }
        Ok(fit)
    }

    fn check(&mut self, at: usize) -> Result<(), WeightsError> {
        let view = &self.contents.entries[at].view;
        let checked = self.contents.storages.check(view);
        checked.map_err(|reason| self.unreadable(at, &reason))
    }

    fn read(&mut self, at: usize, transposed: bool) -> Result<TensorData, WeightsError> {
        let view = self.contents.entries[at].view.clone();
        let view = if transposed { view.transposed() } else { view };
        let read = self.contents.storages.read(&view);
        read.map_err(|reason| self.unreadable(at, &reason))
    }

    fn unreadable(&self, at: usize, reason: &str) -> WeightsError {
        let name = &self.contents.entries[at].name;
        self.format(&format!("tensor `{name}`: {reason}"))
    }

    fn format(&self, reason: &str) -> WeightsError {
        WeightsError::Format {
            path: self.path.clone(),
            reason: printable(reason, LONGEST),
        }
    }
}
