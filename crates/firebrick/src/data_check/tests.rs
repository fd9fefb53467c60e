//! Folders with copies in two splits, and classes with few images.

use std::path::Path;

use firebrick_core::image::{Filter, Size, resize};
use firebrick_datasets::{OpenOptions, open};

use super::*;

/// A made-up photo that depends on a number.
fn photo(number: usize, side: usize) -> firebrick_core::data::Image {
    let n = number as f64;
    let mut image = firebrick_core::data::Image::black(side, side, 3);
    for (at, pixel) in image.pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = (
            (at % side) as f64 / side as f64,
            (at / side) as f64 / side as f64,
        );
        let wave = (((1.0 + n % 3.0) * x + (n % 5.0) * y + n * n * 0.37) * 6.0).sin()
            + (((n % 7.0) * x + (2.0 + n % 2.0) * y) * 6.0).sin();
        pixel.fill((127.0 + 60.0 * wave) as u8);
    }
    image
}

fn save(path: &Path, image: &firebrick_core::data::Image) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, firebrick_report::png(image).unwrap()).unwrap();
}

/// Six training images of `a` and twelve of `b`; three of four validation images are copies.
fn folder(at: &Path, side: usize) -> Splits {
    for number in 0..18 {
        let class = if number < 6 { "a" } else { "b" };
        save(
            &at.join(format!("train/{class}/{number:02}.png")),
            &photo(number, side),
        );
    }
    save(&at.join("valid/a/file.png"), &photo(3, side));
    // The same pixels in another file, under another class.
    let mut other = firebrick_report::png(&photo(9, side)).unwrap();
    other.extend(b"something behind the end");
    std::fs::create_dir_all(at.join("valid/a")).unwrap();
    std::fs::write(at.join("valid/a/pixels.png"), other).unwrap();
    let near = resize(
        photo(7, side),
        Size::new(side * 3 / 4, side * 3 / 4),
        Filter::Bilinear,
    );
    save(&at.join("valid/b/near.png"), &near);
    save(&at.join("valid/b/own.png"), &photo(19, side));
    open(&format!("folder:{}", at.display()), &OpenOptions::default()).unwrap()
}

fn found(splits: &Splits, how: CheckDuplicates) -> DataCheck {
    data_check(splits, &Preprocessing::unnormalized(3, 32, 32), how)
}

#[test]
fn copies_are_found_by_their_files_their_pixels_and_what_they_show() {
    let temp = tempfile::tempdir().unwrap();
    let splits = folder(temp.path(), 96);
    let all = found(&splits, CheckDuplicates::Auto);
    let pairs: Vec<_> = all
        .copies
        .shown
        .iter()
        .map(|pair| {
            let end = |name: &str| name.rsplit(['/', '\\']).next().unwrap().to_string();
            (end(&pair.image.name), end(&pair.of.name), pair.likeness)
        })
        .collect();
    let expected = [
        ("file.png", "03.png", Likeness::File),
        ("pixels.png", "09.png", Likeness::Pixels),
        ("near.png", "07.png", Likeness::Near),
    ];
    let expected = expected.map(|(image, of, likeness)| (image.into(), of.into(), likeness));
    assert_eq!(pairs, expected);
    assert_eq!((all.copies.files, all.copies.pixels), (22, Some(22)));
    let split = &all.copies.found[0];
    assert_eq!((split.images, split.copies, split.other_class), (4, 3, 1));
    assert_eq!(all.copies.shown[0].image.picture.size, [32, 32, 3]);
    let counts: Vec<_> = all
        .splits
        .iter()
        .map(|split| split.per_class.clone())
        .collect();
    assert_eq!(counts, [vec![6, 12], vec![2, 2]]);

    let said = warnings(&all, splits.train.classes());
    assert!(
        said[0].starts_with("3 images are in the validation split and"),
        "{said:?}"
    );
    assert!(
        said[0].contains("1 of them in another class (`"),
        "{said:?}"
    );
    assert!(said[0].contains("up to 75.0 points too high"), "{said:?}");
    assert!(
        said[1].starts_with("1 class has fewer than 10 training images (`a`: 6)"),
        "{said:?}"
    );

    let files = found(&splits, CheckDuplicates::Files);
    assert_eq!((files.copies.shown.len(), files.copies.pixels), (1, None));
    assert!(CheckDuplicates::from_name("none").is_err());
}

#[test]
fn small_images_are_compared_by_their_files_alone() {
    let temp = tempfile::tempdir().unwrap();
    let splits = folder(temp.path(), 48);
    let all = found(&splits, CheckDuplicates::All);
    assert_eq!((all.copies.files, all.copies.pixels), (22, Some(0)));
    let likeness: Vec<_> = all.copies.shown.iter().map(|pair| pair.likeness).collect();
    assert_eq!(likeness, [Likeness::File]);
}

#[test]
fn images_without_files_are_counted_and_not_decoded() {
    let splits = open("glyphs(train=300, test=60)", &OpenOptions::default()).unwrap();
    let all = found(&splits, CheckDuplicates::Auto);
    assert_eq!(all.copies, Copies::default());
    let names: Vec<_> = all
        .splits
        .iter()
        .map(|split| split.split.as_str())
        .collect();
    assert_eq!(names, ["train", "valid", "test"]);
}

#[test]
fn many_small_classes_are_named_in_part() {
    let all = DataCheck {
        splits: vec![SplitCounts {
            split: "train".into(),
            per_class: (3..15).collect(),
        }],
        ..DataCheck::default()
    };
    let names: Vec<String> = (0..12).map(|class| format!("class{class}")).collect();
    let said = warnings(&all, &names);
    let start = "7 classes have fewer than 10 training images (`class0`: 3, `class1`: 4, ";
    assert!(said[0].starts_with(start), "{said:?}");
    assert!(said[0].contains("`class4`: 7, and 2 more)"), "{said:?}");
}
