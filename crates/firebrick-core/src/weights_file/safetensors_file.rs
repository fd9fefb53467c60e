//! The index of a safetensors file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use safetensors::tensor::{Dtype, Metadata};

use super::contents::{Contents, Entry, MAX_TENSORS};
use super::element::{ElementType, element};
use super::storages::{Place, Storages};
use super::view::View;

/// Bytes of the header at most; that of [`MAX_TENSORS`] tensors has fewer.
const MAX_HEADER: u64 = 10 << 20;

pub(super) fn open(mut file: File, length: u64) -> Result<Contents, String> {
    let mut size = [0; 8];
    file.read_exact(&mut size)
        .map_err(|error| error.to_string())?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER {
        return Err(format!(
            "its header of {size} bytes is larger than that of {MAX_TENSORS} tensors"
        ));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header)
        .map_err(|error| error.to_string())?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|error| format!("its header is damaged: {error}"))?;
    let start = 8 + size;
    let (there, needed) = (length.saturating_sub(start), header.data_len() as u64);
    if there != needed {
        return Err(format!(
            "its tensors need {needed} bytes, but the file holds {there}"
        ));
    }
    let names = header.offset_keys();
    if names.len() > MAX_TENSORS {
        return Err(format!("it has more than {MAX_TENSORS} tensors"));
    }
    let (mut entries, mut places) = (Vec::new(), Vec::new());
    for (at, name) in names.into_iter().enumerate() {
        let Some(info) = header.info(&name) else {
            continue;
        };
        let view = View::in_order(at, element_type(info.dtype), info.shape.clone());
        let (begin, end) = info.data_offsets;
        places.push(Place::Bytes {
            at: start + begin as u64,
            len: (end - begin) as u64,
        });
        entries.push(Entry {
            name,
            level: 0,
            view,
        });
    }
    Ok(Contents {
        entries,
        metadata: header
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        storages: Storages::in_file(file, places),
    })
}

fn element_type(dtype: Dtype) -> ElementType {
    let name = format!("{dtype:?}");
    element(&name).map_or(ElementType::Other(name), |(element, _)| element)
}
