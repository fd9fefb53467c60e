//! Image augmentation, as the loader runs it: image by image, on one thread, from pixels, from the content of a JPEG file or
//! from a pack of pixels.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use firebrick::core::data::{Dataset, SampleTransform, Subject};
use firebrick::core::image::Size;
use firebrick::datasets::OnBadImage;
use firebrick::datasets::decode::decode;
use firebrick::datasets::folder::{self, FolderDataset};
use firebrick::datasets::pack::{self, Making};
use firebrick::prelude::{Image, Preprocessing};
use firebrick::regularize::augment;

use crate::case::Augmentation;
use crate::opened::Opened;
use crate::photo::photo;

/// A photo as it comes from the data set.
#[derive(Clone)]
enum Source {
    Pixels(Image),
    Jpeg(Vec<u8>),
    Packed(Arc<FolderDataset>, usize),
}

pub(crate) fn open(case: &Augmentation) -> Result<Opened> {
    let chain = augment::build(&case.pipeline.parse()?)?;
    let side = case.output;
    let preprocessing = case.normalize.as_ref().map(|normalize| Preprocessing {
        mean: normalize.mean.clone(),
        std: normalize.std.clone(),
        ..Preprocessing::unnormalized(3, side, side)
    });
    let photos = sources(case)?;
    let changed = move |source: Source, epoch: u64, position: usize| -> Result<Image> {
        let image = match source {
            Source::Pixels(image) => image,
            Source::Jpeg(content) => decode(Path::new("photo.jpg"), &content, 3)?,
            Source::Packed(set, index) => set.get(index)?.image,
        };
        let subject = Subject {
            seed: 0,
            epoch,
            index: position,
            position,
            share: 0.0,
            target: Size::new(side, side),
        };
        Ok(chain.transform(image, &subject, &mut subject.rng(), None)?)
    };
    let first = changed(photos[0].clone(), 0, 0)?;
    let (mut epoch, values) = (0, photos.len() * 3 * side * side);
    // The pipeline may overwrite its image, which the loader has just decoded or read.
    let opened = Opened::on(
        move || photos.clone(),
        move |photos| {
            epoch += 1;
            let mut batch = Vec::new();
            if preprocessing.is_some() {
                batch.reserve_exact(values);
            }
            for (position, photo) in photos.into_iter().enumerate() {
                let image = changed(photo, epoch, position)?;
                match &preprocessing {
                    Some(preprocessing) => preprocessing.normalize_into(&image, &mut batch),
                    None => drop(black_box(image)),
                }
            }
            black_box(batch);
            Ok(())
        },
    );
    Ok(if case.fixed {
        opened.report("thumbnail", thumbnail(&first))
    } else {
        opened
    })
}

fn sources(case: &Augmentation) -> Result<Vec<Source>> {
    if let Some(photos) = &case.pack {
        let set = Arc::new(packed(photos)?);
        let of = |index| Source::Packed(Arc::clone(&set), index);
        return Ok((0..case.batch as usize).map(of).collect());
    }
    let of = |index: u32| {
        let Some(folder) = &case.jpegs else {
            return Ok(Source::Pixels(photo(case.side, index)));
        };
        let path = folder.join(format!("{index}.jpg"));
        let content = std::fs::read(&path);
        let content = content.with_context(|| format!("no photos: {}", path.display()))?;
        Ok(Source::Jpeg(content))
    };
    (0..case.batch).map(of).collect()
}

/// The images of a folder, in a pack beside it.
fn packed(photos: &Path) -> Result<FolderDataset> {
    let out = pack::beside(photos);
    pack::pack(
        photos,
        &out,
        Making::default(),
        OnBadImage::Fail,
        &mut |_, _| (),
    )?;
    let mut splits = folder::open(&out, 3)?.splits;
    let (_, set) = splits.pop().context("the pack has no images")?;
    Ok(set)
}

/// Means of 4 × 4 cells, to compare with those of the others.
fn thumbnail(image: &Image) -> Vec<f64> {
    let mut sums = vec![0.0; 4 * 4 * 3];
    for (at, pixel) in image.pixels.chunks_exact(3).enumerate() {
        let (x, y) = (at % image.width, at / image.width);
        let cell = y * 4 / image.height * 4 + x * 4 / image.width;
        for (sum, value) in sums[3 * cell..].iter_mut().zip(pixel) {
            *sum += f64::from(*value);
        }
    }
    let pixels = (image.width * image.height / 16) as f64;
    sums.iter_mut().for_each(|sum| *sum /= pixels);
    sums
}
