//! Evaluation without automatic differentiation.

use anyhow::Result;
use firebrick::prelude::Classifier;

use crate::case::Network;
use crate::network;
use crate::opened::Opened;

pub(crate) fn open(case: &Network) -> Result<Opened> {
    let device = firebrick::core::device("flex")?;
    let model = network::build(case, &device)?;
    let images = network::images(case, &device);
    let logits: Vec<f32> = model.forward(images.clone()).into_data().iter().collect();
    Ok(Opened::new(move || {
        model.forward(images.clone());
        Ok(())
    })
    .report("logits", &logits[..3.min(logits.len())]))
}
