//! The first training images as the network sees them: after augmentation, as pixels again.

use firebrick_core::Recipe;
use firebrick_core::data::{Batch, BatchSource, Image, Preprocessing};
use firebrick_core::run::{FirstBatch, Picture};
use firebrick_train::evaluate::hard_labels;

use crate::mistakes::within;
use crate::{Error, Prepared};

/// Images in a row of the sheet, and rows.
const SHEET: [usize; 2] = [8, 4];
/// Longest side of an image on the sheet, in pixels.
const SIDE: usize = 48;
/// Pixels between images.
const GAP: usize = 2;

/// The beginning of epoch 1 as a contact sheet: a batch is a function of seed and epoch alone, so
/// these are the images that the network saw first. `None` when none of them can be read.
///
/// # Errors
/// [`Error`] when the images cannot be loaded as the recipe says.
pub(crate) fn picture(recipe: &Recipe, prepared: &Prepared) -> Result<Option<FirstBatch>, Error> {
    let most = SHEET[0] * SHEET[1];
    // Order and augmentation are those of the place in the epoch, so a small batch begins as a large one.
    let small = Recipe {
        workers: 0,
        batch_size: recipe.batch_size.min(most),
        ..recipe.clone()
    };
    let mut loader = prepared.train_loader(&small)?;
    loader.start(0, 0);
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    while images.len() < most
        && let Some(batch) = loader.next_batch()
    {
        // What could be read for training and cannot any more is no reason to lose the report.
        let Ok(batch) = batch else { break };
        images.extend(pixels(&batch, &prepared.preprocessing));
        labels.extend(hard_labels(&batch.targets));
    }
    images.truncate(most);
    labels.truncate(images.len());
    let sheet = sheet(&images, SHEET[0]);
    Ok(sheet.map(|picture| FirstBatch {
        picture,
        columns: SHEET[0].min(images.len()),
        labels,
        batch_size: recipe.batch_size,
    }))
}

/// The images of a batch with their normalization taken back, small.
fn pixels(batch: &Batch, preprocessing: &Preprocessing) -> Vec<Image> {
    let [_, channels, height, width] = batch.shape;
    let area = height * width;
    let image = |planes: &[f32]| {
        let value = |at: usize| {
            let (pixel, channel) = (at / channels, at % channels);
            let normalized = planes[channel * area + pixel];
            let (mean, std) = (preprocessing.mean[channel], preprocessing.std[channel]);
            // Out of range, and what is not a number, is the nearest there is.
            (255.0 * (normalized * std + mean)).round() as u8
        };
        let image = Image {
            width,
            height,
            channels,
            pixels: (0..area * channels).map(value).collect(),
        };
        within(image, SIDE)
    };
    batch.images.chunks(channels * area).map(image).collect()
}

/// Images of one size side by side on white, at most so many in a row; `None` without any.
pub(crate) fn sheet(images: &[Image], columns: usize) -> Option<Picture> {
    let Image {
        width,
        height,
        channels,
        ..
    } = images.first()?;
    let columns = columns.min(images.len());
    let rows = images.len().div_ceil(columns);
    let wide = columns * (width + GAP) - GAP;
    let high = rows * (height + GAP) - GAP;
    let mut pixels = vec![255; wide * high * channels];
    for (index, image) in images.iter().enumerate() {
        let (left, top) = (
            index % columns * (width + GAP),
            index / columns * (height + GAP),
        );
        for (row, line) in image.pixels.chunks(width * channels).enumerate() {
            let from = ((top + row) * wide + left) * channels;
            pixels[from..from + line.len()].copy_from_slice(line);
        }
    }
    Some(Picture {
        size: [wide, high, *channels],
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(augment: &str, batch_size: usize) -> (Recipe, Prepared) {
        let recipe = Recipe {
            dataset: "glyphs(train=120, test=10)".into(),
            augment: augment.parse().unwrap(),
            batch_size,
            seed: 3,
            ..Recipe::default()
        };
        let prepared = Prepared::open(&recipe, "no-data".as_ref()).unwrap();
        (recipe, prepared)
    }

    /// Image `index` of a sheet.
    fn cut(first: &FirstBatch, index: usize, [width, height]: [usize; 2]) -> Vec<u8> {
        let [wide, _, channels] = first.picture.size;
        let (left, top) = (
            index % first.columns * (width + GAP),
            index / first.columns * (height + GAP),
        );
        (0..height)
            .flat_map(|row| {
                let from = ((top + row) * wide + left) * channels;
                first.picture.pixels[from..from + width * channels].to_vec()
            })
            .collect()
    }

    #[test]
    fn the_sheet_holds_the_images_that_training_begins_with() {
        // Batches of 20: the sheet takes some of the second one.
        let (recipe, prepared) = prepared("", 20);
        let first = picture(&recipe, &prepared).unwrap().unwrap();
        let mut loader = prepared.train_loader(&recipe).unwrap();
        loader.start(0, 0);
        let batches: Vec<Batch> = (0..2)
            .map(|_| loader.next_batch().unwrap().unwrap())
            .collect();
        let indices: Vec<usize> = batches.iter().flat_map(|b| b.indices.clone()).collect();
        assert_eq!(
            (first.labels.len(), first.columns, first.batch_size),
            (32, 8, 20)
        );
        for (at, index) in indices.iter().take(32).enumerate() {
            let sample = prepared.splits.train.get(*index).unwrap();
            assert_eq!(first.labels[at], sample.label);
            // Without augmentation, the pixels of the data set come back exactly.
            let size = [sample.image.width, sample.image.height];
            assert_eq!(cut(&first, at, size), sample.image.pixels, "image {at}");
        }
    }

    #[test]
    fn a_large_batch_begins_with_the_same_images() {
        let (recipe, prepared) = prepared("pad_crop(4)", 100);
        let first = picture(&recipe, &prepared).unwrap().unwrap();
        let mut loader = prepared.train_loader(&recipe).unwrap();
        loader.start(0, 0);
        let batch = loader.next_batch().unwrap().unwrap();
        let images = pixels(&batch, &prepared.preprocessing);
        for (at, image) in images.iter().take(32).enumerate() {
            let size = [image.width, image.height];
            assert_eq!(cut(&first, at, size), image.pixels, "image {at}");
        }
        assert_eq!(first.batch_size, 100);
    }

    #[test]
    fn augmentation_shows() {
        let (plain, prepared) = prepared("", 32);
        let (cropped, _) = self::prepared("pad_crop(8)", 32);
        let pictures = [plain, cropped].map(|recipe| picture(&recipe, &prepared).unwrap().unwrap());
        assert_eq!(pictures[0].labels, pictures[1].labels);
        assert_ne!(pictures[0].picture, pictures[1].picture);
    }

    #[test]
    fn few_images_make_a_small_sheet_and_none_make_no_sheet() {
        let image = |value| Image {
            width: 2,
            height: 1,
            channels: 1,
            pixels: vec![value; 2],
        };
        let picture = sheet(&[image(7), image(9)], 8).unwrap();
        assert_eq!(picture.size, [6, 1, 1]);
        assert_eq!(picture.pixels, [7, 7, 255, 255, 9, 9]);
        assert_eq!(sheet(&[], 8), None);
        let nine: Vec<Image> = (0..9).map(image).collect();
        assert_eq!(sheet(&nine, 8).unwrap().size, [8 * 4 - 2, 4, 1]);
    }
}
