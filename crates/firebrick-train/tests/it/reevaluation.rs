//! Optimizers that take the gradient at another point, or evaluate their batch again.

use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use firebrick_core::Clipping;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::penalty::Penalties;
use firebrick_core::state_dict::StateDict;
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError, UpdateState};
use firebrick_train::{OnNonFinite, TrainConfig, TrainError};

use crate::support::{Net, Run, bytes};

/// What an update was given at one step, as values.
#[derive(Clone, Default)]
pub(crate) struct Given {
    parameters: Vec<Vec<f32>>,
    pub(crate) gradients: Vec<Vec<f32>>,
    pub(crate) again: Vec<Vec<f32>>,
    pub(crate) loss: f64,
}

/// Plain descent at the rate 0.1 that writes down what it is given.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    /// Takes the gradient at the parameters plus this.
    pub(crate) ahead: Option<f64>,
    /// Evaluates the batch so often again, at the parameters plus this.
    pub(crate) again: Option<(usize, f64)>,
    /// Does so without declaring it.
    pub(crate) undeclared: bool,
    /// Whether running statistics are taken anew where a step ends.
    pub(crate) recounts: bool,
    pub(crate) given: Arc<Mutex<Vec<Given>>>,
}

pub(crate) fn shifted(parameters: &Parameters, by: f64) -> Parameters {
    let mut parameters = parameters.clone();
    for parameter in &mut parameters.0 {
        parameter.value = parameter.value.clone() + by;
    }
    parameters
}

fn gradient_values(gradients: &Gradients) -> Vec<Vec<f32>> {
    let gradients = gradients.0.iter().flatten();
    gradients
        .map(|gradient| gradient.to_data().iter::<f32>().collect())
        .collect()
}

impl Update for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn gradient_point(&self, _step: &Step<'_>, parameters: &Parameters) -> Option<Parameters> {
        self.ahead.map(|by| shifted(parameters, by))
    }

    fn reevaluates(&self) -> bool {
        self.again.is_some() && !self.undeclared
    }

    fn recounts_statistics(&self) -> bool {
        self.recounts
    }

    fn step(
        &mut self,
        _step: &Step<'_>,
        mut parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let values = |parameters: &Parameters| {
            let values = parameters.0.iter();
            values
                .map(|one| one.value.to_data().iter::<f32>().collect())
                .collect()
        };
        let mut given = Given {
            parameters: values(&parameters),
            gradients: gradient_values(&gradients),
            ..Given::default()
        };
        if let Some((times, by)) = self.again {
            let point = shifted(&parameters, by);
            for _ in 0..times {
                let (loss, gradients) = reevaluate(&point)?;
                if !loss.is_finite() {
                    let name = self.name().into();
                    return Err(UpdateError::NotFinite { name });
                }
                given.loss = loss;
                given.again = gradient_values(&gradients);
            }
        }
        self.given.lock().unwrap().push(given);
        for (parameter, gradient) in parameters.0.iter_mut().zip(gradients.0) {
            if let Some(gradient) = gradient {
                parameter.value = parameter.value.clone() - gradient * 0.1;
            }
        }
        Ok(parameters)
    }

    fn state(&self) -> UpdateState {
        UpdateState::default()
    }

    fn load_state(
        &mut self,
        _state: UpdateState,
        _paths: &[String],
        _device: &Device,
    ) -> Result<(), UpdateError> {
        Ok(())
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 1,
        accumulate: 2,
        clipping: Clipping {
            value: Some(0.2),
            tensor_norm: Some(0.3),
            agc: Some(0.1),
            norm: Some(0.4),
        },
        ..Run::new("flex").config
    }
}

fn net() -> Net {
    Net::new(&firebrick_core::device("flex").unwrap().autodiff())
}

/// The model after an epoch of three updates and what the update was given.
fn train(update: &Recorder, model: Net, config: TrainConfig) -> (Vec<u8>, Vec<Given>) {
    train_with(update, model, config, Penalties::default())
}

/// As [`train`], with penalties.
pub(crate) fn train_with(
    update: &Recorder,
    model: Net,
    config: TrainConfig,
    penalties: Penalties,
) -> (Vec<u8>, Vec<Given>) {
    let update = Recorder {
        given: Arc::default(),
        ..update.clone()
    };
    let run = Run {
        config,
        model: Some(model),
        update: Some(Box::new(update.clone())),
        penalties,
        ..Run::new("flex")
    };
    let outcome = run.go().unwrap();
    let given = update.given.lock().unwrap().clone();
    (bytes(&outcome.model), given)
}

#[test]
fn evaluating_again_at_the_same_parameters_gives_the_same_bits_and_counts_statistics_once() {
    // Dropout, a layer that draws from the scope, batch norm, two micro-batches, all limits.
    for frozen in [false, true] {
        let model = || {
            let net = net();
            if frozen { net.freeze_conv() } else { net }
        };
        let (once, _) = train(&Recorder::default(), model(), config());
        let twice = Recorder {
            again: Some((2, 0.0)),
            ..Recorder::default()
        };
        let (model, given) = train(&twice, model(), config());
        assert!(model == once, "evaluating again left a trace");
        assert_eq!(given.len(), 3);
        for given in given {
            assert_eq!(given.gradients, given.again);
            assert_eq!(given.gradients.len(), if frozen { 4 } else { 6 });
            assert!(given.loss.is_finite() && given.loss > 0.0);
        }
    }
}

#[test]
fn statistics_are_taken_anew_where_a_far_step_ends() {
    let update = |recounts, model| {
        let far = Recorder {
            again: Some((1, 0.05)),
            recounts,
            ..Recorder::default()
        };
        let config = TrainConfig {
            max_updates: Some(1),
            accumulate: 1,
            ..config()
        };
        let run = Run {
            config,
            model: Some(model),
            update: Some(Box::new(far)),
            ..Run::new("flex")
        };
        run.go().unwrap().model
    };
    let statistics = |net: &Net| -> Vec<f32> {
        let state = StateDict::of(net);
        let names = ["bn.running_mean", "bn.running_var"];
        let tensors = names.map(|name| state.tensors[name].iter::<f32>().collect::<Vec<_>>());
        tensors.concat()
    };
    // The same batch at the parameters where the first update ended moves nothing, where its
    // statistics are there already.
    for recounts in [true, false] {
        let ended = StateDict::of(&update(recounts, net()));
        let there = ended.load_into(net()).unwrap();
        let before = statistics(&there);
        let after = statistics(&update(false, there));
        let pairs = before.iter().zip(&after);
        let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(apart < 1e-5, recounts, "{apart}");
    }
}

#[test]
fn evaluating_again_elsewhere_gives_the_gradients_of_that_place() {
    let elsewhere = Recorder {
        again: Some((1, 0.05)),
        ..Recorder::default()
    };
    let (_, given) = train(&elsewhere, net(), config());
    assert_ne!(given[0].gradients, given[0].again);
    let (shell, parameters) = Parameters::take(net());
    let there = shifted(&parameters, 0.05).put(shell);
    let (_, expected) = train(&Recorder::default(), there, config());
    assert_eq!(given[0].again, expected[0].gradients);
}

#[test]
fn the_gradient_is_taken_where_the_update_says() {
    let ahead = Recorder {
        ahead: Some(0.05),
        ..Recorder::default()
    };
    // Limits that depend on the weights would see those of the model.
    let config = || TrainConfig {
        clipping: Clipping::default(),
        ..config()
    };
    let (_, given) = train(&ahead, net(), config());
    let (shell, parameters) = Parameters::take(net());
    let there = shifted(&parameters, 0.05).put(shell);
    let (_, expected) = train(&Recorder::default(), there, config());
    let (_, plain) = train(&Recorder::default(), net(), config());
    assert_eq!(given[0].gradients, expected[0].gradients);
    assert_eq!(given[0].parameters, plain[0].parameters);
    assert_ne!(given[0].gradients, plain[0].gradients);
    let here = Recorder {
        ahead: Some(0.0),
        ..Recorder::default()
    };
    let (here, _) = train(&here, net(), config());
    let (plain, _) = train(&Recorder::default(), net(), config());
    assert!(here == plain, "the gradient's place left a trace");
}

#[test]
fn evaluating_again_without_declaring_it_is_an_error_that_says_so() {
    let run = Run {
        config: config(),
        update: Some(Box::new(Recorder {
            again: Some((1, 0.0)),
            undeclared: true,
            ..Recorder::default()
        })),
        ..Run::new("flex")
    };
    let error = run.go().map(|_| ()).unwrap_err().to_string();
    for needle in ["recorder", "without having declared", "Update::reevaluates"] {
        assert!(error.contains(needle), "{error}");
    }
}

#[test]
fn what_is_not_finite_the_second_time_stops_or_is_left_out() {
    let far = |config: TrainConfig| Run {
        config,
        update: Some(Box::new(Recorder {
            again: Some((1, f64::NAN)),
            ..Recorder::default()
        })),
        ..Run::new("flex")
    };
    let error = far(config()).go().map(|_| ()).unwrap_err().to_string();
    for needle in ["update 0", "evaluates the batch again", "`conv.weight`"] {
        assert!(error.contains(needle), "{error}");
    }
    let skipping = |limit| TrainConfig {
        on_non_finite: OnNonFinite::Skip { limit },
        ..config()
    };
    let outcome = far(skipping(3)).go().unwrap();
    assert_eq!(outcome.progress.skipped_updates, 3);
    assert!(bytes(&outcome.model) == bytes(&net()), "it left a trace");
    let error = far(skipping(2)).go().map(|_| ()).unwrap_err();
    assert!(matches!(error, TrainError::TooManySkipped { .. }));
}
