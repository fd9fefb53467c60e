//! Model files: weights under PyTorch's names, with everything needed to use them.
//!
//! A safetensors file whose metadata holds the model's spec, the class names and the preprocessing.
//! It holds no times and no paths, so equal runs give equal bytes. A checksum over the whole file lies
//! in the metadata too; reading compares it. What the metadata asks for is checked before anything is
//! built from it: such files come from elsewhere too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firebrick_core::checksum::{Checksum, DIGITS};
use firebrick_core::data::Preprocessing;
use firebrick_core::error::check;
use firebrick_core::run::RunRecord;
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_core::weights_file::WeightsFile;
use firebrick_core::{Classifier, ConfigError};
use firebrick_zoo::{Input, MAX_CLASSES, MAX_SIDE, Model};

use crate::{Error, Models};

/// What precedes the digits of the checksum in the file.
const CHECKSUM: &[u8] = b"\"firebrick.checksum\":\"";
/// No header is nearly as large.
const MAX_HEADER: u64 = 64 << 20;

/// What is to be known of a trained model beside its weights: what to build, and how to feed it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The model's spec.
    pub model: Spec,
    /// Class names; an output of the model indexes them.
    pub classes: Vec<String>,
    /// How raw images become input.
    pub preprocessing: Preprocessing,
}

fn unwritable(problem: String) -> Error {
    Error::ModelFile {
        path: "model.safetensors".into(),
        problem,
    }
}

/// A trained model, ready to be used.
#[derive(Debug)]
pub struct TrainedModel<M = Model> {
    /// What it tells apart, and what it reads.
    pub info: ModelInfo,
    /// The network with its weights.
    pub network: M,
    /// Where the network is.
    pub device: Device,
}

impl ModelInfo {
    /// The bytes of a model file with these weights.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for weights that the format cannot hold.
    pub fn to_bytes(&self, weights: &StateDict) -> Result<Vec<u8>, Error> {
        sealed(weights, self.metadata()?).map_err(unwritable)
    }

    /// The text that a file of this model carries.
    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>, Error> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| unwritable(error.to_string()))
        };
        let metadata = [
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
        ];
        Ok(metadata.into())
    }

    /// Opens a model file, or that of a run directory, whose model is of the zoo. The weights are not read yet.
    ///
    /// # Errors
    /// [`Error::Weights`] when it cannot be read, [`Error::ModelFile`] when it is no model file.
    pub fn open(path: &Path) -> Result<(Self, WeightsFile), Error> {
        Self::open_with(path, &Models::default())
    }

    /// As [`Self::open`], for a model which is one of `models`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with<M>(path: &Path, models: &Models<M>) -> Result<(Self, WeightsFile), Error> {
        let file = Self::locate(path)?;
        let problem = |problem: String| Error::ModelFile {
            path: file.display().to_string(),
            problem,
        };
        verify(&file)?;
        let weights = WeightsFile::open(&file)?;
        let metadata = |key: &str| {
            let missing = || {
                problem(format!(
                    "it has weights but no `{key}`, so it is not a model file that Firebrick wrote; for other weights files use --model NAME --weights FILE"
                ))
            };
            weights.metadata().get(key).ok_or_else(missing)
        };
        let damaged =
            |error: serde_json::Error| problem(format!("its metadata is damaged: {error}"));
        let refused = |error: ConfigError| problem(format!("its metadata cannot be used: {error}"));
        let model: Spec = metadata("firebrick.model")?.parse().map_err(refused)?;
        let classes: Vec<String> =
            serde_json::from_str(metadata("firebrick.classes")?).map_err(damaged)?;
        let preprocessing: Preprocessing =
            serde_json::from_str(metadata("firebrick.preprocessing")?).map_err(damaged)?;
        let info = Self {
            model,
            classes,
            preprocessing,
        };
        info.check(models).map_err(refused)?;
        Ok((info, weights))
    }

    /// Refuses what no model can be built from and no image can be brought to.
    fn check<M>(&self, models: &Models<M>) -> Result<(), ConfigError> {
        check("model file", "classes", self.classes.len(), 2..=MAX_CLASSES)?;
        self.preprocessing.check(MAX_SIDE)?;
        models.architecture(&self.model).map(|_| ())
    }

    fn locate(path: &Path) -> Result<PathBuf, Error> {
        let refused = |problem: &str| Error::ModelFile {
            path: path.display().to_string(),
            problem: problem.into(),
        };
        if !path.exists() {
            return Err(refused(
                "there is no such run directory or model file; `firebrick runs` lists your runs",
            ));
        }
        if !path.is_dir() {
            return Ok(path.into());
        }
        let file = path.join("model.safetensors");
        if file.is_file() {
            return Ok(file);
        }
        let problem = if path.join("recipe.toml").is_file() {
            "this run has no model.safetensors yet because it is not finished; continue it with `firebrick train --resume`"
        } else {
            "this is not a run directory: it has no model.safetensors"
        };
        Err(refused(problem))
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

    /// Builds the model, which is one of `models`, with the weights of a file, which it reads one tensor at
    /// a time. Returns it with notes for the user.
    ///
    /// # Errors
    /// [`Error::Weights`] when the weights are not the model's.
    pub fn load<M: Classifier>(
        self,
        weights: WeightsFile,
        models: &Models<M>,
        device: &Device,
    ) -> Result<(TrainedModel<M>, Vec<String>), Error> {
        // Not drawn: that would take the memory that the metadata asks for before the weights are known
        // to be of that size.
        let architecture = models.architecture(&self.model)?;
        let model = architecture.undrawn(&self.input(), device)?;
        let rules = firebrick_zoo::rules(&*architecture);
        let (network, notes) = weights.load_into(model, &rules)?;
        let model = TrainedModel {
            info: self,
            network,
            device: device.clone(),
        };
        Ok((model, notes))
    }
}

impl TrainedModel {
    /// Reads a model file, or that of a run directory, whose model is of the zoo.
    ///
    /// # Errors
    /// As [`ModelInfo::open`] and [`ModelInfo::load`].
    pub fn read(path: &Path, device: &Device) -> Result<Self, Error> {
        Self::read_with(path, &Models::default(), device)
    }
}

impl<M: Classifier> TrainedModel<M> {
    /// As [`TrainedModel::read`], for a model which is one of `models`.
    ///
    /// # Errors
    /// As [`TrainedModel::read`].
    pub fn read_with(path: &Path, models: &Models<M>, device: &Device) -> Result<Self, Error> {
        let (info, weights) = ModelInfo::open_with(path, models)?;
        Ok(info.load(weights, models, device)?.0)
    }
}

/// The bytes of a safetensors file with this text and a checksum over the whole, which [`verify`] compares.
///
/// # Errors
/// What the format cannot hold.
pub(crate) fn sealed(
    tensors: &StateDict,
    mut metadata: BTreeMap<String, String>,
) -> Result<Vec<u8>, String> {
    metadata.insert("firebrick.checksum".into(), "0".repeat(DIGITS));
    let mut bytes = tensors.to_safetensors_with(&metadata)?;
    // Taken over the file with zeros in the place of the checksum.
    let sum = firebrick_core::checksum::of(&bytes);
    if let Some(at) = place_of_checksum(&bytes) {
        bytes[at..at + DIGITS].copy_from_slice(sum.as_bytes());
    }
    Ok(bytes)
}

/// Refuses a file whose content does not match its checksum. Files from elsewhere have no checksum and
/// pass.
///
/// # Errors
/// [`Error::ModelFile`], or [`Error::Weights`] when it cannot be read.
pub(crate) fn verify(path: &Path) -> Result<(), Error> {
    let checked = check_sum(path).map_err(|source| WeightsError::Io {
        path: path.into(),
        source,
    })?;
    checked.map_err(|problem| Error::ModelFile {
        path: path.display().to_string(),
        problem,
    })
}

/// Where the digits of the checksum begin, if the header has one.
fn place_of_checksum(bytes: &[u8]) -> Option<usize> {
    let (length, header) = bytes.split_at_checked(8)?;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    let header = header.get(..usize::try_from(length).ok()?)?;
    let at = header
        .windows(CHECKSUM.len())
        .position(|window| window == CHECKSUM)?
        + CHECKSUM.len();
    (at + DIGITS <= header.len()).then_some(8 + at)
}

/// Compares a file with the checksum in its metadata or, if that has none, with the one in the `run.json`
/// beside the file. Only the header is held in memory.
fn check_sum(path: &Path) -> std::io::Result<Result<(), String>> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut head = Vec::new();
    Read::take(&mut file, 8).read_to_end(&mut head)?;
    let length = head.clone().try_into().map_or(0, u64::from_le_bytes);
    Read::take(&mut file, length.min(MAX_HEADER)).read_to_end(&mut head)?;
    let written = place_of_checksum(&head).map(|at| {
        let digits = head[at..at + DIGITS].to_vec();
        head[at..at + DIGITS].fill(b'0');
        digits
    });
    let beside = || {
        let record = RunRecord::read(path.parent()?).ok()?;
        let sum = record.files.get(path.file_name()?.to_str()?)?;
        Some(sum.clone().into_bytes())
    };
    let Some(expected) = written.or_else(beside) else {
        return Ok(Ok(()));
    };
    let mut sum = Checksum::default();
    sum.add(&head);
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => sum.add(&chunk[..read]),
        }
    }
    let same = sum.digits().as_bytes() == expected;
    Ok(same.then_some(()).ok_or_else(|| {
        "it is damaged, or was changed after it was written: its checksum does not match"
            .to_string()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use firebrick_core::data::Fit;

    fn device() -> Device {
        firebrick_core::device("flex").unwrap()
    }

    fn model() -> (ModelInfo, StateDict) {
        let spec: Spec = "small_cnn(width=1)".parse().unwrap();
        let info = ModelInfo {
            model: firebrick_zoo::canonical(&spec).unwrap(),
            classes: ["cat", "größe \"x\"", "\u{1b}[2J"]
                .map(String::from)
                .to_vec(),
            preprocessing: Preprocessing {
                fit: Fit::Squash,
                mean: vec![0.5],
                std: vec![0.25],
                ..Preprocessing::unnormalized(1, 8, 8)
            },
        };
        let built = firebrick_zoo::build(&info.model, &info.input(), 7, &device()).unwrap();
        (info, StateDict::of(&built))
    }

    fn bytes() -> Vec<u8> {
        let (info, weights) = model();
        info.to_bytes(&weights).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<TrainedModel, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        std::fs::write(&path, bytes).unwrap();
        TrainedModel::read(&path, &device())
    }

    /// The file with other metadata, and a checksum that fits: as someone else would write it.
    fn with(key: &str, value: &str) -> Vec<u8> {
        let mut dict = StateDict::from_safetensors(&bytes()).unwrap();
        dict.metadata.remove("firebrick.checksum");
        dict.metadata.insert(key.into(), value.into());
        dict.to_safetensors().unwrap()
    }

    #[test]
    fn equal_models_give_equal_bytes_that_read_back() {
        let bytes = bytes();
        assert_eq!(bytes, self::bytes());
        let (info, weights) = model();
        let back = read(&bytes).unwrap();
        assert_eq!(back.info, info);
        assert_eq!(StateDict::of(&back.network), weights);
        // One of an earlier version, without a checksum.
        assert_eq!(read(&with("x", "y")).unwrap().info, info);
    }

    #[test]
    fn every_changed_byte_shows_or_does_not_matter() {
        let bytes = bytes();
        let (info, weights) = model();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        for at in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).unwrap();
            match TrainedModel::read(&path, &device()) {
                Err(error) => assert!(error.to_string().contains("m.safetensors"), "{error}"),
                Ok(back) => assert_eq!(
                    (back.info, StateDict::of(&back.network)),
                    (info.clone(), weights.clone()),
                    "byte {at}"
                ),
            }
        }
        for end in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
            let error = read(&bytes[..end]).unwrap_err().to_string();
            assert!(error.contains("m.safetensors"), "{end}: {error}");
        }
    }

    #[test]
    fn metadata_from_elsewhere_is_checked_before_it_is_used() {
        let image = |fields: &str| {
            let plain =
                r#"{"channels":1,"height":8,"width":8,"fit":"crop","mean":[0.5],"std":[0.25]}"#;
            let (key, _) = fields.split_once(':').unwrap();
            let from = plain.find(key).unwrap();
            let to = from + plain[from..].find([',', '}']).unwrap();
            with(
                "firebrick.preprocessing",
                &format!("{}{fields}{}", &plain[..from], &plain[to..]),
            )
        };
        let deep = "a(".repeat(9_000);
        for (bytes, needle) in [
            (image("\"std\":[0.0]"), "std = 0"),
            (image("\"mean\":[]"), "mean has 0 values"),
            (image("\"mean\":[0.5,0.5]"), "mean has 2 values"),
            (image("\"width\":2147483648"), "width = 2147483648"),
            (image("\"height\":1000000000"), "height = 1000000000"),
            (image("\"channels\":9"), "channels = 9"),
            (image("\"width\":0"), "width = 0"),
            (image("\"fit\":\"twist\""), "damaged"),
            (with("firebrick.preprocessing", "[[[["), "damaged"),
            (with("firebrick.classes", "[]"), "classes = 0"),
            (with("firebrick.classes", "[\"one\"]"), "classes = 1"),
            (with("firebrick.classes", &"[".repeat(100_000)), "damaged"),
            (
                with("firebrick.model", &deep),
                "nested more than 32 levels deep",
            ),
            (
                with("firebrick.model", "small_cnn(width=99999999)"),
                "width = 99999999",
            ),
            (with("firebrick.model", "resnet1000"), "unknown model"),
        ] {
            let error = read(&bytes).map(|_| ()).unwrap_err().to_string();
            assert!(
                error.contains("m.safetensors") && error.contains(needle),
                "{needle}: {error}"
            );
            assert!(error.len() < 1_500, "{error}");
        }
    }

    #[test]
    fn a_model_that_is_larger_than_its_weights_is_refused_without_its_memory() {
        // 151 million values in one layer alone, and 4 GB in the last.
        let (info, weights) = model();
        let info = ModelInfo {
            model: "small_cnn(width=1024)".parse().unwrap(),
            classes: (0..250_000).map(|class| class.to_string()).collect(),
            ..info
        };
        let bytes = info.to_bytes(&weights).unwrap();
        let device = device();
        let network = firebrick_zoo::undrawn(&info.model, &info.input(), &device).unwrap();
        for error in [
            read(&bytes).map(|_| ()),
            weights.load_into(network).map(|_| ()).map_err(Error::from),
        ] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("do not fit the model"), "{error}");
        }
    }
}
