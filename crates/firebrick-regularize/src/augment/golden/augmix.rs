use firebrick_core::data::{Drawn, SampleTransform};
use serde::Deserialize;

use super::{SeededImage, bytes};
use crate::augment::augmix::AugMixParams;
use crate::augment::build;

#[derive(Deserialize)]
struct Golden {
    images: Vec<SeededImage>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: String,
    image: usize,
    params: serde_json::Value,
    result: String,
}

/// Bit for bit, but where operations move pixels: there Pillow computes in fixed point.
#[test]
fn images_are_mixed_as_in_torchvision() {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../tests/golden/augment/augmix.json")).unwrap();
    let (mut exact, mut moved, mut far) = (0, 0, 0);
    for Case {
        spec,
        image,
        params,
        result,
    } in golden.cases
    {
        let drawn: AugMixParams = serde_json::from_value(params.clone()).unwrap();
        let mut changes = drawn.chains.iter().flat_map(|chain| &chain.changes);
        let still = changes.all(|change| !change.operation.is_geometric());
        let log = Drawn {
            name: "augmix".into(),
            params: Some(params),
        };
        let original = &golden.images[image];
        let chain = build(&spec.parse().unwrap()).unwrap();
        let changed = chain.replay(original.draw(), &[log]).unwrap();
        let expected = bytes(&result);
        if still {
            assert_eq!(changed.pixels, expected, "{spec} of {original:?}");
            exact += 1;
            continue;
        }
        assert_eq!(changed.pixels.len(), expected.len());
        for (found, expected) in changed.pixels.iter().zip(expected) {
            moved += 1;
            far += usize::from(found.abs_diff(expected) > 1);
        }
    }
    assert!(
        far * 200 <= moved,
        "{far} of {moved} values are more than one level off"
    );
    assert!(exact >= 12 && moved > 2_000, "{exact} {moved}");
}
