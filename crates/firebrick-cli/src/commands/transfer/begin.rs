//! Data and pretrained network of a command.

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::core::Recipe;
use firebrick::core::spec::Spec;
use firebrick::transfer;

use crate::failure::Failure;
use crate::train_flags::TrainFlags;

/// Data and pretrained network, which all commands here have.
#[derive(Args)]
pub(super) struct Begin {
    /// Your photos as DIR/CLASS/IMAGE or DIR/SPLIT/CLASS/IMAGE, a pack of them, or the name of a data set such as cifar10
    #[arg(value_name = "DIR|NAME")]
    pub(super) data: String,
    #[command(flatten)]
    pub(super) flags: TrainFlags,
    /// Directory that keeps the features of images for the next time, or none to keep nothing; by default `features` in the cache directory
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub(super) features_dir: Option<PathBuf>,
}

/// The network that is taken where none is named: small, and good at photos.
const MODEL: &str = "efficientnet_lite0";

impl Begin {
    /// The recipe of the data and the network, changed by the other flags.
    pub(super) fn recipe(&self) -> Result<Recipe, Failure> {
        if self.flags.get("dataset").is_some() {
            return Err(Failure::Usage(
                "give the data as the first argument instead of with --dataset".into(),
            ));
        }
        let model = self.flags.get("model").unwrap_or(MODEL);
        let weights = self.flags.get("weights").unwrap_or("pretrained");
        let model: Spec = model.parse()?;
        let mut recipe = transfer::recipe(&data_set(&self.data), model, weights);
        self.flags.apply(&mut recipe)?;
        Ok(recipe)
    }

    pub(super) fn cache(&self) -> Option<PathBuf> {
        match &self.features_dir {
            Some(none) if *none == Path::new("none") => None,
            Some(directory) => Some(directory.clone()),
            None => Some(super::super::data_cache().join("features")),
        }
    }

    /// What was given, as words of a command line.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = vec![self.data.clone()];
        for (flag, value) in self.flags.words() {
            words.push(flag);
            words.extend(value);
        }
        if let Some(directory) = &self.features_dir {
            words.push("--features-dir".into());
            words.push(directory.display().to_string());
        }
        words
    }
}

/// The spec of the data: that of a folder or pack, if it is a path to one.
pub(in crate::commands) fn data_set(data: &str) -> String {
    let named = data.starts_with("folder:");
    if !named && (Path::new(data).exists() || data.contains(['/', '\\'])) {
        format!("folder:{data}")
    } else {
        data.into()
    }
}
