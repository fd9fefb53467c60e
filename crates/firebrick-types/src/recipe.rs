//! Recipes: all settings of a training run, as one TOML file.
//!
//! Every flag of `firebrick train` is a key of a recipe, with `_` for `-`. A run writes its recipe, with all
//! defaults filled in, to its directory; that file repeats the run.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{brief, excerpt};
use crate::groups::GroupRule;
use crate::spec::{Pipeline, Spec, Value};
use crate::{ConfigError, data::Fit};

/// No recipe is nearly as large.
const MAX_BYTES: u64 = 4 << 20;

/// A training run on paper. See the fields for defaults; a recipe file states only what differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Data set: a name with options, or `folder:PATH`.
    pub dataset: String,
    /// Where the files of the data set lie, if not in the usual place.
    pub data_dir: Option<String>,
    /// Share of the training images kept for validation, where the set has no split of its own.
    pub valid_fraction: f64,
    /// Train on this many images only.
    pub limit_train: Option<usize>,
    /// Side of the square that images of any size are fitted to; by default the model's own.
    pub image_size: Option<usize>,
    /// Colour channels that images of a folder are read with: 1 or 3.
    pub channels: Option<usize>,
    /// How images of another size are fitted: `crop` or `squash`.
    pub fit: Fit,
    /// Order of images in an epoch: `shuffle`, `sequential`, `balanced` or `weighted([…])`.
    pub sampling: Spec,
    /// What to do about an image that cannot be read: `fail` or `skip`.
    pub on_bad_image: String,
    /// `auto` (mean and deviation of the train split), a known name, or `mean=…; std=…`.
    pub normalize: String,
    /// The model.
    pub model: Spec,
    /// Weights to start from.
    pub weights: Option<String>,
    /// The optimizer.
    pub optimizer: Spec,
    /// The learning rate over the run.
    pub schedule: Spec,
    /// The momentum over the run, in place of the optimizer's own.
    pub momentum_schedule: Option<Spec>,
    /// The weight decay over the run, in place of the optimizer's own.
    pub weight_decay_schedule: Option<Spec>,
    /// The update at which the schedule begins: where a branched run left its parent.
    pub schedule_start: u64,
    /// The run and update this one branched from.
    pub branched_from: Option<String>,
    /// The program that the run needs because it registers a unit that the recipe names, such as an
    /// optimizer of another crate; none where the `firebrick` command line is enough.
    pub program: Option<String>,
    /// The base learning rate; wins over the schedule's and the optimizer's.
    pub lr: Option<f64>,
    /// Random changes of training images, in order.
    pub augment: Pipeline,
    /// What is minimized.
    pub loss: Spec,
    /// Passes over the training images.
    pub epochs: u64,
    /// Images in a batch.
    pub batch_size: usize,
    /// Batches that are averaged into one update.
    pub accumulate: u64,
    /// Limit of the joint norm of all gradients, after the other limits.
    pub clip_norm: Option<f64>,
    /// Limit of every gradient entry, before the other limits.
    pub clip_value: Option<f64>,
    /// Limit of the norm of each gradient tensor, after `clip_value`.
    pub clip_tensor_norm: Option<f64>,
    /// Adaptive gradient clipping: limit of the norm of each unit's gradient as a share of its
    /// weights' norm, such as 0.01; the head is left alone. After `clip_tensor_norm`.
    pub clip_agc: Option<f64>,
    /// `stop`, or `skip(limit)`: leave out updates whose loss or gradient is not finite.
    pub on_non_finite: Spec,
    /// Stop after this many epochs without improvement.
    pub early_stop: Option<u64>,
    /// The metric that says which epoch is best.
    pub monitor: String,
    /// Stop after this many updates.
    pub max_updates: Option<u64>,
    /// Stop after this many seconds of training.
    pub max_seconds: Option<f64>,
    /// Train on this many batches only, always the same.
    pub overfit_batches: Option<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// Device by name.
    pub device: String,
    /// Threads that read and prepare images.
    pub workers: usize,
    /// Updates between checkpoints, beside one after each epoch.
    pub checkpoint_every: Option<u64>,
    /// Best checkpoints to keep.
    pub keep: usize,
    /// No weight decay for biases and norm parameters: those of rank 1, and those named `bias`.
    pub no_decay_bias_norm: bool,
    /// Multiplies the rate by this, in (0, 1], for each layer between a parameter and the output; a
    /// norm belongs to the layer before it. Multiplies with the rates of `groups`.
    pub layer_decay: Option<f64>,
    /// Rates and optimizers by parameter path: `path`, `lr` (a factor; 0 freezes), `weight_decay` (a
    /// factor), `optimizer` (a spec, whose own `lr` is relative to the main one).
    pub groups: Vec<GroupRule>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            dataset: "glyphs".into(),
            data_dir: None,
            valid_fraction: 0.1,
            limit_train: None,
            image_size: None,
            channels: None,
            fit: Fit::Crop,
            sampling: Spec::new("shuffle"),
            on_bad_image: "fail".into(),
            normalize: "auto".into(),
            model: Spec::new("small_cnn"),
            weights: None,
            optimizer: Spec::new("adam"),
            schedule: Spec::new("constant"),
            momentum_schedule: None,
            weight_decay_schedule: None,
            schedule_start: 0,
            branched_from: None,
            program: None,
            lr: None,
            augment: Pipeline::default(),
            loss: Spec::new("cross_entropy"),
            epochs: 5,
            batch_size: 64,
            accumulate: 1,
            clip_norm: None,
            clip_value: None,
            clip_tensor_norm: None,
            clip_agc: None,
            on_non_finite: Spec::new("stop"),
            early_stop: None,
            monitor: "valid_top1".into(),
            max_updates: None,
            max_seconds: None,
            overfit_batches: None,
            seed: 0,
            device: "flex".into(),
            workers: 2,
            checkpoint_every: None,
            keep: 1,
            no_decay_bias_norm: false,
            layer_decay: None,
            groups: Vec::new(),
        }
    }
}

impl Recipe {
    /// Reads a recipe from TOML. `source` names it in messages.
    ///
    /// # Errors
    /// [`ConfigError`] naming the unknown key with the nearest one, or the value that does not fit.
    pub fn from_toml(text: &str, source: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| not_toml(&error, text, source))?;
        let known = Self::keys();
        if let Some(key) = table.keys().find(|key| !known.contains(key)) {
            return Err(ConfigError::unknown_key(
                source,
                key,
                known.iter().map(String::as_str).collect::<Vec<_>>(),
            ));
        }
        for (key, value) in &table {
            let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = Self::deserialize(alone) {
                let message = error.to_string();
                let message = message.lines().next().unwrap_or_default();
                return Err(ConfigError::Conflict(format!(
                    "{source}: {} = {}: {}",
                    excerpt(key),
                    excerpt(&value.to_string()),
                    brief(message)
                )));
            }
        }
        Self::deserialize(table).map_err(|error| {
            ConfigError::Conflict(format!("{source}: {}", brief(&error.to_string())))
        })
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file and what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let cannot = |why: &dyn std::fmt::Display| {
            ConfigError::Conflict(format!("cannot read the recipe {}: {why}", path.display()))
        };
        let mut bytes = Vec::new();
        // A device file never ends.
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| cannot(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            let most = MAX_BYTES >> 20;
            return Err(cannot(&format!(
                "it is larger than {most} MiB, too large for a recipe"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|_| cannot(&"it is not a UTF-8 text file"))?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// The recipe as TOML, every field that has a value. Equal recipes give equal text.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for a number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| {
            ConfigError::Conflict(format!("this recipe cannot be written: {error}"))
        })
    }

    /// The recipe without what may differ between sessions of one run: where it runs, where its files
    /// lie (their content has a fingerprint, and checkpoints hold all weights), how it is fed, when it
    /// saves and when it is cut short.
    #[must_use]
    pub fn identity(&self) -> Self {
        let plain = Self::default();
        let folder = self.dataset.trim().starts_with("folder:");
        Self {
            dataset: if folder {
                "folder".into()
            } else {
                self.dataset.clone()
            },
            data_dir: None,
            program: None,
            weights: None,
            device: plain.device,
            workers: plain.workers,
            checkpoint_every: None,
            keep: plain.keep,
            max_updates: None,
            max_seconds: None,
            ..self.clone()
        }
    }

    /// Sets one value by its key: `batch_size`; `optimizer.momentum`, an argument of a spec by name;
    /// `schedule.then.min_lr`, one of a spec inside it; `augment.pad_crop.size`, one of a step.
    ///
    /// Whether a spec has such an argument is for its registry to say.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key that is not there, or the value that does not fit; the recipe
    /// is left as it was.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), ConfigError> {
        let Some((name, path)) = key.split_once('.') else {
            let known = Self::keys();
            if !known.iter().any(|known| known == key) {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                return Err(ConfigError::unknown_key("recipe", key, known));
            }
            let mut table = toml::Table::try_from(&*self)
                .map_err(|error| ConfigError::Conflict(format!("recipe: {error}")))?;
            table.insert(key.into(), value.to_toml());
            *self = Self::deserialize(table).map_err(|error| ConfigError::WrongType {
                unit: "recipe".into(),
                field: key.into(),
                value: value.to_string(),
                expected: error.to_string().lines().next().unwrap_or_default().into(),
            })?;
            return Ok(());
        };
        let absent = |what: &str| {
            ConfigError::Conflict(format!(
                "`{key}` cannot be set: the recipe has no `{what}` with arguments"
            ))
        };
        let (spec, path) = match name {
            "optimizer" => (&mut self.optimizer, path),
            "schedule" => (&mut self.schedule, path),
            "model" => (&mut self.model, path),
            "loss" => (&mut self.loss, path),
            "sampling" => (&mut self.sampling, path),
            "augment" => {
                let (step, path) = path.split_once('.').ok_or_else(|| absent(key))?;
                let found = self.augment.0.iter_mut().find(|spec| spec.name == step);
                (
                    found.ok_or_else(|| absent(&format!("augment.{step}")))?,
                    path,
                )
            }
            other => return Err(absent(other)),
        };
        set_inside(spec, path, value)
            .ok_or_else(|| absent(key.rsplit_once('.').map_or(key, |(outer, _)| outer)))
    }

    /// All keys, in order.
    #[must_use]
    pub fn keys() -> Vec<String> {
        crate::spec::fields::<Self>()
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    }
}

/// What is wrong with a text that is not TOML, on one line.
fn not_toml(error: &toml::de::Error, text: &str, source: &str) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    ConfigError::Conflict(format!(
        "{source}: TOML parse error at line {line}, column {column}: {}",
        brief(&message)
    ))
}

/// Sets an argument of a spec or of the specs inside it; `None` when one on the way is not there.
fn set_inside(spec: &mut Spec, path: &str, value: &Value) -> Option<()> {
    let Some((outer, rest)) = path.split_once('.') else {
        spec.set(path, value.clone());
        return Some(());
    };
    let mut inner = match spec.get(outer)? {
        Value::Spec(inner) => inner.clone(),
        Value::Text(text) => text.parse().ok()?,
        _ => return None,
    };
    set_inside(&mut inner, rest, value)?;
    spec.set(outer, inner.into());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_survives_a_round_trip() {
        let text = "dataset = \"cifar10\"\nmodel = \"resnet20(init=normal(std=0.1))\"\nlr = 0.1\naugment = \"pad_crop(4) | hflip\"\n\
                    [optimizer]\nname = \"sgd\"\nmomentum = 0.9\n[[groups]]\npath = \"*.bias\"\nweight_decay = 0.0\n";
        let recipe = Recipe::from_toml(text, "test").unwrap();
        assert_eq!(recipe.optimizer.to_string(), "sgd(momentum=0.9)");
        assert_eq!(recipe.groups[0].lr, 1.0);
        let again = recipe.to_toml().unwrap();
        assert_eq!(Recipe::from_toml(&again, "test").unwrap(), recipe);
        assert_eq!(Recipe::from_toml("", "test").unwrap(), Recipe::default());
    }

    #[test]
    fn places_are_no_part_of_the_identity() {
        let at = |folder: &str, weights: &str| Recipe {
            dataset: format!("folder:{folder}"),
            weights: Some(weights.into()),
            data_dir: Some(folder.into()),
            ..Recipe::default()
        };
        let identity = at("/a", "w.pth").identity();
        assert_eq!(identity, at("b/c", "/else/w.pth").identity());
        assert_eq!(identity, identity.identity(), "nothing more to take off");
        let named = Recipe {
            dataset: "mnist".into(),
            ..at("/a", "w.pth")
        };
        assert_ne!(identity, named.identity());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            (
                "epoch = 3",
                "r.toml has no key `epoch` (did you mean `epochs`?)",
            ),
            (
                "epochs = \"many\"",
                "r.toml: epochs = \"many\": invalid type",
            ),
            ("epochs = ", "r.toml: TOML parse error"),
            ("augment = \"hflip |\"", "expected a name"),
        ] {
            let error = Recipe::from_toml(text, "r.toml").unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }

    #[test]
    fn a_recipe_of_any_size_and_depth_is_read_or_refused_on_one_line() {
        let deep = "a(".repeat(9_000);
        let long = "x".repeat(1 << 20);
        for (text, needle) in [
            (
                format!("optimizer = \"{deep}\""),
                "nested more than 32 deep",
            ),
            (format!("augment = \"{deep}\""), "nested more than 32 deep"),
            (
                format!("[[groups]]\npath = \"*\"\noptimizer = \"{deep}\""),
                "nested more than 32 deep",
            ),
            (format!("schedule = {}", "[".repeat(9_000)), "line 1"),
            (format!("epochs = 3\n{long} {long}"), "line 2"),
            (format!("{long} = 1"), "has no key `xxx"),
            (format!("epochs = \"{long}\""), "invalid type"),
            (format!("fit = \"{long}\""), "fit = "),
        ] {
            let error = Recipe::from_toml(&text, "r.toml").unwrap_err().to_string();
            let long = error.lines().map(str::len).max().unwrap_or(0);
            assert!(
                error.starts_with("r.toml") && error.contains(needle),
                "{error:.400}"
            );
            assert!(
                long < 1_600 && error.lines().count() == 1,
                "{long}: {error:.400}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        std::fs::write(&path, vec![b' '; 5 << 20]).unwrap();
        let error = Recipe::read(&path).unwrap_err().to_string();
        assert!(error.contains("larger than 4 MiB"), "{error}");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(
            Recipe::read(&path)
                .unwrap_err()
                .to_string()
                .contains("not a UTF-8 text file")
        );
    }

    #[test]
    fn values_are_set_by_key() {
        let mut recipe = Recipe {
            optimizer: "sgd(momentum=0.9)".parse().unwrap(),
            schedule: "warmup(steps=1ep, then=cosine(min_lr=0))".parse().unwrap(),
            augment: "pad_crop(size=4) | hflip".parse().unwrap(),
            ..Recipe::default()
        };
        for (key, value) in [
            ("lr", Value::Number(0.25)),
            ("batch_size", Value::Integer(17)),
            ("optimizer.momentum", Value::Number(0.5)),
            ("schedule.then.min_lr", Value::Number(0.125)),
            ("augment.pad_crop.size", Value::Integer(2)),
            ("model", Value::Spec(Spec::new("lenet5"))),
        ] {
            recipe.set(key, &value).unwrap();
        }
        assert_eq!((recipe.lr, recipe.batch_size), (Some(0.25), 17));
        assert_eq!(recipe.optimizer.to_string(), "sgd(momentum=0.5)");
        assert_eq!(
            recipe.schedule.to_string(),
            "warmup(steps=1ep, then=cosine(min_lr=0.125))"
        );
        assert_eq!(recipe.augment.to_string(), "pad_crop(size=2) | hflip");
        assert_eq!(recipe.model.name, "lenet5");
        let before = recipe.clone();
        for (key, value, needle) in [
            ("bach_size", 1.0, "did you mean `batch_size`?"),
            (
                "batch_size",
                1.5,
                "recipe: batch_size = 1.5 has the wrong type",
            ),
            ("batch_size.x", 1.0, "no `batch_size` with arguments"),
            ("schedule.base.lr", 1.0, "no `schedule.base` with arguments"),
            (
                "augment.cutout.size",
                1.0,
                "no `augment.cutout` with arguments",
            ),
        ] {
            let error = recipe.set(key, &Value::Number(value)).unwrap_err();
            assert!(error.to_string().contains(needle), "{key}: {error}");
        }
        assert_eq!(recipe, before);
    }
}
