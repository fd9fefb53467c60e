//! Running the binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Arguments of a training run of a few seconds.
pub(crate) const SMALL: &str = "train --dataset glyphs(train=240,test=60) --model lenet5(dropout=0.1) --augment pad_crop(2)|hflip --epochs 2 --batch-size 32";

pub(crate) fn firebrick(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebrick"));
    command
        .current_dir(directory)
        .stdin(Stdio::null())
        .env("FIREBRICK_DATA", directory.join("no-data"));
    // Mesa's driver complains on stderr without one.
    command.env("XDG_RUNTIME_DIR", directory);
    command
}

/// What a command printed and how it ended.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Splits on spaces; no argument here holds one.
pub(crate) fn run(directory: &Path, arguments: &str) -> Ran {
    run_with(directory, &arguments.split_whitespace().collect::<Vec<_>>())
}

pub(crate) fn run_with(directory: &Path, arguments: &[&str]) -> Ran {
    firebrick(directory)
        .args(arguments)
        .output()
        .unwrap()
        .into()
}

/// The bytes of the model that a run saved.
pub(crate) fn model(directory: &Path, run: &str) -> Vec<u8> {
    std::fs::read(directory.join(run).join("model.safetensors")).unwrap()
}

/// A folder of small images, `count` of each class, of different shades.
pub(crate) fn images(folder: &Path, classes: &[&str], count: u8) {
    for (number, class) in classes.iter().enumerate() {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        let shade = u8::try_from(number * 200 / classes.len()).unwrap();
        for image in 0..count {
            image::GrayImage::from_pixel(20 + u32::from(image), 24, image::Luma([shade + image]))
                .save(folder.join(format!("{class}/{image}.png")))
                .unwrap();
        }
    }
}
