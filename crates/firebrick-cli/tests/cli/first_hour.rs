//! What a new user sees: an overview before training, no files after a failed start, and printed next steps that
//! work.

use std::fs;
use std::path::Path;

use crate::support::{PHOTOS, Ran, SMALL, bash, images, run, run_with, succeeds};
#[cfg(unix)]
use crate::support::{signal, start, wait_for_newer};

fn train_on(at: &Path, folder: &str, more: &str) -> Ran {
    let dataset = format!("folder:{folder}");
    let mut arguments = vec!["train", "--dataset", &dataset];
    arguments.extend(PHOTOS.split(' ').chain(more.split_whitespace()));
    run_with(at, &arguments)
}

/// Looks for texts one after another; lines that were broken to fit count as one.
fn assert_in_order<'a>(text: &str, needles: impl Iterator<Item = &'a &'a str>) {
    let whole = text.replace("\n         ", " ").replace('\n', " \n ");
    let mut rest = whole.as_str();
    for needle in needles {
        let Some((_, after)) = rest.split_once(needle) else {
            panic!("`{needle}` is not in, or not where it belongs in:\n{text}");
        };
        rest = after;
    }
}

#[test]
fn what_is_there_is_said_once_before_training() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    for (split, count) in [("train", 8), ("val", 3), ("test", 2)] {
        images(&at.join("insects").join(split), &["ants", "bees"], count);
    }
    let ran = train_on(at, "insects", "");
    succeeds(&ran);
    let data = [
        "data     folder:",
        "insects: 2 classes, images of any size, grey",
        "class  train  valid  test",
        "ants       8      3     2",
        "bees       8      3     2",
        "all       16      6     4",
    ];
    let rest = [
        "images   read as 1×32×32 (grey)",
        "model    lenet5(",
        "61\u{202f}026 parameters",
        "length   1 epoch of 2 updates",
        "device   flex",
        "run      runs/insects-lenet5-1",
        " epoch ",
        " 1/1 ",
    ];
    assert_in_order(&ran.stderr, data.iter().chain(&rest));
    assert_eq!(ran.stderr.matches("data  ").count(), 1, "{}", ran.stderr);
    // The same about a folder that nothing was trained on yet.
    let info = run(at, "datasets describe folder:insects");
    succeeds(&info);
    let grey = info.stdout.replace(", colour", ", grey");
    assert_in_order(&grey, data.iter());
    // A resume says where it goes on; quiet says nothing.
    succeeds(&run(
        at,
        &format!("{SMALL} --max-updates 3 --out part --quiet"),
    ));
    let resumed = run(at, "train --resume part");
    assert!(
        resumed
            .stderr
            .contains("length   2 epochs of 7 updates; continues after update 3\n")
            && resumed.stderr.contains("classes  0, 1, 2, "),
        "{}",
        resumed.stderr
    );
    let quiet = run(at, &format!("{SMALL} --out quiet --quiet"));
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_failed_start_says_one_thing_and_leaves_no_directory() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("good"), &["dark", "light"], 8);
    images(&at.join("bad"), &["dark", "light"], 8);
    for image in 0..8 {
        fs::write(at.join(format!("bad/dark/{image}.png")), b"not an image").unwrap();
    }
    fs::write(at.join("bad.safetensors"), b"12345678901234567890").unwrap();
    for (folder, flags) in [
        ("good", "--model resnet51"),
        ("good", "--optimizer adm"),
        ("good", "--device flx"),
        ("good", "--weights bad.safetensors"),
        ("good", "--weights nowhere.pth"),
        ("nowhere", ""),
        // Found out when the images are measured, and when they are read for the first update.
        ("bad", ""),
        ("bad", "--normalize none"),
    ] {
        for out in ["", "--out one"] {
            let ran = train_on(at, folder, &format!("{flags} {out}"));
            let what = format!("{folder} {flags} {out}: {}", ran.stderr);
            assert!(matches!(ran.status, 1 | 2), "{what}");
            assert_eq!(ran.stdout, "", "{what}");
            assert!(!ran.stderr.contains("this is a bug in firebrick"), "{what}");
            let last = ran.stderr.lines().last().unwrap();
            assert!(last.starts_with("error: "), "{what}");
            // What reading the first images finds out comes after the overview; the rest stands alone.
            if flags != "--normalize none" {
                assert_eq!(ran.stderr.lines().count(), 1, "{what}");
            }
            assert!(!at.join("one").exists(), "{what}");
            let left = fs::read_dir(at.join("runs")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{what}");
        }
    }
    // A directory of one's own is given back as it was.
    fs::create_dir(at.join("mine")).unwrap();
    fs::write(at.join("mine/notes.txt"), b"mine").unwrap();
    let ran = train_on(at, "bad", "--normalize none --out mine");
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let left: Vec<_> = fs::read_dir(at.join("mine")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// The commands that a run printed as the next steps, run by a shell.
fn next_steps(at: &Path, ran: &Ran) -> Vec<Ran> {
    let lines = ran
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("next: "));
    let commands = lines.map(|line| line.trim_start_matches("next:").trim());
    commands.map(|command| bash(at, command)).collect()
}

#[test]
fn the_next_steps_work_as_they_are_printed() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // Without a test split, without any split but train, and with a name that a shell would read.
    let name = "my 'dark' & light";
    images(&at.join(name), &["dark", "light"], 8);
    for (more, split) in [
        ("", "valid"),
        ("--valid-fraction 0 --monitor train_loss", "train"),
    ] {
        let ran = train_on(at, name, more);
        succeeds(&ran);
        let steps = next_steps(at, &ran);
        assert_eq!(steps.len(), 2, "{}", ran.stdout);
        for step in &steps {
            assert_eq!(step.status, 0, "{}: {}", ran.stdout, step.stderr);
        }
        assert!(
            steps[0].stdout.contains(&format!(" {split}: top-1 ")),
            "{}",
            steps[0].stdout
        );
        assert!(steps[1].stdout.contains("/dark/"), "{}", steps[1].stdout);
    }
    assert!(
        at.join("runs/my--dark----light-lenet5-2/model.safetensors")
            .is_file()
    );
    // A data set without files of its own has no image to name.
    let ran = run(at, SMALL);
    let steps = next_steps(at, &ran);
    assert_eq!(steps.len(), 1, "{}", ran.stdout);
    assert_eq!(steps[0].status, 0, "{}", steps[0].stderr);
    assert!(
        steps[0].stdout.contains(" test: top-1 "),
        "{}",
        steps[0].stdout
    );
}

#[cfg(unix)]
#[test]
fn the_command_to_go_on_with_works_as_it_is_printed() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let mut arguments: Vec<&str> = SMALL.split(' ').collect();
    arguments.extend([
        "--epochs",
        "400",
        "--out",
        "a run",
        "--checkpoint-every",
        "1",
    ]);
    let mut child = start(at, &arguments);
    wait_for_newer(&mut child, &at.join("a run"), Some("step-000000001"));
    signal(&child, "INT");
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    let (_, printed) = ran.stderr.split_once("continue with: ").unwrap();
    let script = format!("{} --max-updates 4", printed.trim_end());
    succeeds(&bash(at, &script));
}
