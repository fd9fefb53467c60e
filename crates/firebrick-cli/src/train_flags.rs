//! The flags of `train`, and how they override the settings of a recipe.

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
#[command(next_help_heading = "Data and model")]
pub(crate) struct TrainFlags {
    #[arg(long, value_name = "NAME|folder:PATH", help = help::dataset())]
    pub(crate) dataset: Option<String>,
    /// Directory that holds the files of the data set
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<String>,
    /// Share of the training images to hold out for validation, in [0, 1); 0 trains on all of them
    #[arg(long, value_name = "SHARE", value_parser = real)]
    valid_fraction: Option<f64>,
    /// The former name of --valid-fraction, refused with the new name.
    #[arg(long, hide = true, value_name = "NAME", value_parser = no_split)]
    split: Option<String>,
    /// Train on only N of the training images
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    limit_train: Option<usize>,
    /// Resize images to N×N pixels
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    image_size: Option<usize>,
    /// Read the images of a folder in greyscale (1) or colour (3)
    #[arg(long, value_name = "1|3", value_parser = whole::<usize>)]
    channels: Option<usize>,
    /// How images are resized: crop (scale, then cut out the centre) or squash (change the aspect ratio)
    #[arg(long, value_name = "HOW", value_parser = fit)]
    fit: Option<Fit>,
    /// How an epoch draws its images: shuffle, sequential, balanced (all classes equally often) or
    /// 'weighted([1, 2, …])' with one weight for each class
    #[arg(long, value_name = "SPEC")]
    sampling: Option<Spec>,
    /// What to do with an image that cannot be read: fail (stop) or skip (leave it out)
    #[arg(long, value_name = "fail|skip")]
    on_bad_image: Option<String>,
    #[arg(long, value_name = "NAME", help = help::normalize())]
    normalize: Option<String>,
    #[arg(long, value_name = "SPEC", help = help::model())]
    model: Option<Spec>,
    /// Pretrained weights to start from: safetensors, or a file written by torch.save. If only the last
    /// layer does not fit because the classes differ, that layer starts from random weights
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    weights: Option<String>,

    #[arg(long, value_name = "SPEC", help_heading = "Training", help = help::optimizer())]
    optimizer: Option<Spec>,
    #[arg(long, value_name = "SPEC", help_heading = "Training", help = help::schedule())]
    schedule: Option<Spec>,
    /// Schedule of the momentum (for Adam: of beta1), such as 'linear(from=0.5, to=0.99)'; replaces the
    /// optimizer's fixed value
    #[arg(long, value_name = "SPEC", help_heading = "Training")]
    momentum_schedule: Option<Spec>,
    /// Schedule of the weight decay, such as 'cosine(5e-4)'; replaces the optimizer's fixed value
    #[arg(long, value_name = "SPEC", help_heading = "Training")]
    weight_decay_schedule: Option<Spec>,
    /// Learning rate; overrides the rates given in --optimizer, --schedule and the recipe
    #[arg(
        long,
        value_name = "RATE",
        help_heading = "Training",
        allow_negative_numbers = true, value_parser = real)]
    lr: Option<f64>,
    #[arg(long, value_name = "SPEC", help_heading = "Training", help = help::augment())]
    augment: Option<Pipeline>,
    #[arg(long, value_name = "SPEC", help_heading = "Training", help = help::loss())]
    loss: Option<Spec>,
    /// Number of passes over the training images
    #[arg(long, value_name = "N", help_heading = "Training", value_parser = whole::<u64>)]
    epochs: Option<u64>,
    /// Number of images in a batch
    #[arg(long, value_name = "N", help_heading = "Training", value_parser = whole::<usize>)]
    batch_size: Option<usize>,
    /// Gradient accumulation: average the gradients of N batches for each update
    #[arg(long, value_name = "N", help_heading = "Training", value_parser = whole::<u64>)]
    accumulate: Option<u64>,
    /// Gradient clipping by global norm: limit the norm of all gradients taken together
    #[arg(long, value_name = "NORM", help_heading = "Training", value_parser = real)]
    clip_norm: Option<f64>,
    /// Gradient clipping by value: limit every entry to [-LIMIT, LIMIT]; applied before the other limits
    #[arg(long, value_name = "LIMIT", help_heading = "Training", value_parser = real)]
    clip_value: Option<f64>,
    /// Gradient clipping by norm: limit the norm of each parameter's gradient
    #[arg(long, value_name = "NORM", help_heading = "Training", value_parser = real)]
    clip_tensor_norm: Option<f64>,
    /// Adaptive gradient clipping (AGC): limit the gradient norm of each unit to this share of its weight
    /// norm, such as 0.01
    #[arg(long, value_name = "SHARE", help_heading = "Training", value_parser = real)]
    clip_agc: Option<f64>,
    /// Do not apply weight decay to biases and the parameters of normalization layers
    #[arg(long, help_heading = "Training")]
    no_decay_bias_norm: bool,
    /// Layer-wise rate decay: multiply the rate by FACTOR for each layer below the output, such as 0.75
    #[arg(long, value_name = "FACTOR", help_heading = "Training", value_parser = real)]
    layer_decay: Option<f64>,
    /// Settings for the parameters whose path matches (* stands for any text): factors of the rate and the
    /// weight decay as in 'layer1.*:lr=0.1,weight_decay=0', 'conv1.*:frozen', or an optimizer as in
    /// 'fc.*:optimizer=adamw(lr=1e-3)'; may be repeated
    #[arg(long, value_name = "GROUP", help_heading = "Training", value_parser = group)]
    group: Vec<GroupRule>,
    /// What to do when a loss or gradient is NaN or infinite: stop, or leave out such updates with
    /// 'skip(limit=10)'
    #[arg(long, value_name = "SPEC", help_heading = "Training")]
    on_non_finite: Option<Spec>,
    /// Early stopping: stop after N epochs in which the --monitor metric has not improved
    #[arg(long, value_name = "N", help_heading = "Training", value_parser = whole::<u64>)]
    early_stop: Option<u64>,
    #[arg(long, value_name = "METRIC", help_heading = "Training", help = help::monitor())]
    monitor: Option<String>,
    /// Stop after N updates
    #[arg(long, value_name = "N", help_heading = "Training", value_parser = whole::<u64>)]
    max_updates: Option<u64>,
    /// Stop after SECONDS of training
    #[arg(long, value_name = "SECONDS", help_heading = "Training", value_parser = real)]
    max_seconds: Option<f64>,
    /// Train on the same N batches all the time, to check that the model can learn at all
    #[arg(long, value_name = "N", help_heading = "Training", value_parser = whole::<usize>)]
    overfit_batches: Option<usize>,
    /// Seed of all random numbers
    #[arg(long, value_name = "N", help_heading = "Training", value_parser = whole::<u64>)]
    seed: Option<u64>,

    /// Device to compute on; `firebrick devices` lists them
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Device, threads and checkpoints"
    )]
    pub(crate) device: Option<String>,
    /// Number of threads that load images; it does not change the results
    #[arg(long, value_name = "N", help_heading = "Device, threads and checkpoints", value_parser = whole::<usize>)]
    workers: Option<usize>,
    /// Also write a checkpoint every STEPS updates, in addition to those after each epoch
    #[arg(long, value_name = "STEPS", help_heading = "Device, threads and checkpoints", value_parser = whole::<u64>)]
    checkpoint_every: Option<u64>,
    /// Number of best checkpoints to keep, in addition to the last two
    #[arg(long, value_name = "K", help_heading = "Device, threads and checkpoints", value_parser = whole::<usize>)]
    keep: Option<usize>,
}

fn no_split(_: &str) -> Result<String, String> {
    Err("training always uses the train split. To set the share of the training images that is held out for \
         validation, use --valid-fraction"
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
        .ok_or("expected PATH:SETTINGS, such as 'layer1.*:lr=0.1,weight_decay=0'")?;
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
                    "`{setting}` is not a setting; use lr=…, weight_decay=…, optimizer=… or frozen"
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

    /// A rate in a flag replaces those in the recipe, and --lr replaces all. If --schedule and --optimizer
    /// give two different rates, planning the run reports the error.
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
