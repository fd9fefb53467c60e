//! What a teacher predicts for each training image as it is, computed once and kept in the run directory.

use std::path::Path;

use burn::tensor::TensorData;
use firebrick_core::data::{DataError, Dataset};
use firebrick_core::state_dict::StateDict;

use crate::Error;
use crate::model_file::{sealed, verify};

/// The file in the run directory.
pub(super) const FILE: &str = "teacher.safetensors";
/// The tensor in it: the logarithm of the probability of each class, a row for each training image.
const TENSOR: &str = "log_probabilities";
const TEACHER: &str = "firebrick.teacher";
const DATA: &str = "firebrick.data";

/// A row of log-probabilities for each training image, by its index.
pub(super) struct Table {
    /// The fingerprint of the teacher.
    pub(super) teacher: String,
    /// The fingerprint of the images.
    data: String,
    classes: usize,
    /// NaN for an image that cannot be read.
    values: Vec<f32>,
}

impl Table {
    /// Without any prediction.
    pub(super) fn new(teacher: String, data: String, images: usize, classes: usize) -> Self {
        Self {
            teacher,
            data,
            classes,
            values: vec![f32::NAN; images * classes],
        }
    }

    /// Takes the prediction for an image.
    pub(super) fn set(&mut self, index: usize, row: impl Iterator<Item = f32>) {
        let own = &mut self.values[index * self.classes..][..self.classes];
        own.iter_mut()
            .zip(row)
            .for_each(|(own, value)| *own = value);
    }

    /// The predictions for some images, row by row.
    pub(super) fn rows(&self, indices: &[usize]) -> Result<Vec<f32>, DataError> {
        let mut rows = Vec::with_capacity(indices.len() * self.classes);
        for index in indices {
            let row = self
                .values
                .get(index * self.classes..(index + 1) * self.classes);
            let known = row.filter(|row| row.iter().all(|value| !value.is_nan()));
            rows.extend(known.ok_or_else(|| {
                DataError::Invalid(format!(
                    "the teacher could not read training image {index} before, so it has no prediction for it: remove {FILE} from the run directory, and resume the run"
                ))
            })?);
        }
        Ok(rows)
    }

    /// The content of its file.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let shape = [self.values.len() / self.classes.max(1), self.classes];
        let tensor = TensorData::new(self.values.clone(), shape);
        let dict = StateDict {
            tensors: [(TENSOR.to_string(), tensor)].into(),
            metadata: Default::default(),
        };
        let metadata = [(TEACHER, &self.teacher), (DATA, &self.data)];
        let metadata = metadata.map(|(key, value)| (key.to_string(), value.clone()));
        sealed(&dict, metadata.into()).map_err(|problem| Error::ModelFile {
            path: FILE.into(),
            problem,
        })
    }

    /// That of a run directory, if there is one. `data` is the fingerprint of the images.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(
        run: &Path,
        data: &str,
        images: &dyn Dataset,
    ) -> Result<Option<Self>, String> {
        let path = run.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        verify(&path).map_err(|error| match error {
            Error::ModelFile { problem, .. } => problem,
            other => other.to_string(),
        })?;
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        let mut dict = StateDict::from_safetensors(&bytes)?;
        let mut text = |key: &str| dict.metadata.remove(key);
        let (Some(teacher), Some(of)) = (text(TEACHER), text(DATA)) else {
            return Err("it does not say which teacher predicted which images".into());
        };
        let classes = images.classes().len();
        let tensor = dict.tensors.remove(TENSOR);
        let tensor = tensor.filter(|data| data.shape().to_vec() == [images.len(), classes]);
        match tensor {
            Some(tensor) if of == data => Ok(Some(Self {
                teacher,
                data: of,
                classes,
                values: tensor.iter::<f32>().collect(),
            })),
            _ => Err("it is about other images".into()),
        }
    }
}
