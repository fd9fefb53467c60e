//! Plain loops, compiled once for each instruction set: for bytes and whole numbers, which [`Simd`](super::Simd) does not
//! have, and for crates that have no `unsafe`.

use super::level::Vectors;
use super::vector::{Simd, Task};

/// A computation in plain loops. The compiler makes vectors of them, of the instruction set in use. It neither fuses nor
/// reorders operations, so the result is the same on each of them.
///
/// The macro [`wide!`](crate::wide) makes one of a function.
pub trait Wide {
    /// What it gives.
    type Output;

    /// Implementations are `#[inline(always)]`, and so are the functions that they call.
    fn run(self) -> Self::Output;
}

/// Runs it on the instruction set in use.
#[inline]
pub fn wide<T: Wide>(task: T) -> T::Output {
    Vectors::in_use().dispatch(Plain(task))
}

struct Plain<T>(T);

impl<T: Wide> Task for Plain<T> {
    type Output = T::Output;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> T::Output {
        self.0.run()
    }
}

/// A function whose loops are compiled for each instruction set; calling it chooses the one in use.
///
/// ```
/// firebrick_kernels::wide! {
///     /// The negative of an image.
///     fn invert(pixels: &mut [u8]) {
///         for value in pixels {
///             *value = 255 - *value;
///         }
///     }
/// }
/// let mut pixels = [0, 10, 255];
/// invert(&mut pixels);
/// assert_eq!(pixels, [255, 245, 0]);
/// ```
#[macro_export]
macro_rules! wide {
    (@output) => { () };
    (@output $output:ty) => { $output };
    (
        $(#[$about:meta])*
        $visible:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block
    ) => {
        $(#[$about])*
        $visible fn $name($($argument: $type),*) $(-> $output)? {
            struct Arguments<T>(T);
            impl $crate::simd::Wide for Arguments<($($type,)*)> {
                type Output = $crate::wide!(@output $($output)?);
                #[inline(always)]
                fn run(self) -> Self::Output {
                    // As arguments of a function, slices are known not to overlap.
                    #[inline(always)]
                    fn $name($($argument: $type),*) $(-> $output)? $body
                    let ($($argument,)*) = self.0;
                    $name($($argument),*)
                }
            }
            $crate::simd::wide(Arguments(($($argument,)*)))
        }
    };
}
