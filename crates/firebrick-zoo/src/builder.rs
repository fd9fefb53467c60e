//! Puts layers one behind another, and keeps count of the channels and the stride that they have come to.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use firebrick_core::ConfigError;
use firebrick_core::nn::{
    Activation, BatchNormConfig, Conv2dConfig, LayerNorm2dConfig, LinearConfig,
};
use firebrick_regularize::DropoutConfig;
use firebrick_regularize::dropout::DropPathConfig;

use crate::backbone::Stage;
use crate::layers::{Join, Layer, LayerScale, Layers, Operation};
use crate::members::{Members, Place};
use crate::network::Network;

/// The window of a convolution that keeps the size but for its stride, and whether it has a bias.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    kernel: [usize; 2],
    stride: usize,
    padding: [usize; 2],
    groups: usize,
    bias: bool,
}

impl Window {
    /// A square window with stride 1, one group, and no bias.
    pub(crate) const fn new(side: usize) -> Self {
        Self::of([side; 2])
    }

    /// `[height, width]`.
    pub(crate) const fn of(kernel: [usize; 2]) -> Self {
        Self {
            kernel,
            stride: 1,
            padding: [(kernel[0] - 1) / 2, (kernel[1] - 1) / 2],
            groups: 1,
            bias: false,
        }
    }

    pub(crate) const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same on all sides, in place of what keeps the size.
    pub(crate) const fn padding(self, padding: usize) -> Self {
        Self {
            padding: [padding; 2],
            ..self
        }
    }

    pub(crate) const fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub(crate) const fn bias(self) -> Self {
        Self { bias: true, ..self }
    }
}

/// Layers one behind another.
pub(crate) struct Chain<'a> {
    device: &'a Device,
    epsilon: f64,
    momentum: f64,
    tensorflow: bool,
    members: Members,
    /// Where the next convolution stands, for packed members.
    place: Place,
    /// Channels at the end, of a single member.
    pub(crate) channels: usize,
    /// Pixels of the beginning for one pixel at the end.
    stride: usize,
    layers: Vec<(String, Layer)>,
    stages: Vec<(Stage, usize)>,
}

impl<'a> Chain<'a> {
    /// Nothing yet, behind this many channels. Batch norms have PyTorch's constants.
    pub(crate) fn new(channels: usize, device: &'a Device) -> Self {
        Self {
            device,
            epsilon: 1e-5,
            momentum: 0.1,
            tensorflow: false,
            members: Members::One,
            place: Place::Images,
            channels,
            stride: 1,
            layers: Vec::new(),
            stages: Vec::new(),
        }
    }

    /// A network of several members, whose channels are given for one.
    pub(crate) fn with_members(self, members: Members) -> Self {
        Self { members, ..self }
    }

    /// The next convolution is the first of a block or stage.
    pub(crate) fn begin_block(&mut self) {
        self.place = Place::First;
    }

    /// What is added to variances, and the share of the new batch in the running statistics, of the batch norms from here on.
    pub(crate) fn set_norms(&mut self, epsilon: f64, momentum: f64) {
        (self.epsilon, self.momentum) = (epsilon, momentum);
    }

    /// TensorFlow's padding from here on: what keeps the size, and of an odd number of rows and columns one more at the bottom and
    /// right.
    pub(crate) fn set_tensorflow(&mut self) {
        self.tensorflow = true;
    }

    /// Nothing yet, behind the end of this one.
    pub(crate) fn branch(&self) -> Self {
        Self {
            epsilon: self.epsilon,
            momentum: self.momentum,
            tensorflow: self.tensorflow,
            members: self.members,
            place: self.place,
            ..Self::new(self.channels, self.device)
        }
    }

    /// A layer that keeps channels and size.
    pub(crate) fn push(&mut self, name: impl Into<String>, layer: Layer) {
        self.layers.push((name.into(), layer));
    }

    /// A layer without parameters, which needs no name.
    pub(crate) fn plain(&mut self, operation: Operation) {
        self.push("", Layer::plain(operation));
    }

    pub(crate) fn activation(&mut self, activation: Activation) {
        self.push("", Layer::activation(activation));
    }

    pub(crate) fn conv(&mut self, name: impl Into<String>, outputs: usize, window: Window) {
        let mut padding = window.padding.map(|side| (side, side));
        if self.tensorflow && window.stride == 2 {
            // Of an even number of pixels; of an odd one there is one row or column more in front.
            padding = window.kernel.map(|side| {
                let all = side.saturating_sub(2);
                (all / 2, all - all / 2)
            });
            if window.kernel != [1, 1] {
                self.plain(Operation::PadOdd);
            }
        }
        let config = Conv2dConfig {
            kernel_size: window.kernel,
            stride: [window.stride; 2],
            padding,
            groups: window.groups,
            bias: window.bias,
            ..Conv2dConfig::new([self.channels, outputs], 1)
        };
        let conv = self.members.conv(&config, self.place, self.device);
        self.push(name, conv);
        self.place = Place::Inner;
        self.channels = outputs;
        self.stride *= window.stride;
    }

    pub(crate) fn norm(&mut self, name: impl Into<String>) {
        self.push(name, Layer::Norm(self.norm_config().init(self.device)));
    }

    /// A batch norm at the end of a residual branch whose scale begins at 0.
    pub(crate) fn zero_norm(&mut self, name: impl Into<String>) {
        let mut norm = self.norm_config().init(self.device);
        norm.gamma = Some(Param::from_tensor(Tensor::zeros(
            [self.members.width(self.channels)],
            self.device,
        )));
        self.push(name, Layer::Norm(norm));
    }

    fn norm_config(&self) -> BatchNormConfig {
        BatchNormConfig {
            epsilon: self.epsilon,
            momentum: Some(self.momentum),
            ..BatchNormConfig::new(self.members.width(self.channels))
        }
    }

    /// A convolution, its batch norm, and the activation behind that.
    pub(crate) fn conv_norm(
        &mut self,
        [conv, norm]: [&str; 2],
        outputs: usize,
        window: Window,
        activation: Option<Activation>,
    ) {
        self.conv(conv, outputs, window);
        self.norm(norm);
        self.layers
            .extend(activation.map(|activation| (String::new(), Layer::activation(activation))));
    }

    /// Torchvision's `Conv2dNormActivation`: the convolution is `name.0`, the batch norm `name.1`.
    pub(crate) fn numbered_conv_norm(
        &mut self,
        name: &str,
        outputs: usize,
        window: Window,
        activation: Option<Activation>,
    ) {
        let names = [format!("{name}.0"), format!("{name}.1")];
        self.conv_norm([&names[0], &names[1]], outputs, window, activation);
    }

    pub(crate) fn layer_norm(&mut self, name: impl Into<String>, epsilon: f64) {
        let config = LayerNorm2dConfig {
            epsilon,
            ..LayerNorm2dConfig::new(self.channels)
        };
        self.push(name, Layer::LayerNorm(config.init(self.device)));
    }

    /// On all values of an image; `inputs` of them where the end has more than one pixel.
    pub(crate) fn linear(&mut self, name: impl Into<String>, inputs: usize, outputs: usize) {
        let linear = LinearConfig::new(inputs, outputs).init(self.device);
        self.push(name, Layer::Linear(linear));
        self.channels = outputs;
    }

    /// The last layer, on one pixel; each member has one.
    pub(crate) fn head(&mut self, name: &str, classes: usize) -> Result<(), ConfigError> {
        let head = self.members.head(self.channels, classes, self.device)?;
        self.push(name, head);
        self.channels = classes;
        Ok(())
    }

    /// The shortcut without weights: every second row and column, and channels of zeros on both sides of each member's.
    pub(crate) fn subsample(&mut self, outputs: usize) {
        let missing = self.members.width(outputs) - self.members.width(self.channels);
        let missing = missing / self.members.side_by_side();
        self.plain(Operation::Subsample {
            sides: (missing / 2, missing - missing / 2),
            members: self.members,
        });
        self.channels = outputs;
        self.stride *= 2;
    }

    /// On the channels of each pixel.
    pub(crate) fn pointwise(&mut self, name: impl Into<String>, outputs: usize) {
        let linear = LinearConfig::new(self.channels, outputs).init(self.device);
        self.push(name, Layer::Pointwise(linear));
        self.channels = outputs;
    }

    /// The parameter `layer_scale`, one value for each channel.
    pub(crate) fn layer_scale(&mut self, value: f64) {
        let scale = Tensor::full([self.channels, 1, 1], value, self.device);
        let scale = LayerScale {
            layer_scale: Param::from_tensor(scale),
        };
        self.push("", Layer::Scale(scale));
    }

    pub(crate) fn max_pool(&mut self, kernel: usize, stride: usize, padding: usize, ceil: bool) {
        self.plain(Operation::MaxPool {
            kernel,
            stride,
            padding,
            ceil,
        });
        self.stride *= stride;
    }

    pub(crate) fn avg_pool(&mut self, kernel: usize, stride: usize, padding: usize) {
        self.plain(Operation::AvgPool {
            kernel,
            stride,
            padding,
        });
        self.stride *= stride;
    }

    /// The mean of 2×2 pixels, of fewer at the far edge of an odd side.
    pub(crate) fn halve(&mut self) {
        self.plain(Operation::Halve);
        self.stride *= 2;
    }

    pub(crate) fn dropout(&mut self, name: &str, p: f64) -> Result<(), ConfigError> {
        let dropout = DropoutConfig::new(p).init()?;
        self.push(name, Layer::Dropout(dropout));
        Ok(())
    }

    /// At the end of a residual branch.
    pub(crate) fn drop_path(&mut self, p: f64) -> Result<(), ConfigError> {
        let path = DropPathConfig::new(p).init()?;
        self.push("drop_path", Layer::DropPath(path));
        Ok(())
    }

    /// What the layers of another chain make of this one's end, one after another.
    pub(crate) fn chain(&mut self, name: impl Into<String>, inner: Self) {
        self.channels = inner.channels;
        self.stride *= inner.stride;
        self.place = inner.place;
        self.push(name, Layer::Layers(inner.joined(Join::Chain)));
    }

    /// What `branch` makes of the end, added to the end itself or its projection, then activated.
    pub(crate) fn residual(
        &mut self,
        name: impl Into<String>,
        branch: Self,
        projection: Option<Self>,
        activation: Activation,
    ) {
        let shortcut = projection.unwrap_or_else(|| self.branch());
        self.branches(name, Join::Add(activation), vec![branch, shortcut]);
    }

    /// What several branches make of the end, added or stacked; what they leave is as wide as `join` makes it.
    pub(crate) fn branches(&mut self, name: impl Into<String>, join: Join, branches: Vec<Self>) {
        let widths = branches.iter().map(|branch| branch.channels);
        let shown = match join {
            Join::Preactivated => 1,
            _ => 0,
        };
        self.channels = match join {
            Join::Concat => widths.sum(),
            _ => branches
                .get(shown)
                .map_or(self.channels, |branch| branch.channels),
        };
        self.stride *= branches.get(shown).map_or(1, |branch| branch.stride);
        let chains = branches.into_iter();
        let layers =
            chains.map(|branch| (String::new(), Layer::Layers(branch.joined(Join::Chain))));
        let layers = layers.collect();
        self.push(name, Layer::Layers(Layers { join, layers }));
    }

    /// The first half of the channels, and what `branch` makes of the second; it begins with that many channels.
    pub(crate) fn second_half(&mut self, name: impl Into<String>, branch: Self) {
        self.channels = self.channels / 2 + branch.channels;
        self.push(name, Layer::Layers(branch.joined(Join::SecondHalf)));
    }

    /// Squeeze-and-excite (Hu, Shen and Sun, CVPR 2018): each channel times a number that two layers make of the means of all.
    pub(crate) fn squeeze_excite(
        &mut self,
        name: impl Into<String>,
        layers: [&str; 2],
        squeezed: usize,
        [inside, gate]: [Activation; 2],
    ) {
        let mut excite = self.branch();
        excite.plain(Operation::GlobalAvgPool);
        excite.conv(layers[0], squeezed, Window::new(1).bias());
        excite.activation(inside);
        excite.conv(layers[1], self.channels, Window::new(1).bias());
        excite.activation(gate);
        self.push(name, Layer::Layers(excite.joined(Join::Gate)));
    }

    /// Layers that only hold their weights.
    pub(crate) fn held(&mut self, name: impl Into<String>, inner: Self) {
        self.push(name, Layer::Layers(inner.joined(Join::Held)));
    }

    /// A branch behind as many channels as this.
    pub(crate) fn narrowed(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// The end of a stage.
    pub(crate) fn stage(&mut self, name: impl Into<String>) {
        self.end_stage(name.into(), Some(self.stride));
    }

    /// The end of a stage whose features have no sides.
    pub(crate) fn flat_stage(&mut self, name: impl Into<String>) {
        self.end_stage(name.into(), None);
    }

    fn end_stage(&mut self, name: String, stride: Option<usize>) {
        let begin = self.stages.last().map_or(0, |(_, end)| *end);
        let layers = self.layers[begin..].iter();
        let modules = layers.filter(|(name, layer)| !name.is_empty() && layer.has_parameters());
        let stage = Stage {
            name,
            modules: modules.map(|(name, _)| name.clone()).collect(),
            width: self.channels,
            stride,
        };
        self.stages.push((stage, self.layers.len()));
    }

    fn joined(self, join: Join) -> Layers {
        Layers {
            join,
            layers: self.layers,
        }
    }

    /// The network, whose last layer has this name.
    pub(crate) fn network(self, head: &str) -> Network {
        Network::new(self.layers, self.stages, head, self.members)
    }
}
