//! Pooling.

use firebrick_kernels::pool;
use firebrick_kernels::pool::Window;

use crate::refused::{image, refused};
use crate::settings::noise;

#[test]
fn windows_and_slices_that_do_not_fit_pooling() {
    let size = image(2, 6, 6, 5);
    let good = Window {
        kernel: [2, 2],
        stride: [2, 2],
        padding: [(0, 0); 2],
        ceil_mode: false,
    };
    let (x, dy) = (noise(1, size.len()), noise(2, 2 * 3 * 3 * 5));
    let positions = vec![u16::MAX; dy.len()];
    refused(&["pooling: x"], || pool::max(&x[1..], size, &good));
    refused(&["pooling: x"], || pool::max_infer(&x[1..], size, &good));
    refused(&["pooling: x"], || pool::avg(&x[1..], size, &good, true));
    refused(&["pooling: dy"], || {
        pool::avg_grad(&dy[1..], size, &good, true)
    });
    refused(&["pooling: dy"], || {
        pool::max_grad(&dy[1..], &positions, size, &good)
    });
    refused(&["positions"], || {
        pool::max_grad(&dy, &positions[1..], size, &good)
    });
    // Positions that no window has go nowhere.
    assert!(
        pool::max_grad(&dy, &positions, size, &good)
            .iter()
            .all(|dx| *dx == 0.0)
    );
    refused(&["pooling: x"], || {
        pool::adaptive_avg(&x[1..], size, [2, 2])
    });
    refused(&["pooling: dy"], || {
        pool::adaptive_avg_grad(&dy, size, [2, 2])
    });
    refused(&["sides of 1"], || pool::adaptive_avg(&x, size, [0, 2]));
    refused(&["pooling: x"], || pool::global_avg(&x[1..], size));
    refused(&["pooling: dy"], || pool::global_avg_grad(&dy, size));
    refused(&["kernel of"], || {
        let large = Window {
            kernel: [257, 256],
            padding: [(128, 128), (128, 128)],
            ..good
        };
        pool::max(&x, size, &large)
    });
    for (bad, part) in [
        (
            Window {
                kernel: [0, 2],
                ..good
            },
            "1 or more",
        ),
        (
            Window {
                stride: [2, 0],
                ..good
            },
            "1 or more",
        ),
        (
            Window {
                kernel: [2, 7],
                ..good
            },
            "larger than the padded image",
        ),
        (
            Window {
                padding: [(usize::MAX, 3), (0, 0)],
                ..good
            },
            "padding of",
        ),
        (
            Window {
                padding: [(1 << 40, 0), (1 << 40, 0)],
                stride: [1 << 40, 1 << 40],
                ..good
            },
            "no memory holds",
        ),
    ] {
        refused(&[part], || pool::max(&x, size, &bad));
        refused(&[part], || pool::max_infer(&x, size, &bad));
        refused(&[part], || pool::avg(&x, size, &bad, true));
        refused(&[part], || pool::max_grad(&dy, &positions, size, &bad));
        refused(&[part], || pool::avg_grad(&dy, size, &bad, true));
    }
    // n · h · w · c is 0 in 64 bits.
    let huge = image(1 << 31, 1 << 31, 1 << 2, 8);
    refused(&["no memory holds"], || pool::max(&[], huge, &good));
    refused(&["no memory holds"], || pool::avg(&[], huge, &good, true));
    refused(&["no memory holds"], || {
        pool::avg_grad(&[], huge, &good, true)
    });
    refused(&["no memory holds"], || {
        pool::max_grad(&[], &[], huge, &good)
    });
    refused(&["no memory holds"], || pool::global_avg(&[], huge));
    refused(&["no memory holds"], || {
        pool::global_avg_grad(&[], image(1 << 61, 2, 2, 8))
    });
}
