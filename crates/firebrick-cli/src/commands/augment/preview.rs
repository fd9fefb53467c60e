//! `firebrick augment preview`.

use std::path::PathBuf;

use clap::Args;
use firebrick::datasets::image_list::{ListedImage, ListedImages};
use firebrick::predict::image_files;
use firebrick::report::{Tile, contact_sheet, png};

use super::drawn_text;
use super::subject::PolicyFlags;
use crate::commands::write_file;
use crate::failure::Failure;
use crate::number::whole;
use crate::terminal;

/// Draw one image as each epoch would see it, with the random parameters below each version
#[derive(Args)]
pub(super) struct Preview {
    /// An image file, or a directory of images or a pack, of which --index chooses one
    image: PathBuf,
    /// The number of the image in the directory or pack, from 0; it has the draws that this place has in `augment apply`
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<usize>)]
    index: usize,
    #[command(flatten)]
    policy: PolicyFlags,
    /// Columns and rows of the picture, with one epoch in each cell
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "6x6", value_parser = grid)]
    grid: [usize; 2],
    /// PNG file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The most versions on one sheet.
const MOST: usize = 400;

fn grid(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once(['x', '×']);
    let sides = sides.and_then(|(columns, rows)| {
        Some([columns.trim().parse().ok()?, rows.trim().parse().ok()?])
    });
    let [columns, rows]: [usize; 2] =
        sides.ok_or("expected a number of columns and of rows, such as 6x6")?;
    let count = columns.saturating_mul(rows);
    if count == 0 || count > MOST {
        return Err(format!(
            "expected 1 to {MOST} versions, but {columns}x{rows} are {count}"
        ));
    }
    Ok([columns, rows])
}

impl Preview {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let policy = self.policy.open()?;
        let listed = self.listed()?;
        let image = policy.read(&listed)?;
        let [columns, rows] = self.grid;
        let mut tiles = Vec::with_capacity(columns * rows);
        for epoch in 0..(columns * rows) as u64 {
            let (image, drawn) = policy.change(image.clone(), self.index, epoch)?;
            let mut lines = drawn_text::lines(&drawn);
            if lines.is_empty() {
                lines.push("unchanged".into());
            }
            tiles.push(Tile { image, lines });
        }
        let sheet = png(&contact_sheet(&tiles, columns))
            .ok_or_else(|| Failure::Work("--policy leaves no pixels of the image".into()))?;
        write_file(&self.out, sheet)?;
        terminal::say(&format!(
            "{}: {} as it is in epochs 1 to {}",
            self.out.display(),
            terminal::name(&listed.path().display().to_string()),
            tiles.len()
        ));
        Ok(())
    }

    /// The image that was asked for.
    fn listed(&self) -> Result<ListedImage, Failure> {
        let ListedImages { images, left_out } = image_files(std::slice::from_ref(&self.image));
        if let Some(note) = left_out.note() {
            terminal::notice(&note);
        }
        let count = images.len();
        let image = images.into_iter().nth(self.index).ok_or_else(|| {
            let path = self.image.display();
            let images = if count == 1 { "image" } else { "images" };
            Failure::Usage(format!(
                "index = {} is out of range: {path} has {count} {images}, counted from 0",
                self.index
            ))
        })?;
        Ok(image.map_err(firebrick::Error::from)?)
    }
}
