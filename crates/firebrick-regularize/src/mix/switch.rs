//! `switch`: for each batch one of two changes, as timm's `Mixup` does with mixup and cutmix.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Batch, BatchMoment, BatchTransform};
use firebrick_core::random::HostRng;
use firebrick_core::spec::Spec;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::definition::{BuildMix, MixConfig, UNTIL};

/// With probability `prob` a batch goes through the second change, else through the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switch {
    /// The change of most batches.
    pub first: Spec,
    /// The other one.
    pub second: Spec,
    /// The share of batches that go through the second, in [0, 1].
    pub prob: f64,
    /// The share of the run's epochs after which it is off, in [0, 1].
    pub until: f64,
}

impl Default for Switch {
    fn default() -> Self {
        Self {
            first: Spec::new("mixup"),
            second: Spec::new("cutmix"),
            prob: 0.5,
            until: 1.0,
        }
    }
}

impl MixConfig for Switch {
    const ABOUT: About = About::new(
        "switch",
        "applies one of two ways of mixing to each batch, at random",
        &[
            Field::new("first", Range::Unit("mix")),
            Field::new("second", Range::Unit("mix")),
            Field::new("prob", Range::Within(0.0, 1.0)),
            UNTIL,
        ],
    )
    .source("timm's Mixup with switch_prob");

    fn transform(&self, build: BuildMix) -> Result<Box<dyn BatchTransform>, ConfigError> {
        Ok(Box::new(Either {
            first: build(&self.first)?,
            second: build(&self.second)?,
            prob: self.prob,
            until: self.until,
        }))
    }
}

/// One of two changes.
struct Either {
    first: Box<dyn BatchTransform>,
    second: Box<dyn BatchTransform>,
    prob: f64,
    until: f64,
}

impl BatchTransform for Either {
    fn apply(&self, batch: Batch, moment: &BatchMoment, rng: &mut HostRng) -> Batch {
        if moment.share >= self.until {
            return batch;
        }
        let second = rng.random::<f64>() < self.prob;
        let chosen = if second { &self.second } else { &self.first };
        chosen.apply(batch, moment, rng)
    }

    fn spec(&self) -> Spec {
        let config = Switch {
            first: self.first.spec(),
            second: self.second.spec(),
            prob: self.prob,
            until: self.until,
        };
        Spec::canonical(Switch::ABOUT.name, &config)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;

    use super::*;
    use crate::mix::tests::{batch, moment};

    #[test]
    fn each_batch_goes_through_one_of_the_two() {
        let switch = Switch {
            first: "mixup(until=0)".parse().unwrap(),
            second: "cutmix(1000)".parse().unwrap(),
            prob: 0.25,
            ..Switch::default()
        };
        let switch = switch.transform(crate::mix::one).unwrap();
        // The first is off, so a batch that changes went through the second.
        let changed = (0..400).filter(|seed| {
            let mixed = switch.apply(batch(4, [8, 8]), &moment(0.0), &mut rng(*seed, "mix", 0, 0));
            mixed != batch(4, [8, 8])
        });
        let changed = changed.count();
        // 100 expected; five standard deviations are 43.
        assert!((57..143).contains(&changed), "{changed}");
    }
}
