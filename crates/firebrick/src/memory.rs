//! An estimate of the memory that training needs, so that a run that cannot fit is refused at its start.
//!
//! The estimate is a lower bound: weights, gradients, optimizer state, the outputs of layers that the backward pass
//! needs, and the pixels of a batch. A run that is refused could not have fit; a run that just passes may still need
//! more than there is.

use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, ConfigError, Recipe};
use firebrick_zoo::{Architecture, Input};

/// Bytes of a value.
const VALUE: u64 = 4;
/// Sides above this are measured on a smaller image: outputs of layers grow with the area.
const PROBE_SIDE: usize = 96;
/// Devices whose tensors lie in the memory of the system.
const HOST_DEVICES: [&str; 2] = ["flex", "ndarray"];

/// What training needs at least, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainingMemory {
    /// Weights, their gradients, the state of the optimizer.
    pub model: u64,
    /// Outputs of layers and pixels, for each image of a batch.
    pub image: u64,
    /// Images in a batch.
    pub batch: u64,
}

impl TrainingMemory {
    /// The memory to train a recipe with a model of the zoo on images of `input`.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong with the model or the optimizer.
    pub fn of(recipe: &Recipe, input: &Input) -> Result<Self, ConfigError> {
        let architecture = firebrick_zoo::architecture(&recipe.model)?;
        Self::of_model(recipe, &*architecture, input)
    }

    /// The memory to train a recipe with a model of this architecture.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_model<M: Classifier>(
        recipe: &Recipe,
        architecture: &dyn Architecture<M>,
        input: &Input,
    ) -> Result<Self, ConfigError> {
        let device = firebrick_core::device("flex")
            .or_else(|_| firebrick_core::device(&recipe.device))
            .map_err(|error| ConfigError::Conflict(error.to_string()))?;
        let model = architecture.undrawn(input, &device)?;
        let (mut weights, mut state) = (0_u64, 0_u64);
        for (key, shape) in StateDict::shapes(&model) {
            weights = weights.saturating_add(shape.iter().product::<usize>() as u64);
            if !key.contains("running_") {
                let kept = firebrick_optim::optimizer::memory(&recipe.optimizer, &shape);
                state = state.saturating_add(kept as u64);
            }
        }
        let [height, width] = [input.height, input.width].map(|side| side.min(PROBE_SIDE));
        let small = Input {
            height,
            width,
            ..*input
        };
        let probed = architecture.model(&small, 0, &device)?;
        let layers = firebrick_zoo::describe(&probed, &small).layers;
        let area = (input.height * input.width) as f64 / (height * width) as f64;
        let mut values = (input.channels * input.height * input.width) as f64;
        for layer in &layers {
            let outputs = layer.shape.iter().product::<usize>() as f64;
            values += match (layer.kind.as_str(), layer.shape.len()) {
                // The same for every size of the image.
                (_, 4) if layer.shape[2..] == [1, 1] => outputs,
                // Its output, and what batch norm or the activation makes of it.
                ("Conv2d" | "BatchConv2d", _) => 2.0 * outputs * area,
                (_, 4) if layer.kind.contains("Pool") => outputs * area,
                (_, 4) => 0.0,
                _ => outputs,
            };
        }
        Ok(Self {
            model: weights
                .saturating_mul(2)
                .saturating_add(state)
                .saturating_mul(VALUE),
            image: (values * VALUE as f64) as u64,
            batch: recipe.batch_size as u64,
        })
    }

    /// The sum for a whole batch.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.model
            .saturating_add(self.image.saturating_mul(self.batch))
    }

    /// Refuses what does not fit into `free` bytes.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] with both numbers and the way out.
    pub fn check(&self, free: u64) -> Result<(), ConfigError> {
        if self.total() <= free {
            return Ok(());
        }
        let fits = free.saturating_sub(self.model) / self.image.max(1);
        let way_out = if self.model > free {
            "the model alone does not fit: use a smaller model, or an optimizer that keeps less state"
                .into()
        } else if fits == 0 {
            "one image alone does not fit: reduce --image-size".to_string()
        } else {
            format!(
                "use --batch-size {fits} instead of {}, with --accumulate {} to average over as many images; or reduce --image-size",
                self.batch,
                self.batch.div_ceil(fits)
            )
        };
        Err(ConfigError::Conflict(format!(
            "training needs about {}, but {} are free: {way_out}",
            memory(self.total()),
            memory(free)
        )))
    }
}

/// Refuses a recipe that does not fit into `free` bytes, on a device whose tensors lie there.
pub(crate) fn check<M: Classifier>(
    recipe: &Recipe,
    architecture: &dyn Architecture<M>,
    input: &Input,
    free: Option<u64>,
) -> Result<(), ConfigError> {
    let Some(free) = free.filter(|_| HOST_DEVICES.contains(&recipe.device.as_str())) else {
        return Ok(());
    };
    TrainingMemory::of_model(recipe, architecture, input)?.check(free)
}

/// Refuses a model whose weights and one image do not fit into `free` bytes.
///
/// # Errors
/// [`ConfigError`] with both numbers, or naming what is wrong with the model.
pub fn check_model(model: &Spec, input: &Input, free: u64) -> Result<(), ConfigError> {
    let device = firebrick_core::device("flex")
        .or_else(|_| firebrick_core::device("ndarray"))
        .map_err(|error| ConfigError::Conflict(error.to_string()))?;
    let values = input
        .channels
        .saturating_mul(input.height)
        .saturating_mul(input.width);
    let shapes = StateDict::shapes(&firebrick_zoo::undrawn(model, input, &device)?);
    let weights = shapes
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>());
    let needs = (weights.sum::<usize>() as u64 + values as u64).saturating_mul(VALUE);
    if needs <= free {
        return Ok(());
    }
    Err(ConfigError::Conflict(format!(
        "this model needs about {}, but {} are free: use fewer classes or a smaller input",
        memory(needs),
        memory(free)
    )))
}

/// `3.1 GB`, or `310 MB` below one.
fn memory(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{} MB", bytes.div_ceil(1_000_000))
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(change: impl Fn(&mut Recipe, &mut Input)) -> TrainingMemory {
        let mut recipe = Recipe {
            model: "resnet18".parse().unwrap(),
            optimizer: "sgd(momentum=0.9)".parse().unwrap(),
            ..Recipe::default()
        };
        let mut input = firebrick_zoo::default_input(&recipe.model).unwrap();
        change(&mut recipe, &mut input);
        TrainingMemory::of(&recipe, &input).unwrap()
    }

    #[test]
    fn it_grows_with_what_it_is_made_of() {
        let plain = needs(|_, _| {});
        // 11.7 million weights, gradients and momenta of four bytes.
        assert_eq!(plain.model / 1_000_000, 140);
        let adam = needs(|recipe, _| recipe.optimizer = "adam".parse().unwrap());
        assert_eq!((adam.model - plain.model) / 1_000_000, 46);
        assert_eq!(adam.image, plain.image);
        // 2.48 million outputs of convolutions, the fused batch norm beside each.
        assert!(
            (20_000_000..28_000_000).contains(&plain.image),
            "{}",
            plain.image
        );
        let half = needs(|_, input| (input.height, input.width) = (112, 112));
        let ratio = plain.image as f64 / half.image as f64;
        assert!((3.9..4.1).contains(&ratio), "{ratio}");
        let double = needs(|recipe, _| recipe.batch_size *= 2);
        assert_eq!(double.total() - plain.total(), 64 * plain.image);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_way_out() {
        let plain = needs(|_, _| {});
        plain.check(plain.total()).unwrap();
        let refused = |free: u64| plain.check(free).unwrap_err().to_string();
        let short = refused(plain.total() - 1);
        assert!(
            short.contains("use --batch-size 63 instead of 64"),
            "{short}"
        );
        assert!(
            short.contains("--accumulate 2") && short.contains("GB are free"),
            "{short}"
        );
        let less = refused(plain.model + 16 * plain.image);
        assert!(
            less.contains("--batch-size 16") && less.contains("--accumulate 4"),
            "{less}"
        );
        assert!(
            refused(plain.model).contains("one image alone"),
            "{}",
            refused(plain.model)
        );
        assert!(
            refused(1 << 20).contains("the model alone"),
            "{}",
            refused(1 << 20)
        );
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_before_it_is_drawn() {
        let input = Input {
            channels: 3,
            height: 4096,
            width: 4096,
            classes: 1_000_000,
        };
        let check = |free: u64| check_model(&"lenet5".parse().unwrap(), &input, free);
        // 2 086 499 876 weights and 50 331 648 pixels.
        let error = check(8_547_326_095).unwrap_err().to_string();
        assert!(
            error.contains("needs about 8.5 GB, but 8.5 GB are free"),
            "{error}"
        );
        check(8_547_326_096).unwrap();
    }

    #[test]
    fn every_model_can_be_estimated() {
        for entry in firebrick_zoo::TINY.entries() {
            let spec = firebrick_core::spec::Spec::new(entry.about.name);
            let memory = needs(|recipe, input| {
                recipe.model = spec.clone();
                *input = firebrick_zoo::default_input(&spec).unwrap();
                (input.height, input.width) = (4096, 4096);
            });
            assert!(memory.image > 100_000_000, "{spec}: {memory:?}");
        }
    }
}
