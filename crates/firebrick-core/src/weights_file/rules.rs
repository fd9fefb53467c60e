//! How a file may differ from the model that it is loaded into.

use burn::tensor::TensorData;

use crate::groups::path_matches;

/// How a file may differ from the model that it is loaded into. By default in nothing but prefixes that all keys share and counters of
/// batch norm; what else it differs in is an error, and what a rule allows is said in a note.
///
/// ```
/// use firebrick_core::weights_file::Rules;
/// // A file for other classes, of which the third stage is not wanted either.
/// let rules = Rules {
///     except: vec!["layer3.*".into()],
///     ..Rules::for_other_classes("fc")
/// };
/// assert_eq!(rules.head.as_deref(), Some("fc"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// The path of the last layer, such as `fc`: its tensors may be missing or have another shape, and the model then keeps its own layer.
    pub head: Option<String>,
    /// Keys that are not loaded, such as `head.*`, where `*` stands for any text: the model keeps its own values, and what the file
    /// has under these keys is not used.
    pub except: Vec<String>,
    /// Keys of published files that the model has no tensor for, such as `AuxLogits.*`, where `*` stands for any text.
    pub ignored: Vec<String>,
    /// Parts of the keys of older files, and what they are in the model's keys: `.norm.1.` and `.norm1.`.
    pub renamed: Vec<(String, String)>,
    /// The channels of the model's images, if convolutions for the 3 channels of RGB may be changed for that number: the sum over the
    /// channels for one channel; for others, the three again and again, times 3 over their number. It is what timm's
    /// `adapt_input_conv` does.
    pub channels: Option<usize>,
}

impl Rules {
    /// Rules for a file that may be for other classes: `head` is the path of the last layer.
    #[must_use]
    pub fn for_other_classes(head: &str) -> Self {
        Self {
            head: Some(head.into()),
            ..Self::default()
        }
    }

    pub(super) fn is_head(&self, key: &str) -> bool {
        let rest = self.head.as_deref().and_then(|head| key.strip_prefix(head));
        rest.is_some_and(|rest| rest.starts_with('.'))
    }

    pub(super) fn is_excepted(&self, key: &str) -> bool {
        self.except.iter().any(|pattern| path_matches(pattern, key))
    }

    pub(super) fn is_ignored(&self, key: &str) -> bool {
        self.ignored
            .iter()
            .any(|pattern| path_matches(pattern, key))
    }

    pub(super) fn rename(&self, key: String) -> String {
        self.renamed
            .iter()
            .fold(key, |key, (from, to)| key.replace(from, to))
    }

    /// Whether the weight of a convolution for RGB becomes that of one for the model's channels.
    pub(super) fn adapts(&self, file: &[usize], model: &[usize]) -> bool {
        match (file, model) {
            ([of, RGB, sides @ ..], [outputs, channels, own @ ..]) => {
                *channels != RGB
                    && self.channels == Some(*channels)
                    && (of, sides) == (outputs, own)
                    && sides.len() == 2
            }
            _ => false,
        }
    }
}

/// Channels of the images that published networks read.
const RGB: usize = 3;

/// The weight of a convolution for RGB, for another number of channels.
///
/// # Shapes
/// `[O, 3, H, W]` to `[O, channels, H, W]`.
pub(super) fn for_channels(rgb: &TensorData, channels: usize) -> TensorData {
    let shape = rgb.shape();
    let [outputs, sides @ ..] = [shape[0], shape[2], shape[3]];
    let plane: usize = sides.iter().product();
    let values: Vec<f32> = rgb.iter::<f32>().collect();
    let mut adapted = Vec::with_capacity(outputs * channels * plane);
    let scale = RGB as f32 / channels as f32;
    for output in values.chunks(RGB * plane) {
        if channels == 1 {
            let [red, green, blue] = [0, 1, 2].map(|at| &output[at * plane..(at + 1) * plane]);
            let sums = red.iter().zip(green).zip(blue);
            adapted.extend(sums.map(|((red, green), blue)| red + green + blue));
            continue;
        }
        for channel in 0..channels {
            let at = channel % RGB * plane;
            adapted.extend(output[at..at + plane].iter().map(|value| value * scale));
        }
    }
    TensorData::new(adapted, [outputs, channels, sides[0], sides[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// timm's values (`xtask/golden/weights_files.py`).
    #[test]
    fn weights_for_other_channels_are_timms() {
        #[derive(serde::Deserialize)]
        struct Golden {
            rgb: Vec<f32>,
            shape: [usize; 4],
            adapted: Vec<(usize, Vec<f32>)>,
        }
        let text = include_str!("../../tests/golden/weights/channels.json");
        let golden: Golden = serde_json::from_str(text).unwrap();
        let rgb = TensorData::new(golden.rgb, golden.shape);
        for (channels, expected) in golden.adapted {
            let found = for_channels(&rgb, channels);
            let [outputs, _, height, width] = golden.shape;
            assert_eq!(found.shape().to_vec(), [outputs, channels, height, width]);
            let found: Vec<f32> = found.iter::<f32>().collect();
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
            assert!(found.iter().zip(&expected).all(near), "{channels}");
            assert_eq!(found.len(), expected.len());
        }
    }
}
