//! What the `model` of a recipe can name: the models of the zoo, or models of your own.

use std::marker::PhantomData;
use std::sync::Arc;

use burn::tensor::Device;
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use firebrick_zoo::{Architecture, Backbone, Input, Model, Stage};
use serde::{Deserialize, Serialize};

type Read<M> = dyn Fn(&Spec) -> Result<Box<dyn Architecture<M>>, ConfigError> + Send + Sync;

/// The models that a recipe or a model file can name, all built as an `M`.
///
/// The default is the zoo. For a model of your own, make [`Models::own`] if it has no options, or [`Models::new`] if it
/// has, and pass it to [`Sources::models`](crate::Sources), [`TrainedModel::read_with`](crate::TrainedModel::read_with)
/// and so on; everything else works as with the zoo.
pub struct Models<M = Model> {
    read: Arc<Read<M>>,
    stages: fn(&M) -> Option<Vec<Stage>>,
}

impl<M> Clone for Models<M> {
    fn clone(&self) -> Self {
        Self {
            read: self.read.clone(),
            stages: self.stages,
        }
    }
}

impl Default for Models<Model> {
    /// The models of the zoo.
    fn default() -> Self {
        Self {
            stages: |model| model.backbone().map(Backbone::stages),
            ..Self::new(firebrick_zoo::architecture)
        }
    }
}

impl<M> Models<M> {
    /// Models whose configuration `read` gets from a spec: usually `spec.resolve::<Config>()`, boxed.
    pub fn new(
        read: impl Fn(&Spec) -> Result<Box<dyn Architecture<M>>, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            read: Arc::new(read),
            stages: |_| None,
        }
    }

    /// The same models, whose stages the setting `fine_tune` can train one after the other.
    #[must_use]
    pub fn of_backbones(self) -> Self
    where
        M: Backbone,
    {
        Self {
            stages: |model| Some(model.stages()),
            ..self
        }
    }

    /// The stages of a model; none if it does not name them.
    pub(crate) fn stages(&self, model: &M) -> Option<Vec<Stage>> {
        (self.stages)(model)
    }

    /// The configuration of the model that a spec names, its options checked.
    ///
    /// # Errors
    /// [`ConfigError`] naming the unknown model, or the option.
    pub fn architecture(&self, spec: &Spec) -> Result<Box<dyn Architecture<M>>, ConfigError> {
        let architecture = (self.read)(spec)?;
        architecture.check()?;
        Ok(architecture)
    }

    /// The same spec with every option spelled out by name, in order.
    ///
    /// # Errors
    /// As [`Self::architecture`].
    pub fn canonical(&self, spec: &Spec) -> Result<Spec, ConfigError> {
        Ok(self.architecture(spec)?.spec())
    }
}

impl<M: Classifier + 'static> Models<M> {
    /// One model without options, called `name` in recipes and model files.
    ///
    /// `native` is the input for recipes that set no image size: photos are resized to its height and width. `build`
    /// makes the model for the images and classes of an [`Input`]; its weights must depend on the seed alone.
    ///
    /// ```
    /// # use firebrick::prelude::*;
    /// use firebrick::Models;
    /// use firebrick::core::init::Init;
    /// use firebrick::core::nn::{Linear, LinearConfig};
    ///
    /// #[derive(Module, Debug)]
    /// struct OneLayer {
    ///     layer: Linear,
    /// }
    ///
    /// impl Classifier for OneLayer {
    ///     fn forward(&self, images: Tensor<4>) -> Tensor<2> {
    ///         self.layer.forward(images.flatten(1, 3))
    ///     }
    /// }
    ///
    /// let native = Input { channels: 1, height: 28, width: 28, classes: 10 };
    /// let models = Models::own("one_layer", native, |input, seed, device| {
    ///     let values = input.channels * input.height * input.width;
    ///     let layer = LinearConfig::new(values, input.classes).init(device);
    ///     Ok(Init::PYTORCH.apply(OneLayer { layer }, seed))
    /// });
    /// assert_eq!(models.canonical(&"one_layer".parse()?)?.to_string(), "one_layer");
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn own<B>(name: &str, native: Input, build: B) -> Self
    where
        B: Fn(&Input, u64, &Device) -> Result<M, ConfigError> + Send + Sync + 'static,
    {
        let (name, build) = (name.to_string(), Arc::new(build));
        Self::new(move |spec| {
            if spec.name != name {
                return Err(ConfigError::unknown_name("model", &spec.name, [&*name]));
            }
            spec.resolve::<NoOptions>()?;
            Ok(Box::new(Own {
                name: name.clone(),
                native,
                build: build.clone(),
                model: PhantomData,
            }))
        })
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoOptions {}

/// A model of one's own without options.
struct Own<M, B> {
    name: String,
    native: Input,
    build: Arc<B>,
    model: PhantomData<fn() -> M>,
}

impl<M, B> Architecture<M> for Own<M, B>
where
    B: Fn(&Input, u64, &Device) -> Result<M, ConfigError>,
{
    fn spec(&self) -> Spec {
        Spec::new(&self.name)
    }

    fn native_input(&self) -> Input {
        self.native
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<M, ConfigError> {
        (self.build)(input, seed, device)
    }
}
