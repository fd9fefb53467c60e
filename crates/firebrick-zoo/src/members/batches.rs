//! What the members see of a batch, and how their outputs become those of the model.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use firebrick_core::TrainingScores;
use firebrick_core::random::{HostRng, layer_rng, rng};
use rand::seq::SliceRandom;

use super::definition::{Members, Mimo};

impl Members {
    /// The class scores of images: the logarithm of the mean of the members' probabilities, or the scores of the one
    /// member. `scores` is the network.
    ///
    /// # Shapes
    /// `[N, C, H, W]` to `[N, classes]`.
    pub(crate) fn forward(
        self,
        images: Tensor<4>,
        scores: impl FnOnce(Tensor<4>) -> Tensor<2>,
    ) -> Tensor<2> {
        let members = self.count();
        let inputs = match self {
            Self::One | Self::Packed(_) => images,
            Self::BatchEnsemble(_) => images.repeat_dim(0, members),
            Self::Mimo(_) => images.repeat_dim(1, members),
        };
        let outputs = scores(inputs);
        if members == 1 {
            return outputs;
        }
        log_mean_probability(self.by_member(outputs))
    }

    /// The class scores of all members for the images that they learn from.
    ///
    /// # Shapes
    /// `[N, C, H, W]` to `[members · N, classes]`, or as often as images are repeated.
    pub(crate) fn forward_training(
        self,
        images: Tensor<4>,
        scores: impl FnOnce(Tensor<4>) -> Tensor<2>,
    ) -> TrainingScores {
        let [count, ..] = images.dims();
        let members = self.count();
        let single = match self {
            Self::Mimo(mimo) => members == 1 && mimo.batch_repetitions == 1,
            _ => members == 1,
        };
        if single {
            return TrainingScores {
                logits: scores(images),
                images: None,
            };
        }
        let (inputs, seen) = match self {
            Self::BatchEnsemble(_) => (images.repeat_dim(0, members), in_order(members, count)),
            Self::Mimo(mimo) => {
                let orders = mimo.orders(count);
                let read = orders.iter().map(|order| picked(&images, order));
                (Tensor::cat(read.collect(), 1), orders.concat())
            }
            Self::One | Self::Packed(_) => (images, in_order(members, count)),
        };
        let outputs = self.by_member(scores(inputs));
        let [members, rows, classes] = outputs.dims();
        TrainingScores {
            logits: outputs.reshape([members * rows, classes]),
            images: Some(seen),
        }
    }

    /// The outputs of the network as `[members, N, classes]`.
    fn by_member(self, outputs: Tensor<2>) -> Tensor<3> {
        let members = self.count();
        let [rows, columns] = outputs.dims();
        match self {
            Self::BatchEnsemble(_) => outputs.reshape([members, rows / members, columns]),
            _ => outputs
                .reshape([rows, members, columns / members])
                .swap_dims(0, 1),
        }
    }
}

/// The images of a batch, in order, once for each member.
fn in_order(members: usize, images: usize) -> Vec<usize> {
    (0..members).flat_map(|_| 0..images).collect()
}

/// These images of a batch, in this order.
fn picked(images: &Tensor<4>, order: &[usize]) -> Tensor<4> {
    let order: Vec<i32> = order.iter().map(|image| *image as i32).collect();
    let count = order.len();
    let order = Tensor::<1, Int>::from_data(TensorData::new(order, [count]), &images.device());
    images.clone().select(0, order)
}

/// The logarithm of the mean of the members' probabilities.
///
/// # Shapes
/// Scores `[members, N, classes]` to `[N, classes]`.
fn log_mean_probability(scores: Tensor<3>) -> Tensor<2> {
    let [members, images, classes] = scores.dims();
    let log_p = log_softmax(scores, 2);
    // The largest one is taken out, so that no exponential is 0 for all members.
    let largest = log_p.clone().detach().max_dim(0);
    let mean = (log_p - largest.clone()).exp().sum_dim(0).log() - (members as f64).ln();
    (mean + largest).reshape([images, classes])
}

impl Mimo {
    /// For each input, the images that it reads, in order. All come from the generator of the next stochastic layer;
    /// outside training, always the same.
    fn orders(self, images: usize) -> Vec<Vec<usize>> {
        let mut rng = layer_rng().unwrap_or_else(|| rng(0, "layer", 0, 0));
        self.draw(images, &mut rng)
    }

    /// The orders as in the authors' code: all inputs begin with one order of the repeated images, and shuffle again
    /// all but the share that they read together.
    fn draw(self, images: usize, rng: &mut HostRng) -> Vec<Vec<usize>> {
        let mut common = in_order(self.batch_repetitions, images);
        common.shuffle(rng);
        let apart = (common.len() as f64 * (1.0 - self.input_repetition)) as usize;
        let orders = (0..self.members).map(|_| {
            let mut order = common.clone();
            order[..apart].shuffle(rng);
            order
        });
        orders.collect()
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::StepScope;

    use super::*;

    fn mimo(members: usize, batch_repetitions: usize, input_repetition: f64) -> Mimo {
        Mimo {
            members,
            batch_repetitions,
            input_repetition,
        }
    }

    #[test]
    fn orders_are_pinned_and_change_with_the_update() {
        let at = |step| {
            let scope = StepScope {
                seed: 1,
                step,
                ..StepScope::default()
            };
            scope.enter(|| mimo(2, 1, 0.0).orders(6))
        };
        assert_eq!(at(0), [[5, 2, 3, 4, 0, 1], [4, 1, 5, 2, 3, 0]]);
        assert_ne!(at(0), at(1));
        assert_eq!(mimo(3, 1, 0.5).orders(8), mimo(3, 1, 0.5).orders(8));
    }

    #[test]
    fn every_input_reads_every_image_as_often_and_some_with_the_others() {
        for (repetitions, share, together) in [(1, 0.0, 0), (3, 0.25, 15), (2, 1.0, 40)] {
            let images = 20;
            let orders = mimo(3, repetitions, share).orders(images);
            assert_eq!(orders.len(), 3);
            for order in &orders {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                let expected: Vec<usize> = (0..images)
                    .flat_map(|image| vec![image; repetitions])
                    .collect();
                assert_eq!(sorted, expected);
            }
            let shared = images * repetitions - together;
            let [a, b] = [&orders[0], &orders[1]];
            assert_eq!(a[shared..], b[shared..]);
            assert_eq!(a[..shared] != b[..shared], share < 1.0);
        }
    }

    /// Where two inputs read the same image is as rare as chance has it.
    #[test]
    fn inputs_are_independent() {
        let (images, runs) = (50, 200);
        let mut same = 0;
        for step in 0..runs {
            let scope = StepScope {
                step,
                ..StepScope::default()
            };
            let orders = scope.enter(|| mimo(2, 1, 0.0).orders(images));
            same += orders[0]
                .iter()
                .zip(&orders[1])
                .filter(|(a, b)| a == b)
                .count();
        }
        // Each run has one such place on average, with variance 1: four standard errors.
        let deviation = same as f64 - runs as f64;
        assert!(
            deviation.abs() < 4.0 * (runs as f64).sqrt(),
            "{same} in {runs}"
        );
    }

    #[test]
    fn the_mean_of_probabilities_survives_scores_of_any_size() {
        let device = firebrick_core::device("flex").unwrap();
        let scores = Tensor::<3>::from_data([[[0.0, 800.0]], [[0.0, -1.0]]], &device);
        let log_p = log_mean_probability(scores).into_data();
        let log_p: Vec<f64> = log_p.iter::<f64>().collect();
        // (0 + e/(1+e)) / 2 and (1 + 1/(1+e)) / 2.
        let e = 1f64.exp();
        let expected = [
            (e / (1.0 + e) / 2.0).ln(),
            ((1.0 + 1.0 / (1.0 + e)) / 2.0).ln(),
        ];
        for (found, expected) in log_p.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
