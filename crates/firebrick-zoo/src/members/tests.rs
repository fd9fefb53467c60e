use firebrick_core::spec::Spec;

use super::Members;
use crate::canonical;

fn error(members: &str) -> String {
    let spec = members.parse().unwrap();
    Members::from_spec(&spec).unwrap_err().to_string()
}

#[test]
fn specs_are_read_and_spelled_out() {
    for (written, full) in [
        ("one", "one"),
        (
            "batch_ensemble(3)",
            "batch_ensemble(members=3, fast_weights=normal)",
        ),
        (
            "batch_ensemble(fast_weights=signs)",
            "batch_ensemble(members=4, fast_weights=signs)",
        ),
        (
            "packed(2, alpha=1.5)",
            "packed(members=2, alpha=1.5, gamma=1)",
        ),
        (
            "mimo",
            "mimo(members=3, batch_repetitions=1, input_repetition=0.0)",
        ),
    ] {
        let members = Members::from_spec(&written.parse().unwrap()).unwrap();
        assert_eq!(members.spec().to_string(), full);
        assert_eq!(Members::from_spec(&members.spec()).unwrap(), members);
        for model in ["resnet20", "resnet18", "small_cnn"] {
            let spec: Spec = format!("{model}(members={written})").parse().unwrap();
            // Networks without members have the spec that they had before there were any.
            let expected = (full != "one").then(|| format!("members={full}"));
            let canonical = canonical(&spec).unwrap().to_string();
            assert_eq!(
                canonical.contains("members"),
                expected.is_some(),
                "{canonical}"
            );
            assert!(
                expected.is_none_or(|expected| canonical.contains(&expected)),
                "{canonical}"
            );
        }
    }
}

#[test]
fn mistakes_are_named() {
    for (members, needle) in [
        ("packd", "unknown members `packd` (did you mean `packed`?)"),
        ("one(2)", "takes at most 0"),
        ("packed(0)", "packed: members = 0"),
        ("packed(65)", "must be a whole number in [1, 64]"),
        ("packed(2, alpha=0)", "packed: alpha = 0"),
        ("packed(2, alpha=nan)", "packed: alpha = NaN"),
        ("packed(2, gama=2)", "did you mean `gamma`?"),
        ("batch_ensemble(fast_weights=ones)", "fast_weights"),
        ("batch_ensemble(1.5)", "batch_ensemble"),
        ("mimo(input_repetition=1.5)", "mimo: input_repetition = 1.5"),
        ("mimo(batch_repetitions=0)", "mimo: batch_repetitions = 0"),
    ] {
        let error = error(members);
        assert!(error.contains(needle), "{members}: {error}");
    }
}

#[test]
fn planes_that_cannot_be_divided_are_refused() {
    for (spec, needle) in [
        (
            "resnet20(members=packed(3))",
            "resnet20: packed: 16 planes times alpha 2 make 32, which cannot be divided into 3 members of 1 group; choose an alpha that makes a multiple of 3",
        ),
        (
            "resnet18(members=packed(4, alpha=1, gamma=32))",
            "into 4 members of 32 groups",
        ),
        (
            "small_cnn(width=2, members=packed(2, alpha=0.4))",
            "2 planes times alpha 0.4 make 0",
        ),
    ] {
        let error = canonical(&spec.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(needle), "{spec}: {error}");
    }
    for spec in [
        "resnet20(members=packed(3, alpha=3))",
        "resnet20(members=packed(3, alpha=1.5))",
        "small_cnn(members=packed(4, alpha=1, gamma=4))",
    ] {
        canonical(&spec.parse().unwrap()).unwrap();
    }
}
