//! `firebrick models`.

use clap::{Args, Subcommand};
use firebrick::core::error::excerpt;
use firebrick::core::spec::Spec;
use firebrick::zoo::{self, Input};
use serde_json::json;

use super::listing;
use crate::failure::Failure;
use crate::figures::grouped;
use crate::free_memory::free_memory;
use crate::number::whole;
use crate::terminal;

/// List the models, or describe one layer by layer
#[derive(Args)]
pub(crate) struct Models {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the models with their options
    List {
        /// Print one JSON document: an array of {name, signature, summary}
        #[arg(long)]
        json: bool,
    },
    /// Describe a model layer by layer (output shapes, parameters, multiply-adds) and list its options
    Describe {
        /// The model, with options if you like, such as 'resnet18(stem=cifar)'
        model: Spec,
        /// Shape of the input, as CHANNELSxHEIGHTxWIDTH; by default the one the model was designed for
        #[arg(long, value_name = "CxHxW", value_parser = shape)]
        input: Option<[usize; 3]>,
        /// Number of classes; by default the number the model was designed for
        #[arg(long, value_name = "N", value_parser = whole::<usize>)]
        classes: Option<usize>,
        /// Print one JSON document: {model, input, parameters, multiply_adds, layers, fields: [{name, default, range}]}
        #[arg(long)]
        json: bool,
    },
}

fn shape(text: &str) -> Result<[usize; 3], String> {
    let sides: Result<Vec<usize>, _> = text.split('x').map(str::parse).collect();
    sides
        .ok()
        .and_then(|sides| sides.try_into().ok())
        .ok_or_else(|| format!("`{}` is not a shape such as 3x32x32", excerpt(text)))
}

impl Models {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::List { json } => listing::list(&zoo::REGISTRY, *json),
            Action::Describe {
                model,
                input,
                classes,
                json,
            } => describe(model, *input, *classes, *json),
        }
    }
}

fn describe(
    spec: &Spec,
    shape: Option<[usize; 3]>,
    classes: Option<usize>,
    json: bool,
) -> Result<(), Failure> {
    let native = zoo::default_input(spec)?;
    let [channels, height, width] = shape.unwrap_or([native.channels, native.height, native.width]);
    let input = Input {
        channels,
        height,
        width,
        classes: classes.unwrap_or(native.classes),
    };
    if let Some(free) = free_memory() {
        firebrick::memory::check_model(spec, &input, free)?;
    }
    let device = firebrick::core::device("flex")?;
    let model = zoo::build(spec, &input, 0, &device)?;
    let description = zoo::describe(&model, &input);
    let fields = listing::fields(&zoo::REGISTRY.find(spec)?);
    if json {
        return terminal::json(&json!({
            "model": zoo::canonical(spec)?.to_string(),
            "input": input,
            "parameters": description.parameters,
            "multiply_adds": description.multiply_adds,
            "layers": description.layers,
            "fields": fields,
        }));
    }
    let mut rows = vec![
        ["layer", "kind", "output", "parameters", "multiply-adds"]
            .map(String::from)
            .to_vec(),
    ];
    for layer in &description.layers {
        let shape = layer
            .shape
            .iter()
            .skip(1)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("×");
        rows.push(vec![
            layer.path.clone(),
            layer.kind.clone(),
            shape,
            grouped(layer.parameters as u64),
            grouped(layer.multiply_adds),
        ]);
    }
    terminal::table(&rows);
    terminal::say(&format!(
        "{} on {channels}×{height}×{width}, {} classes: {} parameters, {} multiply-adds",
        zoo::canonical(spec)?,
        input.classes,
        grouped(description.parameters as u64),
        grouped(description.multiply_adds)
    ));
    listing::options(&fields);
    Ok(())
}
