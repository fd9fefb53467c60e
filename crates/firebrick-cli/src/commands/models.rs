//! `firebrick models`.

use clap::{Args, Subcommand};
use firebrick::core::error::excerpt;
use firebrick::core::setting::FromFlag;
use firebrick::core::spec::Spec;
use firebrick::zoo::{self, Backbone, Input, Stage, Weights, published, published_for};
use serde_json::{Value, json};

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
        /// Print one JSON document: {model, input, parameters, multiply_adds, layers, stages: [{name, modules, width, stride}],
        /// weights, fields: [{name, default, range}]}, where weights is as `models weights NAME --json` prints it
        #[arg(long)]
        json: bool,
    },
    /// List published weights, which --weights TAG downloads: accuracy, size, licence, and how they read images
    Weights {
        /// The model; by default all models
        #[arg(value_name = "NAME")]
        name: Option<Spec>,
        /// Print one JSON document: an array of {model, tag, url, file, hub, sha256, mebibytes, licence, data, classes,
        /// preprocessing, top1, top5, source}
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
            Action::Weights { name, json } => weights(name.as_ref(), *json),
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
    let stages = model.backbone().map_or_else(Vec::new, Backbone::stages);
    if json {
        return terminal::json(&json!({
            "model": zoo::canonical(spec)?.to_string(),
            "input": input,
            "parameters": description.parameters,
            "multiply_adds": description.multiply_adds,
            "layers": description.layers,
            "stages": stages,
            "weights": published_json(&spec.name)?,
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
    if !stages.is_empty() {
        let stages: Vec<_> = stages.iter().map(stage).collect();
        terminal::say(&format!("stages: {}", stages.join(", ")));
    }
    listing::options(&fields);
    if published_for(&spec.name).next().is_some() {
        terminal::say("");
        table(published_for(&spec.name));
    }
    Ok(())
}

/// A stage in words: `layer1 (64 channels at 1/4)`.
fn stage(stage: &Stage) -> String {
    let Stage {
        name,
        width,
        stride,
        ..
    } = stage;
    match stride {
        Some(stride) => format!("{name} ({width} channels at 1/{stride})"),
        None => format!("{name} ({width} features)"),
    }
}

/// The published weights of a network, with numbers as short as in the table: a value of JSON has none but long ones.
fn published_json(model: &str) -> Result<Value, Failure> {
    let rows: Vec<&Weights> = published_for(model).collect();
    let text = serde_json::to_string(&rows);
    text.and_then(|text| serde_json::from_str(&text))
        .map_err(|error| Failure::Work(error.to_string()))
}

fn weights(name: Option<&Spec>, json: bool) -> Result<(), Failure> {
    let Some(spec) = name else {
        if json {
            return terminal::json(&published());
        }
        table(published().iter());
        return Ok(());
    };
    zoo::canonical(spec)?;
    let own: Vec<&Weights> = published_for(&spec.name).collect();
    if json {
        return terminal::json(&own);
    }
    if own.is_empty() {
        terminal::say(&format!("there are no published weights for {}", spec.name));
        return Ok(());
    }
    table(own.iter().copied());
    for weights in &own {
        let sha256 = match weights.sha256.as_deref() {
            Some(digits) if digits.len() < 64 => format!("sha256 begins with {digits}"),
            Some(digits) => format!("sha256 {digits}"),
            None => "no published sha256".into(),
        };
        let mut lines = vec![format!(
            "\n{}: {} of {}, {} classes",
            weights.tag, weights.source, weights.data, weights.classes
        )];
        if let (Some(url), Some(file)) = (&weights.url, &weights.file) {
            lines.push(format!("  {url}"));
            lines.push(format!("  as {file}, {sha256}"));
        }
        let image = &weights.preprocessing;
        lines.push(format!("  mean {:?}, std {:?}", image.mean, image.std));
        lines.iter().for_each(|line| terminal::say(line));
    }
    Ok(())
}

/// Published weights, one in a line.
fn table<'a>(all: impl Iterator<Item = &'a Weights>) {
    let heads = ["weights", "top-1", "top-5", "MiB", "image", "licence"];
    let mut rows = vec![heads.map(String::from).to_vec()];
    let number = |value: Option<f64>, digits: usize| {
        value.map_or("–".into(), |value| format!("{value:.digits$}"))
    };
    rows.extend(all.map(|weights| {
        let image = &weights.preprocessing;
        vec![
            weights.name(),
            number(weights.top1, 2),
            number(weights.top5, 2),
            number(weights.mebibytes, 1),
            format!(
                "{}, crop {:.3}, {}",
                image.height,
                image.crop,
                image.filter.to_flag()
            ),
            weights.licence.clone(),
        ]
    }));
    terminal::table(&rows);
}
