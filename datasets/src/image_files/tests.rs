use super::*;

fn write(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
}

fn found(root: &Path) -> Vec<String> {
    list(&[root.to_path_buf()])
        .files
        .into_iter()
        .flatten()
        .map(|path| {
            path.strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_string()
        })
        .collect()
}

#[test]
fn hidden_and_foreign_files_are_no_images_and_every_extension_is() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let images: Vec<String> = EXTENSIONS
        .iter()
        .enumerate()
        .map(|(index, extension)| format!("{index:02}.{extension}"))
        .collect();
    write(root, &images.iter().map(String::as_str).collect::<Vec<_>>());
    write(root, &["sub/a.JPG", "sub/b.JfIf", "__other/c.png"]);
    write(
        root,
        &[
            "._1.jpg",
            ".thumbs/2.jpg",
            "__MACOSX/sub/3.jpg",
            "@eaDir/4.jpg/THUMB.jpg",
            "sub/thumbs.db",
            ".DS_Store",
        ],
    );
    write(root, &["x.heic", "y.HEIC", "sub/z.avif", "notes", "a.txt"]);
    let mut expected = images;
    expected.extend(["__other/c.png", "sub/a.JPG", "sub/b.JfIf"].map(String::from));
    assert_eq!(found(root), expected);

    let left_out = list(&[root.into()]).left_out;
    assert_eq!(left_out.count(), 5);
    assert_eq!(
        left_out.to_string(),
        "2 .heic, 1 without extension, 1 .avif, 1 .txt"
    );
    assert_eq!(left_out.other_pictures(), ["avif", "heic"]);
}

#[test]
fn a_path_that_gives_nothing_is_one_error_among_the_others() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write(root, &["some/1.png", "none/list.csv", "odd name"]);
    let paths = ["absent.png", "some", "none", "odd name"].map(|name| root.join(name));
    let listed = list(&paths);
    let told: Vec<String> = listed
        .files
        .iter()
        .map(|file| match file {
            Ok(path) => path.display().to_string(),
            Err(error) => format!("error {error}"),
        })
        .collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].starts_with("error ") && told[0].contains("absent.png"));
    assert!(told[1].ends_with("1.png") && told[3].ends_with("odd name"));
    assert!(
        told[2].contains("no image files in this folder") && told[2].contains("it has 1 .csv"),
        "{}",
        told[2]
    );
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_no_images() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write(root, &["1.png", "elsewhere/2.png"]);
    symlink("/dev/zero", root.join("endless.jpg")).unwrap();
    symlink(root.join("1.png"), root.join("link.jpg")).unwrap();
    symlink(root.join("nowhere"), root.join("dangling.gif")).unwrap();
    symlink(root, root.join("elsewhere/loop")).unwrap();
    let pipe = root.join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let listed = list(&[root.into()]);
    assert_eq!(
        found(root),
        ["1.png", "dangling.gif", "elsewhere/2.png", "link.jpg"]
    );
    assert_eq!(listed.left_out.to_string(), "2 pipes or devices");
    // Named one by one they are refused before anything is read of them.
    for (path, needle) in [
        (pipe.as_path(), "a pipe or device"),
        (&root.join("endless.jpg"), "a pipe or device"),
        (root, "it is a folder"),
        (&root.join("dangling.gif"), "dangling.gif"),
    ] {
        let error = content(path).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
}

#[test]
fn a_file_larger_than_any_image_is_refused_unread() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("huge.png");
    fs::File::create(&path)
        .unwrap()
        .set_len(MAX_FILE + 1)
        .unwrap();
    let error = content(&path).unwrap_err().to_string();
    assert!(error.contains("it has 1024 MiB"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_utf_8_are_read_all_the_same() {
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"caf\xe9.jpg");
    fs::write(root.path().join(name), b"x").unwrap();
    let files = list(&[root.path().into()]).files;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].as_ref().unwrap().file_name(), Some(name));
}
