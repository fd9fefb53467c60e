//! Results that cannot be written to standard output.

use std::fs::File;
use std::io::Read;

use crate::support::{Ran, SMALL, firebrick, run_with, start, trained};

#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    image::RgbImage::new(28, 28)
        .save(at.join("photo.png"))
        .unwrap();
    for arguments in [
        "predict run photo.png --json",
        "predict run photo.png",
        "models list",
        "optim describe adam",
        "--help",
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran: Ran = firebrick(at)
            .args(arguments.split(' '))
            .stdout(full)
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.status, 1, "{arguments}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("could not be written") && ran.stderr.contains("No space left"),
            "{arguments}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let temp = tempfile::tempdir().unwrap();
    let arguments = ["optim", "list", "--json"];
    let whole = run_with(temp.path(), &arguments).stdout;
    // More than a pipe holds, or the reader would not be missed.
    let mut child = start(temp.path(), &arguments);
    let mut first = [0; 10];
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut first).unwrap();
    assert!(whole.as_bytes().starts_with(&first));
    drop(pipe);
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}
