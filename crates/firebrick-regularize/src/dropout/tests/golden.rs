//! Units against PyTorch's and torchvision's float64 values, on every device of this machine, with what was drawn given. The values come
//! from `python3 xtask/golden/layers/dropout.py`.

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::Deserialize;

use crate::dropout::{alpha, drop_path, dropblock, fractional_max_pool};

/// Of the largest entry expected.
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Golden {
    alpha_dropout: Vec<Case<Alpha>>,
    dropblock: Vec<Case<Block>>,
    drop_path: Vec<Case<Path>>,
    fractional_max_pool: Vec<Case<Fractional>>,
}

#[derive(Deserialize)]
struct Case<T> {
    #[serde(flatten)]
    given: T,
    input: Array,
    cotangent: Array,
    output: Array,
    input_gradient: Array,
}

#[derive(Deserialize)]
struct Alpha {
    p: f64,
    mask: Vec<f64>,
}

#[derive(Deserialize)]
struct Block {
    p: f64,
    block: usize,
    begins: Vec<bool>,
    gamma: f64,
}

#[derive(Deserialize)]
struct Path {
    p: f64,
    kept: Vec<bool>,
}

#[derive(Deserialize)]
struct Fractional {
    kernel: usize,
    output_size: [usize; 2],
    samples: Vec<[f64; 2]>,
}

#[derive(Deserialize)]
struct Array {
    shape: [usize; 4],
    values: Vec<f64>,
}

impl Array {
    fn tensor(&self, device: &Device) -> Tensor<4> {
        let data = TensorData::new(self.values.clone(), self.shape);
        Tensor::from_data(data, (device, DType::F32))
    }

    fn assert_near(&self, found: &Tensor<4>, place: &str) {
        assert_eq!(found.dims(), self.shape, "{place}");
        let largest = self
            .values
            .iter()
            .fold(1e-30, |most: f64, value| most.max(value.abs()));
        for (at, (found, expected)) in found.to_data().iter::<f64>().zip(&self.values).enumerate() {
            let error = (found - expected).abs() / largest;
            assert!(
                error <= TOLERANCE,
                "{place}[{at}]: {found} is not {expected}"
            );
        }
    }
}

/// Runs every case on every device of this machine.
fn check<T>(what: &str, cases: &[Case<T>], apply: impl Fn(&T, Tensor<4>) -> Tensor<4>) {
    assert!(!cases.is_empty());
    for name in ["flex", "ndarray", "wgpu"] {
        let device = match firebrick_core::device(name) {
            Ok(device) => device.autodiff(),
            Err(error) => {
                println!("SKIPPED: {error}");
                continue;
            }
        };
        for (index, case) in cases.iter().enumerate() {
            let place = format!("{what} {index} on {name}");
            let input = case.input.tensor(&device).require_grad();
            let output = apply(&case.given, input.clone());
            case.output.assert_near(&output, &place);
            let gradients = (output * case.cotangent.tensor(&device)).sum().backward();
            let gradient = input.grad(&gradients).unwrap();
            case.input_gradient
                .assert_near(&gradient, &format!("{place}: gradient"));
        }
    }
}

fn golden() -> Golden {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/dropout.json"
    ));
    serde_json::from_str(text).unwrap()
}

#[test]
fn alpha_dropout_is_pytorchs() {
    check("alpha_dropout", &golden().alpha_dropout, |given, input| {
        let mask = TensorData::new(given.mask.clone(), input.dims());
        let mask = Tensor::from_data(mask, (&input.device(), DType::F32));
        alpha::apply(input, mask, given.p)
    });
}

#[test]
fn dropblock_is_torchvisions() {
    let golden = golden().dropblock;
    for case in &golden {
        let [_, _, height, width] = case.input.shape;
        let gamma = dropblock::gamma(case.given.p, [height, width], case.given.block);
        assert!((gamma - case.given.gamma).abs() < 1e-12, "{gamma}");
    }
    check("dropblock", &golden, |given, input| {
        dropblock::apply(input, &given.begins, given.block)
    });
}

#[test]
fn drop_path_is_torchvisions() {
    check("drop_path", &golden().drop_path, |given, input| {
        drop_path::apply(input, &given.kept, given.p)
    });
}

#[test]
fn fractional_max_pool_is_pytorchs() {
    check(
        "fractional_max_pool",
        &golden().fractional_max_pool,
        |given, input| {
            fractional_max_pool::apply(input, &given.samples, given.kernel, given.output_size)
        },
    );
}
