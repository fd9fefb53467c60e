//! AVX2 with FMA: 8 lanes, 16 registers.
#![allow(clippy::undocumented_unsafe_blocks)] // one contract for all: the one of `Simd`

use std::arch::x86_64::*;

use super::vector::{Simd, Task};

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run<T: Task>(task: T) -> T::Output {
    unsafe { task.run::<Avx2>() }
}

/// All ones in the first `count` lanes.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    debug_assert!(count <= 8);
    unsafe {
        _mm256_cmpgt_epi32(
            _mm256_set1_epi32(count as i32),
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
        )
    }
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    type V = __m256;

    #[inline(always)]
    unsafe fn apart<T: Task>(task: T) -> T::Output {
        unsafe { run(task) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(from, first(count)) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: __m256, count: usize) {
        unsafe { _mm256_maskstore_ps(to, first(count), v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256) -> __m256 {
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn passes(v: __m256) -> u32 {
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_NLE_UQ>(v, _mm256_setzero_ps());
            _mm256_movemask_ps(above) as u32
        }
    }
    #[inline(always)]
    unsafe fn keep(v: __m256, bits: u32) -> __m256 {
        unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(bits as i32), lane);
            let mask = _mm256_cmpeq_epi32(set, lane);
            _mm256_and_ps(v, _mm256_castsi256_ps(mask))
        }
    }
    #[inline(always)]
    unsafe fn permute(v: __m256, places: __m256) -> __m256 {
        unsafe { _mm256_permutevar8x32_ps(v, _mm256_castps_si256(places)) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m256) -> f32 {
        unsafe {
            let half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
        }
    }
    #[inline(always)]
    unsafe fn gate(v: __m256, by: __m256) -> __m256 {
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_NLE_UQ>(by, _mm256_setzero_ps());
            _mm256_and_ps(v, above)
        }
    }
    #[inline(always)]
    unsafe fn wins(v: __m256, best: __m256, then: __m256, otherwise: __m256) -> __m256 {
        unsafe {
            let larger = _mm256_cmp_ps::<_CMP_GT_OQ>(v, best);
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v);
            _mm256_blendv_ps(otherwise, then, _mm256_or_ps(larger, nan))
        }
    }
    #[inline(always)]
    unsafe fn same(a: __m256, b: __m256, v: __m256) -> __m256 {
        unsafe { _mm256_and_ps(v, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) }
    }
    #[inline(always)]
    unsafe fn two_to(v: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn above(by: __m256, then: __m256, otherwise: __m256) -> __m256 {
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_NLE_UQ>(by, _mm256_setzero_ps());
            _mm256_blendv_ps(otherwise, then, above)
        }
    }
    #[inline(always)]
    unsafe fn interleave(a: __m256, b: __m256) -> [__m256; 2] {
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            [
                _mm256_permute2f128_ps::<0x20>(low, high),
                _mm256_permute2f128_ps::<0x31>(low, high),
            ]
        }
    }
    #[inline(always)]
    unsafe fn deinterleave(first: __m256, second: __m256) -> [__m256; 2] {
        unsafe {
            let even = _mm256_shuffle_ps::<0b10_00_10_00>(first, second);
            let odd = _mm256_shuffle_ps::<0b11_01_11_01>(first, second);
            [even, odd].map(|pairs| {
                let pairs = _mm256_castps_pd(pairs);
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(pairs))
            })
        }
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16, count: usize) -> __m256 {
        debug_assert!(count <= 8);
        unsafe {
            let numbers = if count == 8 {
                _mm_loadu_si128(from.cast())
            } else {
                let mut lanes = [0_u16; 8];
                std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
                _mm_loadu_si128(lanes.as_ptr().cast())
            };
            _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(numbers))
        }
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, v: __m256, count: usize) {
        debug_assert!(count <= 8);
        unsafe {
            let numbers = _mm256_cvtps_epi32(v);
            let packed = _mm256_packus_epi32(numbers, numbers);
            let packed = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b10_00>(packed));
            if count == 8 {
                _mm_storeu_si128(to.cast(), packed);
            } else {
                let mut lanes = [0_u16; 8];
                _mm_storeu_si128(lanes.as_mut_ptr().cast(), packed);
                std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
            }
        }
    }
}
