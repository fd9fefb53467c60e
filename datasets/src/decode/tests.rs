use std::path::PathBuf;

use image::{GrayImage, ImageEncoder, RgbImage, RgbaImage};

use super::*;

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decoded(bytes: &[u8], channels: usize) -> Result<Image, DataError> {
    decode(Path::new("some/file"), bytes, channels)
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The formula of `tests/golden.py`.
fn photo(width: usize, height: usize) -> Image {
    let value = |x: usize, y: usize, c: usize| {
        3 * x + 5 * y + 40 * c + 90 * ((x / 8 + y / 6 + c) % 2) + (x * y * (c + 1)) % 23
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    Image {
        width,
        height,
        channels: 3,
        pixels: rows
            .flat_map(|(x, y)| [0, 1, 2].map(|c| value(x, y, c) as u8))
            .collect(),
    }
}

fn to_rgb_image(image: &Image) -> RgbImage {
    RgbImage::from_raw(
        image.width as u32,
        image.height as u32,
        image.pixels.clone(),
    )
    .unwrap()
}

fn worst(found: &[u8], expected: &[u8]) -> u8 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap()
}

#[test]
fn lossless_formats_keep_every_value() {
    let image = photo(40, 24);
    for format in [
        ImageFormat::Png,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let bytes = encoded(to_rgb_image(&image), format);
        assert_eq!(decoded(&bytes, 3).unwrap(), image);
    }
    for (file, golden) in [
        ("palette.png", "palette.rgb"),
        ("palette.bmp", "palette.rgb"),
        ("cmyk.tiff", "cmyk_tiff.rgb"),
    ] {
        let found = decoded(&fixture(file), 3).unwrap();
        assert!(worst(&found.pixels, &fixture(golden)) <= 1, "{file}");
    }
    let bilevel = decoded(&fixture("bilevel.png"), 1).unwrap();
    assert_eq!(bilevel.pixels, fixture("bilevel.grey"));
}

/// Lossy decoders may round differently: two levels is the tolerance of the JPEG standard's own
/// inverse transforms, chroma filters add a little. A swapped sign is 100 levels off.
#[test]
fn lossy_formats_agree_with_pillow_also_cmyk_and_ycck() {
    for (file, golden, tolerance) in [
        ("progressive.jpg", "progressive.rgb", 6),
        ("cmyk.jpg", "cmyk.rgb", 3),
        ("ycck.jpg", "ycck.rgb", 4),
        ("lossy.webp", "lossy.rgb", 4),
    ] {
        let found = decoded(&fixture(file), 3).unwrap();
        assert_eq!([found.width, found.height], [40, 24]);
        let worst = worst(&found.pixels, &fixture(golden));
        assert!(worst <= tolerance, "{file}: {worst} levels off");
    }
}

#[test]
fn sixteen_bits_are_scaled_exactly() {
    let values: Vec<u16> = vec![0, 128, 129, 257, 32_768, 65_406, 65_407, 65_535];
    let grey = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(8, 1, values).unwrap();
    let expected = [0, 0, 1, 1, 128, 254, 255, 255];
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let bytes = encoded(DynamicImage::ImageLuma16(grey.clone()), format);
        assert_eq!(decoded(&bytes, 1).unwrap().pixels, expected);
    }
    let rgba = DynamicImage::ImageLuma16(grey).to_rgba16();
    let bytes = encoded(DynamicImage::ImageRgba16(rgba), ImageFormat::Png);
    assert_eq!(decoded(&bytes, 1).unwrap().pixels, expected);
}

#[test]
fn transparent_pixels_lie_on_white() {
    let rgba = RgbaImage::from_raw(
        3,
        1,
        vec![200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 51],
    );
    let bytes = encoded(rgba.unwrap(), ImageFormat::Png);
    let image = decoded(&bytes, 3).unwrap();
    assert_eq!(image.pixels, [200, 100, 0, 255, 255, 255, 244, 224, 204]);
    let grey_alpha = image::GrayAlphaImage::from_raw(2, 1, vec![10, 255, 10, 0]).unwrap();
    let bytes = encoded(grey_alpha, ImageFormat::Png);
    assert_eq!(decoded(&bytes, 1).unwrap().pixels, [10, 255]);
    assert_eq!(
        decoded(&bytes, 3).unwrap().pixels,
        [10, 10, 10, 255, 255, 255]
    );
}

#[test]
fn grey_and_rgb_convert_as_in_pillow() {
    let bytes = encoded(to_rgb_image(&photo(61, 43)), ImageFormat::Png);
    assert_eq!(decoded(&bytes, 1).unwrap().pixels, fixture("luma.grey"));
    let grey = GrayImage::from_raw(2, 1, vec![3, 250]).unwrap();
    let bytes = encoded(grey, ImageFormat::Png);
    assert_eq!(decoded(&bytes, 3).unwrap().pixels, [3, 3, 3, 250, 250, 250]);
    assert!(
        decoded(&bytes, 2)
            .unwrap_err()
            .to_string()
            .contains("not 2")
    );
}

/// A JPEG of 24 × 16 pixels with the four quarters black, red, green, blue, and an EXIF segment.
fn oriented(orientation: u8) -> Vec<u8> {
    let colours = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]];
    let quarter = |x, y| image::Rgb(colours[usize::from(x >= 12) + 2 * usize::from(y >= 8)]);
    let image = RgbImage::from_fn(24, 16, quarter);
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95)
        .write_image(&image, 24, 16, image::ExtendedColorType::Rgb8)
        .unwrap();
    // TIFF header, one entry: tag 0x0112, type SHORT, count 1, value.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let mut segment = vec![0xff, 0xe1, 0, exif.len() as u8 + 2];
    segment.extend(exif);
    jpeg.splice(2..2, segment);
    jpeg
}

#[test]
fn exif_rotated_photos_are_turned_upright() {
    // What the EXIF standard says of the corners: top left, top right, bottom left, bottom right.
    let upright = [
        (1, "krgb"),
        (2, "rkbg"),
        (3, "bgrk"),
        (4, "gbkr"),
        (5, "kgrb"),
        (6, "gkbr"),
        (7, "brgk"),
        (8, "rbkg"),
    ];
    for (orientation, expected) in upright {
        let image = decoded(&oriented(orientation), 3).unwrap();
        let size = if orientation < 5 { [24, 16] } else { [16, 24] };
        assert_eq!(
            [image.width, image.height],
            size,
            "orientation {orientation}"
        );
        let corner = |x: usize, y: usize| {
            let at = 3 * (y * image.width + x);
            match image.pixels[at..at + 3] {
                [128..=255, _, _] => 'r',
                [_, 128..=255, _] => 'g',
                [_, _, 128..=255] => 'b',
                _ => 'k',
            }
        };
        let (right, bottom) = (image.width - 3, image.height - 3);
        let found: String = [
            corner(2, 2),
            corner(right, 2),
            corner(2, bottom),
            corner(right, bottom),
        ]
        .into_iter()
        .collect();
        assert_eq!(found, expected, "orientation {orientation}");
    }
}

#[test]
fn the_first_frame_of_an_animation_is_taken() {
    let mut bytes = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for value in [0, 255] {
            let frame = RgbaImage::from_pixel(4, 2, image::Rgba([value, value, value, 255]));
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    let image = decoded(&bytes, 1).unwrap();
    assert_eq!((image.width, image.height), (4, 2));
    assert_eq!(image.pixels, [0; 8]);
}

#[test]
fn what_is_no_image_is_refused_with_the_file_and_the_reason() {
    let whole = |format| encoded(to_rgb_image(&photo(40, 24)), format);
    let half = |format| {
        let bytes = whole(format);
        bytes[..bytes.len() / 2].to_vec()
    };
    let mut cases = vec![
        (Vec::new(), "the file is empty"),
        (
            b"just some text in a .png\n".to_vec(),
            "its content is not an image that can be read (JPEG, PNG",
        ),
        (
            whole(ImageFormat::Png)[..8].to_vec(),
            "cannot be read as PNG",
        ),
        (half(ImageFormat::Png), "cannot be read as PNG"),
        (half(ImageFormat::Gif), "cannot be read as GIF"),
        (half(ImageFormat::Bmp), "cannot be read as BMP"),
        (half(ImageFormat::Tiff), "cannot be read as TIFF"),
        (half(ImageFormat::WebP), "cannot be read as WebP"),
        (half(ImageFormat::Jpeg), "the JPEG is cut off"),
        (
            whole(ImageFormat::Jpeg)[..3].to_vec(),
            "the JPEG is cut off",
        ),
    ];
    let float = image::Rgb32FImage::from_pixel(2, 2, image::Rgb([0.5, 0.5, 0.5]));
    cases.push((
        encoded(DynamicImage::ImageRgb32F(float), ImageFormat::Tiff),
        "floating-point numbers",
    ));
    for (bytes, needle) in cases {
        let error = decoded(&bytes, 3).unwrap_err().to_string();
        assert!(
            error.starts_with("some/file: ") && error.contains(needle),
            "{needle}: {error}"
        );
    }
    // Rubbish after the end is common in the wild and harmless.
    let mut trailing = whole(ImageFormat::Jpeg);
    trailing.extend(b"\0\0rubbish");
    assert!(decoded(&trailing, 3).is_ok());
}

/// A phone's JPEG: all of the image, no end marker, and a trailer.
#[test]
fn a_complete_jpeg_without_its_end_marker_is_read() {
    for whole in [
        encoded(to_rgb_image(&photo(40, 24)), ImageFormat::Jpeg),
        fixture("progressive.jpg"),
        fixture("cmyk.jpg"),
    ] {
        let expected = decoded(&whole, 3).unwrap();
        let bare = &whole[..whole.len() - 2];
        let trailer: Vec<u8> = (0..200).collect();
        for bytes in [bare.to_vec(), [bare, &trailer].concat()] {
            assert_eq!(decoded(&bytes, 3).unwrap(), expected);
        }
    }
    let real = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/cases/images/complete_without_end_marker.jpg"
    ));
    if real.is_file() {
        assert!(read(real, 3).is_ok());
    } else {
        println!("SKIPPED: there is no {}", real.display());
    }
}

#[test]
fn a_colour_profile_is_not_unpacked() {
    let image = photo(40, 24);
    let plain = encoded(to_rgb_image(&image), ImageFormat::Png);
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(vec![0; 3 << 20]).unwrap();
    encoder
        .write_image(&image.pixels, 40, 24, image::ExtendedColorType::Rgb8)
        .unwrap();
    let has_profile = |bytes: &[u8]| bytes.windows(4).any(|kind| kind == b"iCCP");
    assert!(has_profile(&bytes));
    assert_eq!(decoded(&bytes, 3).unwrap(), image);
    let seen = as_decoded(&bytes, ImageFormat::Png).unwrap();
    assert!(!has_profile(&seen));
    assert_eq!(as_decoded(&plain, ImageFormat::Png).unwrap(), plain);
    // Wherever the file ends, nothing is read past it.
    for length in 0..200 {
        let cut = &bytes[..length];
        let _ = as_decoded(cut, ImageFormat::Png);
    }
}

#[test]
fn a_decoder_that_panics_has_met_a_bad_image() {
    let error = decoded(&fixture("planar_tiles.tiff"), 3)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("some/file: it cannot be read as TIFF: the decoder broke off: "),
        "{error}"
    );
    assert!(!catches_panics());
    let real = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/cases/images"
    ));
    for name in ["planar_lzw.tiff", "planar_lzw_278x374.tiff"] {
        let path = real.join(name);
        if !path.is_file() {
            println!("SKIPPED: there is no {}", path.display());
            continue;
        }
        let error = read(&path, 3).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

/// A PNG that is only a header, of any size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(header);
    bytes.extend(crc.sum().to_be_bytes());
    // An empty IDAT, so that the header is complete.
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

#[test]
fn headers_that_promise_too_much_are_refused_before_memory_is_taken() {
    for (width, height) in [(20_000, 20_000), (16_384, 16_384), (16_385, 1)] {
        let error = decoded(&png_header(width, height), 3)
            .unwrap_err()
            .to_string();
        assert!(error.contains("16384 pixels a side and 512 MiB"), "{error}");
        assert!(
            error.contains(&format!("it has {width} × {height} pixels")),
            "{error}"
        );
    }
    let error = decoded(&png_header(16, 16), 3).unwrap_err().to_string();
    assert!(error.contains("cannot be read as PNG"), "{error}");
}
