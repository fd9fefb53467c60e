//! `firebrick devices`.

use clap::Args;
use firebrick::core::DeviceError;
use serde_json::json;

use crate::failure::Failure;
use crate::terminal;

/// List the devices to compute on, and why others cannot be used
#[derive(Args)]
pub(crate) struct Devices {
    /// Print one JSON document: an array of {name, available, description}
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let devices = firebrick::core::devices();
        if self.json {
            let rows: Vec<_> = devices
                .iter()
                .map(|device| {
                    let description = device.description.as_ref().map_or_else(ToString::to_string, Clone::clone);
                    json!({ "name": device.name, "available": device.description.is_ok(), "description": description })
                })
                .collect();
            return terminal::json(&rows);
        }
        let mut missing = Vec::new();
        let rows: Vec<_> = devices
            .into_iter()
            .map(|device| match device.description {
                Ok(what) => vec![device.name, "yes".into(), what],
                Err(DeviceError::NotCompiled { feature, .. }) => {
                    missing.push(feature);
                    let why = format!("not compiled in; cargo feature `{feature}`");
                    vec![device.name, "no".into(), why]
                }
                Err(why) => vec![device.name, "no".into(), why.to_string()],
            })
            .collect();
        terminal::table(&rows);
        how_to_build(&missing)
            .iter()
            .for_each(|line| terminal::say(line));
        Ok(())
    }
}

/// The backends of the cargo feature `full`: they build on any machine.
const FULL: [&str; 3] = ["flex", "ndarray", "wgpu"];

/// How to build the backends that this program lacks.
fn how_to_build(missing: &[&str]) -> Vec<String> {
    if missing.is_empty() {
        return Vec::new();
    }
    if let Some(program) = crate::program::own() {
        let features = "enable these features of firebrick-cli in its Cargo.toml";
        return vec![format!(
            "\nTo build {} with more devices, {features}.",
            program.name
        )];
    }
    let install = "cargo install --locked --path crates/firebrick-cli --features";
    let mut lines =
        vec!["\nTo build Firebrick with more devices, in a clone of the repository:".to_string()];
    if missing.iter().any(|feature| FULL.contains(feature)) {
        lines.push(format!("  {install} full   # {}", FULL.join(", ")));
    }
    let mut others = missing.iter().filter(|feature| !FULL.contains(feature));
    if let Some(example) = others.next_back() {
        lines.push(format!(
            "  {install} full,{example}   # these and {example}, which needs the drivers of the GPU"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_adds_what_is_missing() {
        let manifest = include_str!("../../Cargo.toml");
        let features = FULL.map(|name| format!("\"{name}\"")).join(", ");
        assert!(manifest.contains(&format!("\nfull = [{features}, \"download\"]\n")));
        let install = "  cargo install --locked --path crates/firebrick-cli --features";
        let lines = how_to_build(&["ndarray", "wgpu", "cuda"]);
        assert!(
            lines[1].starts_with(&format!("{install} full ")),
            "{lines:?}"
        );
        assert!(
            lines[2].starts_with(&format!("{install} full,cuda ")),
            "{lines:?}"
        );
        assert_eq!(how_to_build(&["metal"]).len(), 2);
        assert!(how_to_build(&[]).is_empty());
    }
}
