//! One type for all models of this crate.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrick_core::Classifier;

use crate::{LeNet5, ResNet18, ResNetCifar, SmallCnn};

/// A model that is picked by name at run time. Parameter paths and weight files do not show which
/// variant it is: they are those of the model inside.
// A program holds a handful of models, and burn has no module in a box.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum Model {
    /// `lenet5`.
    LeNet5(LeNet5),
    /// `small_cnn`.
    SmallCnn(SmallCnn),
    /// `resnet20` to `resnet110`.
    ResNetCifar(ResNetCifar),
    /// `resnet18`.
    ResNet18(ResNet18),
}

impl Classifier for Model {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        match self {
            Self::LeNet5(model) => model.forward(images),
            Self::SmallCnn(model) => model.forward(images),
            Self::ResNetCifar(model) => model.forward(images),
            Self::ResNet18(model) => model.forward(images),
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::spec::Spec;
    use firebrick_core::state_dict::StateDict;

    use crate::{Input, REGISTRY, architecture, default_input, undrawn};

    #[test]
    fn the_head_is_what_depends_on_the_number_of_classes() {
        let device = firebrick_core::device("flex").unwrap();
        for entry in REGISTRY.entries {
            let spec = Spec::new(entry.name);
            let input = default_input(&spec).unwrap();
            let model = |classes| undrawn(&spec, &Input { classes, ..input }, &device).unwrap();
            let (few, many) = (model(10), model(11));
            let head = architecture(&spec).unwrap().head().unwrap();
            let head = format!("{head}.");
            let others = StateDict::shapes(&many);
            for (few, many) in StateDict::shapes(&few).iter().zip(&others) {
                assert_eq!(few.0, many.0);
                assert_eq!(
                    few.1 != many.1,
                    few.0.starts_with(&head),
                    "{spec}: {}",
                    few.0
                );
            }
            assert!(
                others.iter().any(|(key, _)| key.starts_with(&head)),
                "{spec}"
            );
        }
    }
}
