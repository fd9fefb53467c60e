//! Weights of the classes by the number of their images.

use firebrick_core::ConfigError;
use firebrick_core::loss::{self, Loss};
use firebrick_core::spec::{Spec, Value};
use firebrick_transfer::logistic::ClassWeights;

/// The key of the recipe, and of the losses.
const KEY: &str = "class_weights";

/// The loss with the weights that `asked` for, of a training split with so many images of each class.
///
/// # Errors
/// [`ConfigError`] for another word than `auto`, and for a loss that has no weights of classes, or has some already.
pub(super) fn with_class_weights(
    loss: Box<dyn Loss>,
    asked: Option<&str>,
    images: &[usize],
) -> Result<Box<dyn Loss>, ConfigError> {
    match asked {
        None => Ok(loss),
        Some("auto") => {
            let weights = ClassWeights::Balanced.of(images)?;
            let weights = weights.into_iter().map(Value::Number).collect();
            loss::build(&weighted(loss.spec(), Value::List(weights))?)
        }
        Some(other) => Err(ConfigError::Conflict(format!(
            "{KEY} = {other} is not known: give auto, or weights of your own in the loss, as in 'cross_entropy({KEY}=[1, 2])'"
        ))),
    }
}

/// The spec with these weights where it, or the loss inside it, has a field for them.
fn weighted(mut spec: Spec, weights: Value) -> Result<Spec, ConfigError> {
    let about = loss::REGISTRY.find(&spec)?.about;
    if about.field(KEY).is_some() {
        if spec.get(KEY).is_some() {
            return Err(ConfigError::Conflict(format!(
                "{KEY} = auto, but the loss {spec} has weights of its own: give one of both"
            )));
        }
        spec.set(KEY, weights);
        return Ok(spec);
    }
    let inner = match spec.get("loss") {
        Some(Value::Spec(inner)) => inner.clone(),
        Some(Value::Text(text)) => text.parse()?,
        _ => {
            return Err(ConfigError::Conflict(format!(
                "{KEY} = auto, but the loss {} has no weights of classes: take cross_entropy, or leave {KEY} out",
                spec.name
            )));
        }
    };
    spec.set("loss", weighted(inner, weights)?.into());
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(loss: &str, asked: &str) -> Result<String, String> {
        let loss = loss::build(&loss.parse().unwrap()).unwrap();
        let weighted = with_class_weights(loss, Some(asked), &[30, 10]);
        let weighted = weighted.map_err(|error| error.to_string())?;
        Ok(weighted.spec().to_string())
    }

    #[test]
    fn classes_with_few_images_count_more_as_with_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1], y=[0] * 30 + [1] * 10): [0.66666667, 2.]
        let plain = of("cross_entropy(label_smoothing=0.1)", "auto").unwrap();
        assert!(plain.contains("label_smoothing=0.1"), "{plain}");
        assert!(
            plain.contains("class_weights=[0.6666666666666666, 2"),
            "{plain}"
        );
        let taught = of("distillation(temperature=2)", "auto").unwrap();
        assert!(taught.contains("temperature=2"), "{taught}");
        assert!(taught.contains("0.6666666666666666, 2"), "{taught}");
    }

    #[test]
    fn what_cannot_be_weighted_is_refused() {
        let twice = of("cross_entropy(class_weights=[1, 2])", "auto").unwrap_err();
        assert!(twice.contains("has weights of its own"), "{twice}");
        let odd = of("cross_entropy", "balanced").unwrap_err();
        assert!(
            odd.contains("class_weights = balanced is not known: give auto"),
            "{odd}"
        );
        assert_eq!(
            with_class_weights(
                loss::build(&Spec::new("cross_entropy")).unwrap(),
                None,
                &[1, 9]
            )
            .unwrap()
            .spec(),
            loss::build(&Spec::new("cross_entropy")).unwrap().spec()
        );
    }
}
