//! What the machine can do at most.

use firebrick_kernels::peak;

use crate::Opened;
use crate::case::{Loop, Peak};

/// Multiply-adds of each accumulator: about 5 ms.
const ITERATIONS: usize = 1_000_000;

/// Elements of each array: 64 MiB, more than the caches hold.
const ELEMENTS: usize = 16 << 20;

pub(crate) fn open(case: &Peak) -> Opened {
    match case.operation {
        Loop::Fma => {
            let operations = peak::fma(ITERATIONS);
            Opened::new(|| {
                peak::fma(ITERATIONS);
                Ok(())
            })
            .report("flop", operations)
        }
        Loop::Triad => {
            let (mut a, b, c) = (
                vec![0.0; ELEMENTS],
                vec![1.0; ELEMENTS],
                vec![2.0; ELEMENTS],
            );
            Opened::new(move || {
                peak::triad(&mut a, &b, &c);
                Ok(())
            })
            .report("bytes", 12 * ELEMENTS)
        }
    }
}
