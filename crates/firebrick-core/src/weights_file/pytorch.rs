//! The index of a file written by `torch.save`: a zip archive, or several pickles in a row.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::contents::{Contents, Entry, MAX_TENSORS};
use super::element::ElementType;
use super::pickle::{self, Ids, MAX_NAME, MAX_OPERATIONS, Node, Unpickled, Value, unpickle};
use super::storages::{Place, Storages};
use super::view::View;

/// Entries of an archive at most: one for each storage, and few others.
const MAX_ENTRIES: u64 = 2 * MAX_TENSORS as u64;

/// Levels of dictionaries and lists at most.
const MAX_DEPTH: usize = 32;

/// Bytes of all names together at most, as in a safetensors header.
const MAX_NAMES: usize = 10 << 20;

/// `torch.save` since PyTorch 1.6: `data.pkl`, and a storage in each entry `data/KEY`.
pub(super) fn open_zip(file: File, length: u64) -> Result<Contents, String> {
    let damaged = |error: zip::result::ZipError| format!("its zip archive is damaged: {error}");
    let io = |error: std::io::Error| format!("its zip archive is damaged: {error}");
    let many = |entries: u64| {
        format!("its zip archive has {entries} entries; at most {MAX_ENTRIES} are read")
    };
    let mut reader = BufReader::new(file.try_clone().map_err(|error| error.to_string())?);
    // Asked first, because opening reads them all.
    let declared = declared_entries(&mut reader, length).map_err(io)?;
    if declared > MAX_ENTRIES {
        return Err(many(declared));
    }
    // The archive begins where the file does. Without that the zip crate (9.4.1) counts back the
    // directory's length from the last record, passes over the 76 bytes of PyTorch's zip64 records
    // that lie between, and takes the second entry for the first where the first one's record has
    // exactly 76 bytes: where the name of the file has 21 before `.pth`.
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let mut archive = ZipArchive::with_config(config, reader).map_err(damaged)?;
    if archive.len() as u64 > MAX_ENTRIES {
        return Err(many(archive.len() as u64));
    }
    if archive.has_duplicate_names() {
        return Err("its zip archive has two entries of one name".into());
    }
    let names: Vec<String> = archive
        .file_names()
        .flatten()
        .map(std::borrow::Cow::into_owned)
        .collect();
    let root = root(&names)?;
    if let Ok(order) = archive.by_name(&format!("{root}byteorder")) {
        let mut text = String::new();
        let _ = order.take(16).read_to_string(&mut text);
        if text.trim() == "big" {
            return Err(big_endian());
        }
    }
    let entry = archive
        .by_name(&format!("{root}data.pkl"))
        .map_err(damaged)?;
    if entry.size() > pickle::MAX_BYTES {
        return Err(format!(
            "its pickle has {} MiB; at most {} are read",
            entry.size() >> 20,
            pickle::MAX_BYTES >> 20
        ));
    }
    // `torch.save` writes 0 where it is told to compute no checksum.
    let checked = entry.crc32() != 0;
    let mut input = BufReader::new(entry);
    let unpickled = unpickle(&mut input, &Ids::Storages)?;
    if checked {
        // The checksum is compared at the end of the entry.
        let rest = std::io::copy(&mut input, &mut std::io::sink());
        rest.map_err(|error| format!("its pickle is damaged: {error}"))?;
    }
    drop(input);
    let place = |key: &str| {
        let entry = archive.index_for_name(&format!("{root}data/{key}"));
        entry.map_or(Place::Nowhere, Place::Entry)
    };
    let places = unpickled
        .storages
        .iter()
        .map(|storage| place(&storage.key))
        .collect();
    let storages = Storages {
        file,
        archive: Some(archive),
        places,
    };
    Ok(Contents::of_pytorch(tensors(&unpickled)?, storages))
}

/// The directory inside the archive that holds `data.pkl`.
fn root(names: &[String]) -> Result<&str, String> {
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if has("constants.pkl") {
        return Err("it is a TorchScript archive (torch.jit.save), which holds a program: save its weights alone with torch.save(torch.jit.load(FILE).state_dict(), …)".into());
    }
    let found = names
        .iter()
        .filter_map(|name| name.strip_suffix("data.pkl"));
    let root = found
        .filter(|root| root.is_empty() || root.ends_with('/'))
        .min_by_key(|root| root.len());
    root.ok_or_else(|| {
        if has(".npy") {
            "it is a NumPy archive (.npz)".into()
        } else if has("archive_format") {
            "it is a program of torch.export: save the weights alone with torch.save(model.state_dict(), …)".into()
        } else {
            "it is a zip archive, but not one of torch.save: it has no data.pkl".into()
        }
    })
}

/// How many entries an archive says it has; 0 where its end is not found.
fn declared_entries(reader: &mut BufReader<File>, length: u64) -> std::io::Result<u64> {
    // The last record has 22 bytes and a comment of up to 65 535; before it may lie the 20 bytes
    // that say where the larger record of zip64 is.
    let tail = length.min(22 + 65_535 + 20);
    reader.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = Vec::new();
    reader.by_ref().take(tail).read_to_end(&mut bytes)?;
    let number = |at: usize, len: usize, bytes: &[u8]| {
        let bytes = bytes.get(at..at + len).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let Some(end) = bytes.windows(4).rposition(|bytes| bytes == b"PK\x05\x06") else {
        return Ok(0);
    };
    let entries = number(end + 10, 2, &bytes);
    let locator = end
        .checked_sub(20)
        .filter(|at| bytes[*at..].starts_with(b"PK\x06\x07"));
    let Some(locator) = locator else {
        return Ok(entries);
    };
    let mut record = Vec::new();
    reader.seek(SeekFrom::Start(number(locator + 8, 8, &bytes)))?;
    reader.by_ref().take(56).read_to_end(&mut record)?;
    Ok(entries.max(number(32, 8, &record)))
}

/// `torch.save` of PyTorch 0.1.10 to 1.5: four pickles (a number, the version, the machine, the
/// object), the keys of the storages, and each storage after the number of its elements.
pub(super) fn open_legacy(file: File, length: u64) -> Result<Contents, String> {
    let mut reader = BufReader::new(file.try_clone().map_err(|error| error.to_string())?);
    unpickle(&mut reader, &Ids::None)?;
    let version = unpickle(&mut reader, &Ids::None)?;
    if version.root != Value::Int(1001) {
        return Err("it was written by an unknown version of torch.save".into());
    }
    little_endian(&unpickle(&mut reader, &Ids::None)?)?;
    let unpickled = unpickle(&mut reader, &Ids::Storages)?;
    let keys = unpickle(&mut reader, &Ids::None)?;
    let by_key: HashMap<&str, usize> = unpickled
        .storages
        .iter()
        .enumerate()
        .map(|(at, storage)| (storage.key.as_str(), at))
        .collect();
    let mut at = reader
        .stream_position()
        .map_err(|error| error.to_string())?;
    let mut places = vec![Place::Nowhere; unpickled.storages.len()];
    for key in keys
        .sequence(keys.root)
        .ok_or("its list of storages is damaged")?
    {
        let key = keys.key(*key).unwrap_or_default();
        let storage = by_key.get(key.as_str()).copied();
        let Some(storage) = storage.filter(|at| unpickled.storages[*at].width > 0) else {
            return Err(format!("its storage `{key}` has no length"));
        };
        let len = byte_length(
            unpickled.storages[storage].count,
            unpickled.storages[storage].width,
        )?;
        at += 8;
        if at.checked_add(len).is_none_or(|end| end > length) {
            return Err("it ends before the values of its tensors".into());
        }
        places[storage] = Place::Bytes { at, len };
        at += len;
    }
    let storages = Storages::in_file(file, places);
    Ok(Contents::of_pytorch(tensors(&unpickled)?, storages))
}

/// A pickle by itself has no tensors that can be read; it can be named.
pub(super) fn open_pickle(file: File) -> Result<Contents, String> {
    unpickle(&mut BufReader::new(file), &Ids::None)?;
    Err("it is a Python pickle, but not one of torch.save: load it in Python and write it with torch.save(state_dict, FILE)".into())
}

pub(super) fn byte_length(count: usize, width: usize) -> Result<u64, String> {
    let len = count.checked_mul(width).map(|len| len as u64);
    len.filter(|len| *len < 1 << 62)
        .ok_or_else(|| "a storage is longer than any file".into())
}

/// Refuses the values of a machine that keeps the largest byte first.
pub(super) fn little_endian(machine: &Unpickled) -> Result<(), String> {
    match machine.get(machine.root, "little_endian") {
        Some(Value::Bool(true)) => Ok(()),
        _ => Err(big_endian()),
    }
}

fn big_endian() -> String {
    "it was written on a big-endian machine; save it again on an ordinary one (x86 or ARM)".into()
}

/// All tensors, however deep they lie, by their full names: the keys on the way, joined by dots.
pub(super) fn tensors(unpickled: &Unpickled) -> Result<Vec<Entry>, String> {
    let mut found = Found {
        unpickled,
        seen: 0,
        names: 0,
        by_name: HashMap::new(),
        entries: Vec::new(),
    };
    found.walk(unpickled.root, "", 0)?;
    Ok(found.entries)
}

struct Found<'a> {
    unpickled: &'a Unpickled,
    /// Values that were looked at.
    seen: usize,
    /// Bytes of the names so far.
    names: usize,
    by_name: HashMap<String, usize>,
    entries: Vec<Entry>,
}

impl Found<'_> {
    fn walk(&mut self, value: Value, level: &str, depth: usize) -> Result<(), String> {
        let unpickled = self.unpickled;
        self.seen += unpickled.size(value);
        // One object may be reached in many ways, and contain itself.
        if self.seen > MAX_OPERATIONS {
            return Err("its lists and dictionaries contain each other too often".into());
        }
        match unpickled.node(value) {
            Some(Node::Dict(items)) => {
                for (key, value) in items {
                    if let (Value::Node(_), Some(key)) = (*value, unpickled.key(*key)) {
                        self.step(*value, level, &key, depth)?;
                    }
                }
            }
            Some(Node::Sequence(items)) => {
                for (key, value) in items.iter().enumerate() {
                    if let Value::Node(_) = *value {
                        self.step(*value, level, &key.to_string(), depth)?;
                    }
                }
            }
            Some(Node::Tensor(_)) if depth == 0 => self.step(value, level, "tensor", depth)?,
            _ => {}
        }
        Ok(())
    }

    fn step(&mut self, value: Value, level: &str, key: &str, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        let name = if level.is_empty() {
            key.into()
        } else {
            format!("{level}.{key}")
        };
        let view = match self.unpickled.node(value) {
            Some(Node::Tensor(view)) => (**view).clone(),
            Some(Node::Object {
                class,
                of_tensor: true,
            }) => {
                let element = ElementType::Other(format!("{class}, which is not read"));
                View::in_order(usize::MAX, element, Vec::new())
            }
            Some(Node::Dict(_) | Node::Sequence(_)) if name.len() <= MAX_NAME => {
                return self.walk(value, &name, depth + 1);
            }
            _ => return Ok(()),
        };
        self.names += name.len();
        if name.len() > MAX_NAME || self.names > MAX_NAMES || self.entries.len() >= MAX_TENSORS {
            return Err(format!(
                "it has more than {MAX_TENSORS} tensors, or names of more than {MAX_NAME} bytes, or of {MAX_NAMES} together"
            ));
        }
        let entry = Entry {
            name: name.clone(),
            level: level.len(),
            view,
        };
        // Of two equal keys Python keeps the last.
        match self.by_name.get(&name) {
            Some(&at) => self.entries[at] = entry,
            None => {
                self.by_name.insert(name, self.entries.len());
                self.entries.push(entry);
            }
        }
        Ok(())
    }
}
