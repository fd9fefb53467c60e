//! What an observer sees of layers that are computed together.

use burn::module::Module;
use burn::tensor::Device;
use firebrick_core::nn::ConvBnRelu;
use firebrick_core::probe;

use crate::support::{TOLERANCE, alone, assert_close, evaluated, noise, values};

#[test]
fn an_observer_sees_every_layer() {
    let kinds = |device: &Device, layer: &ConvBnRelu| {
        let x = noise([2, 3, 5, 4], 1, device);
        let residual = noise([2, 6, 5, 4], 2, device);
        let (output, seen) = probe::observe(layer, |layer| {
            layer.forward_add(x.clone(), residual.clone())
        });
        let rows: Vec<_> = seen
            .iter()
            .map(|row| (row.path.clone(), row.kind.clone(), row.shape.clone()))
            .collect();
        (
            values(&output),
            values(&layer.forward_add(x, residual)),
            rows,
        )
    };
    let device = firebrick_core::device("flex").unwrap();
    let _alone = alone();
    let shape = vec![2, 6, 5, 4];
    let expected = vec![
        ("conv".to_string(), "Conv2d".to_string(), shape.clone()),
        ("bn".to_string(), "BatchNorm".to_string(), shape.clone()),
        ("bn".to_string(), "relu".to_string(), shape),
    ];
    let layer = evaluated(false, &device);
    for (device, layer) in [
        (device.clone(), layer.clone()),
        (device.autodiff(), layer.train()),
    ] {
        let (observed, unobserved, rows) = kinds(&device, &layer);
        assert_eq!(rows, expected);
        assert_close("observed", &observed, &unobserved, TOLERANCE);
    }
}
