//! Describes the machine of a measurement.

/// The processor and its cores.
pub(super) fn describe() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unnamed processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}

/// The first lines of the output.
pub(super) fn header(threads: usize, rounds: usize) -> String {
    format!(
        "{}; {threads} threads for every contender (augment: one), f32, medians of {rounds} interleaved rounds.\n\
         Ours and burn flex are one program whose kernels are on or off; both keep freed pages \
         (`memory::keep_freed_pages`).\n\
         PyTorch tuned: malloc keeps freed pages too, channels last (in single operations the faster \
         of both layouts), fused optimizers,\n\
         for inference the fastest of plain, frozen and compiled.\n\
         GFLOP/s count the operations of the definition, GB/s each byte as seldom as can be: an \
         algorithm with fewer operations,\n\
         or data that fits the cache, is above the peak, which is the fma loop's or the triad's in \
         the same rounds.\n\
         Ratios are how many times as long as ours the other takes, with the bootstrap's 90 % \
         interval.\n",
        describe()
    )
}
