//! Recognizes the type of a file by its first bytes, whatever its name.

/// A file that may hold weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Safetensors,
    /// `torch.save` since PyTorch 1.6.
    Zip,
    /// `torch.save` of PyTorch 0.1.10 to 1.5: pickles one after the other.
    Legacy,
    /// `torch.save` before PyTorch 0.1.10.
    Tar,
    /// A single pickle.
    Pickle,
}

/// How many of the first bytes tell.
pub(super) const LOOK: u64 = 512;

/// `torch.save`'s number at the start of a file of pickles.
const LEGACY: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Files that people take for weights, by how they begin.
const OTHERS: [(&[u8], &str); 15] = [
    (
        b"version https://git-lfs.github.com",
        "it is a git-lfs pointer, which stands for the file: fetch the file itself with `git lfs pull`",
    ),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first"),
    (b"BZh", "it is compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "it is compressed with xz: unpack it first"),
    (
        b"\x28\xb5\x2f\xfd",
        "it is compressed with zstd: unpack it first",
    ),
    (b"7z\xbc\xaf", "it is a 7z archive: unpack it first"),
    (b"Rar!", "it is a RAR archive: unpack it first"),
    (
        b"\x89HDF",
        "it is an HDF5 file, as Keras writes; weights under PyTorch's names are needed",
    ),
    (b"\x93NUMPY", "it is a NumPy array"),
    (b"GGUF", "it is a GGUF file, as llama.cpp reads"),
    (b"\x89PNG", "it is a picture (PNG)"),
    (b"\xff\xd8\xff", "it is a picture (JPEG)"),
    (b"%PDF", "it is a PDF document"),
    (b"SQLite format 3", "it is an SQLite database"),
    (b"\x7fELF", "it is a program"),
];

/// The kind of a file that begins with `head` and has `length` bytes.
///
/// # Errors
/// What the file is instead, as a reason.
pub(super) fn kind(head: &[u8], length: u64) -> Result<Kind, String> {
    if head.is_empty() {
        return Err("it is empty".into());
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Kind::Zip);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Ok(Kind::Tar);
    }
    if let Some(header) = head.first_chunk().map(|header| u64::from_le_bytes(*header))
        && head.get(8) == Some(&b'{')
        // Eight letters would be a number far above this.
        && header < 1 << 40
    {
        let rest = length.saturating_sub(8);
        return match header <= rest {
            true => Ok(Kind::Safetensors),
            false => Err(format!(
                "it begins like safetensors but is cut off: its header has {header} bytes, of which only {rest} are in the file"
            )),
        };
    }
    if head[0] == 0x80 && head.get(1).is_some_and(|protocol| *protocol <= 5) {
        let legacy = head
            .windows(LEGACY.len())
            .take(32)
            .any(|bytes| bytes == LEGACY);
        return Ok(if legacy { Kind::Legacy } else { Kind::Pickle });
    }
    if let Some((_, reason)) = OTHERS.iter().find(|(start, _)| head.starts_with(start)) {
        return Err((*reason).into());
    }
    if head.get(4..8) == Some(b"TFL3") {
        return Err("it is a TensorFlow Lite file".into());
    }
    if head.windows(7).take(64).any(|bytes| bytes == b"pytorch") && head[0] == 8 {
        return Err("it is an ONNX file; weights as PyTorch saves them are needed".into());
    }
    Err(text(head))
}

/// What a file is that is none of the known kinds.
fn text(head: &[u8]) -> String {
    // The last character may be cut in two.
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => "",
    };
    let start = valid
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") || start.contains("<head>")
    {
        return "it is a web page (HTML), perhaps an error page or a login page in place of the download".into();
    }
    if start.starts_with('<') {
        return "it is an XML or HTML file, perhaps an error message in place of the download"
            .into();
    }
    if start.starts_with('{') || start.starts_with('[') {
        return "it is a JSON file: an index of other files, a configuration, or an error message in place of the download".into();
    }
    let control = |c: char| c.is_control() && !c.is_whitespace();
    if start.is_empty() || start.contains(control) {
        return "it is neither safetensors nor a file of torch.save, or its beginning is damaged"
            .into();
    }
    "it is a text file".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let kind = |bytes: &[u8]| kind(bytes, bytes.len() as u64);
        assert_eq!(kind(b"\x02\0\0\0\0\0\0\0{}"), Ok(Kind::Safetensors));
        assert_eq!(kind(b"PK\x03\x04rest"), Ok(Kind::Zip));
        assert_eq!(kind(b"\x80\x02}q\0."), Ok(Kind::Pickle));
        let legacy = [b"\x80\x02\x8a\x0a".as_slice(), &LEGACY, b"."].concat();
        assert_eq!(kind(&legacy), Ok(Kind::Legacy));
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(kind(&tar), Ok(Kind::Tar));
        for (bytes, needle) in [
            (b"".as_slice(), "empty"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
                "git lfs pull",
            ),
            (b"  <!DOCTYPE html>\n<html>", "HTML"),
            (b"<HTML lang=en>", "HTML"),
            (b"\xef\xbb\xbf<html>", "HTML"),
            (
                b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>",
                "XML",
            ),
            (b"{\"error\": \"Invalid username or password.\"}", "JSON"),
            // A brace where that of a safetensors header stands.
            (b"{\"meta\":{\"total_size\":1}}", "JSON"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "gzip"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x08\x06\x12\x07pytorch\x1a", "ONNX"),
            (b"\xff\0\0\0\0\0\0\0{}", "cut off"),
            (b"not weights \xc3", "a text"),
            (b"\x01\x02\x03\x04", "neither"),
        ] {
            let reason = kind(bytes).unwrap_err();
            assert!(reason.contains(needle), "{reason}");
        }
    }
}
