//! Pictures side by side, each with lines of text below it.

use firebrick_types::image::{Filter, Image, Size, resize};

use crate::bitmap_font::{self, ADVANCE, HEIGHT};

/// A picture on a contact sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The picture, of any size.
    pub image: Image,
    /// What stands below it; a long line is broken.
    pub lines: Vec<String>,
}

/// Longest side of a picture on the sheet, in pixels.
const SIDE: usize = 150;
/// Pixels between pictures, and around all.
const GAP: usize = 8;
/// Pixels from one line of text to the next.
const LINE: usize = HEIGHT + 3;
/// Lines below a picture; the rest is left out.
const MOST_LINES: usize = 10;
const PAPER: u8 = 255;
const INK: u8 = 40;

/// The tiles in rows of `columns`, as an RGB image. Small pictures are enlarged by whole factors, so that their pixels
/// stay square; large ones are made smaller.
#[must_use]
pub fn contact_sheet(tiles: &[Tile], columns: usize) -> Image {
    let columns = columns.clamp(1, tiles.len().max(1));
    let tiles: Vec<(Image, Vec<String>)> = tiles
        .iter()
        .map(|tile| (shown(&tile.image), broken(&tile.lines)))
        .collect();
    let heights: Vec<usize> = tiles
        .chunks(columns)
        .map(|row| {
            let picture = row.iter().map(|(image, _)| image.height).max().unwrap_or(0);
            let text = row
                .iter()
                .map(|(_, lines)| lines.len() * LINE)
                .max()
                .unwrap_or(0);
            picture + GAP / 2 + text
        })
        .collect();
    let size = Size::new(
        columns * (SIDE + GAP) + GAP,
        heights.iter().map(|height| height + GAP).sum::<usize>() + GAP,
    );
    let mut sheet = Image::black(size.width, size.height, 3);
    sheet.pixels.fill(PAPER);
    let mut top = GAP;
    for (row, height) in tiles.chunks(columns).zip(&heights) {
        let below = row.iter().map(|(image, _)| image.height).max().unwrap_or(0) + GAP / 2;
        for (column, (image, lines)) in row.iter().enumerate() {
            let left = GAP + column * (SIDE + GAP);
            paste(&mut sheet, image, left, top);
            for (number, line) in lines.iter().enumerate() {
                write(&mut sheet, line, left, top + below + number * LINE);
            }
        }
        top += height + GAP;
    }
    sheet
}

/// A picture in RGB, with its longest side near [`SIDE`].
fn shown(image: &Image) -> Image {
    let longest = image.width.max(image.height).max(1);
    let image = image.clone().with_channels(3);
    if longest > SIDE {
        let scaled = |side: usize| (side * SIDE / longest).max(1);
        let size = Size::new(scaled(image.width), scaled(image.height));
        return resize(image, size, Filter::Box);
    }
    let times = SIDE / longest;
    let size = Size::new(image.width * times, image.height * times);
    resize(image, size, Filter::Nearest)
}

/// Lines that are not wider than a picture. Breaks are at spaces where there are some.
fn broken(lines: &[String]) -> Vec<String> {
    let most = SIDE / ADVANCE;
    let mut broken = Vec::new();
    for line in lines {
        let mut rest: Vec<char> = line.chars().collect();
        while rest.len() > most {
            // A line that is continued is indented.
            let space = rest[..=most].iter().rposition(|letter| *letter == ' ');
            let end = space.filter(|at| *at > 2).unwrap_or(most);
            let next = rest.split_off(end);
            broken.push(rest.into_iter().collect());
            let next = next.into_iter().skip_while(|letter| *letter == ' ');
            rest = [' ', ' '].into_iter().chain(next).collect();
        }
        broken.push(rest.into_iter().collect());
    }
    if broken.len() > MOST_LINES {
        broken.truncate(MOST_LINES - 1);
        broken.push("…".into());
    }
    broken
}

fn paste(sheet: &mut Image, image: &Image, left: usize, top: usize) {
    if image.pixels.is_empty() {
        return;
    }
    for (y, row) in image.pixels.chunks_exact(image.width * 3).enumerate() {
        let start = ((top + y) * sheet.width + left) * 3;
        sheet.pixels[start..start + row.len()].copy_from_slice(row);
    }
}

fn write(sheet: &mut Image, line: &str, left: usize, top: usize) {
    for (x, y) in bitmap_font::pixels(line) {
        let start = ((top + y) * sheet.width + left + x) * 3;
        sheet.pixels[start..start + 3].fill(INK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(width: usize, height: usize, channels: usize, value: u8, lines: &[&str]) -> Tile {
        let mut image = Image::black(width, height, channels);
        image.pixels.fill(value);
        let lines = lines.iter().map(ToString::to_string).collect();
        Tile { image, lines }
    }

    /// The pixel at a place.
    fn at(sheet: &Image, x: usize, y: usize) -> [u8; 3] {
        let start = (y * sheet.width + x) * 3;
        sheet.pixels[start..start + 3].try_into().unwrap()
    }

    #[test]
    fn pictures_stand_in_rows_and_their_texts_below_them() {
        let tiles = [
            tile(50, 50, 3, 10, &["l"]),
            tile(50, 25, 1, 20, &[]),
            tile(300, 300, 3, 30, &["l", "l"]),
        ];
        let sheet = contact_sheet(&tiles, 2);
        assert_eq!((sheet.width, sheet.channels), (2 * (SIDE + GAP) + GAP, 3));
        assert_eq!(sheet.pixels.len(), sheet.width * sheet.height * 3);
        let second = GAP + SIDE + GAP / 2 + LINE + GAP;
        assert_eq!(at(&sheet, GAP, GAP), [10; 3]);
        assert_eq!(at(&sheet, GAP + SIDE - 1, GAP + SIDE - 1), [10; 3]);
        assert_eq!(at(&sheet, GAP + SIDE, GAP), [PAPER; 3]);
        assert_eq!(
            at(&sheet, GAP + SIDE + GAP, GAP),
            [20; 3],
            "grey, beside it"
        );
        assert_eq!(at(&sheet, GAP + SIDE + GAP, GAP + 74), [20; 3]);
        assert_eq!(
            at(&sheet, GAP + SIDE + GAP, GAP + 75),
            [PAPER; 3],
            "half as high"
        );
        assert_eq!(
            at(&sheet, GAP, second),
            [30; 3],
            "the third, in a row of its own"
        );
        assert_eq!(at(&sheet, GAP, second + SIDE), [PAPER; 3]);
        let (x, y) = bitmap_font::pixels("l").next().unwrap();
        assert_eq!(at(&sheet, GAP + x, GAP + SIDE + GAP / 2 + y), [INK; 3]);
        let ink = sheet
            .pixels
            .chunks(3)
            .filter(|pixel| *pixel == [INK; 3])
            .count();
        assert_eq!(ink, 3 * bitmap_font::pixels("l").count());
    }

    #[test]
    fn long_lines_are_broken_and_too_many_left_out() {
        let line = ["color_jitter brightness=1.3 contrast=0.71".to_string()];
        assert_eq!(
            broken(&line),
            ["color_jitter", "  brightness=1.3", "  contrast=0.71"]
        );
        let word = ["x".repeat(60)];
        let broken_word = broken(&word);
        assert!(
            broken_word.iter().all(|line| line.len() <= SIDE / ADVANCE),
            "{broken_word:?}"
        );
        assert_eq!(broken_word.concat().replace(' ', ""), word[0]);
        let many = vec!["a".to_string(); 30];
        assert_eq!(broken(&many).len(), MOST_LINES);
        assert_eq!(broken(&many)[MOST_LINES - 1], "…");
    }

    #[test]
    fn odd_sheets_are_sheets() {
        assert_eq!(contact_sheet(&[], 6).width, SIDE + 2 * GAP);
        let sheet = contact_sheet(&[tile(1, 400, 1, 7, &[]), tile(0, 3, 3, 0, &["ß"])], 0);
        assert_eq!(at(&sheet, GAP, GAP), [7; 3]);
    }
}
