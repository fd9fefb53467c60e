//! `firebrick datasets pack`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use firebrick::datasets::OnBadImage;
use firebrick::datasets::pack::{self, Making, PackFormat, Packed};
use firebrick::datasets::registry::folder_path;
use serde_json::{Map, json};

use crate::commands::on_bad_image;
use crate::failure::Failure;
use crate::figures::{counted, grouped};
use crate::number::whole;
use crate::progress;
use crate::shell::{program, quoted_path};
use crate::terminal;

/// Put the images of a folder into one file, which is read faster: train on folder:FILE as on the folder
#[derive(Args)]
pub(super) struct Pack {
    /// The folder of images, with or without splits
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// File to write; a pack that is there is replaced [default: DIR.fbpack]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Make images smaller whose longer side has more pixels than this; by default images keep their size
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    max_side: Option<usize>,
    /// How images are kept: raw (pixels, which need no decoding) or jpeg (files as they are, and JPEG where an image is made
    /// smaller)
    #[arg(long, value_name = "raw|jpeg", default_value = "raw")]
    format: Format,
    /// Quality of images that become JPEG, 1 to 100 [default: 90]
    #[arg(long, value_name = "Q", value_parser = whole::<u8>)]
    quality: Option<u8>,
    /// What to do with an image that cannot be read: fail or skip
    #[arg(long, value_name = "fail|skip", default_value = "fail", value_parser = on_bad_image())]
    on_bad_image: OnBadImage,
    /// Print one JSON document: {path, format, max_side, quality, images, splits, smaller, bytes, source_bytes, skipped}
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Raw,
    Jpeg,
}

impl Pack {
    pub(super) fn run(&self) -> Result<(), Failure> {
        // As the other commands name it.
        let folder = self.folder.to_str().and_then(folder_path);
        let folder = folder.map_or(&*self.folder, Path::new);
        let out = self.out.clone().unwrap_or_else(|| pack::beside(folder));
        let made = Making {
            max_side: self.max_side,
            format: match self.format {
                Format::Raw => PackFormat::Raw,
                Format::Jpeg => PackFormat::Jpeg,
            },
            quality: self.quality,
        };
        let mut progress = progress::images(self.json);
        let packed = pack::pack(folder, &out, made, self.on_bad_image, &mut progress)?;
        packed.notes.iter().for_each(|note| terminal::notice(note));
        for image in &packed.skipped {
            terminal::notice(&format!("left out: {image}"));
        }
        if self.json {
            return terminal::json(&document(&packed, &out));
        }
        say(&packed, &out);
        Ok(())
    }
}

fn images(packed: &Packed) -> usize {
    packed.splits.iter().map(|(_, images)| images).sum()
}

fn document(packed: &Packed, out: &Path) -> serde_json::Value {
    let splits = packed.splits.iter();
    let splits = splits.map(|(split, images)| (split.to_string(), json!(images)));
    let Making {
        max_side,
        format,
        quality,
    } = packed.made;
    json!({
        "path": out.display().to_string(),
        "format": format,
        "max_side": max_side,
        "quality": quality,
        "images": images(packed),
        "splits": splits.collect::<Map<_, _>>(),
        "smaller": packed.smaller,
        "bytes": packed.bytes,
        "source_bytes": packed.source_bytes,
        "skipped": packed.skipped,
    })
}

fn say(packed: &Packed, out: &Path) {
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let smaller = match packed.made.max_side {
        None => String::new(),
        Some(side) => format!(
            ", {} of them made smaller: {side} pixels on the longer side",
            grouped(packed.smaller as u64)
        ),
    };
    terminal::say(&format!(
        "{}: {}{smaller}; {}, the image files have {}",
        out.display(),
        counted(images(packed) as u64, "image", "images"),
        megabytes(packed.bytes),
        megabytes(packed.source_bytes)
    ));
    let dataset = format!("folder:{}", out.display());
    terminal::say(&format!(
        "next: {} train --dataset {}",
        program(),
        quoted_path(Path::new(&dataset))
    ));
}
