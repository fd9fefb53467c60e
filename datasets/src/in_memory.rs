//! A data set in memory, kept as bytes. The IDX and CIFAR readers return it, and it is the shortest way from your own
//! arrays to a [`Dataset`].

use firebrick_types::data::{DataError, Dataset, Image, Sample};
use firebrick_types::image::Size;
use sha2::{Digest, Sha256};

/// Labelled images of one size in memory, one byte for each value.
#[derive(Debug, Clone)]
pub struct InMemory {
    name: String,
    height: usize,
    width: usize,
    channels: usize,
    pixels: Vec<u8>,
    labels: Vec<usize>,
    classes: Vec<String>,
    fingerprint: String,
}

impl InMemory {
    /// A data set of images of the same `[height, width, channels]`, one after the other in
    /// `pixels`, rows from the top, channels interleaved; `labels[i]` indexes `classes`.
    ///
    /// ```
    /// use firebrick_types::data::Dataset;
    /// use firebrick_datasets::InMemory;
    /// let classes = ["dark", "bright"].map(String::from).to_vec();
    /// let set = InMemory::new("two", [1, 1, 1], vec![3, 250], vec![0, 1], classes)?;
    /// assert_eq!(set.get(1)?.image.pixels, [250]);
    /// # Ok::<(), firebrick_types::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::Invalid`] when there is no image, when the number of channels is neither 1 nor
    /// 3, when pixels and labels do not match in number, or when a label has no class.
    pub fn new(
        name: impl Into<String>,
        [height, width, channels]: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<usize>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let invalid = |problem: String| Err(DataError::Invalid(format!("{name}: {problem}")));
        if height == 0 || width == 0 || !matches!(channels, 1 | 3) {
            return invalid(format!(
                "{width} × {height} pixels with {channels} channels is not a valid image size: both sides must be at least 1, and the channels 1 (grey) or 3 (RGB)"
            ));
        }
        if labels.is_empty() {
            return invalid("there is no image".into());
        }
        let expected = height
            .checked_mul(width)
            .and_then(|area| area.checked_mul(channels))
            .and_then(|values| values.checked_mul(labels.len()));
        if expected != Some(pixels.len()) {
            return invalid(format!(
                "{} pixel values are not {} images of {width} × {height} × {channels}",
                pixels.len(),
                labels.len()
            ));
        }
        if let Some((index, label)) = labels
            .iter()
            .enumerate()
            .find(|(_, l)| **l >= classes.len())
        {
            return invalid(format!(
                "label {label} of image {index} has no class: there are {} classes",
                classes.len()
            ));
        }
        let shape = [height, width, channels];
        let fingerprint = fingerprint(shape, &classes, &labels, &pixels);
        Ok(Self {
            name,
            height,
            width,
            channels,
            pixels,
            labels,
            classes,
            fingerprint,
        })
    }

    /// `[height, width]` of every image.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// 1 (grey) or 3 (RGB).
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All pixels, image by image, in the layout of [`Image::pixels`].
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

/// SHA-256 over everything that training sees, cut to 128 bits.
fn fingerprint(shape: [usize; 3], classes: &[String], labels: &[usize], pixels: &[u8]) -> String {
    let mut hasher = Sha256::new();
    for side in shape {
        hasher.update((side as u64).to_le_bytes());
    }
    for class in classes {
        hasher.update(class.as_bytes());
        hasher.update([0]);
    }
    for label in labels {
        hasher.update((*label as u64).to_le_bytes());
    }
    hasher.update(pixels);
    let mut digest = format!("{:x}", hasher.finalize());
    digest.truncate(32);
    digest
}

impl Dataset for InMemory {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let values = self.height * self.width * self.channels;
        let pixels = index
            .checked_mul(values)
            .and_then(|start| self.pixels.get(start..start.checked_add(values)?));
        match (pixels, self.labels.get(index)) {
            (Some(pixels), Some(label)) => Ok(Sample {
                image: Image {
                    width: self.width,
                    height: self.height,
                    channels: self.channels,
                    pixels: pixels.to_vec(),
                },
                label: *label,
            }),
            _ => Err(DataError::Invalid(format!(
                "{}: there is no image {index}, the set has {}",
                self.name,
                self.len()
            ))),
        }
    }

    fn label(&self, index: usize) -> usize {
        self.labels[index]
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn describe(&self, index: usize) -> String {
        format!("{}[{index}]", self.name)
    }

    fn image_size(&self) -> Option<Size> {
        Some(Size::new(self.width, self.height))
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    fn set(pixels: Vec<u8>, labels: Vec<usize>) -> Result<InMemory, DataError> {
        InMemory::new("tiny", [1, 2, 3], pixels, labels, classes())
    }

    #[test]
    fn images_come_back_as_given() {
        let tiny = set((0..12).collect(), vec![1, 0]).unwrap();
        let sample = tiny.get(1).unwrap();
        assert_eq!(sample.image.pixels, [6, 7, 8, 9, 10, 11]);
        assert_eq!([sample.label, tiny.label(0)], [0, 1]);
        assert_eq!(tiny.describe(1), "tiny[1]");
        assert!(tiny.get(2).is_err());
        assert!(tiny.get(usize::MAX).is_err());
    }

    #[test]
    fn the_fingerprint_follows_pixels_labels_and_shape() {
        let of = |set: InMemory| set.fingerprint();
        let base = of(set((0..12).collect(), vec![1, 0]).unwrap());
        assert_eq!(base, of(set((0..12).collect(), vec![1, 0]).unwrap()));
        assert_ne!(base, of(set((1..13).collect(), vec![1, 0]).unwrap()));
        assert_ne!(base, of(set((0..12).collect(), vec![0, 1]).unwrap()));
        let tall = InMemory::new("tiny", [2, 1, 3], (0..12).collect(), vec![1, 0], classes());
        assert_ne!(base, of(tall.unwrap()));
    }

    #[test]
    fn what_does_not_match_is_refused() {
        for (result, needle) in [
            (set(vec![0; 11], vec![0, 1]), "11 pixel values"),
            (set(vec![0; 12], vec![0, 2]), "label 2 of image 1"),
            (set(vec![], vec![]), "no image"),
            (
                InMemory::new("odd", [1, 1, 2], vec![0; 2], vec![0], classes()),
                "2 channels",
            ),
            (
                InMemory::new("huge", [usize::MAX, 2, 1], vec![], vec![0], classes()),
                "0 pixel values",
            ),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
