//! A small network with everything that makes resuming hard, and batches for it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use firebrick_core::Classifier;
use firebrick_core::data::{Batch, BatchSource, DataError, Targets};
use firebrick_core::init::Init;
use firebrick_core::length::RunLength;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::nn::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool, Linear,
    LinearConfig,
};
use firebrick_core::parameters::Parameters;
use firebrick_core::random::{layer_rng, rng};
use firebrick_core::update::Update;
use firebrick_optim::plan;
use firebrick_train::{
    Checkpoint, EvaluationModel, Flow, Hook, HookContext, HookState, Identity, Outcome, Progress,
    RunDir, TrainConfig, TrainError, Training, fit, recount_statistics,
};
use rand::RngExt;

pub(crate) const CLASSES: usize = 3;

/// Convolution, batch norm, burn's dropout, a layer that draws from our scope, and a linear layer.
#[derive(Module, Debug)]
pub(crate) struct Net {
    conv: Conv2d,
    bn: BatchNorm,
    pool: GlobalAvgPool,
    dropout: Dropout,
    fc: Linear,
}

impl Net {
    pub(crate) fn new(device: &Device) -> Self {
        let net = Self {
            conv: Conv2dConfig::new([1, 4], 3).init(device),
            bn: BatchNormConfig::new(4).init(device),
            pool: GlobalAvgPool::default(),
            dropout: DropoutConfig::new(0.2).init(),
            fc: LinearConfig::new(4, CLASSES).init(device),
        };
        Init::PYTORCH.apply(net, 7)
    }

    /// Without burn's dropout, which draws differently on each device.
    pub(crate) fn without_dropout(mut self) -> Self {
        self.dropout.prob = 0.0;
        self
    }

    /// With a convolution that is not trained.
    pub(crate) fn freeze_conv(mut self) -> Self {
        self.conv = self.conv.set_require_grad(false);
        self
    }
}

impl Classifier for Net {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = Activation::Relu.forward(self.bn.forward(self.conv.forward(images)));
        let x = self.dropout.forward(self.pool.forward(x));
        // What our own stochastic layers do: one draw from the scope.
        let x = match layer_rng() {
            Some(mut rng) if x.device().is_autodiff() => x * (0.9 + 0.2 * rng.random::<f64>()),
            _ => x,
        };
        self.fc.forward(x)
    }
}

/// Images whose mean tells their class, in an order that depends on the epoch.
pub(crate) struct Source {
    pub(crate) samples: usize,
    pub(crate) batch_size: usize,
    /// Batches of every epoch whose images are all NaN.
    poisoned: Vec<usize>,
    /// Batches of every epoch whose images are all of class 0; the others have none of it.
    zeros: Option<Vec<usize>>,
    classes: Vec<String>,
    epoch: u64,
    batch: usize,
}

impl Source {
    /// With these batches of every epoch poisoned.
    pub(crate) fn poisoned(samples: usize, batches: impl IntoIterator<Item = usize>) -> Self {
        Self {
            poisoned: batches.into_iter().collect(),
            ..Self::new(samples, 8)
        }
    }

    /// With the images of class 0 in these batches of every epoch, and nothing else there.
    pub(crate) fn zeros(samples: usize, batches: impl IntoIterator<Item = usize>) -> Self {
        Self {
            zeros: Some(batches.into_iter().collect()),
            ..Self::new(samples, 8)
        }
    }

    pub(crate) fn new(samples: usize, batch_size: usize) -> Self {
        Self {
            samples,
            batch_size,
            poisoned: Vec::new(),
            zeros: None,
            classes: (0..CLASSES).map(|c| c.to_string()).collect(),
            epoch: 0,
            batch: 0,
        }
    }
}

impl BatchSource for Source {
    fn samples(&self) -> usize {
        self.samples
    }

    fn batches(&self) -> usize {
        self.samples.div_ceil(self.batch_size)
    }

    fn start(&mut self, epoch: u64, batch: usize) {
        (self.epoch, self.batch) = (epoch, batch);
    }

    fn next_batch(&mut self) -> Option<Result<Batch, DataError>> {
        if self.batch >= self.batches() {
            return None;
        }
        let first = self.batch * self.batch_size;
        let indices: Vec<usize> = (first..self.samples.min(first + self.batch_size)).collect();
        let mut images = Vec::new();
        let mut labels = Vec::new();
        for index in &indices {
            let mut rng = rng(1, "test", self.epoch, *index as u64);
            let label = match &self.zeros {
                None => rng.random_range(0..CLASSES),
                Some(zeros) if zeros.contains(&self.batch) => 0,
                Some(_) => rng.random_range(1..CLASSES),
            };
            images.extend((0..36).map(|_| rng.random::<f32>() + label as f32));
            labels.push(label);
        }
        if self.poisoned.contains(&self.batch) {
            images.fill(f32::NAN);
        }
        self.batch += 1;
        Some(Ok(Batch {
            images,
            shape: [indices.len(), 1, 6, 6],
            targets: Targets::Classes(labels),
            classes: CLASSES,
            indices,
        }))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn fingerprint(&self) -> String {
        format!("source-{}", self.samples)
    }
}

/// One training run over 40 images.
pub(crate) struct Run<'a> {
    pub(crate) device: &'a str,
    pub(crate) optimizer: &'a str,
    pub(crate) schedule: &'a str,
    pub(crate) config: TrainConfig,
    pub(crate) dir: Option<&'a RunDir>,
    pub(crate) resume: Option<Checkpoint>,
    pub(crate) hooks: Vec<Box<dyn Hook<Net> + 'a>>,
    pub(crate) source: Source,
    pub(crate) model: Option<Net>,
    /// In place of the optimizer of that name.
    pub(crate) update: Option<Box<dyn Update>>,
    pub(crate) interrupted: Arc<AtomicBool>,
    pub(crate) notice: Box<dyn FnMut(&str) + 'a>,
    /// Validation images; in place of the 20 of every other test.
    pub(crate) valid: Box<dyn BatchSource + 'a>,
    pub(crate) loss: CrossEntropy,
}

impl<'a> Run<'a> {
    pub(crate) fn new(device: &'a str) -> Self {
        Self {
            device,
            optimizer: "adam(lr=0.01)",
            schedule: "one_cycle",
            config: TrainConfig {
                epochs: 3,
                seed: 5,
                ..TrainConfig::default()
            },
            dir: None,
            resume: None,
            hooks: Vec::new(),
            source: Source::new(40, 8),
            model: None,
            update: None,
            interrupted: Arc::default(),
            notice: Box::new(|_| {}),
            valid: Box::new(Source::new(20, 8)),
            loss: CrossEntropy::default(),
        }
    }

    pub(crate) fn identity() -> Identity {
        Identity {
            model: "net".into(),
            data: "source-40".into(),
            recipe: String::new(),
        }
    }

    /// The same run, cut off after so many updates.
    pub(crate) fn until(mut self, updates: u64) -> Self {
        self.config.max_updates = Some(updates);
        self
    }

    pub(crate) fn go(mut self) -> Result<Outcome<Net>, TrainError> {
        let _turn = alone();
        let device = firebrick_core::device(self.device).unwrap().autodiff();
        let run = RunLength::new(
            self.config.epochs.max(1),
            self.source.samples as u64,
            self.source.batch_size as u64,
            self.config.accumulate,
        );
        let plan = plan(
            &self.optimizer.parse().unwrap(),
            &self.schedule.parse().unwrap(),
            None,
            run,
        )
        .unwrap();
        let config = self.config;
        fit(
            Training {
                model: self.model.unwrap_or_else(|| Net::new(&device)),
                update: self.update.unwrap_or(plan.update),
                schedule: plan.schedule,
                loss: &self.loss,
                train: &mut self.source,
                valid: Some(&mut *self.valid),
                hooks: self.hooks,
                run: self.dir,
                identity: Self::identity(),
                resume: self.resume,
                interrupted: self.interrupted,
                notice: self.notice,
            },
            &config,
        )
    }
}

/// The newest checkpoint of a run.
pub(crate) fn newest(run: &RunDir, device: &str) -> Option<Checkpoint> {
    let device = firebrick_core::device(device).unwrap();
    Checkpoint::newest(run.path(), Some(&Run::identity()), &device)
        .unwrap()
        .map(|(checkpoint, _)| checkpoint)
}

/// The epochs of a run without what depends on the clock, as text, so that a NaN equals a NaN.
pub(crate) fn epochs(progress: &Progress) -> String {
    let mut rows = progress.rows.clone();
    for row in &mut rows {
        (row.seconds, row.images_per_second) = (0.0, 0.0);
    }
    format!("{rows:?}")
}

/// Burn's random layers draw from one generator for the whole process, and these tests are threads of
/// one process: one trains at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The parameters and running statistics, as bytes.
pub(crate) fn bytes(net: &Net) -> Vec<u8> {
    firebrick_core::state_dict::StateDict::of(net)
        .to_safetensors()
        .unwrap()
}

/// The exponential moving average of the weights, evaluated in place of them.
pub(crate) struct Average {
    pub(crate) share: f64,
    pub(crate) recount_batches: usize,
    pub(crate) average: Parameters,
    /// How often it was asked for the model to evaluate.
    pub(crate) asked: Rc<Cell<u64>>,
}

impl Average {
    pub(crate) fn new(recount_batches: usize) -> Self {
        Self {
            share: 0.2,
            recount_batches,
            average: Parameters::default(),
            asked: Rc::default(),
        }
    }
}

impl Hook<Net> for Average {
    fn name(&self) -> &str {
        "average"
    }

    fn begin(
        &mut self,
        model: Net,
        _: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<Net, TrainError> {
        self.average = match kept {
            Some(kept) => Parameters::from_data(kept.tensors, &model)?,
            None => Parameters::of(&model),
        };
        Ok(model)
    }

    fn after_step(
        &mut self,
        model: &Net,
        _: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        let average = std::mem::take(&mut self.average);
        self.average = average.moved_towards(&Parameters::of(model), self.share);
        Ok(Flow::Continue)
    }

    fn evaluated(&mut self, model: &Net) -> Result<Option<EvaluationModel<Net>>, TrainError> {
        self.asked.set(self.asked.get() + 1);
        Ok(Some(EvaluationModel {
            model: self.average.clone().load_into(model)?,
            recount_batches: self.recount_batches,
        }))
    }

    fn finish(&mut self, model: Net, context: &mut HookContext<'_>) -> Result<Net, TrainError> {
        let model = self.average.clone().load_into(&model)?;
        recount_statistics(&model, context.train_source(), None)
    }

    fn save(&self) -> Option<HookState> {
        Some(HookState {
            tensors: self.average.to_data(),
            ..HookState::default()
        })
    }
}

/// Ends a run as a kill does, in place of noting the update: nothing more is written.
pub(crate) struct Kill {
    pub(crate) at: u64,
}

impl Hook<Net> for Kill {
    fn name(&self) -> &str {
        "kill"
    }

    fn after_step(
        &mut self,
        _: &Net,
        context: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        if context.step == self.at {
            return Err(TrainError::hook("kill", "killed"));
        }
        Ok(Flow::Continue)
    }
}
