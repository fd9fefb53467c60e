//! What the report of a run says of the model.

use firebrick_core::Recipe;
use firebrick_core::run::{Explained, FeatureMap, Filters};

use super::explained::{MOST_EXPLAINED, NEAREST};
use super::*;
use crate::{Job, train};

fn record(change: impl Fn(&mut Recipe)) -> RunRecord {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let mut recipe = Recipe {
        dataset: "glyphs(train=216, test=54)".into(),
        model: "lenet5".parse().unwrap(),
        epochs: 1,
        batch_size: 24,
        valid_fraction: 0.25,
        ..Recipe::default()
    };
    change(&mut recipe);
    train(Job::new(recipe, &run)).unwrap();
    RunRecord::read(&run).unwrap()
}

#[test]
fn a_report_has_filters_maps_and_what_explains_the_mistakes() {
    let record = record(|_| {});
    let filters: Filters = record.section(FILTERS).unwrap().unwrap();
    assert_eq!(
        (filters.kernels, filters.size, filters.shown),
        (6, [5, 5], 6)
    );
    assert_eq!(filters.picture.size, [6 * 27 - 2, 25, 1]);

    let map: FeatureMap = record.section(FEATURE_MAP).unwrap().unwrap();
    assert_eq!((map.split.as_str(), map.of, map.width), ("test", 54, 84));
    for length in [
        map.labels.len(),
        map.names.len(),
        map.pca.len(),
        map.tsne.len(),
    ] {
        assert_eq!(length, 54);
    }
    assert!(map.shares.0 >= map.shares.1 && map.shares.1 > 0.0);
    let right = map.right.iter().filter(|right| **right).count();
    let top1 = record.test.unwrap().top1;
    assert_eq!(right, (54.0 * top1).round() as usize);

    let explained: Explained = record.section(EXPLAINED).unwrap().unwrap();
    assert_eq!((explained.among, explained.of), (162, 162));
    let shown = record.mistakes.len().min(MOST_EXPLAINED);
    assert_eq!(explained.mistakes.len(), shown);
    assert!(shown > 0, "one epoch is not enough to make no mistakes");
    assert_eq!(explained.stage, "conv2");
    for mistake in &explained.mistakes {
        assert_eq!(mistake.heat.as_ref().unwrap().size, [96, 96, 3]);
        assert_eq!(mistake.nearest.len(), NEAREST);
        let cosines: Vec<f64> = mistake.nearest.iter().map(|near| near.cosine).collect();
        assert!(
            cosines.windows(2).all(|pair| pair[0] >= pair[1]),
            "{cosines:?}"
        );
    }
    let html = firebrick_report::page(&[record]);
    for id in ["images", "filters", "features", "mistakes"] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    assert!(html.contains("class=\"nearest\""));
}

#[test]
fn a_model_without_stages_has_filters_alone() {
    let record = record(|recipe| recipe.model = "small_cnn(members=mimo(2))".parse().unwrap());
    assert!(record.section::<FeatureMap>(FEATURE_MAP).unwrap().is_none());
    assert!(record.section::<Explained>(EXPLAINED).unwrap().is_none());
    assert_eq!(record.warnings, Vec::<String>::new());
}

#[test]
fn what_the_report_shows_changes_no_weight() {
    let of = |test: bool| {
        let temp = tempfile::tempdir().unwrap();
        let recipe = Recipe {
            dataset: "glyphs(train=108, test=27)".into(),
            model: "lenet5".parse().unwrap(),
            epochs: 2,
            batch_size: 24,
            ..Recipe::default()
        };
        let run = temp.path().join("run");
        crate::train::run(Job::new(recipe, &run), test).unwrap();
        std::fs::read(run.join("model.safetensors")).unwrap()
    };
    assert_eq!(of(true), of(false));
}
