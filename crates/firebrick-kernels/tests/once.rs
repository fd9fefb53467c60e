//! Every operation reads the instruction set in use once: `simd::force` cannot change the length of its
//! vectors half-way.

use firebrick_kernels::activation::{self, Activation};
use firebrick_kernels::channels::{self, Channels};
use firebrick_kernels::conv2d::{self, Conv2d, Epilogue};
use firebrick_kernels::local_response_norm::{self as response_norm, Response};
use firebrick_kernels::optimizer::{self, Formula, Real, Tensors};
use firebrick_kernels::pool::{self, Window};
use firebrick_kernels::simd::times_read;
use firebrick_kernels::{
    Image, batch_norm, channel_scale, cross_entropy, dropout, elementwise, layer_norm, linear,
};

/// How often the work asks for the instruction set, all of it on one thread.
fn reads(work: impl FnOnce() + Send) -> usize {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a pool").install(|| {
        let before = times_read();
        work();
        times_read() - before
    })
}

fn conv(side: usize, [inputs, outputs]: [usize; 2], groups: usize) -> Conv2d {
    Conv2d {
        input: Image {
            n: 3,
            h: side,
            w: side,
            c: inputs,
        },
        output_channels: outputs,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [(1, 1), (1, 1)],
        dilation: [1, 1],
        groups,
    }
}

#[test]
fn convolutions() {
    for conv in [
        conv(9, [3, 20], 1),
        conv(9, [40, 70], 1),
        conv(32, [32, 48], 1),
        conv(9, [8, 24], 2),
        conv(9, [17, 17], 17),
    ] {
        let (x, dy) = (vec![1.0; conv.input.len()], vec![1.0; conv.output().len()]);
        let weight = vec![1.0; conv.weight_len()];
        let none = Epilogue::default();
        let packed = conv2d::pack(&conv, &weight);
        for (name, times) in [
            (
                "forward",
                reads(|| drop(conv2d::forward(&conv, &x, &weight, none))),
            ),
            ("pack", reads(|| drop(conv2d::pack(&conv, &weight)))),
            (
                "packed",
                reads(|| drop(conv2d::forward_packed(&conv, &x, &packed, none))),
            ),
            (
                "input",
                reads(|| drop(conv2d::input_grad(&conv, &dy, &weight))),
            ),
            (
                "weight",
                reads(|| drop(conv2d::weight_grad(&conv, &x, &dy))),
            ),
            (
                "bias",
                reads(|| drop(conv2d::bias_grad(&dy, conv.output_channels))),
            ),
        ] {
            assert_eq!(times, 1, "{name} of {conv:?}");
        }
    }
    let (x, weight, dy) = (vec![1.0; 9 * 40], vec![1.0; 40 * 70], vec![1.0; 9 * 70]);
    let size = [9, 40, 70];
    assert_eq!(
        reads(|| drop(linear::forward(&x, &weight, Epilogue::default(), size))),
        1
    );
    assert_eq!(reads(|| drop(linear::input_grad(&dy, &weight, size))), 1);
    assert_eq!(reads(|| drop(linear::weight_grad(&x, &dy, size))), 1);
}

#[test]
fn batch_norms() {
    let (x, channel) = (vec![1.0; 70_000 * 3], [1.0; 3]);
    let fused = batch_norm::Fused {
        residual: Some(&x),
        activation: Some(Activation::Relu),
    };
    let train = || batch_norm::forward_train(&x, 3, &channel, &channel, 1e-5, fused);
    assert_eq!(reads(|| drop(train())), 1);
    let apply = || batch_norm::apply(&x, &channel, &channel, fused);
    assert_eq!(reads(|| drop(apply())), 1);
    let saved = batch_norm::Saved {
        x: &x,
        gamma: &channel,
        beta: &channel,
        mean: &channel,
        variance: &channel,
        eps: 1e-5,
        activation: Some(Activation::Relu),
        output: Some(&x),
    };
    assert_eq!(reads(|| drop(batch_norm::backward(&saved, &x, true))), 1);
}

#[test]
fn pools() {
    let image = Image {
        n: 40,
        h: 20,
        w: 20,
        c: 5,
    };
    let window = Window {
        kernel: [2, 2],
        stride: [2, 2],
        padding: [(0, 0); 2],
        ceil_mode: false,
    };
    let (x, dy) = (
        vec![1.0; image.len()],
        vec![1.0; window.output(image).len()],
    );
    let positions = vec![0; dy.len()];
    let means = vec![1.0; image.n * image.c];
    for (name, times) in [
        ("max", reads(|| drop(pool::max(&x, image, &window)))),
        (
            "inference",
            reads(|| drop(pool::max_infer(&x, image, &window))),
        ),
        (
            "max gradient",
            reads(|| drop(pool::max_grad(&dy, &positions, image, &window))),
        ),
        (
            "average",
            reads(|| drop(pool::avg(&x, image, &window, true))),
        ),
        (
            "average gradient",
            reads(|| drop(pool::avg_grad(&dy, image, &window, true))),
        ),
        ("global", reads(|| drop(pool::global_avg(&x, image)))),
        (
            "adaptive",
            reads(|| drop(pool::adaptive_avg(&x, image, [7, 7]))),
        ),
        (
            "adaptive gradient",
            reads(|| drop(pool::adaptive_avg_grad(&x[..40 * 49 * 5], image, [7, 7]))),
        ),
    ] {
        assert_eq!(times, 1, "{name}");
    }
    // Copies alone.
    assert_eq!(reads(|| drop(pool::global_avg_grad(&means, image))), 0);
}

#[test]
fn operations_on_channels() {
    let image = Image {
        n: 2,
        h: 100,
        w: 100,
        c: 6,
    };
    let (x, six) = (vec![1.0; image.len()], [1.0; 6]);
    let response = Response {
        size: 3,
        alpha: 1e-4,
        beta: 0.75,
        k: 1.0,
    };
    let rows = vec![1.0; 20_000];
    let saved = layer_norm::Saved {
        x: &x,
        weight: &six,
        mean: &rows,
        inverse: &rows,
    };
    let both = [Channels::all(&x, 6); 2];
    for (name, times) in [
        (
            "scale",
            reads(|| drop(channel_scale::forward(&x, image, &six, None))),
        ),
        (
            "its gradient",
            reads(|| drop(channel_scale::backward(&x, image, &six, &x))),
        ),
        (
            "layer norm",
            reads(|| drop(layer_norm::forward(&x, &six, &six, 1e-5))),
        ),
        (
            "layer norm gradient",
            reads(|| drop(layer_norm::backward(&saved, &x))),
        ),
        ("concat", reads(|| drop(channels::concat(&both, 20_000)))),
        (
            "interleave",
            reads(|| drop(channels::interleave(both, 20_000))),
        ),
        (
            "deinterleave",
            reads(|| drop(channels::deinterleave(&x, 6))),
        ),
        ("shuffle", reads(|| drop(channels::shuffle(&x, 6, 3)))),
        (
            "response",
            reads(|| drop(response_norm::forward(&x, 6, response))),
        ),
        (
            "response gradient",
            reads(|| drop(response_norm::backward(&x, 6, response, &x))),
        ),
    ] {
        assert_eq!(times, 1, "{name}");
    }
}

#[test]
fn operations_on_elements() {
    let x = vec![1.0; 70_000];
    let bits = dropout::bits(x.len(), 0.5, 1, 2);
    let (mut y, mut z) = (x.clone(), x.clone());
    for (name, times) in [
        ("relu", reads(|| drop(elementwise::relu(&x)))),
        ("sum", reads(|| drop(elementwise::add_relu(&x, &x)))),
        ("in place", reads(|| elementwise::relu_in_place(&mut y))),
        (
            "gradient",
            reads(|| drop(elementwise::relu_grad(&x, &bits))),
        ),
        ("add", reads(|| drop(elementwise::add(&x, &x)))),
        ("add into", reads(|| elementwise::add_into(&mut z, &x))),
        ("dropout", reads(|| drop(dropout::apply(&x, 0.5, 1, 2)))),
        (
            "its gradient",
            reads(|| drop(dropout::grad(&x, &bits, 0.5))),
        ),
        (
            "its bits",
            reads(|| drop(dropout::bits(x.len(), 0.5, 1, 2))),
        ),
        (
            "entropy",
            reads(|| drop(cross_entropy::forward(&x, &x, 10))),
        ),
        (
            "activation",
            reads(|| drop(activation::forward(Activation::Gelu, &x))),
        ),
        (
            "its slope",
            reads(|| drop(activation::backward(Activation::Elu, &x, &x))),
        ),
    ] {
        assert_eq!(times, 1, "{name}");
    }
    let in_place = reads(|| activation::forward_in_place(Activation::Silu, &mut y));
    assert_eq!(in_place, 1);
}

/// θ ← θ - g
#[derive(Clone, Copy)]
struct Descent;

impl Formula<1, 1> for Descent {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], [gradient]: [R; 1]) -> [R; 1] {
        [value - gradient]
    }
}

#[test]
fn optimizers() {
    let gradient = vec![1.0; 70_000];
    let (mut one, mut two) = (gradient.clone(), gradient.clone());
    let times = reads(|| {
        let tensors = [&mut one, &mut two].map(|value| Tensors {
            formula: Descent,
            written: [&mut value[..]],
            read: [&gradient[..]],
        });
        optimizer::apply(&mut { tensors });
    });
    assert_eq!(times, 1);
    let sums = || optimizer::sums_of_squares(&[&gradient, &gradient]);
    assert_eq!(reads(|| drop(sums())), 1);
}
