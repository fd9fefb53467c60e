//! What a kernel is generic over: vectors of one instruction set, and tasks that compute with them.

/// f32 vectors of one instruction set.
///
/// # Safety
/// Every function needs the instruction set; loads and stores need valid memory of `LANES`
/// elements, or of `count` for the `_first` forms. No alignment is needed.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// How many elements a vector holds: 4, 8 or 16.
    const LANES: usize;
    /// How many vector registers there are.
    const REGISTERS: usize;
    /// A vector.
    type V: Copy;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Loads `count <= LANES` elements, zeros behind them.
    unsafe fn load_first(from: *const f32, count: usize) -> Self::V;
    /// Stores `count <= LANES` elements.
    unsafe fn store_first(to: *mut f32, v: Self::V, count: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// a · b + c, rounded once where the instruction set has it.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one; `b` where either is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller one; `b` where either is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// Bit i is set where lane i is above zero or NaN: where the gradient of a rectifier passes.
    unsafe fn passes(v: Self::V) -> u32;
    /// Lanes whose bit is set; zero elsewhere.
    unsafe fn keep(v: Self::V, bits: u32) -> Self::V;
    /// Lane i is the lane of `v` whose number lane i of `places` holds as the bits of a u32 below `LANES`.
    unsafe fn permute(v: Self::V, places: Self::V) -> Self::V;
    /// The lanes' sum, in an order that depends on `LANES` alone.
    unsafe fn sum(v: Self::V) -> f32;
    /// `v` where `by` is above zero or NaN, zero elsewhere.
    unsafe fn gate(v: Self::V, by: Self::V) -> Self::V;
    /// `then` where `by` is above zero or NaN, `otherwise` elsewhere.
    unsafe fn above(by: Self::V, then: Self::V, otherwise: Self::V) -> Self::V;
    /// `then` where `v` is larger than `best` or NaN, `otherwise` elsewhere.
    unsafe fn wins(v: Self::V, best: Self::V, then: Self::V, otherwise: Self::V) -> Self::V;
    /// `v` where `a` and `b` are equal, zero elsewhere.
    unsafe fn same(a: Self::V, b: Self::V, v: Self::V) -> Self::V;
    /// 2 to the power of `v`: whole numbers from -126 to 127. Anything for NaN.
    unsafe fn two_to(v: Self::V) -> Self::V;
    /// a₀ b₀ a₁ b₁ …: two vectors of the lanes in turn.
    unsafe fn interleave(a: Self::V, b: Self::V) -> [Self::V; 2];
    /// The lanes with even numbers and those with odd ones: undoes [`Simd::interleave`].
    unsafe fn deinterleave(first: Self::V, second: Self::V) -> [Self::V; 2];
    /// Loads `count <= LANES` whole numbers, zeros behind them.
    unsafe fn load_u16(from: *const u16, count: usize) -> Self::V;
    /// Stores `count <= LANES` whole numbers from 0 to 65535.
    unsafe fn store_u16(to: *mut u16, v: Self::V, count: usize);

    /// Runs a task in a function of its own, so that it is compiled once and not at each place that calls it.
    unsafe fn apart<T: Task>(task: T) -> T::Output;

    /// v · 2ⁿ, rounded once, for whole numbers n from -252 to 252: results below the normal numbers lose digits but do
    /// not jump to zero.
    #[inline(always)]
    unsafe fn times_two_to(v: Self::V, n: Self::V) -> Self::V {
        /// Adding and subtracting it rounds to a whole number.
        const ROUND: f32 = 12_582_912.0;
        // SAFETY: as of the trait.
        unsafe {
            let round = Self::splat(ROUND);
            let half = Self::sub(Self::fma(n, Self::splat(0.5), round), round);
            let v = Self::mul(v, Self::two_to(half));
            Self::mul(v, Self::two_to(Self::sub(n, half)))
        }
    }

    /// Loads `count <= LANES` elements, zeros behind them; quicker where they fill the vector.
    #[inline(always)]
    unsafe fn load_some(from: *const f32, count: usize) -> Self::V {
        // SAFETY: as of the trait.
        unsafe {
            if count == Self::LANES {
                Self::load(from)
            } else {
                Self::load_first(from, count)
            }
        }
    }

    /// Stores `count <= LANES` elements; quicker where they fill the vector.
    #[inline(always)]
    unsafe fn store_some(to: *mut f32, v: Self::V, count: usize) {
        // SAFETY: as of the trait.
        unsafe {
            if count == Self::LANES {
                Self::store(to, v);
            } else {
                Self::store_first(to, v, count);
            }
        }
    }

    /// max(0, v); NaN stays NaN.
    #[inline(always)]
    unsafe fn relu(v: Self::V) -> Self::V {
        // SAFETY: as of the trait.
        unsafe { Self::max(Self::splat(0.0), v) }
    }
}

/// A computation that is compiled for each instruction set.
pub(crate) trait Task {
    type Output;

    /// Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor has the instruction set `S`.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}
