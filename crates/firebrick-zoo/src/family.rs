//! Families of networks that differ in constants: a table with a row for each network, and one constructor.

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field};
use firebrick_core::init::Init;
use firebrick_core::registry::Entry;
use firebrick_core::spec::{Config, Spec};

use crate::architecture::{Architecture, Build};
use crate::builder::Chain;
use crate::network::Network;
use crate::options::Options;
use crate::{Input, Model};

/// A family. A new one is a file with an implementation of this, and a line in [`REGISTRY`](crate::REGISTRY) for each network.
pub(crate) trait Family: Sized + 'static {
    /// The options of its networks, the same for all.
    type Options: Config + Options + Clone;
    /// What tells its networks apart.
    type Size: Sync + 'static;

    /// The networks.
    const NETWORKS: &'static [Published<Self>];
    /// How the reference implementation draws weights.
    const REFERENCE: Init;
    /// The path of the last layer.
    const HEAD: &'static str;
    /// Keys of published files that the network has no tensor for.
    const IGNORED: &'static [&'static str] = &[];
    /// Parts of the keys of older files, and what they are now.
    const RENAMED: &'static [(&'static str, &'static str)] = &[];

    /// Puts the layers behind `chain`, which is at the image's channels. Options and input are in their ranges.
    ///
    /// # Errors
    /// [`ConfigError`] for what the ranges do not say.
    fn build(
        size: &Self::Size,
        options: &Self::Options,
        classes: usize,
        chain: &mut Chain<'_>,
    ) -> Result<(), ConfigError>;

    /// What the reference implementation draws in another way than [`Self::REFERENCE`] says.
    fn drawn(network: Network, _seed: u64) -> Network {
        network
    }
}

/// A network of a family, as published.
pub(crate) struct Published<F: Family> {
    /// Its name and options.
    pub(crate) about: About,
    /// Side of the images that the published weights expect, in pixels.
    pub(crate) side: usize,
    /// The shortest side that its layers leave a pixel of.
    pub(crate) least_side: usize,
    /// Classes of the published weights.
    pub(crate) classes: usize,
    /// Drop probability in front of the last layers.
    pub(crate) dropout: f64,
    /// Probability of dropping the branch of the last block.
    pub(crate) drop_path: f64,
    /// What tells it apart from the rest of its family.
    pub(crate) size: F::Size,
}

impl<F: Family> Published<F> {
    /// A network for photos of 224×224 pixels and 1000 classes, without dropout.
    pub(crate) const fn new(
        name: &'static str,
        summary: &'static str,
        source: &'static str,
        fields: &'static [Field],
        size: F::Size,
    ) -> Self {
        Self {
            about: About::new(name, summary, fields).source(source),
            side: 224,
            least_side: 1,
            classes: 1000,
            dropout: 0.0,
            drop_path: 0.0,
            size,
        }
    }
}

/// The entry of the network with this name, one of the family's.
pub(crate) const fn entry<F: Family>(name: &str) -> Entry<Build> {
    let mut row = 0;
    while !is_equal(F::NETWORKS[row].about.name, name) {
        row += 1;
    }
    Entry::new::<F::Options>(
        &F::NETWORKS[row].about,
        Build {
            architecture: |spec| {
                let mut networks = F::NETWORKS.iter();
                let found = networks.find(|network| network.about.name == spec.name);
                let unknown = || {
                    let names = F::NETWORKS.iter().map(|network| network.about.name);
                    ConfigError::unknown_name("model", &spec.name, names)
                };
                let network = found.ok_or_else(unknown)?;
                let mut options = network.about.resolve::<F::Options>(spec)?;
                options.fill(network.dropout, network.drop_path);
                Ok(Box::new(Configured::<F> { network, options }))
            },
        },
    )
}

/// Whether two texts are equal, where `==` is not known yet.
const fn is_equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// A network with its options.
struct Configured<F: Family> {
    network: &'static Published<F>,
    options: F::Options,
}

impl<F: Family> Configured<F> {
    fn build(&self, input: &Input, device: &Device) -> Result<Network, ConfigError> {
        self.check()?;
        input.check(self.network.about.name, self.network.least_side)?;
        let mut chain = Chain::new(input.channels, device);
        F::build(&self.network.size, &self.options, input.classes, &mut chain)?;
        Ok(chain.network(F::HEAD))
    }
}

impl<F: Family> Architecture for Configured<F> {
    fn spec(&self) -> Spec {
        Spec::canonical(self.network.about.name, &self.options)
    }

    fn native_input(&self) -> Input {
        let (side, classes) = if self.options.is_for_small_images() {
            (32, 10)
        } else {
            (self.network.side, self.network.classes)
        };
        Input {
            channels: 3,
            height: side,
            width: side,
            classes,
        }
    }

    fn head(&self) -> Option<&'static str> {
        Some(F::HEAD)
    }

    fn ignored(&self) -> &'static [&'static str] {
        F::IGNORED
    }

    fn renamed(&self) -> &'static [(&'static str, &'static str)] {
        F::RENAMED
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.network.about.check(&self.options)?;
        Init::from_spec(self.options.init(), F::REFERENCE).map(drop)
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        self.build(input, device).map(Model::of_backbone)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let init = Init::from_spec(self.options.init(), F::REFERENCE)?;
        let network = init.apply(self.build(input, device)?, seed);
        let network = if self.options.init().name == "pytorch" {
            F::drawn(network, seed)
        } else {
            network
        };
        Ok(Model::of_backbone(network))
    }
}
