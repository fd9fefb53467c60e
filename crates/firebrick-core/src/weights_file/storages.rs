//! The stored values behind tensors, read piece by piece.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use burn::tensor::TensorData;
use zip::{CompressionMethod, ZipArchive};

use super::view::View;

/// Bytes of a compressed entry at most that are unpacked for a few elements that lie apart in it.
const MAX_COMPRESSED_SPAN: usize = 1 << 20;

/// Where a storage lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// At these bytes of the file.
    Bytes { at: u64, len: u64 },
    /// In this entry of the archive.
    Entry(usize),
    /// The pickle names it, but it is not in the file.
    Nowhere,
}

/// All storages of a file.
#[derive(Debug)]
pub(super) struct Storages {
    pub(super) file: File,
    pub(super) archive: Option<ZipArchive<BufReader<File>>>,
    pub(super) places: Vec<Place>,
}

/// A storage, ready to be read.
enum Ready {
    Bytes {
        at: u64,
        len: u64,
    },
    /// A compressed entry of the archive: it can be read from its beginning only.
    Compressed {
        entry: usize,
        len: u64,
    },
}

impl Storages {
    /// Storages that lie in the file itself.
    pub(super) fn in_file(file: File, places: Vec<Place>) -> Self {
        Self {
            file,
            archive: None,
            places,
        }
    }

    /// Reads a tensor of floats as f32, in the order of its shape.
    pub(super) fn read(&mut self, view: &View) -> Result<TensorData, String> {
        let (float, width) = view
            .element
            .float()
            .ok_or_else(|| format!("its type is {}", view.element))?;
        let sizes = (
            view.elements(),
            view.extent(),
            view.offset.checked_mul(width),
        );
        let (Some(elements), Some(extent), Some(start)) = sizes else {
            return Err(beyond());
        };
        let (Some(size), Some(span)) = (elements.checked_mul(width), extent.checked_mul(width))
        else {
            return Err(beyond());
        };
        let ready = self.ready(view.storage)?;
        let len = match ready {
            Ready::Bytes { len, .. } | Ready::Compressed { len, .. } => len,
        };
        if (start as u64)
            .checked_add(span as u64)
            .is_none_or(|end| end > len)
        {
            return Err(beyond());
        }
        let compressed = matches!(ready, Ready::Compressed { .. });
        let bytes = if elements == 0 || view.is_in_order() {
            self.piece(&ready, start as u64, size)?
        } else if extent / 2 <= elements || (compressed && span <= MAX_COMPRESSED_SPAN) {
            let span = self.piece(&ready, start as u64, span)?;
            gathered(view, width, size, |at, len, out| {
                out.extend_from_slice(&span[at..at + len]);
                Ok(())
            })?
        } else if compressed {
            // Each of them would be looked for from the beginning of the entry.
            return Err(
                "its values lie far apart in a compressed archive: save the file again with torch.save"
                    .into(),
            );
        } else {
            // Few elements of a large storage, such as some rows of a table.
            gathered(view, width, size, |at, len, out| {
                out.extend(self.piece(&ready, (start + at) as u64, len)?);
                Ok(())
            })?
        };
        let data = TensorData::try_from_bytes_vec(bytes, view.shape.clone(), float);
        Ok(data.map_err(|error| error.to_string())?.convert::<f32>())
    }

    /// Compares what the tensor's storage holds with the checksum that the archive has for it. Only
    /// passes over it, so that nothing is in memory.
    pub(super) fn check(&mut self, view: &View) -> Result<(), String> {
        let (Some(&Place::Entry(index)), Some(archive)) =
            (self.places.get(view.storage), &mut self.archive)
        else {
            return Ok(());
        };
        let mut entry = archive.by_index(index).map_err(|error| error.to_string())?;
        // `torch.save` writes 0 where it is told to compute none. A storage much larger than what
        // is read of it is not worth the time.
        let read = view.elements().unwrap_or(0) as u64 * 16;
        if entry.crc32() == 0 || entry.size() > read.max(1 << 20) {
            return Ok(());
        }
        let copied = std::io::copy(&mut entry, &mut std::io::sink());
        copied
            .map(drop)
            .map_err(|error| format!("its values are damaged: {error}"))
    }

    fn ready(&mut self, storage: usize) -> Result<Ready, String> {
        match (self.places.get(storage), &mut self.archive) {
            (Some(&Place::Bytes { at, len }), _) => Ok(Ready::Bytes { at, len }),
            (Some(&Place::Entry(index)), Some(archive)) => {
                let entry = archive.by_index(index).map_err(|error| error.to_string())?;
                let len = entry.size();
                match (entry.compression(), entry.data_start()) {
                    (CompressionMethod::Stored, Some(at)) if entry.compressed_size() == len => {
                        Ok(Ready::Bytes { at, len })
                    }
                    _ => Ok(Ready::Compressed { entry: index, len }),
                }
            }
            _ => Err("its values are not in the file".into()),
        }
    }

    /// `len` bytes of a storage; the caller has seen that it has so many.
    fn piece(&mut self, ready: &Ready, start: u64, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; len];
        let read = match *ready {
            Ready::Bytes { at, .. } => {
                let at = at.checked_add(start).ok_or_else(beyond)?;
                let seek = self.file.seek(SeekFrom::Start(at));
                seek.and_then(|_| self.file.read_exact(&mut bytes))
            }
            Ready::Compressed { entry, .. } => {
                let archive = self.archive.as_mut().ok_or_else(beyond)?;
                let mut entry = archive.by_index(entry).map_err(|error| error.to_string())?;
                let skipped = std::io::copy(&mut entry.by_ref().take(start), &mut std::io::sink());
                skipped.and_then(|_| entry.read_exact(&mut bytes))
            }
        };
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "the file ends before its values".into(),
            _ => format!("its values cannot be read: {error}"),
        })?;
        Ok(bytes)
    }
}

/// The bytes of a view whose elements are apart: `take` appends `len` bytes at `at` of its extent.
fn gathered(
    view: &View,
    width: usize,
    size: usize,
    mut take: impl FnMut(usize, usize, &mut Vec<u8>) -> Result<(), String>,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(size);
    let count = view.shape.last().copied().unwrap_or(1);
    let stride = view.strides.last().copied().unwrap_or(1);
    view.rows(|row| {
        if stride == 1 || count == 1 {
            return take(row * width, count * width, &mut out);
        }
        (0..count).try_for_each(|at| take((row + at * stride) * width, width, &mut out))
    })?;
    Ok(out)
}

fn beyond() -> String {
    "it extends beyond the end of the stored values".into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::weights_file::element::ElementType;

    #[test]
    fn values_far_apart_in_a_compressed_entry_are_not_looked_for_one_by_one() {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated);
        let mut writer = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        writer.start_file("values", options).unwrap();
        let values: Vec<u8> = (0..300_000u32)
            .flat_map(|k| (k as f32).to_le_bytes())
            .collect();
        writer.write_all(&values).unwrap();
        let file = writer.finish().unwrap();
        let reader = BufReader::new(file.try_clone().unwrap());
        let mut storages = Storages {
            file,
            archive: Some(ZipArchive::new(reader).unwrap()),
            places: vec![Place::Entry(0)],
        };
        let mut read = |stride: usize| {
            storages.read(&View {
                storage: 0,
                element: ElementType::F32,
                offset: 7,
                shape: vec![2, 1],
                strides: vec![stride, 1],
            })
        };
        let data = read(1000).unwrap();
        assert_eq!(data.try_to_vec::<f32>().unwrap(), [7.0, 1007.0]);
        let error = read(299_000).unwrap_err();
        assert!(error.contains("compressed archive"), "{error}");
    }
}
