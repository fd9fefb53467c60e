//! Burn's own format for weights, burnpack.

use burn::tensor::TensorData;
use burn_pack::{Tensor, Writer};
use firebrick_core::Classifier;
use firebrick_core::state_dict::burn_tensors;

use super::exported::{Exported, Metadata};

/// The weights and running statistics of a model, under the names of its fields: as `Module::save_file` writes those of a module of plain structs,
/// but without ids, so that equal models give equal bytes.
pub(super) fn encode<M: Classifier>(model: &M, metadata: &Metadata) -> Result<Exported, String> {
    let tensors: Vec<Tensor> = burn_tensors(model)
        .into_iter()
        .map(|(name, data)| {
            let (bytes, shape, dtype) = TensorData::into_parts(data);
            Tensor::new(name, dtype, shape, None, bytes)
        })
        .collect();
    let count = tensors.len();
    let writer = metadata
        .iter()
        .filter(|(key, _)| key.starts_with("firebrick."))
        .fold(Writer::new(tensors), |writer, (key, value)| {
            writer.with_metadata(key, value)
        });
    let bytes = writer.into_bytes().map_err(|error| error.to_string())?;
    Ok(Exported {
        bytes: bytes.to_vec(),
        tensors: count,
    })
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
    use burn::store::ModuleRecord;
    use burn::tensor::activation::relu;
    use burn::tensor::module::max_pool2d;
    use burn::tensor::ops::MaxPoolOptions;
    use burn::tensor::{Bytes, Device, Tensor};
    use firebrick_core::data::Preprocessing;
    use firebrick_core::state_dict::StateDict;

    use crate::export::{Export, Format};
    use crate::{ModelInfo, TrainedModel};

    /// `small_cnn(width=4)` as someone writes it with Burn's own layers.
    #[derive(Module, Debug)]
    struct Net {
        layer1: Stage,
        layer2: Stage,
        layer3: Stage,
        fc: Linear,
    }

    #[derive(Module, Debug)]
    struct Stage {
        conv1: Conv2d,
        bn1: BatchNorm,
        conv2: Conv2d,
        bn2: BatchNorm,
    }

    impl Stage {
        fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
            let conv = |inputs| {
                Conv2dConfig::new([inputs, outputs], [3, 3])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .with_bias(false)
                    .init(device)
            };
            let norm = || BatchNormConfig::new(outputs).init(device);
            Self {
                conv1: conv(inputs),
                bn1: norm(),
                conv2: conv(outputs),
                bn2: norm(),
            }
        }

        fn forward(&self, x: Tensor<4>) -> Tensor<4> {
            let x = relu(self.bn1.forward(self.conv1.forward(x)));
            relu(self.bn2.forward(self.conv2.forward(x)))
        }
    }

    impl Net {
        fn new(classes: usize, device: &Device) -> Self {
            Self {
                layer1: Stage::new(3, 4, device),
                layer2: Stage::new(4, 8, device),
                layer3: Stage::new(8, 16, device),
                fc: LinearConfig::new(16, classes).init(device),
            }
        }

        fn forward(&self, x: Tensor<4>) -> Tensor<2> {
            let window = || MaxPoolOptions::new([2; 2]).with_stride([2; 2]);
            let halved = |x| max_pool2d(x, window());
            let x = halved(self.layer1.forward(x));
            let x = halved(self.layer2.forward(x));
            let x = self.layer3.forward(x).mean_dim(3).mean_dim(2);
            self.fc.forward(x.flatten::<2>(1, 3))
        }
    }

    fn model(device: &Device) -> TrainedModel {
        let info = ModelInfo {
            model: "small_cnn(width=4)".parse().unwrap(),
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            preprocessing: Preprocessing::unnormalized(3, 12, 12),
        };
        let network = firebrick_zoo::build(&info.model, &info.input(), 5, device).unwrap();
        let mut dict = StateDict::of(&network);
        for (key, data) in &mut dict.tensors {
            let shift = match key {
                key if key.contains("bn") => 0.3,
                _ => 0.0,
            };
            let values = data.iter::<f32>().enumerate();
            let moved = values.map(|(at, x)| x + shift / (at % 7 + 1) as f32);
            let moved: Vec<f32> = moved.collect();
            *data = burn::tensor::TensorData::new(moved, data.shape().clone());
        }
        TrainedModel {
            network: dict.load_into(network).unwrap(),
            info,
            device: device.clone(),
        }
    }

    #[test]
    fn a_module_of_burns_own_layers_loads_the_file_and_computes_the_same() {
        let device = firebrick_core::device("flex").unwrap();
        let model = model(&device);
        let export = Export {
            format: Format::Burn,
            fold: true,
        };
        let exported = export.of(&model).unwrap();
        assert_eq!(exported.bytes, export.of(&model).unwrap().bytes);
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(exported.bytes)).unwrap();
        // Nothing is missing, and nothing is left over.
        let net = Net::new(3, &device).try_load_record(record).unwrap();
        let pixels: Vec<f32> = (0..2 * 3 * 12 * 12)
            .map(|at| (at as f32 * 0.7).sin())
            .collect();
        let images = Tensor::<1>::from_floats(pixels.as_slice(), &device).reshape([2, 3, 12, 12]);
        let expected = firebrick_core::Classifier::forward(&model.network, images.clone());
        let found = net.forward(images);
        let apart = (found - expected).abs().max().into_data();
        assert!(apart.iter::<f32>().all(|apart| apart < 1e-5), "{apart}");
    }
}
