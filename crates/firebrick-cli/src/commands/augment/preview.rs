//! `firebrick augment preview`.

use std::path::PathBuf;

use clap::Args;
use firebrick::report::{Tile, contact_sheet, png};

use super::drawn_text;
use super::subject::PolicyFlags;
use crate::commands::write_file;
use crate::failure::Failure;
use crate::terminal;

/// Draw what an image becomes in each epoch, with the drawn parameters below each version
#[derive(Args)]
pub(super) struct Preview {
    /// The image file
    image: PathBuf,
    #[command(flatten)]
    policy: PolicyFlags,
    /// Columns and rows: as many epochs, from the first one on
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
        let image = policy.read(&self.image.clone().into())?;
        let [columns, rows] = self.grid;
        let mut tiles = Vec::with_capacity(columns * rows);
        for epoch in 0..(columns * rows) as u64 {
            let (image, drawn) = policy.change(image.clone(), 0, epoch)?;
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
            terminal::name(&self.image.display().to_string()),
            tiles.len()
        ));
        Ok(())
    }
}
