//! IDX, the file format of MNIST and its relatives.
//!
//! A file is four bytes of magic (`00 00`, the type of a value, the number of dimensions), one
//! big-endian `u32` for each dimension, and the values. Files are read plain or gzipped, whatever
//! their name says.
//! Source: <http://yann.lecun.com/exdb/mnist/>, section "file formats".

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use firebrick_types::data::DataError;
use flate2::read::GzDecoder;

/// No IDX set is nearly as large; a header that asks for more is taken for damage.
const MOST_BYTES: u64 = 4 << 30;

/// The images of one IDX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// The number of images.
    pub count: usize,
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub columns: usize,
    /// `count * rows * columns` grey values, row by row.
    pub pixels: Vec<u8>,
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, DataError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|source| DataError::io(path, source))
}

/// Reads an IDX file of images, plain or gzipped.
///
/// # Errors
/// [`DataError`] naming the file, the place in it and what was expected.
pub fn images(path: &Path) -> Result<Images, DataError> {
    parse_images(&mut open(path)?, path)
}

/// Reads an IDX file of labels, plain or gzipped.
///
/// # Errors
/// [`DataError`] naming the file, the place in it and what was expected.
pub fn labels(path: &Path) -> Result<Vec<u8>, DataError> {
    parse_labels(&mut open(path)?, path)
}

pub(crate) fn parse_images(reader: &mut dyn Read, path: &Path) -> Result<Images, DataError> {
    let ([count, rows, columns], pixels) = parse(reader, path)?;
    if rows == 0 || columns == 0 {
        return Err(DataError::corrupt(
            path,
            format!("its header says that the images have {rows} rows of {columns} pixels"),
        ));
    }
    Ok(Images {
        count,
        rows,
        columns,
        pixels,
    })
}

pub(crate) fn parse_labels(reader: &mut dyn Read, path: &Path) -> Result<Vec<u8>, DataError> {
    let ([_], labels) = parse(reader, path)?;
    Ok(labels)
}

/// Reads a file of bytes in `D` dimensions. Memory follows what is really in the file, not what
/// its header promises.
fn parse<const D: usize>(
    reader: &mut dyn Read,
    path: &Path,
) -> Result<([usize; D], Vec<u8>), DataError> {
    let mut reader = BufReader::new(reader);
    let start = reader
        .fill_buf()
        .map_err(|source| DataError::io(path, source))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        parse_plain(&mut GzDecoder::new(reader), path)
    } else {
        parse_plain(&mut reader, path)
    }
}

fn parse_plain<const D: usize>(
    reader: &mut dyn Read,
    path: &Path,
) -> Result<([usize; D], Vec<u8>), DataError> {
    let corrupt = |problem: String| Err(DataError::corrupt(path, problem));
    let header = read_up_to(reader, 4 + 4 * D as u64, path)?;
    let Some((magic, sizes)) = header
        .split_at_checked(4)
        .filter(|_| header.len() == 4 + 4 * D)
    else {
        return corrupt(format!(
            "it ends after {} bytes, inside the IDX header of {} bytes",
            header.len(),
            4 + 4 * D
        ));
    };
    let expected = [0, 0, 8, D as u8];
    if magic != expected {
        let hint = match magic {
            [0, 0, 8, 1] => "; this is a file of labels",
            [0, 0, 8, 3] => "; this is a file of images",
            _ => "",
        };
        return corrupt(format!(
            "its first four bytes are {}, expected {} (IDX, bytes, {D} dimensions){hint}",
            hex(magic),
            hex(&expected)
        ));
    }
    let mut shape = [0usize; D];
    let mut total = Some(1u64);
    for (side, bytes) in shape.iter_mut().zip(sizes.chunks_exact(4)) {
        let size = bytes
            .iter()
            .fold(0u32, |size, byte| size << 8 | u32::from(*byte));
        *side = size as usize;
        total = total.and_then(|total| total.checked_mul(u64::from(size)));
    }
    let promised = || shape.map(|side| side.to_string()).join(" × ");
    let Some(total) = total.filter(|total| *total <= MOST_BYTES) else {
        return corrupt(format!(
            "its header promises {} values, more than any IDX data set holds: the header is damaged",
            promised()
        ));
    };
    // One more than promised shows a file that goes on.
    let values = read_up_to(reader, total + 1, path)?;
    let found = values.len() as u64;
    if found != total {
        let (how, found) = if found < total {
            ("ends too early", found.to_string())
        } else {
            ("goes on too long", "more".to_string())
        };
        return corrupt(format!(
            "it {how}: its header promises {} = {total} values, found {found}",
            promised()
        ));
    }
    Ok((shape, values))
}

/// Reads at most `most` bytes.
fn read_up_to(reader: &mut dyn Read, most: u64, path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::with_capacity(most.min(64 << 20) as usize);
    match reader.take(most).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(match source.kind() {
            ErrorKind::UnexpectedEof => DataError::corrupt(
                path,
                format!(
                    "the compressed data is cut off, {} bytes into this part of its content",
                    bytes.len()
                ),
            ),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => DataError::corrupt(
                path,
                format!(
                    "the compressed data is damaged, {} bytes into this part of its content: {source}",
                    bytes.len()
                ),
            ),
            _ => DataError::io(path, source),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    let words: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(" ")
}

#[cfg(test)]
#[path = "idx/tests.rs"]
pub(crate) mod tests;
