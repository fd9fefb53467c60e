//! Networks with the same weights and input as their counterparts in PyTorch.

use anyhow::{Context, Result};
use burn::module::Module;
use burn::tensor::TensorData;
use firebrick::core::state_dict::StateDict;
use firebrick::prelude::{Device, Input, Model, Tensor};

use crate::case::Network;
use crate::who::Who;

/// The model, with the weights of the case's file, which is written where there is none.
pub(crate) fn build(case: &Network, device: &Device) -> Result<Model> {
    let spec = match &case.stem {
        Some(stem) => format!("{}(stem={stem})", case.network),
        None => case.network.clone(),
    };
    let input = Input {
        channels: case.channels,
        height: case.side,
        width: case.side,
        classes: case.classes,
    };
    let model = firebrick::zoo::build(&spec.parse()?, &input, 0, device)?;
    if !case.weights.exists() {
        let mut weights = StateDict::of(&model);
        move_statistics(&mut weights);
        let bytes = weights.to_safetensors().map_err(anyhow::Error::msg)?;
        std::fs::write(&case.weights, bytes)
            .with_context(|| format!("cannot write {}", case.weights.display()))?;
    }
    Ok(firebrick::zoo::load(model, &case.weights)?.0)
}

/// Gives batch norms running statistics other than 0 and 1, so that logits show whether they are
/// used.
fn move_statistics(weights: &mut StateDict) {
    for (name, tensor) in &mut weights.tensors {
        let value: fn(usize) -> f32 = if name.ends_with("running_mean") {
            |channel| 0.05 * (channel % 5) as f32 - 0.1
        } else if name.ends_with("running_var") {
            |channel| 1.0 + 0.1 * (channel % 3) as f32
        } else {
            continue;
        };
        let values: Vec<f32> = (0..tensor.num_elements()).map(value).collect();
        *tensor = TensorData::new(values, tensor.shape());
    }
}

/// Entry `index` of made-up data, in [-0.5, 0.5): equal in `peer_networks.py`.
pub(crate) fn entry(index: usize) -> f32 {
    let bits = (index as u64).wrapping_mul(2_654_435_761) % (1 << 32);
    (bits as f64 / f64::from(1_u32 << 31) / 2.0 - 0.5) as f32
}

/// `count` entries.
pub(crate) fn entries(count: usize) -> Vec<f32> {
    (0..count).map(entry).collect()
}

/// The images of a case, `[N, C, H, W]`.
pub(crate) fn images(case: &Network, device: &Device) -> Tensor<4> {
    let shape = [case.batch, case.channels, case.side, case.side];
    Tensor::from_data(
        TensorData::new(entries(shape.iter().product()), shape),
        device,
    )
}

/// Images `[N, C, H, W]` that lie in memory as those do which layers hand on to each other:
/// channels-last with our kernels, row by row with burn-flex's.
pub(crate) fn handed_on(who: Who, [n, c, h, w]: [usize; 4], device: &Device) -> Tensor<4> {
    let values = entries(n * c * h * w);
    match who {
        Who::Ours => Tensor::<4>::from_data(TensorData::new(values, [n, h, w, c]), device)
            .permute([0, 3, 1, 2]),
        Who::Flex => Tensor::from_data(TensorData::new(values, [n, c, h, w]), device),
    }
}

/// Trainable values.
pub(crate) fn parameters<M: Module>(model: &M) -> usize {
    firebrick::zoo::parameters(model)
}
