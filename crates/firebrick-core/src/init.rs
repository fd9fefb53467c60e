//! Weight initialization from a seed. It draws on the host, so weights are equal on every device.

mod fast_weights;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::error::check_positive;
use crate::parameters::Path;
use crate::random::{self, HostRng};
use crate::spec::Spec;
use crate::{ConfigError, error::nearest};

pub use fast_weights::FastWeights;
use fast_weights::is_fast;

/// How the weights of convolutions and linear layers are drawn.
///
/// `fan_in` and `fan_out` are the products of input (output) channels and kernel area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightInit {
    /// U(-1/√fan_in, 1/√fan_in): PyTorch's default for both layers, `kaiming_uniform_(a=√5)`.
    KaimingUniform,
    /// U(-√(6/fan_in), √(6/fan_in)): He et al. 2015, `kaiming_uniform_(a=0)`.
    KaimingUniformRelu,
    /// U(-√(c/fan_out), √(c/fan_out)): last layers of EfficientNet (c = 1) and MNASNet (c = 3).
    UniformFanOut(f64),
    /// N(0, 2/fan_in): He et al. 2015.
    KaimingNormal,
    /// N(0, 2/fan_out): torchvision's ResNet.
    KaimingNormalFanOut,
    /// U(-√(6/(fan_in+fan_out)), …): Glorot and Bengio 2010.
    XavierUniform,
    /// Orthogonal rows or columns: Saxe et al. 2014.
    Orthogonal,
    /// N(0, std²).
    Normal(f64),
}

/// How a whole model is drawn. Norm layers start at weight 1 and bias 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Init {
    /// For convolutions.
    pub conv: WeightInit,
    /// For linear layers.
    pub linear: WeightInit,
    /// Whether biases are U(-1/√fan_in, 1/√fan_in), as PyTorch's layers draw them, or zero.
    pub random_bias: bool,
}

impl Init {
    /// PyTorch's layer defaults.
    pub const PYTORCH: Self = Self {
        conv: WeightInit::KaimingUniform,
        linear: WeightInit::KaimingUniform,
        random_bias: true,
    };

    /// The initialization that a spec names: `pytorch` (that of the model's reference
    /// implementation), `xavier`, `kaiming`, `orthogonal` or `normal(std=…)`.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn from_spec(spec: &Spec, reference: Self) -> Result<Self, ConfigError> {
        const NAMES: [&str; 5] = ["pytorch", "xavier", "kaiming", "orthogonal", "normal"];
        let same = |weights| Self {
            conv: weights,
            linear: weights,
            random_bias: false,
        };
        let init = match spec.name.as_str() {
            "pytorch" => reference,
            "xavier" => same(WeightInit::XavierUniform),
            "kaiming" => same(WeightInit::KaimingNormal),
            "orthogonal" => same(WeightInit::Orthogonal),
            "normal" => {
                let std = spec.resolve::<Normal>()?.std;
                check_positive("normal", "std", std)?;
                return Ok(same(WeightInit::Normal(std)));
            }
            name => {
                return Err(ConfigError::UnknownName {
                    family: "init".into(),
                    name: name.into(),
                    suggestion: nearest(name, NAMES),
                    known: NAMES.join(", "),
                });
            }
        };
        spec.resolve::<NoFields>().map(|_| init)
    }

    /// Draws every convolution and linear layer of the module again from `seed`. Each tensor has a
    /// stream of its own, so adding a layer changes only its own draw and those behind it.
    pub fn apply<M: Module>(self, module: M, seed: u64) -> M {
        module.map(&mut Apply {
            init: self,
            seed,
            path: Path::default(),
            tensor: 0,
            fan_in: 1,
        })
    }
}

/// The fields of `normal(std=…)`.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Normal {
    std: f64,
}

impl Default for Normal {
    fn default() -> Self {
        Self { std: 0.01 }
    }
}

/// Refuses arguments.
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoFields {}

struct Apply {
    init: Init,
    seed: u64,
    path: Path,
    tensor: u64,
    fan_in: usize,
}

impl ModuleMapper for Apply {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let weights = match self.path.container() {
            "Struct:Conv2d" | "Struct:StdConv2d" | "Struct:BatchConv2d" => self.init.conv,
            "Struct:Linear" | "Struct:BatchLinear" | "Struct:PackedLinear" => self.init.linear,
            _ => return param,
        };
        let key = self.path.key();
        // The gain of standardized weights stays 1, and fast weights have a distribution of their own.
        if key.ends_with("gain") || is_fast(&key) {
            return param;
        }
        let param = undrawn(param);
        let shape = param.val().dims();
        let mut rng = random::rng(self.seed, "init", self.tensor, 0);
        self.tensor += 1;
        let count = shape.iter().product();
        let values = if D == 1 || key == "bias" || key.ends_with(".bias") {
            let bound = if self.init.random_bias {
                1.0 / (self.fan_in as f64).sqrt()
            } else {
                0.0
            };
            (0..count).map(|_| uniform(&mut rng, bound)).collect()
        } else {
            let packed = self.path.container() == "Struct:PackedLinear";
            let (groups, (fan_in, fan_out, outputs_first)) = match shape[..] {
                // Each group is a matrix of its own.
                [groups, outputs, inputs] if packed => (groups, (inputs, outputs, true)),
                _ => (1, fans(&shape)),
            };
            self.fan_in = fan_in;
            let each = count / groups;
            (0..groups)
                .flat_map(|_| weights.draw(fan_in, fan_out, outputs_first, each, &mut rng))
                .collect()
        };
        let (tracked, device) = (param.is_require_grad(), param.val().device());
        param.map(|_| {
            Tensor::from_data(TensorData::new(values, shape), &device).set_require_grad(tracked)
        })
    }
}

/// Zeros where the parameter has no values yet: those that its layer would draw come from a generator
/// of the whole process, and move what others draw.
fn undrawn<const D: usize>(param: Param<Tensor<D>>) -> Param<Tensor<D>> {
    if param.is_initialized() {
        return param;
    }
    let zeros = Tensor::zeros(param.lazy_shape(), &param.lazy_device());
    let id = param.id;
    // As loaded: what the layer does to stored values, such as transpose them, is done to these.
    param.transform_for_load(zeros, id)
}

/// (fan_in, fan_out, whether the output axis comes first) of a weight: `[out, in, h, w]` or `[in, out]`.
fn fans(shape: &[usize]) -> (usize, usize, bool) {
    if shape.len() == 2 {
        return (shape[0], shape[1], false);
    }
    let area: usize = shape[2..].iter().product();
    (shape[1] * area, shape[0] * area, true)
}

fn uniform(rng: &mut HostRng, bound: f64) -> f32 {
    (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32
}

fn normal(rng: &mut impl Rng) -> f64 {
    rng.sample(StandardNormal)
}

impl WeightInit {
    fn draw(
        self,
        fan_in: usize,
        fan_out: usize,
        outputs_first: bool,
        count: usize,
        rng: &mut HostRng,
    ) -> Vec<f32> {
        let (inputs, outputs) = (fan_in as f64, fan_out as f64);
        let uniforms =
            |bound: f64, rng: &mut HostRng| (0..count).map(|_| uniform(rng, bound)).collect();
        let normals =
            |std: f64, rng: &mut HostRng| (0..count).map(|_| (std * normal(rng)) as f32).collect();
        match self {
            Self::KaimingUniform => uniforms(1.0 / inputs.sqrt(), rng),
            Self::KaimingUniformRelu => uniforms((6.0 / inputs).sqrt(), rng),
            Self::UniformFanOut(factor) => uniforms((factor / outputs).sqrt(), rng),
            Self::XavierUniform => uniforms((6.0 / (inputs + outputs)).sqrt(), rng),
            Self::KaimingNormal => normals((2.0 / inputs).sqrt(), rng),
            Self::KaimingNormalFanOut => normals((2.0 / outputs).sqrt(), rng),
            Self::Normal(std) => normals(std, rng),
            Self::Orthogonal => {
                // PyTorch flattens to [out, rest]; a weight stored as [in, out] is that, transposed.
                let rows = if outputs_first {
                    count / fan_in
                } else {
                    fan_in
                };
                orthogonal(rows, count / rows, rng)
            }
        }
    }
}

/// A `rows × columns` matrix with orthonormal rows (or columns, if there are more rows), by
/// modified Gram-Schmidt on Gaussian vectors. These are far from dependent, so that one pass in f64
/// is exact to f32.
fn orthogonal(rows: usize, columns: usize, rng: &mut HostRng) -> Vec<f32> {
    let (vectors, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(vectors);
    for _ in 0..vectors {
        let mut vector: Vec<f64> = (0..length).map(|_| normal(rng)).collect();
        for other in &basis {
            let dot = dot(&vector, other);
            vector
                .iter_mut()
                .zip(other)
                .for_each(|(a, b)| *a -= dot * b);
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|a| *a /= norm);
        basis.push(vector);
    }
    let entry = |row: usize, column: usize| {
        if rows <= columns {
            basis[row][column]
        } else {
            basis[column][row]
        }
    };
    (0..rows * columns)
        .map(|at| entry(at / columns, at % columns) as f32)
        .collect()
}

/// Sums in eight lanes, which the processor adds at once: wide layers have millions of products.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

/// A layer's fresh weight and bias with PyTorch's default distribution, from the device's generator;
/// drawn when first looked at, so that a model that is initialized or loaded next draws nothing here.
pub(crate) fn layer<const D: usize>(
    shape: [usize; D],
    outputs: usize,
    device: &Device,
) -> (Param<Tensor<D>>, Param<Tensor<1>>) {
    let bound = bound(&shape);
    (
        uniform_param(shape, bound, device),
        uniform_param([outputs], bound, device),
    )
}

/// What the entries of a weight of this shape, and of the bias beside it, are within by PyTorch's default.
pub(crate) fn bound(shape: &[usize]) -> f64 {
    1.0 / (fans(shape).0 as f64).sqrt()
}

/// A parameter whose entries are uniform in [-bound, bound], drawn when first looked at.
pub(crate) fn uniform_param<const D: usize>(
    shape: [usize; D],
    bound: f64,
    device: &Device,
) -> Param<Tensor<D>> {
    Param::uninitialized(
        ParamId::new(),
        move |device, tracked| {
            Tensor::random(shape, Distribution::Uniform(-bound, bound), device)
                .set_require_grad(tracked)
        },
        device.clone(),
        true,
        shape.into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Conv2d, Conv2dConfig, Linear, LinearConfig};

    #[derive(Module, Debug)]
    struct Net {
        conv: Conv2d,
        fc: Linear,
    }

    fn draw(init: Init, seed: u64) -> [Vec<f32>; 4] {
        let device = crate::device("flex").unwrap();
        let net = Net {
            conv: Conv2dConfig::new([16, 32], 3).init(&device),
            fc: LinearConfig::new(64, 50).init(&device),
        };
        let net = init.apply(net, seed);
        let vec = |data: TensorData| data.try_to_vec::<f32>().unwrap();
        [
            vec(net.conv.weight.to_data()),
            vec(net.conv.bias.unwrap().to_data()),
            vec(net.fc.weight.to_data()),
            vec(net.fc.bias.unwrap().to_data()),
        ]
    }

    /// Two threads that build models leave each other's dropout as it is.
    #[test]
    fn what_a_layer_would_have_drawn_is_never_drawn() {
        #[derive(Module, Debug)]
        struct Conv2d {
            weight: Param<Tensor<4>>,
        }
        let device = crate::device("flex").unwrap();
        let lazy = Conv2d {
            weight: Param::uninitialized(
                ParamId::new(),
                |_, _| panic!("drawn"),
                device.clone(),
                true,
                [2, 1, 3, 3].into(),
            ),
        };
        let drawn = Init::PYTORCH.apply(lazy, 1);
        assert!(drawn.weight.is_initialized());
        let layer = Conv2dConfig::new([1, 2], 3).init(&device);
        assert!(!layer.weight.is_initialized());
        assert_eq!(layer.weight.lazy_shape().dims(), [2, 1, 3, 3]);
    }

    #[test]
    fn a_weight_that_is_stored_transposed_is_drawn_by_its_inputs() {
        use burn::nn::{Linear, LinearConfig, LinearLayout};
        let device = crate::device("flex").unwrap();
        let linear = |layout| LinearConfig::new(64, 5).with_layout(layout).init(&device);
        let drawn = |linear: Linear| {
            let weight = Init::PYTORCH.apply(linear, 3).weight.val();
            assert_eq!(weight.dims(), [64, 5]);
            weight.into_data().iter::<f32>().collect::<Vec<_>>()
        };
        let row = drawn(linear(LinearLayout::Row));
        assert_eq!(drawn(linear(LinearLayout::Col)), row);
        // Once it has values too.
        let touched = linear(LinearLayout::Col);
        let _ = touched.weight.val();
        assert_eq!(drawn(touched), row);
    }

    fn std(values: &[f32]) -> f64 {
        (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn distributions_have_their_spread() {
        let same = |weights| Init {
            conv: weights,
            linear: weights,
            random_bias: true,
        };
        for (weights, conv, linear) in [
            (
                WeightInit::KaimingUniform,
                (1.0_f64 / 144.0 / 3.0).sqrt(),
                (1.0_f64 / 64.0 / 3.0).sqrt(),
            ),
            (
                WeightInit::KaimingNormal,
                (2.0_f64 / 144.0).sqrt(),
                (2.0_f64 / 64.0).sqrt(),
            ),
            (
                WeightInit::KaimingNormalFanOut,
                (2.0_f64 / 288.0).sqrt(),
                (2.0_f64 / 50.0).sqrt(),
            ),
            (
                WeightInit::XavierUniform,
                (2.0_f64 / 432.0).sqrt(),
                (2.0_f64 / 114.0).sqrt(),
            ),
            (
                WeightInit::KaimingUniformRelu,
                (6.0_f64 / 144.0 / 3.0).sqrt(),
                (6.0_f64 / 64.0 / 3.0).sqrt(),
            ),
            (
                WeightInit::UniformFanOut(3.0),
                (1.0_f64 / 288.0).sqrt(),
                (1.0_f64 / 50.0).sqrt(),
            ),
            (WeightInit::Normal(0.3), 0.3, 0.3),
        ] {
            let [w, b, fw, fb] = draw(same(weights), 1);
            assert!(
                (std(&w) / conv - 1.0).abs() < 0.05,
                "{weights:?} conv {}",
                std(&w)
            );
            assert!(
                (std(&fw) / linear - 1.0).abs() < 0.05,
                "{weights:?} linear {}",
                std(&fw)
            );
            assert!(b.iter().all(|v| v.abs() <= 1.0 / 12.0) && std(&b) > 0.02);
            assert!(fb.iter().all(|v| v.abs() <= 1.0 / 8.0) && std(&fb) > 0.04);
        }
    }

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        let [w, b, ..] = draw(
            Init::from_spec(&Spec::new("orthogonal"), Init::PYTORCH).unwrap(),
            3,
        );
        assert!(b.iter().all(|v| *v == 0.0));
        let row = |i: usize| &w[i * 144..(i + 1) * 144];
        for (i, j) in [(0, 0), (0, 1), (5, 31), (31, 31)] {
            let dot: f32 = row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum();
            assert!(
                (dot - f32::from(u8::from(i == j))).abs() < 1e-5,
                "{i} {j} {dot}"
            );
        }
    }

    /// Square matrices are the hardest: the last vector has one direction left.
    #[test]
    fn square_and_tall_matrices_are_orthonormal() {
        for (rows, columns) in [(200, 200), (120, 9), (1, 5)] {
            let mut rng = random::rng(0, "test", 0, 0);
            let values = orthogonal(rows, columns, &mut rng);
            let at = |vector: usize, entry: usize| {
                let (row, column) = if rows <= columns {
                    (vector, entry)
                } else {
                    (entry, vector)
                };
                f64::from(values[row * columns + column])
            };
            let (vectors, length) = (rows.min(columns), rows.max(columns));
            for a in 0..vectors {
                for b in 0..=a {
                    let dot: f64 = (0..length).map(|entry| at(a, entry) * at(b, entry)).sum();
                    let expected = f64::from(u8::from(a == b));
                    assert!(
                        (dot - expected).abs() < 1e-6,
                        "{rows}×{columns} {a} {b}: {dot}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_seed_is_the_draw() {
        assert_eq!(draw(Init::PYTORCH, 7), draw(Init::PYTORCH, 7));
        assert_ne!(draw(Init::PYTORCH, 7)[0], draw(Init::PYTORCH, 8)[0]);
        let error = Init::from_spec(&Spec::new("ortogonal"), Init::PYTORCH).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `orthogonal`?"),
            "{error}"
        );
    }
}
