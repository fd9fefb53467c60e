//! Features against those that the network gives directly, and files of them.

use std::path::Path;

use burn::tensor::Tensor;
use firebrick_core::data::{Dataset, Preprocessing};
use firebrick_datasets::OpenOptions;
use firebrick_zoo::{Head, Input};

use super::*;
use crate::TrainedModel;

fn model(name: &str) -> TrainedModel {
    let device = firebrick_core::device("flex").unwrap();
    let input = Input {
        channels: 3,
        height: 40,
        width: 40,
        classes: 10,
    };
    let spec = name.parse().unwrap();
    let network = firebrick_zoo::build(&spec, &input, 3, &device).unwrap();
    TrainedModel {
        info: ModelInfo {
            model: spec,
            classes: (0..10).map(|class| class.to_string()).collect(),
            preprocessing: Preprocessing {
                mean: vec![0.5; 3],
                std: vec![0.25; 3],
                ..Preprocessing::unnormalized(3, 40, 40)
            },
        },
        network,
        device,
    }
}

fn glyphs() -> std::sync::Arc<dyn Dataset> {
    let options = OpenOptions::default();
    let splits = firebrick_datasets::open("glyphs(train=50, test=9)", &options).unwrap();
    splits.train
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0));
    }
}

#[test]
fn features_are_those_of_the_network_image_by_image() {
    for name in ["test_squeezenet", "test_vgg", "test_densenet", "resnet20"] {
        let model = model(name);
        let backbone = model.network.backbone().unwrap();
        let stages = backbone.stages();
        let extractor = Extractor::all(&model).unwrap().with_logits();
        let names: Vec<_> = extractor.stages().map(|stage| stage.name.clone()).collect();
        let mut expected: Vec<_> = stages.iter().map(|stage| stage.name.clone()).collect();
        expected.extend((extractor.pooled() == POOLED).then(|| POOLED.to_string()));
        expected.push(LOGITS.into());
        assert_eq!(names, expected, "{name}");

        let data = glyphs();
        let found = extractor
            .of_dataset(&data, &Pass::default(), &mut |_, _| {})
            .unwrap();
        assert_eq!(found.computed, data.len());
        let image = data.get(7).unwrap().image;
        let mut pixels = Vec::new();
        let fitted = fit(image.clone(), &model.info.preprocessing);
        model
            .info
            .preprocessing
            .normalize_into(&fitted, &mut pixels);
        let input = extractor.input(pixels, 1);
        for (stage, planes) in stages.iter().zip(backbone.features(input.clone())) {
            let features = found.stage(&stage.name).unwrap();
            near(
                features.row(7),
                &values(planes.mean_dim(2).mean_dim(3).flatten(1, 3)),
            );
            assert_eq!(features.labels()[7], data.label(7));
            assert_eq!(features.name(7), data.describe(7));
        }
        let pooled = found.stage(extractor.pooled()).unwrap();
        near(pooled.row(7), &values(backbone.pooled(input.clone())));
        near(
            found.stage(LOGITS).unwrap().row(7),
            &values(backbone.logits(input)),
        );
        assert!(found.stage("none").is_err());

        let of_images = Extractor::new(&model, &[POOLED, LOGITS]).unwrap();
        let row = of_images.of_images(&[data.get(3).unwrap().image, image]);
        assert_eq!(row.len(), 2 * of_images.width());
        near(&row[of_images.width()..][..pooled.width()], pooled.row(7));
    }
}

#[test]
fn a_file_of_features_goes_on_and_is_of_one_model_and_data_set() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f.features");
    let pass = Pass {
        cache: Some(path.clone()),
        ..Pass::default()
    };
    let (model, data) = (model("test_resnet"), glyphs());
    let all = Extractor::all(&model).unwrap();
    let first = all.of_dataset(&data, &pass, &mut |_, _| {}).unwrap();
    let whole = std::fs::metadata(&path).unwrap().len();
    assert_eq!(first.computed, data.len());
    let before = first.stage(all.pooled()).unwrap();
    // Cut off in the middle of the last block.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(whole - 5).unwrap();
    drop(file);
    // Fewer stages are asked for than the file has.
    let last = Extractor::new(&model, &[POOLED]).unwrap();
    let mut told = Vec::new();
    let second = last
        .of_dataset(&data, &pass, &mut |done, of| told.push((done, of)))
        .unwrap();
    assert!(
        second.notes[0].contains("were not whole"),
        "{:?}",
        second.notes
    );
    assert!(second.computed > 0 && second.computed < data.len());
    assert_eq!(told[0], (data.len() - second.computed, data.len()));
    assert_eq!(told.last(), Some(&(data.len(), data.len())));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    near(
        second.stage(all.pooled()).unwrap().values(),
        before.values(),
    );
    let third = all.of_dataset(&data, &pass, &mut |_, _| {}).unwrap();
    assert_eq!(third.computed, 0);

    // The last layer is not part of what features depend on, unless its scores are taken.
    let mut other = TrainedModel {
        network: model.network.with_head(Head::Linear, 10, 99).unwrap(),
        ..self::model("test_resnet")
    };
    let of = |model: &TrainedModel| Extractor::all(model).unwrap();
    assert_eq!(
        of(&other)
            .of_dataset(&data, &pass, &mut |_, _| {})
            .unwrap()
            .computed,
        0
    );
    let name = |extractor: &Extractor| extractor.cache_file(Path::new("d"), &*data).unwrap();
    assert_eq!(name(&of(&model)), name(&of(&other)));
    assert_ne!(
        name(&of(&model).with_logits()),
        name(&of(&other).with_logits())
    );
    other.info.preprocessing.crop = 0.9;
    let error = of(&other)
        .of_dataset(&data, &pass, &mut |_, _| {})
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("another preprocessing"),
        "{error}"
    );
}

#[test]
fn what_has_no_such_stage_is_refused() {
    let error = Extractor::new(&model("resnet20"), &["layer9"])
        .err()
        .unwrap();
    let error = error.to_string();
    assert!(error.contains("stage of resnet20"), "{error}");
    assert!(error.contains("layer3, logits, pooled"), "{error}");
    let error = Extractor::new(&model("resnet20"), &[]).err().unwrap();
    assert!(error.to_string().contains("no stage is given"), "{error}");
    let error = Extractor::all(&model("small_cnn(members=mimo(2))"))
        .err()
        .unwrap();
    assert!(error.to_string().contains("without `members`"), "{error}");
}

#[test]
fn an_image_that_changes_meanwhile_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    for (at, class) in ["a", "b"].iter().enumerate() {
        let folder = temp.path().join(class);
        std::fs::create_dir(&folder).unwrap();
        for photo in 0..3 {
            let image = Image {
                pixels: vec![(80 * at + 20 * photo) as u8; 3 * 16],
                ..Image::black(4, 4, 3)
            };
            let png = firebrick_report::png(&image);
            std::fs::write(folder.join(format!("{photo}.png")), png.unwrap()).unwrap();
        }
    }
    let open = || {
        let spec = format!("folder:{}", temp.path().display());
        let options = OpenOptions {
            valid_fraction: 0.0,
            ..OpenOptions::default()
        };
        firebrick_datasets::open(&spec, &options).unwrap().train
    };
    let extractor = Extractor::all(&model("test_resnet")).unwrap();
    let changed = temp.path().join("b/2.png");
    let data = open();
    let mut change = |done: usize, _| {
        if done == 0 {
            let mut bytes = std::fs::read(&changed).unwrap();
            bytes.extend([0; 9]);
            std::fs::write(&changed, bytes).unwrap();
        }
    };
    let error = extractor
        .of_dataset(&data, &Pass::default(), &mut change)
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("2.png: this image was changed"),
        "{error}"
    );
    let data = open();
    let mut remove = |done: usize, _| {
        if done == 0 {
            std::fs::remove_file(&changed).unwrap();
        }
    };
    let error = extractor
        .of_dataset(&data, &Pass::default(), &mut remove)
        .err()
        .unwrap();
    assert!(error.to_string().contains("2.png"), "{error}");
}
