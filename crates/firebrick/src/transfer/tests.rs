//! Jobs on made-up photos, with networks whose weights are drawn: their features tell colours apart all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use firebrick_core::Recipe;
use firebrick_core::data::Image;
use firebrick_core::run::RunRecord;
use firebrick_core::state_dict::StateDict;
use firebrick_datasets::registry::open_held_out;
use firebrick_datasets::{OpenOptions, Split};
use firebrick_zoo::Input;

use super::logistic::{Path as Strengths, cross_validate};
use super::*;
use crate::eval::{EvalImages, EvalJob, evaluate};
use crate::features::{Extractor, POOLED, Pass};
use crate::{ModelInfo, Sources, TrainedModel};

/// `photos/SPLIT/CLASS/N.png`, so many of each class: stripes of two colours in noise.
fn photos(at: &Path, splits: &[(&str, &[(&str, usize)])]) -> PathBuf {
    for (number, (split, classes)) in splits.iter().enumerate() {
        for (class, (name, count)) in classes.iter().enumerate() {
            let folder = at.join(split).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            for photo in 0..*count {
                let png = firebrick_report::png(&stripes(class, 100 * number + photo)).unwrap();
                std::fs::write(folder.join(format!("{photo}.png")), png).unwrap();
            }
        }
    }
    at.into()
}

fn stripes(class: usize, photo: usize) -> Image {
    let mut image = Image::black(40, 36, 3);
    for (at, pixel) in image.pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at % 40, at / 40);
        let noise = ((x * 31 + y * 17 + photo * 101) * (photo + 7) % 113) as u8;
        let stripe = if ((x + photo) / 4).is_multiple_of(2) {
            90
        } else {
            0
        };
        pixel[class % 3] = stripe + noise / 2;
        pixel[(class + 1) % 3] = noise;
        pixel[2] = pixel[2].saturating_add(20);
    }
    image
}

/// Weights of a network for 10 classes.
fn weights(at: &Path, model: &str) -> String {
    let device = firebrick_core::device("flex").unwrap();
    let spec = model.parse().unwrap();
    let input = Input {
        channels: 3,
        classes: 10,
        ..firebrick_zoo::default_input(&spec).unwrap()
    };
    let network = firebrick_zoo::build(&spec, &input, 5, &device).unwrap();
    let path = at.join("weights.safetensors");
    let bytes = StateDict::of(&network).to_safetensors().unwrap();
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

const TWO: &[(&str, usize)] = &[("ants", 14), ("bees", 10)];
const FEWER: &[(&str, usize)] = &[("ants", 6), ("bees", 6)];

struct Place {
    _temp: tempfile::TempDir,
    photos: PathBuf,
    run: PathBuf,
    recipe: Recipe,
}

fn place(model: &str, splits: &[(&str, &[(&str, usize)])]) -> Place {
    let temp = tempfile::tempdir().unwrap();
    let photos = photos(&temp.path().join("photos"), splits);
    let folder = format!("folder:{}", photos.display());
    let weights = weights(temp.path(), model);
    let recipe = recipe(&folder, model.parse().unwrap(), &weights);
    Place {
        run: temp.path().join("run"),
        photos,
        recipe: Recipe {
            workers: 0,
            batch_size: 8,
            ..recipe
        },
        _temp: temp,
    }
}

fn both() -> [(&'static str, &'static [(&'static str, usize)]); 2] {
    [("train", TWO), ("val", FEWER)]
}

impl Place {
    fn job<'a>(&self, wanted: Wanted) -> TransferJob<'a> {
        TransferJob {
            wanted,
            ..TransferJob::new(self.recipe.clone(), RunPlace::At(self.run.clone()))
        }
    }

    fn refused(&self) -> String {
        let error = train(self.job(Wanted::Auto)).err().unwrap();
        assert!(!self.run.exists(), "{error}");
        error.to_string()
    }

    fn read(&self) -> TrainedModel {
        TrainedModel::read(&self.run, &firebrick_core::device("flex").unwrap()).unwrap()
    }
}

#[test]
fn the_network_of_the_run_is_the_classifier_on_features() {
    for model in [
        "test_squeezenet",
        "test_vgg",
        "test_mobilenet_v1",
        "test_densenet",
        "test_convnext",
        "resnet20",
        "lenet5",
    ] {
        let place = place(model, &both());
        let report = train(place.job(Wanted::Probe)).unwrap();
        assert_eq!(report.strategy, "probe", "{model}");
        assert!(report.fine_tuned.is_none() && report.all_stages.is_none());
        let trained = place.read();
        assert_eq!(trained.info.classes, ["ants", "bees"]);
        // The classifier once more, on features of the weights as they are.
        let source = TrainedModel {
            network: {
                let path = PathBuf::from(place.recipe.weights.clone().unwrap());
                let input = Input {
                    classes: 10,
                    ..trained.info.input()
                };
                let spec = model.parse().unwrap();
                let network = firebrick_zoo::build(&spec, &input, 0, &trained.device).unwrap();
                firebrick_zoo::load(network, &path).unwrap().0
            },
            info: ModelInfo {
                model: model.parse().unwrap(),
                ..trained.info.clone()
            },
            device: trained.device.clone(),
        };
        let extractor = Extractor::new(&source, &[POOLED]).unwrap();
        let folder = place.photos.join("train").display().to_string();
        let options = OpenOptions::default();
        let train = open_held_out(&folder, &options).unwrap().images;
        let train: Arc<dyn firebrick_core::data::Dataset> = Arc::new(train);
        let features = extractor.of_dataset(&train, &Pass::default(), &mut |_, _| {});
        let features = features.unwrap().stage(extractor.pooled()).unwrap();
        let strengths = Strengths {
            standardize: true,
            ..Strengths::default()
        };
        let head = cross_validate(&features, &strengths).unwrap();
        let expected = head.fitted.model.logits(&features).unwrap();
        for image in [0, 9, 20] {
            let photo = train.get(image).unwrap().image;
            let found = Extractor::new(&trained, &[crate::features::LOGITS]).unwrap();
            let found = found.of_images(&[photo]);
            for (found, expected) in found.iter().zip(&expected[2 * image..]) {
                let near = (f64::from(*found) - expected).abs() <= 1e-4 * expected.abs().max(1.0);
                assert!(near, "{model}: {found} {expected}");
            }
        }
        assert_eq!(report.head.l2, head.score().l2);
        assert_eq!(report.top1, report.stages.last().unwrap().probe_top1);
    }
}

/// What `eval` finds in the run is what the report says.
fn check_run(place: &Place, report: &TransferReport) {
    let model = place.read();
    let recipe = crate::run_recipe(&place.run).unwrap();
    let images = EvalImages {
        recipe,
        held_out: false,
        split: Some(Split::Valid),
        run: Some(place.run.clone()),
        cache: "data".into(),
    };
    let job = EvalJob {
        model: &model,
        images,
        numbered: false,
        tta: None,
    };
    let found = evaluate(job, &mut |_, _| {}).unwrap().evaluation.scores;
    let said = report.train.valid.unwrap();
    assert_eq!((found.top1, found.count), (said.top1, said.count));
    assert!(
        (found.nll - said.nll).abs() < 1e-3,
        "{} {}",
        found.nll,
        said.nll
    );
    assert_eq!(report.top1, said.top1);
    let record = RunRecord::read(&place.run).unwrap();
    let section: serde_json::Value = record.section("transfer").unwrap().unwrap();
    assert_eq!(section["strategy"], report.strategy.as_str());
    assert_eq!(
        section["stages"].as_array().unwrap().len(),
        report.stages.len()
    );
}

#[test]
fn the_classifier_on_all_stages_is_a_network_too() {
    let place = place("test_resnet", &both());
    let report = train(place.job(Wanted::AllStages)).unwrap();
    assert_eq!(report.strategy, "all-stages");
    let all = report.all_stages.clone().unwrap();
    assert_eq!(all.top1, report.top1);
    assert_eq!(all.kept.len(), report.stages.len());
    assert!(report.train.model.starts_with("all_stages(of=test_resnet("));
    check_run(&place, &report);
}

#[test]
fn fine_tuning_leaves_the_stages_before_as_they_are() {
    let mut place = place("test_vgg_bn", &both());
    place.recipe.optimizer = "adamw(lr=3e-3)".parse().unwrap();
    place.recipe.epochs = 2;
    let report = train(place.job(Wanted::Last(2))).unwrap();
    let tuned = report.fine_tuned.unwrap();
    assert_eq!(
        (report.strategy.as_str(), tuned.stages, tuned.epochs),
        ("last=2", 2, 2)
    );
    check_run(&place, &report);
    let recipe = Recipe::read(&place.run.join("recipe.toml")).unwrap();
    let kept = recipe.fine_tune.unwrap().to_string();
    assert!(kept.starts_with("last(stages=2"), "{kept}");
    let after = StateDict::of(&place.read().network).tensors;
    let bytes = std::fs::read(place.recipe.weights.as_ref().unwrap()).unwrap();
    let before = StateDict::from_safetensors(&bytes).unwrap().tensors;
    let stages = place.read().network.backbone().unwrap().stages();
    let (frozen, trained) = stages.split_at(stages.len() - 2);
    let of = |stages: &[firebrick_zoo::Stage], key: &str| {
        let mut modules = stages.iter().flat_map(|stage| &stage.modules);
        modules.any(|module| key.starts_with(&format!("{module}.")))
    };
    let (mut same, mut moved) = (0, 0);
    for (key, tensor) in &before {
        let now = &after[key];
        if of(frozen, key) {
            assert_eq!(tensor, now, "{key}");
            same += 1;
        } else if of(trained, key) {
            moved += usize::from(tensor != now);
        }
    }
    assert!(same > 4 && moved >= 4, "{same} {moved}");
}

#[test]
fn options_of_fine_tuning_are_for_every_number_of_stages() {
    let mut place = place("test_vgg_bn", &both());
    place.recipe.epochs = 1;
    place.recipe.optimizer = "adamw(lr=3e-3)".parse().unwrap();
    place.recipe.fine_tune = Some("all(batch_norm=frozen)".parse().unwrap());
    train(place.job(Wanted::Last(1))).unwrap();
    let recipe = Recipe::read(&place.run.join("recipe.toml")).unwrap();
    let kept = recipe.fine_tune.unwrap().to_string();
    assert!(
        kept.contains("stages=1") && kept.contains("batch_norm=frozen"),
        "{kept}"
    );
    let after = StateDict::of(&place.read().network).tensors;
    let bytes = std::fs::read(place.recipe.weights.as_ref().unwrap()).unwrap();
    let before = StateDict::from_safetensors(&bytes).unwrap().tensors;
    let statistics = before.iter().filter(|(key, _)| key.contains("running_"));
    assert!(statistics.clone().count() > 2);
    assert!(
        statistics
            .into_iter()
            .all(|(key, value)| after[key] == *value)
    );

    let mut other = self::place("test_vgg", &both());
    other.recipe.fine_tune = Some("lp_ft".parse().unwrap());
    let error = train(other.job(Wanted::Auto)).unwrap_err().to_string();
    assert!(error.contains("--strategy"), "{error}");
    assert!(!other.run.exists());
}

#[test]
fn as_many_stages_are_fine_tuned_as_pay_off_and_the_budget_allows() {
    let mut place = place("test_vgg", &both());
    place.recipe.epochs = 1;
    let report = train(place.job(Wanted::Auto)).unwrap();
    let tuned = report.fine_tuned.unwrap();
    assert!(tuned.stages >= 1 && report.all_stages.is_some());
    let best = [
        report.head.top1,
        report.all_stages.as_ref().unwrap().top1,
        tuned.top1,
    ];
    assert_eq!(report.top1, best.into_iter().fold(0.0, f64::max));
    check_run(&place, &report);

    let mut short = self::place("test_vgg", &both());
    short.recipe.epochs = 1;
    let mut notes = Vec::new();
    let report = train(TransferJob {
        budget: Duration::from_millis(1),
        notice: Box::new(|note| notes.push(note.to_string())),
        ..short.job(Wanted::Last(1))
    });
    let report = report.unwrap();
    assert_eq!(
        (report.strategy.as_str(), report.fine_tuned),
        ("probe", None)
    );
    assert!(
        notes
            .iter()
            .any(|note| note.contains("--budget gives more")),
        "{notes:?}"
    );
}

#[test]
fn what_is_interrupted_is_kept() {
    let place = place("test_vgg", &both());
    let mut job = place.job(Wanted::All);
    let interrupted = job.interrupted.clone();
    let interrupt = move |note: &str| {
        if note.starts_with("fine-tuning the whole model") {
            interrupted.store(true, Ordering::Relaxed);
        }
    };
    job.notice = Box::new(interrupt);
    let report = train(job).unwrap();
    assert_eq!(
        (report.strategy.as_str(), report.train.ended),
        ("probe", "interrupted")
    );
    check_run(&place, &report);

    let second = self::place("test_vgg", &both());
    let job = second.job(Wanted::All);
    job.interrupted.store(true, Ordering::Relaxed);
    let error = train(job).err().unwrap().to_string();
    assert!(error.contains("the features of 0 of 24 images"), "{error}");
    assert!(!second.run.exists());
}

#[test]
fn features_are_kept_and_advice_is_given() {
    let place = place("test_resnet", &both());
    let cache = place.run.with_file_name("features");
    let sources = Sources::default();
    let mut seen = 0;
    let mut advise_now = || {
        let mut progress = |done: usize, _| seen += usize::from(done > 0);
        let advised = advise(
            &place.recipe,
            &sources,
            Some(&cache),
            &mut progress,
            &mut |_| {},
        );
        (advised.unwrap(), std::mem::take(&mut seen))
    };
    let (advised, computed) = advise_now();
    assert!(computed > 0);
    assert_eq!(advised.measured.images, [14, 10]);
    assert_eq!(
        advised.measured.probes.len(),
        advised.measured.logme.as_ref().unwrap().len()
    );
    let measured = &advised.measured;
    assert!(measured.leep_explained.is_some() && measured.distance.is_some());
    assert!(
        advised.quadrant.ends_with("few images"),
        "{}",
        advised.quadrant
    );
    assert!(advised.strategy.parse::<Wanted>().is_ok());
    let (again, computed) = advise_now();
    assert_eq!((again, computed), (advised, 0));
}

#[test]
fn data_that_is_too_small_is_used_or_refused_with_a_reason() {
    // No validation images: the figures are those of the cross-validation.
    let mut without = place("test_resnet", &[("train", TWO)]);
    without.recipe.valid_fraction = 0.0;
    let mut notes = Vec::new();
    let report = train(TransferJob {
        notice: Box::new(|note| notes.push(note.to_string())),
        ..without.job(Wanted::All)
    });
    let report = report.unwrap();
    assert_eq!(
        (report.strategy.as_str(), report.train.valid),
        ("probe", None)
    );
    assert_eq!(report.top1, report.head.cross_validated_top1);
    assert!(
        notes
            .iter()
            .any(|note| note.contains("no images are held out")),
        "{notes:?}"
    );

    // A class with a single image is trained on.
    let lonely = place("test_resnet", &[("train", &[("ants", 12), ("bees", 1)])]);
    let report = train(lonely.job(Wanted::Probe)).unwrap();
    let record = RunRecord::read(&lonely.run).unwrap();
    assert!(report.train.valid.is_some());
    assert!(
        record.warnings[0].contains("fewer than 10 images"),
        "{:?}",
        record.warnings
    );

    let one = place("test_resnet", &[("train", &[("ants", 8)])]);
    assert!(one.refused().contains("`ants` is the only class folder"));
    let mut all_alone = place("test_resnet", &[("train", &[("ants", 1), ("bees", 1)])]);
    all_alone.recipe.valid_fraction = 0.0;
    let refused = all_alone.refused();
    assert!(refused.contains("no class has two images"), "{refused}");
}

#[test]
fn what_cannot_be_transferred_is_refused() {
    let mut place = place("test_resnet", &both());
    let zero = train(TransferJob {
        budget: Duration::ZERO,
        ..place.job(Wanted::Auto)
    });
    assert!(zero.err().unwrap().to_string().contains("the budget is 0"));
    let many = train(place.job(Wanted::Last(9))).err().unwrap().to_string();
    assert!(many.contains("last=9, but the model has"), "{many}");
    let weights = place.recipe.weights.take();
    assert!(place.refused().contains("begins with pretrained weights"));
    place.recipe.weights = Some(
        place
            .run
            .with_file_name("gone.safetensors")
            .display()
            .to_string(),
    );
    assert!(place.refused().contains("gone.safetensors"));
    place.recipe.weights = weights;
    place.recipe.model = "small_cnn(members=mimo(2))".parse().unwrap();
    let refused = place.refused();
    assert!(
        refused.contains("do not fit") || refused.contains("without `members`"),
        "{refused}"
    );
    place.recipe.model = "resnet20".parse().unwrap();
    assert!(place.refused().contains("do not fit the model"));
}

#[test]
fn rows_are_sampled_class_by_class() {
    let labels: Vec<usize> = (0..100).map(|at| usize::from(at % 20 == 0)).collect();
    let values = (0..100).map(|at| at as f32).collect();
    let classes = vec!["a".into(), "b".into()];
    let all = Features::new(values, 1, labels, classes).unwrap();
    let some = measure::sample(&all, 20).unwrap();
    assert_eq!(some.class_counts(), [19, 1]);
    assert!(some.values().windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(measure::sample(&all, 100).unwrap().rows(), 100);
}
