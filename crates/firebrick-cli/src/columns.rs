//! Rows of cells as columns of text.

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use firebrick::core::error::visible;

/// Columns of a terminal, which tables and lists keep to.
pub(crate) const WIDTH: usize = 80;

/// Rows as columns of equal width, the first to the left, the others as said.
pub(crate) fn columns(rows: &[Vec<String>], others: Alignment) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| measure_text_width(cell))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let padded = cells.map(|(at, (cell, width))| {
            let alignment = if at == 0 { Alignment::Left } else { others };
            pad_str(cell, *width, alignment, None).into_owned()
        });
        let joined = padded.collect::<Vec<_>>().join("  ");
        joined.trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

/// At most `most` characters of a name; what is cut off is shown by an ellipsis.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    truncate_str(&visible(name), most, "…").into_owned()
}
