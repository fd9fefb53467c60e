//! `firebrick export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use firebrick::export::{self, OPSET};
use serde_json::json;

use super::plain_weights::{PlainWeights, trained_model};
use crate::failure::Failure;
use crate::terminal;

/// Write a trained model in the format of another program
#[derive(Args)]
pub(crate) struct Export {
    /// A run directory or model file; without it, --model and --weights
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    #[command(flatten)]
    plain: PlainWeights,
    /// Format of the file
    #[arg(long, value_enum)]
    format: Format,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace FILE if it exists already
    #[arg(long)]
    replace: bool,
    /// With ONNX, keep each batch norm as an operator of its own; by default it becomes part of the convolution in front of it
    #[arg(long)]
    no_fold: bool,
    /// Print one JSON document: {file, format, model, classes, input, tensors, bytes, opset}; opset is null unless the format is onnx
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// Weights under PyTorch's keys, for load_state_dict
    Safetensors,
    /// The network with its weights, for ONNX Runtime and other engines
    Onnx,
    /// Weights under the names of Burn's layers (burnpack), for Module::load_file
    Burn,
}

impl From<Format> for export::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Safetensors => Self::Safetensors,
            Format::Onnx => Self::Onnx,
            Format::Burn => Self::Burn,
        }
    }
}

impl Export {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if self.no_fold && self.format != Format::Onnx {
            return Err(Failure::Usage(
                "--no-fold is for --format onnx; the other formats keep batch norms as they are"
                    .into(),
            ));
        }
        // Before the weights are read.
        export::check_place(&self.out, self.replace)?;
        if let Some(run) = &self.run {
            export::check_single(run)?;
        }
        let model = trained_model(self.run.as_deref(), &self.plain, "flex", |info, data| {
            if self.run.is_none() {
                self.plain.name_classes(info, data, self.json);
            }
        })?;
        let wanted = export::Export {
            format: self.format.into(),
            fold: !self.no_fold,
        };
        let exported = wanted.of(&model)?;
        let (info, input) = (&model.info, model.info.input());
        let file = self.out.display().to_string();
        export::write(&self.out, &exported, self.replace)?;
        let opset = (self.format == Format::Onnx).then_some(OPSET);
        if self.json {
            return terminal::json(&json!({
                "file": file,
                "format": wanted.format,
                "model": info.model.to_string(),
                "classes": info.classes.len(),
                "input": [input.channels, input.height, input.width],
                "tensors": exported.tensors,
                "bytes": exported.bytes.len(),
                "opset": opset,
            }));
        }
        let kind = match (self.format, opset) {
            (Format::Onnx, Some(opset)) => format!(
                "ONNX opset {opset}, images [batch, {}, {}, {}] to logits [batch, {}]",
                input.channels,
                input.height,
                input.width,
                info.classes.len()
            ),
            (Format::Safetensors, _) => {
                format!("{} tensors under PyTorch's keys", exported.tensors)
            }
            _ => format!("{} tensors under Burn's names", exported.tensors),
        };
        terminal::say(&format!(
            "{}: {}, {kind}, {:.1} MB",
            terminal::name(&file),
            info.model.name,
            exported.bytes.len() as f64 / 1e6
        ));
        Ok(())
    }
}
