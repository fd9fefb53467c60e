//! The image that is augmented, and the settings that `preview` and `apply` share.

use clap::Args;
use firebrick::core::ConfigError;
use firebrick::core::data::{Drawn, Image, Preprocessing, SampleTransform, Subject};
use firebrick::core::error::check;
use firebrick::core::image::fit;
use firebrick::core::spec::Pipeline;
use firebrick::datasets::decode;
use firebrick::datasets::image_list::ListedImage;
use firebrick::regularize::augment::{self, Chain};

use crate::failure::Failure;
use crate::number::whole;

/// What is done to the images.
#[derive(Args)]
pub(super) struct PolicyFlags {
    /// The augmentations, such as 'pad_crop(4) | hflip', as `train --augment` takes them
    #[arg(long, value_name = "SPEC", alias = "augment")]
    policy: Pipeline,
    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<u64>)]
    seed: u64,
    /// Side of the images that the model reads: what the augmentations do not crop or resize is fitted to it first, as in
    /// training [default: images keep their size]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    image_size: Option<usize>,
    /// Read the images in greyscale (1) or colour (3)
    #[arg(long, value_name = "1|3", default_value_t = 3, value_parser = whole::<usize>)]
    channels: usize,
}

/// The pipeline and how it is used.
pub(super) struct Policy<'a> {
    flags: &'a PolicyFlags,
    chain: Chain,
}

impl PolicyFlags {
    /// The pipeline, checked.
    pub(super) fn open(&self) -> Result<Policy<'_>, Failure> {
        if !matches!(self.channels, 1 | 3) {
            let range = "1 (grey) or 3 (RGB)";
            return Err(
                ConfigError::out_of_range("augment", "channels", self.channels, range).into(),
            );
        }
        if let Some(side) = self.image_size {
            check("augment", "image_size", side, 1..=decode::MAX_SIDE as usize)?;
        }
        let chain = augment::build(&self.policy)?;
        Ok(Policy { flags: self, chain })
    }
}

impl Policy<'_> {
    /// Reads an image.
    pub(super) fn read(&self, image: &ListedImage) -> Result<Image, Failure> {
        let read = image.read(self.flags.channels);
        read.map_err(|error| firebrick::Error::from(error).into())
    }

    /// What image `index` of a data set becomes in an epoch, and what was drawn for it.
    pub(super) fn change(
        &self,
        image: Image,
        index: usize,
        epoch: u64,
    ) -> Result<(Image, Vec<Drawn>), Failure> {
        let preprocessing = self
            .flags
            .image_size
            .map(|side| Preprocessing::unnormalized(image.channels, side, side));
        let (image, target) = match &preprocessing {
            Some(read) if self.chain.wants_original() => (image, read.size()),
            Some(read) => (fit(image, read), read.size()),
            None => {
                let size = image.size();
                (image, size)
            }
        };
        let subject = Subject {
            seed: self.flags.seed,
            epoch,
            index,
            position: index,
            share: 0.0,
            target,
        };
        let mut drawn = Vec::new();
        let changed =
            self.chain
                .transform(image, &subject, &mut subject.rng(), Some(&mut drawn))?;
        let changed = match &preprocessing {
            Some(read) => fit(changed, read),
            None => changed,
        };
        Ok((changed, drawn))
    }
}
