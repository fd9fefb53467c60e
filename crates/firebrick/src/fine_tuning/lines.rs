//! What is trained when, in words.

use firebrick_core::lora::Lora;
use firebrick_transfer::unfreezing::BatchNorms;

use super::{FineTuning, Phase};

impl FineTuning {
    /// What is trained when, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let phases = self.phases();
        let mut lines = Vec::new();
        let mut before: &[String] = &[];
        for (at, phase) in phases.iter().enumerate() {
            let from = phase.step + 1;
            let what = if phase.frozen.is_empty() {
                "everything".to_string()
            } else if at == 0 {
                let names = phase.trained.iter().map(|(name, _)| name.as_str());
                names.collect::<Vec<_>>().join(", ")
            } else {
                let added = before.iter().filter(|name| !phase.frozen.contains(name));
                added
                    .map(|name| format!("{name} too"))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let adapters = match self.adapters() {
                Some(Lora { rank, .. }) => {
                    format!(", and adapters of rank {rank} in all other layers")
                }
                None => String::new(),
            };
            let factor = self.plan().factor(self.share(phase.step));
            let rate = if factor == 1.0 {
                String::new()
            } else {
                format!(", at {factor} × the rate")
            };
            lines.push(format!("from update {from}: {what}{adapters}{rate}"));
            before = &phase.frozen;
        }
        if let Some(Phase { frozen, .. }) = phases.first().filter(|first| !first.frozen.is_empty())
        {
            let first = if phases.len() > 1 {
                "at first frozen"
            } else {
                "frozen"
            };
            lines.push(format!("{first}: {}", frozen.join(", ")));
        }
        if self.plan().discriminative != 1.0 {
            let count = self.stages.len();
            let rates = self.stages.iter().enumerate().rev().map(|(stage, name)| {
                let rate = self.plan().relative_rate(stage, count);
                format!("{name} × {}", (rate * 1e4).round() / 1e4)
            });
            lines.push(format!("rates: {}", rates.collect::<Vec<_>>().join(", ")));
        }
        let statistics = match self.plan().batch_norm {
            BatchNorms::Frozen => "all batch norms keep their statistics",
            BatchNorms::Trained if self.plan().at(0.0, self.stages.len())[0].trained => {
                "batch norms update their statistics"
            }
            BatchNorms::Trained => "batch norms of frozen stages keep their statistics",
        };
        lines.push(statistics.into());
        lines
    }
}
