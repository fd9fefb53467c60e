//! Mean and standard deviation of each channel, for normalization, and the directions in which colours vary.

mod eigen;

use std::sync::atomic::{AtomicUsize, Ordering};

use firebrick_types::data::{DataError, Dataset, Preprocessing};
use firebrick_types::image::fit;
use rayon::prelude::*;

use crate::registry::OnBadImage;

/// At most this many images are read; of a larger data set, every k-th, evenly spread.
pub const MAX_IMAGES: usize = 60_000;

/// What [`channel_statistics`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Mean of each channel, of values in [0, 1].
    pub mean: Vec<f32>,
    /// Population standard deviation of each channel, of values in [0, 1]; 1 for a channel that
    /// never changes, so that nothing is divided by zero.
    pub std: Vec<f32>,
    /// The number of images that were read.
    pub images: usize,
}

/// Mean and standard deviation of the pixels of each channel, after fitting each image to the size
/// and channels of `preprocessing` (its own mean and deviation do not matter).
///
/// The sums are whole numbers, so the result does not depend on the number of threads. Images are
/// read one at a time on each thread and none is kept.
///
/// # Errors
/// [`DataError`] of the first image that cannot be read, unless bad images are skipped; or when no
/// image can be read at all.
pub fn channel_statistics(
    dataset: &dyn Dataset,
    preprocessing: &Preprocessing,
    on_bad: OnBadImage,
) -> Result<Statistics, DataError> {
    let sums = sums(dataset, preprocessing, on_bad, false)?;
    Ok(sums.finish(preprocessing.width * preprocessing.height))
}

/// The directions in which the colours of a data set vary: the principal components of its pixels, the strongest
/// first. `pca_noise` shifts colours along them.
#[derive(Debug, Clone, PartialEq)]
pub struct ColourDirections {
    /// The variance along each direction, of values in [0, 1].
    pub eigenvalues: [f64; 3],
    /// Each direction as red, green and blue, of length 1.
    pub eigenvectors: [[f64; 3]; 3],
}

/// [`channel_statistics`], and the directions in which colours vary, of images with 3 channels.
///
/// # Errors
/// Those of [`channel_statistics`]; [`DataError::Invalid`] for another number of channels.
pub fn colour_statistics(
    dataset: &dyn Dataset,
    preprocessing: &Preprocessing,
    on_bad: OnBadImage,
) -> Result<(Statistics, ColourDirections), DataError> {
    if preprocessing.channels != 3 {
        let problem = "only images with 3 channels have colours that vary";
        return Err(DataError::Invalid(problem.into()));
    }
    let sums = sums(dataset, preprocessing, on_bad, true)?;
    let pixels = preprocessing.width * preprocessing.height;
    let directions = sums.directions(pixels);
    Ok((sums.finish(pixels), directions))
}

/// The sums over all images; with `products`, those between two channels too.
fn sums(
    dataset: &dyn Dataset,
    preprocessing: &Preprocessing,
    on_bad: OnBadImage,
    products: bool,
) -> Result<Sums, DataError> {
    let len = dataset.len();
    let images = len.min(MAX_IMAGES);
    // Later images need not be read once an error is certain; the first error is always found.
    let first_bad = AtomicUsize::new(usize::MAX);
    let sums = (0..images)
        .into_par_iter()
        .map(|position| {
            if position > first_bad.load(Ordering::Relaxed) {
                return Sums::default();
            }
            // Even spacing: position · len / images, without overflow.
            let index = (position as u128 * len as u128 / images as u128) as usize;
            match dataset.get(index) {
                Ok(sample) => {
                    let image = fit(sample.image, preprocessing);
                    let sums = Sums::of(&image.pixels, preprocessing.channels);
                    if products {
                        sums.with_products(&image.pixels)
                    } else {
                        sums
                    }
                }
                Err(error) => match on_bad {
                    OnBadImage::Skip => Sums::default(),
                    OnBadImage::Fail => {
                        first_bad.fetch_min(position, Ordering::Relaxed);
                        Sums {
                            bad: Some((position, error.or_skip())),
                            ..Sums::default()
                        }
                    }
                },
            }
        })
        .reduce(Sums::default, Sums::join);
    if let Some((_, error)) = sums.bad {
        return Err(error);
    }
    if sums.images == 0 {
        return Err(DataError::Invalid(format!(
            "none of the {len} images can be read: mean and standard deviation are unknown"
        )));
    }
    Ok(sums)
}

/// Whole-number sums of some images.
#[derive(Default)]
struct Sums {
    images: usize,
    /// Of each channel: the sum of values and of their squares. 64 bits hold 10^14 pixels.
    channels: Vec<(u64, u64)>,
    /// The sums of red · green, red · blue and green · blue, where they are asked for.
    products: [u64; 3],
    /// The first image that cannot be read.
    bad: Option<(usize, DataError)>,
}

impl Sums {
    fn of(pixels: &[u8], channels: usize) -> Self {
        let sums = |channel| {
            pixels
                .iter()
                .skip(channel)
                .step_by(channels)
                .fold((0, 0), |(sum, squares), value| {
                    let value = u64::from(*value);
                    (sum + value, squares + value * value)
                })
        };
        Self {
            images: 1,
            channels: (0..channels).map(sums).collect(),
            ..Self::default()
        }
    }

    fn with_products(mut self, pixels: &[u8]) -> Self {
        for pixel in pixels.chunks_exact(3) {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u64::from);
            for (sum, product) in
                self.products
                    .iter_mut()
                    .zip([red * green, red * blue, green * blue])
            {
                *sum += product;
            }
        }
        self
    }

    fn join(mut self, other: Self) -> Self {
        self.images += other.images;
        if self.channels.is_empty() {
            self.channels = other.channels;
        } else {
            for (mine, others) in self.channels.iter_mut().zip(other.channels) {
                *mine = (mine.0 + others.0, mine.1 + others.1);
            }
        }
        for (mine, other) in self.products.iter_mut().zip(other.products) {
            *mine += other;
        }
        self.bad = match (self.bad, other.bad) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        };
        self
    }

    /// Of sums with products of three channels.
    fn directions(&self, pixels: usize) -> ColourDirections {
        let count = (self.images * pixels) as u128;
        let between = |one: usize, other: usize| {
            let product = match (one.min(other), one.max(other)) {
                (0, 1) => self.products[0],
                (0, 2) => self.products[1],
                (1, 2) => self.products[2],
                (same, _) => self.channels[same].1,
            };
            let (one, other) = (self.channels[one].0, self.channels[other].0);
            // count² · covariance is a whole number: nothing cancels.
            let together = (count * u128::from(product)) as i128;
            let apart = (u128::from(one) * u128::from(other)) as i128;
            (together - apart) as f64 / (255.0 * count as f64).powi(2)
        };
        let covariance =
            std::array::from_fn(|one| std::array::from_fn(|other| between(one, other)));
        let (eigenvalues, eigenvectors) = eigen::symmetric(covariance);
        ColourDirections {
            eigenvalues,
            eigenvectors,
        }
    }

    fn finish(self, pixels: usize) -> Statistics {
        let count = (self.images * pixels) as u128;
        let (mean, std) = self
            .channels
            .into_iter()
            .map(|(sum, squares)| {
                // count² · variance is a whole number: no cancellation, and exactly 0 if constant.
                let spread = count * u128::from(squares) - u128::from(sum) * u128::from(sum);
                let scale = 255.0 * count as f64;
                let std = if spread == 0 {
                    1.0
                } else {
                    (spread as f64).sqrt() / scale
                };
                ((sum as f64 / scale) as f32, std as f32)
            })
            .unzip();
        Statistics {
            mean,
            std,
            images: self.images,
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_types::data::{Image, Sample};

    use super::*;

    /// 2 × 1 RGB images: red counts up, green is 10 and 30, blue never changes. The first seven are
    /// slow, and every tenth from image 7 is bad.
    struct Ramp(usize, Vec<String>);

    impl Dataset for Ramp {
        fn len(&self) -> usize {
            self.0
        }
        fn get(&self, index: usize) -> Result<Sample, DataError> {
            if index < 7 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            if index % 10 == 7 {
                return Err(DataError::Invalid(format!("image {index} is bad")));
            }
            let red = index as u8;
            Ok(Sample {
                image: Image {
                    width: 2,
                    height: 1,
                    channels: 3,
                    pixels: vec![red, 10, 99, red, 30, 99],
                },
                label: 0,
            })
        }
        fn label(&self, _: usize) -> usize {
            0
        }
        fn classes(&self) -> &[String] {
            &self.1
        }
        fn describe(&self, index: usize) -> String {
            format!("ramp[{index}]")
        }
        fn fingerprint(&self) -> String {
            "ramp".into()
        }
    }

    fn rgb() -> Preprocessing {
        Preprocessing::unnormalized(3, 1, 2)
    }

    fn measure(len: usize, on_bad: OnBadImage) -> Result<Statistics, DataError> {
        channel_statistics(&Ramp(len, vec!["all".into()]), &rgb(), on_bad)
    }

    #[test]
    fn means_and_deviations_by_hand() {
        let found = measure(3, OnBadImage::Fail).unwrap();
        assert_eq!(found.images, 3);
        // Red is 0, 1, 2 twice each; green is 10 and 30; blue is 99 throughout.
        let (mean, std) = ([1.0, 20.0, 99.0], [(2.0_f32 / 3.0).sqrt(), 10.0, 255.0]);
        for channel in 0..3 {
            assert!(
                (found.mean[channel] - mean[channel] / 255.0).abs() < 1e-7,
                "{found:?}"
            );
            assert!(
                (found.std[channel] - std[channel] / 255.0).abs() < 1e-7,
                "{found:?}"
            );
        }
    }

    #[test]
    fn directions_of_colours_by_hand() {
        let preprocessing = rgb();
        let ramp = Ramp(7, vec!["all".into()]);
        let (statistics, found) =
            colour_statistics(&ramp, &preprocessing, OnBadImage::Fail).unwrap();
        assert_eq!(statistics, measure(7, OnBadImage::Fail).unwrap());
        // Green is 10 or 30, red 0 to 6, and neither tells of the other; blue never changes.
        let variances = [100.0, 4.0, 0.0].map(|variance| variance / 255.0_f64.powi(2));
        for (found, expected) in found.eigenvalues.iter().zip(variances) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        let expected = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        for (found, expected) in found
            .eigenvectors
            .as_flattened()
            .iter()
            .zip(expected.as_flattened())
        {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        let grey = Preprocessing {
            channels: 1,
            ..preprocessing
        };
        let error = colour_statistics(&ramp, &grey, OnBadImage::Fail).unwrap_err();
        assert!(error.to_string().contains("3 channels"), "{error}");
    }

    #[test]
    fn the_first_bad_image_is_named_also_when_a_later_one_is_met_before() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build();
        // Image 7 takes its time: the other threads are past 17, 27, … when it is read.
        let error = pool.unwrap().install(|| measure(200, OnBadImage::Fail));
        assert_eq!(error.unwrap_err().to_string(), "image 7 is bad");
    }

    #[test]
    fn bad_images_are_left_out_on_demand() {
        let found = measure(10, OnBadImage::Skip).unwrap();
        assert_eq!(found.images, 9);
        assert!((found.mean[0] - 38.0 / 9.0 / 255.0).abs() < 1e-7);
        let error = measure(0, OnBadImage::Skip).unwrap_err().to_string();
        assert!(error.contains("none of the 0 images"), "{error}");
    }

    #[test]
    fn a_huge_set_is_sampled_evenly() {
        let found = measure(2 * MAX_IMAGES, OnBadImage::Skip).unwrap();
        // Every second image; index 7, 17, … are odd, so none of the bad ones is met.
        assert_eq!(found.images, MAX_IMAGES);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| measure(1000, OnBadImage::Skip).unwrap())
        };
        assert_eq!(run(1), run(3));
    }
}
