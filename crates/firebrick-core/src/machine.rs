//! The hardware of this machine: its processor, the instruction set of the kernels, its graphics adapters.

use burn::tensor::Device;

use crate::kernels::{Level, enabled, level};

/// The processor's name, such as `AMD EPYC 9B14`; `None` where the processor does not say it (ARM).
#[must_use]
pub fn processor() -> Option<String> {
    #[cfg(target_arch = "x86_64")]
    {
        let brand = raw_cpuid::CpuId::new().get_processor_brand_string()?;
        let words: Vec<&str> = brand.as_str().split_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// Threads that run at a time.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The instruction set of the CPU kernels: `AVX-512`, `AVX2`, `NEON`, `portable`, or `kernels off`.
#[must_use]
pub fn instruction_set() -> &'static str {
    match level() {
        _ if !enabled() => "kernels off",
        Level::Portable => "portable",
        Level::Neon => "NEON",
        Level::Avx2 => "AVX2",
        Level::Avx512 => "AVX-512",
    }
}

/// The adapter's name of a graphics device; `None` where the device is the processor.
#[must_use]
pub fn adapter(device: &Device) -> Option<String> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return device.identity().map(|identity| identity.name);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        let _ = device;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_the_one_that_the_system_names() {
        let Ok(text) = std::fs::read_to_string("/proc/cpuinfo") else {
            return;
        };
        let line = text.lines().find(|line| line.starts_with("model name"));
        if let (Some(line), true) = (line, cfg!(target_arch = "x86_64")) {
            let name = line.split(':').nth(1).unwrap();
            let words: Vec<&str> = name.split_whitespace().collect();
            assert_eq!(processor().unwrap(), words.join(" "));
        }
    }

    #[test]
    fn the_processor_is_no_adapter() {
        let device = crate::device("flex").unwrap();
        assert_eq!(adapter(&device), None);
        assert_eq!(adapter(&device.autodiff()), None);
        assert!(threads() >= 1 && !instruction_set().is_empty());
    }
}
