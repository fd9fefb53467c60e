//! Geometric augmentations against torchvision on Pillow images: `xtask/golden/images/geometry.py` writes the values.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use firebrick_core::testkit::photo;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: String,
    source: [usize; 3],
    params: serde_json::Value,
    width: usize,
    height: usize,
    pixels: String,
}

#[test]
fn what_comes_of_the_same_parameters_is_what_torchvision_makes() {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../tests/golden/geometry.json")).unwrap();
    assert!(golden.cases.len() > 70);
    for case in golden.cases {
        let [width, height, channels] = case.source;
        let chain = chain(&case.spec);
        let name = case.spec.split('(').next().unwrap().to_string();
        let exact =
            ["hflip", "vflip", "center_crop", "random_crop", "translate"].contains(&name.as_str());
        let drawn = Drawn {
            name,
            params: Some(case.params.clone()),
        };
        let source = photo(width, height, channels);
        let found = chain.replay(source.clone(), &[drawn]).unwrap();
        let about = format!("{} {:?} of {width} × {height}", case.spec, case.params);
        assert_eq!(found.size(), Size::new(case.width, case.height), "{about}");
        let expected = BASE64_STANDARD.decode(&case.pixels).unwrap();
        let differences = found
            .pixels
            .iter()
            .zip(&expected)
            .map(|(one, other)| one.abs_diff(*other));
        let most = differences.clone().max().unwrap_or(0);
        let beyond = differences.filter(|difference| *difference > 1).count();
        let share = beyond as f64 / expected.len() as f64;
        if ["center_crop", "resize"]
            .iter()
            .any(|name| case.spec.starts_with(name))
        {
            // They draw nothing: the parameters follow from the size.
            let subject = subject();
            let found_alone = chain.transform(source, &subject, &mut subject.rng(), None);
            assert_eq!(found_alone.as_ref(), Ok(&found), "{about}");
        }
        if exact {
            assert_eq!(most, 0, "{about}");
        }
        // Measured: at most 0.13 % of the values, where rounding decides which pixel is the nearest.
        assert!(share <= 0.005, "{about}: {most} levels, {share} beyond one");
    }
}
