use std::fs;

use firebrick_types::data::{BatchSource, Preprocessing};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;
use crate::folder::{Folders, open};
use crate::{Loader, LoaderConfig};

fn colours(x: u32, y: u32, seed: u32) -> [u8; 3] {
    [x * 7 + seed, y * 11 + x * y, x * 3 + y * 5 + 40 * seed].map(|value| value as u8)
}

fn colour(width: u32, height: u32, seed: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| Rgb(colours(x, y, seed))).into()
}

fn save(root: &Path, name: &str, image: &DynamicImage) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// Photos of all kinds that differ where they are read to grey, with alpha or with 16 bits.
fn photos(root: &Path) {
    save(root, "train/ants/1.jpg", &colour(40, 30, 1));
    save(root, "train/ants/deep/2.png", &colour(31, 7, 2));
    let clear = RgbaImage::from_fn(9, 40, |x, y| {
        let [red, green, blue] = colours(x, y, 3);
        Rgba([red, green, blue, (x * y) as u8])
    });
    save(root, "train/ants/3.png", &clear.into());
    let grey = GrayImage::from_fn(16, 16, |x, y| Luma([(x * 16 + y) as u8]));
    save(root, "train/bees/4.png", &grey.into());
    let deep: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_fn(40, 1, |x, _| Luma([x as u16 * 1601]));
    save(root, "train/bees/5.png", &deep.into());
    save(root, "val/ants/6.jpg", &colour(12, 50, 6));
    save(root, "val/bees/7.jpg", &colour(13, 17, 7));
}

fn made(max_side: Option<usize>, format: PackFormat) -> Making {
    Making {
        max_side,
        format,
        quality: None,
    }
}

fn pack_of(folder: &Path, out: &Path, made: Making) -> Packed {
    pack(folder, out, made, OnBadImage::Fail, &mut |_, _| {}).unwrap()
}

fn problem(folder: &Path, out: &Path, made: Making) -> String {
    let packed = pack(folder, out, made, OnBadImage::Fail, &mut |_, _| {});
    packed.unwrap_err().to_string()
}

/// Everything but where it lies is the same.
fn assert_same(one: &Folders, other: &Folders) {
    assert_eq!(one.splits.len(), other.splits.len());
    for ((split, one), (other_split, other)) in one.splits.iter().zip(&other.splits) {
        assert_eq!(split, other_split);
        assert_eq!(one.classes(), other.classes());
        assert_eq!(one.len(), other.len());
        for index in 0..one.len() {
            assert_eq!(one.get(index).unwrap(), other.get(index).unwrap());
            assert_eq!(one.label(index), other.label(index));
        }
    }
}

#[test]
fn a_pack_of_images_as_they_are_is_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("photos");
    photos(&root);
    for format in [PackFormat::Raw, PackFormat::Jpeg] {
        // No side is longer than 50.
        for max_side in [None, Some(50)] {
            let out = temp.path().join("photos.fbpack");
            let packed = pack_of(&root, &out, made(max_side, format));
            assert_eq!(
                (packed.smaller, packed.bytes),
                (0, out.metadata().unwrap().len())
            );
            assert_eq!(packed.splits, [(Split::Train, 5), (Split::Valid, 2)]);
            for channels in [1, 3] {
                let (folder, pack) = (open(&root, channels), open(&out, channels));
                let (folder, pack) = (folder.unwrap(), pack.unwrap());
                assert_same(&folder, &pack);
                assert!(pack.notes.is_empty(), "{:?}", pack.notes);
                for ((_, folder), (_, pack)) in folder.splits.iter().zip(&pack.splits) {
                    assert_eq!(folder.fingerprint(), pack.fingerprint());
                }
                assert_eq!(folder.checksums(), pack.checksums());
                assert_eq!([folder.pack(), pack.pack()], [None, Some(&*out)]);
            }
            let (_, train) = &open(&out, 3).unwrap().splits[0];
            let name = out.join("train/ants/deep/2.png").display().to_string();
            assert_eq!(train.describe(2), name);
        }
    }
}

#[test]
fn a_pack_of_smaller_images_is_a_folder_of_them() {
    let temp = tempfile::tempdir().unwrap();
    let (root, out) = (temp.path().join("photos"), temp.path().join("small.fbpack"));
    photos(&root);
    // What torchvision's Resize(…, max_size=16) gives.
    let sizes = [
        ("train/ants/1.jpg", [16, 12]),
        ("train/ants/3.png", [3, 16]),
        ("train/ants/deep/2.png", [16, 3]),
        ("train/bees/4.png", [16, 16]),
        ("train/bees/5.png", [16, 1]),
        ("val/ants/6.jpg", [3, 16]),
        ("val/bees/7.jpg", [12, 16]),
    ];
    for (format, extension) in [(PackFormat::Raw, "png"), (PackFormat::Jpeg, "jpg")] {
        let packed = pack_of(&root, &out, made(Some(16), format));
        assert_eq!(packed.smaller, 6);
        let small = temp.path().join(extension);
        for (name, [width, height]) in sizes {
            let path = root.join(name);
            let image = decode_as_stored(&path, &fs::read(&path).unwrap()).unwrap();
            // What is not made smaller stays the file that it is.
            let is_same = image.size() == Size::new(width, height);
            let target = small.join(name).with_extension(extension);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            if is_same && format == PackFormat::Jpeg {
                fs::copy(&path, small.join(name)).unwrap();
                continue;
            }
            let resized = resize(image, Size::new(width, height), Filter::Bilinear);
            let bytes = jpeg(&resized, QUALITY).unwrap();
            match format {
                PackFormat::Jpeg => fs::write(target, bytes).unwrap(),
                PackFormat::Raw => DynamicImage::try_from(resized)
                    .unwrap()
                    .save(target)
                    .unwrap(),
            }
        }
        for channels in [1, 3] {
            let (one, other) = (open(&small, channels), open(&out, channels));
            assert_same(&one.unwrap(), &other.unwrap());
        }
        let fingerprint = |path: &Path| open(path, 3).unwrap().splits[0].1.fingerprint();
        assert_ne!(fingerprint(&root), fingerprint(&out));
        let before = fingerprint(&out);
        pack_of(&root, &out, made(Some(15), format));
        assert_ne!(fingerprint(&out), before);
        pack_of(&root, &out, made(Some(16), format));
        assert_eq!(fingerprint(&out), before);
    }
    // The quality counts.
    let sizes = [10, 95].map(|quality| {
        let made = Making {
            quality: Some(quality),
            ..made(Some(16), PackFormat::Jpeg)
        };
        pack_of(&root, &out, made).bytes
    });
    assert!(sizes[0] < sizes[1], "{sizes:?}");
}

#[test]
fn batches_are_those_of_the_folder_for_any_number_of_workers() {
    let temp = tempfile::tempdir().unwrap();
    let (root, out) = (
        temp.path().join("photos"),
        temp.path().join("photos.fbpack"),
    );
    photos(&root);
    pack_of(&root, &out, Making::default());
    let batches = |path: &Path, workers: usize| -> Vec<Vec<f32>> {
        let train = open(path, 3).unwrap().train().unwrap().clone();
        let config = LoaderConfig {
            batch_size: 2,
            workers,
            ..LoaderConfig::default()
        };
        let preprocessing = Preprocessing::unnormalized(3, 8, 8);
        let train = std::sync::Arc::new(train);
        let mut loader = Loader::new(train, preprocessing, None, Vec::new(), config).unwrap();
        let mut found = Vec::new();
        for epoch in 0..2 {
            loader.start(epoch, 0);
            while let Some(batch) = loader.next_batch() {
                found.push(batch.unwrap().images);
            }
        }
        found
    };
    let of_folder = batches(&root, 0);
    assert_eq!(of_folder.len(), 6);
    for workers in [0, 1, 3] {
        assert_eq!(batches(&out, workers), of_folder);
    }
}

#[test]
fn a_folder_that_has_changed_is_told_with_the_command() {
    let temp = tempfile::tempdir().unwrap();
    let (root, out) = (
        temp.path().join("my photos"),
        temp.path().join("photos.fbpack"),
    );
    photos(&root);
    let made = Making {
        quality: Some(80),
        ..made(Some(32), PackFormat::Jpeg)
    };
    pack_of(&root, &out, made);
    let notes = || open(&out, 3).unwrap().notes;
    let told = |parts: [&str; 2]| {
        let notes = notes();
        let [note] = notes.as_slice() else {
            panic!("{notes:?}");
        };
        for part in parts {
            assert!(note.contains(part), "{part}: {note}");
        }
    };
    assert!(notes().is_empty());
    // Written again with the same content.
    let first = root.join("train/ants/1.jpg");
    let bytes = fs::read(&first).unwrap();
    let before = first.metadata().unwrap().modified().unwrap();
    let set_time = |time| {
        let file = fs::File::options().write(true).open(&first).unwrap();
        file.set_modified(time).unwrap();
    };
    set_time(before - std::time::Duration::from_secs(100));
    assert!(notes().is_empty());
    // Another content of the same size.
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&first, other).unwrap();
    set_time(before + std::time::Duration::from_secs(100));
    let mend = format!(
        "to renew them: firebrick datasets pack '{}' --out {} --max-side 32 --format jpeg --quality 80",
        root.display(),
        out.display()
    );
    let older = "is older than its folder";
    told([older, &mend]);
    told([older, "1 file changed (train/ants/1.jpg)"]);
    fs::write(&first, &bytes).unwrap();
    assert!(notes().is_empty(), "{:?}", notes());
    save(&root, "val/bees/8.png", &colour(3, 3, 8));
    fs::remove_file(root.join("train/bees/4.png")).unwrap();
    told([
        "1 file missing (train/bees/4.png)",
        "1 file added (val/bees/8.png)",
    ]);
    // A folder that is no data set any more, and none.
    fs::remove_dir_all(root.join("train/bees")).unwrap();
    fs::create_dir(root.join("train/bees")).unwrap();
    told([older, "this class folder has no images"]);
    fs::rename(&root, temp.path().join("elsewhere")).unwrap();
    assert!(notes().is_empty());
    // Another folder that is called the same now.
    save(&root, "cats/1.png", &colour(3, 3, 9));
    assert!(notes().is_empty(), "{:?}", notes());
    // Both moved together.
    let there = temp.path().join("there");
    fs::create_dir(&there).unwrap();
    fs::rename(temp.path().join("elsewhere"), there.join("my photos")).unwrap();
    fs::rename(&out, there.join("photos.fbpack")).unwrap();
    let moved = open(&there.join("photos.fbpack"), 3).unwrap();
    assert!(moved.notes[0].contains("this class folder has no images"));
}

#[test]
fn images_that_cannot_be_read_stop_it_or_are_left_out() {
    let temp = tempfile::tempdir().unwrap();
    let (root, out) = (
        temp.path().join("photos"),
        temp.path().join("photos.fbpack"),
    );
    photos(&root);
    fs::write(root.join("train/bees/bad.jpg"), b"no image").unwrap();
    let problem = problem(&root, &out, Making::default());
    assert!(
        problem.contains("bad.jpg: its content is not an image"),
        "{problem}"
    );
    // Nothing is left behind.
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    let mut told = Vec::new();
    let mut progress = |done, total| told.push((done, total));
    let packed = pack(
        &root,
        &out,
        Making::default(),
        OnBadImage::Skip,
        &mut progress,
    )
    .unwrap();
    assert_eq!(told, (1..=8).map(|done| (done, 8)).collect::<Vec<_>>());
    assert!(packed.skipped.len() == 1 && packed.skipped[0].contains("bad.jpg"));
    let there = open(&out, 3).unwrap();
    // It is known, so it is no change of the folder.
    assert!(there.notes.is_empty(), "{:?}", there.notes);
    let of_folder = open(&root, 3).unwrap();
    let clean = |set: &FolderDataset| set.without_bad_images().unwrap().0.fingerprint();
    assert_eq!(
        clean(&of_folder.splits[0].1),
        there.splits[0].1.fingerprint()
    );
    fs::remove_file(root.join("train/bees/4.png")).unwrap();
    fs::write(root.join("train/bees/5.png"), b"").unwrap();
    let packed = pack(
        &root,
        &out,
        Making::default(),
        OnBadImage::Skip,
        &mut |_, _| {},
    );
    let error = packed.unwrap_err().to_string();
    assert!(
        error.contains("bees: no image in this class folder can be read"),
        "{error}"
    );
    // The pack that was there is still there.
    assert_eq!(open(&out, 3).unwrap().splits[0].1.len(), 5);
}

#[test]
fn settings_and_places_that_are_wrong_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("photos");
    photos(&root);
    let out = temp.path().join("photos.fbpack");
    let jpeg = |quality| Making {
        quality: Some(quality),
        ..made(None, PackFormat::Jpeg)
    };
    let raw = Making {
        quality: Some(90),
        ..Making::default()
    };
    for (made, needle) in [
        (
            made(Some(0), PackFormat::Raw),
            "max_side = 0 is out of range",
        ),
        (made(Some(16_385), PackFormat::Raw), "max_side = 16385"),
        (jpeg(0), "quality = 0 is out of range"),
        (jpeg(101), "quality = 101"),
        (raw, "quality is for the format jpeg"),
    ] {
        let problem = problem(&root, &out, made);
        assert!(problem.contains(needle), "{needle}: {problem}");
    }
    let text = temp.path().join("letter.txt");
    fs::write(&text, "Dear reader").unwrap();
    let absent = temp.path().join("absent/photos.fbpack");
    for (folder, out, needle) in [
        (&text, &out, "letter.txt: this is a file"),
        (&absent, &out, "absent"),
        (&root, &text, "this file is no pack, so it is not replaced"),
        (&root, &root, "this is a folder"),
        (&root, &absent, "absent/photos.fbpack"),
    ] {
        let problem = problem(folder, out, Making::default());
        assert!(problem.contains(needle), "{needle}: {problem}");
    }
    assert_eq!(fs::read_to_string(&text).unwrap(), "Dear reader");
    pack_of(&root, &out, Making::default());
    let problem = problem(&out, &out, Making::default());
    assert!(problem.contains("only a folder"), "{problem}");
    pack_of(&root, &out, Making::default());
}

#[test]
fn a_pack_lies_beside_its_folder() {
    for (folder, expected) in [
        ("photos", "photos.fbpack"),
        ("photos/", "photos.fbpack"),
        ("data/my.photos", "data/my.photos.fbpack"),
        ("/photos", "/photos.fbpack"),
    ] {
        assert_eq!(beside(Path::new(folder)), Path::new(expected));
    }
    let here = std::env::current_dir().unwrap();
    let beside_here = here.with_file_name("datasets.fbpack");
    assert_eq!(beside(Path::new(".")), beside_here);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_utf_8_are_named() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("photos");
    photos(&root);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    fs::copy(
        root.join("train/bees/4.png"),
        root.join("train/bees").join(name),
    )
    .unwrap();
    let problem = problem(&root, &temp.path().join("out.fbpack"), Making::default());
    assert!(
        problem.contains("is not valid UTF-8") && problem.contains("caf"),
        "{problem}"
    );
}
