//! Dropout with a mask from a counter-based generator.
//!
//! Source: Srivastava et al., "Dropout", JMLR 15 (2014), inverted as in PyTorch:
//! `y = x · mask / keep`. The mask is drawn by Philox4x32-10 (Salmon et al., "Parallel Random
//! Numbers: As Easy as 1, 2, 3", SC 2011): every word is a function of key and counter, so it does
//! not matter which thread or instruction set draws it.
//!
//! **Key and stream.** A layer's mask has to be a function of (seed, update, micro-batch, layer)
//! alone. The caller takes the host generator of that scope, `firebrick_core::random::layer_rng`,
//! and draws two words from it: the first is the key, the second the stream. (Both, because
//! 64 bits alone would repeat among 2³² layers and updates.) Another device draws the same mask on
//! the host with [`bits`].
//!
//! **Elements.** Of the counter, the upper 64 bits are the stream and the lower ones the block.
//! Element `64 g + 16 w + b` takes word `w` of block `16 g + b`; it is dropped where that word is
//! below `(1 - keep) · 2³²`.

use crate::elementwise::flat::{First, PART, Part, Whole, parts_of};
use crate::elementwise::gated;
use crate::simd::{Simd, Task, Vectors};
use crate::threads::Shared;

/// Elements whose words are drawn together: 16 blocks of 4 words.
const GROUP: usize = 64;

/// Drops elements and scales the others by `1 / keep`; bit `i % 32` of word `i / 32` says that
/// element `i` stays.
///
/// A dropped NaN or infinity is NaN, as in PyTorch, where it is multiplied with zero. Nothing is
/// dropped for `keep = 1`; for `keep = 0` everything becomes zero.
///
/// # Shapes
/// `[len]` to `[len]` and `[len / 32]`, rounded up. `keep` in [0, 1].
///
/// # Panics
/// When `keep` is not in [0, 1].
#[must_use]
pub fn apply(x: &[f32], keep: f64, key: u64, stream: u64) -> (Vec<f32>, Vec<u32>) {
    let mut out = Vec::with_capacity(x.len());
    let to = Shared::new(out.spare_capacity_mut());
    let vectors = Vectors::in_use();
    let bits = draw(vectors, x.len(), keep, key, stream, |groups, bits| {
        let start = groups.start * GROUP;
        let end = x.len().min(groups.end * GROUP);
        // SAFETY: the groups of different calls are disjoint and lie in the result.
        let to = unsafe { to.pointer().cast::<f32>().add(start) };
        vectors.dispatch(Scale {
            x: &x[start..end],
            bits,
            scale: scale(keep),
            to,
        });
    });
    // SAFETY: the groups cover all of it.
    unsafe { out.set_len(x.len()) };
    (out, bits)
}

/// The gradient: `dy / keep` where the bit is set, and `dy · 0` elsewhere.
///
/// # Shapes
/// `[len]` and `[len / 32]`, rounded up, to `[len]`.
///
/// # Panics
/// When there is not one bit for each element.
#[must_use]
pub fn grad(dy: &[f32], bits: &[u32], keep: f64) -> Vec<f32> {
    gated(dy, bits, Some(scale(keep)))
}

/// The bits that [`apply`] gives for so many elements.
#[must_use]
pub fn bits(count: usize, keep: f64, key: u64, stream: u64) -> Vec<u32> {
    draw(Vectors::in_use(), count, keep, key, stream, |_, _| ())
}

/// What a kept element is multiplied with; nothing is kept for `keep = 0`.
fn scale(keep: f64) -> f32 {
    if keep > 0.0 { (1.0 / keep) as f32 } else { 0.0 }
}

/// Draws the bits, and calls `then` with every run of groups and their bits, on several threads.
fn draw(
    vectors: Vectors,
    count: usize,
    keep: f64,
    key: u64,
    stream: u64,
    then: impl Fn(std::ops::Range<usize>, &[u32]) + Sync,
) -> Vec<u32> {
    assert!(
        (0.0..=1.0).contains(&keep),
        "dropout: keep = {keep} is not in [0, 1]"
    );
    let words = count.div_ceil(32);
    let mut bits = vec![0; words];
    let shared = Shared::new(&mut bits);
    let threshold = ((1.0 - keep) * 2f64.powi(32)).round() as u64;
    // A group costs several times what moving its elements does.
    parts_of(count.div_ceil(GROUP), PART / GROUP, GROUP * 2, |groups| {
        let range = groups.start * 2..words.min(groups.end * 2);
        // SAFETY: the groups of different calls are disjoint and lie in the bits.
        let bits = unsafe { shared.part(range.start, range.len()) };
        // Where it is 2³², all are dropped: the bits are zero.
        if let Ok(threshold) = u32::try_from(threshold) {
            vectors.dispatch(Draw {
                first: groups.start as u64,
                threshold,
                key,
                stream,
                bits: &mut *bits,
            });
        }
        then(groups, bits);
    });
    // Bits behind the last element are zero, as of a rectifier.
    if let (Some(last), 1..) = (bits.last_mut(), count % 32) {
        *last &= (1 << (count % 32)) - 1;
    }
    bits
}

/// Draws the bits of the groups from `first` on.
struct Draw<'a> {
    first: u64,
    threshold: u32,
    key: u64,
    stream: u64,
    bits: &'a mut [u32],
}

impl Task for Draw<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (index, bits) in self.bits.chunks_mut(2).enumerate() {
            let words = group(self.key, self.stream, self.first + index as u64);
            let mut kept = [0.0_f32; GROUP];
            for (kept, word) in kept.iter_mut().zip(words.as_flattened()) {
                *kept = if *word < self.threshold { 0.0 } else { 1.0 };
            }
            for (bits, kept) in bits.iter_mut().zip(kept.as_chunks::<32>().0) {
                *bits = 0;
                for lane in (0..32).step_by(S::LANES) {
                    // SAFETY: the lanes lie in the 32 elements.
                    *bits |= unsafe { S::passes(S::load(kept.as_ptr().add(lane))) } << lane;
                }
            }
        }
    }
}

/// The words of 16 blocks: Philox4x32-10 of the counters (16 · group + lane, stream).
#[inline(always)]
fn group(key: u64, stream: u64, group: u64) -> [[u32; 16]; 4] {
    let first = group.wrapping_mul(16);
    let mut c = [
        // 16 blocks never carry into the upper half: the first is a multiple of 16.
        std::array::from_fn(|lane| first as u32 | lane as u32),
        [(first >> 32) as u32; 16],
        [stream as u32; 16],
        [(stream >> 32) as u32; 16],
    ];
    let mut key = [key as u32, (key >> 32) as u32];
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let mut next = [[0_u32; 16]; 4];
        for lane in 0..16 {
            let a = u64::from(c[0][lane]) * 0xD251_1F53;
            let b = u64::from(c[2][lane]) * 0xCD9E_8D57;
            next[0][lane] = (b >> 32) as u32 ^ c[1][lane] ^ key[0];
            next[1][lane] = b as u32;
            next[2][lane] = (a >> 32) as u32 ^ c[3][lane] ^ key[1];
            next[3][lane] = a as u32;
        }
        c = next;
    }
    c
}

/// Writes x · (scale or 0); `to` has room for all of `x`.
struct Scale<'a> {
    x: &'a [f32],
    bits: &'a [u32],
    scale: f32,
    to: *mut f32,
}

impl Scale<'_> {
    /// # Safety
    /// The lanes exist at `at`, and the processor has `S`.
    #[inline(always)]
    unsafe fn vector<S: Simd, P: Part>(&self, at: usize, part: P) {
        // SAFETY: as of this function; there is a bit for each lane.
        unsafe {
            let bits = self.bits[at / 32] >> (at % 32);
            let factor = S::keep(S::splat(self.scale), bits);
            let v = part.load::<S>(self.x.as_ptr().add(at));
            part.store::<S>(self.to.add(at), S::mul(v, factor));
        }
    }
}

impl Task for Scale<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let len = self.x.len();
        let mut at = 0;
        // SAFETY: every vector lies inside `x`, so inside the result.
        unsafe {
            while at + S::LANES <= len {
                self.vector::<S, _>(at, Whole);
                at += S::LANES;
            }
            if at < len {
                self.vector::<S, _>(at, First(len - at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block, word by word.
    fn block(key: u64, counter: [u32; 4]) -> [u32; 4] {
        let (mut c, mut k) = (counter, [key as u32, (key >> 32) as u32]);
        for _ in 0..10 {
            let (a, b) = (u64::from(c[0]) * 0xD251_1F53, u64::from(c[2]) * 0xCD9E_8D57);
            c = [
                (b >> 32) as u32 ^ c[1] ^ k[0],
                b as u32,
                (a >> 32) as u32 ^ c[3] ^ k[1],
                a as u32,
            ];
            k = [
                k[0].wrapping_add(0x9E37_79B9),
                k[1].wrapping_add(0xBB67_AE85),
            ];
        }
        c
    }

    #[test]
    fn the_generator_is_philox() {
        // The known answers that the authors publish (Random123, `kat_vectors`).
        let zeros = [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8];
        assert_eq!(block(0, [0; 4]), zeros);
        let ones = [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd];
        assert_eq!(block(u64::MAX, [u32::MAX; 4]), ones);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let answer = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(block(0x299f_31d0_a409_3822, pi), answer);
    }

    #[test]
    fn a_group_is_sixteen_blocks() {
        let (key, stream) = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        for index in [0, 1, 77, (1 << 28) - 1, 1 << 28, 1 << 40] {
            let words = group(key, stream, index);
            for lane in 0..16 {
                let counter = index * 16 + lane as u64;
                let expected = block(
                    key,
                    [
                        counter as u32,
                        (counter >> 32) as u32,
                        stream as u32,
                        (stream >> 32) as u32,
                    ],
                );
                assert_eq!(words.map(|words| words[lane]), expected);
            }
        }
    }
}
