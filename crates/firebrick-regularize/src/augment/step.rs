//! An augmentation with its configuration, whatever its type: [`Step`], and how it is built from a spec: [`Build`].

use std::marker::PhantomData;

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Drawn, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Spec, fields};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::augmentation::Augmentation;
use super::frame::Frame;
use super::warp::Warp;

/// One step of a pipeline.
pub trait Step: Send + Sync {
    /// The name of the augmentation.
    fn name(&self) -> &'static str;

    /// The canonical spec.
    fn spec(&self) -> Spec;

    /// See [`Augmentation::wants_original`].
    fn wants_original(&self) -> bool;

    /// See [`Augmentation::output`]; `None` also where only some images get another size.
    ///
    /// # Errors
    /// Those of [`Augmentation::output`].
    fn output(&self, input: Option<Size>, target: Size) -> Result<Option<Size>, ConfigError>;

    /// Draws and changes the image in the frame, and notes the draw if there is a log.
    ///
    /// # Errors
    /// Those of [`Augmentation::output`] for the size of the image.
    fn act<'a>(
        &'a self,
        frame: &mut Frame<'a>,
        subject: &Subject,
        rng: &mut HostRng,
        log: Option<&mut Vec<Drawn>>,
    ) -> Result<(), ConfigError>;

    /// Changes the image in the frame as noted.
    ///
    /// # Errors
    /// [`ConfigError`] when the note is of another step.
    fn replay<'a>(&'a self, frame: &mut Frame<'a>, drawn: &Drawn) -> Result<(), ConfigError>;

    /// How pixels of an image of this size move; `None` if they stay.
    ///
    /// # Errors
    /// [`ConfigError`] when the note is of another step.
    fn warp(&self, size: Size, drawn: &Drawn) -> Result<Option<Warp>, ConfigError>;
}

/// How an augmentation is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the step.
    pub step: fn(&Spec) -> Result<Box<dyn Step>, ConfigError>,
}

impl<C: Augmentation> BuildOf<C> for Build {
    const ABOUT: &'static About = &About {
        fields: WithProb::<C>::FIELDS,
        ..C::ABOUT
    };
    const BUILD: Self = Self {
        step: |spec| {
            let step: Configured<C> = <Self as BuildOf<C>>::ABOUT.resolve(spec)?;
            step.config.check()?;
            step.config.check_prob(step.prob)?;
            Ok(Box::new(step))
        },
    };
    const FIELDS: fn() -> Vec<(String, Value)> = fields::<Configured<C>>;
    const CHECK: fn(&About, &Spec) -> Result<(), ConfigError> =
        |about, spec| about.resolve::<Configured<C>>(spec).map(drop);
}

/// The key that every augmentation has.
const PROB: Field = Field::new("prob", Range::Within(0.0, 1.0));
/// The most keys that an augmentation may have of its own.
const MOST: usize = 15;

/// The keys of an augmentation and `prob`.
struct WithProb<C>(PhantomData<C>);

impl<C: Augmentation> WithProb<C> {
    const ALL: &'static [Field; MOST + 1] = &with_prob(C::ABOUT.fields, C::PROB_FIRST);
    const FIELDS: &'static [Field] = Self::ALL.split_at(C::ABOUT.fields.len() + 1).0;
}

const fn with_prob(own: &[Field], first: bool) -> [Field; MOST + 1] {
    assert!(own.len() <= MOST, "an augmentation has at most 15 keys");
    // What is not overwritten is `prob`.
    let mut all = [PROB; MOST + 1];
    let mut at = 0;
    while at < own.len() {
        all[at + first as usize] = own[at];
        at += 1;
    }
    all
}

/// An augmentation and the share of images that it changes.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Configured<C: Augmentation> {
    #[serde(flatten)]
    config: C,
    #[serde(default = "default_prob::<C>")]
    prob: f64,
}

fn default_prob<C: Augmentation>() -> f64 {
    C::PROB
}

impl<C: Augmentation> Default for Configured<C> {
    fn default() -> Self {
        Self {
            config: C::default(),
            prob: C::PROB,
        }
    }
}

impl<C: Augmentation> Serialize for Configured<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct First<'a, C> {
            prob: f64,
            #[serde(flatten)]
            config: &'a C,
        }
        #[derive(Serialize)]
        struct Last<'a, C> {
            #[serde(flatten)]
            config: &'a C,
            prob: f64,
        }
        let (prob, config) = (self.prob, &self.config);
        if C::PROB_FIRST {
            First { prob, config }.serialize(serializer)
        } else {
            Last { config, prob }.serialize(serializer)
        }
    }
}

impl<C: Augmentation> Configured<C> {
    /// The parameters in a note of this step.
    fn params(drawn: &Drawn) -> Result<Option<C::Params>, ConfigError> {
        let name = C::ABOUT.name;
        let other = |found: &str| {
            ConfigError::Conflict(format!(
                "the drawn parameters are of another pipeline: {found} where `{name}` is"
            ))
        };
        if drawn.name != name {
            return Err(other(&format!("`{}`", drawn.name)));
        }
        let Some(params) = &drawn.params else {
            return Ok(None);
        };
        // Where nothing is drawn, the note is an empty object.
        let read = C::Params::deserialize(params);
        let read = read.or_else(|error| match params.as_object() {
            Some(object) if object.is_empty() => C::Params::deserialize(&Value::Null),
            _ => Err(error),
        });
        read.map(Some)
            .map_err(|error| other(&format!("{params} ({error})")))
    }

    fn note(params: Option<&C::Params>) -> Drawn {
        let note = |params| match serde_json::to_value(params) {
            Ok(Value::Null) | Err(_) => Value::Object(serde_json::Map::new()),
            Ok(value) => value,
        };
        Drawn {
            name: C::ABOUT.name.into(),
            params: params.map(note),
        }
    }

    fn change<'a>(&'a self, frame: &mut Frame<'a>, params: C::Params) {
        let warp = self.config.warp(frame.size(), &params);
        frame.change(warp, move |image| self.config.apply(image, &params));
    }
}

impl<C: Augmentation> Step for Configured<C> {
    fn name(&self) -> &'static str {
        C::ABOUT.name
    }

    fn spec(&self) -> Spec {
        Spec::canonical(C::ABOUT.name, self)
    }

    fn wants_original(&self) -> bool {
        self.config.wants_original()
    }

    fn output(&self, input: Option<Size>, target: Size) -> Result<Option<Size>, ConfigError> {
        let output = self.config.output(input, target)?;
        Ok(output.filter(|_| self.prob >= 1.0 || output == input))
    }

    fn act<'a>(
        &'a self,
        frame: &mut Frame<'a>,
        subject: &Subject,
        rng: &mut HostRng,
        log: Option<&mut Vec<Drawn>>,
    ) -> Result<(), ConfigError> {
        let size = frame.size();
        let applies = self.config.applies(self.prob, subject, rng);
        if applies {
            self.config.output(Some(size), subject.target)?;
        }
        let params = applies.then(|| self.config.sample(size, subject, rng));
        if let Some(log) = log {
            log.push(Self::note(params.as_ref()));
        }
        if let Some(params) = params {
            self.change(frame, params);
        }
        Ok(())
    }

    fn replay<'a>(&'a self, frame: &mut Frame<'a>, drawn: &Drawn) -> Result<(), ConfigError> {
        if let Some(params) = Self::params(drawn)? {
            self.change(frame, params);
        }
        Ok(())
    }

    fn warp(&self, size: Size, drawn: &Drawn) -> Result<Option<Warp>, ConfigError> {
        let params = Self::params(drawn)?;
        Ok(params.and_then(|params| self.config.warp(size, &params)))
    }
}
