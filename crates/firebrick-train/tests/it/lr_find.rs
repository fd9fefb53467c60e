//! The range test on a small network: its results, and when it stops.

use firebrick_core::Clipping;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::penalty::Penalties;
use firebrick_core::update::Update;
use firebrick_train::lr_find::{LrCurve, Rise, Stopped, Sweep, lr_find};
use firebrick_train::{TrainConfig, TrainError};

use crate::support::{Net, Source, alone, bytes};

fn update(spec: &str) -> Box<dyn Update> {
    let spec = spec.parse().unwrap();
    firebrick_optim::optimizer::build(&spec).unwrap().update
}

fn find(
    net: &Net,
    update: Box<dyn Update>,
    source: &mut Source,
    sweep: Sweep,
) -> Result<(LrCurve, Box<dyn Update>), TrainError> {
    let _turn = alone();
    let config = TrainConfig {
        accumulate: 2,
        clipping: Clipping {
            value: Some(5.0),
            ..Clipping::default()
        },
        // None of these is the sweep's.
        epochs: 1,
        max_updates: Some(1),
        early_stop: Some(1),
        ..TrainConfig::default()
    };
    lr_find(
        net,
        update,
        &CrossEntropy::default(),
        &Penalties::default(),
        source,
        &config,
        sweep,
    )
}

fn net() -> Net {
    Net::new(&firebrick_core::device("flex").unwrap().autodiff())
}

fn tensors(update: &dyn Update) -> Vec<Vec<f32>> {
    let state = update.state().parameters.into_values();
    let tensors = state.flat_map(|one| one.tensors.into_values());
    tensors
        .map(|tensor| tensor.to_data().iter::<f32>().collect())
        .collect()
}

#[test]
fn the_model_and_the_optimizer_are_left_as_they_are() {
    // A model and an optimizer that have trained, with a part that is frozen.
    let net = net().freeze_conv();
    let sweep = Sweep {
        start_lr: 1e-3,
        end_lr: 1e-2,
        num_iter: 12,
        rise: Rise::Linear,
    };
    let before = bytes(&net);
    let (first, fresh) = find(&net, update("adam"), &mut Source::new(40, 8), sweep).unwrap();
    assert!(bytes(&net) == before, "the model changed");
    assert!(tensors(&*fresh).is_empty(), "the optimizer kept state");
    assert_eq!((first.loss.len(), first.stopped), (12, Stopped::End));
    assert_eq!((first.lr[0], first.lr[11]), (1e-3, 1e-2));
    let (again, _) = find(&net, fresh, &mut Source::new(40, 8), sweep).unwrap();
    assert_eq!(again, first, "a second test is not the first one");
}

#[test]
fn it_stops_when_the_loss_diverges_or_is_not_finite() {
    // So many updates that the fall shows above the noise of batches of 16 images.
    let sweep = Sweep {
        start_lr: 1e-4,
        end_lr: 1e6,
        num_iter: 500,
        rise: Rise::Exponential,
    };
    let (curve, _) = find(&net(), update("sgd"), &mut Source::new(40, 8), sweep).unwrap();
    assert_ne!(curve.stopped, Stopped::End);
    assert!(curve.loss.len() < 500 && curve.loss.len() > 20, "{curve:?}");
    let lengths = (curve.lr.len(), curve.smoothed.len());
    assert_eq!(lengths, (curve.loss.len(), curve.loss.len()));
    // Far below the rate at which it diverged.
    let last = curve.lr[curve.lr.len() - 1];
    assert!(
        curve.suggestions.best().is_some_and(|lr| lr < last / 5.0),
        "{last}: {:?}",
        curve.suggestions
    );
    let mut poisoned = Source::poisoned(40, [2]);
    let (curve, _) = find(&net(), update("sgd"), &mut poisoned, sweep).unwrap();
    assert_eq!((curve.loss.len(), curve.stopped), (1, Stopped::NotFinite));
    assert_eq!(curve.suggestions.best(), None);
    let why = curve.suggestions.none_because.unwrap().to_string();
    assert!(why.contains("1 losses are too few"), "{why}");
}

#[test]
fn a_sweep_that_goes_nowhere_is_refused() {
    let sweep = Sweep {
        end_lr: 1e-7,
        ..Sweep::default()
    };
    let refused = find(&net(), update("sgd"), &mut Source::new(40, 8), sweep);
    let error = refused.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("above start_lr"), "{error}");
}
