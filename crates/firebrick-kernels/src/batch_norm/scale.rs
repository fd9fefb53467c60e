//! Statistics, scale and shift folded into one multiply-add.

/// What the forward pass multiplies with and adds, each `[channels]`. Both passes call this, so that
/// they agree on the sign of what goes into the rectifier.
pub(super) fn scale_and_shift(
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    variance: &[f32],
    eps: f32,
) -> (Vec<f32>, Vec<f32>) {
    let fold = |channel: usize| {
        let inverse = 1.0 / (f64::from(variance[channel]) + f64::from(eps)).sqrt();
        let scale = f64::from(gamma[channel]) * inverse;
        let shift = f64::from(beta[channel]) - f64::from(mean[channel]) * scale;
        (scale as f32, shift as f32)
    };
    (0..gamma.len()).map(fold).unzip()
}
