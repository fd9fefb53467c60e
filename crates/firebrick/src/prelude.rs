//! The items that most programs need: `use firebrick::prelude::*;`.

pub use burn::module::Module;
pub use burn::tensor::{Device, Tensor};

pub use firebrick_core::data::{
    Batch, BatchSource, DataError, Dataset, Fit, Image, Preprocessing, Sample, Targets,
};
pub use firebrick_core::length::RunLength;
pub use firebrick_core::loss::{CrossEntropy, Loss};
pub use firebrick_core::nn;
pub use firebrick_core::spec::{Pipeline, Spec};
pub use firebrick_core::{Classifier, ConfigError, Recipe, Schedule, device, devices};
pub use firebrick_datasets::{Loader, LoaderConfig, OpenOptions, Splits};
pub use firebrick_optim::{Plan, Request, plan};
pub use firebrick_regularize::{Dropout, DropoutConfig};
pub use firebrick_train::{
    Checkpoint, EvaluationModel, Flow, Hook, HookContext, HookState, Identity, RunDir, TrainConfig,
    TrainError, Training, evaluate, fit, recount_statistics,
};
pub use firebrick_zoo::{Input, Model};

pub use crate::{
    Job, ModelInfo, Models, Prepared, Session, Sources, Start, TrainReport, TrainedModel,
};
