//! The table of settings: one row each, which makes the field of [`Recipe`], its default, its flag, its
//! help and its entry in `docs/settings.md`.
//!
//! A row is a comment, the key, the type, the default, and what [`setting`](crate::setting) says about it.
//! The first paragraph of the comment is the help of the flag, the others are for the reference page.

use serde::{Deserialize, Serialize};

use crate::data::Fit;
use crate::groups::GroupRule;
use crate::image::Filter;
use crate::setting::Family::{
    Augmentations, Averages, Datasets, Losses, Mixes, Models, Monitors, Normalizations, Optimizers,
    Penalties, Samplers, Schedules, Strategies,
};
use crate::setting::Heading::{Data, Session as Sessions, Training};
use crate::setting::Place::{Directory, File, Folder};
use crate::setting::Scope::{Branch, Limit, Run, Session, Start};
use crate::setting::{SettingAbout, SettingValue, flag, internal};
use crate::spec::{Pipeline, Spec};

/// A row of the table of settings.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name in recipes, and of the field of [`Recipe`].
    pub key: &'static str,
    /// The comment of the row: paragraphs between empty lines.
    doc: &'static str,
    /// Flag, scope and what else there is to know.
    pub about: SettingAbout,
    value: fn(&Recipe) -> &dyn SettingValue,
    value_mut: fn(&mut Recipe) -> &mut dyn SettingValue,
    copy: fn(&Recipe, &mut Recipe),
}

impl Setting {
    /// The setting of this key.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The name of the flag without `--`; none where no flag sets it.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        let name = self.about.flag?.name;
        Some(name.map_or_else(|| self.key.replace('_', "-"), String::from))
    }

    /// What the setting is, for the help of its flag: without a full stop at the end.
    #[must_use]
    pub fn help(&self) -> String {
        let first = self.paragraphs().next().unwrap_or_default();
        first.trim_end_matches('.').into()
    }

    /// What there is to know about the setting, one string for each paragraph.
    pub fn paragraphs(&self) -> impl Iterator<Item = String> {
        self.doc.split("\n\n").map(|paragraph| {
            let lines: Vec<&str> = paragraph.lines().map(str::trim).collect();
            lines.join(" ").trim().to_string()
        })
    }

    /// The value in a recipe.
    #[must_use]
    pub fn value<'a>(&self, recipe: &'a Recipe) -> &'a dyn SettingValue {
        (self.value)(recipe)
    }

    /// The value in a recipe, to change it.
    pub fn value_mut<'a>(&self, recipe: &'a mut Recipe) -> &'a mut dyn SettingValue {
        (self.value_mut)(recipe)
    }

    /// Gives the setting in `to` the value that it has in `from`.
    pub fn copy(&self, from: &Recipe, to: &mut Recipe) {
        (self.copy)(from, to);
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr, $about:expr;)+) => {
        /// A training run on paper: a recipe file states only what differs from the defaults.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Recipe {
            $($(#[doc = $doc])+ pub $key: $type,)+
        }

        impl Default for Recipe {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        /// Every setting, in the order of the fields of [`Recipe`].
        pub static SETTINGS: &[Setting] = &[$(Setting {
            key: stringify!($key),
            doc: concat!($($doc, "\n",)+),
            about: $about,
            value: |recipe| &recipe.$key,
            value_mut: |recipe| &mut recipe.$key,
            copy: |from, to| to.$key.clone_from(&from.$key),
        },)+];
    };
}

/// Why a search cannot vary what is trained and judged on.
const OTHER_IMAGES: &str = "accuracies on different images cannot be compared";
/// Why a search cannot vary where a run trains.
const PLACE: &str = "it sets where a model trains, not how well";
/// Why a search cannot vary when a run ends.
const CUT: &str = "it cuts trials short";
/// Why a search cannot vary what branching off writes.
const BRANCHED: &str = "it is for branched runs only";

settings! {
    /// Data set: folder:PATH for your own images, or a known one by name, with options if you like, as in
    /// 'glyphs(train=2000)'.
    dataset: String = "glyphs".into(),
        flag(Data, "NAME|folder:PATH", Run).of(Datasets).at(Folder).fixed(OTHER_IMAGES);

    /// Directory that holds the files of the data set.
    data_dir: Option<String> = None,
        flag(Data, "DIR", Session).at(Directory).unset("$FIREBRICK_DATA if it is set, else the cache directory").fixed(OTHER_IMAGES);

    /// Share of the training images to hold out for validation, in [0, 1); 0 trains on all of them.
    ///
    /// A data set with a validation split of its own keeps that one.
    valid_fraction: f64 = 0.1, flag(Data, "SHARE", Run).fixed(OTHER_IMAGES);

    /// Train on only N of the training images, with the classes in the same proportions.
    limit_train: Option<usize> = None, flag(Data, "N", Run).unset("all");

    /// Resize images to N×N pixels.
    image_size: Option<usize> = None, flag(Data, "N", Run).unset("the size of the data set's images; for a folder, that of the model");

    /// Read the images of a folder in greyscale (1) or colour (3).
    channels: Option<usize> = None, flag(Data, "1|3", Run).unset("that of the data set; 3 for a folder");

    /// How to resize images: crop (scale the shorter side, then crop the centre) or squash (scale both sides,
    /// which changes the aspect ratio).
    fit: Fit = Fit::Crop, flag(Data, "HOW", Run);

    /// Share of each side that the centre crop keeps, such as 0.875: images are resized to the image size
    /// divided by SHARE, then cropped to the image size.
    ///
    /// timm calls it crop_pct. Most published ImageNet accuracies are for 0.875: resize to 256, crop to 224.
    crop_pct: Option<f64> = None, flag(Data, "SHARE", Run).unset("1; with weights and without normalize, that of the published weights");

    /// Filter for resizing: nearest, bilinear, bicubic, box or lanczos, all with Pillow's antialiasing.
    interpolation: Option<Filter> = None,
        flag(Data, "FILTER", Run).unset("bilinear; with weights and without normalize, that of the published weights");

    /// How to draw the training images of an epoch: 'weighted([1, 2, 0.5])', for example, draws three classes
    /// in proportion to these weights.
    sampling: Spec = Spec::new("shuffle"), flag(Data, "SPEC", Run).of(Samplers);

    /// What to do with an image that cannot be read: fail (stop) or skip (leave it out).
    on_bad_image: String = "fail".into(), flag(Data, "fail|skip", Run).fixed(OTHER_IMAGES);

    /// How to find images of the validation and test splits that are in the training split too: auto (the same files and, in a
    /// folder of at most 2000 images, the same photos in another size or compression), all (both for any number of
    /// images) or files (the same files alone).
    ///
    /// What is found is a warning and is in the report; nothing is left out of training. Photos are compared by hashes of
    /// what they show. All images are decoded once for them, which takes about as long as reading the images of an epoch;
    /// images with a side below 64 pixels are compared by their files alone.
    check_duplicates: String = "auto".into(),
        flag(Data, "auto|all|files", Session).fixed("it checks the images and changes nothing");

    /// Normalization of the images: auto (with the mean and standard deviation of the training images), your
    /// own values as in 'mean=0.5,0.5,0.5; std=0.2,0.2,0.2', or published ones by name.
    ///
    /// With `weights`, auto means that images are read as the published weights of the model expect: their mean and standard deviation and, for
    /// images of any size, their size, crop share and filter, where the recipe does not say otherwise. Model files of Firebrick say themselves what
    /// they expect.
    normalize: String = "auto".into(), flag(Data, "NAME", Run).of(Normalizations);

    /// Model, with options if you like, as in 'resnet20(activation=silu)'.
    model: Spec = Spec::new("small_cnn"), flag(Data, "SPEC", Run).of(Models);

    /// Pretrained weights to start from: pretrained (the published ones of the model), the tag of published weights, a file
    /// (safetensors, or written by torch.save), an address, or hf-hub:OWNER/NAME. If your classes differ from those of the
    /// weights, the last layer starts from random weights.
    ///
    /// `firebrick models weights NAME` lists the published weights of a model. A first convolution for RGB is adapted to images of another number of channels.
    weights: Option<String> = None, flag(Data, "NAME|FILE", Start).at(File).unset("random weights");

    /// Keys of the weights that are not loaded, with commas between them, where * stands for any text: 'layer4.*, fc.*'. The
    /// model starts from random weights there.
    weights_except: Option<String> = None, flag(Data, "KEYS", Start).unset("everything is loaded");

    /// Directory of downloaded weights; a file that is there is not downloaded.
    weights_dir: Option<String> = None,
        flag(Data, "DIR", Session).at(Directory).unset("weights in the cache directory").fixed(PLACE);

    /// Download nothing.
    offline: bool = false, flag(Data, "true|false", Session).fixed(PLACE);

    /// Fine-tuning strategy for pretrained weights: which stages of the model are trained when, such as 'lp_ft(head=0.3, rate=0.1)'
    /// or 'gradual(until=0.5)'.
    ///
    /// What is not trained is frozen: its parameters and the running statistics of its batch norms do not change. Shares such as `head` and
    /// `until` are shares of all updates of the run. `discriminative` is what the rate of each stage is divided by, relative to the stage behind it.
    /// With `batch_norm=frozen`, the batch norms of the stages that are trained keep the statistics of the pretrained weights too.
    /// `firebrick models describe NAME` lists the stages of a model.
    fine_tune: Option<Spec> = None, flag(Training, "SPEC", Branch).of(Strategies).unset("everything is trained");

    /// Optimizer, with options if you like, as in 'sgd(lr=0.1, momentum=0.9)'.
    optimizer: Spec = Spec::new("adam"), flag(Training, "SPEC", Branch).of(Optimizers);

    /// Learning-rate schedule, such as 'warmup(1ep, then=cosine)'.
    schedule: Spec = Spec::new("constant"), flag(Training, "SPEC", Branch).of(Schedules);

    /// Schedule of the momentum (of beta1 for Adam), such as 'linear(from=0.5, to=0.99)', in place of the
    /// optimizer's fixed value.
    momentum_schedule: Option<Spec> = None,
        flag(Training, "SPEC", Branch).unset("the optimizer's own momentum");

    /// Schedule of the weight decay, such as 'cosine(5e-4)', in place of the optimizer's fixed value.
    weight_decay_schedule: Option<Spec> = None,
        flag(Training, "SPEC", Branch).unset("the optimizer's own weight decay");

    /// The update at which the schedule begins: in a branched run, the update at which it branched off.
    schedule_start: u64 = 0, internal(Branch).fixed(BRANCHED);

    /// The run and the update that this run branched off from.
    branched_from: Option<String> = None, internal(Branch).fixed(BRANCHED);

    /// The program that can train this recipe because it registers something that the recipe names, such as
    /// an optimizer of your own; left out where the `firebrick` command line can train it.
    program: Option<String> = None, internal(Session).fixed("it names the program that trains");

    /// Learning rate; overrides the rates given in --optimizer, --schedule and the recipe.
    lr: Option<f64> = None, flag(Training, "RATE", Branch).unset("the rate of the schedule or optimizer");

    /// Augmentation of the training images, applied in the order given, such as 'pad_crop(4) | hflip'.
    augment: Pipeline = Pipeline::default(), flag(Training, "SPEC", Branch).of(Augmentations);

    /// Mixing of the training images of a batch and of their targets, such as 'mixup(0.2)', or
    /// 'switch(mixup(0.2), cutmix, until=0.8)' to mix in the first 80 % of the epochs only.
    mix: Pipeline = Pipeline::default(), flag(Training, "SPEC", Branch).of(Mixes);

    /// Loss, with options if you like, as in 'cross_entropy(label_smoothing=0.1, class_weights=[1, 2])'.
    loss: Spec = Spec::new("cross_entropy"), flag(Training, "SPEC", Branch).of(Losses);

    /// Weights of the classes in the loss: auto (so that all classes count alike, however many training images they have).
    ///
    /// The weight of a class with n_c of the n training images is n / (k n_c) for k classes, as with scikit-learn's
    /// `class_weight="balanced"`. The weights are written into `loss`, where weights of your own can be given instead.
    class_weights: Option<String> = None,
        flag(Training, "auto", Branch).unset("those of the loss; by default every image counts alike");

    /// Teacher to learn from (knowledge distillation): the directory of an ensemble or a run, or a model file, with
    /// --loss 'distillation(temperature=4, alpha=0.9)'.
    ///
    /// The members of an ensemble are combined to one prediction. The teacher may be moved: give its new place when the run
    /// is resumed. A teacher of another content is refused.
    teacher: Option<String> = None,
        flag(Training, "DIR|FILE", Session).at(Directory).unset("learn from the labels alone").fixed("it names the teacher");

    /// What the teacher sees: same (the augmented and mixed images that the model is trained on) or plain (each image
    /// once, before training and without augmentation).
    ///
    /// `same` is what Beyer et al. 2022 found to work best. All members of the teacher are then in memory and predict every
    /// batch, unless nothing is augmented or mixed. For `plain`, and where nothing is augmented or mixed, one member at a time
    /// is in memory, and the run directory keeps what they predict in `teacher.safetensors`.
    teacher_views: String = "same".into(), flag(Training, "same|plain", Branch);

    /// How the members of the teacher combine: mean (of the probabilities), logits, vote or rank. `firebrick ensemble
    /// describe NAME` explains one.
    teacher_combine: Spec = Spec::new("mean"), flag(Training, "SPEC", Branch);

    /// Penalties added to the loss, and constraints on the weights, such as 'l1(1e-5, path=fc.*) | max_norm(3)'.
    penalize: Pipeline = Pipeline::default(), flag(Training, "SPEC", Branch).of(Penalties);

    /// Averages of the weights, each evaluated and saved beside the weights in training, such as
    /// 'ema(0.999) | swa(start=75%)'; the last one is evaluated after each epoch in place of those weights.
    average: Pipeline = Pipeline::default(), flag(Training, "SPEC", Branch).of(Averages);

    /// Save a snapshot of the model where the schedule ends a cycle, and keep all of them or the last K; the run
    /// directory is then an ensemble.
    snapshots: Option<String> = None,
        flag(Training, "all|last=K", Branch).unset("no snapshots").fixed("it saves models and does not change them");

    /// Number of passes over the training images.
    epochs: u64 = 5, flag(Training, "N", Branch).fixed("its rounds set the number of epochs");

    /// Number of images in a batch.
    batch_size: usize = 64, flag(Training, "N", Run);

    /// Gradient accumulation: average the gradients of N batches for each update.
    accumulate: u64 = 1, flag(Training, "N", Branch);

    /// Gradient clipping by global norm: limit the norm of all gradients taken together.
    ///
    /// It is applied after the other limits.
    clip_norm: Option<f64> = None, flag(Training, "NORM", Branch);

    /// Gradient clipping by value: limit every entry to [-LIMIT, LIMIT]; applied before the other limits.
    clip_value: Option<f64> = None, flag(Training, "LIMIT", Branch);

    /// Gradient clipping by norm: limit the norm of each parameter's gradient.
    ///
    /// It is applied after `clip_value`.
    clip_tensor_norm: Option<f64> = None, flag(Training, "NORM", Branch);

    /// Adaptive gradient clipping (AGC): limit the gradient norm of each unit (output channel) to this share
    /// of the norm of its weights, such as 0.01.
    ///
    /// It is applied after `clip_tensor_norm`, and not to the last layer.
    clip_agc: Option<f64> = None, flag(Training, "SHARE", Branch);

    /// What to do when a loss or gradient is NaN or infinite: stop, or skip up to ten such updates with
    /// 'skip(limit=10)'.
    on_non_finite: Spec = Spec::new("stop"), flag(Training, "SPEC", Branch);

    /// Early stopping: stop after N epochs in a row in which the --monitor metric has not improved.
    early_stop: Option<u64> = None, flag(Training, "N", Branch);

    /// Metric that decides which epoch is the best one, whose model is kept.
    monitor: String = "valid_top1".into(),
        flag(Training, "METRIC", Branch)
            .of(Monitors)
            .fixed("accuracies of epochs chosen by different metrics cannot be compared");

    /// Stop after N updates.
    max_updates: Option<u64> = None, flag(Training, "N", Limit).fixed(CUT);

    /// Stop after SECONDS of training.
    max_seconds: Option<f64> = None, flag(Training, "SECONDS", Limit).fixed(CUT);

    /// Train on the same N batches over and over, to check that the model can learn at all.
    overfit_batches: Option<usize> = None,
        flag(Training, "N", Run).fixed("it is a check of the model, not a way to train");

    /// Seed of the validation split and of --limit-train, for runs with several seeds that must not train on each
    /// other's validation images.
    split_seed: Option<u64> = None,
        flag(Training, "N", Run).unset("that of --seed").fixed("it would change the validation images");

    /// Seed of all random numbers.
    seed: u64 = 0, flag(Training, "N", Run).fixed("it would also change the validation images");

    /// Device to compute on; `firebrick devices` lists them.
    device: String = "flex".into(), flag(Sessions, "NAME", Session).fixed(PLACE);

    /// Number of threads that load images; it does not change the results.
    workers: usize = 2, flag(Sessions, "N", Session).fixed(PLACE);

    /// Also write a checkpoint every STEPS updates, in addition to those after each epoch.
    checkpoint_every: Option<u64> = None,
        flag(Sessions, "STEPS", Session).fixed("it says when to save");

    /// Number of best checkpoints to keep, in addition to the last two.
    keep: usize = 1, flag(Sessions, "K", Session).fixed("it says what to save");

    /// Apply no weight decay to biases and to the parameters of normalization layers.
    ///
    /// These are the parameters of rank 1, and those named `bias`.
    no_decay_bias_norm: bool = false, flag(Training, "true|false", Branch);

    /// Layer-wise learning-rate decay: multiply the rate by FACTOR, such as 0.75, for each layer between a
    /// parameter and the output.
    ///
    /// FACTOR lies in (0, 1]. A normalization layer counts with the layer before it. The factors of `groups`
    /// apply in addition.
    layer_decay: Option<f64> = None, flag(Training, "FACTOR", Branch);

    /// Parameter group, as PATH:SETTINGS, where * in PATH stands for any text: 'layer1.*:lr=0.1,weight_decay=0'
    /// multiplies the learning rate by 0.1 and the weight decay by 0, 'conv1.*:frozen' freezes, and
    /// 'fc.*:optimizer=adamw(lr=1e-3)' uses another optimizer; may be repeated.
    ///
    /// In a recipe, each group is a table `[[groups]]` with the keys `path`, `lr` (a factor; 0 freezes),
    /// `weight_decay` (a factor) and `optimizer` (a spec; its rate follows the schedule in proportion to the
    /// main rate). Groups given as flags are added to those of the recipe.
    groups: Vec<GroupRule> = Vec::new(), flag(Training, "GROUP", Branch).named("group").fixed("a search space has no notation for groups");
}

#[cfg(test)]
mod tests;
