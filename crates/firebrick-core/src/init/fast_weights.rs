//! How the layers of BatchEnsemble begin, [`BatchConv2d`](crate::nn::BatchConv2d) and [`BatchLinear`](crate::nn::BatchLinear).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::parameters::Path;
use crate::random;

/// How the vectors of the members, the fast weights, are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FastWeights {
    /// N(1, 0.5²): torch-uncertainty's, and that of the authors' code for CIFAR-10.
    #[default]
    Normal,
    /// 1 or -1, each half of the time: the paper's.
    Signs,
}

impl FastWeights {
    /// The spread of [`Self::Normal`].
    const STD: f64 = 0.5;

    /// Draws the fast weights of all layers of a module from `seed`. Each vector has a stream of its own, and all
    /// other parameters stay as they are.
    pub fn draw<M: Module>(self, module: M, seed: u64) -> M {
        module.map(&mut Draw {
            how: self,
            seed,
            path: Path::default(),
            tensor: 0,
        })
    }
}

/// Whether a parameter with this name is a fast weight.
pub(super) fn is_fast(key: &str) -> bool {
    key.ends_with("r_group") || key.ends_with("s_group")
}

struct Draw {
    how: FastWeights,
    seed: u64,
    path: Path,
    tensor: u64,
}

impl ModuleMapper for Draw {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let of_layer = ["Struct:BatchConv2d", "Struct:BatchLinear"];
        if !(of_layer.contains(&self.path.container()) && is_fast(&self.path.key())) {
            return param;
        }
        let mut rng = random::rng(self.seed, "fast weights", self.tensor, 0);
        self.tensor += 1;
        let shape = param.lazy_shape();
        let values: Vec<f32> = (0..shape.num_elements())
            .map(|_| match self.how {
                FastWeights::Normal => {
                    let normal: f64 = rng.sample(StandardNormal);
                    (1.0 + FastWeights::STD * normal) as f32
                }
                FastWeights::Signs => {
                    if rng.random::<bool>() {
                        1.0
                    } else {
                        -1.0
                    }
                }
            })
            .collect();
        let (tracked, device) = (param.is_require_grad(), param.val().device());
        let data = TensorData::new(values, shape);
        param.map(|_| Tensor::from_data(data, &device).set_require_grad(tracked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::Init;
    use crate::nn::{BatchConv2d, BatchConv2dConfig, BatchLinear, BatchLinearConfig};
    use crate::nn::{Conv2d, Conv2dConfig, Linear, LinearConfig};
    use crate::state_dict::StateDict;

    #[derive(Module, Debug)]
    struct Shared {
        conv: BatchConv2d,
        fc: BatchLinear,
    }

    #[derive(Module, Debug)]
    struct Plain {
        conv: Conv2d,
        fc: Linear,
    }

    fn conv() -> Conv2dConfig {
        Conv2dConfig::new([3, 40], 3).with_bias(false)
    }

    fn drawn(how: FastWeights, seed: u64) -> StateDict {
        let device = crate::device("flex").unwrap();
        let module = Shared {
            conv: BatchConv2dConfig::new(conv(), 30).init(&device),
            fc: BatchLinearConfig::new(LinearConfig::new(40, 20), 30).init(&device),
        };
        StateDict::of(&how.draw(Init::PYTORCH.apply(module, seed), seed))
    }

    fn values(dict: &StateDict, key: &str) -> Vec<f32> {
        dict.tensors[key].try_to_vec().unwrap()
    }

    #[test]
    fn draws_are_pinned() {
        let signs = drawn(FastWeights::Signs, 1);
        // Those of an independent ChaCha8 with the keys of the first two vectors.
        let first = |key| values(&signs, key)[..8].to_vec();
        let expected = [1.0, -1.0, 1.0, -1.0, -1.0, -1.0, -1.0, 1.0];
        assert_eq!(first("conv.r_group"), expected);
        let expected = [-1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 1.0];
        assert_eq!(first("conv.s_group"), expected);
        let normal = drawn(FastWeights::Normal, 1);
        assert_eq!(normal, drawn(FastWeights::Normal, 1));
        assert_ne!(normal, drawn(FastWeights::Normal, 2));
    }

    #[test]
    fn fast_weights_have_their_distribution() {
        for (how, mean, variance) in [
            (FastWeights::Normal, 1.0, 0.25),
            (FastWeights::Signs, 0.0, 1.0),
        ] {
            let drawn = values(&drawn(how, 3), "conv.s_group");
            let count = drawn.len() as f64;
            assert!(count > 1000.0);
            let found = drawn.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            let spread = drawn.iter().map(|v| (f64::from(*v) - mean).powi(2));
            let spread = spread.sum::<f64>() / count;
            // Four standard errors.
            assert!(
                (found - mean).abs() < 4.0 * (variance / count).sqrt(),
                "{how:?} {found}"
            );
            assert!(
                (spread / variance - 1.0).abs() < 4.0 * (2.0 / count).sqrt(),
                "{how:?} {spread}"
            );
            let signs = drawn.iter().all(|v| v.abs() == 1.0);
            assert_eq!(signs, how == FastWeights::Signs);
        }
    }

    /// The members share the weight that a plain network has, and each has a bias of its own.
    #[test]
    fn shared_weights_are_drawn_as_those_of_plain_layers() {
        let device = crate::device("flex").unwrap();
        let plain = Plain {
            conv: conv().init(&device),
            fc: LinearConfig::new(40, 20).init(&device),
        };
        let plain = StateDict::of(&Init::PYTORCH.apply(plain, 5));
        let shared = drawn(FastWeights::Normal, 5);
        for key in ["conv.weight", "fc.weight"] {
            assert_eq!(shared.tensors[key], plain.tensors[key], "{key}");
        }
        let bias = values(&shared, "fc.bias");
        assert_eq!(bias.len(), 600);
        assert!(bias.iter().all(|v| v.abs() <= 1.0 / 40f32.sqrt()));
        assert_eq!(bias[..20], values(&plain, "fc.bias"));
        assert_ne!(bias[..20], bias[20..40]);
    }
}
