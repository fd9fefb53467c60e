//! Features of a frozen backbone from JPEG files, decoding included, as `firebrick features` and `transfer` take them.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result};
use firebrick::ModelInfo;
use firebrick::TrainedModel;
use firebrick::core::data::Dataset;
use firebrick::datasets::folder;
use firebrick::features::{Extractor, POOLED, Pass};
use firebrick::prelude::Preprocessing;

use crate::case::Frozen;
use crate::network;
use crate::opened::Opened;

pub(crate) fn open(case: &Frozen) -> Result<Opened> {
    let device = firebrick::core::device("flex")?;
    let side = case.network.side;
    let model = TrainedModel {
        info: ModelInfo {
            model: case.network.network.parse()?,
            classes: (0..case.network.classes)
                .map(|class| class.to_string())
                .collect(),
            preprocessing: Preprocessing {
                mean: case.normalize.mean.clone(),
                std: case.normalize.std.clone(),
                crop: case.crop,
                ..Preprocessing::unnormalized(3, side, side)
            },
        },
        network: network::build(&case.network, &device)?,
        device,
    };
    let extractor = Extractor::new(&model, &[POOLED])?;
    let stage = extractor.pooled().to_string();
    let mut splits = folder::open(&case.photos, 3)?.splits;
    let (_, photos) = splits.pop().context("there are no photos")?;
    let photos: Arc<dyn Dataset> = Arc::new(photos);
    let pass = Pass {
        workers: case.workers,
        ..Pass::default()
    };
    let features = move || extractor.of_dataset(&photos, &pass, &mut |_, _| {});
    let first = features()?.stage(&stage)?;
    let row: Vec<f32> = first.row(0)[..3.min(first.width())].to_vec();
    Ok(Opened::new(move || {
        black_box(features()?);
        Ok(())
    })
    .report("logits", row))
}
