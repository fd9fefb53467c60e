//! Finds the weights that a text names: a file, an address, a model of the hub, or published weights by their name.
//!
//! Files from elsewhere come into one directory and are used from there. A file whose SHA-256 is known, or the first digits of it, is verified
//! by that whenever it is used; any other by the SHA-256 that it had when it came, which is written beside it.

mod expected;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firebrick_core::checksum;
use firebrick_core::data::DataError;
use firebrick_core::spec::Spec;
use firebrick_core::weights_file::WeightsFile;
use firebrick_zoo::{Input, Weights};

use crate::Error;
pub use expected::Expected;
use source::{Remote, Source};

/// What is told the name of a file that is downloaded, the bytes done and, when the server tells, the bytes in all.
pub type DownloadProgress = Arc<dyn Fn(&str, u64, Option<u64>) + Send + Sync>;

/// Where weights from elsewhere lie, and whether they may be downloaded.
#[derive(Clone)]
pub struct WeightsPlace {
    /// The directory that files are put into. One that was put there by hand is used like any other.
    pub directory: PathBuf,
    /// Whether nothing may be downloaded.
    pub offline: bool,
    /// The address of the hub.
    pub hub: String,
    /// Told how far a download is.
    pub progress: Option<DownloadProgress>,
}

impl Default for WeightsPlace {
    /// The directory `weights`, and Hugging Face's hub.
    fn default() -> Self {
        Self::at("weights")
    }
}

/// Weights that are on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundWeights {
    /// The file.
    pub path: PathBuf,
    /// A text that names the same weights again.
    pub name: String,
    /// What was published as this file, if that is known of it.
    pub published: Option<&'static Weights>,
}

impl FoundWeights {
    /// How these weights read images, whose index is open as `file`: as the file says, if Firebrick wrote it; as they were published, if it is
    /// known which weights they are; as the first published weights of the model, otherwise. None for a model without published weights, and
    /// for a version of a network that is not the published one, such as that for small images: `native` is the input that the model was
    /// made for.
    #[must_use]
    pub fn expected(&self, file: &WeightsFile, model: &Spec, native: &Input) -> Option<Expected> {
        Expected::of((&self.path, file), self.published, model, native)
    }
}

impl WeightsPlace {
    /// This directory, and Hugging Face's hub.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            offline: false,
            hub: "https://huggingface.co".into(),
            progress: None,
        }
    }

    /// The weights that `text` names for a model, downloaded if need be: `pretrained`, the tag of published weights
    /// (`IMAGENET1K_V1`, with or without the model and a dot in front), an address that begins with `https://` or `http://`, a model of the
    /// hub as `hf-hub:OWNER/NAME`, or the path of a file. A file called like published weights is meant by `./NAME`.
    ///
    /// # Errors
    /// [`Error`], with the way out: published weights that do not exist, no network, `offline` without the file, a broken download, a file
    /// that is no weights or has another SHA-256, a file that was changed since it came.
    pub fn find(&self, text: &str, model: &Spec) -> Result<FoundWeights, Error> {
        match Source::of(text, model, &self.hub)? {
            Source::File(path) => {
                let published = source::published_as(&path, model);
                Ok(FoundWeights {
                    path,
                    name: text.into(),
                    published,
                })
            }
            Source::Remote(remote) => Ok(FoundWeights {
                path: self.fetched(&remote)?,
                name: remote.name,
                published: remote.published,
            }),
        }
    }

    /// The file of weights from elsewhere: the one that is there, verified, or a download.
    fn fetched(&self, remote: &Remote) -> Result<PathBuf, Error> {
        let target = self.directory.join(&remote.file);
        let by_hand = remote
            .by_hand
            .as_ref()
            .map(|file| self.directory.join(file));
        for path in std::iter::once(target.clone()).chain(by_hand) {
            if path.is_file() {
                verify(&path, remote.sha256.as_deref())?;
                return Ok(path);
            }
        }
        if self.offline {
            return Err(DataError::Invalid(format!(
                "{} is not in {}, and nothing is downloaded offline: download {} elsewhere and put it at {}, or name the directory that holds it with --weights-dir DIR",
                remote.name,
                self.directory.display(),
                remote.url,
                target.display()
            ))
            .into());
        }
        self.download(remote, &target)?;
        if remote.sha256.is_none() {
            note_checksum(&target)?;
        }
        Ok(target)
    }

    #[cfg(feature = "download")]
    fn download(&self, remote: &Remote, target: &Path) -> Result<(), Error> {
        let check = |path: &Path| match WeightsFile::open(path) {
            Ok(_) => Ok(()),
            Err(firebrick_core::state_dict::WeightsError::Format { reason, .. }) => Err(reason),
            Err(error) => Err(error.to_string()),
        };
        let request = firebrick_download::Request {
            sha256: remote.sha256.as_deref().unwrap_or_default(),
            flag: "--weights-dir",
            missing: remote.missing.as_deref(),
            check: &check,
            ..firebrick_download::Request::new(&remote.url, target)
        };
        request.fetch(&mut |done, total| {
            if let Some(progress) = &self.progress {
                progress(&remote.name, done, total);
            }
        })?;
        Ok(())
    }

    #[cfg(not(feature = "download"))]
    fn download(&self, remote: &Remote, target: &Path) -> Result<(), Error> {
        Err(DataError::Invalid(format!(
            "{} is not at {}, and this program was built without downloads: put {} there by hand",
            remote.name,
            target.display(),
            remote.url
        ))
        .into())
    }
}

/// Refuses a file whose SHA-256 does not begin with `expected` or, where that is not known, is not what it was when the file came.
fn verify(path: &Path, expected: Option<&str>) -> Result<(), Error> {
    let record = record(path);
    let noted = fs::read_to_string(&record).ok();
    let noted = noted.as_deref().and_then(|text| text.split(' ').next());
    let Some(expected) = expected.or(noted) else {
        // It was put there by hand, and nothing is known about it.
        return Ok(());
    };
    let found = checksum::of_file(path).map_err(|source| DataError::io(path, source))?;
    if found.starts_with(&expected.to_lowercase()) {
        return Ok(());
    }
    let begins = if expected.len() < found.len() {
        "begin with "
    } else {
        "be "
    };
    Err(DataError::Invalid(format!(
        "{}: this file is damaged or was changed: its sha256 is {found} but must {begins}{expected}. Delete it and run the same command again, which downloads it; to use it as it is, give its path with --weights",
        path.display()
    ))
    .into())
}

/// The file beside `path` that holds its checksum, as `sha256sum` writes it.
fn record(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn note_checksum(path: &Path) -> Result<(), Error> {
    let io = |path: &Path, source| DataError::io(path, source);
    let sum = checksum::of_file(path).map_err(|source| io(path, source))?;
    let file = path.file_name().unwrap_or_default().display();
    let record = record(path);
    fs::write(&record, format!("{sum}  {file}\n")).map_err(|source| io(&record, source))?;
    Ok(())
}

#[cfg(test)]
mod tests;
