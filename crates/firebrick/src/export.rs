//! A trained model in the formats of other programs.

mod burnpack;
mod exported;
mod onnx;

use std::path::Path;

use firebrick_core::Classifier;
use firebrick_core::graph::Graph;
use firebrick_core::state_dict::StateDict;
use firebrick_ensemble::manifest::Manifest;
use firebrick_train::run_dir::write_whole;
use serde::Serialize;

use crate::{Error, ModelInfo, TrainedModel};

pub use exported::Exported;
pub use onnx::OPSET;

/// A format that a model can be exported in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Weights and running statistics under PyTorch's keys, as PyTorch's `load_state_dict` takes them. It is the format of model files too.
    Safetensors,
    /// The network with its weights, in evaluation, for ONNX Runtime and other engines.
    Onnx,
    /// Weights and running statistics under the names and in the layouts of Burn's layers (burnpack), as `Module::load_file` takes them.
    Burn,
}

/// How a model is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// The format.
    pub format: Format,
    /// Whether, in ONNX, a batch norm behind a convolution becomes part of it.
    pub fold: bool,
}

impl Export {
    /// The model in this format.
    ///
    /// # Errors
    /// [`Error::Config`] for a model that the format cannot hold, [`Error::ModelFile`] for tensors that it cannot.
    pub fn of<M: Classifier>(&self, model: &TrainedModel<M>) -> Result<Exported, Error> {
        let name = model.info.model.to_string();
        let failed = |problem: String| Error::ModelFile {
            path: name.clone(),
            problem,
        };
        match self.format {
            Format::Safetensors => {
                let weights = StateDict::of(&model.network);
                Ok(Exported {
                    tensors: weights.tensors.len(),
                    bytes: model.info.to_bytes(&weights)?,
                })
            }
            Format::Onnx => {
                let input = model.info.input();
                let image = [input.channels, input.height, input.width];
                let graph = Graph::of(&model.network, image)?;
                let graph = if self.fold { graph.folded() } else { graph };
                onnx::encode(graph, &model.info.metadata()?, &said(&model.info)).map_err(failed)
            }
            Format::Burn => {
                burnpack::encode(&model.network, &model.info.metadata()?).map_err(failed)
            }
        }
    }
}

/// What a reader of the file is told of the input and the output.
fn said(info: &ModelInfo) -> String {
    let image = &info.preprocessing;
    let order = if image.channels == 3 {
        " in the order red, green, blue"
    } else {
        ""
    };
    format!(
        "{}. Input: images [batch, {}, {}, {}], channels{order}, (pixel / 255 - mean) / std as metadata `firebrick.preprocessing` says. Output: logits [batch, {}], a score for each class of metadata `firebrick.classes` before the softmax.",
        info.model,
        image.channels,
        image.height,
        image.width,
        info.classes.len()
    )
}

/// Refuses the directory of an ensemble: one model is exported at a time.
///
/// # Errors
/// [`Error::ModelFile`] naming the members' files.
pub fn check_single(path: &Path) -> Result<(), Error> {
    if !Manifest::is_in(path) {
        return Ok(());
    }
    Err(Error::ModelFile {
        path: path.display().to_string(),
        problem: "this is an ensemble, and a file holds one model: export its members one by one (`firebrick ensemble status` lists their directories), or make one model of them with `firebrick ensemble soup` or `firebrick ensemble distill`".into(),
    })
}

/// Refuses a place where no file can be written, or where there is one already, unless that is to be replaced.
///
/// # Errors
/// [`Error::ModelFile`].
pub fn check_place(out: &Path, replace: bool) -> Result<(), Error> {
    let refused = |problem: String| {
        Err(Error::ModelFile {
            path: out.display().to_string(),
            problem,
        })
    };
    if out.is_dir() {
        return refused("this is a directory; name the file to write".into());
    }
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        let parent = parent.display();
        return refused(format!(
            "cannot be written because there is no directory {parent}; create it, or write elsewhere"
        ));
    }
    if out.exists() && !replace {
        return refused(
            "this file exists already, so it is not replaced; name another file, or allow it with --replace".into(),
        );
    }
    Ok(())
}

/// Writes a file as a whole or not at all.
///
/// # Errors
/// As [`check_place`], and [`Error::ModelFile`] when it cannot be written.
pub fn write(out: &Path, exported: &Exported, replace: bool) -> Result<(), Error> {
    check_place(out, replace)?;
    write_whole(out, &exported.bytes).map_err(|error| Error::ModelFile {
        path: out.display().to_string(),
        problem: format!("cannot be written: {error}"),
    })
}
