//! DropConnect: drops the weights of a linear layer.
//!
//! Source: Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013, sections 3 and 4, where `1 - p` is called p:
//!
//! ```text
//! training:    y = a((W · M) x),  each element of the mask M 0 with probability p, else 1
//! evaluation:  u ~ N(q·W x, q·p·(W ∘ W)(x ∘ x)),  q = 1 - p;   y = the mean of a(u)
//! ```
//!
//! Masks cover the bias as well. In evaluation, the mean over all masks is approximated by that over a normal distribution with the
//! same mean and variance. The paper draws from it; here it is taken at `samples` points that divide it into parts of equal probability, so
//! that what is predicted for an image does not depend on chance or on other images. `samples = 0` gives `a(q·W x)`, which costs
//! nothing more.

use burn::module::{Flag, Module, Param};
use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::kernels::{keep_mask, linear};
use firebrick_core::nn::{Activation, Linear};
use serde::{Deserialize, Serialize};

use super::drop_path::Mode;
use super::mask::{generator, key, zeroed};
use super::probability::{KEEP, P, drop_probability};
use super::{DropoutUnit, What};

/// The name in spec strings.
pub const NAME: &str = "dropconnect";

/// Configuration of [`DropConnect`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropConnectConfig {
    /// Probability of dropping a weight, in [0, 1].
    pub p: f64,
    /// 1 - p, in place of `p`.
    pub keep: Option<f64>,
    /// A mask for each row, as in the paper, or one for the batch, which takes less memory.
    pub mode: Mode,
    /// Points of the normal distribution in evaluation; 0 for its mean alone.
    pub samples: usize,
}

impl Default for DropConnectConfig {
    fn default() -> Self {
        Self {
            p: 0.5,
            keep: None,
            mode: Mode::Row,
            samples: 32,
        }
    }
}

impl DropConnectConfig {
    /// The layer, with training behaviour on.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field that is out of its range, or that `p` and `keep` are both given.
    pub fn init(&self) -> Result<DropConnect, ConfigError> {
        Self::ABOUT.check(self)?;
        Ok(DropConnect {
            p: drop_probability(NAME, self.p, Self::default().p, self.keep)?,
            mode: self.mode,
            samples: self.samples,
            training: Param::from_bool(true),
        })
    }
}

impl DropoutUnit for DropConnectConfig {
    const ABOUT: About = About {
        cost: "in training, a weight matrix for each image (mode=row) or for the batch; in evaluation, another product and `samples` activations",
        ..About::new(
            NAME,
            "drops weights of a linear layer in training, and averages over random masks in evaluation",
            &[
                P,
                KEEP,
                Field::new("mode", Range::Choice(&["row", "batch"])),
                Field::new("samples", Range::Whole(0, 1000)),
            ],
        )
        .source("Wan et al. 2013, \"Regularization of Neural Networks using DropConnect\"")
    };

    fn what(&self) -> Result<What, ConfigError> {
        drop_probability(NAME, self.p, Self::default().p, self.keep)?;
        Ok(What::Weights)
    }
}

/// Drops weights of a linear layer that stays as it is: keys and initialization are those of the layer. See the [module](self) for the
/// formula, and [`DropoutLayer`](super::DropoutLayer#randomness) for when it is active and what it draws from.
#[derive(Module, Debug)]
pub struct DropConnect {
    /// Probability of dropping a weight, in [0, 1].
    pub p: f64,
    /// What one mask is for.
    #[module(skip)]
    pub mode: Mode,
    /// Points of the normal distribution in evaluation; 0 for its mean alone.
    pub samples: usize,
    /// Whether training behaviour is on; freezing turns it off.
    pub training: Param<Flag>,
}

impl DropConnect {
    /// What `layer` and the activation after it give without some of its weights.
    ///
    /// # Shapes
    /// `[N, in]` to `[N, out]`.
    #[must_use]
    pub fn linear(&self, layer: &Linear, input: Tensor<2>, activation: Activation) -> Tensor<2> {
        if self.p <= 0.0 {
            return activation.forward(layer.forward(input));
        }
        if self.p >= 1.0 {
            return activation.forward(zeroed(layer.forward(input)));
        }
        if self.training.is_enabled() && input.device().is_autodiff() {
            return activation.forward(self.masked(layer, input));
        }
        self.averaged(layer, input, activation)
    }

    fn masked(&self, layer: &Linear, input: Tensor<2>) -> Tensor<2> {
        let mut rng = generator(&input.device());
        let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().map(Param::val));
        let keep = 1.0 - self.p;
        match self.mode {
            Mode::Batch => {
                let weight = weight.clone() * keep_mask(&weight, keep, key(&mut rng));
                let bias = bias.map(|bias| bias.clone() * keep_mask(&bias, keep, key(&mut rng)));
                linear(input, weight, bias)
            }
            Mode::Row => {
                let [rows, inputs] = input.dims();
                let [_, outputs] = weight.dims();
                let weights = weight.unsqueeze::<3>().expand([rows, inputs, outputs]);
                let mask = keep_mask(&weights, keep, key(&mut rng));
                let output = input.unsqueeze_dim::<3>(1).matmul(weights * mask);
                let output = output.reshape([rows, outputs]);
                let Some(bias) = bias else { return output };
                let bias = bias.unsqueeze::<2>().expand([rows, outputs]);
                let mask = keep_mask(&bias, keep, key(&mut rng));
                output + bias * mask
            }
        }
    }

    fn averaged(&self, layer: &Linear, input: Tensor<2>, activation: Activation) -> Tensor<2> {
        let keep = 1.0 - self.p;
        let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().map(Param::val));
        let mean = linear(input.clone(), weight.clone(), bias.clone()) * keep;
        if self.samples == 0 {
            return activation.forward(mean);
        }
        let squares = linear(
            input.square(),
            weight.square(),
            bias.map(|bias| bias.clone() * bias),
        );
        let deviation = (squares * (keep * self.p)).sqrt();
        let at = |point: f64| activation.forward(mean.clone() + deviation.clone() * point);
        let sum = normal_points(self.samples)
            .map(at)
            .reduce(|sum, next| sum + next);
        sum.map_or_else(
            || activation.forward(mean.clone()),
            |sum| sum / self.samples as f64,
        )
    }
}

/// The medians of `count` parts of equal probability of the standard normal distribution.
fn normal_points(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |part| normal_quantile((part as f64 + 0.5) / count as f64))
}

/// The inverse of the standard normal distribution function, to about 1e-9: Acklam's rational approximation (2003).
fn normal_quantile(probability: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |probability: f64| {
        let q = (-2.0 * probability.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    };
    if probability < 0.02425 {
        return tail(probability);
    }
    if probability > 1.0 - 0.02425 {
        return -tail(1.0 - probability);
    }
    let q = probability - 0.5;
    q * horner(&A, q * q) / horner(&B, q * q)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};
    use firebrick_core::gradcheck::GradCheck;
    use firebrick_core::nn::LinearConfig;
    use firebrick_core::random::StepScope;

    use super::*;
    use crate::dropout::tests::{SCOPE, training, values};

    fn layer(device: &Device) -> Linear {
        let mut layer = LinearConfig::new(3, 2).init(device);
        let weight = [[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]];
        layer.weight = Param::from_tensor(Tensor::from_floats(weight, device));
        layer.bias = Some(Param::from_tensor(Tensor::from_floats(
            [0.125, -0.5],
            device,
        )));
        layer
    }

    const INPUT: [[f32; 3]; 2] = [[1.0, -2.0, 0.5], [-0.25, 1.0, 3.0]];

    fn config(p: f64, mode: Mode, samples: usize) -> DropConnect {
        let config = DropConnectConfig {
            p,
            keep: None,
            mode,
            samples,
        };
        config.init().unwrap()
    }

    /// The exact mean of the activation over all masks of weights and bias, by enumeration.
    fn over_all_masks(p: f64, activation: impl Fn(f64) -> f64) -> Vec<f64> {
        let layer = layer(&firebrick_core::device("flex").unwrap());
        let (weight, bias) = (
            values(&layer.weight.val()),
            values(&layer.bias.unwrap().val()),
        );
        let mut means = Vec::new();
        for row in INPUT {
            for output in 0..2 {
                let terms: Vec<f64> = (0..3)
                    .map(|i| f64::from(row[i]) * f64::from(weight[i * 2 + output]))
                    .chain([f64::from(bias[output])])
                    .collect();
                let mean = (0..16_u32).map(|mask| {
                    let kept = |at: usize| mask >> at & 1 == 1;
                    let probability: f64 = (0..4)
                        .map(|at| if kept(at) { 1.0 - p } else { p })
                        .product();
                    let sum: f64 = (0..4).filter(|at| kept(*at)).map(|at| terms[at]).sum();
                    probability * activation(sum)
                });
                means.push(mean.sum());
            }
        }
        means
    }

    fn evaluated(connect: &DropConnect, activation: Activation) -> Vec<f32> {
        let device = firebrick_core::device("flex").unwrap();
        let input = Tensor::<2>::from_floats(INPUT, &device);
        values(&connect.linear(&layer(&device), input, activation))
    }

    #[test]
    fn the_mean_over_all_masks_of_a_linear_output_is_what_evaluation_gives() {
        for p in [0.25, 0.5, 0.9] {
            let exact = over_all_masks(p, |sum| sum);
            for samples in [0, 1, 32] {
                let found = evaluated(&config(p, Mode::Row, samples), Activation::Identity);
                for (found, exact) in found.iter().zip(&exact) {
                    assert!(
                        (f64::from(*found) - exact).abs() < 1e-5,
                        "{p} {samples}: {found} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn matching_the_moments_is_nearer_than_scaling_where_the_output_is_not_linear() {
        let exact = over_all_masks(0.5, |sum| sum.max(0.0));
        let distance = |samples| {
            let found = evaluated(&config(0.5, Mode::Row, samples), Activation::Relu);
            let distances = found
                .iter()
                .zip(&exact)
                .map(|(found, exact)| (f64::from(*found) - exact).abs());
            distances.sum::<f64>()
        };
        let (scaled, matched) = (distance(0), distance(64));
        assert!(matched < 0.4 * scaled, "{matched} {scaled}");
    }

    #[test]
    fn the_points_match_the_moments_of_the_normal_distribution() {
        for (probability, quantile) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.01, -2.326_347_874)]
        {
            assert!((normal_quantile(probability) - quantile).abs() < 1e-8);
        }
        // E[max(0, 1 + 2n)], in closed form: μΦ(μ/σ) + σφ(μ/σ).
        let rectified = normal_points(1000)
            .map(|n| (1.0 + 2.0 * n).max(0.0))
            .sum::<f64>()
            / 1000.0;
        assert!((rectified - 1.395_593_114).abs() < 2e-3, "{rectified}");
    }

    #[test]
    fn the_mean_over_masks_that_are_drawn_is_the_exact_one() {
        for mode in [Mode::Row, Mode::Batch] {
            let connect = config(0.25, mode, 0);
            let layer = layer(&training("flex"));
            let input = Tensor::<2>::from_floats(INPUT, &training("flex"));
            let mut sums = [0.0; 4];
            let count = 4000;
            for step in 0..count {
                let scope = StepScope { step, ..SCOPE };
                let output =
                    scope.enter(|| connect.linear(&layer, input.clone(), Activation::Relu));
                for (sum, value) in sums.iter_mut().zip(values(&output)) {
                    *sum += f64::from(value);
                }
            }
            let exact = over_all_masks(0.25, |sum| sum.max(0.0));
            for (sum, exact) in sums.iter().zip(exact) {
                // Outputs lie in [0, 6], with a deviation below 2.5.
                let mean = sum / count as f64;
                assert!(
                    (mean - exact).abs() < 5.0 * 2.5 / (count as f64).sqrt(),
                    "{mode:?}: {mean} {exact}"
                );
            }
        }
    }

    #[test]
    fn masks_cover_the_bias() {
        let layer = layer(&training("flex"));
        let bias: [f32; 2] = [0.125, -0.5];
        let input = Tensor::<2>::zeros([8, 3], &training("flex"));
        for mode in [Mode::Row, Mode::Batch] {
            let connect = config(0.5, mode, 0);
            let mut kept = [0; 2];
            for step in 0..20 {
                let scope = StepScope { step, ..SCOPE };
                let output =
                    scope.enter(|| connect.linear(&layer, input.clone(), Activation::Identity));
                for row in values(&output).chunks(2) {
                    for at in 0..2 {
                        assert!(row[at] == 0.0 || row[at] == bias[at], "{mode:?}: {row:?}");
                        kept[at] += usize::from(row[at] != 0.0);
                    }
                }
            }
            assert!(
                kept.iter().all(|kept| (8..=152).contains(kept)),
                "{mode:?}: {kept:?}"
            );
        }
        // In evaluation, where it varies by √(q·p) · |bias| about q · bias.
        let connect = config(0.5, Mode::Row, 32).valid();
        let output = values(&connect.linear(&layer, input, Activation::Relu));
        for at in 0..2 {
            let (mean, deviation) = (0.5 * f64::from(bias[at]), 0.5 * f64::from(bias[at].abs()));
            let sum: f64 = normal_points(32)
                .map(|point| (mean + deviation * point).max(0.0))
                .sum();
            let found = f64::from(output[at]);
            assert!((found - sum / 32.0).abs() < 1e-6, "{found} {sum}");
        }
    }

    #[test]
    fn one_mask_is_for_a_row_or_the_batch() {
        let layer = layer(&training("flex"));
        let input = Tensor::<2>::ones([6, 3], &training("flex"));
        let rows = |mode| {
            let connect = config(0.5, mode, 0);
            let output =
                SCOPE.enter(|| connect.linear(&layer, input.clone(), Activation::Identity));
            let output = values(&output);
            output.chunks(2).map(<[f32]>::to_vec).collect::<Vec<_>>()
        };
        let batch = rows(Mode::Batch);
        assert!(batch.iter().all(|row| *row == batch[0]), "{batch:?}");
        let row = rows(Mode::Row);
        assert!(row.iter().any(|other| *other != row[0]), "{row:?}");
    }

    #[test]
    fn every_device_drops_the_same_weights() {
        let on = |name: &str, mode| {
            let device = training(name);
            let input = Tensor::<2>::from_floats(INPUT, &device);
            let connect = config(0.5, mode, 0);
            let output =
                SCOPE.enter(|| connect.linear(&layer(&device), input, Activation::Identity));
            values(&output)
        };
        for mode in [Mode::Row, Mode::Batch] {
            for name in ["ndarray", "wgpu"] {
                match firebrick_core::device(name) {
                    Ok(_) => {
                        for (found, expected) in on(name, mode).iter().zip(on("flex", mode)) {
                            assert!(
                                (found - expected).abs() < 1e-6,
                                "{name}: {found} {expected}"
                            );
                        }
                    }
                    Err(error) => println!("SKIPPED: {error}"),
                }
            }
        }
    }

    #[test]
    fn p_0_is_the_layer_and_p_1_gives_zeros() {
        let device = training("flex");
        let layer = layer(&device);
        let input = Tensor::<2>::from_floats(INPUT, &device);
        let plain = values(&layer.forward(input.clone()));
        let of = |connect: &DropConnect| {
            values(&SCOPE.enter(|| connect.linear(&layer, input.clone(), Activation::Identity)))
        };
        assert_eq!(of(&config(0.0, Mode::Row, 32)), plain);
        assert_eq!(of(&config(1.0, Mode::Row, 32)), [0.0; 4]);
        assert_eq!(of(&config(1.0, Mode::Batch, 32).valid()), [0.0; 4]);
        let connect = config(0.5, Mode::Row, 0);
        assert_ne!(
            of(&connect),
            of(&connect.clone().freeze()),
            "frozen is evaluation"
        );
        assert_eq!(of(&connect.clone().freeze()), of(&connect.valid()));
    }

    #[test]
    fn gradients_are_those_of_the_mask() {
        for mode in [Mode::Row, Mode::Batch] {
            let connect = config(0.4, mode, 0);
            let input = Tensor::<2>::from_floats(INPUT, &training("flex")).cast(DType::F64);
            let report = GradCheck::in_f64().module(&layer(&training("flex")), |layer| {
                let output = SCOPE.enter(|| connect.linear(layer, input.clone(), Activation::Tanh));
                output.square().sum()
            });
            report.assert_right();
        }
    }
}
