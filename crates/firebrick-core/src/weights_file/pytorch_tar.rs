//! The index of a file of `torch.save` before PyTorch 0.1.10 (March 2017), as the first published
//! weights of torchvision are: a tar archive of `storages`, `tensors` and `pickle`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::contents::{Contents, MAX_TENSORS};
use super::element::{ElementType, element};
use super::pickle::{Ids, MAX_RANK, Node, Unpickled, Value, length, unpickle};
use super::pytorch::{byte_length, little_endian, tensors};
use super::storages::{Place, Storages};
use super::view::View;

pub(super) fn open(file: File) -> Result<Contents, String> {
    let io = |error: std::io::Error| format!("its tar archive is damaged: {error}");
    let mut members: HashMap<String, (u64, u64)> = HashMap::new();
    let mut archive = tar::Archive::new(BufReader::new(file.try_clone().map_err(io)?));
    for member in archive.entries_with_seek().map_err(io)? {
        let member = member.map_err(io)?;
        let name = member
            .path()
            .map_err(io)?
            .to_string_lossy()
            .trim_start_matches("./")
            .to_string();
        members.insert(name, (member.raw_file_position(), member.size()));
        if members.len() > MAX_TENSORS {
            return Err("it is a tar archive of many files: unpack it first".into());
        }
    }
    let mut reader = BufReader::new(file.try_clone().map_err(io)?);
    let go_to = |name: &str, reader: &mut BufReader<File>| {
        let Some(&(at, len)) = members.get(name) else {
            return Err("it is a tar archive, but not one of torch.save: unpack it first".into());
        };
        reader
            .seek(SeekFrom::Start(at))
            .map(|_| at + len)
            .map_err(io)
    };
    go_to("sys_info", &mut reader)?;
    little_endian(&unpickle(&mut reader, &Ids::None)?)?;
    let end = go_to("storages", &mut reader)?;
    let mut stored = Stored::default();
    stored.read(&mut reader, end)?;
    go_to("tensors", &mut reader)?;
    let views = views(&mut reader, &stored)?;
    go_to("pickle", &mut reader)?;
    let entries = tensors(&unpickle(&mut reader, &Ids::Tensors(views))?)?;
    let storages = Storages::in_file(file, stored.places);
    Ok(Contents::of_pytorch(entries, storages))
}

/// The storages, in the order of the file.
#[derive(Default)]
struct Stored {
    places: Vec<Place>,
    /// Type, bytes of an element, and which place, by key.
    by_key: HashMap<String, (ElementType, usize, usize)>,
}

impl Stored {
    /// A count; for each storage `(key, location, type)`, the number of elements and their bytes; then
    /// `(key, root, offset, count)` of storages that are parts of others.
    fn read(&mut self, reader: &mut BufReader<File>, end: u64) -> Result<(), String> {
        for _ in 0..count(reader)? {
            let fields = unpickle(reader, &Ids::None)?;
            let [key, _, class] = three(&fields)?;
            let Some(Node::Global(class)) = fields.node(class) else {
                return Err(damaged());
            };
            let name = class
                .rsplit_once('.')
                .map_or(class.as_str(), |(_, name)| name);
            let (element, width) =
                element(name).ok_or_else(|| format!("its storages of type {name} are not read"))?;
            let elements = usize::try_from(number::<8>(reader)?).map_err(|_| damaged())?;
            let len = byte_length(elements, width)?;
            let at = reader
                .stream_position()
                .map_err(|error| error.to_string())?;
            if at.checked_add(len).is_none_or(|last| last > end) {
                return Err("it ends before the values of its tensors".into());
            }
            reader
                .seek_relative(len as i64)
                .map_err(|error| error.to_string())?;
            let key = fields.key(key).ok_or_else(damaged)?;
            self.by_key.insert(key, (element, width, self.places.len()));
            self.places.push(Place::Bytes { at, len });
        }
        let parts = unpickle(reader, &Ids::None)?;
        for part in parts.sequence(parts.root).ok_or_else(damaged)? {
            let Some(&[key, root, offset, elements]) = parts.sequence(*part) else {
                return Err(damaged());
            };
            let root = parts
                .key(root)
                .and_then(|root| self.by_key.get(&root))
                .ok_or_else(damaged)?;
            let (element, width, Place::Bytes { at, len }) =
                (root.0.clone(), root.1, self.places[root.2])
            else {
                return Err(damaged());
            };
            let skipped = byte_length(length(offset)?, width)?;
            let part = byte_length(length(elements)?, width)?;
            if skipped + part > len {
                return Err(damaged());
            }
            let key = parts.key(key).ok_or_else(damaged)?;
            self.by_key.insert(key, (element, width, self.places.len()));
            self.places.push(Place::Bytes {
                at: at + skipped,
                len: part,
            });
        }
        Ok(())
    }
}

/// A count; for each tensor `(key, storage, type)`, its rank, four bytes, shape, strides and offset.
fn views(reader: &mut BufReader<File>, stored: &Stored) -> Result<HashMap<String, View>, String> {
    let mut views = HashMap::new();
    for _ in 0..count(reader)? {
        let fields = unpickle(reader, &Ids::None)?;
        let [key, storage, _] = three(&fields)?;
        let storage = fields
            .key(storage)
            .and_then(|key| stored.by_key.get(&key))
            .ok_or_else(damaged)?;
        let rank = number::<4>(reader)?;
        number::<4>(reader)?;
        if !(0..=MAX_RANK as i64).contains(&rank) {
            return Err(damaged());
        }
        let mut lengths = |count: i64| -> Result<Vec<usize>, String> {
            let number = |_| {
                number::<8>(reader)
                    .and_then(|length| usize::try_from(length).map_err(|_| damaged()))
            };
            (0..count).map(number).collect()
        };
        let (shape, strides, offset) = (lengths(rank)?, lengths(rank)?, lengths(1)?[0]);
        let view = View {
            storage: storage.2,
            element: storage.0.clone(),
            offset,
            shape,
            strides,
        };
        views.insert(fields.key(key).ok_or_else(damaged)?, view);
    }
    Ok(views)
}

fn count(reader: &mut BufReader<File>) -> Result<usize, String> {
    let count = length(unpickle(reader, &Ids::None)?.root)?;
    if count > MAX_TENSORS {
        return Err(format!("it has more than {MAX_TENSORS} tensors"));
    }
    Ok(count)
}

fn three(fields: &Unpickled) -> Result<[Value; 3], String> {
    let fields = fields.sequence(fields.root).ok_or_else(damaged)?;
    fields.try_into().map_err(|_| damaged())
}

/// A whole number of `N` bytes.
fn number<const N: usize>(reader: &mut BufReader<File>) -> Result<i64, String> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes[..N]).map_err(|_| damaged())?;
    Ok(if N == 4 {
        i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).into()
    } else {
        i64::from_le_bytes(bytes)
    })
}

fn damaged() -> String {
    "its tables of tensors are damaged".into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_storage_may_be_a_part_of_another() {
        // Four floats under the key 0, and under the key 7 some of them, from the third on.
        let read = |elements: u8| {
            let bytes = [
                b"K\x01.(K\0X\x03\0\0\0cpuctorch\nFloatStorage\nt.".as_slice(),
                &4i64.to_le_bytes(),
                &[0; 16],
                b"](K\x07K\0K\x02K",
                &[elements],
                b"ta.",
            ]
            .concat();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            file.rewind().unwrap();
            let mut stored = Stored::default();
            let read = stored.read(&mut BufReader::new(file), bytes.len() as u64);
            read.map(|()| stored)
        };
        let stored = read(2).unwrap();
        let expected = [
            Place::Bytes { at: 44, len: 16 },
            Place::Bytes { at: 52, len: 8 },
        ];
        assert_eq!(stored.places, expected);
        assert_eq!(stored.by_key["7"], (ElementType::F32, 4, 1));
        assert!(read(3).is_err(), "one more than there are");
    }
}
