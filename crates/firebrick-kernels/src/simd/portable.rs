//! Plain arrays, for processors without a vector implementation here, and as the reference in tests.
#![allow(clippy::undocumented_unsafe_blocks)] // one contract for all: the one of `Simd`

use super::vector::{Simd, Task};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;
type V = [f32; LANES];

#[inline(always)]
fn zip(a: V, b: V, of: impl Fn(f32, f32) -> f32) -> V {
    std::array::from_fn(|lane| of(a[lane], b[lane]))
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;
    type V = V;

    #[inline(never)]
    unsafe fn apart<T: Task>(task: T) -> T::Output {
        unsafe { task.run::<Self>() }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> V {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> V {
        unsafe { from.cast::<V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: V) {
        unsafe { to.cast::<V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> V {
        let mut v = [0.0; LANES];
        unsafe { std::ptr::copy_nonoverlapping(from, v.as_mut_ptr(), count) };
        v
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: V, count: usize) {
        unsafe { std::ptr::copy_nonoverlapping(v.as_ptr(), to, count) }
    }
    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(a: V) -> V {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn fma(a: V, b: V, c: V) -> V {
        // Rounded twice: without the instruction, `mul_add` calls a slow function of libm.
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    unsafe fn max(a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn passes(v: V) -> u32 {
        let bit = |(lane, value): (usize, &f32)| u32::from(*value > 0.0 || value.is_nan()) << lane;
        v.iter().enumerate().map(bit).sum()
    }
    #[inline(always)]
    unsafe fn keep(v: V, bits: u32) -> V {
        std::array::from_fn(|lane| if bits >> lane & 1 == 1 { v[lane] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn permute(v: V, places: V) -> V {
        places.map(|place| v[place.to_bits() as usize % LANES])
    }
    #[inline(always)]
    unsafe fn sum(v: V) -> f32 {
        v.iter().sum()
    }
    #[inline(always)]
    unsafe fn gate(v: V, by: V) -> V {
        zip(v, by, |v, by| if by <= 0.0 { 0.0 } else { v })
    }
    #[inline(always)]
    unsafe fn wins(v: V, best: V, then: V, otherwise: V) -> V {
        std::array::from_fn(|lane| {
            let wins = v[lane] > best[lane] || v[lane].is_nan();
            if wins { then[lane] } else { otherwise[lane] }
        })
    }
    #[inline(always)]
    unsafe fn same(a: V, b: V, v: V) -> V {
        std::array::from_fn(|lane| if a[lane] == b[lane] { v[lane] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn two_to(v: V) -> V {
        v.map(|v| f32::from_bits(((v as i32).wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn min(a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn above(by: V, then: V, otherwise: V) -> V {
        std::array::from_fn(|lane| {
            if by[lane] <= 0.0 {
                otherwise[lane]
            } else {
                then[lane]
            }
        })
    }
    #[inline(always)]
    unsafe fn interleave(a: V, b: V) -> [V; 2] {
        let lane = |lane: usize| {
            if lane.is_multiple_of(2) {
                a[lane / 2]
            } else {
                b[lane / 2]
            }
        };
        [
            std::array::from_fn(lane),
            std::array::from_fn(|index| lane(LANES + index)),
        ]
    }
    #[inline(always)]
    unsafe fn deinterleave(first: V, second: V) -> [V; 2] {
        let lane = |lane: usize| {
            if lane < LANES {
                first[lane]
            } else {
                second[lane - LANES]
            }
        };
        [
            std::array::from_fn(|index| lane(2 * index)),
            std::array::from_fn(|index| lane(2 * index + 1)),
        ]
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16, count: usize) -> V {
        let mut numbers = [0_u16; LANES];
        unsafe { std::ptr::copy_nonoverlapping(from, numbers.as_mut_ptr(), count) };
        numbers.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, v: V, count: usize) {
        let numbers = v.map(|v| v as u16);
        unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), to, count) }
    }
}
