//! Which algorithm computes a grid of pixels.

use super::gather::Gather;
use super::{direct, winograd};
use crate::scratch;

/// Computes every pixel of the grid.
pub(super) fn run(gather: &Gather<'_>) {
    let [rows, columns] = gather.grid;
    if gather.image.n == 0 || rows == 0 || columns == 0 {
        return;
    }
    if let Some(weights) = gather.transformed {
        return winograd::gather::run(gather, weights);
    }
    if winograd::gather::pays(gather) {
        let (columns, sum) = (gather.result_image.c, gather.image.c);
        let len = winograd::gather::weights_len(columns, sum, gather.vectors);
        return scratch::with(len, |weights| {
            let vectors = gather.vectors;
            winograd::gather::transform_weights(gather.slabs, columns, sum, vectors, weights);
            winograd::gather::run(gather, weights);
        });
    }
    direct::run(gather);
}
