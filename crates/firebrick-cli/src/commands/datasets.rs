//! `firebrick datasets`.

mod pack;
mod stats;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firebrick::core::data::Dataset;
use firebrick::datasets::OpenOptions;
use firebrick::datasets::folder::{self, Changes};
use firebrick::datasets::registry::{REGISTRY, fetch, folder_path, info, list, verify};
use firebrick::{CHECKSUMS, DataOverview};
use indicatif::ProgressBar;

use super::listing;
use crate::failure::Failure;
use crate::figures::{counted, grouped};
use crate::overview;
use crate::terminal;

/// List, describe, measure, download, verify and pack data sets
#[derive(Args)]
pub(crate) struct Datasets {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the data sets
    List {
        /// Print one JSON document: an array of {name, signature, summary}
        #[arg(long)]
        json: bool,
    },
    /// Describe a data set: its files, checksums, licence and classes; for a folder of images, its
    /// splits and classes
    #[command(visible_alias = "info")]
    Describe {
        /// The data set
        #[arg(value_name = "NAME|folder:PATH")]
        name: String,
    },
    Stats(stats::Stats),
    Pack(pack::Pack),
    /// Download a data set and verify its checksums; an interrupted download continues when repeated
    Fetch {
        /// The data set
        name: String,
        /// Directory to store the files in; by default the cache directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Check the files of a data set against their published checksums; for a folder, check that every
    /// image can be read
    Verify {
        /// The data set: a name, or folder:PATH for a folder of images
        name: String,
        /// Directory that holds the files; by default the cache directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// For a folder: also list the images that have changed since this run was started
        #[arg(long, value_name = "RUN")]
        run: Option<PathBuf>,
    },
}

impl Datasets {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::List { json } => list_all(*json),
            Action::Describe { name } => match folder_path(name) {
                Some(_) => describe_folder(name),
                None => describe(name),
            },
            Action::Stats(stats) => stats.run(),
            Action::Pack(pack) => pack.run(),
            Action::Fetch { name, data_dir } => fetch_one(name, data_dir.as_ref()),
            Action::Verify {
                name,
                data_dir,
                run,
            } => match folder_path(name) {
                Some(path) => verify_folder(path, run.as_deref()),
                None => verify_one(name, data_dir.as_ref()),
            },
        }
    }
}

fn list_all(json: bool) -> Result<(), Failure> {
    if json {
        return listing::list(&REGISTRY, true);
    }
    let mut rows: Vec<_> = list()
        .iter()
        .map(|entry| vec![entry.signature(), entry.about.summary.to_string()])
        .collect();
    rows.push(vec![
        "folder:PATH".into(),
        "images in PATH/class/ or PATH/split/class/, or a pack of such a folder".into(),
    ]);
    terminal::table(&rows);
    Ok(())
}

/// What `train` would say of a folder before it begins.
fn describe_folder(name: &str) -> Result<(), Failure> {
    let splits = firebrick::datasets::open(name, &OpenOptions::default())?;
    overview::of_data(&DataOverview::of(&splits))
        .iter()
        .for_each(|line| terminal::say(line));
    splits.notes.iter().for_each(|note| terminal::notice(note));
    Ok(())
}

fn describe(name: &str) -> Result<(), Failure> {
    let entry = info(name)?;
    let card = &entry.build;
    let classes = (card.classes)();
    let shown = classes
        .iter()
        .take(20)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let more = if classes.len() > 20 { ", …" } else { "" };
    terminal::say(&format!("{}: {}", entry.signature(), entry.about.summary));
    terminal::say(&format!(
        "images: {} train, {} test, {}×{}×{}",
        grouped(card.train as u64),
        grouped(card.test as u64),
        card.channels,
        card.size[0],
        card.size[1]
    ));
    terminal::say(&format!("classes: {} ({shown}{more})", classes.len()));
    terminal::say(&format!("licence: {}", card.licence));
    terminal::say(&format!("home: {}", card.homepage));
    for file in card.files {
        terminal::say(&format!(
            "file: {} ({} bytes)\n  sha256 {}",
            file.url(),
            grouped(file.bytes),
            file.sha256
        ));
    }
    listing::options(&listing::fields(&entry));
    Ok(())
}

fn fetch_one(name: &str, data_dir: Option<&PathBuf>) -> Result<(), Failure> {
    let directory = data_dir.cloned().unwrap_or_else(super::data_cache);
    let mut bar: Option<(String, ProgressBar)> = None;
    let folder = fetch(name, &directory, &mut |file, done, total| {
        if !std::io::stderr().is_terminal() {
            return;
        }
        if bar.as_ref().is_none_or(|(shown, _)| shown != file) {
            bar = Some((file.to_string(), ProgressBar::new(total.unwrap_or(0))));
        }
        if let Some((_, bar)) = &bar {
            bar.set_position(done);
        }
    })?;
    terminal::say(&format!("{name} is in {}", folder.display()));
    Ok(())
}

fn verify_one(name: &str, data_dir: Option<&PathBuf>) -> Result<(), Failure> {
    let directory = data_dir.cloned().unwrap_or_else(super::data_cache);
    let checks = verify(name, &directory)?;
    if checks.is_empty() {
        terminal::say(&format!("{name} has no files to verify"));
    }
    let bad = checks
        .iter()
        .filter(|check| !check.state.is_sound())
        .count();
    checks
        .iter()
        .for_each(|check| terminal::say(&format!("{}: {}", check.path.display(), check.state)));
    if bad > 0 {
        return Err(Failure::Work(format!(
            "{bad} of {} files of {name} differ from the published ones; download them with: firebrick datasets fetch {name}",
            checks.len()
        )));
    }
    Ok(())
}

/// Decodes every image of a folder, and compares it with what a run was started with.
fn verify_folder(path: &str, run: Option<&Path>) -> Result<(), Failure> {
    let folders = folder::open(Path::new(path), 3).map_err(firebrick::Error::from)?;
    let mut bad = 0;
    for (split, set) in &folders.splits {
        let problems = set.bad_images();
        terminal::say(&format!(
            "{split}: {} of {} can be read",
            grouped((set.len() - problems.len()) as u64),
            counted(set.len() as u64, "image", "images")
        ));
        for (_, problem) in &problems {
            terminal::say(&format!("  {problem}"));
        }
        bad += problems.len();
    }
    folders.notes.iter().for_each(|note| terminal::notice(note));
    if let Some(run) = run {
        let file = run.join(CHECKSUMS);
        let before = std::fs::read_to_string(&file).map_err(|error| {
            Failure::Work(format!(
                "{}: {error}; only runs on a folder of images record checksums",
                file.display()
            ))
        })?;
        let changes = Changes::between(&before, &folders.checksums());
        if !changes.is_empty() {
            return Err(Failure::Work(format!(
                "the images have changed since {} was started: {changes}",
                run.display()
            )));
        }
        terminal::say(&format!(
            "no image has changed since {} was started",
            run.display()
        ));
    }
    if bad > 0 {
        return Err(Failure::Work(format!(
            "{} cannot be read: {}, or train with --on-bad-image skip",
            counted(bad as u64, "image", "images"),
            if folders.pack().is_some() {
                "make the pack again"
            } else {
                "repair or remove the files listed above"
            }
        )));
    }
    Ok(())
}
