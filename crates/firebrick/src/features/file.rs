//! Files of features for other tools.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firebrick_core::ConfigError;
use firebrick_core::data::{DataError, Dataset};
use firebrick_datasets::{Split, Splits};
use firebrick_train::run_dir::write_whole;
use firebrick_transfer::Features;
use safetensors::tensor::{Dtype, TensorView};

use super::{DatasetFeatures, Extractor};
use crate::Error;

/// The format of a file of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Safetensors: for each stage a matrix `[images × features]` of f32 under its name, `labels` `[images]` of i64, and in the metadata, as JSON,
    /// `classes`, `names` of the images and `stages`.
    Safetensors,
    /// NumPy: one matrix `[images × features]` of f32, the stages side by side; labels and names lie in a CSV file beside it.
    Npy,
    /// [`firebrick_transfer::cache`].
    Features,
}

impl Format {
    /// That of a file, by the end of its name.
    ///
    /// # Errors
    /// [`ConfigError`] for another end.
    pub fn of(path: &Path) -> Result<Self, ConfigError> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.to_lowercase().as_str() {
            "safetensors" => Ok(Self::Safetensors),
            "npy" => Ok(Self::Npy),
            "features" => Ok(Self::Features),
            _ => Err(ConfigError::Conflict(format!(
                "{}: the end of the name says the format; it must be .safetensors, .npy or .features",
                path.display()
            ))),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Features => "features",
        }
    }
}

/// The images of a split; without one, those that are trained on.
///
/// # Errors
/// [`ConfigError`] for a split that is not there.
pub fn split(splits: &Splits, wanted: Option<Split>) -> Result<Arc<dyn Dataset>, ConfigError> {
    let alone = splits.valid.is_none() && splits.test.is_none();
    let there = |wanted: Split| match wanted {
        Split::Train => Some(&splits.train),
        Split::Valid => splits.valid.as_ref(),
        Split::Test => splits.test.as_ref(),
        Split::All => alone.then_some(&splits.train),
    };
    let found = there(wanted.unwrap_or(Split::Train));
    found.cloned().ok_or_else(|| {
        let all = [Split::Train, Split::Valid, Split::Test, Split::All];
        let names: Vec<_> = all
            .into_iter()
            .filter(|split| there(*split).is_some())
            .collect();
        let names: Vec<_> = names.into_iter().map(Split::name).collect();
        ConfigError::Conflict(format!(
            "{} has no {} split; choose one of: {}",
            splits.name,
            wanted.map_or("train", Split::name),
            names.join(", ")
        ))
    })
}

/// The CSV file beside a matrix, with the columns `image`, `label` and `class`.
#[must_use]
pub fn labels_beside(matrix: &Path) -> PathBuf {
    matrix.with_extension("csv")
}

/// Writes the features of a data set. Returns the number of images. A file in [`Format::Features`] is there already: it is the cache of the
/// pass.
///
/// # Errors
/// [`Error`] for features that cannot be read, and files that cannot be written.
pub fn write(
    path: &Path,
    format: Format,
    extractor: &Extractor,
    features: &DatasetFeatures,
) -> Result<usize, Error> {
    // What is in the file already is only counted: any stage has all rows.
    let wanted = match format {
        Format::Features => 1,
        Format::Safetensors | Format::Npy => usize::MAX,
    };
    let stages = extractor.stages().take(wanted).map(|stage| {
        let of_stage = features.stage(&stage.name)?;
        Ok((stage.name.clone(), of_stage))
    });
    let stages: Vec<(String, Features)> = stages.collect::<Result<_, Error>>()?;
    let Some((_, first)) = stages.first() else {
        return Ok(0);
    };
    match format {
        Format::Safetensors => put(path, &safetensors(path, &stages)?)?,
        Format::Npy => {
            put(path, &npy(&stages))?;
            put(&labels_beside(path), csv(first).as_bytes())?;
        }
        Format::Features => {}
    }
    Ok(first.rows())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    write_whole(path, bytes).map_err(|error| DataError::io(path, error))
}

fn safetensors(path: &Path, stages: &[(String, Features)]) -> Result<Vec<u8>, Error> {
    let refused = |problem: String| DataError::corrupt(path, problem);
    let (_, first) = &stages[0];
    let labels = first
        .labels()
        .iter()
        .flat_map(|label| (*label as i64).to_le_bytes());
    let labels: Vec<u8> = labels.collect();
    let values = stages.iter().map(|(_, stage)| {
        let values = stage.values().iter();
        values
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
    });
    let values: Vec<Vec<u8>> = values.collect();
    let mut tensors = Vec::new();
    for ((name, stage), values) in stages.iter().zip(&values) {
        let shape = vec![stage.rows(), stage.width()];
        let view = TensorView::new(Dtype::F32, shape, values);
        tensors.push((
            name.clone(),
            view.map_err(|error| refused(error.to_string()))?,
        ));
    }
    let view = TensorView::new(Dtype::I64, vec![first.rows()], &labels);
    tensors.push((
        "labels".into(),
        view.map_err(|error| refused(error.to_string()))?,
    ));
    let names: Vec<String> = (0..first.rows()).map(|row| first.name(row)).collect();
    let stage_names: Vec<&String> = stages.iter().map(|(name, _)| name).collect();
    let json = |value: serde_json::Value| value.to_string();
    let metadata: HashMap<String, String> = [
        ("classes".into(), json(serde_json::json!(first.classes()))),
        ("names".into(), json(serde_json::json!(names))),
        ("stages".into(), json(serde_json::json!(stage_names))),
    ]
    .into();
    let bytes = safetensors::serialize(tensors, Some(metadata));
    Ok(bytes.map_err(|error| refused(error.to_string()))?)
}

/// The format of NumPy's files, version 1.0.
fn npy(stages: &[(String, Features)]) -> Vec<u8> {
    let rows = stages[0].1.rows();
    let width: usize = stages.iter().map(|(_, stage)| stage.width()).sum();
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    // What comes before the values ends at a multiple of 64 bytes, with a line break.
    const BEFORE: usize = 10;
    let spaces = (BEFORE + header.len() + 1).next_multiple_of(64) - BEFORE - header.len() - 1;
    header.extend(std::iter::repeat_n(' ', spaces));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for row in 0..rows {
        for (_, stage) in stages {
            bytes.extend(stage.row(row).iter().flat_map(|value| value.to_le_bytes()));
        }
    }
    bytes
}

fn csv(features: &Features) -> String {
    let field = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "image,label,class\n".to_string();
    for (row, label) in features.labels().iter().enumerate() {
        let class = &features.classes()[*label];
        text += &format!("{},{label},{}\n", field(&features.name(row)), field(class));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Vec<(String, Features)> {
        let classes = vec!["ant".to_string(), "b\"ee".into()];
        let make = |values: Vec<f32>, width| {
            let features = Features::new(values, width, vec![1, 0], classes.clone()).unwrap();
            features
                .with_names(vec!["a, b.png".into(), "c.png".into()])
                .unwrap()
        };
        vec![
            ("early".into(), make(vec![1.0, 2.0, 3.0, 4.0], 2)),
            ("late".into(), make(vec![-1.0, 0.5], 1)),
        ]
    }

    #[test]
    fn numpy_reads_rows_of_all_stages() {
        let bytes = npy(&stages());
        let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
        assert_eq!((10 + header) % 64, 0);
        let text = std::str::from_utf8(&bytes[10..10 + header]).unwrap();
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"));
        assert!(text.ends_with('\n'));
        let (values, _) = bytes[10 + header..].as_chunks();
        let values: Vec<f32> = values
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect();
        assert_eq!(values, [1.0, 2.0, -1.0, 3.0, 4.0, 0.5]);
        let csv = csv(&stages()[0].1);
        assert_eq!(
            csv,
            "image,label,class\n\"a, b.png\",1,\"b\"\"ee\"\n\"c.png\",0,\"ant\"\n"
        );
    }

    #[test]
    fn safetensors_hold_stages_labels_and_names() {
        let bytes = safetensors(Path::new("f"), &stages()).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        assert_eq!(metadata["stages"], "[\"early\",\"late\"]");
        assert_eq!(metadata["names"], "[\"a, b.png\",\"c.png\"]");
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let early = file.tensor("early").unwrap();
        assert_eq!((early.shape(), early.dtype()), (&[2, 2][..], Dtype::F32));
        let labels = file.tensor("labels").unwrap();
        assert_eq!(
            (labels.dtype(), labels.data()[0], labels.data()[8]),
            (Dtype::I64, 1, 0)
        );
    }

    #[test]
    fn the_end_of_the_name_says_the_format() {
        assert_eq!(Format::of(Path::new("a/B.NPY")), Ok(Format::Npy));
        let error = Format::of(Path::new("a/b.csv")).unwrap_err().to_string();
        assert!(
            error.contains("b.csv: the end of the name says the format"),
            "{error}"
        );
    }
}
