//! Style transfer: the content of one photo in the style of another (Gatys, Ecker and Bethge 2016). What is trained are the pixels, by
//! full-batch L-BFGS; the network, a pretrained SqueezeNet, only says how far they are from what is wanted.
//!
//! `cargo run --release --example 15_style_transfer -- --weights squeezenet1_1.pth --content photo.jpg --style painting.jpg`

use std::path::Path;

use anyhow::Context;
use firebrick::core::freeze::freeze;
use firebrick::core::image::fit;
use firebrick::core::parameters::{Gradients, Parameter, Parameters};
use firebrick::core::update::{Step, UpdateError};
use firebrick::datasets::decode;
use firebrick::optim::optimizer;
use firebrick::prelude::*;
use firebrick_examples::{Flags, size};

/// How much the styles of all stages count, against the content.
const STYLE: f64 = 1e6;
/// The stage whose features are the content, from 0.
const CONTENT: usize = 1;

fn main() -> anyhow::Result<()> {
    let names = [
        "--weights",
        "--content",
        "--style",
        "--out",
        "--side",
        "--steps",
    ];
    let flags = Flags::read(&names, &[])?;
    let side = flags.count("--side", size(256, 32))? as usize;
    let steps = flags.count("--steps", size(15, 2))?;
    let out = flags.text("--out").unwrap_or("styled.png");

    // Images as published weights for ImageNet read them.
    let read = Preprocessing {
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        ..Preprocessing::unnormalized(3, side, side)
    };
    let device = device("flex")?.autodiff();
    let input = Input {
        channels: 3,
        height: side,
        width: side,
        classes: 1000,
    };
    let network = size("squeezenet1_1", "test_squeezenet").parse()?;
    let mut model = firebrick::zoo::build(&network, &input, 0, &device)?;
    if let Some(weights) = flags.text("--weights") {
        model = firebrick::zoo::load(model, Path::new(weights))?.0;
    } else {
        println!("without --weights the network is a random one, and so is what it calls style");
    }
    let model = freeze(model, |_| true);
    let backbone = model.backbone().context("SqueezeNet names its stages")?;

    let image = |flag: &str, drawn: fn(usize) -> u8| -> anyhow::Result<Vec<f32>> {
        let image = match flags.text(flag) {
            Some(path) => decode::read(Path::new(path), 3)?,
            None => Image {
                pixels: (0..3 * side * side).map(drawn).collect(),
                ..Image::black(side, side, 3)
            },
        };
        let mut values = Vec::new();
        read.normalize_into(&fit(image, &read), &mut values);
        Ok(values)
    };
    let tensor = |values: Vec<f32>| {
        let data = burn::tensor::TensorData::new(values, [1, 3, side, side]);
        Tensor::<4>::from_data(data, &device.clone().inner())
    };
    let content = tensor(image("--content", |at| (at / 7 % 256) as u8)?);
    let style = tensor(image("--style", |at| (at * at % 251) as u8)?);
    let features = |image: &Tensor<4>| backbone.features(Tensor::from_inner(image.clone()));
    let wanted = features(&content)[CONTENT].clone().inner();
    let grams: Vec<Tensor<2>> = features(&style)
        .into_iter()
        .map(|stage| gram(stage).inner())
        .collect();

    // The loss of an image, and its gradient by the pixels.
    let evaluate = |pixels: &Tensor<1>| -> Result<(f64, Tensor<1>), UpdateError> {
        let image = Tensor::from_inner(pixels.clone().reshape([1, 3, side, side])).require_grad();
        let stages = backbone.features(image.clone());
        let off = stages[CONTENT].clone() - Tensor::from_inner(wanted.clone());
        let mut loss = off.powi_scalar(2).mean();
        for (stage, style) in stages.into_iter().zip(&grams) {
            let off = gram(stage) - Tensor::from_inner(style.clone());
            loss = loss + off.powi_scalar(2).mean() * STYLE;
        }
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let gradient = image.grad(&loss.backward());
        let gradient = gradient.ok_or_else(|| UpdateError::Failed {
            name: "lbfgs".into(),
            reason: "the loss does not depend on the pixels".into(),
        })?;
        Ok((value, gradient.reshape([3 * side * side])))
    };

    let mut lbfgs = optimizer::build(&"lbfgs(line_search=strong_wolfe)".parse()?)?.update;
    let mut pixels = Parameters(vec![Parameter {
        path: "pixels".into(),
        shape: vec![1, 3, side, side],
        value: content.reshape([3 * side * side]),
    }]);
    for index in 0..steps {
        let (loss, gradient) = evaluate(&pixels.0[0].value)?;
        println!("step {index}: loss {loss:.4}");
        let mut again = |pixels: &Parameters| {
            let (loss, gradient) = evaluate(&pixels.0[0].value)?;
            Ok((loss, Gradients(vec![Some(gradient)])))
        };
        let gradients = Gradients(vec![Some(gradient)]);
        pixels = lbfgs.step(&Step::new(index, 1.0), pixels, gradients, &mut again)?;
    }
    let values: Vec<f32> = pixels.0[0].value.to_data().iter::<f32>().collect();
    println!(
        "after {steps} steps: loss {:.4}",
        evaluate(&pixels.0[0].value)?.0
    );
    let value = |at: usize| {
        let (pixel, channel) = (at / 3, at % 3);
        let value = values[channel * side * side + pixel] * read.std[channel] + read.mean[channel];
        (255.0 * value).round() as u8
    };
    let styled = Image {
        pixels: (0..3 * side * side).map(value).collect(),
        ..Image::black(side, side, 3)
    };
    let png = firebrick::report::png(&styled).context("a picture")?;
    std::fs::write(out, png)?;
    println!("{out}");
    Ok(())
}

/// How often channels are strong at the same places, whatever the places are.
fn gram(features: Tensor<4>) -> Tensor<2> {
    let [_, channels, height, width] = features.dims();
    let rows = features.reshape([channels, height * width]);
    rows.clone().matmul(rows.transpose()) / (channels * height * width) as f64
}
