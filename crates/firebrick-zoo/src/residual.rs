//! The stages that ResNet-18 and the residual networks for CIFAR share: blocks of two 3×3 convolutions, each with batch norm.

use firebrick_core::ConfigError;
use firebrick_core::nn::Activation;
use firebrick_regularize::dropout::drop_path_rates;

use crate::builder::{Chain, Window};

/// Stages of residual blocks, `layer1` and so on. All but the first halve the size.
pub(crate) struct Stages<'w> {
    /// Channels of each.
    pub(crate) widths: &'w [usize],
    /// Blocks of each.
    pub(crate) blocks: usize,
    /// After the first batch norm of a block, and after its sum.
    pub(crate) activation: Activation,
    /// The probability of dropping the branch of the last block in training; it rises from 0 at the first.
    pub(crate) drop_path: f64,
}

impl Stages<'_> {
    /// Puts the stages behind `chain`. Where the size halves, `shortcut` puts behind an empty chain what the input becomes before it is
    /// added to a branch of so many channels.
    pub(crate) fn behind<'a>(
        &self,
        chain: &mut Chain<'a>,
        shortcut: impl Fn(&mut Chain<'a>, usize),
    ) -> Result<(), ConfigError> {
        let blocks = self.widths.len() * self.blocks;
        let mut rates = drop_path_rates(self.drop_path, blocks).into_iter();
        for (at, width) in self.widths.iter().copied().enumerate() {
            let mut stage = chain.branch();
            for block in 0..self.blocks {
                let halves = at > 0 && block == 0;
                let mut branch = stage.branch();
                branch.begin_block();
                let first = Window::new(3).stride(if halves { 2 } else { 1 });
                branch.conv_norm(["conv1", "bn1"], width, first, Some(self.activation));
                branch.conv_norm(["conv2", "bn2"], width, Window::new(3), None);
                branch.drop_path(rates.next().unwrap_or_default())?;
                let projection = halves.then(|| {
                    let mut projection = stage.branch();
                    shortcut(&mut projection, width);
                    projection
                });
                stage.residual(block.to_string(), branch, projection, self.activation);
            }
            let name = format!("layer{}", at + 1);
            chain.chain(name.as_str(), stage);
            chain.stage(name);
        }
        Ok(())
    }
}
