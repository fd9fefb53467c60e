//! Confidence intervals (95 %) for accuracies and for the difference of two accuracies.

/// The normal deviate with 2.5 % above it.
const Z: f64 = 1.959_963_984_540_054;

/// A difference of two accuracies and its interval, as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Difference {
    /// The first less the second.
    pub(crate) estimate: f64,
    /// Lower end.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
}

impl Difference {
    /// Whether chance alone is no likely reason for it.
    pub(crate) fn is_clear(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The interval of a share of `right` in `images` > 0 (Wilson 1927): never empty, never outside [0, 1].
pub(crate) fn wilson(right: f64, images: f64) -> [f64; 2] {
    let (share, z2) = (right / images, Z * Z);
    let middle = (share + z2 / (2.0 * images)) / (1.0 + z2 / images);
    let reach = Z / (1.0 + z2 / images)
        * (share * (1.0 - share) / images + z2 / (4.0 * images * images)).sqrt();
    [(middle - reach).max(0.0), (middle + reach).min(1.0)]
}

/// Right answers on different images, each as `[right, images]` (Newcombe, "Interval estimation for the
/// difference between independent proportions", Statistics in Medicine 17, 1998, method 10).
pub(crate) fn independent(one: [f64; 2], other: [f64; 2]) -> Difference {
    let (p, q) = (one[0] / one[1], other[0] / other[1]);
    let [p_low, p_high] = wilson(one[0], one[1]);
    let [q_low, q_high] = wilson(other[0], other[1]);
    Difference {
        estimate: p - q,
        low: p - q - (p - p_low).hypot(q_high - q),
        high: p - q + (p_high - p).hypot(q - q_low),
    }
}

/// Answers to the same images, of which each run alone had `alone` right (Bonett and Price, "Adjusted
/// Wald confidence interval for a difference of binomial proportions based on paired data", Journal of
/// Educational and Behavioral Statistics 37, 2012).
///
/// Only images on which the two differ say anything about the difference, so it is much narrower than
/// that of different images. It stays above zero width where they never differ.
pub(crate) fn paired(alone: [f64; 2], images: f64) -> Difference {
    let [p, q] = alone.map(|count| (count + 1.0) / (images + 2.0));
    let middle = p - q;
    let reach = Z * ((p + q - middle * middle) / (images + 2.0)).sqrt();
    Difference {
        estimate: (alone[0] - alone[1]) / images,
        low: (middle - reach).max(-1.0),
        high: (middle + reach).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: [f64; 2], wanted: [f64; 2], tolerance: f64) {
        for (found, wanted) in found.into_iter().zip(wanted) {
            assert!((found - wanted).abs() <= tolerance, "{found} for {wanted}");
        }
    }

    #[test]
    fn different_images_as_newcombe_published() {
        // Table II of the paper, method 10, four decimals.
        for (one, other, interval) in [
            ([56.0, 70.0], [48.0, 80.0], [0.0524, 0.3339]),
            ([9.0, 10.0], [3.0, 10.0], [0.1705, 0.8090]),
            ([6.0, 7.0], [2.0, 7.0], [0.0582, 0.8062]),
            ([5.0, 56.0], [0.0, 29.0], [-0.0381, 0.1926]),
            ([0.0, 10.0], [0.0, 20.0], [-0.1611, 0.2775]),
            ([0.0, 10.0], [0.0, 10.0], [-0.2775, 0.2775]),
            ([10.0, 10.0], [0.0, 20.0], [0.6791, 1.0]),
            ([10.0, 10.0], [0.0, 10.0], [0.6075, 1.0]),
        ] {
            let found = independent(one, other);
            near([found.low, found.high], interval, 5.1e-5);
            assert_eq!(found.estimate, one[0] / one[1] - other[0] / other[1]);
            let turned = independent(other, one);
            near([-turned.high, -turned.low], interval, 5.1e-5);
        }
        // The sizes of a test split: statsmodels 0.14, confint_proportions_2indep(method="newcomb").
        let found = independent([9860.0, 10_000.0], [9840.0, 10_000.0]);
        near(
            [found.low, found.high],
            [-0.001_380_933_590_928, 0.005_396_989_445_516],
            1e-12,
        );
    }

    #[test]
    fn one_share_as_statsmodels_gives_it() {
        // proportion_confint(method="wilson").
        near(
            wilson(50.0, 200.0),
            [0.195_081_680_067_819, 0.314_340_983_120_458],
            1e-12,
        );
        near(wilson(0.0, 10.0), [0.0, 0.277_532_799_862_889], 1e-12);
        near(wilson(1000.0, 1000.0), [0.996_173_241_514_445, 1.0], 1e-12);
    }

    #[test]
    fn the_same_images_as_published() {
        // Airway hyper-responsiveness of 21 children (Bentur 2009): 7 only before, 1 only after; Fagerland,
        // Lydersen and Laake, Statistics in Medicine 33, 2014, give 0.013 to 0.508 for this interval.
        let found = paired([7.0, 1.0], 21.0);
        near([found.low, found.high], [0.013, 0.508], 5e-4);
        assert!((found.estimate - 6.0 / 21.0).abs() < 1e-12 && found.is_clear());
        let turned = paired([1.0, 7.0], 21.0);
        near([-turned.high, -turned.low], [found.low, found.high], 1e-12);
        // By hand: 1/102 each, so ± z √(2/102/102).
        let equal = paired([0.0, 0.0], 100.0);
        let reach = Z * 2f64.sqrt() / 102.0;
        near([equal.low, equal.high], [-reach, reach], 1e-12);
        assert!(!equal.is_clear());
    }

    #[test]
    fn few_disagreements_are_judged_as_mcnemar_s_exact_test_does() {
        // Six to none is p = 2/2⁶ = 0.031, five to none p = 0.0625.
        assert!(paired([6.0, 0.0], 1000.0).is_clear());
        assert!(!paired([5.0, 0.0], 1000.0).is_clear());
    }
}
