//! The average over as many windows as the result has pixels.

use super::average::{averages, share, spread};
use super::window::{Owners, Span};
use crate::Image;

/// The average of windows that divide each side as evenly as whole pixels allow: window i of n covers the pixels from
/// ⌊i · size / n⌋ to ⌈(i + 1) · size / n⌉, so that they overlap where n does not divide the size.
///
/// # Shapes
/// `x` as `image`, to `[n, output[0], output[1], c]`.
///
/// # Panics
/// When `x` does not have that shape, or a side of either is 0.
#[must_use]
pub fn adaptive_avg(x: &[f32], image: Image, output: [usize; 2]) -> Vec<f32> {
    assert_eq!(x.len(), image.len(), "pooling: x of {image:?}");
    let sides = spans(image, output);
    let [rows, columns] = sides.map(|spans| {
        let with_share = |span: Span| (span, share(&span, false));
        spans.into_iter().map(with_share).collect::<Vec<_>>()
    });
    let area = image.h.div_ceil(output[0]) * image.w.div_ceil(output[1]);
    averages(x, image, [&rows, &columns], area)
}

/// The gradient of [`adaptive_avg`].
///
/// # Shapes
/// `dy` `[n, output[0], output[1], c]`, to `image`.
///
/// # Panics
/// When `dy` does not have that shape, or a side of either is 0.
#[must_use]
pub fn adaptive_avg_grad(dy: &[f32], image: Image, output: [usize; 2]) -> Vec<f32> {
    let out = Image {
        h: output[0],
        w: output[1],
        ..image
    };
    assert_eq!(dy.len(), out.len(), "pooling: dy of {out:?}");
    let sides = spans(image, output);
    let [rows, columns] = [(0, image.h), (1, image.w)].map(|(axis, size)| {
        let spans = &sides[axis];
        let owners = |pixel: usize| {
            let start = spans.partition_point(|span| span.end <= pixel);
            let end = spans.partition_point(|span| span.start <= pixel);
            Owners {
                start,
                count: end - start,
                position: 0,
            }
        };
        (0..size).map(owners).collect::<Vec<_>>()
    });
    let [heights, widths] = sides.map(|spans| {
        let spans = spans.iter();
        spans.map(|span| share(span, false)).collect::<Vec<_>>()
    });
    spread(dy, image, [&rows, &columns], [&heights, &widths])
}

/// What each window covers along both axes.
fn spans(image: Image, output: [usize; 2]) -> [Vec<Span>; 2] {
    let sides = [image.h, image.w];
    assert!(
        sides.iter().chain(&output).all(|side| *side > 0),
        "pooling: sides of 1 or more: {image:?} to {output:?}"
    );
    [0, 1].map(|axis| {
        let (size, out) = (sides[axis], output[axis]);
        let span = |index: usize| {
            let (start, end) = (index * size / out, ((index + 1) * size).div_ceil(out));
            Span {
                start,
                end,
                first: 0,
                padded: end - start,
            }
        };
        (0..out).map(span).collect()
    })
}
