//! How images were read when weights were trained.

use std::path::Path;

use firebrick_core::data::Preprocessing;
use firebrick_core::image::Filter;
use firebrick_core::spec::Spec;
use firebrick_core::weights_file::WeightsFile;
use firebrick_zoo::{Input, Weights, published_for};

/// How images were read when weights were trained, as far as that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// How raw images become input.
    pub preprocessing: Preprocessing,
    /// Whose images they are: `resnet18.IMAGENET1K_V1`.
    pub of: String,
    /// The published weights that read images in this way, unless the file itself says it.
    pub published: Option<&'static Weights>,
}

impl Expected {
    /// How the weights in `file`, which lies at `path`, read images: as the file says, if Firebrick wrote it; as `published`, if it is known which
    /// weights they are; as the first published weights of the model, otherwise.
    pub(super) fn of(
        (path, file): (&Path, &WeightsFile),
        published: Option<&'static Weights>,
        model: &Spec,
        native: &Input,
    ) -> Option<Self> {
        let said = file.metadata().get("firebrick.preprocessing");
        if let Some(preprocessing) = said.and_then(|text| serde_json::from_str(text).ok()) {
            return Some(Self {
                preprocessing,
                of: path.display().to_string(),
                published: None,
            });
        }
        let mut first = published_for(&model.name);
        let published = published.or_else(|| first.next())?;
        published.are_for(native).then(|| Self {
            preprocessing: published.preprocessing.clone(),
            of: published.name(),
            published: Some(published),
        })
    }

    /// The same for images of so many channels: the mean over the channels where there is another number.
    #[must_use]
    pub fn for_channels(mut self, channels: usize) -> Self {
        let image = &mut self.preprocessing;
        if image.channels != channels {
            image.channels = channels;
            for values in [&mut image.mean, &mut image.std] {
                let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
                *values = vec![mean; channels];
            }
        }
        self
    }

    /// What is done with images, in a sentence. `resizes` says whether they are resized, or come in the size of the model.
    #[must_use]
    pub fn sentence(&self, resizes: bool) -> String {
        let image = &self.preprocessing;
        let numbers = |values: &[f32]| {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            values.join(", ")
        };
        let fitted = if resizes {
            format!(
                "{}×{} pixels, crop share {:.3}, {}, ",
                image.height,
                image.width,
                image.crop,
                filter_name(image.filter)
            )
        } else {
            String::new()
        };
        format!(
            "reading images as for {}: {fitted}mean {}, std {}; --normalize says otherwise",
            self.of,
            numbers(&image.mean),
            numbers(&image.std)
        )
    }
}

fn filter_name(filter: Filter) -> &'static str {
    let mut names = Filter::NAMES.iter();
    names
        .find(|(_, named)| *named == filter)
        .map_or("", |(name, _)| name)
}
