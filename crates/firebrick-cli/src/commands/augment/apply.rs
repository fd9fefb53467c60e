//! `firebrick augment apply`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::core::data::Drawn;
use firebrick::datasets::image_list::{ListedImage, ListedImages};
use firebrick::predict::image_files;
use firebrick::report::png;
use serde::Serialize;

use super::drawn_text;
use super::subject::{Policy, PolicyFlags};
use crate::commands::picture_name::picture_name;
use crate::commands::write_file;
use crate::failure::Failure;
use crate::terminal;

/// Write augmented images: one PNG file for each image, as the first epoch would see it
#[derive(Args)]
pub(super) struct Apply {
    /// Image files, directories of images or packs
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    policy: PolicyFlags,
    /// Directory to write to; created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON document: an array of {path, out, drawn: [{name, params}]}; params is null where a step left the
    /// image alone
    #[arg(long)]
    json: bool,
}

/// What became of an image.
#[derive(Serialize)]
struct Applied {
    path: String,
    out: String,
    drawn: Vec<Drawn>,
}

impl Apply {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let policy = self.policy.open()?;
        let ListedImages { images, left_out } = image_files(&self.images);
        if let Some(note) = left_out.note() {
            terminal::notice(&note);
        }
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::Work(format!("{}: {error}", self.out.display())))?;
        let (mut names, mut applied) = (BTreeSet::new(), Vec::new());
        for (index, image) in images.into_iter().enumerate() {
            let image = image.map_err(firebrick::Error::from)?;
            let path = image.path();
            let out = self.out.join(picture_name(path, &mut names));
            let drawn = one(&policy, &image, index, &out)?;
            let (path, out) = (path.display().to_string(), out.display().to_string());
            if !self.json {
                let drawn = drawn_text::lines(&drawn).join(", ");
                let drawn = if drawn.is_empty() {
                    "unchanged"
                } else {
                    &drawn
                };
                terminal::say(&format!("{}: {drawn}", terminal::name(&out)));
            }
            applied.push(Applied { path, out, drawn });
        }
        if self.json {
            terminal::json(&applied)?;
        }
        Ok(())
    }
}

fn one(
    policy: &Policy<'_>,
    listed: &ListedImage,
    index: usize,
    out: &Path,
) -> Result<Vec<Drawn>, Failure> {
    let image = policy.read(listed)?;
    let (image, drawn) = policy.change(image, index, 0)?;
    let png = png(&image).ok_or_else(|| {
        let path = listed.path().display();
        Failure::Work(format!("{path}: --policy leaves no pixels of it"))
    })?;
    write_file(out, png)?;
    Ok(drawn)
}
