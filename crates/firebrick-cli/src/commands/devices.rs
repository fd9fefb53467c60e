//! `firebrick devices`.

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::terminal;

/// List the devices of this machine, and why others are not there
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
        let rows: Vec<_> = devices
            .into_iter()
            .map(|device| match device.description {
                Ok(what) => vec![device.name, "yes".into(), what],
                Err(why) => vec![device.name, "no".into(), why.to_string()],
            })
            .collect();
        terminal::table(&rows);
        Ok(())
    }
}
