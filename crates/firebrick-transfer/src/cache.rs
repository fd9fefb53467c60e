//! The file of features: a frozen backbone sees each image once, and what it said is kept.
//!
//! ```text
//! FBFEAT1\n  length of the header  header  SHA-256 of the header  block  block  …
//! 8 bytes    8 bytes               JSON    64 hexadecimal digits
//!
//! block: ROWS   number of rows  CRC-32 of what follows and of that number  image, view, label of each row  features of each row
//!        4      4 bytes         4 bytes                                    3 × 4 bytes                     f32, stage after stage
//! ```
//!
//! Numbers are little-endian. The header ([`Key`]) says of which weights, preprocessing and data the features are, of
//! which stages, and how many images and views there are.
//!
//! A block is written at once and never changed. So the file can be read while it grows, and after a program was killed at
//! any byte, every block before the last one is whole: [`CacheWriter::open`] goes on behind the last whole block and says
//! what it dropped.

mod key;
mod reader;
mod rows;
mod writer;

pub use key::{Key, StageWidth};
pub use reader::CacheReader;
pub use writer::{CacheWriter, Row};

/// What a file begins with; the digit is the version of the format.
const BEGIN: &[u8; 8] = b"FBFEAT1\n";
/// The largest header that is read: the names of some hundred thousand classes.
const MAX_HEADER: u64 = 1 << 24;
/// What a block begins with.
const BLOCK: &[u8; 4] = b"ROWS";
/// Bytes before the rows of a block.
const BLOCK_HEAD: usize = 4 + 4 + 4;
/// Bytes before the features of a row: its image, view and label.
const ROW_HEAD: usize = 3 * 4;

/// What was found in a file of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Rows that can be used.
    pub rows: usize,
    /// Bytes at its end that are no whole block: what was being written when a program was killed, or is being written now.
    pub torn_bytes: u64,
}

#[cfg(test)]
mod tests;
