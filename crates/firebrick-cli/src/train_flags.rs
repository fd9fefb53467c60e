//! The flags of `train` and how they change a recipe: a flag wins over the recipe file.

use clap::{Args, ValueHint};
use firebrick::core::ConfigError;
use firebrick::core::data::Fit;
use firebrick::core::spec::{Pipeline, Spec};
use firebrick::core::{GroupRule, Recipe};
use firebrick::optim::rates::{
    optimizer_has_rate, optimizer_without_rate, schedule_has_rate, schedule_without_rate,
};

use crate::help;
use crate::number::{real, whole};

/// Every setting of a recipe as a flag.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "What to train")]
pub(crate) struct TrainFlags {
    #[arg(long, value_name = "NAME|folder:PATH", help = help::dataset())]
    pub(crate) dataset: Option<String>,
    /// Directory with the files of the data set
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<String>,
    /// Share of the training images kept for validation, in [0, 1); 0 trains on all
    #[arg(long, value_name = "SHARE", value_parser = real)]
    valid_fraction: Option<f64>,
    /// Once the share kept for validation; now refused with the name of the flag that took its place.
    #[arg(long, hide = true, value_name = "NAME", value_parser = no_split)]
    split: Option<String>,
    /// Train on only N of the images
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    limit_train: Option<usize>,
    /// Height and width in pixels that images are fitted to
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    image_size: Option<usize>,
    /// Channels that the images of a folder are read with: 1 (grey) or 3 (colour)
    #[arg(long, value_name = "1|3", value_parser = whole::<usize>)]
    channels: Option<usize>,
    /// How images of another size are fitted: crop (cut the centre) or squash (change the proportions)
    #[arg(long, value_name = "HOW", value_parser = fit)]
    fit: Option<Fit>,
    /// Order of images in an epoch: shuffle, sequential, balanced or 'weighted([1, 2, …])'
    #[arg(long, value_name = "SPEC")]
    sampling: Option<Spec>,
    /// What to do with an image that cannot be read: fail or skip
    #[arg(long, value_name = "fail|skip")]
    on_bad_image: Option<String>,
    #[arg(long, value_name = "NAME", help = help::normalize())]
    normalize: Option<String>,
    #[arg(long, value_name = "SPEC", help = help::model())]
    model: Option<Spec>,
    /// Weights to start from: safetensors, or what PyTorch's torch.save writes. Where only the last
    /// layer does not fit, because the classes are others, it starts from random weights
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    weights: Option<String>,

    #[arg(long, value_name = "SPEC", help_heading = "How to train", help = help::optimizer())]
    optimizer: Option<Spec>,
    #[arg(long, value_name = "SPEC", help_heading = "How to train", help = help::schedule())]
    schedule: Option<Spec>,
    /// Schedule of the momentum (beta1 of Adam), such as 'linear(from=0.5, to=0.99)'; replaces the
    /// optimizer's own
    #[arg(long, value_name = "SPEC", help_heading = "How to train")]
    momentum_schedule: Option<Spec>,
    /// Schedule of the weight decay, such as 'cosine(5e-4)'; replaces the optimizer's own
    #[arg(long, value_name = "SPEC", help_heading = "How to train")]
    weight_decay_schedule: Option<Spec>,
    /// Base learning rate; overrides those in --schedule, --optimizer and the recipe
    #[arg(
        long,
        value_name = "RATE",
        help_heading = "How to train",
        allow_negative_numbers = true, value_parser = real)]
    lr: Option<f64>,
    #[arg(long, value_name = "SPEC", help_heading = "How to train", help = help::augment())]
    augment: Option<Pipeline>,
    #[arg(long, value_name = "SPEC", help_heading = "How to train", help = help::loss())]
    loss: Option<Spec>,
    /// Passes over the training images
    #[arg(long, value_name = "N", help_heading = "How to train", value_parser = whole::<u64>)]
    epochs: Option<u64>,
    /// Images in a batch
    #[arg(long, value_name = "N", help_heading = "How to train", value_parser = whole::<usize>)]
    batch_size: Option<usize>,
    /// Average the gradients of N batches into one update
    #[arg(long, value_name = "N", help_heading = "How to train", value_parser = whole::<u64>)]
    accumulate: Option<u64>,
    /// Limit on the joint norm of all gradients, applied after the other limits
    #[arg(long, value_name = "NORM", help_heading = "How to train", value_parser = real)]
    clip_norm: Option<f64>,
    /// Limit on every gradient entry, applied before the other limits
    #[arg(long, value_name = "LIMIT", help_heading = "How to train", value_parser = real)]
    clip_value: Option<f64>,
    /// Limit on the norm of each gradient tensor
    #[arg(long, value_name = "NORM", help_heading = "How to train", value_parser = real)]
    clip_tensor_norm: Option<f64>,
    /// Adaptive clipping: limit on each unit's gradient norm as a share of its weight norm, such as 0.01
    #[arg(long, value_name = "SHARE", help_heading = "How to train", value_parser = real)]
    clip_agc: Option<f64>,
    /// No weight decay for biases and the parameters of normalization layers
    #[arg(long, help_heading = "How to train")]
    no_decay_bias_norm: bool,
    /// Multiply the rate by FACTOR for each layer between a parameter and the output, such as 0.75
    #[arg(long, value_name = "FACTOR", help_heading = "How to train", value_parser = real)]
    layer_decay: Option<f64>,
    /// Factors of rate and weight decay, or an optimizer, for the parameters that PATH matches (* stands
    /// for any text): 'PATH:lr=0.1,weight_decay=0', 'PATH:frozen' or 'PATH:optimizer=adamw(lr=1e-3)'; may
    /// be repeated
    #[arg(long, value_name = "GROUP", help_heading = "How to train", value_parser = group)]
    group: Vec<GroupRule>,
    /// What to do when a loss or gradient is not finite: stop, or 'skip(limit=10)'
    #[arg(long, value_name = "SPEC", help_heading = "How to train")]
    on_non_finite: Option<Spec>,
    /// Stop after N epochs without improvement of the --monitor metric
    #[arg(long, value_name = "N", help_heading = "How to train", value_parser = whole::<u64>)]
    early_stop: Option<u64>,
    #[arg(long, value_name = "METRIC", help_heading = "How to train", help = help::monitor())]
    monitor: Option<String>,
    /// Stop after N updates
    #[arg(long, value_name = "N", help_heading = "How to train", value_parser = whole::<u64>)]
    max_updates: Option<u64>,
    /// Stop after this many seconds of training
    #[arg(long, value_name = "SECONDS", help_heading = "How to train", value_parser = real)]
    max_seconds: Option<f64>,
    /// Train on the same N batches all the time: a model that cannot learn even those has a fault
    #[arg(long, value_name = "N", help_heading = "How to train", value_parser = whole::<usize>)]
    overfit_batches: Option<usize>,
    /// Seed of all random draws
    #[arg(long, value_name = "N", help_heading = "How to train", value_parser = whole::<u64>)]
    seed: Option<u64>,

    /// Device; see `firebrick devices`
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Device, threads and checkpoints"
    )]
    pub(crate) device: Option<String>,
    /// Threads that read and prepare images; the results do not depend on their number
    #[arg(long, value_name = "N", help_heading = "Device, threads and checkpoints", value_parser = whole::<usize>)]
    workers: Option<usize>,
    /// Also write a checkpoint every STEPS updates, besides those of each epoch
    #[arg(long, value_name = "STEPS", help_heading = "Device, threads and checkpoints", value_parser = whole::<u64>)]
    checkpoint_every: Option<u64>,
    /// Number of best checkpoints to keep, besides the last two
    #[arg(long, value_name = "K", help_heading = "Device, threads and checkpoints", value_parser = whole::<usize>)]
    keep: Option<usize>,
}

fn no_split(_: &str) -> Result<String, String> {
    Err("--split names a split of the data, and training has no use for it; the share of the training \
         images that is kept for validation is --valid-fraction"
        .into())
}

fn fit(text: &str) -> Result<Fit, String> {
    match text {
        "crop" => Ok(Fit::Crop),
        "squash" => Ok(Fit::Squash),
        other => Err(format!("`{other}` is neither crop nor squash")),
    }
}

pub(crate) fn group(text: &str) -> Result<GroupRule, String> {
    let (path, settings) = text
        .split_once(':')
        .ok_or("expected PATH:lr=…,weight_decay=…,optimizer=…")?;
    let mut rule = GroupRule::new(path);
    for setting in settings_of(settings) {
        let number = |text: &str| real(text).map_err(|why| format!("`{setting}`: {why}"));
        match setting
            .split_once('=')
            .map(|(key, value)| (key.trim(), value))
        {
            Some(("lr", value)) => rule.lr = number(value)?,
            Some(("weight_decay", value)) => rule.weight_decay = number(value)?,
            Some(("optimizer", value)) => {
                let spec: Result<Spec, ConfigError> = value.trim().parse();
                rule.optimizer = Some(spec.map_err(|error| error.to_string())?);
            }
            None if setting.trim() == "frozen" => rule.lr = 0.0,
            _ => {
                return Err(format!(
                    "`{setting}` is neither lr=…, weight_decay=…, optimizer=… nor frozen"
                ));
            }
        }
    }
    Ok(rule)
}

/// Splits at the commas outside parentheses and brackets.
fn settings_of(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

/// The first given flag of a list, by name.
macro_rules! first_given {
    ($flags:expr, $($name:ident),*) => {{
        let mut first: Option<&'static str> = None;
        $( if first.is_none() && $flags.$name.is_some() { first = Some(stringify!($name)); } )*
        first
    }};
}

impl TrainFlags {
    /// A flag that would make a resumed run another run.
    pub(crate) fn changes_the_run(&self) -> Option<&'static str> {
        let group = (!self.group.is_empty()).then_some("group");
        let no_decay = self.no_decay_bias_norm.then_some("no_decay_bias_norm");
        self.changes_more_than_a_branch()
            .or(first_given!(
                self,
                optimizer,
                schedule,
                momentum_schedule,
                weight_decay_schedule,
                lr,
                augment,
                loss,
                epochs,
                accumulate,
                clip_norm,
                clip_value,
                clip_tensor_norm,
                clip_agc,
                layer_decay,
                on_non_finite,
                early_stop,
                monitor
            ))
            .or(group)
            .or(no_decay)
    }

    /// A flag that even a branched run cannot change.
    pub(crate) fn changes_more_than_a_branch(&self) -> Option<&'static str> {
        first_given!(
            self,
            dataset,
            valid_fraction,
            split,
            limit_train,
            image_size,
            channels,
            fit,
            sampling,
            on_bad_image,
            normalize,
            model,
            weights,
            batch_size,
            overfit_batches,
            seed
        )
    }

    /// Writes the flags over a recipe.
    pub(crate) fn apply(&self, recipe: &mut Recipe) -> Result<(), ConfigError> {
        self.apply_rates(recipe)?;
        macro_rules! set {
            ($($name:ident),*) => { $( if let Some(value) = &self.$name { recipe.$name = value.clone(); } )* };
        }
        macro_rules! set_some {
            ($($name:ident),*) => { $( if self.$name.is_some() { recipe.$name.clone_from(&self.$name); } )* };
        }
        set!(
            dataset,
            valid_fraction,
            fit,
            sampling,
            on_bad_image,
            normalize,
            model,
            augment,
            loss,
            epochs,
            batch_size,
            accumulate
        );
        set!(on_non_finite, monitor, seed, device, workers, keep);
        set_some!(
            momentum_schedule,
            weight_decay_schedule,
            data_dir,
            limit_train,
            image_size,
            channels,
            weights,
            clip_norm,
            clip_value,
            clip_tensor_norm,
            clip_agc,
            layer_decay,
            early_stop,
            max_updates,
            max_seconds
        );
        set_some!(overfit_batches, checkpoint_every);
        recipe.no_decay_bias_norm |= self.no_decay_bias_norm;
        recipe.groups.extend(self.group.iter().cloned());
        Ok(())
    }

    /// A rate given by flag takes the place of those in the recipe, and that of --lr the place of all;
    /// two unequal ones in --schedule and --optimizer are left for the plan to refuse.
    fn apply_rates(&self, recipe: &mut Recipe) -> Result<(), ConfigError> {
        let schedule_rate = self
            .schedule
            .as_ref()
            .map_or(Ok(false), schedule_has_rate)?;
        let optimizer_rate = self
            .optimizer
            .as_ref()
            .map_or(Ok(false), optimizer_has_rate)?;
        if self.lr.is_some() || schedule_rate || optimizer_rate {
            recipe.optimizer = optimizer_without_rate(&recipe.optimizer)?;
            recipe.schedule = schedule_without_rate(&recipe.schedule)?;
            recipe.lr = self.lr;
        }
        if let Some(optimizer) = &self.optimizer {
            recipe.optimizer = optimizer.clone();
        }
        if let Some(schedule) = &self.schedule {
            recipe.schedule = schedule.clone();
        }
        Ok(())
    }
}
