use serde::{Deserialize, Serialize};

use super::*;
use crate::about::{About, Configure};

/// A rule that loses a value.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Forgetful {}

impl Configure for Forgetful {
    const ABOUT: About = About {
        name: "forgetful",
        aliases: &[],
        summary: "loses a value",
        source: "none",
        fields: &[],
        cost: "none",
    };
}

impl Rule for Forgetful {
    fn state(&self) -> StateNames {
        StateNames::NONE
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        tensors.into_iter().skip(1).map(|one| one.value).collect()
    }
}

fn step_forgetful(paths: [&str; 2]) -> String {
    let device = firebrick_core::device("flex").unwrap();
    let one = || Tensor::<1>::ones([1], &device);
    let parameters = paths.map(|path| Parameter {
        path: path.into(),
        shape: vec![1],
        value: one(),
    });
    let step = Step::new(0, 0.1);
    let stepped = PerTensor::new(Forgetful {}).step(
        &step,
        Parameters(parameters.into()),
        Gradients(vec![Some(one()), Some(one())]),
        &mut |_: &Parameters| panic!("no rule here looks ahead"),
    );
    stepped.unwrap_err().to_string()
}

#[test]
fn a_lost_value_and_a_name_used_twice_are_errors() {
    let error = step_forgetful(["a", "b"]);
    assert!(
        error.contains("forgetful") && error.contains("fewer"),
        "{error}"
    );
    let error = step_forgetful(["a", "a"]);
    assert!(error.contains("two parameters are called `a`"), "{error}");
}
