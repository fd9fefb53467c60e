//! The kernels of the first convolution as images.

use burn::module::Module;
use firebrick_core::image::{Filter, Image, Size, resize};
use firebrick_core::parameters::Parameters;
use firebrick_core::run::Filters;
use firebrick_core::state_dict::StateDict;

use crate::first_batch::sheet;

/// The most kernels in the picture.
const MOST: usize = 64;
/// Kernels in a row.
const COLUMNS: usize = 16;
/// Kernels are enlarged by a whole factor to about this side, in pixels.
const SIDE: usize = 28;

/// The kernels of the first convolution that reads grey or RGB images and is larger than a pixel; `None` where there is
/// none.
///
/// All are scaled alike: grey is 0, and the largest weight is black or white.
pub(super) fn of<M: Module>(model: &M, weights: &StateDict) -> Option<Filters> {
    let first = |(path, shape): (String, Vec<usize>)| match shape[..] {
        [kernels, channels, height, width] => Some((path, kernels, channels, [height, width])),
        _ => None,
    };
    // In the order of the model, which the names need not be in.
    let all = Parameters::list_all(model).into_iter();
    let (path, kernels, channels, [height, width]) = all.filter_map(first).next()?;
    let reads_images = matches!(channels, 1 | 3) && height.max(width) > 1 && height.min(width) > 0;
    let tensor = weights.tensors.get(&path).filter(|_| reads_images)?;
    let values: Vec<f32> = tensor.iter::<f32>().collect();
    let largest = values
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return None;
    }
    let area = height * width;
    let times = (SIDE / height.max(width)).max(1);
    let kernel = |weights: &[f32]| {
        let value = |at: usize| {
            let (pixel, channel) = (at / channels, at % channels);
            (127.5 * (1.0 + weights[channel * area + pixel] / largest)).round() as u8
        };
        let image = Image {
            width,
            height,
            channels,
            pixels: (0..area * channels).map(value).collect(),
        };
        resize(
            image,
            Size::new(width * times, height * times),
            Filter::Nearest,
        )
    };
    let images: Vec<Image> = values
        .chunks(area * channels)
        .take(MOST)
        .map(kernel)
        .collect();
    Some(Filters {
        path,
        kernels,
        size: [height, width],
        picture: sheet(&images, COLUMNS)?,
        shown: images.len(),
    })
}
