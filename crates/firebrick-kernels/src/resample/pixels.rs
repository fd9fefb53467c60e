//! Vectors of bytes: rows of pixels side by side, 16 bytes of each.
#![allow(clippy::undocumented_unsafe_blocks)] // one contract for all: the one of `Pixels`

use std::arch::x86_64::*;

/// What the passes need of an instruction set. Lanes are 128 bits, and nothing moves between them.
///
/// # Safety
/// Every function needs the instruction set, and valid memory of as many bytes as it reads or writes.
#[allow(clippy::missing_safety_doc)]
pub(super) trait Pixels {
    /// Rows whose pixels lie side by side, one in each lane.
    const ROWS: usize;
    /// Bytes of a vector.
    const BYTES: usize = 16 * Self::ROWS;
    type V: Copy;

    /// A whole number of 32 bits everywhere.
    unsafe fn splat(value: i32) -> Self::V;
    /// Bytes that lie one after the other.
    unsafe fn load(from: *const u8) -> Self::V;
    unsafe fn store(to: *mut u8, v: Self::V);
    /// 16 bytes of each row.
    unsafe fn load_rows(rows: &[*const u8; 4], at: usize) -> Self::V;
    /// 16 bytes to each row.
    unsafe fn store_rows(rows: &[*mut u8; 4], at: usize, v: Self::V);
    /// The bytes of each lane in another order; those of a negative place are 0.
    unsafe fn shuffle(v: Self::V, places: [i8; 16]) -> Self::V;
    /// The first halves of the lanes, byte by byte from one and from the other.
    unsafe fn low(a: Self::V, b: Self::V) -> Self::V;
    /// The second halves.
    unsafe fn high(a: Self::V, b: Self::V) -> Self::V;
    /// `sum` + products of 16 bits, each two neighbours together.
    unsafe fn add_products(sum: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// Each 32 bits shifted down, then four vectors as bytes, cut off at 0 and 255.
    unsafe fn bytes(sums: [Self::V; 4], precision: u32) -> Self::V;
}

pub(super) struct Avx2;

impl Pixels for Avx2 {
    const ROWS: usize = 2;
    type V = __m256i;

    #[inline(always)]
    unsafe fn splat(value: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut u8, v: __m256i) {
        unsafe { _mm256_storeu_si256(to.cast(), v) }
    }
    #[inline(always)]
    unsafe fn load_rows(rows: &[*const u8; 4], at: usize) -> __m256i {
        unsafe { _mm256_loadu2_m128i(rows[1].add(at).cast(), rows[0].add(at).cast()) }
    }
    #[inline(always)]
    unsafe fn store_rows(rows: &[*mut u8; 4], at: usize, v: __m256i) {
        unsafe { _mm256_storeu2_m128i(rows[1].add(at).cast(), rows[0].add(at).cast(), v) }
    }
    #[inline(always)]
    unsafe fn shuffle(v: __m256i, places: [i8; 16]) -> __m256i {
        unsafe {
            let places = _mm_loadu_si128(places.as_ptr().cast());
            _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(places))
        }
    }
    #[inline(always)]
    unsafe fn low(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_unpacklo_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn high(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_unpackhi_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn add_products(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn bytes(sums: [__m256i; 4], precision: u32) -> __m256i {
        unsafe {
            let count = _mm_cvtsi32_si128(precision as i32);
            let [a, b, c, d] = sums;
            let (a, b) = (_mm256_sra_epi32(a, count), _mm256_sra_epi32(b, count));
            let (c, d) = (_mm256_sra_epi32(c, count), _mm256_sra_epi32(d, count));
            _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d))
        }
    }
}

pub(super) struct Avx512;

impl Pixels for Avx512 {
    const ROWS: usize = 4;
    type V = __m512i;

    #[inline(always)]
    unsafe fn splat(value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut u8, v: __m512i) {
        unsafe { _mm512_storeu_si512(to.cast(), v) }
    }
    #[inline(always)]
    unsafe fn load_rows(rows: &[*const u8; 4], at: usize) -> __m512i {
        unsafe {
            let [a, b, c, d] = [rows[0], rows[1], rows[2], rows[3]];
            let v = _mm512_castsi128_si512(_mm_loadu_si128(a.add(at).cast()));
            let v = _mm512_inserti32x4::<1>(v, _mm_loadu_si128(b.add(at).cast()));
            let v = _mm512_inserti32x4::<2>(v, _mm_loadu_si128(c.add(at).cast()));
            _mm512_inserti32x4::<3>(v, _mm_loadu_si128(d.add(at).cast()))
        }
    }
    #[inline(always)]
    unsafe fn store_rows(rows: &[*mut u8; 4], at: usize, v: __m512i) {
        unsafe {
            _mm_storeu_si128(rows[0].add(at).cast(), _mm512_castsi512_si128(v));
            _mm_storeu_si128(rows[1].add(at).cast(), _mm512_extracti32x4_epi32::<1>(v));
            _mm_storeu_si128(rows[2].add(at).cast(), _mm512_extracti32x4_epi32::<2>(v));
            _mm_storeu_si128(rows[3].add(at).cast(), _mm512_extracti32x4_epi32::<3>(v));
        }
    }
    #[inline(always)]
    unsafe fn shuffle(v: __m512i, places: [i8; 16]) -> __m512i {
        unsafe {
            let places = _mm_loadu_si128(places.as_ptr().cast());
            _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(places))
        }
    }
    #[inline(always)]
    unsafe fn low(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_unpacklo_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn high(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_unpackhi_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn add_products(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn bytes(sums: [__m512i; 4], precision: u32) -> __m512i {
        unsafe {
            let count = _mm_cvtsi32_si128(precision as i32);
            let [a, b, c, d] = sums;
            let (a, b) = (_mm512_sra_epi32(a, count), _mm512_sra_epi32(b, count));
            let (c, d) = (_mm512_sra_epi32(c, count), _mm512_sra_epi32(d, count));
            _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d))
        }
    }
}
