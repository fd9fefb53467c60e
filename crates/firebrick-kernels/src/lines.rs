//! Divides rows of channels into vectors.
//!
//! A line is a whole number of rows and, where that is not too long, of vectors: with few channels,
//! or a number of them that the vectors do not divide, values per channel are repeated to the
//! length of a line and no lane is left empty.

use crate::simd::Vectors;

/// Elements in a chunk, at least: those that are summed in f32.
const CHUNK: usize = 1 << 15;

/// Rows in a chunk, at least.
const ROWS: usize = 64;

/// A line with vectors of its own length for as many channels as this many elements hold.
const LONGEST: usize = 1024;

/// The cut for one number of channels and one instruction set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    pub(crate) vectors: Vectors,
    pub(crate) channels: usize,
    /// Elements of a line: rows times channels.
    pub(crate) line: usize,
    /// Room for a line of whole vectors.
    pub(crate) padded: usize,
    /// Rows of a chunk: a whole number of lines.
    pub(crate) rows: usize,
}

impl Lines {
    pub(crate) fn new(channels: usize, vectors: Vectors) -> Self {
        assert!(channels > 0, "at least one channel");
        let lanes = vectors.lanes();
        let line = line_of(channels, lanes);
        Self {
            vectors,
            channels,
            line,
            padded: line.next_multiple_of(lanes),
            rows: rows_of(channels, line),
        }
    }

    /// Chunks of so many rows.
    pub(crate) fn chunks(&self, rows: usize) -> usize {
        rows.div_ceil(self.rows)
    }

    /// Repeats the first `channels` elements to the whole line.
    pub(crate) fn expand(&self, line: &mut [f32]) {
        let mut have = self.channels;
        while have < self.line {
            line.copy_within(..have, have);
            have *= 2;
        }
        line[self.line..].fill(0.0);
    }

    /// A line with these values per channel.
    pub(crate) fn expanded(&self, values: &[f32]) -> Vec<f32> {
        let mut line = vec![0.0; self.padded];
        line[..self.channels].copy_from_slice(values);
        self.expand(&mut line);
        line
    }

    /// Sums the line into its first `channels` elements.
    pub(crate) fn fold(&self, line: &mut [f32]) {
        let mut have = self.line;
        while have > self.channels {
            have /= 2;
            let (sums, rest) = line[..2 * have].split_at_mut(have);
            sums.iter_mut()
                .zip(rest)
                .for_each(|(sum, other)| *sum += *other);
        }
    }
}

/// The elements of a line.
fn line_of(channels: usize, lanes: usize) -> usize {
    // `lanes` is a power of two, so this is the least common multiple, and halving a line leads
    // back to the channels.
    let mut line = channels * (lanes >> channels.trailing_zeros().min(lanes.ilog2()));
    if line > LONGEST {
        line = channels;
    }
    // Enough vectors that a sum is stored long before it is loaded again.
    while line < 16 * lanes {
        line *= 2;
    }
    line
}

/// The rows of a chunk.
fn rows_of(channels: usize, line: usize) -> usize {
    let lines = CHUNK.div_ceil(line).max(ROWS.div_ceil(line / channels));
    lines * (line / channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_power_of_two_of_rows() {
        for (channels, lanes) in (1..=2100).flat_map(|c| [4, 8, 16].map(|lanes| (c, lanes))) {
            let line = line_of(channels, lanes);
            let rows = rows_of(channels, line);
            assert_eq!(line % channels, 0);
            assert!((line / channels).is_power_of_two(), "{channels} {lanes}");
            assert_eq!(rows * channels % line, 0);
            assert!(rows >= ROWS && rows * channels >= CHUNK);
            assert!(line.is_multiple_of(lanes) || channels > LONGEST / lanes);
            assert!(line >= 16 * lanes);
        }
    }

    #[test]
    fn folding_sums_what_expanding_repeats() {
        for channels in [1, 3, 6, 10, 16, 33, 65, 512] {
            let lines = Lines::new(channels, Vectors::in_use());
            let values: Vec<f32> = (0..channels).map(|value| value as f32).collect();
            let mut line = lines.expanded(&values);
            assert!((0..lines.line).all(|at| line[at] == (at % channels) as f32));
            lines.fold(&mut line);
            let times = (lines.line / channels) as f32;
            assert!((0..channels).all(|at| line[at] == at as f32 * times));
        }
    }
}
