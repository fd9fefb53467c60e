use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;
use proptest::prelude::*;

use super::*;
use crate::decode::tests::fixture;

fn encoded(width: u32, height: u32, channels: u32, quality: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height * channels)
        .map(|at| (at * at / 7 + at / width * 31) as u8)
        .collect();
    let colour = match channels {
        1 => image::ExtendedColorType::L8,
        _ => image::ExtendedColorType::Rgb8,
    };
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .write_image(&pixels, width, height, colour)
        .unwrap();
    bytes
}

/// Sequential and progressive, grey, colour and four colours, with and without subsampling.
fn kinds() -> Vec<Vec<u8>> {
    vec![
        encoded(40, 24, 3, 90),
        encoded(17, 9, 1, 60),
        encoded(1, 1, 3, 95),
        encoded(33, 50, 3, 20),
        fixture("progressive.jpg"),
        fixture("cmyk.jpg"),
        fixture("ycck.jpg"),
    ]
}

/// Where the data of the first scan begin.
fn data_begin(bytes: &[u8]) -> usize {
    let mut at = 2;
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        at += 2 + length;
        if bytes[at - length - 1] == 0xda {
            return at;
        }
    }
}

#[test]
fn the_scans_end_where_the_end_marker_stands() {
    for (kind, bytes) in kinds().into_iter().enumerate() {
        assert_eq!(bytes[bytes.len() - 2..], END, "kind {kind}");
        assert_eq!(end_of_scans(&bytes), Some(bytes.len() - 2), "kind {kind}");
        assert!(matches!(whole(&bytes), Some(Cow::Borrowed(_))));
    }
}

#[test]
fn only_what_is_cut_off_is_refused() {
    for (kind, bytes) in kinds().into_iter().enumerate() {
        let end = bytes.len() - 2;
        let bare = &bytes[..end];
        for trailer in [
            &b""[..],
            b"trailer of a phone",
            &[0; 40],
            &[0xff, 0xff],
            &[0xff],
        ] {
            // Zeros after a scan that does not end in zeros are a trailer as any other.
            let found = whole(&[bare, trailer].concat()).map(Cow::into_owned);
            assert_eq!(found.as_ref(), Some(&bytes), "kind {kind}, {trailer:?}");
        }
        for cut in 0..end {
            assert!(
                whole(&bytes[..cut]).is_none(),
                "kind {kind}, {cut} of {end}"
            );
        }
    }
}

#[test]
fn the_number_of_scans_has_a_limit() {
    let bytes = fixture("progressive.jpg");
    let data = data_begin(&bytes);
    let is_scan = |at: &[u8]| at == [0xff, 0xda];
    let begin = bytes[..data].windows(2).rposition(is_scan).unwrap();
    let is_marker = |at: &[u8]| at[0] == 0xff && at[1] != 0;
    let end = data + bytes[data..].windows(2).position(is_marker).unwrap();
    let with_first_scan = |times: usize| {
        let scans = bytes[begin..end].repeat(times);
        [&bytes[..begin], &scans, &bytes[end..bytes.len() - 2]].concat()
    };
    assert!(whole(&with_first_scan(1)).is_some());
    assert!(whole(&with_first_scan(MAX_SCANS / 2)).is_some());
    assert!(whole(&with_first_scan(MAX_SCANS)).is_none());
}

#[test]
fn a_file_filled_up_with_zeros_is_cut_off() {
    for (kind, bytes) in kinds().into_iter().enumerate() {
        let begin = data_begin(&bytes);
        let end = bytes.len();
        for cut in [begin + 1, begin + (end - begin) / 4, (begin + end) / 2] {
            if cut > begin {
                let filled = [&bytes[..cut], &vec![0; 20_000]].concat();
                assert!(whole(&filled).is_none(), "kind {kind}, {cut} of {end}");
            }
        }
    }
}

/// Two scans of one block each, as one image of two blocks with a restart marker between them.
fn with_restart() -> (Vec<u8>, [Vec<u8>; 2]) {
    let blocks = [3, 200].map(|value| {
        let pixels: Vec<u8> = (0..64).map(|at| value + at % 8).collect();
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 80)
            .write_image(&pixels, 8, 8, image::ExtendedColorType::L8)
            .unwrap();
        bytes
    });
    let begin = data_begin(&blocks[0]);
    let mut bytes = blocks[0][..blocks[0].len() - 2].to_vec();
    let frame = bytes.windows(2).position(|at| at == [0xff, 0xc0]).unwrap();
    bytes[frame + 6] = 16;
    bytes.extend([0xff, 0xd0]);
    bytes.extend(&blocks[1][begin..]);
    // DRI: a restart after each block.
    bytes.splice(2..2, [0xff, 0xdd, 0, 4, 0, 1]);
    (bytes, blocks)
}

#[test]
fn restart_markers_are_part_of_a_scan() {
    let (bytes, blocks) = with_restart();
    let end = bytes.len() - 2;
    assert_eq!(end_of_scans(&bytes), Some(end));
    assert!(whole(&bytes[..end]).is_some());
    assert!(whole(&bytes[..end - 1]).is_none());
    // The decoder sees the same: the one block above the other.
    let decode = |bytes: &[u8]| {
        image::load_from_memory(bytes)
            .unwrap()
            .to_luma8()
            .into_raw()
    };
    let both = blocks.map(|block| decode(&block)).concat();
    assert_eq!(decode(&bytes), both);
    // A marker that is not there, or in the wrong place, is no scan.
    let marker = bytes.windows(2).rposition(|at| at == [0xff, 0xd0]).unwrap();
    let without = [&bytes[..marker], &bytes[marker + 2..end]].concat();
    assert!(end_of_scans(&without).is_none());
}

#[test]
fn real_photos_end_where_their_marker_stands() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/hymenoptera/val/bees"
    );
    let Ok(photos) = std::fs::read_dir(folder) else {
        println!("SKIPPED: there are no photos in {folder}");
        return;
    };
    let mut photos: Vec<_> = photos.flatten().map(|entry| entry.path()).collect();
    photos.sort();
    for photo in photos.iter().step_by(8) {
        let bytes = std::fs::read(photo).unwrap();
        let end = bytes.windows(2).rposition(|at| at == END).unwrap();
        assert_eq!(end_of_scans(&bytes), Some(end), "{}", photo.display());
    }
}

proptest! {
    #[test]
    fn damage_is_no_reason_to_panic(
        kind in 0_usize..7,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = kinds().swap_remove(kind);
        bytes.truncate(bytes.len() - 2);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = whole(&bytes);
    }
}
