//! The highest arithmetic and memory throughput of this machine.

use firebrick_kernels::peak;

use crate::case::{Loop, Peak};
use crate::opened::Opened;

/// Multiply-adds of each accumulator: about 5 ms.
const ITERATIONS: usize = 1_000_000;

/// Elements of each array: 64 MiB, more than the caches hold.
const ELEMENTS: usize = 16 << 20;

pub(crate) fn open(case: &Peak) -> Opened {
    match case.operation {
        Loop::Fma => {
            let operations = peak::fma(ITERATIONS);
            Opened::new(|| {
                let _ = peak::fma(ITERATIONS);
                Ok(())
            })
            .report("flop", operations)
        }
        Loop::Triad => {
            let mut triad = peak::Triad::new(ELEMENTS);
            let bytes = triad.run();
            Opened::new(move || {
                let _ = triad.run();
                Ok(())
            })
            .report("bytes", bytes)
        }
    }
}
