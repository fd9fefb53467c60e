use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

pub(crate) fn header(shape: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|side| side.to_be_bytes()));
    bytes
}

pub(crate) fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    [header(shape), values.to_vec()].concat()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_header_that_lies_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-images-idx3-ubyte");
    let whole = idx(&[2, 2, 3], &[0; 12]);
    let truncated_gz = |kept: usize| {
        let noise: Vec<u8> = (0..4000u32).map(|i| ((i * i * 31) >> 5) as u8).collect();
        let mut bytes = gzip(&idx(&[1, 40, 100], &noise));
        bytes.truncate(bytes.len() - kept);
        bytes
    };
    let damaged_gz = || {
        let mut bytes = gzip(&whole);
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        bytes
    };
    for (bytes, needles) in [
        (vec![], ["ends after 0 bytes", "header of 16 bytes"]),
        (
            header(&[2, 2]),
            ["ends after 12 bytes", "header of 16 bytes"],
        ),
        (
            idx(&[2], &[0; 12]),
            [
                "first four bytes are 00 00 08 01, expected 00 00 08 03",
                "file of labels",
            ],
        ),
        (
            idx(&[3, 2, 3], &[0; 12]),
            ["ends too early", "3 × 2 × 3 = 18 values, found 12"],
        ),
        (
            idx(&[1, 2, 3], &[0; 12]),
            ["goes on too long", "1 × 2 × 3 = 6 values, found more"],
        ),
        (
            idx(&[u32::MAX, 28, 28], &[0; 12]),
            ["4294967295 × 28 × 28", "damaged"],
        ),
        (
            idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 12]),
            ["4294967295 × 4294967295", "damaged"],
        ),
        // Promised but not there: nothing near this size may be reserved.
        (
            idx(&[4_000_000, 28, 28], &[0; 12]),
            ["ends too early", "found 12"],
        ),
        (idx(&[2, 0, 3], &[]), ["0 rows", "of 3 pixels"]),
        (
            truncated_gz(1000),
            ["compressed data is cut off", "bytes into"],
        ),
        (
            truncated_gz(4),
            ["compressed data is cut off", "4000 bytes"],
        ),
        (
            damaged_gz(),
            ["compressed data is damaged", "12 bytes into"],
        ),
        (
            gzip(&idx(&[3, 2, 3], &[0; 12])),
            ["ends too early", "found 12"],
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = images(&path).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        for needle in needles {
            assert!(error.contains(needle), "{needle}: {error}");
        }
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(images(&path).unwrap().count, 2);
    assert!(
        labels(&path)
            .unwrap_err()
            .to_string()
            .contains("file of images")
    );
}
