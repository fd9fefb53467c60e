use std::fs;

use firebrick_types::data::Dataset;
use image::{Rgb, RgbImage};
use serde_json::Value;

use super::*;
use crate::folder::{Folders, open};
use crate::image_list;
use crate::pack::{Making, PackFormat, pack};
use crate::registry::OnBadImage;

/// A pack of four tiny images, in a folder that is gone.
fn tiny(format: PackFormat) -> Vec<u8> {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("photos");
    for (name, value) in [("a/1", 1), ("a/2", 2), ("b/3", 3), ("b/4", 4)] {
        let path = root.join(name).with_extension("png");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let image = RgbImage::from_pixel(2, 2, Rgb([value, 2 * value, 100]));
        image.save(path).unwrap();
    }
    let out = temp.path().join("photos.fbpack");
    let made = Making {
        format,
        ..Making::default()
    };
    pack(&root, &out, made, OnBadImage::Fail, &mut |_, _| {}).unwrap();
    fs::read(out).unwrap()
}

/// A pack with these bytes, and what opening it gives.
struct Opened {
    _temp: tempfile::TempDir,
    folders: Result<Folders, DataError>,
}

fn opened(bytes: &[u8]) -> Opened {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("x.fbpack");
    fs::write(&path, bytes).unwrap();
    Opened {
        folders: open(&path, 3),
        _temp: temp,
    }
}

#[test]
fn a_byte_that_is_flipped_is_found_wherever_it_is() {
    for format in [PackFormat::Raw, PackFormat::Jpeg] {
        let sound = tiny(format);
        let set = |folders: &Folders| folders.splits[0].1.clone();
        let count = opened(&sound).folders.map(|folders| set(&folders).len());
        assert_eq!(count.unwrap(), 4);
        let (mut refused, mut bad) = (0, [0; 4]);
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            let opened = opened(&bytes);
            match &opened.folders {
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("x.fbpack: "), "{error}");
                    assert!(error.contains("firebrick datasets pack"), "{error}");
                    refused += 1;
                }
                Ok(folders) => {
                    let set = set(folders);
                    let failed = set.bad_images();
                    let [(index, error)] = failed.as_slice() else {
                        panic!("byte {at}: {failed:?}");
                    };
                    let error = error.to_string();
                    let name = ["a/1.png", "a/2.png", "b/3.png", "b/4.png"][*index];
                    assert!(error.contains(name), "{error}");
                    assert!(
                        error.contains("this image is damaged in the pack"),
                        "{error}"
                    );
                    assert!(error.contains("make the pack again with `firebrick datasets pack "));
                    bad[*index] += 1;
                }
            }
        }
        assert!(bad.iter().all(|count| *count >= 12), "{bad:?}");
        assert_eq!(refused + bad.iter().sum::<usize>(), sound.len());
    }
}

#[test]
fn what_is_cut_off_or_longer_is_torn() {
    let sound = tiny(PackFormat::Raw);
    for length in (0..sound.len()).chain([sound.len() + 1]) {
        let mut bytes = sound.clone();
        bytes.resize(length, 0);
        let error = opened(&bytes).folders.unwrap_err().to_string();
        let needle = if length < 8 {
            "this is no pack, or its beginning is damaged"
        } else {
            "this pack is torn: its end is missing or was written over"
        };
        assert!(error.contains(needle), "{length}: {error}");
    }
    // Cut off while it is open.
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("x.fbpack");
    fs::write(&path, &sound).unwrap();
    let set = open(&path, 3).unwrap().splits[0].1.clone();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(24).unwrap();
    assert!(set.get(0).is_ok());
    let error = set.get(1).unwrap_err().to_string();
    assert!(
        error.contains("a/2.png: this image is cut off in the pack"),
        "{error}"
    );
}

#[test]
fn what_is_no_pack_and_what_is_of_another_version_is_told() {
    let mut bytes = tiny(PackFormat::Raw);
    bytes[6] = b'2';
    let error = opened(&bytes).folders.unwrap_err().to_string();
    assert!(
        error.contains("written by another version of the program"),
        "{error}"
    );
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("letter.txt");
    fs::write(&path, "Dear reader").unwrap();
    let error = open(&path, 3).unwrap_err().to_string();
    assert!(
        error.contains("this is a file, not a folder of images or a pack of them"),
        "{error}"
    );
}

/// The pack with another index, and the checksum of that.
fn with_index(bytes: &[u8], change: &dyn Fn(&mut Value)) -> Vec<u8> {
    let trailer = bytes.len() - TRAILER as usize;
    let length: [u8; 8] = bytes[trailer..trailer + 8].try_into().unwrap();
    let begin = trailer - u64::from_le_bytes(length) as usize;
    let mut index = serde_json::from_slice(&bytes[begin..trailer]).unwrap();
    change(&mut index);
    let json = index.to_string().into_bytes();
    let mut changed = bytes[..begin].to_vec();
    changed.extend(&json);
    changed.extend((json.len() as u64).to_le_bytes());
    changed.extend(Sha256::digest(&json));
    changed.extend(END);
    changed
}

#[test]
fn an_index_that_asks_for_what_is_not_there_is_refused() {
    let sound = tiny(PackFormat::Raw);
    assert_eq!(with_index(&sound, &|_| {}), sound);
    type Change<'a> = &'a dyn Fn(&mut Value);
    fn image(index: &mut Value) -> &mut Value {
        &mut index["splits"][0]["images"][1]
    }
    let changes: [(Change<'_>, &str); 18] = [
        (
            &|i| image(i)["label"] = 2.into(),
            "a/2.png: it has no class",
        ),
        (
            &|i| image(i)["length"] = 11.into(),
            "a/2.png: its size is wrong",
        ),
        (
            &|i| image(i)["length"] = (1_u64 << 40).into(),
            "its size is wrong",
        ),
        (
            &|i| image(i)["content"]["pixels"]["width"] = 1.into(),
            "its size is wrong",
        ),
        (
            &|i| image(i)["content"]["pixels"]["width"] = 0.into(),
            "its size is wrong",
        ),
        (
            &|i| {
                let side = 1_u64 << 63;
                image(i)["content"]["pixels"] =
                    serde_json::json!({"width": side, "height": side, "channels": 3});
            },
            "its size is wrong",
        ),
        (
            &|i| {
                image(i)["content"]["pixels"] =
                    serde_json::json!({"width": 3, "height": 2, "channels": 2});
            },
            "its size is wrong",
        ),
        (&|i| image(i)["content"] = "film".into(), "unknown variant"),
        (
            &|i| image(i)["source"]["path"] = "../x.png".into(),
            "its name or checksum is none",
        ),
        (
            &|i| image(i)["source"]["path"] = "/x.png".into(),
            "its name or checksum is none",
        ),
        (
            &|i| image(i)["source"]["path"] = "".into(),
            "its name or checksum is none",
        ),
        (
            &|i| image(i)["source"]["sha256"] = "zz".into(),
            "its name or checksum is none",
        ),
        (
            &|i| i["splits"][0]["images"] = Value::Array(vec![]),
            "the split all has no images",
        ),
        (&|i| i["splits"] = Value::Array(vec![]), "it has no splits"),
        (
            &|i| {
                let split = i["splits"][0].clone();
                i["splits"] = vec![split.clone(), split].into();
            },
            "the split all beside others",
        ),
        (
            &|i| i["splits"][0]["folder"] = "x".into(),
            "the split all has no folder",
        ),
        (
            &|i| i["splits"][0]["split"] = "train".into(),
            "the split train has no folder",
        ),
        (
            &|i| {
                i["splits"][0]["images"].as_array_mut().unwrap().pop();
            },
            "not as long as the file",
        ),
    ];
    for (change, needle) in changes {
        let error = opened(&with_index(&sound, change)).folders.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(needle), "{needle}: {error}");
        assert!(error.contains("the index of this pack is wrong"), "{error}");
    }
}

#[test]
fn an_index_of_zeros_that_a_file_only_claims_to_have_takes_no_memory() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("x.fbpack");
    let mut bytes = BEGIN.to_vec();
    let claimed = MAX_INDEX + 1;
    let mut trailer = claimed.to_le_bytes().to_vec();
    trailer.extend([0; 32]);
    trailer.extend(END);
    fs::write(&path, &bytes).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(8 + claimed).unwrap();
    drop(file);
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, &trailer).unwrap();
    let error = open(&path, 3).unwrap_err().to_string();
    assert!(
        error.contains("the index of this pack is damaged"),
        "{error}"
    );
    bytes.clear();
}

#[test]
fn a_pack_is_listed_as_its_images() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("x.fbpack");
    fs::write(&path, tiny(PackFormat::Raw)).unwrap();
    // Also under a name that says nothing.
    let renamed = temp.path().join("photos");
    fs::copy(&path, &renamed).unwrap();
    for path in [path, renamed] {
        let absent = temp.path().join("absent.png");
        let listed = image_list::list(&[path.clone(), absent]).images;
        assert_eq!(listed.len(), 5);
        let third = listed[2].as_ref().unwrap();
        assert_eq!(third.path(), path.join("b/3.png"));
        assert_eq!(third.read(3).unwrap().pixels[..3], [3, 6, 100]);
        assert_eq!(third.read(1).unwrap().channels, 1);
        assert!(listed[4].is_err());
    }
    let torn = temp.path().join("torn.fbpack");
    fs::write(&torn, b"FBPACK1\n").unwrap();
    let listed = image_list::list(&[torn]).images;
    let error = listed[0].as_ref().unwrap_err().to_string();
    assert!(
        listed.len() == 1 && error.contains("this pack is torn"),
        "{error}"
    );
}
