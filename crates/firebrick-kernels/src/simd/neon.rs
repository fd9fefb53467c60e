//! NEON: 4 lanes, 32 registers.
#![allow(clippy::undocumented_unsafe_blocks)] // one contract for all: the one of `Simd`

use std::arch::aarch64::*;

use super::vector::{Simd, Task};

#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// # Safety
/// The processor has NEON.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn run<T: Task>(task: T) -> T::Output {
    unsafe { task.run::<Neon>() }
}

impl Simd for Neon {
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    type V = float32x4_t;

    #[inline(always)]
    unsafe fn apart<T: Task>(task: T) -> T::Output {
        unsafe { run(task) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: float32x4_t) {
        unsafe { vst1q_f32(to, v) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> float32x4_t {
        let mut lanes = [0.0_f32; 4];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            vld1q_f32(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: float32x4_t, count: usize) {
        let mut lanes = [0.0_f32; 4];
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: float32x4_t) -> float32x4_t {
        unsafe { vsqrtq_f32(a) }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // Not `vmaxq_f32`, which gives NaN for a NaN on either side.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }
    #[inline(always)]
    unsafe fn passes(v: float32x4_t) -> u32 {
        unsafe {
            let above = vmvnq_u32(vcleq_f32(v, vdupq_n_f32(0.0)));
            let lane = vld1q_u32([1_u32, 2, 4, 8].as_ptr());
            vaddvq_u32(vandq_u32(above, lane))
        }
    }
    #[inline(always)]
    unsafe fn keep(v: float32x4_t, bits: u32) -> float32x4_t {
        unsafe {
            let lane = vld1q_u32([1_u32, 2, 4, 8].as_ptr());
            let mask = vceqq_u32(vandq_u32(vdupq_n_u32(bits), lane), lane);
            vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), mask))
        }
    }
    #[inline(always)]
    unsafe fn permute(v: float32x4_t, places: float32x4_t) -> float32x4_t {
        unsafe {
            // The numbers of a lane's four bytes.
            let first = vmulq_n_u32(vreinterpretq_u32_f32(places), 0x0404_0404);
            let bytes = vaddq_u32(first, vdupq_n_u32(0x0302_0100));
            let from = vreinterpretq_u8_f32(v);
            vreinterpretq_f32_u8(vqtbl1q_u8(from, vreinterpretq_u8_u32(bytes)))
        }
    }
    #[inline(always)]
    unsafe fn sum(v: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(v) }
    }
    #[inline(always)]
    unsafe fn gate(v: float32x4_t, by: float32x4_t) -> float32x4_t {
        unsafe {
            let above = vmvnq_u32(vcleq_f32(by, vdupq_n_f32(0.0)));
            vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), above))
        }
    }
    #[inline(always)]
    unsafe fn wins(
        v: float32x4_t,
        best: float32x4_t,
        then: float32x4_t,
        otherwise: float32x4_t,
    ) -> float32x4_t {
        unsafe {
            let nan = vmvnq_u32(vceqq_f32(v, v));
            vbslq_f32(vorrq_u32(vcgtq_f32(v, best), nan), then, otherwise)
        }
    }
    #[inline(always)]
    unsafe fn same(a: float32x4_t, b: float32x4_t, v: float32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), vceqq_f32(a, b))) }
    }
    #[inline(always)]
    unsafe fn two_to(v: float32x4_t) -> float32x4_t {
        unsafe {
            let exponent = vaddq_s32(vcvtq_s32_f32(v), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }
    #[inline(always)]
    unsafe fn above(by: float32x4_t, then: float32x4_t, otherwise: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcleq_f32(by, vdupq_n_f32(0.0)), otherwise, then) }
    }
    #[inline(always)]
    unsafe fn interleave(a: float32x4_t, b: float32x4_t) -> [float32x4_t; 2] {
        unsafe { [vzip1q_f32(a, b), vzip2q_f32(a, b)] }
    }
    #[inline(always)]
    unsafe fn deinterleave(first: float32x4_t, second: float32x4_t) -> [float32x4_t; 2] {
        unsafe { [vuzp1q_f32(first, second), vuzp2q_f32(first, second)] }
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16, count: usize) -> float32x4_t {
        debug_assert!(count <= 4);
        let mut lanes = [0_u16; 4];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            vcvtq_f32_u32(vmovl_u16(vld1_u16(lanes.as_ptr())))
        }
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, v: float32x4_t, count: usize) {
        debug_assert!(count <= 4);
        let mut lanes = [0_u16; 4];
        unsafe {
            vst1_u16(lanes.as_mut_ptr(), vmovn_u32(vcvtq_u32_f32(v)));
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
    }
}
