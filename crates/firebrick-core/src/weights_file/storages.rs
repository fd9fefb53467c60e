//! The stored values behind tensors, read piece by piece.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use burn::tensor::{DType, TensorData, bf16, f16};
use zip::{CompressionMethod, ZipArchive};

use super::view::{Side, View};

/// Bytes of a storage that are in memory at a time.
const WINDOW: usize = 1 << 19;

/// Elements this far apart are read one by one.
const FAR: usize = 1 << 12;

/// More than memory holds.
const MAX_ELEMENTS: usize = isize::MAX as usize / 8;

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

    /// Reads a tensor of floats as f32, in the order of its shape. The memory is that of the tensor
    /// and of a small window on the file, whatever the order and the type of the stored values.
    pub(super) fn read(&mut self, view: &View) -> Result<TensorData, String> {
        let (float, width) = view
            .element
            .float()
            .ok_or_else(|| format!("its type is {}", view.element))?;
        let sizes = (
            view.elements().filter(|all| *all <= MAX_ELEMENTS),
            view.extent().and_then(|extent| extent.checked_mul(width)),
            view.offset.checked_mul(width),
        );
        let (Some(elements), Some(span), Some(start)) = sizes else {
            return Err(beyond());
        };
        let ready = self.ready(view.storage)?;
        let len = match ready {
            Ready::Bytes { len, .. } | Ready::Compressed { len, .. } => len,
        };
        let end = (start as u64).checked_add(span as u64);
        let Some(end) = end.filter(|end| *end <= len) else {
            return Err(beyond());
        };
        let mut values = vec![0.0; elements];
        if elements > 0 {
            let window = Window {
                first: start as u64,
                bytes: Vec::new(),
                end,
                // Of a few elements of a large storage only those are read.
                ahead: if span / width / 2 <= elements {
                    WINDOW
                } else {
                    0
                },
                source: self.source(&ready)?,
            };
            match float {
                DType::F64 => copy(view, window, &mut values, |b| f64::from_le_bytes(b) as f32),
                DType::F16 => copy(view, window, &mut values, |b| f16::from_le_bytes(b).into()),
                DType::BF16 => copy(view, window, &mut values, |b| bf16::from_le_bytes(b).into()),
                _ => copy(view, window, &mut values, f32::from_le_bytes),
            }?;
        }
        Ok(TensorData::new(values, view.shape.clone()))
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

    fn source(&mut self, ready: &Ready) -> Result<Source<'_>, String> {
        match *ready {
            Ready::Bytes { at, .. } => Ok(Source::File {
                file: &mut self.file,
                at,
            }),
            Ready::Compressed { entry, .. } => {
                let archive = self.archive.as_mut().ok_or_else(beyond)?;
                let reader = archive.by_index(entry).map_err(|error| error.to_string())?;
                Ok(Source::Compressed {
                    reader: Box::new(reader),
                    position: 0,
                })
            }
        }
    }
}

/// What the bytes of a storage come from.
enum Source<'a> {
    File {
        file: &'a mut File,
        /// Where the storage begins.
        at: u64,
    },
    Compressed {
        reader: Box<dyn Read + 'a>,
        position: u64,
    },
}

impl Source<'_> {
    /// Bytes from `from` on.
    fn read(&mut self, from: u64, bytes: &mut [u8]) -> Result<(), String> {
        let read = match self {
            Self::File { file, at } => {
                let at = at.checked_add(from).ok_or_else(beyond)?;
                let seek = file.seek(SeekFrom::Start(at));
                seek.and_then(|_| file.read_exact(bytes))
            }
            Self::Compressed { reader, position } => {
                let Some(skipped) = from.checked_sub(*position) else {
                    return Err(
                        "its values overlap in a compressed archive: save the file again with torch.save"
                            .into(),
                    );
                };
                *position = from + bytes.len() as u64;
                let skipped = std::io::copy(&mut reader.take(skipped), &mut std::io::sink());
                skipped.and_then(|_| reader.read_exact(bytes))
            }
        };
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "the file ends before its values".into(),
            _ => format!("its values cannot be read: {error}"),
        })
    }
}

/// The part of a storage that is in memory.
struct Window<'a> {
    source: Source<'a>,
    /// Where in the storage it begins, in bytes.
    first: u64,
    bytes: Vec<u8>,
    /// Where the tensor ends.
    end: u64,
    /// Bytes to read at a time at least.
    ahead: usize,
}

impl Window<'_> {
    /// `len` bytes of the storage; the caller has seen that it has so many.
    fn get(&mut self, from: u64, len: usize) -> Result<&[u8], String> {
        let there = self.first + self.bytes.len() as u64;
        if from < self.first || from + len as u64 > there {
            let kept = if (self.first..there).contains(&from) {
                self.bytes.drain(..(from - self.first) as usize);
                self.bytes.len()
            } else {
                0
            };
            let wanted = len.max(self.ahead.min((self.end - from) as usize));
            self.bytes.resize(wanted, 0);
            self.first = from;
            self.source
                .read(from + kept as u64, &mut self.bytes[kept..])?;
        }
        let at = (from - self.first) as usize;
        Ok(&self.bytes[at..at + len])
    }
}

/// Copies the elements of a view to their places in the tensor, in the order of the storage.
fn copy<const W: usize>(
    view: &View,
    mut window: Window<'_>,
    values: &mut [f32],
    value: impl Fn([u8; W]) -> f32,
) -> Result<(), String> {
    let sides = view.sides();
    let [outer @ .., rows, columns] = sides.as_slice() else {
        return Ok(());
    };
    // As many rows at once as a window holds, so that a transposed matrix is written in pieces that lie
    // together; of a row that is longer, a piece.
    let most = WINDOW / W;
    let width = match columns.stride {
        stride if stride > FAR => 1,
        stride => columns.count.min((most / stride.max(1)).max(1)),
    };
    let span = (width - 1) * columns.stride + 1;
    let height = if width < columns.count || rows.stride > 2 * span {
        1
    } else {
        1 + most.saturating_sub(span) / rows.stride.max(1)
    };
    let mut index = vec![0; outer.len()];
    loop {
        let place = |of: fn(&Side) -> usize| -> usize {
            let steps = index.iter().zip(outer);
            steps.map(|(at, side)| at * of(side)).sum()
        };
        let (from, to) = (place(|side| side.stride), place(|side| side.step));
        for row in (0..rows.count).step_by(height) {
            for column in (0..columns.count).step_by(width) {
                let mut tile = [*rows, *columns];
                tile[0].count = height.min(rows.count - row);
                tile[1].count = width.min(columns.count - column);
                let from = from + row * rows.stride + column * columns.stride;
                let to = to + row * rows.step + column * columns.step;
                let span: usize = tile.iter().map(|side| (side.count - 1) * side.stride).sum();
                let bytes = window.get(((view.offset + from) * W) as u64, (span + 1) * W)?;
                let (stored, _) = bytes.as_chunks::<W>();
                // The inner loop goes along what lies together in the tensor.
                if tile[0].count > 1 && tile[0].step < tile[1].step {
                    tile.swap(0, 1);
                }
                let [slow, fast] = tile;
                for at in 0..slow.count {
                    let stored = &stored[at * slow.stride..];
                    let places = &mut values[to + at * slow.step..];
                    if (fast.stride, fast.step) == (1, 1) {
                        let pairs = places.iter_mut().zip(stored).take(fast.count);
                        pairs.for_each(|(place, bytes)| *place = value(*bytes));
                    } else {
                        (0..fast.count)
                            .for_each(|k| places[k * fast.step] = value(stored[k * fast.stride]));
                    }
                }
            }
        }
        // The next index, the last dimension first.
        let Some(turns) = (0..outer.len())
            .rev()
            .find(|side| index[*side] + 1 < outer[*side].count)
        else {
            return Ok(());
        };
        index[turns] += 1;
        index[turns + 1..].fill(0);
    }
}

fn beyond() -> String {
    "it extends beyond the end of the stored values".into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::weights_file::element::ElementType;

    /// The numbers 0, 1, 2, … as one storage, compressed or not.
    fn numbers(count: u32, compressed: bool) -> Storages {
        let values: Vec<u8> = (0..count).flat_map(|k| (k as f32).to_le_bytes()).collect();
        if !compressed {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"before").unwrap();
            file.write_all(&values).unwrap();
            let len = values.len() as u64;
            return Storages::in_file(file, vec![Place::Bytes { at: 6, len }]);
        }
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated);
        let mut writer = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        writer.start_file("values", options).unwrap();
        writer.write_all(&values).unwrap();
        let file = writer.finish().unwrap();
        let reader = BufReader::new(file.try_clone().unwrap());
        Storages {
            file,
            archive: Some(ZipArchive::new(reader).unwrap()),
            places: vec![Place::Entry(0)],
        }
    }

    fn view(shape: &[usize], strides: &[usize]) -> View {
        View {
            storage: 0,
            element: ElementType::F32,
            offset: 7,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        }
    }

    #[test]
    fn values_in_any_order_are_read_through_a_small_window() {
        for compressed in [false, true] {
            let mut storages = numbers(400_000, compressed);
            for (shape, strides) in [
                // In order, transposed, rows apart and far apart, columns far apart, repeated.
                (vec![390_000], vec![1]),
                (vec![600, 600], vec![1, 600]),
                (vec![300, 700], vec![1000, 1]),
                (vec![3, 5], vec![150_000, 1]),
                (vec![3, 5], vec![1, 90_000]),
                (vec![4, 3], vec![0, 2]),
                // Channels last, larger than the window, and rows that are.
                (vec![80, 40, 11, 10], vec![4400, 1, 400, 40]),
                (vec![2, 190_000], vec![200_000, 1]),
                (vec![3, 300_000], vec![40_000, 1]),
                (vec![0, 5], vec![5, 1]),
            ] {
                let last = strides.len() - 1;
                let view = view(&shape, &strides);
                let data = match storages.read(&view) {
                    Ok(data) => data,
                    Err(error) => {
                        // Rows that overlap and are longer than the window.
                        assert!(compressed && strides == [40_000, 1], "{view:?}: {error}");
                        assert!(error.contains("compressed archive"), "{error}");
                        continue;
                    }
                };
                assert_eq!(data.shape().to_vec(), shape);
                for (at, value) in data.iter::<f32>().enumerate() {
                    let mut rest = at;
                    let mut from = 7;
                    for side in (0..=last).rev() {
                        from += rest % shape[side] * strides[side];
                        rest /= shape[side];
                    }
                    assert_eq!(value, from as f32, "{view:?} at {at}");
                }
            }
            let error = storages.read(&view(&[2, 2], &[399_992, 1])).unwrap_err();
            assert!(error.contains("beyond"), "{error}");
        }
    }

    #[test]
    fn every_float_becomes_f32() {
        let mut bytes = Vec::new();
        for value in [1.5, -0.1] {
            bytes.extend(f64::to_le_bytes(value));
            bytes.extend(f16::from_f64(value).to_le_bytes());
            bytes.extend(bf16::from_f64(value).to_le_bytes());
        }
        for (element, offset, stride, expected) in [
            (ElementType::F64, 0, 12, [1.5, -0.1_f32]),
            (ElementType::F16, 8, 12, [1.5, -0.099_975_586]),
            (ElementType::BF16, 10, 12, [1.5, -0.100_097_656]),
        ] {
            let mut values = Vec::new();
            let width = element.float().unwrap().1;
            for at in 0..2 {
                values.extend(&bytes[offset + at * stride..][..width]);
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&values).unwrap();
            let len = values.len() as u64;
            let mut storages = Storages::in_file(file, vec![Place::Bytes { at: 0, len }]);
            let view = View::in_order(0, element, vec![2]);
            let read = storages.read(&view).unwrap();
            assert_eq!(read.try_to_vec::<f32>().unwrap(), expected, "{view:?}");
        }
    }
}
