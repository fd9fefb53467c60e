//! Low-rank adapters (LoRA): a frozen weight W becomes W + α/r · A·B, where A and B have r columns and rows and are trained.
//!
//! Source: Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022. The kernels of a convolution are the matrix
//! `[outputs, inputs × height × width]`, as in the reference implementation for convolutions, Hugging Face's PEFT.
//!
//! The adapters are Burn's `LoraAdapter`, which a parameter applies by itself, so that layers need not know of them. Burn's own `Lora` adapts matrices
//! only, which in most convolutional networks are those of the last layer alone, and draws from the device's generator; [`attach`] adapts
//! convolutions too, and draws from a seed.

use std::collections::BTreeMap;

use burn::module::{LoraAdapter, Module, ModuleVisitor, Param, ParamId, Reparameterizer};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;

use crate::independent_copy;
use crate::parameters::Path;
use crate::random::rng;

/// The size of adapters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lora {
    /// The rank r, at least 1. A weight that has no more rows or columns gets no adapter.
    pub rank: usize,
    /// The scale α, which is divided by the rank.
    pub alpha: f64,
}

/// The model with adapters for the weights of linear layers and convolutions whose path `which` selects. Its outputs are as before: one of the two
/// factors is 0, and the other is drawn from `seed` as PyTorch draws a layer. Weights stay trainable; freeze them with
/// [`freeze`](crate::freeze()).
///
/// An adapter's factors have the path of their weight, then `lora.a` and `lora.b`.
pub fn attach<M: Module>(model: M, lora: Lora, seed: u64, which: impl Fn(&str) -> bool) -> M {
    struct Selected<'a> {
        path: Path,
        which: &'a dyn Fn(&str) -> bool,
        ids: BTreeMap<ParamId, u64>,
    }
    impl ModuleVisitor for Selected<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if (self.which)(&self.path.key()) {
                let number = self.ids.len() as u64;
                self.ids.insert(param.id, number);
            }
        }
    }
    let mut selected = Selected {
        path: Path::default(),
        which: &which,
        ids: BTreeMap::new(),
    };
    model.visit(&mut selected);
    model.apply_reparameterization(Attach {
        lora,
        seed,
        ids: selected.ids,
    })
}

/// Whether a path is that of a factor of an adapter.
#[must_use]
pub fn is_adapter(path: &str) -> bool {
    path.ends_with(".lora.a") || path.ends_with(".lora.b")
}

/// A copy of the model without adapters that computes the same: each is added to its weight. It shares nothing with the model.
pub fn merged<M: Module>(model: &M) -> M {
    independent_copy(model).materialize()
}

struct Attach {
    lora: Lora,
    seed: u64,
    /// The parameters to adapt, each with its number.
    ids: BTreeMap<ParamId, u64>,
}

impl Reparameterizer for Attach {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let Lora { rank, alpha } = self.lora;
        let number = self.ids.get(&param.id).copied();
        let (Some(number), true) = (number, D == 2 || D == 4) else {
            return (param, None);
        };
        let base = param.base();
        let dims = base.dims();
        let (rows, columns) = (dims[0], dims[1..].iter().product::<usize>());
        if rank >= rows.min(columns) {
            return (param, None);
        }
        let device = (base.device(), base.dtype());
        // A linear layer's inputs are rows, those of a convolution columns: the factor on their side is drawn.
        let inputs = if D == 2 { rows } else { columns };
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut rng = rng(self.seed, "lora", number, 0);
        let mut drawn = |shape: [usize; 2]| {
            let count = shape[0] * shape[1];
            let values: Vec<f32> = (0..count)
                .map(|_| rng.random_range(-bound..bound) as f32)
                .collect();
            Tensor::<2>::from_data(TensorData::new(values, shape), (&device.0, device.1))
        };
        let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, (&device.0, device.1));
        let (a, b) = if D == 2 {
            (drawn([rows, rank]), zeros([rank, columns]))
        } else {
            (zeros([rows, rank]), drawn([rank, columns]))
        };
        let adapter = LoraAdapter {
            a: Param::from_tensor(a),
            b: Param::from_tensor(b),
            scale: alpha / rank as f64,
        };
        (param, Some(adapter))
    }
}
