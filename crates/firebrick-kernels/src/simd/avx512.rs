//! AVX-512: 16 lanes, 32 registers.
#![allow(clippy::undocumented_unsafe_blocks)] // one contract for all: the one of `Simd`

use std::arch::x86_64::*;

use super::vector::{Simd, Task};

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn run<T: Task>(task: T) -> T::Output {
    unsafe { task.run::<Avx512>() }
}

#[inline(always)]
fn first(count: usize) -> u16 {
    debug_assert!(count <= 16);
    ((1_u32 << count) - 1) as u16
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    type V = __m512;

    #[inline(always)]
    unsafe fn apart<T: Task>(task: T) -> T::Output {
        unsafe { run(task) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(count), from) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: __m512, count: usize) {
        unsafe { _mm512_mask_storeu_ps(to, first(count), v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn passes(v: __m512) -> u32 {
        unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(v, _mm512_setzero_ps())) }
    }
    #[inline(always)]
    unsafe fn keep(v: __m512, bits: u32) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(bits as u16, v) }
    }
    #[inline(always)]
    unsafe fn permute(v: __m512, places: __m512) -> __m512 {
        unsafe { _mm512_permutexvar_ps(_mm512_castps_si512(places), v) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(v) }
    }
    #[inline(always)]
    unsafe fn gate(v: __m512, by: __m512) -> __m512 {
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(by, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(above, v)
        }
    }
    #[inline(always)]
    unsafe fn wins(v: __m512, best: __m512, then: __m512, otherwise: __m512) -> __m512 {
        unsafe {
            let larger = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, best);
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            _mm512_mask_blend_ps(larger | nan, otherwise, then)
        }
    }
    #[inline(always)]
    unsafe fn same(a: __m512, b: __m512, v: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), v) }
    }
    #[inline(always)]
    unsafe fn two_to(v: __m512) -> __m512 {
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn above(by: __m512, then: __m512, otherwise: __m512) -> __m512 {
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(by, _mm512_setzero_ps());
            _mm512_mask_blend_ps(above, otherwise, then)
        }
    }
    #[inline(always)]
    unsafe fn times_two_to(v: __m512, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(v, n) }
    }
    #[inline(always)]
    unsafe fn interleave(a: __m512, b: __m512) -> [__m512; 2] {
        unsafe {
            let first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
            [first, second].map(|lanes| _mm512_permutex2var_ps(a, lanes, b))
        }
    }
    #[inline(always)]
    unsafe fn deinterleave(first: __m512, second: __m512) -> [__m512; 2] {
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            [even, odd].map(|lanes| _mm512_permutex2var_ps(first, lanes, second))
        }
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16, count: usize) -> __m512 {
        unsafe {
            let numbers = _mm256_maskz_loadu_epi16(first(count), from.cast());
            _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(numbers))
        }
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, v: __m512, count: usize) {
        unsafe {
            let numbers = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v));
            _mm256_mask_storeu_epi16(to.cast(), first(count), numbers);
        }
    }
}
