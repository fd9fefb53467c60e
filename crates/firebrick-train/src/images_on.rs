//! Moves a batch's images to a device.

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::data::Batch;

/// The batch's images on a device, `[N, C, H, W]`; targets and indices stay on the host.
pub(crate) fn images_on(batch: &mut Batch, device: &Device) -> Tensor<4> {
    Tensor::from_data(
        TensorData::new(std::mem::take(&mut batch.images), batch.shape),
        device,
    )
}
