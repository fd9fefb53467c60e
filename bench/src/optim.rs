//! Optimizer steps over the parameters of ResNet-18.

use anyhow::Result;
use burn::tensor::{Tensor, TensorData};
use firebrick::core::parameters::{Gradients, Parameters};
use firebrick::prelude::Input;

use crate::case::{Optimizer, Update};
use crate::opened::Opened;
use crate::{network, step};

/// The limit of the norm: below the norm of the gradients, so that they are scaled.
const LIMIT: f64 = 0.1;

pub(crate) fn open(case: &Optimizer) -> Result<Opened> {
    let device = firebrick::core::device("flex")?;
    let input = Input {
        channels: 3,
        height: 32,
        width: 32,
        classes: 10,
    };
    let spec = "resnet18(stem=cifar)".parse()?;
    let model = firebrick::zoo::build(&spec, &input, 0, &device.clone().autodiff())?;
    let (_, parameters) = Parameters::take(model);
    let lengths: Vec<usize> = parameters
        .0
        .iter()
        .map(|parameter| parameter.shape.iter().product())
        .collect();
    let gradients = lengths.iter().map(|&length| {
        let values: Vec<f32> = (0..length)
            .map(|index| 1e-3 * network::entry(index))
            .collect();
        Some(Tensor::<1>::from_data(
            TensorData::new(values, [length]),
            &device,
        ))
    });
    let gradients = Gradients(gradients.collect());
    let opened = match case.operation {
        Update::Clip => clip(gradients),
        Update::Adam => update("adam", parameters, gradients)?,
        Update::Sgd => update("sgd(momentum=0.9)", parameters, gradients)?,
    };
    Ok(opened.report("parameters", lengths.iter().sum::<usize>()))
}

fn update(spec: &str, parameters: Parameters, gradients: Gradients) -> Result<Opened> {
    let mut update = step::optimizer(spec)?;
    let (mut parameters, mut index) = (Some(parameters), 0);
    Ok(Opened::new(move || {
        let Some(current) = parameters.take() else {
            anyhow::bail!("an earlier step failed");
        };
        parameters = Some(step::apply(
            &mut *update,
            index,
            1e-5,
            current,
            gradients.clone(),
        )?);
        index += 1;
        Ok(())
    }))
}

fn clip(gradients: Gradients) -> Opened {
    let mut gradients = Some(gradients);
    Opened::new(move || {
        if let Some(current) = gradients.take() {
            let norm = current.norm();
            gradients = Some(current.clip_norm(norm, LIMIT));
        }
        Ok(())
    })
}
