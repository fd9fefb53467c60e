//! What a teacher says, against what its members predict for the same images.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use firebrick_core::data::BatchSource;
use firebrick_ensemble::manifest::{FILE, Kind, Manifest, Member};
use firebrick_train::metrics::softmax;

use super::*;
use crate::{Job, Session, TrainedModel, prepared};

fn recipe() -> Recipe {
    Recipe {
        dataset: "glyphs(train=108, test=27)".into(),
        model: "small_cnn(width=2)".parse().unwrap(),
        epochs: 1,
        batch_size: 24,
        workers: 0,
        loss: "distillation(temperature=2)".parse().unwrap(),
        ..Recipe::default()
    }
}

/// An ensemble of two members that normalize in different ways.
fn ensemble(directory: &Path) {
    let names = ["a", "b"];
    for (seed, (name, normalize)) in (1..).zip(names.iter().zip(["mean=0.3; std=0.2", "auto"])) {
        let recipe = Recipe {
            seed,
            split_seed: Some(0),
            normalize: normalize.into(),
            loss: "cross_entropy".parse().unwrap(),
            ..recipe()
        };
        crate::train(Job::new(recipe, directory.join(name))).unwrap();
    }
    let members = names.map(|name| Member {
        name: name.into(),
        file: format!("{name}/model.safetensors"),
    });
    let manifest = Manifest::new(Kind::Independent, members.to_vec());
    std::fs::write(directory.join(FILE), manifest.to_bytes()).unwrap();
}

fn member(directory: &Path, name: &str) -> TrainedModel {
    let device = firebrick_core::device("flex").unwrap();
    TrainedModel::read(&directory.join(name), &device).unwrap()
}

/// The logarithm of the mean of the probabilities.
fn pooled(of_members: &[Vec<f32>], classes: usize) -> Vec<f64> {
    let [a, b] = of_members else {
        panic!("two members")
    };
    let rows = a.chunks(classes).zip(b.chunks(classes));
    rows.flat_map(|(a, b)| {
        let both = softmax(a).into_iter().zip(softmax(b));
        both.map(|(a, b)| (0.5 * (a + b)).ln()).collect::<Vec<_>>()
    })
    .collect()
}

fn assert_near(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error < tolerance, "{at}: {found} is not {expected}");
    }
}

/// The first batch of an epoch, and what the teacher says of it.
fn first_batch(session: &mut Session<'_>) -> (Batch, Vec<f32>) {
    let plain = session.train.next_batch().unwrap().unwrap();
    session.train.start(0, 0);
    let mut taught = Taught {
        images: &mut session.train,
        teacher: session.teacher.as_ref(),
    };
    let batch = taught.next_batch().unwrap().unwrap();
    let Targets::Taught { labels, teacher } = batch.targets else {
        panic!("nothing was taught")
    };
    assert_eq!((&*labels, &batch.images), (&plain.targets, &plain.images));
    (plain, teacher)
}

#[test]
fn a_teacher_says_what_its_members_predict_together() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    ensemble(at);
    let teacher = Some(at.display().to_string());
    // Nothing is augmented: one table.
    let plain = Recipe {
        teacher: teacher.clone(),
        ..recipe()
    };
    let mut session = Session::open(&plain).unwrap();
    session.open_teacher(None, &mut |_| {}).unwrap();
    let train = session.data.splits.train.clone();
    let classes = train.classes().len();
    let of_members = ["a", "b"].map(|name| {
        let member = member(at, name);
        let reads = &member.info.preprocessing;
        let mut loader = prepared::evaluation_loader(&plain, reads, train.clone()).unwrap();
        let predicted = firebrick_train::predict(&member.network, &mut loader).unwrap();
        assert_eq!(predicted.indices, (0..train.len()).collect::<Vec<_>>());
        predicted.logits
    });
    let all = pooled(&of_members, classes);
    let (batch, said) = first_batch(&mut session);
    let rows = batch.indices.iter();
    let expected: Vec<f64> = rows
        .flat_map(|index| all[index * classes..][..classes].to_vec())
        .collect();
    assert_near(&said, &expected, 1e-5);

    // Augmented and mixed: the members look at the batch itself.
    let mixed = Recipe {
        augment: "pad_crop(2) | hflip".parse().unwrap(),
        mix: "mixup(0.5)".parse().unwrap(),
        ..plain.clone()
    };
    let mut session = Session::open(&mixed).unwrap();
    session.open_teacher(None, &mut |_| {}).unwrap();
    let (batch, said) = first_batch(&mut session);
    let own = session.data.preprocessing.clone();
    let of_members = ["a", "b"].map(|name| {
        let member = member(at, name);
        let reads = &member.info.preprocessing;
        // Back to pixels, and on to what this member makes of them; there is one channel.
        let pixels = batch
            .images
            .iter()
            .map(|value| value * own.std[0] + own.mean[0]);
        let images: Vec<f32> = pixels
            .map(|pixel| (pixel - reads.mean[0]) / reads.std[0])
            .collect();
        let images = TensorData::new(images, batch.shape);
        let logits = member
            .network
            .valid()
            .forward(Tensor::from_data(images, &member.device));
        logits.into_data().iter::<f32>().collect::<Vec<_>>()
    });
    assert_near(&said, &pooled(&of_members, classes), 1e-3);
    // The same recipe with plain views has the table again.
    let plain_views = Recipe {
        teacher_views: PLAIN.into(),
        mix: Default::default(),
        ..mixed
    };
    let mut session = Session::open(&plain_views).unwrap();
    session.open_teacher(None, &mut |_| {}).unwrap();
    let (batch, said) = first_batch(&mut session);
    let expected: Vec<f64> = batch
        .indices
        .iter()
        .flat_map(|index| all[index * classes..][..classes].to_vec())
        .collect();
    assert_near(&said, &expected, 1e-5);
    // One run alone is a teacher too.
    let one = Recipe {
        teacher: Some(at.join("a").display().to_string()),
        ..plain
    };
    let mut session = Session::open(&one).unwrap();
    session.open_teacher(None, &mut |_| {}).unwrap();
    assert_ne!(first_batch(&mut session).1, said);
}

#[test]
fn what_cannot_be_taught_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    crate::train(Job::new(
        Recipe {
            loss: "cross_entropy".parse().unwrap(),
            ..recipe()
        },
        at.join("run"),
    ))
    .unwrap();
    let teacher = Some(at.join("run").display().to_string());
    let refused = |recipe: Recipe, needle: &str| {
        let opened = Session::open(&recipe);
        let opened = opened.and_then(|mut session| session.open_teacher(None, &mut |_| {}));
        let error = opened.unwrap_err().to_string();
        assert!(error.contains(needle), "{needle}: {error}");
    };
    let taught = || Recipe {
        teacher: teacher.clone(),
        ..recipe()
    };
    refused(recipe(), "no teacher to learn from");
    refused(
        Recipe {
            loss: "cross_entropy".parse().unwrap(),
            ..taught()
        },
        "learns from labels alone",
    );
    refused(
        Recipe {
            teacher_views: "all".into(),
            ..taught()
        },
        "unknown teacher_views `all`",
    );
    refused(
        Recipe {
            teacher_views: PLAIN.into(),
            mix: "mixup".parse().unwrap(),
            ..taught()
        },
        "does not see the mixed images",
    );
    refused(
        Recipe {
            teacher_combine: "stacking".parse().unwrap(),
            ..taught()
        },
        "fitted to validation images",
    );
    refused(
        Recipe {
            image_size: Some(28),
            augment: "hflip".parse().unwrap(),
            ..taught()
        },
        "use --teacher-views plain",
    );
    refused(
        Recipe {
            teacher: Some(at.join("nowhere").display().to_string()),
            ..recipe()
        },
        "nowhere",
    );
}
