//! What made-up runs say of their images and of what their model looks at.

use firebrick_types::run::{
    CheckedImage, Copies, CopiesOfSplit, DATA_CHECK, DataCheck, EXPLAINED, Explained,
    ExplainedMistake, FEATURE_MAP, FILTERS, FeatureMap, Filters, ImageCopy, Likeness, Mistake,
    NearestImage, Picture, RunRecord, SplitCounts,
};

/// Adds the sections to a record that has classes and mistakes; `name` is that of every image.
pub(crate) fn add(run: &mut RunRecord, name: &str) {
    let sections = [
        (DATA_CHECK, serde_json::to_value(data_check(run, name))),
        (FILTERS, serde_json::to_value(filters(name))),
        (EXPLAINED, serde_json::to_value(explained(run, name))),
        (
            FEATURE_MAP,
            serde_json::to_value(feature_map(run.classes.len(), name)),
        ),
    ];
    for (section, value) in sections {
        run.sections
            .insert(section.into(), value.expect("plain data"));
    }
}

fn picture(mistake: &Mistake) -> Picture {
    Picture {
        size: mistake.size,
        pixels: mistake.pixels.clone(),
    }
}

fn data_check(run: &RunRecord, name: &str) -> DataCheck {
    let counts = |split: &str, most: usize| SplitCounts {
        split: split.into(),
        per_class: (0..run.classes.len())
            .map(|class| most / (class + 1))
            .collect(),
    };
    let image = |split: &str, at: usize| CheckedImage {
        name: name.into(),
        split: split.into(),
        class: at,
        picture: run.mistakes.get(at).map(picture).unwrap_or_default(),
    };
    let copy = |at: usize| ImageCopy {
        image: image("valid", at),
        of: image("train", at + 1),
        likeness: [Likeness::File, Likeness::Pixels, Likeness::Near][at % 3],
    };
    DataCheck {
        splits: vec![counts("train", 900), counts("valid", 100)],
        copies: Copies {
            files: 1500,
            pixels: Some(1400),
            found: vec![CopiesOfSplit {
                split: "valid".into(),
                images: 100,
                copies: 7,
                other_class: 2,
            }],
            shown: (0..3).map(copy).collect(),
        },
    }
}

fn filters(name: &str) -> Filters {
    let [wide, high] = [16 * 30 - 2, 4 * 30 - 2];
    Filters {
        path: format!("{name}.weight"),
        kernels: 96,
        size: [7, 7],
        picture: Picture {
            size: [wide, high, 1],
            pixels: (0..wide * high).map(|at| (at * at % 251) as u8).collect(),
        },
        shown: 64,
    }
}

fn explained(run: &RunRecord, name: &str) -> Explained {
    let near = |mistake: &Mistake, at: usize| NearestImage {
        name: name.into(),
        class: mistake.truth + at,
        cosine: 0.9 - 0.1 * at as f64,
        picture: picture(mistake),
    };
    let mistakes = run.mistakes.iter().take(8).map(|mistake| ExplainedMistake {
        heat: Some(picture(mistake)),
        nearest: (0..3).map(|at| near(mistake, at)).collect(),
    });
    Explained {
        stage: name.into(),
        among: 1000,
        of: 45_000,
        mistakes: mistakes.collect(),
    }
}

/// A spiral of each class.
fn feature_map(classes: usize, name: &str) -> FeatureMap {
    let images = 40 * classes.max(1);
    let place = |at: usize, turn: f64| {
        let (class, step) = ((at % classes.max(1)) as f64, (at / classes.max(1)) as f64);
        let angle = turn * class + 0.05 * step;
        (
            (3.0 + 0.05 * step) * angle.cos(),
            (3.0 + 0.05 * step) * angle.sin(),
        )
    };
    FeatureMap {
        split: "test".into(),
        of: 10_000,
        width: 84,
        names: vec![name.into(); images],
        labels: (0..images).map(|at| at % classes.max(1)).collect(),
        right: (0..images).map(|at| at % 17 != 0).collect(),
        pca: (0..images).map(|at| place(at, 0.6)).collect(),
        shares: (0.41, 0.17),
        tsne: (0..images).map(|at| place(at, 2.1)).collect(),
    }
}
