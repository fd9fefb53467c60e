//! Random numbers on the host: every draw is a function of (seed, purpose, two counters).
//!
//! Nothing depends on the thread, the number of workers or earlier draws, so a resumed run draws the same numbers as
//! an uninterrupted one.

use std::cell::Cell;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator behind every draw on the host.
pub type HostRng = ChaCha8Rng;

/// The generator of one draw: `purpose` keeps streams apart, `a` and `b` count within it
/// (epoch and sample index, or update and layer).
///
/// The four words are the generator's 256-bit key, so different draws never share a stream.
#[must_use]
pub fn rng(seed: u64, purpose: &str, a: u64, b: u64) -> HostRng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, hash(purpose), a, b]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    HostRng::from_seed(key)
}

/// FNV-1a, 64 bits: stable for ever, unlike the standard library's hasher.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Where training is: what our stochastic layers draw from during a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepScope {
    /// The seed of the run.
    pub seed: u64,
    /// The optimizer update, from 0.
    pub step: u64,
    /// The micro-batch within the update, from 0.
    pub micro_batch: u64,
    /// The updates of the whole run, where it has a length. No draw depends on it; schedules of layers do.
    pub updates: Option<u64>,
}

thread_local! {
    static SCOPE: Cell<Option<(StepScope, u64)>> = const { Cell::new(None) };
}

impl StepScope {
    /// Runs `forward` with this scope on the current thread.
    pub fn enter<T>(self, forward: impl FnOnce() -> T) -> T {
        struct Restore(Option<(StepScope, u64)>);
        impl Drop for Restore {
            fn drop(&mut self) {
                SCOPE.set(self.0);
            }
        }
        let _restore = Restore(SCOPE.replace(Some((self, 0))));
        forward()
    }

    /// The share of the run that lies behind this update, in [0, 1]; `None` where the run has no length.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        let updates = self.updates.filter(|updates| *updates > 0)?;
        Some((self.step as f64 / updates as f64).min(1.0))
    }

    /// One word for generators that take a single seed, such as Burn's `Device::seed`.
    #[must_use]
    pub fn device_seed(self) -> u64 {
        use rand::Rng;
        rng(self.seed, "device", self.step, self.micro_batch).next_u64()
    }
}

/// The share of the run that lies behind the update of this forward pass, in [0, 1]; `None` outside a
/// [`StepScope`], and where the run has no length.
#[must_use]
pub fn share_of_run() -> Option<f64> {
    SCOPE.get().and_then(|(scope, _)| scope.share())
}

/// The generator of the next stochastic layer of this forward pass, counted in calling order;
/// `None` outside a [`StepScope`].
#[must_use]
pub fn layer_rng() -> Option<HostRng> {
    let (scope, layer) = SCOPE.get()?;
    SCOPE.set(Some((scope, layer + 1)));
    Some(rng(
        scope.seed,
        "layer",
        scope.step,
        (scope.micro_batch << 32) | layer,
    ))
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn streams_are_pinned() {
        // The values of an independent ChaCha8 with these keys.
        assert_eq!(
            rng(0, "shuffle", 0, 0).next_u64(),
            12_697_166_828_597_145_782
        );
        assert_eq!(
            rng(42, "augment", 3, 17).next_u64(),
            8_233_033_988_141_569_028
        );
    }

    #[test]
    fn every_argument_moves_the_stream() {
        let base = rng(1, "a", 2, 3).next_u64();
        for other in [
            rng(2, "a", 2, 3),
            rng(1, "b", 2, 3),
            rng(1, "a", 3, 3),
            rng(1, "a", 2, 4),
        ] {
            assert_ne!(base, other.clone().next_u64());
        }
    }

    #[test]
    fn layers_count_within_a_scope_and_start_again_in_the_next() {
        assert!(layer_rng().is_none());
        let scope = StepScope {
            seed: 1,
            step: 2,
            ..StepScope::default()
        };
        let draw = || layer_rng().unwrap().next_u64();
        let first = scope.enter(|| [draw(), draw()]);
        assert_ne!(first[0], first[1]);
        assert_eq!(first, scope.enter(|| [draw(), draw()]));
        assert_ne!(
            first[0],
            StepScope {
                micro_batch: 1,
                ..scope
            }
            .enter(draw)
        );
        assert!(layer_rng().is_none());
    }

    #[test]
    fn the_share_of_the_run_is_that_before_the_update() {
        let at = |step, updates| StepScope {
            step,
            updates,
            ..StepScope::default()
        };
        assert_eq!(at(3, None).share(), None);
        assert_eq!(at(3, Some(0)).share(), None);
        assert_eq!(at(0, Some(8)).share(), Some(0.0));
        assert_eq!(at(6, Some(8)).share(), Some(0.75));
        // A run that is resumed for longer than it was planned.
        assert_eq!(at(9, Some(8)).share(), Some(1.0));
        assert_eq!(share_of_run(), None);
        assert_eq!(at(6, Some(8)).enter(share_of_run), Some(0.75));
        // The length of the run draws nothing else.
        let draw = |updates| at(6, updates).enter(|| layer_rng().unwrap().next_u64());
        assert_eq!(draw(None), draw(Some(8)));
    }
}
