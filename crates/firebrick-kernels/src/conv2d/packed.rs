//! Weights that are packed once and used for many batches.

use super::few_pixels;
use super::geometry::Conv2d;
use super::grouped;
use super::slabs::{Role, Source};
use super::taps::forward_taps;
use super::winograd;
use crate::Image;
use crate::simd::{Level, Vectors};

/// A weight packed for [`forward_packed`](super::forward_packed), for one geometry and one instruction
/// set.
#[derive(Debug, Clone)]
pub struct Packed {
    conv: Conv2d,
    vectors: Vectors,
    slabs: Vec<f32>,
    /// The slabs transformed for Winograd's way, where it pays for the images packed for.
    transformed: Option<Vec<f32>>,
}

/// Packs a weight for [`forward_packed`](super::forward_packed), on the instruction set in use.
///
/// # Panics
/// When the geometry is impossible, or the weight does not fit it.
#[must_use]
pub fn pack(conv: &Conv2d, weight: &[f32]) -> Packed {
    let vectors = Vectors::in_use();
    let _possible = conv.output();
    conv.check_weight(weight);
    let (slabs, transformed) = if grouped::fits(conv, vectors) {
        (grouped::pack(vectors, conv, weight), None)
    } else if conv.is_depthwise() {
        // As it is: what a depthwise convolution reads.
        (weight.to_vec(), None)
    } else {
        let taps = forward_taps(conv);
        let slabs = Source {
            vectors,
            conv,
            weight,
            role: Role::Forward,
            taps: &taps,
        };
        let slabs = slabs.pack();
        let transformed = winograd::gather::pays_packed(conv, &taps).then(|| {
            let (columns, sum) = (conv.group_outputs(), conv.group_inputs());
            let mut transformed = vec![0.0; winograd::gather::weights_len(columns, sum, vectors)];
            winograd::gather::transform_weights(&slabs, columns, sum, vectors, &mut transformed);
            transformed
        });
        (slabs, transformed)
    };
    Packed {
        conv: *conv,
        vectors,
        slabs,
        transformed,
    }
}

/// Whether a weight that is used for many batches of this size is better packed.
#[must_use]
pub fn pays_to_pack(conv: &Conv2d) -> bool {
    !few_pixels::pays(conv)
}

impl Packed {
    /// The instruction set that it is packed for.
    #[must_use]
    pub fn level(&self) -> Level {
        self.vectors.level()
    }

    /// # Panics
    /// When it is packed for another geometry (the number and size of images may differ) or another
    /// instruction set.
    pub(super) fn check(&self, conv: &Conv2d, vectors: Vectors) {
        let input = Image {
            c: self.conv.input.c,
            ..conv.input
        };
        let packed_for = Conv2d { input, ..self.conv };
        assert!(
            packed_for == *conv,
            "convolution: weights packed for {}, but used for {}",
            described(&packed_for),
            described(conv)
        );
        assert!(
            self.vectors == vectors,
            "convolution: weights packed for {:?} vectors, but {:?} is in use now; pack them again",
            self.vectors.level(),
            vectors.level()
        );
    }

    pub(super) fn slabs(&self) -> &[f32] {
        &self.slabs
    }

    pub(super) fn transformed(&self) -> Option<&[f32]> {
        self.transformed.as_deref()
    }
}

/// What packed weights depend on.
fn described(conv: &Conv2d) -> String {
    let Conv2d {
        input,
        output_channels,
        kernel,
        stride,
        padding,
        dilation,
        groups,
    } = conv;
    let inputs = input.c;
    format!(
        "{inputs} input and {output_channels} output channels, {groups} group(s), kernel {kernel:?}, \
         stride {stride:?}, padding {padding:?}, dilation {dilation:?}"
    )
}
