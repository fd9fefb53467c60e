//! With which weights pixels are resampled.

/// The weights of the pixels along one axis.
#[derive(Debug, Clone)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // what no code for it reads
pub struct Weights {
    /// The first pixel that counts, for each pixel of the result.
    pub(super) firsts: Vec<usize>,
    /// Weights of each pixel of the result, as many for all: the last ones are 0 where fewer count.
    pub(super) values: Vec<i16>,
    /// How many weights a pixel of the result has: even, and a multiple of 4 unless it is 2.
    pub(super) taps: usize,
    /// Bits of the fraction of a weight.
    pub(super) precision: u32,
    /// The number of pixels along the axis from the first to the last that counts.
    pub(super) reach: usize,
}

impl Weights {
    /// The weights of each pixel of the result, with the first pixel that counts, and the bits of their fraction.
    ///
    /// # Panics
    /// When the fraction has no bits or more than 21.
    #[must_use]
    pub fn new<'a>(
        pixels: impl Iterator<Item = (usize, &'a [i16])> + Clone,
        precision: u32,
    ) -> Self {
        assert!(
            (1..22).contains(&precision),
            "bits of a fraction: {precision}"
        );
        let most = pixels.clone().map(|(_, weights)| weights.len()).max();
        let taps = match most.unwrap_or(0) {
            0..=2 => 2,
            most => most.next_multiple_of(4),
        };
        let (mut firsts, mut values, mut reach) = (Vec::new(), Vec::new(), 0);
        for (first, weights) in pixels {
            firsts.push(first);
            values.extend_from_slice(weights);
            values.resize(firsts.len() * taps, 0);
            reach = reach.max(first + weights.len());
        }
        Self {
            firsts,
            values,
            taps,
            precision,
            reach,
        }
    }

    /// Pixels of the result.
    #[must_use]
    pub fn len(&self) -> usize {
        self.firsts.len()
    }

    /// Whether the result has no pixels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }
}
