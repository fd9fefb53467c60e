//! Dropout: zeroes random elements in training and scales up the others.
//!
//! Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
//! JMLR 15 (2014), in the inverted form of PyTorch's `torch.nn.Dropout`:
//!
//! ```text
//! training:    y = x · mask / (1 - p),   each element of mask 0 with probability p, else 1
//! evaluation:  y = x
//! ```
//!
//! Differs from burn's layer: `p = 1` gives zeros where burn refuses it, and the mask comes from
//! a counter-based generator keyed by the scope of the update, so that every device drops the same
//! elements and a resumed run drops what the uninterrupted one would have dropped.

use std::sync::Arc;

use burn::module::{Flag, Module, Param};
use burn::tensor::{Distribution, Tensor};
use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::kernels;
use firebrick_core::probe;
use firebrick_core::random::layer_rng;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::mask::zeroed;
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "dropout";

/// Configuration of [`Dropout`].
///
/// ```
/// use firebrick_regularize::DropoutConfig;
/// let dropout = DropoutConfig::new(0.25).init()?;
/// # Ok::<(), firebrick_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropoutConfig {
    /// Probability of dropping an element, in [0, 1]. 0.5 by default, as in PyTorch.
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
}

impl Default for DropoutConfig {
    fn default() -> Self {
        Self::new(0.5)
    }
}

impl DropoutConfig {
    /// Drops each element with probability `p`.
    #[must_use]
    pub fn new(p: f64) -> Self {
        Self { p, keep: None }
    }

    /// The layer, with training behaviour on.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when `p` or `keep` is not in [0, 1], [`ConfigError::Conflict`] when both are given.
    pub fn init(&self) -> Result<Dropout, ConfigError> {
        Self::ABOUT.check(self)?;
        Ok(Dropout {
            p: drop_probability(NAME, self.p, Self::default().p, self.keep)?,
            training: Param::from_bool(true),
        })
    }
}

impl DropoutUnit for DropoutConfig {
    const ABOUT: About = About::new(
        NAME,
        "drops values in training and scales up the others",
        &[P, KEEP],
    )
    .source("Srivastava et al. 2014, \"Dropout\"; PyTorch's Dropout");

    fn what(&self) -> Result<What, ConfigError> {
        let p = drop_probability(NAME, self.p, Self::default().p, self.keep)?;
        Ok(What::Features(Arc::new(Inverted(p))))
    }
}

/// Drops elements in training; see the [module](self) for the formula.
///
/// It is active where the input's device has autodiff and the layer is not frozen:
/// `model.valid()` turns it off, `.train()` on again, and `freeze` clears the flag for good.
///
/// Inside a [`StepScope`](firebrick_core::random::StepScope), which the trainer enters, the mask is
/// a function of (seed, update, micro-batch, place of the layer in the forward pass). Outside one it
/// comes from burn's generator of the device.
#[derive(Module, Debug)]
pub struct Dropout {
    /// Probability of dropping an element, in [0, 1].
    pub p: f64,
    /// Whether training behaviour is on; freezing turns it off.
    pub training: Param<Flag>,
}

impl Dropout {
    /// # Shapes
    /// `[…]` to the same.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if !self.training.is_enabled() || !input.device().is_autodiff() {
            return input;
        }
        let output = Inverted(self.p).drop(input);
        if self.p > 0.0 {
            probe::record("Dropout", None, &output, 0);
        }
        output
    }
}

/// The probability of dropping.
#[derive(Debug)]
struct Inverted(f64);

impl Inverted {
    fn drop<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if self.0 <= 0.0 {
            return input;
        }
        if self.0 >= 1.0 {
            // 1 / (1 - p) is infinite; and 0 · inf in the input would be NaN.
            return zeroed(input);
        }
        let keep = 1.0 - self.0;
        match layer_rng() {
            Some(mut rng) => kernels::dropout(input, keep, [rng.next_u64(), rng.next_u64()]),
            None => {
                let mask = input.random_like(Distribution::Bernoulli(keep));
                input * (mask * (1.0 / keep))
            }
        }
    }
}

impl Perturbation for Inverted {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        self.drop(features)
    }

    fn shifts_variance(&self) -> bool {
        self.0 > 0.0
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::DType;
    use firebrick_core::gradcheck::GradCheck;
    use firebrick_core::random::StepScope;

    use super::*;

    const SCOPE: StepScope = StepScope {
        seed: 7,
        step: 3,
        micro_batch: 0,
        updates: None,
    };

    fn ones(device: &str) -> Tensor<4> {
        let device = firebrick_core::device(device).unwrap().autodiff();
        Tensor::ones([8, 4, 20, 20], &device)
    }

    fn dropped(prob: f64, input: Tensor<4>) -> Vec<f32> {
        let layer = DropoutConfig::new(prob).init().unwrap();
        let output = SCOPE.enter(|| layer.forward(input));
        output.into_data().iter::<f32>().collect()
    }

    #[test]
    fn the_mask_is_pinned() {
        let output = dropped(0.5, ones("flex"));
        let kept: Vec<_> = output.iter().map(|value| u8::from(*value > 0.0)).collect();
        assert_eq!(kept[..16], [0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1]);
    }

    #[test]
    fn the_dropped_share_is_prob_and_the_mean_stays() {
        for prob in [0.1, 0.5, 0.9] {
            let output = dropped(prob, ones("flex"));
            let count = output.len() as f64;
            let zeros = output.iter().filter(|value| **value == 0.0).count() as f64 / count;
            // Five standard deviations of a share of 12 800 draws.
            let bound = 5.0 * (prob * (1.0 - prob) / count).sqrt();
            assert!((zeros - prob).abs() < bound, "{prob}: {zeros}");
            let mean = output.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
            assert!((mean - 1.0).abs() < bound / (1.0 - prob), "{prob}: {mean}");
            let kept = (1.0 / (1.0 - prob)) as f32;
            assert!(output.iter().all(|value| *value == 0.0 || *value == kept));
        }
    }

    #[test]
    fn every_device_drops_the_same_elements() {
        let reference = dropped(0.3, ones("flex"));
        for name in ["ndarray", "wgpu"] {
            match firebrick_core::device(name) {
                Ok(_) => assert_eq!(dropped(0.3, ones(name)), reference, "{name}"),
                Err(error) => println!("SKIPPED: {error}"),
            }
        }
    }

    #[test]
    fn the_scope_decides_the_mask_and_layers_differ() {
        let layer = DropoutConfig::new(0.5).init().unwrap();
        let both = |scope: StepScope| {
            scope.enter(|| {
                let first = layer.forward(ones("flex")).into_data();
                (first, layer.forward(ones("flex")).into_data())
            })
        };
        let (first, second) = both(SCOPE);
        assert_ne!(first, second);
        assert_eq!((first.clone(), second), both(SCOPE));
        assert_ne!(first, both(StepScope { step: 4, ..SCOPE }).0);
    }

    #[test]
    fn outside_a_scope_the_device_draws() {
        let layer = DropoutConfig::new(0.5).init().unwrap();
        let output: Vec<f32> = layer.forward(ones("flex")).into_data().iter().collect();
        let zeros = output.iter().filter(|value| **value == 0.0).count();
        assert!((5600..7200).contains(&zeros), "{zeros} of {}", output.len());
        assert!(output.iter().all(|value| *value == 0.0 || *value == 2.0));
    }

    #[test]
    fn prob_0_is_the_identity_and_prob_1_gives_zeros() {
        assert!(dropped(0.0, ones("flex")).iter().all(|value| *value == 1.0));
        let input = ones("flex") * f32::INFINITY;
        assert!(dropped(1.0, input).iter().all(|value| *value == 0.0));
        let input = ones("flex").require_grad();
        let layer = DropoutConfig::new(1.0).init().unwrap();
        let gradients = layer.forward(input.clone()).sum().backward();
        let gradient = input.grad(&gradients).unwrap();
        assert_eq!(gradient.abs().sum().into_scalar::<f32>(), 0.0);
    }

    #[test]
    fn evaluation_and_freezing_turn_it_off() {
        let layer = DropoutConfig::new(0.5).init().unwrap();
        let input = ones("flex");
        let same = |layer: &Dropout, input: Tensor<4>| {
            let before = input.to_data();
            SCOPE.enter(|| layer.forward(input)).into_data() == before
        };
        assert!(!same(&layer, input.clone()));
        assert!(same(&layer, input.clone().inner()), "no autodiff");
        assert!(same(&layer.clone().freeze(), input.clone()), "frozen");
        assert!(
            same(&layer.clone().freeze().valid().train(), input.clone()),
            "freezing outlives a visit to evaluation"
        );
        assert!(same(&layer.valid(), input.clone()), "evaluation");
        assert!(!same(&layer.valid().train(), input), "training again");
    }

    #[test]
    fn gradients_are_those_of_the_mask() {
        let device = firebrick_core::device("flex").unwrap();
        let input = Tensor::<2>::random([6, 7], Distribution::Default, &device);
        let layer = DropoutConfig::new(0.4).init().unwrap();
        let report = GradCheck::in_f64().tensor("input", &input, |input| {
            SCOPE.enter(|| layer.forward(input.powi_scalar(2))).sum()
        });
        report.assert_within(1e-7);
    }

    #[test]
    fn in_f64_what_is_kept_is_scaled_in_f64() {
        let layer = DropoutConfig::new(0.4).init().unwrap();
        let input = ones("flex").cast(DType::F64);
        let output = SCOPE.enter(|| layer.forward(input)).into_data();
        let kept = output.iter::<f64>().fold(0.0, f64::max);
        assert!((kept - 1.0 / 0.6).abs() < 1e-15, "{kept}");
    }

    #[test]
    fn a_probability_outside_its_range_is_named() {
        for prob in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = DropoutConfig::new(prob).init().unwrap_err().to_string();
            assert!(error.contains("dropout: p = "), "{error}");
        }
    }
}
