use firebrick_core::image::Size;
use serde::Deserialize;

use super::{SeededImage, bytes, short};
use crate::augment::auto_augment::{Policy, pairs};
use crate::augment::policy::{Change, Geometry, Operation, Scale};
use crate::augment::warp::Interpolation;

#[derive(Deserialize)]
struct Golden {
    spaces: Vec<Space>,
    policies: Vec<Pairs>,
    images: Vec<SeededImage>,
    applied: Vec<Applied>,
}

#[derive(Deserialize)]
struct Space {
    space: String,
    width: usize,
    height: usize,
    operations: Vec<Strengths>,
}

#[derive(Deserialize)]
struct Strengths {
    operation: Operation,
    signed: bool,
    magnitudes: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Pairs {
    policy: Policy,
    pairs: Vec<[(Operation, f64, Option<f64>); 2]>,
}

#[derive(Deserialize)]
struct Applied {
    image: usize,
    operation: Operation,
    magnitude: f64,
    filter: Interpolation,
    result: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/augment/policies.json")).unwrap()
}

#[test]
fn operations_and_magnitudes_are_those_of_torchvision() {
    let mut compared = 0;
    for Space {
        space,
        width,
        height,
        operations,
    } in golden().spaces
    {
        let (scale, known) = match space.as_str() {
            "auto" => (Scale::AUTO, None),
            "rand" => (Scale::RAND, Some(&Operation::ALL_BUT_INVERT[..])),
            "wide" => (Scale::WIDE, Some(&Operation::ALL_BUT_INVERT[..])),
            "augmix" => (Scale::AUGMIX, Some(&Operation::OF_AUGMIX[..])),
            other => panic!("{other}"),
        };
        if let Some(known) = known {
            let theirs: Vec<_> = operations.iter().map(|one| one.operation).collect();
            assert_eq!(theirs, known, "{space}");
        }
        for Strengths {
            operation,
            signed,
            magnitudes,
        } in operations
        {
            assert_eq!(operation.is_signed(), signed, "{space} {operation:?}");
            let size = Size::new(width, height);
            let Some(magnitudes) = magnitudes else {
                assert_eq!(
                    scale.magnitude(operation, 1.0, size),
                    None,
                    "{space} {operation:?}"
                );
                continue;
            };
            assert_eq!(magnitudes.len(), scale.steps, "{space}");
            for (step, expected) in magnitudes.into_iter().enumerate() {
                let found = scale.magnitude(operation, step as f64, size).unwrap();
                // To the last bit of single precision: pixels are cut off to whole ones.
                assert_eq!(found, expected, "{space} {operation:?} {step} on {size}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn the_searched_policies_are_those_of_torchvision() {
    for Pairs {
        policy,
        pairs: expected,
    } in golden().policies
    {
        let found = pairs(policy).iter().map(|pair| {
            pair.map(|(operation, prob, step)| {
                let has_magnitude = Scale::AUTO
                    .magnitude(operation, step, Size::new(1, 1))
                    .is_some();
                (operation, prob, has_magnitude.then_some(step))
            })
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{policy:?}");
    }
}

#[test]
fn operations_change_images_as_in_torchvision() {
    let golden = golden();
    let images: Vec<_> = golden.images.iter().map(SeededImage::draw).collect();
    let (mut exact, mut moved, mut far) = (0, 0, 0);
    for Applied {
        image,
        operation,
        magnitude,
        filter,
        result,
    } in golden.applied
    {
        let change = Change {
            operation,
            magnitude: Some(magnitude),
        };
        let changed = change.apply(images[image].clone(), Geometry::new(filter, 0.0));
        let of = &golden.images[image];
        let name = format!("{operation:?} {magnitude} {filter:?} of {of:?}");
        if !operation.is_geometric() {
            assert_eq!(short(&changed.pixels), result, "{name}");
            exact += 1;
            continue;
        }
        let expected = bytes(&result);
        assert_eq!(changed.pixels.len(), expected.len(), "{name}");
        for (found, expected) in changed.pixels.iter().zip(expected) {
            moved += 1;
            far += usize::from(found.abs_diff(expected) > 1);
        }
    }
    // Pillow's geometry is in fixed point, so a pixel may come from the one beside.
    assert!(
        far * 200 <= moved,
        "{far} of {moved} values are more than one level off"
    );
    assert!(exact > 90 && moved > 10_000, "{exact} {moved}");
}
