//! Devices by name: `flex`, `ndarray`, `wgpu`, `wgpu:1`, `wgpu:cpu`, `vulkan`, `metal`, `cuda`, `cuda:1`.
//!
//! A program can contain several backends and chooses one at run time. Asking for a device that cannot be
//! used is an error that says how to get it; there is no silent fallback to another device.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use burn::tensor::DeviceType;
use burn::tensor::{DType, Device};

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No backend has this name.
    #[error("unknown device `{name}`{}; known: {known}", .suggestion.as_ref().map_or(String::new(), |s| format!(" (did you mean `{s}`?)")))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name.
        suggestion: Option<String>,
        /// All backends.
        known: String,
    },
    /// The backend exists, but the program was built without it.
    #[error(
        "device `{name}` is not compiled in: it needs the cargo feature `{feature}`; for the firebrick command line: \
         cargo install --locked --path crates/firebrick-cli --features {feature}"
    )]
    NotCompiled {
        /// What was asked for.
        name: String,
        /// The cargo feature that adds it.
        feature: &'static str,
    },
    /// The backend is compiled in, but this machine has nothing for it to run on.
    #[error("device `{name}` was not found: {reason}")]
    NotThere {
        /// What was asked for.
        name: String,
        /// What is missing and how to get it.
        reason: String,
    },
}

/// One device, or why it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The name that selects it.
    pub name: String,
    /// What it is, such as the adapter's name; or why it cannot be used.
    pub description: Result<String, DeviceError>,
}

/// The backends, the cargo feature of each, and what each is.
const BACKENDS: [(&str, &str); 6] = [
    ("flex", "CPU, pure Rust, all cores"),
    ("ndarray", "CPU, burn-ndarray, all cores"),
    ("wgpu", "GPU through WebGPU shaders"),
    ("vulkan", "GPU through Vulkan SPIR-V"),
    ("metal", "GPU through Metal"),
    ("cuda", "NVIDIA GPU through CUDA"),
];

/// The cargo features that this binary was built with: its backends, and what they add for GPUs.
#[must_use]
pub fn features() -> Vec<&'static str> {
    let all = [
        ("flex", cfg!(feature = "flex")),
        ("ndarray", cfg!(feature = "ndarray")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("metal", cfg!(feature = "metal")),
        ("cuda", cfg!(feature = "cuda")),
        ("autotune", cfg!(feature = "autotune")),
        ("fusion", cfg!(feature = "fusion")),
    ];
    let built = all.into_iter().filter(|(_, built)| *built);
    built.map(|(name, _)| name).collect()
}

/// The device that a name selects, without autodiff; training adds it with `.autodiff()`.
///
/// ```
/// let device = firebrick_core::device("flex")?;
/// assert!(firebrick_core::device("flax").unwrap_err().to_string().contains("did you mean `flex`?"));
/// # Ok::<(), firebrick_core::DeviceError>(())
/// ```
///
/// # Errors
/// [`DeviceError`], naming the feature or the driver that is missing.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let (backend, selector) = name
        .split_once(':')
        .map_or((name, None), |(backend, selector)| {
            (backend, Some(selector))
        });
    let Some((known, _)) = BACKENDS.iter().find(|(known, _)| *known == backend) else {
        let names = BACKENDS.map(|(name, _)| name);
        return Err(DeviceError::Unknown {
            name: name.into(),
            suggestion: crate::error::nearest(backend, names),
            known: names.join(", "),
        });
    };
    if matches!(*known, "flex" | "ndarray")
        && let Some(selector) = selector
    {
        return Err(not_there(
            name,
            format!("there is only one `{known}` device; leave out `:{selector}`"),
        ));
    }
    match *known {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => Ok(ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => adapter(name, selector, DeviceType::Wgpu, Device::wgpu),
        #[cfg(feature = "vulkan")]
        "vulkan" => adapter(name, selector, DeviceType::Vulkan, Device::vulkan),
        #[cfg(feature = "metal")]
        "metal" => adapter(name, selector, DeviceType::Metal, Device::metal),
        #[cfg(feature = "cuda")]
        "cuda" => cuda(name, selector),
        feature => Err(DeviceError::NotCompiled {
            name: name.into(),
            feature,
        }),
    }
}

/// Whether a device computes in f64 as exactly as the type allows: the CPU backends do.
///
/// The shading languages behind wgpu, Vulkan and Metal define `exp` and `log` for at most 32 bits. Some
/// drivers accept 64-bit numbers there all the same and return wrong values, so `supports_dtype` is not enough.
///
/// ```
/// assert!(firebrick_core::computes_in_f64(&firebrick_core::device("flex")?));
/// # Ok::<(), firebrick_core::DeviceError>(())
/// ```
#[must_use]
pub fn computes_in_f64(device: &Device) -> bool {
    device.supports_dtype(DType::F64) && is_cpu_backend(device)
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn is_cpu_backend(device: &Device) -> bool {
    device.identity().is_none()
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn is_cpu_backend(_device: &Device) -> bool {
    true
}

/// Every backend, compiled in or not; graphics backends list one row for each adapter.
#[must_use]
pub fn devices() -> Vec<DeviceInfo> {
    BACKENDS
        .iter()
        .flat_map(|(name, what)| rows(name, what))
        .collect()
}

fn rows(name: &str, what: &str) -> Vec<DeviceInfo> {
    match device(name) {
        Err(error) => vec![DeviceInfo {
            name: name.into(),
            description: Err(error),
        }],
        Ok(_) if matches!(name, "flex" | "ndarray") => {
            let cores = crate::machine::threads();
            vec![DeviceInfo {
                name: name.into(),
                description: Ok(format!("{what} ({cores} here), {}", kernels())),
            }]
        }
        Ok(_) => found(name)
            .iter()
            .enumerate()
            .map(|(index, device)| DeviceInfo {
                name: format!("{name}:{index}"),
                description: Ok(describe(device, what)),
            })
            .collect(),
    }
}

/// What a CPU backend computes with.
fn kernels() -> String {
    let set = crate::machine::instruction_set();
    if crate::kernels::enabled() {
        format!("kernels on, {set}")
    } else {
        set.into()
    }
}

/// The devices of a compiled-in graphics backend, in the order their numbers select.
fn found(name: &str) -> Vec<Device> {
    match name {
        #[cfg(feature = "wgpu")]
        "wgpu" => Device::enumerate(DeviceType::Wgpu).into_vec(),
        #[cfg(feature = "vulkan")]
        "vulkan" => Device::enumerate(DeviceType::Vulkan).into_vec(),
        #[cfg(feature = "metal")]
        "metal" => Device::enumerate(DeviceType::Metal).into_vec(),
        #[cfg(feature = "cuda")]
        "cuda" => cuda_devices(),
        _ => Vec::new(),
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn describe(device: &Device, what: &str) -> String {
    device
        .identity()
        .map_or_else(|| what.to_string(), |identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn describe(_device: &Device, what: &str) -> String {
    what.to_string()
}

/// burn-ndarray is deprecated in Burn 0.22; this is the only place that names it.
#[cfg(feature = "ndarray")]
#[allow(deprecated)]
fn ndarray() -> Device {
    Device::ndarray()
}

fn not_there(name: &str, reason: String) -> DeviceError {
    DeviceError::NotThere {
        name: name.into(),
        reason,
    }
}

/// Picks a graphics adapter: the first real GPU by default, else a software one.
#[cfg(feature = "wgpu")]
fn adapter(
    name: &str,
    selector: Option<&str>,
    api: DeviceType,
    open: fn(burn::tensor::DeviceKind) -> Device,
) -> Result<Device, DeviceError> {
    use burn::tensor::DeviceKind;
    let devices = Device::enumerate(api).into_vec();
    if devices.is_empty() {
        let reason = "no graphics adapter was found. Install the GPU's Vulkan driver, or Mesa's software one \
                      (Debian and Ubuntu: apt install mesa-vulkan-drivers)";
        return Err(not_there(name, reason.into()));
    }
    let cpu = open(DeviceKind::Cpu);
    match selector {
        None => Ok(devices
            .iter()
            .find(|device| **device != cpu)
            .unwrap_or(&devices[0])
            .clone()),
        Some("cpu") if devices.contains(&cpu) => Ok(cpu),
        Some("cpu") => Err(not_there(
            name,
            "no software adapter was found (Debian and Ubuntu: apt install mesa-vulkan-drivers)"
                .into(),
        )),
        Some(number) => numbered(name, number, &devices),
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn numbered(name: &str, number: &str, devices: &[Device]) -> Result<Device, DeviceError> {
    let index = number.parse::<usize>().ok();
    index.and_then(|index| devices.get(index)).cloned().ok_or_else(|| {
        let last = devices.len().saturating_sub(1);
        not_there(name, format!("`{number}` selects no adapter; this machine has adapters 0 to {last}, see `firebrick devices`"))
    })
}

#[cfg(feature = "cuda")]
fn cuda_devices() -> Vec<Device> {
    // The CUDA loader panics where the driver library is missing.
    std::panic::catch_unwind(|| Device::enumerate(DeviceType::Cuda).into_vec()).unwrap_or_default()
}

#[cfg(feature = "cuda")]
fn cuda(name: &str, selector: Option<&str>) -> Result<Device, DeviceError> {
    let devices = cuda_devices();
    if devices.is_empty() {
        return Err(not_there(
            name,
            "no CUDA device was found. Install the NVIDIA driver and the CUDA runtime".into(),
        ));
    }
    numbered(name, selector.unwrap_or("0"), &devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_devices_open_and_are_listed() {
        assert!(device("flex").is_ok());
        assert!(device("ndarray").is_ok());
        let listed = devices();
        let flex = listed.iter().find(|row| row.name == "flex").unwrap();
        assert!(flex.description.as_ref().unwrap().contains("CPU"));
        assert!(
            BACKENDS
                .iter()
                .all(|(name, _)| listed.iter().any(|row| row.name.starts_with(name)))
        );
    }

    #[test]
    fn features_are_those_whose_devices_are_compiled_in() {
        let features = features();
        for (name, _) in BACKENDS {
            let compiled = !matches!(device(name), Err(DeviceError::NotCompiled { .. }));
            assert_eq!(features.contains(&name), compiled, "{name}");
        }
    }

    #[test]
    fn errors_name_the_way_out() {
        assert!(
            device("flx")
                .unwrap_err()
                .to_string()
                .contains("did you mean `flex`?")
        );
        assert!(
            device("flex:1")
                .unwrap_err()
                .to_string()
                .contains("leave out `:1`")
        );
        if !cfg!(feature = "cuda") {
            assert!(
                device("cuda:1")
                    .unwrap_err()
                    .to_string()
                    .contains("--features cuda")
            );
        }
    }

    #[cfg(feature = "wgpu")]
    #[test]
    fn wgpu_numbers_are_checked() {
        if device("wgpu").is_ok() {
            assert!(
                device("wgpu:99")
                    .unwrap_err()
                    .to_string()
                    .contains("selects no adapter")
            );
            assert!(
                device("wgpu:x")
                    .unwrap_err()
                    .to_string()
                    .contains("selects no adapter")
            );
        } else {
            assert!(
                device("wgpu")
                    .unwrap_err()
                    .to_string()
                    .contains("mesa-vulkan-drivers")
            );
        }
    }
}
