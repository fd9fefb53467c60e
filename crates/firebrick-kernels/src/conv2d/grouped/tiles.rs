//! How an image is cut into tiles: pairs of rows by some columns.

use std::marker::PhantomData;
use std::ops::Range;

use crate::Image;
use crate::simd::{Simd, Task, Vectors};

/// How a row or column of the result reaches those of the source. Tap `k` of result place `r` of a tile is
/// at source place `s` of the tile where
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// k = s - r: stride 1.
    Plain,
    /// k = s - 2r: stride 2.
    Strided,
    /// k = r + kernel - 1 - 2s: the input gradient of stride 2. Tiles begin at places that, with the
    /// padding, are even.
    Across,
}

/// The same for code that is compiled for each of them.
pub(super) trait Reach {
    const STEP: usize;
    const ACROSS: bool;

    /// The tap that joins a place of the result and one of the source, if it is below `kernel`.
    #[inline(always)]
    fn tap(kernel: usize, result: usize, source: usize) -> usize {
        if Self::ACROSS {
            (result + kernel - 1).wrapping_sub(2 * source)
        } else {
            source.wrapping_sub(Self::STEP * result)
        }
    }

    /// Places of the source that `results` places of the result reach.
    #[inline(always)]
    fn sources(kernel: usize, results: usize) -> usize {
        if Self::ACROSS {
            (results + kernel) / 2
        } else {
            (results - 1) * Self::STEP + kernel
        }
    }
}

pub(super) struct Plain;
impl Reach for Plain {
    const STEP: usize = 1;
    const ACROSS: bool = false;
}

pub(super) struct Strided;
impl Reach for Strided {
    const STEP: usize = 2;
    const ACROSS: bool = false;
}

pub(super) struct Across;
impl Reach for Across {
    const STEP: usize = 1;
    const ACROSS: bool = true;
}

/// Columns of a tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    /// The first one of the result, and the source's column that is its first; they may lie outside.
    pub(super) result: isize,
    pub(super) source: isize,
    pub(super) count: usize,
    /// Bits of the source's columns that lie inside, and of the result's.
    pub(super) inside: u32,
    pub(super) kept: u32,
    /// Whether some do not.
    pub(super) edge: bool,
}

/// Two rows of the result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// As for columns.
    pub(super) result: isize,
    pub(super) source: isize,
    /// Whether the upper and the lower row are there.
    pub(super) kept: [bool; 2],
    /// The source's rows inside, from `source` on, that each of them sees: first and end.
    pub(super) sees: [[usize; 2]; 2],
}

impl Pair {
    /// The source's rows that only the upper row sees, that both see, that only the lower one sees.
    #[inline(always)]
    pub(super) fn shared(&self) -> [Range<usize>; 3] {
        let [[upper, upper_end], [lower, lower_end]] = self.sees;
        if upper >= upper_end {
            return [0..0, 0..0, lower..lower_end];
        }
        if lower >= lower_end {
            return [upper..upper_end, 0..0, 0..0];
        }
        [
            upper..upper_end.min(lower),
            upper.max(lower)..upper_end.min(lower_end),
            lower.max(upper_end)..lower_end,
        ]
    }
}

/// How a result is cut into tiles.
#[derive(Debug)]
pub(super) struct Tiling {
    pub(super) form: Form,
    pub(super) kernel: usize,
    before: isize,
    pub(super) from: Image,
    pub(super) to: Image,
    /// Pairs of rows of an image.
    pub(super) pairs: usize,
    pub(super) columns: Vec<Columns>,
}

impl Tiling {
    /// Of a result `to` that sees a source `from`, moved by `before` rows and columns.
    pub(super) fn new(
        vectors: Vectors,
        form: Form,
        kernel: usize,
        before: [isize; 2],
        [from, to]: [Image; 2],
    ) -> Self {
        let start = first(form, before[0]);
        let mut tiling = Self {
            form,
            kernel,
            before: before[0],
            from,
            to,
            pairs: (to.h as isize - start).max(0).unsigned_abs().div_ceil(2),
            columns: Vec::new(),
        };
        let wide = vectors.dispatch(Wide);
        let mut result = first(form, before[1]);
        while result < to.w as isize {
            let left = (to.w as isize - result).unsigned_abs();
            let count = match (form, left) {
                (Form::Across, 5..) if wide => 8,
                (Form::Across, _) => 4,
                (_, 7 | 11 | 14..) => 7,
                (_, 4..) => 4,
                _ => 1,
            };
            let source = first_source(form, kernel, before[1], result);
            let sources = sources(form, kernel, count);
            let bits = |first: isize, count: usize, size: usize| -> u32 {
                let inside =
                    |place: &usize| (0..size as isize).contains(&(first + *place as isize));
                (0..count).filter(inside).map(|place| 1 << place).sum()
            };
            let (inside, kept) = (bits(source, sources, from.w), bits(result, count, to.w));
            tiling.columns.push(Columns {
                result,
                source,
                count,
                inside,
                kept,
                edge: inside.count_ones() as usize != sources
                    || kept.count_ones() as usize != count,
            });
            result += count as isize;
        }
        tiling
    }

    pub(super) fn pair(&self, index: usize) -> Pair {
        let result = first(self.form, self.before) + 2 * index as isize;
        let source = first_source(self.form, self.kernel, self.before, result);
        let top = (-source).max(0).unsigned_abs();
        let bottom = (self.from.h as isize - source).max(0).unsigned_abs();
        let kept = [result, result + 1].map(|row| (0..self.to.h as isize).contains(&row));
        let sees = [0, 1].map(|row| {
            let reach = match self.form {
                Form::Plain => row..row + self.kernel,
                Form::Strided => 2 * row..2 * row + self.kernel,
                Form::Across => row..self.kernel.div_ceil(2),
            };
            if kept[row] {
                [reach.start.max(top), reach.end.min(bottom)]
            } else {
                [0, 0]
            }
        });
        Pair {
            result,
            source,
            kept,
            sees,
        }
    }
}

/// The first place of the first tile.
fn first(form: Form, before: isize) -> isize {
    match form {
        Form::Across => -before.rem_euclid(2),
        _ => 0,
    }
}

/// The first source place of a tile whose first place is `result`.
fn first_source(form: Form, kernel: usize, before: isize, result: isize) -> isize {
    match form {
        Form::Plain => result - before,
        Form::Strided => 2 * result - before,
        Form::Across => (result + before).div_euclid(2) - (kernel as isize - 1) / 2,
    }
}

fn sources(form: Form, kernel: usize, results: usize) -> usize {
    match form {
        Form::Plain => Plain::sources(kernel, results),
        Form::Strided => Strided::sources(kernel, results),
        Form::Across => Across::sources(kernel, results),
    }
}

/// What an instruction set has room for; constants, so that nothing else is compiled for it.
pub(super) struct Room<S>(PhantomData<S>);

impl<S: Simd> Room<S> {
    /// Whether there are registers for tiles of two rows and more than four columns.
    pub(super) const WIDE: bool = S::REGISTERS >= 32;
}

struct Wide;

impl Task for Wide {
    type Output = bool;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> bool {
        Room::<S>::WIDE
    }
}
