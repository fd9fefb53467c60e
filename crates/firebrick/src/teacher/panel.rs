//! The members of a teacher, all in memory, that look at the images of every batch as the model in training sees them.

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::data::{Batch, DataError, Preprocessing};
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use firebrick_ensemble::class_names::{columns, reordered};
use firebrick_ensemble::{EnsembleError, Member, Members, combine};

use super::lesson::Lesson;
use crate::Error;
use crate::ensembles::Ensemble;

/// All members of a teacher.
pub(super) struct Panel<M> {
    members: Vec<One<M>>,
    combine: Spec,
    device: Device,
}

/// A member.
struct One<M> {
    name: String,
    network: M,
    /// Where it has the classes of the data, if in another order.
    columns: Option<Vec<usize>>,
    /// For each channel, what makes input of the model in training its own: a factor and a shift; none where they read the
    /// same.
    renormalize: Option<Vec<(f32, f32)>>,
}

impl<M: Classifier> Panel<M> {
    /// The members of an ensemble, in evaluation mode.
    pub(super) fn new(ensemble: &Ensemble<M>, lesson: &Lesson<'_, M>) -> Result<Self, Error> {
        let own = &lesson.data.preprocessing;
        let classes = lesson.data.splits.train.classes();
        let mut members = Vec::new();
        for member in &ensemble.members {
            let reads = &member.info.preprocessing;
            let size = |one: &Preprocessing| [one.channels, one.height, one.width];
            if size(reads) != size(own) {
                return Err(ConfigError::Conflict(format!(
                    "teacher_views = same: {} reads {}, but the model in training {}, so they cannot see the same images; use --teacher-views plain",
                    member.name,
                    words(reads),
                    words(own)
                ))
                .into());
            }
            let columns = columns(classes, &member.name, &member.info.classes)?;
            members.push(One {
                name: member.name.clone(),
                network: ensemble.load(member)?.network.valid(),
                columns,
                renormalize: renormalize(own, reads),
            });
        }
        Ok(Self {
            members,
            combine: lesson.recipe.teacher_combine.clone(),
            device: lesson.device.clone(),
        })
    }

    /// The log-probabilities of the classes for each image of a batch, row by row.
    pub(super) fn say(&self, batch: &Batch) -> Result<Vec<f32>, DataError> {
        let logits: Vec<Vec<f32>> = self
            .members
            .iter()
            .map(|member| member.logits(batch, &self.device))
            .collect();
        let pooled = || {
            let members = self.members.iter().zip(&logits);
            let members = members.map(|(one, row)| Member::new(&one.name, row, batch.classes));
            let members = Members::new(members.collect())?;
            combine::fit(&self.combine, &members, None)?.combine(&members)
        };
        let failed = |error: EnsembleError| DataError::Invalid(format!("the teacher: {error}"));
        let pooled = pooled().map_err(failed)?;
        Ok(pooled.rows().flatten().map(|value| *value as f32).collect())
    }
}

impl<M: Classifier> One<M> {
    fn logits(&self, batch: &Batch, device: &Device) -> Vec<f32> {
        let mut images = batch.images.clone();
        if let Some(channels) = &self.renormalize {
            let [_, count, height, width] = batch.shape;
            for image in images.chunks_exact_mut((count * height * width).max(1)) {
                let planes = image.chunks_exact_mut((height * width).max(1));
                for (plane, (factor, shift)) in planes.zip(channels) {
                    plane
                        .iter_mut()
                        .for_each(|value| *value = *value * factor + shift);
                }
            }
        }
        let images = Tensor::from_data(TensorData::new(images, batch.shape), device);
        let logits = self.network.forward(images).into_data();
        let logits: Vec<f32> = logits.iter::<f32>().collect();
        match &self.columns {
            Some(columns) => reordered(&logits, columns),
            None => logits,
        }
    }
}

/// What makes images that were normalized by `own` those that `reads` makes of them.
fn renormalize(own: &Preprocessing, reads: &Preprocessing) -> Option<Vec<(f32, f32)>> {
    if (&own.mean, &own.std) == (&reads.mean, &reads.std) {
        return None;
    }
    let from = own.mean.iter().zip(&own.std);
    let to = reads.mean.iter().zip(&reads.std);
    let channel = |((mean, std), (other_mean, other_std)): ((&f32, &f32), (&f32, &f32))| {
        (std / other_std, (mean - other_mean) / other_std)
    };
    Some(from.zip(to).map(channel).collect())
}

/// A size in words.
fn words(preprocessing: &Preprocessing) -> String {
    let Preprocessing {
        channels,
        height,
        width,
        ..
    } = preprocessing;
    let colour = if *channels == 1 { "grey" } else { "colour" };
    format!("{colour} images of {width}×{height} pixels")
}
