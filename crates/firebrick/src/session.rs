//! [`Session::open`] turns a recipe into everything that trains it. Training, the learning-rate range test and searches
//! start here.

mod class_weights;
pub(crate) mod from_recipe;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firebrick_core::data::{BatchSource, Dataset};
use firebrick_core::length::RunLength;
use firebrick_core::loss::Loss;
use firebrick_core::parameters::Parameters;
use firebrick_core::penalty::Penalties;
use firebrick_core::{Classifier, ConfigError, Recipe};
use firebrick_datasets::{Loader, Splits};
use firebrick_ensemble::average::{self, AverageHook, NamedAverage};
use firebrick_optim::Plan;
use firebrick_train::{Hook, Identity, Outcome, StartWeights, TrainConfig, Training, fit};
use firebrick_zoo::{Architecture, Model};

use crate::fine_tuning::{FineTuning, FineTuningHook};
use crate::lone_image::train_loader;
use crate::models::Models;
use crate::per_class::per_class;
use crate::prepared::Prepared;
use crate::pretrained::Pretrained;
use crate::teacher::{Lesson, Taught, Teacher};
use crate::weights::{Expected, WeightsPlace};
use crate::{Error, ModelInfo, memory, own_program, teacher};

use class_weights::with_class_weights;
use from_recipe::{
    averages, check_pretrained, loss, monitor_training, penalties, planned, resolve, run_length,
    train_config,
};

/// Where the images and the model of a recipe come from.
#[derive(Clone)]
pub struct Sources<M = Model> {
    /// The directory of data sets, for recipes without `data_dir`.
    pub cache: PathBuf,
    /// Images of your own, in place of the data set that the recipe names.
    pub data: Option<Splits>,
    /// The models that the recipe can name.
    pub models: Models<M>,
    /// Where weights from elsewhere lie, for recipes without `weights_dir`.
    pub weights: WeightsPlace,
    /// Free memory in bytes, if known. A recipe that needs more is refused before any model is built, unless its
    /// device has memory of its own.
    pub free_memory: Option<u64>,
}

impl Default for Sources {
    /// Data sets below `data`, models of the zoo.
    fn default() -> Self {
        Self::of_models(Models::default())
    }
}

impl Sources {
    /// Data sets below `cache`, models of the zoo.
    pub fn in_cache(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            ..Self::default()
        }
    }
}

impl<M> Sources<M> {
    /// Data sets below `data`, and these models.
    #[must_use]
    pub fn of_models(models: Models<M>) -> Self {
        Self {
            cache: "data".into(),
            data: None,
            models,
            weights: WeightsPlace::default(),
            free_memory: None,
        }
    }
}

/// A recipe with its data, loss, optimizer, schedule and model, all open and checked: ready to train.
///
/// ```no_run
/// use firebrick::prelude::*;
///
/// let recipe = Recipe {
///     dataset: "cifar10".into(),
///     model: "resnet20".parse()?,
///     ..Recipe::default()
/// };
/// let outcome = Session::open(&recipe)?.train()?;
/// println!("best epoch: {:?}", outcome.progress.best);
/// # Ok::<(), firebrick::Error>(())
/// ```
pub struct Session<'a, M = Model> {
    /// The recipe with everything filled in: all options of the model, lengths in updates, the learning rate.
    /// Opening it again gives the same session.
    pub recipe: Recipe,
    /// The device, with automatic differentiation.
    pub device: Device,
    /// The images, and how they become input.
    pub data: Prepared,
    /// The loss function.
    pub loss: Box<dyn Loss>,
    /// Penalties added to the loss, and constraints on the weights.
    pub penalties: Penalties,
    /// The averages of the weights.
    pub averages: Vec<NamedAverage>,
    /// Which stages of the model are trained when, if the recipe says so.
    pub fine_tuning: Option<FineTuning>,
    /// The settings of the training loop.
    pub config: TrainConfig,
    /// The optimizer, without state, and the schedules.
    pub plan: Plan,
    /// The length of the part of the run that the schedule covers.
    pub length: RunLength,
    /// Messages for the user about the recipe and the data, one sentence each.
    pub notes: Vec<String>,
    /// Called by the training loop, in order.
    pub hooks: Vec<Box<dyn Hook<M> + 'a>>,
    /// Batches to train on.
    pub(crate) train: Loader,
    pub(crate) architecture: Box<dyn Architecture<M>>,
    /// What the recipe can name.
    models: Models<M>,
    /// The weights that the model begins with, if it does.
    pretrained: Pretrained,
    /// The teacher, once it is open.
    pub(crate) teacher: Option<Teacher<M>>,
}

impl Session<'_> {
    /// Opens what a recipe names: a data set with its files below `data`, and a model of the zoo.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open(recipe: &Recipe) -> Result<Self, Error> {
        Self::open_with(recipe, Sources::default())
    }
}

impl<'a, M: Classifier> Session<'a, M> {
    /// Opens what a recipe names, with data or models of your own. The model is not built yet, and nothing
    /// is written but the file of weights that have to be downloaded.
    ///
    /// # Errors
    /// [`Error`] naming the setting that cannot be used, or the file that cannot be read.
    pub fn open_with(recipe: &Recipe, sources: Sources<M>) -> Result<Self, Error> {
        let device = firebrick_core::device(&recipe.device)?.autodiff();
        let architecture = sources.models.architecture(&recipe.model);
        let architecture = architecture.map_err(|error| own_program::explain(error, recipe))?;
        let mut recipe = Recipe {
            model: architecture.spec(),
            ..recipe.clone()
        };
        let mut config = train_config(&recipe)?;
        config.check()?;
        let loss = loss(&recipe)?;
        teacher::check(&recipe, &*loss)?;
        let penalties = penalties(&recipe)?;
        check_pretrained(&recipe, &penalties)?;
        let native = architecture.native_input();
        let pretrained = Pretrained::of(&recipe, &sources.weights);
        let expected = pretrained.expected(&mut recipe, &native)?;
        let data = match sources.data {
            Some(splits) => {
                recipe.dataset.clone_from(&splits.name);
                Prepared::of(&recipe, splits, &native, expected.clone())?
            }
            None => Prepared::of_data_set(&recipe, &sources.cache, &native, expected.clone())?,
        };
        let classes = data.splits.train.classes().len();
        let images = per_class(&*data.splits.train, classes);
        let loss = with_class_weights(loss, recipe.class_weights.as_deref(), &images)?;
        loss.check_classes(classes)?;
        memory::check(&recipe, &*architecture, &data.input(), sources.free_memory)?;
        let (train, joined) = train_loader(&recipe, &data, &*architecture, &device)?;
        let mut notes: Vec<String> = joined.into_iter().collect();
        notes.extend(expected.map(|expected| {
            let read = Expected {
                preprocessing: data.preprocessing.clone(),
                ..expected
            };
            read.sentence(data.splits.size.is_none())
        }));
        if data.splits.valid.is_none() {
            notes.extend(monitor_training(&mut config));
        }
        let length = run_length(&recipe, &train);
        let mut plan = planned(&recipe, length)?;
        notes.extend(plan.notes.iter().cloned());
        let fine_tuning = match &recipe.fine_tune {
            None => None,
            Some(spec) => {
                let model = architecture.undrawn(&data.input(), &device)?;
                let updates = recipe.epochs.saturating_mul(length.updates_per_epoch);
                let models = &sources.models;
                let found = FineTuning::of(spec, &recipe, &*architecture, models, &model, updates)?;
                plan.schedule = found.schedule(plan.schedule);
                config.groups.rates = found.rates();
                recipe.fine_tune = Some(found.spec().clone());
                Some(found)
            }
        };
        resolve(&mut recipe, &plan, &*loss, &data);
        recipe.penalize = penalties.spec();
        let averages = averages(&recipe, length)?;
        recipe.average = average::spec(&averages);
        Ok(Self {
            recipe,
            device,
            data,
            loss,
            penalties,
            averages,
            fine_tuning,
            config,
            plan,
            length,
            notes,
            hooks: Vec::new(),
            train,
            architecture,
            models: sources.models,
            pretrained,
            teacher: None,
        })
    }

    /// Opens the teacher that the recipe names, if it names one. `run` is the directory of a run that goes on.
    pub(crate) fn open_teacher(
        &mut self,
        run: Option<&Path>,
        notice: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let lesson = Lesson {
            recipe: &self.recipe,
            data: &self.data,
            models: &self.models,
            device: self.device.clone().inner(),
            run,
        };
        self.teacher = Teacher::open(&lesson, notice)?;
        Ok(())
    }

    /// With one more hook that runs beside the training loop.
    #[must_use]
    pub fn with_hook(mut self, hook: impl Hook<M> + 'a) -> Self {
        self.hooks.push(Box::new(hook));
        self
    }

    /// Trains to the end of the recipe, evaluating on the validation split after each epoch. Writes no
    /// files, and so takes no snapshots; for a run directory with checkpoints and a report, see [`train`](crate::train()).
    ///
    /// # Errors
    /// [`Error`] naming what is wrong with the model's weights, or why training stopped.
    pub fn train(mut self) -> Result<Outcome<M>, Error> {
        self.open_teacher(None, &mut |_| {})?;
        let fresh = self.fresh_parameters()?;
        let (model, _) = self.model()?;
        let mut valid = self.valid_loader()?;
        let (update, schedule) = (self.plan.update, self.plan.schedule);
        let mut train = Taught {
            images: &mut self.train,
            teacher: self.teacher.as_ref(),
        };
        let mut training = Training::new(model, update, schedule, &*self.loss, &mut train);
        training.penalties = &self.penalties;
        training.valid = valid.as_mut().map(|valid| valid as &mut dyn BatchSource);
        let averages = self.averages.into_iter().map(AverageHook::new);
        training.hooks = first_hooks(self.fine_tuning, &self.penalties, fresh);
        training
            .hooks
            .extend(averages.map(|hook| Box::new(hook) as _));
        training.hooks.extend(self.hooks);
        Ok(fit(training, &self.config)?)
    }

    /// The model as it is before the first update, and what to know about the file that its weights come
    /// from, if the recipe names one. Weights from a file may be for other classes.
    ///
    /// # Errors
    /// [`Error`] naming the side of the input that is too small, the group or penalty that is for no parameter, or
    /// the weights that do not fit.
    pub fn model(&self) -> Result<(M, Vec<String>), Error> {
        let model = self.drawn()?;
        let (recipe, channels) = (&self.recipe, self.data.input().channels);
        let architecture = &*self.architecture;
        let (model, notes) = self
            .pretrained
            .load(recipe, architecture, channels, model)?;
        Ok((self.with_adapters(model), notes))
    }

    /// The paths of the parameters that begin without pretrained weights, where a penalty has to know them.
    pub(crate) fn fresh_parameters(&self) -> Result<BTreeSet<String>, Error> {
        if !self.penalties.measure_from_start() {
            return Ok(BTreeSet::new());
        }
        let input = self.data.input();
        let model = self.architecture.undrawn(&input, &self.device)?;
        self.pretrained
            .fresh(&self.recipe, &*self.architecture, input.channels, &model)
    }

    /// The model with its weights drawn from the recipe's seed.
    ///
    /// # Errors
    /// [`Error`] naming the side of the input that is too small, or the group or penalty that is for no parameter.
    pub fn untrained_model(&self) -> Result<M, Error> {
        Ok(self.with_adapters(self.drawn()?))
    }

    fn drawn(&self) -> Result<M, Error> {
        let (input, seed) = (self.data.input(), self.recipe.seed);
        let model = self.architecture.model(&input, seed, &self.device)?;
        self.check_paths(&model)?;
        Ok(model)
    }

    /// The model with the adapters that the recipe gives it, if it gives some.
    fn with_adapters(&self, model: M) -> M {
        match &self.fine_tuning {
            Some(fine_tuning) => fine_tuning.attached(model, self.recipe.seed),
            None => model,
        }
    }

    /// Whether every group and penalty is for some parameter of the model.
    fn check_paths(&self, model: &M) -> Result<(), ConfigError> {
        let parameters = Parameters::list(model);
        let parameters = parameters
            .iter()
            .map(|(path, shape)| (path.as_str(), shape.as_slice()));
        let parameters: Vec<_> = parameters.collect();
        self.config.groups.factors(&parameters)?;
        self.penalties.check(&parameters)
    }

    /// A loader of the validation images, every one once, unchanged, in order; none where there are none.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting.
    pub fn valid_loader(&self) -> Result<Option<Loader>, Error> {
        self.evaluation_loader(self.data.splits.valid.as_ref())
    }

    /// A loader of the test images, every one once, unchanged, in order; none where there are none.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting.
    pub fn test_loader(&self) -> Result<Option<Loader>, Error> {
        self.evaluation_loader(self.data.splits.test.as_ref())
    }

    fn evaluation_loader(
        &self,
        split: Option<&std::sync::Arc<dyn Dataset>>,
    ) -> Result<Option<Loader>, Error> {
        split
            .map(|split| self.data.evaluation_loader(&self.recipe, split.clone()))
            .transpose()
    }

    /// What is to be known of the trained model beside its weights.
    #[must_use]
    pub fn info(&self) -> ModelInfo {
        ModelInfo {
            model: self.recipe.model.clone(),
            classes: self.data.splits.train.classes().to_vec(),
            preprocessing: self.data.preprocessing.clone(),
        }
    }

    /// What checkpoints of this session belong to: the model, the images and the settings that make the
    /// run what it is.
    ///
    /// # Errors
    /// [`ConfigError`] for a number that TOML cannot hold.
    pub fn identity(&self) -> Result<Identity, ConfigError> {
        let data = self.data.fingerprint();
        Ok(Identity {
            model: self.recipe.model.to_string(),
            data: match &self.teacher {
                Some(teacher) => teacher.beside(&data),
                None => data,
            },
            recipe: self.recipe.identity().to_toml()?,
        })
    }
}

/// The hooks of the recipe's settings that come before all others.
pub(crate) fn first_hooks<'a, M: Classifier>(
    fine_tuning: Option<FineTuning>,
    penalties: &'a Penalties,
    fresh: BTreeSet<String>,
) -> Vec<Box<dyn Hook<M> + 'a>> {
    let mut hooks: Vec<Box<dyn Hook<M> + 'a>> = Vec::new();
    if let Some(fine_tuning) = fine_tuning {
        hooks.push(Box::new(FineTuningHook(fine_tuning)));
    }
    if penalties.measure_from_start() {
        hooks.push(Box::new(StartWeights::new(penalties, fresh)));
    }
    hooks
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use firebrick_core::spec::Spec;
    use firebrick_core::state_dict::StateDict;
    use firebrick_train::{Divergence, Guess};

    use super::*;
    use crate::{Job, TrainedModel};

    fn recipe() -> Recipe {
        Recipe {
            dataset: "glyphs(train=108, test=27)".into(),
            model: "lenet5(dropout=0.1)".parse().unwrap(),
            optimizer: "sgd(momentum=0.9)".parse().unwrap(),
            schedule: "warmup(50%, then=cosine)".parse().unwrap(),
            momentum_schedule: Some("linear(from=0.5, to=0.9)".parse().unwrap()),
            lr: Some(0.05),
            augment: "pad_crop(2)".parse().unwrap(),
            epochs: 1,
            batch_size: 24,
            ..Recipe::default()
        }
    }

    #[test]
    fn a_resolved_recipe_opens_to_the_same_session() {
        let first = Session::open(&recipe()).unwrap();
        let resolved = &first.recipe;
        let schedule = resolved.schedule.to_string();
        assert!(schedule.starts_with("warmup(steps="), "{schedule}");
        assert!(schedule.contains("cosine(lr=0.05, steps="), "{schedule}");
        assert_eq!(resolved.lr, None);
        assert!(resolved.optimizer.to_string().contains("lr=0.05"));
        assert!(resolved.normalize.starts_with("mean="), "{resolved:?}");
        let again = Session::open(resolved).unwrap();
        assert_eq!(again.recipe, *resolved);
        assert_eq!(again.identity().unwrap(), first.identity().unwrap());
        for step in 0..8 {
            let at = |session: &Session<'_>| {
                let schedule = &session.plan.schedule;
                (schedule.lr(step), schedule.momentum(step))
            };
            assert_eq!(at(&again), at(&first), "{step}");
        }
    }

    #[test]
    fn a_session_trains_as_a_job_does_and_runs_its_hooks() {
        let temp = tempfile::tempdir().unwrap();
        crate::train(Job::new(recipe(), temp.path().join("run"))).unwrap();
        let device = firebrick_core::device("flex").unwrap();
        let of_job = TrainedModel::read(&temp.path().join("run"), &device).unwrap();
        let warned = Cell::new(0);
        // Nothing is better than this guess.
        let guess = Guess {
            classes: 27,
            train: 1e-9,
            valid: 1e-9,
        };
        let session = Session::open(&recipe()).unwrap();
        let session = session.with_hook(Divergence::new(guess, |_| warned.set(warned.get() + 1)));
        let outcome = session.train().unwrap();
        assert_eq!(outcome.best.tensors, StateDict::of(&of_job.network).tensors);
        assert_eq!(warned.get(), 1);
    }

    #[test]
    fn what_cannot_be_used_is_named_before_anything_is_trained() {
        let refused = |change: fn(&mut Recipe)| {
            let mut recipe = recipe();
            change(&mut recipe);
            let session = Session::open(&recipe);
            let error = session.and_then(|session| session.model().map(drop));
            error.unwrap_err().to_string()
        };
        let small = Sources {
            free_memory: Some(1 << 10),
            ..Sources::default()
        };
        // One image is left over, and whether batch norm can take it is asked of a model that is built.
        let lone = Recipe {
            model: Spec::new("small_cnn"),
            batch_size: 4,
            limit_train: Some(9),
            ..recipe()
        };
        let error = Session::open_with(&lone, small).err().unwrap().to_string();
        assert!(error.contains("the model alone does not fit"), "{error}");
        for (change, needle) in [
            (
                (|recipe| recipe.device = "gpu".into()) as fn(&mut Recipe),
                "gpu",
            ),
            (
                |recipe| recipe.model = Spec::new("lenet"),
                "did you mean `lenet5`?",
            ),
            (|recipe| recipe.epochs = 0, "epochs = 0"),
            (|recipe| recipe.monitor = "top1".into(), "top1"),
            (|recipe| recipe.dataset = "glyph".into(), "glyphs"),
            (
                |recipe| recipe.schedule = Spec::new("cosin"),
                "did you mean `cosine`?",
            ),
            (
                |recipe| recipe.groups = vec![firebrick_core::GroupRule::new("head.*")],
                "`head.*` matches no parameter",
            ),
            (|recipe| recipe.weights = Some("no.pth".into()), "no.pth"),
        ] {
            let error = refused(change);
            assert!(error.contains(needle), "{needle}: {error}");
        }
    }
}
