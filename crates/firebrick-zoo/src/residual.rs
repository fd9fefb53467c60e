//! The block that ResNet-18 and the residual networks for CIFAR share: two 3×3 convolutions, each with batch norm.

use firebrick_core::ConfigError;
use firebrick_core::nn::Activation;

use crate::builder::{Chain, Window};

/// What tells the blocks of a network apart.
pub(crate) struct Block {
    /// Channels that it makes.
    pub(crate) width: usize,
    /// Of its first convolution.
    pub(crate) stride: usize,
    /// After its first batch norm, and after the sum.
    pub(crate) activation: Activation,
    /// The probability of dropping the branch in training.
    pub(crate) drop_path: f64,
}

impl Block {
    /// Puts the block behind `chain`: `activation(drop_path(norm(conv(activation(norm(conv(x)))))) + shortcut(x))`; `x` itself where
    /// there is no shortcut.
    pub(crate) fn behind<'a>(
        self,
        chain: &mut Chain<'a>,
        name: usize,
        shortcut: Option<Chain<'a>>,
    ) -> Result<(), ConfigError> {
        let mut branch = chain.branch();
        branch.begin_block();
        let first = Window::new(3).stride(self.stride);
        branch.conv_norm(["conv1", "bn1"], self.width, first, Some(self.activation));
        branch.conv_norm(["conv2", "bn2"], self.width, Window::new(3), None);
        branch.drop_path(self.drop_path)?;
        chain.residual(name.to_string(), branch, shortcut, self.activation);
        Ok(())
    }
}
