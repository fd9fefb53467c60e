//! Monte-Carlo dropout: how sure a model is, from many passes with dropout on.
//!
//! Source: Gal and Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016; the mutual information is that of Houlsby et al.,
//! "Bayesian Active Learning for Classification and Preference Learning" (2011):
//!
//! ```text
//! p_t:  the probabilities of pass t = 1 … T, each with masks of its own
//! mean = Σ p_t / T,  variance = Σ (p_t - mean)² / T
//! predictive entropy  H(mean) = -Σ mean · ln mean               all doubt
//! mutual information  H(mean) - Σ H(p_t) / T                    the doubt that more training data would lessen
//! ```

use burn::module::{Flag, ModuleMapper, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};
use firebrick_core::Classifier;
use firebrick_core::random::StepScope;

/// What many passes with dropout say about images.
#[derive(Debug, Clone, PartialEq)]
pub struct MonteCarlo {
    /// The number of classes.
    pub classes: usize,
    /// Mean probability of each class, `[N × classes]` row by row.
    pub mean: Vec<f64>,
    /// Variance of each class's probability over the passes, `[N × classes]` row by row.
    pub variance: Vec<f64>,
    /// The entropy of the mean probabilities of each image, in nats: from 0 to the logarithm of the number of classes.
    pub entropy: Vec<f64>,
    /// How much of the entropy comes from the passes' disagreement, in nats, for each image.
    pub mutual_information: Vec<f64>,
    /// Whether any score differed between two passes. It cannot where the model drops nothing.
    pub drops: bool,
}

/// Runs the model `passes` times over the images, with dropout as in training and batch norm as in evaluation. Dropout that is frozen stays
/// off. `seed` decides the masks: pass `t` draws those of update `t` of a run with this seed.
///
/// ```
/// use firebrick_core::Classifier;
/// use firebrick_regularize::dropout::monte_carlo::monte_carlo;
/// # fn of<M: Classifier>(model: &M, images: burn::tensor::Tensor<4>) {
/// let seen = monte_carlo(model, images, 20, 0);
/// println!("most doubtful: {:?}", seen.entropy.iter().copied().fold(0.0, f64::max));
/// # }
/// ```
///
/// # Shapes
/// `images` `[N, C, H, W]`, on the model's device, with or without autodiff.
///
/// # Panics
/// When `passes` is 0.
pub fn monte_carlo<M: Classifier>(
    model: &M,
    images: Tensor<4>,
    passes: usize,
    seed: u64,
) -> MonteCarlo {
    assert!(passes > 0, "monte_carlo needs at least one pass");
    let model = model.valid().train().map(&mut DropoutAlone::default());
    let images = images.without_autodiff().autodiff();
    let [count, ..] = images.dims();
    let mut all = MonteCarlo {
        classes: 0,
        mean: Vec::new(),
        variance: Vec::new(),
        entropy: vec![0.0; count],
        mutual_information: Vec::new(),
        drops: false,
    };
    let mut first = None;
    // Welford's way: the variance of what hardly varies is not lost in rounding.
    for pass in 0..passes {
        let scope = StepScope {
            seed,
            step: pass as u64,
            ..StepScope::default()
        };
        // Burn's own dropout draws from the device's generator.
        images.device().seed(scope.device_seed());
        let logits = scope.enter(|| model.forward(images.clone())).inner();
        let scores: Vec<f32> = logits.clone().into_data().iter().collect();
        all.drops |= scores != *first.get_or_insert_with(|| scores.clone());
        let probabilities = probabilities(logits);
        if pass == 0 {
            all.classes = probabilities.len() / count.max(1);
            all.mean = vec![0.0; probabilities.len()];
            all.variance = vec![0.0; probabilities.len()];
        }
        let moments = all.mean.iter_mut().zip(&mut all.variance);
        for ((mean, sum), probability) in moments.zip(&probabilities) {
            let apart = probability - *mean;
            *mean += apart / (pass + 1) as f64;
            *sum += apart * (probability - *mean);
        }
        for (own, row) in all
            .entropy
            .iter_mut()
            .zip(probabilities.chunks(all.classes.max(1)))
        {
            *own += entropy(row) / passes as f64;
        }
    }
    all.variance
        .iter_mut()
        .for_each(|sum| *sum /= passes as f64);
    // So far, the mean entropy of single passes.
    let rows = all.mean.chunks(all.classes.max(1));
    let single = std::mem::take(&mut all.entropy);
    all.entropy = rows.map(entropy).collect();
    let pairs = all.entropy.iter().zip(single);
    all.mutual_information = pairs
        .map(|(whole, single)| (whole - single).max(0.0))
        .collect();
    all
}

/// In f64, where the device has it.
fn probabilities(logits: Tensor<2>) -> Vec<f64> {
    let logits = if firebrick_core::computes_in_f64(&logits.device()) {
        logits.cast(DType::F64)
    } else {
        logits
    };
    softmax(logits, 1).into_data().iter::<f64>().collect()
}

/// In nats.
fn entropy(probabilities: &[f64]) -> f64 {
    let terms = probabilities.iter().filter(|p| **p > 0.0);
    terms.map(|p| -p * p.ln()).sum::<f64>().max(0.0)
}

/// Leaves on what was on, but batch norm; no parameter has a gradient.
#[derive(Default)]
struct DropoutAlone {
    containers: Vec<String>,
}

impl ModuleMapper for DropoutAlone {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.containers.push(container.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.set_require_grad(false))
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let container = self.containers.last();
        if container.is_some_and(|container| container == "Struct:BatchNorm") {
            flag.map(|flag| flag.with(false))
        } else {
            flag
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use firebrick_core::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};

    use super::*;
    use crate::dropout::tests::{normal, training, values};
    use crate::dropout::{Dropout, DropoutConfig};

    /// One hidden layer of two values, so that dropout has four masks.
    #[derive(Module, Debug)]
    struct Net {
        bn: BatchNorm,
        dropout: Dropout,
        fc: Linear,
    }

    impl Classifier for Net {
        fn forward(&self, images: Tensor<4>) -> Tensor<2> {
            let hidden = self
                .bn
                .forward(images)
                .mean_dims(&[2, 3])
                .flatten::<2>(1, 3);
            self.fc.forward(self.dropout.forward(hidden))
        }
    }

    const WEIGHTS: [[f64; 3]; 2] = [[1.0, -0.5, 0.25], [-2.0, 0.75, 0.5]];

    fn net(p: f64) -> Net {
        let device = training("flex");
        let mut fc = LinearConfig::new(2, 3).init(&device);
        fc.weight = Param::from_tensor(Tensor::from_floats(WEIGHTS, &device));
        fc.bias = None;
        Net {
            bn: BatchNormConfig::new(2).init(&device),
            dropout: DropoutConfig::new(p).init().unwrap(),
            fc,
        }
    }

    fn softmax(logits: [f64; 3]) -> [f64; 3] {
        let sum: f64 = logits.iter().map(|l| l.exp()).sum();
        logits.map(|l| l.exp() / sum)
    }

    /// Mean, variance, entropy and mutual information over the four masks of each image, exactly.
    fn over_all_masks(hidden: &[f32]) -> Vec<([f64; 3], [f64; 3], f64, f64)> {
        let images = hidden.chunks(2).map(|hidden| {
            let passes: Vec<[f64; 3]> = (0..4)
                .map(|mask| {
                    let kept =
                        [0, 1].map(|at| 2.0 * f64::from(mask >> at & 1) * f64::from(hidden[at]));
                    softmax(
                        [0, 1, 2]
                            .map(|class| kept[0] * WEIGHTS[0][class] + kept[1] * WEIGHTS[1][class]),
                    )
                })
                .collect();
            let mean = [0, 1, 2].map(|class| passes.iter().map(|p| p[class]).sum::<f64>() / 4.0);
            let variance = [0, 1, 2].map(|class| {
                let squares = passes.iter().map(|p| (p[class] - mean[class]).powi(2));
                squares.sum::<f64>() / 4.0
            });
            let single = passes.iter().map(|p| entropy(p)).sum::<f64>() / 4.0;
            (mean, variance, entropy(&mean), entropy(&mean) - single)
        });
        images.collect()
    }

    #[test]
    fn many_passes_come_near_the_exact_average_over_all_masks() {
        let images = normal([5, 2, 1, 1]) * 2.0;
        let hidden = values(&net(0.5).valid().bn.forward(images.clone().inner()));
        let passes = 4000;
        let found = monte_carlo(&net(0.5), images, passes, 1);
        assert_eq!((found.classes, found.mean.len()), (3, 15));
        for (image, (mean, variance, entropy, information)) in
            over_all_masks(&hidden).into_iter().enumerate()
        {
            for class in 0..3 {
                let at = image * 3 + class;
                let error = 5.0 * (variance[class] / passes as f64).sqrt() + 1e-6;
                assert!(
                    (found.mean[at] - mean[class]).abs() < error,
                    "{image} {class}"
                );
                assert!(
                    (found.variance[at] - variance[class]).abs() < 0.02,
                    "{image} {class}"
                );
            }
            assert!((found.entropy[image] - entropy).abs() < 0.03, "{image}");
            assert!(
                (found.mutual_information[image] - information).abs() < 0.03,
                "{image}"
            );
            assert!(information > 0.001, "{image}: {information}");
        }
    }

    #[test]
    fn scaling_approximates_the_mean_over_all_masks() {
        let images = normal([5, 2, 1, 1]);
        let model = net(0.5).valid();
        let hidden = values(&model.bn.forward(images.clone().inner()));
        let scaled = probabilities(model.forward(images.inner()));
        for (image, (mean, ..)) in over_all_masks(&hidden).into_iter().enumerate() {
            let best = |p: &[f64]| (0..3).max_by(|a, b| p[*a].total_cmp(&p[*b]));
            let scaled = &scaled[image * 3..][..3];
            assert_eq!(best(scaled), best(&mean), "{image}: the same class");
            let distance = scaled
                .iter()
                .zip(mean)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            assert!(distance > 1e-6 && distance < 0.25, "{image}: {distance}");
        }
    }

    #[test]
    fn the_variance_is_that_of_the_passes_themselves() {
        // One pass has none, and of two it is the square of half the distance.
        let images = normal([4, 2, 1, 1]) * 2.0;
        let one = monte_carlo(&net(0.5), images.clone(), 1, 3);
        assert!(one.variance.iter().all(|variance| *variance == 0.0));
        let two = monte_carlo(&net(0.5), images, 2, 3);
        let pairs = two.mean.iter().zip(&one.mean).zip(&two.variance);
        for ((mean, first), variance) in pairs {
            assert!((variance - (mean - first).powi(2)).abs() < 1e-12);
        }
        assert!(two.variance.iter().any(|variance| *variance > 1e-4));
    }

    #[test]
    fn the_seed_decides_and_batch_norm_rests() {
        let model = net(0.5);
        // Far from the running statistics, which are those of a new layer.
        let images = normal([6, 2, 3, 3]) * 5.0 + 3.0;
        let of = |seed| monte_carlo(&model, images.clone(), 8, seed);
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
        assert_eq!(
            of(3),
            monte_carlo(&model.valid().train(), images.clone().inner(), 8, 3)
        );
        assert_eq!(
            values(&model.bn.running_mean.as_ref().unwrap().value()),
            [0.0; 2]
        );
        assert!(of(3).drops);
        let alone = monte_carlo(&net(0.0), images.clone(), 3, 0);
        assert!(!alone.drops, "nothing is dropped");
        let evaluated = probabilities(net(0.0).valid().forward(images.clone().inner()));
        for (found, expected) in alone.mean.iter().zip(evaluated) {
            assert!((found - expected).abs() < 1e-6);
        }
        assert!(alone.variance.iter().all(|variance| *variance < 1e-12));
        assert!(
            alone
                .mutual_information
                .iter()
                .all(|information| *information < 1e-9)
        );
        let frozen = monte_carlo(&model.freeze(), images, 3, 0);
        assert_eq!(frozen.mean, alone.mean, "frozen dropout stays off");
    }
}
