//! Runs the program and checks what it printed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Child;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
#[cfg(unix)]
use std::time::{Duration, Instant};

use firebrick::core::spec::Spec;
use firebrick::core::state_dict::StateDict;
use firebrick::zoo;
use serde_json::json;

/// Arguments of a training run of a second.
pub(crate) const SMALL: &str = "train --dataset glyphs(train=240,test=60) --model lenet5(dropout=0.1) --augment pad_crop(2)|hflip --epochs 2 --batch-size 32";

/// Flags of a training run on a folder of some dozens of grey images.
pub(crate) const PHOTOS: &str =
    "--model lenet5 --image-size 32 --channels 1 --epochs 1 --batch-size 8 --valid-fraction 0.25";

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

/// The keys of what `train --json` prints.
pub(crate) const KEYS_OF_TRAIN: [&str; 16] = [
    "run_dir",
    "device",
    "model",
    "parameters",
    "epochs",
    "steps",
    "seconds",
    "images_per_second",
    "train",
    "train_sample",
    "valid",
    "test",
    "best",
    "seed",
    "resumed_from",
    "ended",
];

/// The keys of a JSON object, in their order.
pub(crate) fn keys(value: &serde_json::Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap_or_else(|| panic!("{value} is no object"))
        .keys()
        .map(String::as_str)
        .collect()
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

/// Starts the program; what it prints is kept for `wait_with_output`.
#[cfg(unix)]
pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Child {
    firebrick(directory)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a line does in bash.
pub(crate) fn bash(directory: &Path, line: &str) -> Ran {
    let mut bash = Command::new("bash");
    let bash = bash.args(["--norc", "-c", line]).current_dir(directory);
    bash.env("XDG_RUNTIME_DIR", directory)
        .output()
        .unwrap()
        .into()
}

#[track_caller]
pub(crate) fn succeeds(ran: &Ran) {
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
}

/// The status is this one, and the message holds all of these.
#[track_caller]
pub(crate) fn fails(ran: &Ran, status: i32, needles: &[&str]) {
    assert_eq!(ran.status, status, "{}{}", ran.stdout, ran.stderr);
    for needle in needles {
        assert!(ran.stderr.contains(needle), "{needle}: {}", ran.stderr);
    }
}

/// The name of the newest finished checkpoint.
#[cfg(unix)]
pub(crate) fn newest(run: &Path) -> Option<String> {
    let entries = std::fs::read_dir(run.join("checkpoints")).ok()?.flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("step-"))
        .max()
}

/// Waits until a checkpoint newer than `old` is there, or the process has ended.
#[cfg(unix)]
pub(crate) fn wait_for_newer(child: &mut Child, run: &Path, old: Option<&str>) {
    let begun = Instant::now();
    while newest(run).as_deref() <= old {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "no checkpoint in two minutes"
        );
        if child.try_wait().unwrap().is_some() {
            return;
        }
        // The process needs the processor more.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal by its name.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
}

/// The rows of `metrics.csv` without the two columns that depend on the clock.
pub(crate) fn metrics(directory: &Path, run: &str) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join(run).join("metrics.csv")).unwrap();
    let rows = text.lines().map(|line| line.rsplitn(3, ',').last());
    rows.map(|row| row.unwrap_or_default().to_string())
        .collect()
}

/// The files of a directory and those below it, relative to it.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            let below = files(&entry.path()).into_iter();
            found.extend(below.map(|path| Path::new(&entry.file_name()).join(path)));
        } else {
            found.push(entry.file_name().into());
        }
    }
    found.sort();
    found
}

/// The files of a run, with their contents.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// Makes `directory/run` the run of this training command, which trains once for all tests.
pub(crate) fn trained(directory: &Path, command: &str) {
    static RUNS: Mutex<BTreeMap<String, Arc<OnceLock<Files>>>> = Mutex::new(BTreeMap::new());
    let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    let contents = runs.entry(command.to_string()).or_default().clone();
    drop(runs);
    let contents = contents.get_or_init(|| {
        let temp = tempfile::tempdir().unwrap();
        succeeds(&run(temp.path(), &format!("{command} --quiet --out run")));
        let run = temp.path().join("run");
        let read = |file: PathBuf| {
            let bytes = std::fs::read(run.join(&file)).unwrap();
            (file, bytes)
        };
        files(&run).into_iter().map(read).collect()
    });
    for (file, bytes) in contents {
        let path = directory.join("run").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
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

/// The keys and shapes of a model.
fn shapes(spec: &str, classes: usize) -> Vec<(String, Vec<usize>)> {
    let spec: Spec = spec.parse().unwrap();
    let input = zoo::Input {
        classes,
        ..zoo::default_input(&spec).unwrap()
    };
    let device = firebrick::core::device("flex").unwrap();
    StateDict::shapes(&zoo::undrawn(&spec, &input, &device).unwrap())
}

/// Writes weights of zeros for a model, and returns their bytes. The file takes no place on the disk.
pub(crate) fn zeros(
    path: &Path,
    spec: &str,
    classes: usize,
    metadata: &BTreeMap<&str, String>,
) -> u64 {
    let mut header = json!({ "__metadata__": metadata });
    let mut end = 0;
    for (key, shape) in shapes(spec, classes) {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        header[key] = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] });
    }
    let header = header.to_string();
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    end as u64
}

/// Writes weights of zeros for a model as `torch.save` does, and returns their bytes.
pub(crate) fn zeros_of_pytorch(path: &Path, spec: &str, classes: usize) -> u64 {
    let text = |text: &str| {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        [b"X", &length[..], text.as_bytes()].concat()
    };
    let number = |number: usize| [b"J", &u32::try_from(number).unwrap().to_le_bytes()[..]].concat();
    let tuple = |numbers: &[usize]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|one| number(*one)).collect();
        [b"(", &numbers[..], b"t"].concat()
    };
    let shapes = shapes(spec, classes);
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut bytes = 0;
    let mut pickle = b"\x80\x02}(".to_vec();
    for (at, (key, shape)) in shapes.iter().enumerate() {
        let count = shape.iter().product();
        let strides = (1..=shape.len()).map(|behind| shape[behind..].iter().product::<usize>());
        let strides: Vec<usize> = strides.collect();
        for part in [
            text(key),
            b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
            text("storage"),
            b"ctorch\nFloatStorage\n".to_vec(),
            text(&at.to_string()),
            text("cpu"),
            number(count),
            b"tQK\0".to_vec(),
            tuple(shape),
            tuple(&strides),
            b"\x89}tR".to_vec(),
        ] {
            pickle.extend(part);
        }
        zip.start_file(format!("net/data/{at}"), stored).unwrap();
        zip.write_all(&vec![0; 4 * count]).unwrap();
        bytes += 4 * count as u64;
    }
    pickle.extend(b"u.");
    zip.start_file("net/data.pkl", stored).unwrap();
    zip.write_all(&pickle).unwrap();
    zip.finish().unwrap();
    bytes
}
