//! The ways to have several members in one network, and their options: [`Members`].

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::init::FastWeights;
use firebrick_core::spec::{Spec, Value};
use serde::{Deserialize, Serialize};

/// The option `members` of a model.
pub(crate) const MEMBERS: Field = Field::new(
    "members",
    Range::Unit(
        "way to have members: one, batch_ensemble(4), packed(4, alpha=2, gamma=1) or mimo(3)",
    ),
);

/// The most members of a network.
const MOST: u64 = 64;

/// How a network has several members: the option `members` of residual networks and `small_cnn`.
///
/// | name | what it is | source |
/// |---|---|---|
/// | `one` | a single network | |
/// | `batch_ensemble` | members share all weights and differ by two vectors for each layer: [`BatchEnsemble`] | Wen, Tran and Ba, ICLR 2020 |
/// | `packed` | members are groups of channels that do not see each other: [`Packed`] | Laurent et al., ICLR 2023 |
/// | `mimo` | one network reads several images and has an output for each: [`Mimo`] | Havasi et al., ICLR 2021 |
///
/// In training, every member learns from every image, and the loss is the mean over members and images. In evaluation
/// every member sees the image, and the model puts out the logarithm of the mean of their probabilities: its softmax is
/// that mean, so that scores, calibration and ensembles of such models need not know about members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Members {
    /// It has one.
    One,
    /// They share all weights.
    BatchEnsemble(BatchEnsemble),
    /// They lie side by side.
    Packed(Packed),
    /// They read images of their own together.
    Mimo(Mimo),
}

/// `batch_ensemble`: members that share all weights and differ by two vectors for each layer.
///
/// | field | default | range | meaning |
/// |---|---|---|---|
/// | `members` | 4 | 1 to 64 | their number |
/// | `fast_weights` | `normal` | | how the vectors are drawn: `normal` from N(1, 0.5²), or `signs`, 1 or -1 |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchEnsemble {
    /// Their number.
    pub members: usize,
    /// How their vectors are drawn.
    pub fast_weights: FastWeights,
}

impl Default for BatchEnsemble {
    fn default() -> Self {
        Self {
            members: 4,
            fast_weights: FastWeights::Normal,
        }
    }
}

impl BatchEnsemble {
    const ABOUT: About = About::new(
        "batch_ensemble",
        "members that share all weights and differ by two vectors for each layer",
        &[
            Field::new("members", Range::Whole(1, MOST)),
            Field::new("fast_weights", Range::Choice(&["normal", "signs"])),
        ],
    );
}

/// `packed`: members that are groups of channels, side by side in one network.
///
/// | field | default | range | meaning |
/// |---|---|---|---|
/// | `members` | 4 | 1 to 64 | their number |
/// | `alpha` | 2 | (0, 8] | the planes of all members together, in those of a single network |
/// | `gamma` | 1 | 1 to 64 | groups within a member, in all but the first convolution of each block |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Packed {
    /// Their number.
    pub members: usize,
    /// The planes of all members together, in those of a single network.
    pub alpha: f64,
    /// Groups within a member.
    pub gamma: usize,
}

impl Default for Packed {
    fn default() -> Self {
        Self {
            members: 4,
            alpha: 2.0,
            gamma: 1,
        }
    }
}

impl Packed {
    const ABOUT: About = About::new(
        "packed",
        "members that are groups of channels, side by side in one network",
        &[
            Field::new("members", Range::Whole(1, MOST)),
            Field::new("alpha", Range::Within(0.01, 8.0)),
            Field::new("gamma", Range::Whole(1, MOST)),
        ],
    );
}

/// `mimo`: one network that reads several images together and has an output for each.
///
/// | field | default | range | meaning |
/// |---|---|---|---|
/// | `members` | 3 | 1 to 64 | images that are read together |
/// | `batch_repetitions` | 1 | 1 to 64 | how often an image of a batch is read by each input |
/// | `input_repetition` | 0 | [0, 1] | the share of readings in which all inputs get the same image |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mimo {
    /// Images that are read together.
    pub members: usize,
    /// How often an image of a batch is read by each input.
    pub batch_repetitions: usize,
    /// The share of readings in which all inputs get the same image.
    pub input_repetition: f64,
}

impl Default for Mimo {
    fn default() -> Self {
        Self {
            members: 3,
            batch_repetitions: 1,
            input_repetition: 0.0,
        }
    }
}

impl Mimo {
    const ABOUT: About = About::new(
        "mimo",
        "one network that reads several images together and has an output for each",
        &[
            Field::new("members", Range::Whole(1, MOST)),
            Field::new("batch_repetitions", Range::Whole(1, MOST)),
            Field::new("input_repetition", Range::Within(0.0, 1.0)),
        ],
    );
}

/// Refuses arguments.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoFields {}

impl Members {
    /// The members that a spec names: `one`, `batch_ensemble(…)`, `packed(…)` or `mimo(…)`.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn from_spec(spec: &Spec) -> Result<Self, ConfigError> {
        match spec.name.as_str() {
            "one" => spec.resolve::<NoFields>().map(|_| Self::One),
            "batch_ensemble" => BatchEnsemble::ABOUT.resolve(spec).map(Self::BatchEnsemble),
            "packed" => Packed::ABOUT.resolve(spec).map(Self::Packed),
            "mimo" => Mimo::ABOUT.resolve(spec).map(Self::Mimo),
            name => {
                let known = ["one", "batch_ensemble", "packed", "mimo"];
                Err(ConfigError::unknown_name("members", name, known))
            }
        }
    }

    /// The spec that names them, with every option.
    #[must_use]
    pub fn spec(self) -> Spec {
        match self {
            Self::One => Spec::new("one"),
            Self::BatchEnsemble(config) => Spec::canonical("batch_ensemble", &config),
            Self::Packed(config) => Spec::canonical("packed", &config),
            Self::Mimo(config) => Spec::canonical("mimo", &config),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::BatchEnsemble(config) => config.members,
            Self::Packed(config) => config.members,
            Self::Mimo(config) => config.members,
        }
    }

    /// Refuses members among whom layers of so many planes in a single network cannot be divided.
    pub(crate) fn check(self, model: &str, planes: &[usize]) -> Result<(), ConfigError> {
        let Self::Packed(Packed {
            members,
            alpha,
            gamma,
        }) = self
        else {
            return Ok(());
        };
        let groups = members * gamma;
        let divides = |wide: usize| wide > 0 && wide.is_multiple_of(groups);
        let Some(single) = planes.iter().find(|planes| !divides(self.width(**planes))) else {
            return Ok(());
        };
        let wide = self.width(*single);
        Err(ConfigError::Conflict(format!(
            "{model}: packed: {single} planes times alpha {alpha} make {wide}, which cannot be divided into {members} members of {gamma} group{}; choose an alpha that makes a multiple of {groups}, or other members",
            if gamma == 1 { "" } else { "s" }
        )))
    }

    /// The planes of all members together, where a single network has so many.
    pub(crate) fn width(self, planes: usize) -> usize {
        match self {
            Self::Packed(packed) => (planes as f64 * packed.alpha) as usize,
            _ => planes,
        }
    }
}

/// A model's spec with its members spelled out. It is without `members` where there is one, and without a `drop_path`
/// that drops nothing: runs and files from before these options existed have the same spec.
pub(crate) fn without_idle_options(mut spec: Spec, members: &Spec) -> Spec {
    let members = Members::from_spec(members).map_or_else(|_| members.clone(), Members::spec);
    spec.named.retain_mut(|(key, value)| match key.as_str() {
        "drop_path" => !matches!(value, Value::Number(p) if *p <= 0.0),
        "members" => {
            *value = Value::Spec(members.clone());
            members.name != "one"
        }
        _ => true,
    });
    spec
}
