use super::*;

fn probes(list: &[(&str, f64)]) -> Vec<StageProbe> {
    list.iter()
        .map(|(stage, top1)| StageProbe {
            stage: (*stage).into(),
            top1: *top1,
        })
        .collect()
}

/// As for photos of ants and bees: the last stage is best, and the source knows the classes.
fn similar(images: usize) -> Measured {
    Measured {
        images: vec![images; 2],
        probes: probes(&[("layer2", 0.75), ("layer3", 0.88), ("layer4", 0.94)]),
        knn_top1: Some(0.92),
        leep_explained: Some(0.8),
        logme: Some(vec![0.1, 0.3, 0.5]),
        distance: Some(0.3),
    }
}

/// As for drawings: an early stage is best, and the source knows nothing of the classes.
fn different(images: usize) -> Measured {
    Measured {
        images: vec![images; 10],
        probes: probes(&[("layer2", 0.9), ("layer3", 0.85), ("layer4", 0.7)]),
        knn_top1: Some(0.6),
        leep_explained: Some(0.2),
        logme: Some(vec![0.5, 0.4, 0.3]),
        distance: Some(3.0),
    }
}

#[test]
fn the_four_cells_of_the_table() {
    for (measured, quadrant, strategy) in [
        (
            similar(122),
            "similar data, few images",
            "a linear classifier on the features of `layer4`",
        ),
        (
            different(50),
            "different data, few images",
            "a linear classifier on features of all stages",
        ),
        (
            similar(5000),
            "similar data, many images",
            "fine-tuning of the last 2 stages",
        ),
        (
            different(5000),
            "different data, many images",
            "fine-tuning of the whole model",
        ),
    ] {
        let advice = advise(&measured).unwrap();
        assert_eq!(advice.quadrant.to_string(), quadrant);
        assert_eq!(advice.strategy.to_string(), strategy);
        assert_eq!(advice.evidence.len(), 5);
        // The number of images, each figure, and what follows.
        assert_eq!(advice.reasons.len(), 7);
        assert!(!advice.alternatives.contains(&advice.strategy));
        assert!(advice.warnings.is_empty(), "{:?}", advice.warnings);
        let json = serde_json::to_string(&advice).unwrap();
        assert_eq!(serde_json::from_str::<Advice>(&json).unwrap(), advice);
    }
}

#[test]
fn each_figure_can_decide() {
    // The stages speak for neither, since there is one.
    let base = Measured {
        images: vec![100; 4],
        probes: probes(&[("features", 0.8)]),
        ..Measured::default()
    };
    assert!(advise(&base).unwrap().quadrant.similar);
    let changed = |change: fn(&mut Measured)| {
        let mut measured = base.clone();
        change(&mut measured);
        advise(&measured).unwrap().quadrant.similar
    };
    assert!(changed(|m| m.leep_explained = Some(0.5)));
    assert!(!changed(|m| m.leep_explained = Some(0.49)));
    assert!(changed(|m| m.distance = Some(1.0)));
    assert!(!changed(|m| m.distance = Some(1.01)));
    // 0.25 are guessed, so 0.775 are 0.7 of the way.
    assert!(changed(|m| m.knn_top1 = Some(0.78)));
    assert!(!changed(|m| m.knn_top1 = Some(0.77)));
    assert!(changed(|m| m.distance = Some(f64::NAN)));
    let two = |early: f64, late: f64| {
        let mut measured = base.clone();
        measured.probes = probes(&[("early", early), ("late", late)]);
        advise(&measured).unwrap().quadrant.similar
    };
    // Two standard errors of 400 images are 4 points.
    assert!(two(0.83, 0.8));
    assert!(!two(0.85, 0.8));
    let mut logme = base.clone();
    logme.probes = probes(&[("early", 0.8), ("late", 0.8)]);
    logme.logme = Some(vec![0.5, 0.4]);
    let advice = advise(&logme).unwrap();
    assert!(advice.evidence[1].weight < 0.0);
    assert!(advice.reasons[2].contains("LogME is higher for `early`"));
}

#[test]
fn many_needs_enough_of_each_class_and_in_all() {
    let many = |images: Vec<usize>| {
        let measured = Measured {
            images,
            ..similar(1)
        };
        advise(&measured).unwrap().quadrant.many
    };
    assert!(!many(vec![500, 500]));
    assert!(many(vec![1000, 1000]));
    assert!(many(vec![MANY_PER_CLASS; 10]));
    assert!(!many(vec![MANY_PER_CLASS - 1; 100]));
}

#[test]
fn what_may_spoil_the_result_is_said() {
    let mut measured = similar(1);
    measured.images = vec![5, 100];
    let warnings = advise(&measured).unwrap().warnings.join("\n");
    assert!(
        warnings.contains("1 of 2 classes have fewer than 10 images"),
        "{warnings}"
    );
    assert!(
        warnings.contains("100 images and the smallest 5"),
        "{warnings}"
    );
    measured.images = vec![50, 50];
    measured.probes = probes(&[("features", 0.55)]);
    let warnings = advise(&measured).unwrap().warnings.join("\n");
    assert!(
        warnings.contains("hardly more than the 50.0 %"),
        "{warnings}"
    );
}

#[test]
fn nothing_measured_gives_no_advice() {
    assert_eq!(advise(&Measured::default()), None);
    let mut none = similar(0);
    assert_eq!(advise(&none), None);
    none = similar(10);
    none.probes.clear();
    assert_eq!(advise(&none), None);
}
