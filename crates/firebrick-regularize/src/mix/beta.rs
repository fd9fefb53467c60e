//! Draws from a Beta distribution.

use firebrick_core::random::HostRng;
use rand_distr::{Beta, Distribution};

/// A draw from Beta(α, α).
///
/// # Panics
/// When α is not above 0.
pub(super) fn symmetric(alpha: f64, rng: &mut HostRng) -> f64 {
    let beta = Beta::new(alpha, alpha).expect("the range of `alpha` begins above 0");
    beta.sample(rng)
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;

    use super::*;

    #[test]
    fn draws_follow_the_distribution() {
        // Closed distribution functions: Beta(1/2, 1/2) is the arcsine law, Beta(1, 1) is uniform,
        // Beta(2, 2) has x² (3 - 2 x), Beta(4, 4) a polynomial too.
        type Distribution = fn(f64) -> f64;
        let cases: [(f64, Distribution); 4] = [
            (0.5, |x| 2.0 / std::f64::consts::PI * x.sqrt().asin()),
            (1.0, |x| x),
            (2.0, |x| x * x * (3.0 - 2.0 * x)),
            (4.0, |x| {
                x.powi(4) * (35.0 - 84.0 * x + 70.0 * x * x - 20.0 * x.powi(3))
            }),
        ];
        for (alpha, distribution) in cases {
            let count = 4000;
            let mut rng = rng(1, "beta", 0, 0);
            let mut draws: Vec<f64> = (0..count).map(|_| symmetric(alpha, &mut rng)).collect();
            draws.sort_by(f64::total_cmp);
            let below = |at: usize| at as f64 / f64::from(count);
            let apart = draws.iter().enumerate().map(|(at, draw)| {
                let expected = distribution(*draw);
                (expected - below(at))
                    .abs()
                    .max((below(at + 1) - expected).abs())
            });
            // Kolmogorov–Smirnov at a level of 0.001: 1.95 / √n.
            let most = apart.fold(0.0, f64::max);
            assert!(most < 1.95 / f64::from(count).sqrt(), "α = {alpha}: {most}");
        }
    }

    #[test]
    fn a_tiny_alpha_gives_shares_all_the_same() {
        let mut rng = rng(1, "beta", 0, 0);
        let draws: Vec<f64> = (0..1000).map(|_| symmetric(1e-3, &mut rng)).collect();
        assert!(draws.iter().all(|share| (0.0..=1.0).contains(share)));
        let high = draws.iter().filter(|share| **share > 0.5).count();
        assert!((430..570).contains(&high), "{high}");
    }
}
